"""A gate that another thread opens and shuts, and work that runs on a loop only while it is open."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine


class Gate:
    """Shut at first; `open` and `shut` may be called on any thread, `run_while_open` runs on one loop."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._is_open = False
        # Which opening this is: work of an earlier one is ended, however soon the gate was opened again.
        self._opening = 0
        self._moved: tuple[asyncio.AbstractEventLoop, asyncio.Event] | None = None

    def open(self) -> None:
        """Let the work begin; harmless if it runs."""
        self._move(is_open=True)

    def shut(self) -> None:
        """Have the work cancelled; harmless if none runs."""
        self._move(is_open=False)

    async def run_while_open(self, main: Callable[[], Coroutine[object, object, None]]) -> NoReturn:
        """Run ``main()`` whenever the gate is open, and cancel it when it is shut, until this is cancelled.

        Work that ends by itself is not begun again before the gate was shut and opened.

        Raises
        ------
        Exception
            What ``main`` raises.
        """
        moved = asyncio.Event()
        with self._lock:
            self._moved = (asyncio.get_running_loop(), moved)
        work: asyncio.Task[None] | None = None
        begun = 0
        try:
            while True:
                moved.clear()
                with self._lock:
                    wanted = self._opening if self._is_open else 0
                if work is not None and begun != wanted:
                    ending, work = work, None
                    await _ended(ending)
                if wanted and begun != wanted:
                    work = asyncio.create_task(main())
                begun = wanted
                change = asyncio.create_task(moved.wait())
                try:
                    pending = {change} if work is None or work.done() else {change, work}
                    await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    change.cancel()
                if work is not None and work.done():
                    work.result()
        finally:
            with self._lock:
                self._moved = None
            if work is not None:
                await _ended(work)

    def _move(self, *, is_open: bool) -> None:
        with self._lock:
            self._opening += is_open and not self._is_open
            self._is_open = is_open
            if self._moved is not None:
                loop, moved = self._moved
                # A loop that is being closed has nothing to run any more.
                with contextlib.suppress(RuntimeError):
                    loop.call_soon_threadsafe(moved.set)


async def _ended(work: asyncio.Task[None]) -> None:
    """Cancel a task and wait for its end; what it raises then is raised here."""
    work.cancel()
    await asyncio.wait([work])
    if not work.cancelled():
        work.result()
