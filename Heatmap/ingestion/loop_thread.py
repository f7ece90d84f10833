"""An event loop on a thread of its own, away from the GUI's."""

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
    """Runs one coroutine, made by ``main()``, on a thread called ``name`` until `stop` cancels it."""

    def __init__(self, main: Callable[[], Coroutine[object, object, None]], *, name: str) -> None:
        self._main = main
        self._loop = _Loop()
        self._stop = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Start the thread; call once."""
        self._thread.start()

    def stop(self, timeout_s: float) -> bool:
        """Cancel the coroutine and join the thread; return False if it did not end within ``timeout_s``."""
        # A RuntimeError: the coroutine ended by itself and the loop is closed.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            try:
                runner.run(self._until_stopped())
            except Exception:  # noqa: BLE001 - last line of defence; else nobody sees the traceback
                _LOG.exception("the thread %s ends because of a fault", self._thread.name)

    async def _until_stopped(self) -> None:
        main = asyncio.create_task(self._main())
        stop = asyncio.create_task(self._stop.wait())
        await asyncio.wait([main, stop], return_when=asyncio.FIRST_COMPLETED)
        stop.cancel()
        main.cancel()
        await asyncio.wait([main, stop])
        if not main.cancelled():
            main.result()
