"""The socket session: one connection for all symbols, reopened for ever, told of in facts.

No database work happens on this loop: a loop that is held up misses pings and frames. When the store is full,
the collector stops reading (the socket's own flow control then holds the exchange back) and goes on where it
stopped.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NoReturn

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from Heatmap.clock import SYSTEM_CLOCK, Clock
from Heatmap.errors import FrameError
from Heatmap.events import LiquidationEvent, Source
from Heatmap.ingestion import endpoints, failure, forceorder
from Heatmap.ingestion.backoff import Backoff
from Heatmap.ingestion.failure import Failure
from Heatmap.ingestion.liveness import Liveness

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from Heatmap.ports import ConnectionState

_LOG = logging.getLogger(__name__)

OPEN_TIMEOUT_S = 10.0
_CLOSE_TIMEOUT_S = 1.0
_TICK_S = 1.0
_FULL_PAUSE_S = 0.02
_TOO_BIG = 1009  # close code of a message over the limit, RFC 6455 section 7.4.1

_SENTENCES = {
    "silent": "The connection is open but no market data comes any more; reconnecting.",
    "silent-route": (
        "The connection is open but has never brought market data: the address may be a dead route; reconnecting."
    ),
}


@dataclass(frozen=True, slots=True)
class FeedCounts:
    """What came off the socket since the collector was made.

    Attributes
    ----------
    received
        forceOrder frames decoded, of the symbols asked for.
    undecodable
        Frames that did not decode.
    ignored
        Well-formed messages that were not for us.
    connections
        Handshakes that succeeded.
    last_market_ms
        Receive time of the newest market data, ms since the epoch, or None.
    """

    received: int = 0
    undecodable: int = 0
    ignored: int = 0
    connections: int = 0
    last_market_ms: int | None = None


@dataclass(frozen=True, slots=True)
class FeedListener:
    """Whom the collector tells; every function is called on the collector's loop and must return at once.

    Attributes
    ----------
    on_event
        Takes a liquidation; returns False if there is no room, and is then asked again with the same event.
    on_market
        Hears ``(symbol, exchange time in ms)`` of each mark price: the proof that this symbol is delivered.
    on_loss
        Hears that market data no longer flows.
    on_state
        Hears the state, its reason and a sentence, whenever one of them changed.
    """

    on_event: Callable[[LiquidationEvent], bool]
    on_market: Callable[[str, int], None]
    on_loss: Callable[[], None]
    on_state: Callable[[ConnectionState, str, str], None]


class FeedCollector:
    """Collects the liquidations of some symbols until it is cancelled.

    Parameters
    ----------
    symbols
        Exact symbols of the exchange; all share one socket.
    listener
        See `FeedListener`.
    ws_url
        Base address of the streams.
    source, keep_raw
        Passed on to `forceorder.decode`.
    clock
        Wall time for what is stored, monotonic time for what is measured.
    backoff, liveness
        The policies; the defaults are those for the real exchange.

    Raises
    ------
    SettingsError
        The address is no WebSocket address, or there are too many symbols for one socket.
    """

    def __init__(
        self,
        symbols: Sequence[str],
        listener: FeedListener,
        *,
        ws_url: str = endpoints.DEFAULT_WS_URL,
        source: str = Source.BINANCE,
        keep_raw: bool = False,
        clock: Clock = SYSTEM_CLOCK,
        backoff: Backoff | None = None,
        liveness: Liveness | None = None,
    ) -> None:
        streams = [
            stream(symbol)
            for symbol in symbols
            for stream in (endpoints.force_order_stream, endpoints.mark_price_stream)
        ]
        self._url = endpoints.market_stream_url(ws_url, streams)
        self._place = endpoints.normalise_ws_base(ws_url).partition("://")[2]
        self._symbols = frozenset(symbols)
        self._listener = listener
        self._source = source
        self._keep_raw = keep_raw
        self._clock = clock
        self._backoff = backoff if backoff is not None else Backoff()
        self._liveness = liveness if liveness is not None else Liveness()
        self._counts = FeedCounts()
        self._reported: tuple[ConnectionState, str, str] | None = None
        self._detail = ""
        self._kinds_logged: set[str] = set()
        self._waits_for_room = False

    @property
    def counts(self) -> FeedCounts:
        """A snapshot, readable from any thread."""
        return self._counts

    async def run(self) -> None:
        """Connect, read and reconnect until cancelled; the socket is closed when this returns."""
        self._report()
        while True:
            self._backoff.attempted(self._clock.monotonic_s())
            seen = await self._session()
            self._liveness.closed(seen.reason)
            self._listener.on_loss()
            delay_s = self._backoff.next_delay_s(self._clock.monotonic_s(), at_least_s=seen.wait_s)
            self._detail = _SENTENCES.get(self._liveness.reason, seen.detail)
            self._report()
            _LOG.info("next attempt in %.1f s: %s", delay_s, seen.detail)
            await asyncio.sleep(delay_s)

    async def _session(self) -> Failure:
        """Hold one connection from the attempt to its end; return why it ended."""
        try:
            # No keep-alive of the client's own: it would close the connection while the store is full.
            async with connect(
                self._url,
                compression=None,
                open_timeout=OPEN_TIMEOUT_S,
                close_timeout=_CLOSE_TIMEOUT_S,
                ping_interval=None,
                max_size=forceorder.MAX_FRAME_BYTES,
            ) as connection:
                self._liveness.opened(self._clock.monotonic_s())
                self._counts = replace(self._counts, connections=self._counts.connections + 1)
                self._report()
                await self._read(connection)
        except (WebSocketException, OSError) as error:
            return failure.of_socket_error(
                error, self._place, max_bytes=forceorder.MAX_FRAME_BYTES, now_ms=self._clock.now_ms()
            )
        except Exception as error:  # noqa: BLE001 - a fault of ours costs one connection, not the feed
            _LOG.exception("the session failed in an unforeseen way")
            return Failure("internal", f"The session failed in an unforeseen way: {error!r}.")

    async def _read(self, connection: ClientConnection) -> NoReturn:
        watch = asyncio.create_task(self._watch(connection))
        try:
            while True:
                await self._take(await connection.recv(decode=False))
        finally:
            watch.cancel()
            await asyncio.wait([watch])

    async def _watch(self, connection: ClientConnection) -> None:
        """Close the connection when market data stays away."""
        tick_s = min(_TICK_S, self._liveness.silent_after_s / 4)
        while True:
            await asyncio.sleep(tick_s)
            now_s = self._clock.monotonic_s()
            if self._waits_for_room:
                self._liveness.paused(now_s)
            if self._liveness.tick(now_s):
                self._detail = _SENTENCES[self._liveness.reason]
                self._report()
                await connection.close()
                return
            self._report()

    async def _take(self, data: bytes) -> None:
        received_ms = self._clock.now_ms()
        try:
            message = forceorder.decode(data, received_ms=received_ms, source=self._source, keep_raw=self._keep_raw)
        except FrameError as error:
            self._note_undecodable(error)
            return
        if isinstance(message, LiquidationEvent) and message.symbol in self._symbols:
            self._note_market(received_ms)
            self._liveness.liquidation(self._clock.monotonic_s())
            self._report()
            await self._hand_over(message)
            self._counts = replace(self._counts, received=self._counts.received + 1)
        elif isinstance(message, forceorder.MarketHeartbeat) and message.symbol in self._symbols:
            self._note_market(received_ms)
            self._liveness.market(self._clock.monotonic_s())
            self._report()
            self._listener.on_market(message.symbol, message.event_ms)
        else:
            self._note_other(message)

    async def _hand_over(self, event: LiquidationEvent) -> None:
        if self._listener.on_event(event):
            return
        _LOG.warning("the store is full; reading pauses until it has room")
        self._waits_for_room = True
        try:
            # The store frees its room on another thread, which knows nothing of this loop.
            while not self._listener.on_event(event):  # noqa: ASYNC110 - see above
                await asyncio.sleep(_FULL_PAUSE_S)
        finally:
            self._waits_for_room = False
            self._liveness.paused(self._clock.monotonic_s())

    def _note_market(self, received_ms: int) -> None:
        self._counts = replace(self._counts, last_market_ms=received_ms)
        if not self._liveness.delivered:
            self._backoff.reset()
            self._detail = ""

    def _note_undecodable(self, error: FrameError) -> None:
        self._counts = replace(self._counts, undecodable=self._counts.undecodable + 1)
        if error.kind not in self._kinds_logged:
            self._kinds_logged.add(error.kind)
            _LOG.warning("a frame does not decode (%s, logged once): %s; %r", error.kind, error, error.excerpt)

    def _note_other(self, message: forceorder.Message) -> None:
        self._counts = replace(self._counts, ignored=self._counts.ignored + 1)
        if isinstance(message, forceorder.ControlReply) and message.error_code is not None:
            _LOG.warning("the exchange refuses a request (%s): %s", message.error_code, message.message)
        elif isinstance(message, forceorder.Ignored) and message.reason == "serverShutdown":
            _LOG.info("the exchange announces that it will close this connection")

    def _report(self) -> None:
        """Tell of the state if it changed."""
        current = (self._liveness.state, self._liveness.reason, self._detail)
        if current == self._reported:
            return
        self._reported = current
        state, reason, detail = current
        _LOG.info("feed: %s%s", state, f" ({reason}) {detail}" if reason else "")
        self._listener.on_state(state, reason, detail)
