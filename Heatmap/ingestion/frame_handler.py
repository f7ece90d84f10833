"""Frames of one feed: decoded, counted, and reported to the sink as coverage, clock readings or quarantine. No I/O."""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol

from Heatmap.connection_message import WRONG_CLOCK_MS, clock_line
from Heatmap.errors import FrameError
from Heatmap.events import shown_symbols
from Heatmap.ingestion.clock_offset import ClockOffset
from Heatmap.ingestion.venue import FrameContent
from Heatmap.reports import ClockReading, RejectedFrame

if TYPE_CHECKING:
    from collections.abc import Mapping

    from Heatmap.clock import Clock
    from Heatmap.events import LiquidationEvent
    from Heatmap.ingestion.venue import ConnectionPolicy, FeedSession

_LOG = logging.getLogger(__name__)


class FeedSink(Protocol):
    """Where a feed stores its data; called on the feed's loop, so no method may block.

    `Heatmap.storage.writer.EventWriter` is one.
    """

    def put(self, event: LiquidationEvent) -> bool:
        """Take an event; return False if there is no room: the feed stops reading and tries again."""
        ...

    def extend_coverage(self, source: str, symbol: str, at_ms: int) -> None:
        """Note that the liquidations of a symbol have been delivered up to this time of the exchange, in ms."""
        ...

    def close_coverage(self, symbols: frozenset[str] | None = None) -> None:
        """Note that these symbols are no longer delivered; None: nothing is."""
        ...

    def quarantine(self, rejected: RejectedFrame) -> None:
        """Take a frame that did not decode."""
        ...

    def note_clock(self, reading: ClockReading) -> None:
        """Take a measurement of the exchange's clock: one an hour, and one when it changes."""
        ...


@dataclass(frozen=True, slots=True)
class FeedCounts:
    """Counts since the collector was made; see `Heatmap.ingestion.clock_offset.ClockOffset` for the last two."""

    received: int = 0  # liquidations of the symbols asked for
    undecodable: int = 0  # frames that did not decode
    ignored: int = 0  # frames that carried nothing for us
    connections: int = 0  # handshakes that succeeded
    last_market_ms: int | None = None  # receive time of the newest market data, ms since the epoch
    latency_ms: float | None = None
    clock_offset_ms: float | None = None


@dataclass(slots=True)
class QuarantineLimiter:
    """Bounds the undecodable frames that are kept: enough to mend the decoder, too few to fill a disk."""

    kept_per_kind: int = 50  # within the period; the others are only counted
    period_s: float = 3600.0
    _kept: dict[str, int] = field(default_factory=dict)
    _since_s: float | None = None

    def keeps(self, kind: str, now_s: float) -> bool:
        """Count a frame of a kind at ``now_s`` (monotonic seconds); return True if it is to be kept."""
        if self._since_s is None or now_s - self._since_s >= self.period_s:
            self._since_s = now_s
            self._kept.clear()
        kept = self._kept.get(kind, 0)
        self._kept[kind] = kept + 1
        return kept < self.kept_per_kind


class FrameHandler:
    """The frames of one feed, over all its connections; only events are put by the caller, who can wait for room."""

    def __init__(self, sink: FeedSink, *, source: str, policy: ConnectionPolicy, clock: Clock) -> None:
        self.sink = sink
        self.clock_offset = ClockOffset()
        self.received = self.connections = 0  # counted by the caller
        self.source = source
        self._policy = policy
        self._clock = clock
        self._quarantine = QuarantineLimiter()
        self._logged_kinds: set[str] = set()
        self._covered_from_ms: dict[str, int] = {}
        self._undecodable = self._ignored = 0
        self._last_market_ms: int | None = None

    @property
    def counts(self) -> FeedCounts:
        """A snapshot, readable from any thread."""
        return FeedCounts(
            received=self.received,
            undecodable=self._undecodable,
            ignored=self._ignored,
            connections=self.connections,
            last_market_ms=self._last_market_ms,
            latency_ms=self.clock_offset.latency_ms,
            clock_offset_ms=self.clock_offset.offset_ms,
        )

    def decode(self, session: FeedSession, data: bytes, symbols: frozenset[str] | None) -> FrameContent:
        """Decode a frame, count it, and keep only the symbols asked for; one that does not decode has no content."""
        received_ms = self._clock.now_ms()
        try:
            content = session.receive(data, received_ms)
        except FrameError as error:
            self._reject(error, data, received_ms)
            return FrameContent()
        for fault in content.faults:
            self._reject(fault, data, received_ms)
        if symbols is not None:
            content = replace(
                content,
                events=[event for event in content.events if event.symbol in symbols],
                heartbeats=[beat for beat in content.heartbeats if beat.symbol in symbols],
            )
        if content.heartbeats:
            self._note_clock(received_ms, content.heartbeats[0].event_ms)
        if content.events or content.heartbeats:
            self._last_market_ms = received_ms
        elif not content.faults:
            self._ignored += 1
        return content

    def extend_coverage(self, symbol: str, pushed_ms: int) -> None:
        """Report coverage up to a heartbeat, less the time that a liquidation may be pushed later."""
        begun_ms = self._covered_from_ms.setdefault(symbol, pushed_ms)
        self.sink.extend_coverage(self.source, symbol, max(begun_ms, pushed_ms - self._policy.push_delay_ms))

    def end_coverage(self, symbols: frozenset[str] | None) -> None:
        """Report that these symbols are no longer delivered; None: nothing is."""
        for symbol in tuple(self._covered_from_ms) if symbols is None else symbols:
            self._covered_from_ms.pop(symbol, None)
        self.sink.close_coverage(symbols)

    def hand_over_coverage(
        self, old_last_ms: Mapping[str, int], new_first_ms: Mapping[str, int], new_last_ms: Mapping[str, int]
    ) -> None:
        """Continue coverage with another connection, with a gap for each symbol that neither delivered in between.

        Given are the push times of the last heartbeat of the old connection and of the first and last of the new one.
        """
        late = {
            symbol
            for symbol, last_ms in old_last_ms.items()
            if symbol in self._covered_from_ms
            and new_first_ms.get(symbol, math.inf) - last_ms > self._policy.max_handover_ms
        }
        if late:
            what = shown_symbols(sorted(late))
            _LOG.warning("%s: between the old connection and the new one nothing came of %s", self.source, what)
            for symbol in late:
                self._covered_from_ms.pop(symbol)
            self.sink.close_coverage(frozenset(late))
        for symbol, first_ms in new_first_ms.items():
            self._covered_from_ms.setdefault(symbol, first_ms)
            self.extend_coverage(symbol, new_last_ms[symbol])

    def _note_clock(self, received_ms: int, event_ms: int) -> None:
        self.clock_offset.note_message(received_ms, event_ms)
        reading = self.clock_offset.reading_to_record(self.source, received_ms, self._clock.monotonic_s())
        if reading is None:
            return
        level = logging.WARNING if abs(reading.offset_ms) >= WRONG_CLOCK_MS else logging.INFO
        _LOG.log(level, "%s: %s", self.source, clock_line(reading.offset_ms, reading.uncertainty_ms))
        self.sink.note_clock(reading)

    def _reject(self, error: FrameError, data: bytes, received_ms: int) -> None:
        self._undecodable += 1
        if error.kind not in self._logged_kinds:
            self._logged_kinds.add(error.kind)
            _LOG.warning(
                "%s: a frame does not decode (%s, logged once): %s; %r", self.source, error.kind, error, error.excerpt
            )
        if self._quarantine.keeps(error.kind, self._clock.monotonic_s()):
            self.sink.quarantine(
                RejectedFrame(self.source, error.kind, str(error), received_ms, len(data), bytes(data))
            )
