"""The demo exchange on loopback: one port, WebSocket and HTTP, its own thread and event loop."""

from __future__ import annotations

import asyncio
import logging
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import replace
from email.utils import formatdate
from http import HTTPStatus
from typing import TYPE_CHECKING, Self, TypeVar

from websockets.asyncio.server import ServerConnection, serve
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed, ConnectionClosedError
from websockets.http11 import Request, Response

from Heatmap.clock import SYSTEM_CLOCK, Clock
from Heatmap.demo.publisher import Publisher
from Heatmap.demo.rest import Answer, RestApi
from Heatmap.demo.session import Session, Stream, StreamKind, TooManyStreamsError, open_session
from Heatmap.demo.wire import combined
from Heatmap.errors import FeedError
from Heatmap.ingestion.loop_thread import LoopThread

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from Heatmap.demo.market import Market

logger = logging.getLogger(__name__)

# Its INFO lines, one for each connection and HTTP answer, are kept out of the log.
_websocket_logger = logging.getLogger(f"{__name__}.websocket")
_websocket_logger.setLevel(logging.WARNING)

_HOST = "127.0.0.1"
TICK_S = 0.25

MAX_URL_CHARS = 8_000
"""Longest address of a connection; beyond it the exchange answers HTTP 414."""

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

    def enveloped(self, stream: str, payloads: Iterable[str]) -> list[str]:
        """Return payloads in the envelope of this connection's route."""
        if self.session.is_combined:
            return [combined(stream, payload) for payload in payloads]
        return list(payloads)

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


class DemoExchange:
    """Serves a market in the protocol of Binance USD-M; its methods may be called from any thread but its own.

    WebSocket: ``/market/ws/…`` and ``/market/stream?streams=…`` with the streams of `Heatmap.demo.session.StreamKind`;
    other names, and the unrouted ``/ws`` and ``/stream``, are accepted and silent. HTTP: see `Heatmap.demo.rest`.
    Limits: `MAX_URL_CHARS` of an address, 1,024 streams a connection, ten client messages a second, request weight.

    ``more_symbols`` are traded besides the market's own, at its prices and with its liquidations; port 0 takes a free
    one. Pushes are prepared every `TICK_S` seconds of real time, whatever ``clock``, the exchange's time, does. A
    ValueError if that is before the market's beginning.
    """

    def __init__(
        self,
        market: Market,
        *,
        more_symbols: Iterable[str] = (),
        port: int = 0,
        clock: Clock = SYSTEM_CLOCK,
        ping_interval_s: float = PING_INTERVAL_S,
    ) -> None:
        if clock.now_ms() < market.earliest_ms:
            raise ValueError(f"expected a clock at or after {market.earliest_ms} ms, was {clock.now_ms()}")
        self.market = market
        self._wanted_port = port
        self._port = 0
        self._clock = clock
        self._ping_interval_s = ping_interval_s
        symbols = (market.instrument.symbol, *more_symbols)
        self._instruments = {symbol: replace(market.instrument, symbol=symbol) for symbol in symbols}
        self._publisher = Publisher(market, self._instruments)
        self._rest = RestApi(market, self._instruments, clock)
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
        self._thread = LoopThread(lambda: self._serve(listening), name="demo-exchange")
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
            payloads = self._publisher.payloads(wanted, published_ms, now_ms)
            published_ms = now_ms
            for client in list(self._clients):
                for stream in client.session.streams:
                    if payloads[stream.name]:
                        client.queue(client.enveloped(stream.name, payloads[stream.name]))

    def _process_request(self, connection: ServerConnection, request: Request) -> Response | None:
        """Answer plain HTTP; return None for a WebSocket handshake on a route that exists."""
        if request.headers.get("Upgrade", "").lower() != "websocket":
            return _response(self._rest.answer(request.path))
        if len(request.path) > MAX_URL_CHARS:
            return connection.respond(HTTPStatus.REQUEST_URI_TOO_LONG, "the address is too long\n")
        try:
            session = open_session(request.path, self._instruments)
        except TooManyStreamsError:
            return None  # accepted, then closed with the reason, see `_handle`
        return connection.respond(HTTPStatus.NOT_FOUND, "no such route\n") if session is None else None

    async def _handle(self, socket: ServerConnection) -> None:
        request = socket.request
        try:
            session = open_session(request.path, self._instruments) if request is not None else None
        except TooManyStreamsError as error:
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
                    client.queue_unlimited((reply.text,))
                    self._queue_backlog(client, reply.added)
        finally:
            self._clients.discard(client)
            sending.cancel()
            with suppress(asyncio.CancelledError):
                await sending

    def _queue_backlog(self, client: Client, added: Iterable[Stream]) -> None:
        backlog = self._publisher.backlog
        for stream in liquidation_streams(added):
            if backlog:
                client.queue_unlimited(client.enveloped(stream.name, backlog))


def liquidation_streams(streams: Iterable[Stream]) -> list[Stream]:
    """Return the streams that carry liquidations."""
    return [stream for stream in streams if stream.kind is StreamKind.FORCE_ORDER]


def _response(answer: Answer) -> Response:
    body = answer.body.encode()
    headers = Headers(
        {
            "Date": formatdate(usegmt=True), "Connection": "close", "Content-Type": "application/json;charset=UTF-8",
            "Content-Length": str(len(body)), **answer.headers,
        }
    )  # fmt: skip
    return Response(answer.status.value, answer.status.phrase, headers, body)
