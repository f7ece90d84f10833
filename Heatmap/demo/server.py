"""A demo exchange on loopback, whatever its protocol: one port, WebSocket and HTTP, its own thread and event loop."""

from __future__ import annotations

import asyncio
import logging
from concurrent.futures import Future
from contextlib import suppress
from email.utils import formatdate
from http import HTTPStatus
from typing import TYPE_CHECKING, Self, TypeVar

from websockets.asyncio.server import ServerConnection, serve
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed, ConnectionClosedError
from websockets.http11 import Request, Response

from Heatmap.demo.protocol import Answer, RefusedConnectionError, Session, Stream, VenueProtocol
from Heatmap.errors import FeedError
from Heatmap.ingestion.loop_thread import LoopThread

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

logger = logging.getLogger(__name__)

# Its INFO lines, one for each connection and HTTP answer, are kept out of the log.
_websocket_logger = logging.getLogger(f"{__name__}.websocket")
_websocket_logger.setLevel(logging.WARNING)

_HOST = "127.0.0.1"
TICK_S = 0.25

# The real exchange pings every three minutes and waits ten for the pong.
PING_INTERVAL_S = 180.0
_PONG_TIMEOUT_S = 600

# Short, because both ends are on one machine and `stop` may have to wait for them.
_OPEN_TIMEOUT_S = 2
_CLOSE_TIMEOUT_S = 2
_CALL_TIMEOUT_S = 10

MAX_PENDING_FRAMES = 100_000
"""Longest queue of a client; a slower one is disconnected, as on the real exchange."""

POLICY_VIOLATION = 1008
_ABNORMAL = 1006

_FRAMES_PER_BREATH = 100

_T = TypeVar("_T")


class Client:
    """An open WebSocket and its subscriptions; used on the exchange's event loop only."""

    def __init__(self, socket: ServerConnection, session: Session) -> None:
        self.session = session
        self._socket = socket
        # Frames, and their share of the limit.
        self._outbox: asyncio.Queue[tuple[Sequence[str | bytes], int]] = asyncio.Queue()
        self._pending = 0
        self._closing: asyncio.Task[None] | None = None

    def close(self, code: int, reason: str = "") -> None:
        """Begin to close; 1006, which no peer can send, cuts the connection instead."""
        if code == _ABNORMAL:
            self._socket.transport.abort()
        elif self._closing is None:
            self._closing = asyncio.create_task(self._socket.close(code, reason))

    def queue_unlimited(self, frames: Sequence[str]) -> None:
        """Queue an answer, in order with the data, or a recording, which may be longer than `MAX_PENDING_FRAMES`."""
        self._outbox.put_nowait((frames, 0))

    def queue(self, frames: Sequence[str | bytes]) -> None:
        """Queue data; a client too slow for it is disconnected, with a warning in the log."""
        if self._pending + len(frames) > MAX_PENDING_FRAMES:
            logger.warning("a client let %d frames pile up and is disconnected", self._pending)
            self.close(POLICY_VIOLATION, "too slow")
            return
        self._pending += len(frames)
        self._outbox.put_nowait((frames, len(frames)))

    def queue_stream(self, stream: Stream, payloads: Iterable[str]) -> None:
        """Queue data of a stream, as the messages of this connection."""
        self.queue(self.session.framed(stream, payloads))

    async def send_forever(self) -> None:
        """Send the queue until the connection closes."""
        with suppress(ConnectionClosed):
            while True:
                frames, weight = await self._outbox.get()
                for count, frame in enumerate(frames, 1):
                    await self._socket.send(frame)
                    if count % _FRAMES_PER_BREATH == 0:
                        await asyncio.sleep(0)  # let other clients run during a long recording
                self._pending -= weight


class DemoServer:
    """Serves a market in the protocol of a venue; its methods may be called from any thread but its own.

    Port 0 takes a free one. Pushes are prepared every `TICK_S` seconds of real time, whatever the protocol's clock,
    the venue's time, does. A ValueError if that is before the market's beginning.
    """

    def __init__(
        self,
        protocol: VenueProtocol,
        *,
        port: int = 0,
        ping_interval_s: float = PING_INTERVAL_S,
        name: str = "exchange",
    ) -> None:
        self._clock = protocol.clock
        if self._clock.now_ms() < protocol.market.earliest_ms:
            expected = f"expected a clock at or after {protocol.market.earliest_ms} ms"
            raise ValueError(f"{expected}, was {self._clock.now_ms()}")
        self.market = protocol.market
        self._protocol = protocol
        self._name = name
        self._wanted_port = port
        self._port = 0
        self._ping_interval_s = ping_interval_s
        self._clients: set[Client] = set()
        self._thread: LoopThread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def ws_url(self) -> str:
        """Base of the WebSocket URLs, without a route: ``ws://host:port``."""
        return f"ws://{_HOST}:{self._port}"

    @property
    def rest_url(self) -> str:
        """Base of the REST URLs: ``http://host:port``."""
        return f"http://{_HOST}:{self._port}"

    def start(self) -> None:
        """Listen; return when clients can connect, or raise `FeedError`. Does nothing if already started."""
        if self._thread is not None:
            return
        listening: Future[int] = Future()
        self._thread = LoopThread(lambda: self._serve(listening), name=f"demo-{self._name}")
        self._thread.start()
        self._thread.turn_on()
        failure = listening.exception()
        if failure is None:
            self._port = listening.result()
            return
        self.stop()
        if not isinstance(failure, OSError | OverflowError):
            raise failure
        reason = getattr(failure, "strerror", None) or failure
        raise FeedError(
            f"cannot listen on {_HOST}:{self._wanted_port}: {failure!r}",
            reason="listen",
            short=f"The demo exchange cannot use port {self._wanted_port}: {reason}.",
        ) from failure

    def stop(self) -> None:
        """Close all connections with 1001 and end the thread. Does nothing if not started."""
        if self._thread is not None:
            self._thread.stop(_CALL_TIMEOUT_S)
            self._thread = self._loop = None

    def __enter__(self) -> Self:
        """Start."""
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop."""
        self.stop()

    def call(self, work: Callable[[Sequence[Client]], _T]) -> _T:
        """Return what ``work(clients)`` returns on the exchange's loop, with all open connections."""
        loop = self._loop
        if loop is None or loop.is_closed():
            raise RuntimeError("the demo exchange is not started")

        async def run() -> _T:
            return work(list(self._clients))

        return asyncio.run_coroutine_threadsafe(run(), loop).result(_CALL_TIMEOUT_S)

    async def _serve(self, listening: Future[int]) -> None:
        try:
            server = await serve(
                self._handle,
                _HOST,
                self._wanted_port,
                process_request=self._process_request,
                compression=None,
                open_timeout=_OPEN_TIMEOUT_S,
                close_timeout=_CLOSE_TIMEOUT_S,
                ping_interval=self._ping_interval_s,
                ping_timeout=_PONG_TIMEOUT_S,
                logger=_websocket_logger,
            )
        except Exception as error:  # noqa: BLE001 - raised by `start`
            listening.set_exception(error)
            return
        async with server:
            self._loop = asyncio.get_running_loop()
            listening.set_result(server.sockets[0].getsockname()[1])
            try:
                await self._publish_forever()
            except Exception:  # nobody awaits this task: its fault would be lost
                logger.exception("the demo exchange ended")

    async def _publish_forever(self) -> None:
        published_ms = self._clock.now_ms()
        while True:
            await asyncio.sleep(TICK_S)
            now_ms = self._clock.now_ms()
            # After a clock was set back the same time is published again, as exact duplicates.
            published_ms = min(published_ms, now_ms)
            wanted = {stream for client in self._clients for stream in client.session.streams}
            payloads = {stream: self._protocol.payloads(stream, published_ms, now_ms) for stream in wanted}
            published_ms = now_ms
            for client in list(self._clients):
                for stream in client.session.streams:
                    if payloads[stream]:
                        client.queue_stream(stream, payloads[stream])

    def _process_request(self, connection: ServerConnection, request: Request) -> Response | None:
        """Answer plain HTTP; return None for a WebSocket handshake on a route that exists."""
        if request.headers.get("Upgrade", "").lower() != "websocket":
            return _response(self._protocol.answer(request.path))
        if len(request.path) > self._protocol.max_url_chars:
            return connection.respond(HTTPStatus.REQUEST_URI_TOO_LONG, "the address is too long\n")
        try:
            session = self._protocol.open_session(request.path)
        except RefusedConnectionError:
            return None  # accepted, then closed with the reason, see `_handle`
        return connection.respond(HTTPStatus.NOT_FOUND, "no such route\n") if session is None else None

    async def _handle(self, socket: ServerConnection) -> None:
        request = socket.request
        try:
            session = self._protocol.open_session(request.path) if request is not None else None
        except RefusedConnectionError as error:
            await socket.close(POLICY_VIOLATION, str(error))
            return
        if session is None:  # cannot happen: `_process_request` let it in
            raise RuntimeError(f"expected a known route, was {request!r}")
        client = Client(socket, session)
        self._clients.add(client)
        sending = asyncio.create_task(client.send_forever())
        try:
            self._queue_backlog(client, session.streams)
            with suppress(ConnectionClosedError):  # a client that vanished is no fault of ours
                async for message in socket:
                    if session.is_too_fast(self._clock.monotonic_s()):
                        await socket.close(POLICY_VIOLATION, "Too many requests")
                        break
                    reply = session.receive(message)
                    client.queue_unlimited(reply.texts)
                    self._queue_backlog(client, reply.added)
        finally:
            self._clients.discard(client)
            sending.cancel()
            with suppress(asyncio.CancelledError):
                await sending

    def _queue_backlog(self, client: Client, added: Iterable[Stream]) -> None:
        for stream in added:
            if backlog := self._protocol.backlog(stream):
                client.queue_unlimited(client.session.framed(stream, backlog))


def _response(answer: Answer) -> Response:
    body = answer.body.encode()
    headers = Headers(
        {
            "Date": formatdate(usegmt=True), "Connection": "close", "Content-Type": "application/json;charset=UTF-8",
            "Content-Length": str(len(body)), **answer.headers,
        }
    )  # fmt: skip
    return Response(answer.status.value, answer.status.phrase, headers, body)
