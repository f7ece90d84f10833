"""One socket of the feed: reopened for ever, replaced before it is too old, reported in facts.

No database work happens on this loop: a loop that is held up misses pings and frames. When the store is full,
the collector stops reading (the socket's own flow control then holds the exchange back) and goes on where it
stopped.
"""

from __future__ import annotations

import asyncio
import logging
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from Heatmap.clock import SYSTEM_CLOCK, Clock
from Heatmap.connection_message import WRONG_CLOCK_MS, clock_line
from Heatmap.errors import FrameError
from Heatmap.events import LiquidationEvent, Source, shown_symbols
from Heatmap.ingestion.backoff import Backoff
from Heatmap.ingestion.binance import endpoints, forceorder
from Heatmap.ingestion.clock_offset import ClockMeter
from Heatmap.ingestion.connection import Link
from Heatmap.ingestion.failure import Failure
from Heatmap.ingestion.interruption import SleepDetector, owns_address, ways_out
from Heatmap.ingestion.liveness import Liveness
from Heatmap.ingestion.quarantine_limiter import RejectionLimit
from Heatmap.reports import ClockReading, ConnectionState, RejectedFrame

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

_LOG = logging.getLogger(__name__)

ROTATE_AFTER_S: Final = 23 * 3600.0
"""Age at which a connection is replaced, in seconds: the exchange ends each after 24 hours."""

PUSH_DELAY_MS: Final = 2000
"""A liquidation may be pushed this long after its trade time (recorded frames: 1,007 to 1,012 ms), and on a stream of
its own: what happened in a connection's last seconds it has not brought."""

SEAM_MS: Final = 3000
"""Longest time between the last mark price of one connection and the first of the next that counts as no gap, in ms."""

_FULL_PAUSE_S: Final = 0.02
_LOOK_S: Final = 1.0

_SLEPT = Failure("slept", "This machine slept, or its clock was set; reconnecting.")
_MOVED = Failure("network-changed", "This machine's network changed; reconnecting.")


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
    latency_ms, clock_offset_ms
        See `Heatmap.ingestion.clock_offset.ClockMeter`.
    """

    received: int = 0
    undecodable: int = 0
    ignored: int = 0
    connections: int = 0
    last_market_ms: int | None = None
    latency_ms: float | None = None
    clock_offset_ms: float | None = None


@dataclass(frozen=True, slots=True)
class FeedState:
    """How the feed is doing.

    Attributes
    ----------
    state, reason
        See `Heatmap.ingestion.liveness.Liveness`.
    detail
        One English sentence, "" if there is nothing to say.
    retry_at_ms
        When the next attempt is made, ms since the epoch, or None while there is nothing to wait for.
    """

    state: ConnectionState
    reason: str = ""
    detail: str = ""
    retry_at_ms: int | None = None


@dataclass(frozen=True, slots=True)
class FeedListener:
    """Whom the collector tells; every function is called on the collector's loop and must return at once.

    Attributes
    ----------
    on_event
        Takes a liquidation; returns False if there is no room, and is then asked again with the same event.
    on_market
        Hears ``(symbol, time in ms)``: liquidations of this symbol up to this time of the exchange have been delivered.
    on_loss
        Hears of which symbols market data no longer flows; None: of all that this socket carries.
    on_state
        Hears the state whenever it changed.
    on_rejected
        Takes a frame that did not decode; not all of them, see `Heatmap.ingestion.quarantine_limiter`.
    on_clock
        Hears how far the exchange's clock is off, once an hour and when that changes.
    """

    on_event: Callable[[LiquidationEvent], bool]
    on_market: Callable[[str, int], None]
    on_loss: Callable[[frozenset[str] | None], None]
    on_state: Callable[[FeedState], None]
    on_rejected: Callable[[RejectedFrame], None]
    on_clock: Callable[[ClockReading], None]


class FeedCollector:
    """Collects the liquidations of some symbols until it is cancelled.

    Parameters
    ----------
    symbols
        Exact symbols of the exchange; all share one socket. None: all that are margined in dollars.
    listener
        See `FeedListener`.
    ws_url
        Base address of the streams.
    source, keep_raw
        Passed on to `forceorder.decode`.
    clock
        Wall time for what is stored, monotonic time for what is measured.
    backoff
        When to try again; the default is that for the real exchange.
    new_liveness
        Makes the policy by which a connection counts as alive.
    rotate_after_s
        See `ROTATE_AFTER_S`.

    Raises
    ------
    SettingsError
        The address is no WebSocket address, or there are too many symbols for one socket.
    """

    def __init__(
        self,
        symbols: Collection[str] | None,
        listener: FeedListener,
        *,
        ws_url: str = endpoints.DEFAULT_WS_URL,
        source: str = Source.BINANCE,
        keep_raw: bool = False,
        clock: Clock = SYSTEM_CLOCK,
        backoff: Backoff | None = None,
        new_liveness: Callable[[], Liveness] = Liveness,
        rotate_after_s: float = ROTATE_AFTER_S,
    ) -> None:
        streams: Sequence[str] = endpoints.ALL_STREAMS
        if symbols is not None:
            kinds = (endpoints.force_order_stream, endpoints.mark_price_stream)
            streams = [stream(symbol) for symbol in symbols for stream in kinds]
        self._url, self._further_streams = endpoints.market_socket(ws_url, streams)
        self._symbols = None if symbols is None else frozenset(symbols)
        self._listener = listener
        self._source = source
        self._keep_raw = keep_raw
        self._clock = clock
        self._backoff = backoff if backoff is not None else Backoff()
        self._new_liveness = new_liveness
        self._rotate_after_s = rotate_after_s
        self._liveness = new_liveness()  # that of the link that speaks for the feed
        self._links: list[Link] = []  # one, and two while the next takes the place of the last
        self._proves: Link | None = None  # the link whose mark prices prove coverage
        self._proven_from_ms: dict[str, int] = {}
        self._reported: FeedState | None = None
        self._detail = ""
        self._retry_at_ms: int | None = None
        self._wake = asyncio.Event()
        self._kinds_logged: set[str] = set()
        self._rejections = RejectionLimit()
        self._clocks = ClockMeter()
        self._received = self._undecodable = self._ignored = self._connections = 0
        self._last_market_ms: int | None = None

    @property
    def counts(self) -> FeedCounts:
        """A snapshot, readable from any thread."""
        return FeedCounts(
            received=self._received,
            undecodable=self._undecodable,
            ignored=self._ignored,
            connections=self._connections,
            last_market_ms=self._last_market_ms,
            latency_ms=self._clocks.latency_ms,
            clock_offset_ms=self._clocks.offset_ms,
        )

    async def run(self) -> None:
        """Connect, read and reconnect until cancelled; every socket is closed when this returns."""
        self._report()
        interruptions = asyncio.create_task(self._watch_interruptions())
        try:
            while True:
                await self._turn()
                link = self._begin()
                self._speaks(link)
                self._proves = link
                seen = await self._hold(link)
                self._lost(seen)
                delay_s = self._backoff.next_delay_s(self._clock.monotonic_s(), at_least_s=seen.wait_s)
                _LOG.info("next attempt in %.1f s: %s", delay_s, seen.detail)
                await self._pause(delay_s)
        finally:
            interruptions.cancel()
            await asyncio.gather(*(link.end() for link in self._links))
            await asyncio.wait([interruptions])

    # -- connections -------------------------------------------------------------------------------------------------

    def _begin(self) -> Link:
        self._backoff.attempted(self._clock.monotonic_s())
        link = Link(
            self._url,
            self._further_streams,
            self._symbols or frozenset(),
            take=self._take,
            on_open=self._link_opened,
            on_change=self._link_changed,
            on_round_trip=self._clocks.note_round_trip,
            liveness=self._new_liveness(),
            clock=self._clock,
        )
        self._links.append(link)
        return link

    def _speaks(self, link: Link) -> None:
        """Let a link's life be the feed's."""
        link.liveness.inherit(self._liveness)
        self._liveness = link.liveness
        self._retry_at_ms = None
        if link.liveness.delivered:
            self._detail = ""
        self._report()

    async def _hold(self, link: Link) -> Failure:
        """Keep the feed going from one connection to the next; return why the last one ended with none to follow."""
        while True:
            await _any_of(link.leaving, link.ended, timeout_s=self._rotate_after_s)
            if not link.ended.done():
                link = await self._replace(link)
            if link.ended.done():
                self._links.remove(link)
                return link.failure()

    async def _replace(self, old: Link) -> Link:
        """Open the next connection, let it deliver, and only then close the old one; return the one that serves now."""
        while True:
            while (held_back_s := self._backoff.held_back_s(self._clock.monotonic_s())) > 0 and not old.ended.done():
                await _any_of(old.ended, timeout_s=held_back_s)
            if old.ended.done():
                return old
            _LOG.info("a new connection is opened to take the place of the old one")
            new = self._begin()
            await _any_of(new.delivering, new.ended, old.ended)
            if new.ended.done():
                self._links.remove(new)
                seen = new.failure()
                delay_s = self._backoff.next_delay_s(self._clock.monotonic_s(), at_least_s=seen.wait_s)
                _LOG.warning("no new connection yet, next attempt in %.1f s: %s", delay_s, seen.detail)
                await _any_of(old.ended, timeout_s=delay_s)
                continue
            if old.ended.done() and not new.liveness.delivered:
                self._lost(old.failure())
            self._speaks(new)
            await old.retire()
            self._links.remove(old)
            # Only now: until the old one has brought all it had, the new one's mark prices prove nothing.
            self._hand_over_proof(old, new)
            _LOG.info("the new connection has taken over")
            return new

    def _hand_over_proof(self, old: Link, new: Link) -> None:
        """Let the new link prove coverage; there is a gap for what the old one did not bring up to its beginning."""
        late = {
            symbol
            for symbol in self._proven_from_ms
            if new.first_ms.get(symbol, math.inf) - old.last_ms.get(symbol, -math.inf) > SEAM_MS
        }
        if late:
            _LOG.warning("between the old connection and the new one nothing came of %s", shown_symbols(sorted(late)))
            for symbol in late:
                self._proven_from_ms.pop(symbol, None)
            self._listener.on_loss(frozenset(late))
        self._proves = new
        for symbol, first_ms in new.first_ms.items():
            self._proven_from_ms.setdefault(symbol, first_ms)
            self._prove(symbol, new.last_ms[symbol])

    def _lost(self, seen: Failure) -> None:
        self._liveness.closed(seen.reason)
        self._detail = seen.detail
        self._proven_from_ms.clear()
        self._listener.on_loss(None)

    async def _pause(self, delay_s: float) -> None:
        """Wait before the next attempt; less when the network comes back, but never against limit or ban."""
        self._retry_at_ms = self._clock.now_ms() + round(delay_s * 1000)
        self._report()
        self._wake.clear()
        await _any_of(self._wake, timeout_s=delay_s)

    async def _turn(self) -> None:
        """Wait until an attempt is allowed; looked at again, for other sockets share the limit."""
        while (held_back_s := self._backoff.held_back_s(self._clock.monotonic_s())) > 0:  # noqa: ASYNC110 - no event
            await asyncio.sleep(held_back_s)

    # -- the machine -------------------------------------------------------------------------------------------------

    async def _watch_interruptions(self) -> None:
        """Give up connections that a sleep or another network has left dead, and do not wait when the way is free."""
        sleep, ways = SleepDetector(), ways_out()
        while True:
            try:
                ways = self._look_for_interruptions(sleep, ways)
            except Exception:  # noqa: BLE001 - the watch outlives a look that fails
                _LOG.exception("the look for sleep and lost networks failed")
            await asyncio.sleep(_LOOK_S)

    def _look_for_interruptions(self, sleep: SleepDetector, ways: tuple[str, ...]) -> tuple[str, ...]:
        jump_s = sleep.look(self._clock.now_ms(), self._clock.monotonic_s())
        if jump_s:
            _LOG.warning("the wall clock jumped by %.1f s", jump_s)
            self._clocks.clock_was_set()
        if jump_s > 0:
            self._abandon(_SLEPT, self._links)
            self._wake.set()
        self._abandon(_MOVED, [at for at in self._links if at.local_address and not owns_address(at.local_address)])
        ways_now = ways_out()
        if ways_now and ways_now != ways:
            # What was tried before there was a way would only wait for its time limit.
            self._abandon(_MOVED, [link for link in self._links if link.local_address is None])
            self._wake.set()
        return ways_now

    @staticmethod
    def _abandon(why: Failure, links: Sequence[Link]) -> None:
        for link in links:
            link.abandon(why)

    # -- frames ------------------------------------------------------------------------------------------------------

    async def _take(self, link: Link, data: bytes) -> None:
        received_ms = self._clock.now_ms()
        try:
            message = forceorder.decode(data, received_ms=received_ms, source=self._source, keep_raw=self._keep_raw)
        except FrameError as error:
            self._note_undecodable(error, data, received_ms)
            return
        if isinstance(message, LiquidationEvent) and self._is_wanted(message.symbol):
            self._note_market(link, received_ms)
            link.liveness.liquidation(self._clock.monotonic_s())
            self._link_changed(link)
            await self._hand_over(link, message)
            self._received += 1
        elif isinstance(message, forceorder.MarketHeartbeat) and self._is_wanted(message.symbol):
            self._take_heartbeats(link, (message,), received_ms)
        elif isinstance(message, forceorder.MarketHeartbeats):
            wanted = [beat for beat in message.beats if self._is_wanted(beat.symbol)]
            self._take_heartbeats(link, wanted, received_ms)
        else:
            self._note_other(link, message)

    def _is_wanted(self, symbol: str) -> bool:
        return not forceorder.is_coin_margined(symbol) if self._symbols is None else symbol in self._symbols

    def _take_heartbeats(self, link: Link, beats: Sequence[forceorder.MarketHeartbeat], received_ms: int) -> None:
        if not beats:
            return
        self._note_market(link, received_ms)
        link.liveness.market(self._clock.monotonic_s())
        for beat in beats:
            link.has_delivered(beat.symbol, beat.event_ms)
            if link is self._proves:
                self._prove(beat.symbol, beat.event_ms)
        self._note_clock(received_ms, beats[0].event_ms)
        self._link_changed(link)

    async def _hand_over(self, link: Link, event: LiquidationEvent) -> None:
        if self._listener.on_event(event):
            return
        _LOG.warning("the store is full; reading pauses until it has room")
        link.is_waiting_for_room = True
        try:
            # The store frees its room on another thread, which knows nothing of this loop.
            while not self._listener.on_event(event):  # noqa: ASYNC110 - see above
                await asyncio.sleep(_FULL_PAUSE_S)
        finally:
            link.is_waiting_for_room = False
            link.liveness.paused(self._clock.monotonic_s())

    def _prove(self, symbol: str, pushed_ms: int) -> None:
        """Tell up to when liquidations have been delivered: not to the last second, for they are pushed so late."""
        begun_ms = self._proven_from_ms.setdefault(symbol, pushed_ms)
        self._listener.on_market(symbol, max(begun_ms, pushed_ms - PUSH_DELAY_MS))

    def _note_market(self, link: Link, received_ms: int) -> None:
        self._last_market_ms = received_ms
        if link.succeeded():
            self._backoff.reset()
            if link.liveness is self._liveness:
                self._detail = ""

    def _note_clock(self, received_ms: int, event_ms: int) -> None:
        self._clocks.note_message(received_ms, event_ms)
        reading = self._clocks.reading_to_record(self._source, received_ms, self._clock.monotonic_s())
        if reading is None:
            return
        level = logging.WARNING if abs(reading.offset_ms) >= WRONG_CLOCK_MS else logging.INFO
        _LOG.log(level, "%s", clock_line(reading.offset_ms, reading.uncertainty_ms))
        self._listener.on_clock(reading)

    def _note_undecodable(self, error: FrameError, data: bytes, received_ms: int) -> None:
        self._undecodable += 1
        if error.kind not in self._kinds_logged:
            self._kinds_logged.add(error.kind)
            _LOG.warning("a frame does not decode (%s, logged once): %s; %r", error.kind, error, error.excerpt)
        if self._rejections.keeps(error.kind, self._clock.monotonic_s()):
            self._listener.on_rejected(
                RejectedFrame(self._source, error.kind, str(error), received_ms, len(data), bytes(data))
            )

    def _note_other(self, link: Link, message: forceorder.Message) -> None:
        self._ignored += 1
        if isinstance(message, forceorder.ControlReply):
            if message.error_code is not None:
                _LOG.warning("the exchange refuses a request (%s): %s", message.error_code, message.message)
            link.take_reply(message)
        elif isinstance(message, forceorder.Ignored) and message.reason == "serverShutdown":
            _LOG.info("the exchange announces that it will close this connection")
            link.leaving.set()

    def _link_changed(self, link: Link) -> None:
        if link.liveness is self._liveness:
            self._report()

    def _link_opened(self, link: Link) -> None:
        self._connections += 1
        if link.liveness is self._liveness and link.liveness.state is ConnectionState.CONNECTING:
            self._detail = ""
        self._link_changed(link)

    def _report(self) -> None:
        """Tell of the state if it changed."""
        current = FeedState(self._liveness.state, self._liveness.reason, self._detail, self._retry_at_ms)
        if current == self._reported:
            return
        self._reported = current
        _LOG.info("feed: %s%s", current.state, f" ({current.reason}) {current.detail}" if current.reason else "")
        self._listener.on_state(current)


async def _any_of(*what: asyncio.Event | asyncio.Task[Failure], timeout_s: float | None = None) -> None:
    """Return when an event is set or a task has ended, or the time is up."""
    waits = [asyncio.ensure_future(item.wait()) for item in what if isinstance(item, asyncio.Event)]
    tasks = [item for item in what if isinstance(item, asyncio.Task)]
    try:
        await asyncio.wait([*waits, *tasks], timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
