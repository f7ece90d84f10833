"""Items of the writer's queue, and the batch that one transaction stores."""

from __future__ import annotations

from dataclasses import dataclass, field

from Heatmap.events import LiquidationEvent
from Heatmap.reports import ClockReading, RejectedFrame


@dataclass(slots=True)
class LivenessSpans:
    """Times of uninterrupted delivery between two events: ``(source, symbol) -> [first_ms, last_ms]``."""

    spans: dict[tuple[str, str], list[int]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class FeedLost:
    """Delivery of some symbols has ended; None: of all."""

    symbols: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class TickSize:
    """The tick size of a symbol, in quote currency, as known at ``updated_ms``."""

    source: str
    symbol: str
    tick_size: float
    updated_ms: int


Item = LiquidationEvent | LivenessSpans | FeedLost | TickSize | RejectedFrame | ClockReading


@dataclass(slots=True)
class Batch:
    """What one transaction stores, apart from coverage."""

    events: list[LiquidationEvent] = field(default_factory=list)
    ticks: list[TickSize] = field(default_factory=list)
    rejected: list[RejectedFrame] = field(default_factory=list)
    readings: list[ClockReading] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.events or self.ticks or self.rejected or self.readings)
