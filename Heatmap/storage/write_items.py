"""What the writer takes, what it stores in one transaction, and what it reports."""

from __future__ import annotations

from dataclasses import dataclass, field

from Heatmap.events import LiquidationEvent
from Heatmap.reports import ClockReading, RejectedFrame


@dataclass(slots=True)
class Proofs:
    """Proofs of life between two events, without a gap: ``(source, symbol) -> [first_ms, last_ms]``."""

    spans: dict[tuple[str, str], list[int]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Loss:
    """Market data of some symbols no longer flows; None: of none."""

    symbols: frozenset[str] | None = None


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


@dataclass(frozen=True, slots=True)
class WriterStats:
    """A snapshot of the writer.

    Attributes
    ----------
    inserted
        Rows newly stored.
    duplicates
        Events the database already had.
    refused
        Events that the schema does not accept; each is logged.
    queued
        Events waiting, those of the batch being written included.
    insert_rate_per_s
        Rows stored a second, mean over the last 10 s.
    last_event_ms
        Trade time of the newest event that is stored, by this writer or before it; ms since the epoch, or None.
    problem
        One sentence if the database cannot be written at the moment, "" otherwise.
    notice
        One sentence about a file that was replaced because it or its log was damaged, "" otherwise; stays.
    """

    inserted: int = 0
    duplicates: int = 0
    refused: int = 0
    queued: int = 0
    insert_rate_per_s: float = 0.0
    last_event_ms: int | None = None
    problem: str = ""
    notice: str = ""
