"""One WebSocket connection, from the attempt to its end; it ends only with a reason.

It is judged by market data (see `Heatmap.ingestion.liveness`) and independent of other connections.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING, Final, NoReturn, Protocol

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from Heatmap.ingestion import failure
from Heatmap.ingestion.failure import Failure
from Heatmap.ingestion.liveness import Liveness
from Heatmap.ingestion.proxy import proxy_for

if TYPE_CHECKING:
    from Heatmap.clock import Clock
    from Heatmap.ingestion.interruption import SocketAddress
    from Heatmap.ingestion.venue import ConnectionPolicy, FeedSession

_LOG = logging.getLogger(__name__)

OPEN_TIMEOUT_S: Final = 10.0
FIRST_HEARTBEATS_S: Final = 5.0  # from the first symbol to the others: one that does not exist never comes
PING_S: Final = 20.0  # between two measurements of the round trip
DRAIN_TIMEOUT_S: Final = 5.0  # to deliver what was sent before a connection is closed, if the store has room
_CLOSE_TIMEOUT_S: Final = 1.0
_POLL_S: Final = 0.05
_TICK_S: Final = 1.0

_SILENCE: Final = {
    "silent": "The connection is open but no market data comes any more; reconnecting.",
    "silent-route": (
        "The connection is open but has never brought market data: the address may be a dead route; reconnecting."
    ),
}


class ConnectionListener(Protocol):
    """The owner of connections; called on the loop."""

    async def handle_frame(self, connection: Connection, data: bytes) -> None:
        """Take a frame; the next one is read when this returns, so that a full store pauses reading."""

    def connection_opened(self, connection: Connection) -> None:
        """The handshake succeeded."""

    def connection_changed(self, connection: Connection) -> None:
        """Time may have changed the state."""

    def round_trip_measured(self, round_trip_ms: float) -> None:
        """A ping was answered."""


class _Connect(connect):
    """One handshake; a redirect is an answer like any other, for following it would be another attempt, elsewhere."""

    def process_redirect(self, exc: Exception) -> Exception | str:
        return exc


class Connection:
    """One connection, begun when it is made; used on the loop. Without ``symbols`` it delivers whichever come."""

    def __init__(
        self,
        session: FeedSession,
        symbols: frozenset[str],
        listener: ConnectionListener,
        *,
        policy: ConnectionPolicy,
        clock: Clock,
    ) -> None:
        self.session = session
        self.liveness = Liveness(silent_after_s=policy.silent_after_s, quiet_after_s=policy.quiet_after_s)
        self.is_waiting_for_room = False
        self._host = session.url.partition("://")[2].partition("/")[0]
        self._proxy = proxy_for(session.url)
        self._missing_symbols = set(symbols)
        self._listener = listener
        self._policy = policy
        self._clock = clock
        self._socket: ClientConnection | None = None
        self._failure: Failure | None = None
        self._retiring = self._has_succeeded = False
        # By symbol: the exchange's time of the first and the last heartbeat, in ms.
        self.first_ms: dict[str, int] = {}
        self.last_ms: dict[str, int] = {}
        self._first_heartbeats_timer: asyncio.TimerHandle | None = None
        self.delivering = asyncio.Event()  # every symbol has come, or the time for the missing ones is over
        self.closing = asyncio.Event()  # the exchange announced that it will close
        self.ended: asyncio.Task[Failure] = asyncio.create_task(self._run())

    def note_heartbeat(self, symbol: str, pushed_ms: int) -> None:
        """Take a heartbeat of a symbol, pushed at ``pushed_ms`` of the exchange's time."""
        self.first_ms.setdefault(symbol, pushed_ms)
        self.last_ms[symbol] = pushed_ms
        if self.delivering.is_set():
            return
        self._missing_symbols.discard(symbol)
        if not self.session.is_subscribed:
            return
        if not self._missing_symbols:
            self.delivering.set()
        elif self._first_heartbeats_timer is None:
            loop = asyncio.get_running_loop()
            self._first_heartbeats_timer = loop.call_later(FIRST_HEARTBEATS_S, self.delivering.set)

    def succeeded(self) -> bool:
        """Return True once: at the first market data after all that was asked for has been accepted."""
        before, self._has_succeeded = self._has_succeeded, self._has_succeeded or self.session.is_subscribed
        return self._has_succeeded and not before

    @property
    def local_address(self) -> SocketAddress | None:
        """Our end of the connection, None while there is none."""
        return None if self._socket is None else self._socket.local_address

    def abandon(self, why: Failure) -> None:
        """End at once, without a closing handshake, and report this failure as the reason."""
        self._failure = why
        if self._socket is not None:
            self._socket.transport.abort()
        else:
            self.ended.cancel()

    async def retire(self) -> None:
        """Close once all has been taken that the exchange has sent so far, however long the store has no room."""
        self._retiring = True
        socket = self._socket
        if socket is not None:
            await self._drain(socket)
            await socket.close()
        else:
            self.ended.cancel()
        await asyncio.wait([self.ended])

    async def _drain(self, socket: ClientConnection) -> None:
        # The answer to a ping comes after all that was sent before it, and only once there is room for that.
        with contextlib.suppress(WebSocketException):
            answer = asyncio.ensure_future(await socket.ping())
            left_s = DRAIN_TIMEOUT_S
            while not answer.done() and (left_s > 0 or self.is_waiting_for_room):
                await asyncio.wait([answer], timeout=_POLL_S)
                left_s -= _POLL_S
            answer.cancel()
        while self.is_waiting_for_room and not self.ended.done():
            await asyncio.wait([self.ended], timeout=_POLL_S)

    async def end(self) -> None:
        """End, and wait until nothing is left."""
        self.ended.cancel()
        await asyncio.wait([self.ended])

    def failure(self) -> Failure:
        """Return why the connection ended; only after it has."""
        if self.ended.cancelled():
            return self._failure or Failure("closed", "The connection was given up.")
        return self.ended.result()

    async def _run(self) -> Failure:
        try:
            # No keep-alive of the client's own: it would close the connection while the store is full.
            async with _Connect(
                self.session.url,
                compression=None,
                open_timeout=OPEN_TIMEOUT_S,
                close_timeout=_CLOSE_TIMEOUT_S,
                ping_interval=None,
                max_size=self._policy.max_frame_bytes,
                proxy=self._proxy,
                additional_headers=self._policy.headers,
            ) as socket:
                self._socket = socket
                self.liveness.opened(self._clock.monotonic_s())
                self._listener.connection_opened(self)
                await self._read(socket)
        except (WebSocketException, OSError) as error:
            if self._failure is not None:
                return self._failure
            return failure.of_socket_error(
                error,
                self._host,
                max_bytes=self._policy.max_frame_bytes,
                now_ms=self._clock.now_ms(),
                proxy=self._proxy,
            )
        except ImportError as error:  # a SOCKS proxy needs a package that we do not bring
            return Failure("proxy", f"The system's proxy cannot be used: {error}.")
        except Exception as error:  # noqa: BLE001 - a fault of ours costs one connection, not the feed
            _LOG.exception("the session failed in an unforeseen way")
            return Failure("internal", f"The session failed in an unforeseen way: {error!r}.")
        finally:
            self._socket = None
            if self._first_heartbeats_timer is not None:
                self._first_heartbeats_timer.cancel()

    async def _read(self, socket: ClientConnection) -> NoReturn:
        jobs = [self._watch, self._measure_round_trips, self._subscribe]
        if self._policy.keep_alive:
            jobs.append(self._keep_alive)
        tasks = [asyncio.create_task(job(socket)) for job in jobs]
        try:
            while True:
                await self._listener.handle_frame(self, await socket.recv(decode=False))
        finally:
            for task in tasks:
                task.cancel()
            for outcome in await asyncio.gather(*tasks, return_exceptions=True):
                if isinstance(outcome, Exception):
                    _LOG.error("a task of the connection failed", exc_info=outcome)

    async def _subscribe(self, socket: ClientConnection) -> None:
        """Send the requests, no faster than the exchange allows."""
        with contextlib.suppress(WebSocketException):
            # Counted as sent before it is, for the answer may be read while the sending waits.
            while True:
                request = self.session.next_request(self._clock.monotonic_s())
                if request is not None:
                    await socket.send(request)
                    await asyncio.sleep(self._policy.request_pause_s)
                elif self.session.is_subscribed:
                    return
                else:  # an answer may call for another request
                    await asyncio.sleep(_POLL_S)

    async def _keep_alive(self, socket: ClientConnection) -> None:
        with contextlib.suppress(WebSocketException):
            while True:
                await socket.send(self._policy.keep_alive)
                await asyncio.sleep(self._policy.keep_alive_s)

    async def _measure_round_trips(self, socket: ClientConnection) -> None:
        """Ping now and then. A missing pong does not close the connection; silence of market data does."""
        with contextlib.suppress(WebSocketException):
            while True:
                round_trip_s = await (await socket.ping())
                # While reading is paused the pong waits here: its time is not that of the network.
                if not self.is_waiting_for_room:
                    self._listener.round_trip_measured(round_trip_s * 1000)
                await asyncio.sleep(PING_S)

    async def _watch(self, socket: ClientConnection) -> None:
        """End the connection when market data stops or a request is not answered."""
        tick_s = min(_TICK_S, self.liveness.silent_after_s / 4)
        while True:
            await asyncio.sleep(tick_s)
            now_s = self._clock.monotonic_s()
            if self.is_waiting_for_room:
                self.liveness.paused(now_s)
            elif (late := self.session.overdue(now_s)) is not None:
                self.abandon(late)
                return
            is_dead = self.liveness.tick(now_s)
            self._listener.connection_changed(self)
            if is_dead and not self._retiring:
                self._failure = Failure(self.liveness.reason, _SILENCE[self.liveness.reason])
                # The peer may not answer the closing handshake; it has its own time limit.
                with contextlib.suppress(WebSocketException, OSError):
                    await socket.close()
                return
