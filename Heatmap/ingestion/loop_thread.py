"""An event loop on a thread of its own, away from the GUI's, and work on it that other threads turn on and off."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import threading
from typing import TYPE_CHECKING, Any

from Heatmap.ingestion.daemon_thread import run_in_daemon_thread

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

_LOG = logging.getLogger(__name__)


class _Loop(asyncio.SelectorEventLoop):
    """A loop whose end does not wait for a name server.

    Each look-up begins with the next of a host's addresses: one that never answers, as over a broken IPv6 route, would
    else use up every attempt's time. (asyncio's own answer, racing them, leaks sockets when it is cancelled.)
    """

    def __init__(self) -> None:
        super().__init__()
        self._lookups = 0

    async def getaddrinfo(self, host: Any, port: Any, **options: Any) -> Any:  # as asyncio types it, for any host
        found = await run_in_daemon_thread(lambda: socket.getaddrinfo(host, port, **options), name="heatmap-dns")
        begin = self._lookups % len(found)
        self._lookups += 1
        return found[begin:] + found[:begin]


class LoopThread:
    """Runs the coroutine made by ``main()`` on a thread called ``name`` while it is turned on.

    It is off at first. All methods may be called on any other thread. Work that ends by itself begins again only after
    it was turned off and on.
    """

    def __init__(self, main: Callable[[], Coroutine[object, object, None]], *, name: str) -> None:
        self._main = main
        self._loop = _Loop()
        self._changed = asyncio.Event()
        # Changed on the loop only. An earlier piece of work is ended, however soon the next is wanted.
        self._wanted: object | None = None
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Start the thread; call once."""
        self._thread.start()

    def turn_on(self) -> None:
        """Let the work begin; harmless if it is on."""
        self.call(lambda: self._want(self._wanted or object()))

    def turn_off(self) -> None:
        """Have the work cancelled; harmless if it is off."""
        self.call(lambda: self._want(None))

    def call(self, what: Callable[[], None]) -> None:
        """Call ``what`` on the loop, soon; nothing if the thread has ended."""
        # A RuntimeError: a fault ended the thread, and the loop is closed.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(what)

    def stop(self, timeout_s: float) -> bool:
        """Cancel the work and join the thread; return False if it did not end within ``timeout_s``."""
        self.call(self._stop)
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _want(self, wanted: object | None) -> None:
        self._wanted = wanted
        self._changed.set()

    def _stop(self) -> None:
        self._stopping = True
        self._changed.set()

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            try:
                runner.run(self._run_while_on())
            except Exception:  # noqa: BLE001 - last line of defence; else nobody sees the traceback
                _LOG.exception("the thread %s ends because of a fault", self._thread.name)

    async def _run_while_on(self) -> None:
        work: asyncio.Task[None] | None = None
        begun: object | None = None
        while not self._stopping:
            self._changed.clear()
            if begun is not self._wanted:
                await _cancelled(work)
                begun = self._wanted
                work = None if begun is None else asyncio.create_task(self._main())
            change = asyncio.create_task(self._changed.wait())
            pending = {change} if work is None or work.done() else {change, work}
            await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
            change.cancel()
            if work is not None and work.done():
                work.result()
        await _cancelled(work)


async def _cancelled(work: asyncio.Task[None] | None) -> None:
    """Cancel a task and wait for its end; what it raises then is raised here."""
    if work is not None:
        work.cancel()
        await asyncio.wait([work])
        if not work.cancelled():
            work.result()
