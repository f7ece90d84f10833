"""Exchanges on loopback, each on a thread and event loop of its own."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading

from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed

from support.frames import rules

PATIENCE_S = 30.0


def free_port():
    """A port of loopback on which nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class LoopbackExchange:
    """A WebSocket and HTTP server; subclasses override `play` and `answer`.

    Parameters
    ----------
    options
        What `websockets.asyncio.server.serve` takes besides.
    """

    def __init__(self, **options):
        self.port = free_port()
        self.options = {"compression": None, "close_timeout": 0.1} | options
        self.opened = self.closed = 0
        self.changed = threading.Condition()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), name="loopback-exchange")

    async def play(self, ws):
        """Speak with one client; the connection is closed when this returns."""

    def answer(self, connection, request):
        """Return an HTTP answer, or None for a WebSocket on the market route."""
        return None if request.path.startswith("/market/") else connection.respond(500, "no")

    @property
    def ws_url(self):
        """Base address of the streams."""
        return f"ws://127.0.0.1:{self.port}"

    @property
    def rest_url(self):
        """Base address of the REST interface."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def addresses(self):
        """Both base addresses, as options of a service."""
        return {"ws_url": self.ws_url, "rest_url": self.rest_url}

    def until_closed(self, count):
        """Wait until so many connections have ended."""
        with self.changed:
            assert self.changed.wait_for(lambda: self.closed >= count, PATIENCE_S)

    def owns(self, thread):
        """True for the thread of this exchange."""
        return thread is self._thread

    def __enter__(self):
        self._thread.start()
        assert self._ready.wait(PATIENCE_S)
        return self

    def __exit__(self, *_):
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join(PATIENCE_S)
        assert not self._thread.is_alive()

    async def _serve(self):
        self._loop, self._end = asyncio.get_running_loop(), asyncio.Event()
        async with serve(self._play, "127.0.0.1", self.port, process_request=self.answer, **self.options):
            self._ready.set()
            await self._end.wait()

    async def _play(self, ws):
        self._note(opened=1)
        try:
            with contextlib.suppress(ConnectionClosed):
                await self.play(ws)
        finally:
            self._note(closed=1)

    def _note(self, opened=0, closed=0):
        with self.changed:
            self.opened += opened
            self.closed += closed
            self.changed.notify_all()


class ScriptedExchange(LoopbackExchange):
    """Sends the same frames over each connection and answers exchangeInfo.

    Parameters
    ----------
    frames
        Text messages.
    known
        The symbols it lists; empty: HTTP 500.
    hold
        False: each connection is closed after the last frame.
    """

    def __init__(self, frames=(), *, known=("BTCUSDT", "ETHUSDT"), hold=True, **options):
        super().__init__(**options)
        self.frames, self.known, self.hold = list(frames), known, hold

    async def play(self, ws):
        for frame in self.frames:
            await ws.send(frame)
        if self.hold:
            await ws.wait_closed()

    def answer(self, connection, request):
        if self.known and not request.path.startswith("/market/"):
            return connection.respond(200, rules(*self.known))
        return super().answer(connection, request)
