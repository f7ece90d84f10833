"""What waits for the writer besides liquidations, and what it writes in one transaction."""

from __future__ import annotations

from dataclasses import dataclass, field

from Heatmap.events import LiquidationEvent
from Heatmap.ports import ClockReading, RejectedFrame


@dataclass(slots=True)
class Proofs:
    """Proofs of life between two events, without a gap: ``(source, symbol) -> [first_ms, last_ms]``."""

    spans: dict[tuple[str, str], list[int]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Loss:
    """Market data no longer flows."""


@dataclass(frozen=True, slots=True)
class Tick:
    """The tick size of a symbol, in quote currency, as known at ``updated_ms``."""

    source: str
    symbol: str
    tick_size: float
    updated_ms: int


Item = LiquidationEvent | Proofs | Loss | Tick | RejectedFrame | ClockReading


@dataclass(slots=True)
class Batch:
    """What one transaction stores, besides coverage."""

    events: list[LiquidationEvent] = field(default_factory=list)
    ticks: list[Tick] = field(default_factory=list)
    rejected: list[RejectedFrame] = field(default_factory=list)
    readings: list[ClockReading] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.events or self.ticks or self.rejected or self.readings)
