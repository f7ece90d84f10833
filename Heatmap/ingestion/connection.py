"""One connection to the exchange, from the attempt to its end; it ends only with a reason.

A link watches over its own life by market data (see `Heatmap.ingestion.liveness`), hands each frame on, and knows
nothing of other links.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING, Final, NoReturn

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from Heatmap.ingestion import failure
from Heatmap.ingestion.binance import forceorder
from Heatmap.ingestion.failure import Failure
from Heatmap.ingestion.proxy import proxy_for
from Heatmap.ingestion.subscription import PAUSE_S, Subscription

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from Heatmap.clock import Clock
    from Heatmap.ingestion.binance.forceorder import ControlReply
    from Heatmap.ingestion.interruption import SocketAddress
    from Heatmap.ingestion.liveness import Liveness

_LOG = logging.getLogger(__name__)

OPEN_TIMEOUT_S: Final = 10.0
"""How long a handshake may take, in seconds."""

DELIVERY_PATIENCE_S: Final = 5.0
"""How long after the first symbol the others may take, in seconds: one that does not exist never comes."""

PING_S: Final = 20.0
"""Seconds between two measurements of the round trip; the exchange allows ten messages a second."""

DRAIN_PATIENCE_S: Final = 5.0
"""How long a connection that is to be closed may take to bring what was sent before, in seconds, if there is room."""

_CLOSE_TIMEOUT_S: Final = 1.0
_LOOK_S: Final = 0.05
_TICK_S: Final = 1.0

_SILENCE: Final = {
    "silent": "The connection is open but no market data comes any more; reconnecting.",
    "silent-route": (
        "The connection is open but has never brought market data: the address may be a dead route; reconnecting."
    ),
}


class _Connect(connect):
    """One handshake; a redirect is an answer like any other, for following it would be another attempt, elsewhere."""

    def process_redirect(self, exc: Exception) -> Exception | str:
        return exc


class Link:
    """One connection, begun when it is made; call it on the loop.

    Parameters
    ----------
    url
        The whole address, with the streams that it names.
    streams
        The streams to subscribe to by messages besides.
    symbols
        Which symbols it should deliver; empty: whichever come.
    take
        Takes a frame; awaited, so that a full store holds the exchange back.
    on_open
        Called after the handshake.
    on_round_trip
        Hears the time from a ping to its pong, in ms.
    on_change
        Called whenever time may have changed the state.
    liveness
        This link's own.
    clock
        See `Heatmap.clock.Clock`.
    """

    def __init__(
        self,
        url: str,
        streams: Sequence[str],
        symbols: frozenset[str],
        *,
        take: Callable[[Link, bytes], Awaitable[None]],
        on_open: Callable[[Link], None],
        on_change: Callable[[Link], None],
        on_round_trip: Callable[[float], None],
        liveness: Liveness,
        clock: Clock,
    ) -> None:
        self.liveness = liveness
        self.is_waiting_for_room = False
        self._url = url
        self._place = url.partition("://")[2].partition("/")[0]
        self._subscription = Subscription(streams)
        self._proxy = proxy_for(url)
        self._awaited = set(symbols)
        self._take = take
        self._on_open = on_open
        self._on_change = on_change
        self._on_round_trip = on_round_trip
        self._clock = clock
        self._connection: ClientConnection | None = None
        self._failure: Failure | None = None
        self._retiring = self._has_succeeded = False
        # By symbol: the exchange's time of the first and the last mark price, in ms.
        self.first_ms: dict[str, int] = {}
        self.last_ms: dict[str, int] = {}
        self._patience: asyncio.TimerHandle | None = None
        self.delivering = asyncio.Event()  # every symbol has come, or the patience with those that have not is over
        self.leaving = asyncio.Event()  # the exchange has said that it will close
        self.ended: asyncio.Task[Failure] = asyncio.create_task(self._run())

    def has_delivered(self, symbol: str, pushed_ms: int) -> None:
        """Note that the mark price of a symbol came, pushed at ``pushed_ms`` of the exchange's time."""
        self.first_ms.setdefault(symbol, pushed_ms)
        self.last_ms[symbol] = pushed_ms
        if self.delivering.is_set():
            return
        self._awaited.discard(symbol)
        if not self._subscription.is_complete:
            return
        if not self._awaited:
            self.delivering.set()
        elif self._patience is None:
            self._patience = asyncio.get_running_loop().call_later(DELIVERY_PATIENCE_S, self.delivering.set)

    def succeeded(self) -> bool:
        """Return True once: at the first market data after all that was asked for has been accepted."""
        before, self._has_succeeded = self._has_succeeded, self._has_succeeded or self._subscription.is_complete
        return self._has_succeeded and not before

    def take_reply(self, reply: ControlReply) -> None:
        """Note the exchange's answer to a request; a refusal ends the connection."""
        if (failure := self._subscription.answered(reply)) is not None:
            self.abandon(failure)

    @property
    def local_address(self) -> SocketAddress | None:
        """Our end of the connection, None while there is none."""
        return None if self._connection is None else self._connection.local_address

    def abandon(self, seen: Failure) -> None:
        """End at once, without a word to the other side, for a reason that only this side knows."""
        self._failure = seen
        if self._connection is not None:
            self._connection.transport.abort()
        else:
            self.ended.cancel()

    async def retire(self) -> None:
        """Close once all has been taken that the exchange has sent so far, however long the store has no room."""
        self._retiring = True
        connection = self._connection
        if connection is not None:
            await self._drain(connection)
            await connection.close()
        else:
            self.ended.cancel()
        await asyncio.wait([self.ended])

    async def _drain(self, connection: ClientConnection) -> None:
        # The answer to a ping comes after all that was sent before it, and only once there is room for that.
        with contextlib.suppress(WebSocketException):
            answer = asyncio.ensure_future(await connection.ping())
            patience_s = DRAIN_PATIENCE_S
            while not answer.done() and (patience_s > 0 or self.is_waiting_for_room):
                await asyncio.wait([answer], timeout=_LOOK_S)
                patience_s -= _LOOK_S
            answer.cancel()
        while self.is_waiting_for_room and not self.ended.done():
            await asyncio.wait([self.ended], timeout=_LOOK_S)

    async def end(self) -> None:
        """End, and wait until nothing is left."""
        self.ended.cancel()
        await asyncio.wait([self.ended])

    def failure(self) -> Failure:
        """Return why the link ended; only after it has."""
        if self.ended.cancelled():
            return self._failure or Failure("closed", "The connection was given up.")
        return self.ended.result()

    async def _run(self) -> Failure:
        try:
            # No keep-alive of the client's own: it would close the connection while the store is full.
            async with _Connect(
                self._url,
                compression=None,
                open_timeout=OPEN_TIMEOUT_S,
                close_timeout=_CLOSE_TIMEOUT_S,
                ping_interval=None,
                max_size=forceorder.MAX_FRAME_BYTES,
                proxy=self._proxy,
            ) as connection:
                self._connection = connection
                self.liveness.opened(self._clock.monotonic_s())
                self._on_open(self)
                await self._read(connection)
        except (WebSocketException, OSError) as error:
            if self._failure is not None:
                return self._failure
            return failure.of_socket_error(
                error,
                self._place,
                max_bytes=forceorder.MAX_FRAME_BYTES,
                now_ms=self._clock.now_ms(),
                proxy=self._proxy,
            )
        except ImportError as error:  # a SOCKS proxy needs a package that we do not bring
            return Failure("proxy", f"The system's proxy cannot be used: {error}.")
        except Exception as error:  # noqa: BLE001 - a fault of ours costs one connection, not the feed
            _LOG.exception("the session failed in an unforeseen way")
            return Failure("internal", f"The session failed in an unforeseen way: {error!r}.")
        finally:
            self._connection = None
            if self._patience is not None:
                self._patience.cancel()

    async def _read(self, connection: ClientConnection) -> NoReturn:
        jobs = (self._watch, self._ping, self._subscribe)
        beside = [asyncio.create_task(job(connection)) for job in jobs]
        try:
            while True:
                await self._take(self, await connection.recv(decode=False))
        finally:
            for task in beside:
                task.cancel()
            for outcome in await asyncio.gather(*beside, return_exceptions=True):
                if isinstance(outcome, Exception):
                    _LOG.error("a part of the session failed", exc_info=outcome)

    async def _subscribe(self, connection: ClientConnection) -> None:
        """Ask for the streams that the address does not name, no faster than the exchange allows."""
        with contextlib.suppress(WebSocketException):
            for request_id, message in self._subscription.requests():
                self._subscription.sent(request_id, self._clock.monotonic_s())
                await connection.send(message)
                await asyncio.sleep(PAUSE_S)

    async def _ping(self, connection: ClientConnection) -> None:
        """Measure the round trip now and then; whether the answer comes is no matter of life and death."""
        with contextlib.suppress(WebSocketException):
            while True:
                round_trip_s = await (await connection.ping())
                # An answer that waited for our own full store tells nothing of the way.
                if not self.is_waiting_for_room:
                    self._on_round_trip(round_trip_s * 1000)
                await asyncio.sleep(PING_S)

    async def _watch(self, connection: ClientConnection) -> None:
        """End the connection when market data stays away."""
        tick_s = min(_TICK_S, self.liveness.silent_after_s / 4)
        while True:
            await asyncio.sleep(tick_s)
            now_s = self._clock.monotonic_s()
            if self.is_waiting_for_room:
                self.liveness.paused(now_s)
            if not self.is_waiting_for_room and (late := self._subscription.overdue(now_s)) is not None:
                self.abandon(late)
                return
            is_dead = self.liveness.tick(now_s)
            self._on_change(self)
            if is_dead and not self._retiring:
                self._failure = Failure(self.liveness.reason, _SILENCE[self.liveness.reason])
                # The closing handshake may find nobody; it has its own time limit.
                with contextlib.suppress(WebSocketException, OSError):
                    await connection.close()
                return
