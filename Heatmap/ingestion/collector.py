"""One socket of the feed: reconnected without end, and replaced before the exchange ends it.

No database work happens on this loop, or pings and frames would wait. When the store is full the collector stops
reading, and the socket's flow control makes the exchange wait.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from Heatmap.ingestion.connection import Connection
from Heatmap.ingestion.failure import Failure
from Heatmap.ingestion.interruption import SleepDetector, local_addresses, owns_address
from Heatmap.ingestion.liveness import Liveness
from Heatmap.reports import ConnectionState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from Heatmap.clock import Clock
    from Heatmap.events import LiquidationEvent
    from Heatmap.ingestion.backoff import Backoff
    from Heatmap.ingestion.frame_handler import FrameHandler
    from Heatmap.ingestion.venue import ConnectionPolicy, FeedSession

_LOG = logging.getLogger(__name__)

_FULL_PAUSE_S: Final = 0.02
_INTERRUPTION_POLL_S: Final = 1.0
_SAME_TIME_MS: Final = 1000

_SLEPT = Failure("slept", "This machine slept, or its clock was set; reconnecting.")
_MOVED = Failure("network-changed", "This machine's network changed; reconnecting.")


@dataclass(frozen=True, slots=True)
class FeedState:
    """State of a feed, and why; see `Heatmap.ingestion.liveness.Liveness`."""

    state: ConnectionState
    reason: str = ""
    detail: str = ""  # one English sentence
    retry_at_ms: int | None = None  # when the next attempt is made, ms since the epoch


class FeedCollector:
    """Collects the liquidations of some symbols over one socket until it is cancelled.

    The symbols are the venue's exact ones, or None for all that it lists; ``on_state`` is called on the loop.
    """

    def __init__(
        self,
        policy: ConnectionPolicy,
        symbols: frozenset[str] | None,
        new_session: Callable[[], FeedSession],
        frames: FrameHandler,
        on_state: Callable[[FeedState], None],
        *,
        clock: Clock,
        backoff: Backoff,
    ) -> None:
        self._policy = policy
        self._symbols = symbols
        self._new_session = new_session
        self._frames = frames
        self._on_state = on_state
        self._clock = clock
        self._backoff = backoff
        self._liveness = Liveness()  # that of the connection whose state is the feed's
        self._connections: list[Connection] = []  # one, and two while the next replaces the last
        self._covering: Connection | None = None  # the connection whose heartbeats extend the coverage
        self._reported: FeedState | None = None
        self._detail = ""
        self._retry_at_ms: int | None = None
        self._retry_now = asyncio.Event()

    async def run(self) -> None:
        """Connect, read and reconnect until cancelled; every socket is closed when this returns."""
        self._report()
        interruptions = asyncio.create_task(self._watch_interruptions())
        try:
            while True:
                await self._wait_for_permission()
                connection = self._connect()
                self._make_primary(connection)
                self._covering = connection
                failed = await self._keep_connected(connection)
                self._lost(failed)
                delay_s = self._backoff.next_delay_s(self._clock.monotonic_s(), at_least_s=failed.wait_s)
                _LOG.info("%s: next attempt in %.1f s: %s", self._frames.source, delay_s, failed.detail)
                await self._pause(delay_s)
        finally:
            interruptions.cancel()
            await asyncio.gather(*(connection.end() for connection in self._connections))
            await asyncio.wait([interruptions])

    def retry_now(self) -> None:
        """End the wait for the next attempt; limit and ban still hold. On the loop."""
        self._retry_now.set()

    # -- connections -------------------------------------------------------------------------------------------------

    def _connect(self) -> Connection:
        self._backoff.attempted(self._clock.monotonic_s())
        connection = Connection(
            self._new_session(), self._symbols or frozenset(), self, policy=self._policy, clock=self._clock
        )
        self._connections.append(connection)
        return connection

    def _make_primary(self, connection: Connection) -> None:
        """Report a connection's state as the feed's from now on."""
        connection.liveness.inherit(self._liveness)
        self._liveness = connection.liveness
        self._retry_at_ms = None
        if connection.liveness.delivered:
            self._detail = ""
        self._report()

    async def _keep_connected(self, connection: Connection) -> Failure:
        """Replace each connection in time; return why the last one ended with none to follow."""
        while True:
            await _any_of(connection.closing, connection.ended, timeout_s=self._policy.rotate_after_s)
            if not connection.ended.done():
                connection = await self._replace(connection)
            if connection.ended.done():
                self._connections.remove(connection)
                return connection.failure()

    async def _replace(self, old: Connection) -> Connection:
        """Open the next connection, let it deliver, and only then close the old one; return the one in use then."""
        while True:
            while (held_back_s := self._backoff.held_back_s(self._clock.monotonic_s())) > 0 and not old.ended.done():
                await _any_of(old.ended, timeout_s=held_back_s)
            if old.ended.done():
                return old
            _LOG.info("%s: a new connection is opened to take the place of the old one", self._frames.source)
            new = self._connect()
            await _any_of(new.delivering, new.ended, old.ended)
            if new.ended.done():
                self._connections.remove(new)
                failed = new.failure()
                delay_s = self._backoff.next_delay_s(self._clock.monotonic_s(), at_least_s=failed.wait_s)
                _LOG.warning(
                    "%s: no new connection yet, next attempt in %.1f s: %s", self._frames.source, delay_s, failed.detail
                )
                await _any_of(old.ended, timeout_s=delay_s)
                continue
            if old.ended.done() and not new.liveness.delivered:
                self._lost(old.failure())
            self._make_primary(new)
            await old.retire()
            self._connections.remove(old)
            # Only now: until the old one has delivered all it had, the new one's heartbeats prove nothing.
            self._frames.hand_over_coverage(old.last_ms, new.first_ms, new.last_ms)
            self._covering = new
            _LOG.info("%s: the new connection has taken over", self._frames.source)
            return new

    def _lost(self, failed: Failure) -> None:
        self._liveness.closed(failed.reason)
        self._detail = failed.detail
        self._frames.end_coverage(self._symbols)

    async def _pause(self, delay_s: float) -> None:
        """Wait before the next attempt; shorter when the network comes back or a person asks for it."""
        self._retry_now.clear()
        self._announce(delay_s)
        await _any_of(self._retry_now, timeout_s=delay_s)

    def _announce(self, delay_s: float) -> None:
        """Report when the next attempt is made, unless that is known to the second."""
        at_ms = self._clock.now_ms() + round(delay_s * 1000)
        if self._retry_at_ms is None or abs(at_ms - self._retry_at_ms) >= _SAME_TIME_MS:
            self._retry_at_ms = at_ms
        self._report()

    async def _wait_for_permission(self) -> None:
        """Wait until the limit of attempts allows one; in a loop, for other sockets share the limit."""
        while (held_back_s := self._backoff.held_back_s(self._clock.monotonic_s())) > 0:
            self._announce(held_back_s)
            await asyncio.sleep(held_back_s)

    # -- sleep and network changes -----------------------------------------------------------------------------------

    async def _watch_interruptions(self) -> None:
        """Give up connections that a sleep or a change of the network left dead, and retry when a network is there."""
        sleep, addresses = SleepDetector(), local_addresses()
        while True:
            try:
                addresses = self._check_interruptions(sleep, addresses)
            except Exception:  # noqa: BLE001 - the watch outlives a check that fails
                _LOG.exception("the check for sleep and lost networks failed")
            await asyncio.sleep(_INTERRUPTION_POLL_S)

    def _check_interruptions(self, sleep: SleepDetector, before: tuple[str, ...]) -> tuple[str, ...]:
        jump_s = sleep.look(self._clock.now_ms(), self._clock.monotonic_s())
        if jump_s:
            _LOG.warning("the wall clock jumped by %.1f s", jump_s)
            self._frames.clock_offset.clock_was_set()
        if jump_s > 0:
            _abandon(_SLEPT, self._connections)
            self._retry_now.set()
        _abandon(_MOVED, [at for at in self._connections if at.local_address and not owns_address(at.local_address)])
        addresses = local_addresses()
        if addresses and addresses != before:
            # An attempt from before there was a route would only wait for its time limit.
            _abandon(_MOVED, [at for at in self._connections if at.local_address is None])
            self._retry_now.set()
        return addresses

    # -- see ConnectionListener --------------------------------------------------------------------------------------

    async def handle_frame(self, connection: Connection, data: bytes) -> None:
        content = self._frames.decode(connection.session, data, self._symbols)
        if content.events or content.heartbeats:
            now_s = self._clock.monotonic_s()
            if content.events:
                connection.liveness.liquidation(now_s)
            else:
                connection.liveness.market(now_s)
            if connection.succeeded():
                self._backoff.reset()
                if connection.liveness is self._liveness:
                    self._detail = ""
            self.connection_changed(connection)
            for event in content.events:
                await self._hand_over(connection, event)
                self._frames.received += 1
            for beat in content.heartbeats:
                connection.note_heartbeat(beat.symbol, beat.event_ms)
                if connection is self._covering:
                    self._frames.extend_coverage(beat.symbol, beat.event_ms)
        if content.refusal is not None:
            connection.abandon(content.refusal)
        if content.is_closing:
            _LOG.info("%s announces that it will close this connection", self._frames.source)
            connection.closing.set()

    def connection_opened(self, connection: Connection) -> None:
        self._frames.connections += 1
        if connection.liveness is self._liveness and connection.liveness.state is ConnectionState.CONNECTING:
            self._detail = ""
        self.connection_changed(connection)

    def connection_changed(self, connection: Connection) -> None:
        if connection.liveness is self._liveness:
            self._report()

    def round_trip_measured(self, round_trip_ms: float) -> None:
        self._frames.clock_offset.note_round_trip(round_trip_ms)

    async def _hand_over(self, connection: Connection, event: LiquidationEvent) -> None:
        if self._frames.sink.put(event):
            return
        _LOG.warning("the store is full; reading pauses until it has room")
        connection.is_waiting_for_room = True
        try:
            # The store frees its room on another thread, without a signal to this loop.
            while not self._frames.sink.put(event):  # noqa: ASYNC110 - see above
                await asyncio.sleep(_FULL_PAUSE_S)
        finally:
            connection.is_waiting_for_room = False
            connection.liveness.paused(self._clock.monotonic_s())

    def _report(self) -> None:
        current = FeedState(self._liveness.state, self._liveness.reason, self._detail, self._retry_at_ms)
        if current == self._reported:
            return
        before, self._reported = self._reported, current
        if before is None or replace(before, retry_at_ms=current.retry_at_ms) != current:
            why = f" ({current.reason}) {current.detail}" if current.reason else ""
            _LOG.info("%s feed: %s%s", self._frames.source, current.state, why)
        self._on_state(current)


def _abandon(why: Failure, connections: Iterable[Connection]) -> None:
    for connection in connections:
        connection.abandon(why)


async def _any_of(*what: asyncio.Event | asyncio.Task[Failure], timeout_s: float | None = None) -> None:
    """Return when an event is set or a task has ended, or the time is up."""
    waits = [asyncio.ensure_future(item.wait()) for item in what if isinstance(item, asyncio.Event)]
    tasks = [item for item in what if isinstance(item, asyncio.Task)]
    try:
        await asyncio.wait([*waits, *tasks], timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
