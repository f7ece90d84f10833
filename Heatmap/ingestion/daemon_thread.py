"""Blocking calls on daemon threads.

A loop's default executor is joined when the loop closes and when the program ends: one name server that does not
answer would hold up both.
"""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

_T = TypeVar("_T")


async def run_in_daemon_thread(work: Callable[[], _T], *, name: str) -> _T:
    """Return or raise what ``work()`` does on a new thread called ``name``.

    Cancelling ends the wait at once; the thread goes on until ``work`` ends, and its outcome is dropped.
    """
    outcome: Future[_T] = Future()
    outcome.set_running_or_notify_cancel()  # from here on a cancelled wait cannot cancel the work's own future

    def perform() -> None:
        try:
            value = work()
        except BaseException as error:  # noqa: BLE001 - raised at the caller, with its traceback
            outcome.set_exception(error)
        else:
            outcome.set_result(value)

    threading.Thread(target=perform, name=name, daemon=True).start()
    return await asyncio.wrap_future(outcome)
