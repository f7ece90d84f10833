"""Coverage intervals from times of delivery: pure bookkeeping, no SQL and no clock."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from Heatmap.events import Coverage

MAX_GAP_MS: Final = 15_000
"""Longest time between two signs of life of one interval, in ms: a feed without the mark price for 10 s is dead."""


@dataclass(slots=True)
class CoverageInterval:
    """An interval being recorded; its row and its end in the database, None if not stored yet."""

    source: str
    symbol: str
    start_ms: int
    end_ms: int
    row_id: int | None = None
    stored_end_ms: int | None = None

    @property
    def is_due(self) -> bool:
        return self.stored_end_ms != self.end_ms


class CoverageLog:
    """The open interval of each series, and ended intervals that are not stored to their end yet."""

    def __init__(self) -> None:
        self._open: dict[tuple[str, str], CoverageInterval] = {}
        self._ended: list[CoverageInterval] = []

    def extend(self, source: str, symbol: str, first_ms: int, last_ms: int) -> None:
        """Note uninterrupted delivery of a series from ``first_ms`` to ``last_ms``."""
        interval = self._open.get((source, symbol))
        if interval is not None:
            if interval.start_ms <= first_ms <= interval.end_ms + MAX_GAP_MS:
                interval.end_ms = max(interval.end_ms, last_ms)
                return
            self._end(interval)
        self._open[source, symbol] = CoverageInterval(source, symbol, first_ms, last_ms)

    def close(self, symbols: frozenset[str] | None = None) -> None:
        """End the intervals of some symbols; None: of all."""
        for key in list(self._open):
            if symbols is None or key[1] in symbols:
                self._end(self._open.pop(key))

    def due(self) -> list[CoverageInterval]:
        """Return the intervals to store, ended ones first."""
        return [interval for interval in (*self._ended, *self._open.values()) if interval.is_due]

    def has_ended(self) -> bool:
        """Return True if an interval should be stored without waiting for the heartbeat."""
        return bool(self._ended)

    def forget_ended(self) -> None:
        """Drop the ended intervals that are stored to their end."""
        self._ended = [interval for interval in self._ended if interval.is_due]

    def store_anew(self) -> None:
        """Give each interval a new row, from its start: their rows are in another file."""
        for interval in (*self._ended, *self._open.values()):
            interval.row_id = interval.stored_end_ms = None

    def go_on_elsewhere(self) -> None:
        """Give each interval a new row for what is not stored yet: the next commit goes into another database."""
        for interval in (*self._ended, *self._open.values()):
            if interval.stored_end_ms is not None:
                interval.start_ms = interval.stored_end_ms
            interval.row_id = interval.stored_end_ms = None

    def _end(self, interval: CoverageInterval) -> None:
        if interval.is_due:
            self._ended.append(interval)


def merged(intervals: list[Coverage]) -> list[Coverage]:
    """Join intervals of one series that overlap or touch; they must be in ascending order of ``start_ms``."""
    joined: list[Coverage] = []
    for interval in intervals:
        last = joined[-1] if joined else None
        if last is not None and interval.start_ms <= last.end_ms:
            joined[-1] = replace(last, end_ms=max(last.end_ms, interval.end_ms))
        else:
            joined.append(interval)
    return joined


def without(intervals: list[Coverage], holes: list[tuple[int, int]]) -> list[Coverage]:
    """Remove holes ``(from_ms, to_ms)``, ends included, from intervals; parts shorter than one ms vanish."""
    left = intervals
    for from_ms, to_ms in holes:
        parts: list[Coverage] = []
        for interval in left:
            if interval.start_ms < from_ms:
                parts.append(replace(interval, end_ms=min(interval.end_ms, from_ms - 1)))
            if interval.end_ms > to_ms:
                parts.append(replace(interval, start_ms=max(interval.start_ms, to_ms + 1)))
        left = parts
    return left
