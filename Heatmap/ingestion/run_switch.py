"""A switch for the work of a loop that another thread turns on and off."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine


class RunSwitch:
    """Off at first; `turn_on` and `turn_off` may be called on any thread, `run_while_on` runs on one loop."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._is_on = False
        # Counts the times it was turned on: work of an earlier one is ended, however soon it was turned on again.
        self._generation = 0
        self._changed: tuple[asyncio.AbstractEventLoop, asyncio.Event] | None = None

    def turn_on(self) -> None:
        """Let the work begin; harmless if it runs."""
        self._set(is_on=True)

    def turn_off(self) -> None:
        """Have the work cancelled; harmless if none runs."""
        self._set(is_on=False)

    async def run_while_on(self, main: Callable[[], Coroutine[object, object, None]]) -> NoReturn:
        """Run ``main()`` whenever the switch is on, and cancel it when it is turned off, until this is cancelled.

        Work that ends by itself begins again only after the switch was turned off and on.

        Raises
        ------
        Exception
            What ``main`` raises.
        """
        changed = asyncio.Event()
        with self._lock:
            self._changed = (asyncio.get_running_loop(), changed)
        work: asyncio.Task[None] | None = None
        begun = 0
        try:
            while True:
                changed.clear()
                with self._lock:
                    wanted = self._generation if self._is_on else 0
                if work is not None and begun != wanted:
                    ending, work = work, None
                    await _cancelled(ending)
                if wanted and begun != wanted:
                    work = asyncio.create_task(main())
                begun = wanted
                change = asyncio.create_task(changed.wait())
                try:
                    pending = {change} if work is None or work.done() else {change, work}
                    await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    change.cancel()
                if work is not None and work.done():
                    work.result()
        finally:
            with self._lock:
                self._changed = None
            if work is not None:
                await _cancelled(work)

    def _set(self, *, is_on: bool) -> None:
        with self._lock:
            self._generation += is_on and not self._is_on
            self._is_on = is_on
            if self._changed is not None:
                loop, changed = self._changed
                # A loop that is being closed has nothing to run any more.
                with contextlib.suppress(RuntimeError):
                    loop.call_soon_threadsafe(changed.set)


async def _cancelled(work: asyncio.Task[None]) -> None:
    """Cancel a task and wait for its end; what it raises then is raised here."""
    work.cancel()
    await asyncio.wait([work])
    if not work.cancelled():
        work.result()
