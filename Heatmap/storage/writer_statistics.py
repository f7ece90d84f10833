"""Counters of the writer."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable
    from threading import Condition

    from Heatmap.clock import Clock

RATE_WINDOW_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class WriterStats:
    inserted: int = 0  # new rows
    duplicates: int = 0  # events that were stored already
    refused: int = 0  # events that the schema does not accept; each is logged
    queued: int = 0  # events that wait, those of the current batch included
    insert_rate_per_s: float = 0.0  # mean over the last 10 s
    last_event_ms: int | None = None  # newest trade time stored, by this writer or earlier, ms since the epoch
    problem: str = ""  # one sentence if the database cannot be written at the moment
    refusal: str = ""  # one sentence if this user may only read the database
    notice: str = ""  # one sentence about a file that was replaced because it or its log was damaged; persists


class WriterStatistics:
    """Counters, guarded by the writer's condition ``changed``, which is notified when events were stored."""

    def __init__(self, clock: Clock, changed: Condition) -> None:
        self._clock = clock
        self._changed = changed
        self._stats = WriterStats()
        self._recent: deque[tuple[float, int]] = deque()
        self.queued = 0  # only with ``changed`` held

    def snapshot(self) -> WriterStats:
        with self._changed:
            self._forget_old_rows()
            rate = sum(rows for _, rows in self._recent) / RATE_WINDOW_S
            return replace(self._stats, queued=self.queued, insert_rate_per_s=rate)

    def is_full(self, queue_rows: int) -> bool:
        """Return True if so many events wait."""
        with self._changed:
            return self.queued >= queue_rows

    def count(self, *, taken: int, accepted: int, inserted: int, queued: int | None = None) -> None:
        """Count a commit: events it was given, those that the schema accepted, and new rows.

        ``queued`` of them were taken off the queue, by default all.
        """
        with self._changed:
            old = self._stats
            duplicates, refused = old.duplicates + accepted - inserted, old.refused + taken - accepted
            self._stats = replace(old, inserted=old.inserted + inserted, duplicates=duplicates, refused=refused)
            self._forget_old_rows()
            if inserted:
                self._recent.append((self._clock.monotonic_s(), inserted))
            self.queued -= taken if queued is None else queued
            self._changed.notify_all()

    def count_kept(self, *, taken: int, accepted: int, new: int) -> None:
        """Count what was taken off the queue into a local file: it is inserted later, and counted by `count` then."""
        self.count(taken=taken - new, accepted=accepted - new, inserted=0, queued=taken)

    def note_newest(self, times_ms: Iterable[int | None]) -> bool:
        """Note some trade times, None for unknown ones; return True if one is newer than all before."""
        with self._changed:
            before_ms = self._stats.last_event_ms
            newest_ms = max((ts_ms for ts_ms in (before_ms, *times_ms) if ts_ms is not None), default=None)
            self._stats = replace(self._stats, last_event_ms=newest_ms)
        return newest_ms != before_ms

    def set_problem(self, problem: str) -> bool:
        """Set the sentence of the present problem; return True if it changed."""
        with self._changed:
            is_new = problem != self._stats.problem
            self._stats = replace(self._stats, problem=problem)
        return is_new

    def set_refusal(self, refusal: str) -> None:
        with self._changed:
            self._stats = replace(self._stats, refusal=refusal)

    def set_notice(self, notice: str) -> None:
        with self._changed:
            self._stats = replace(self._stats, notice=notice)

    def _forget_old_rows(self) -> None:
        horizon_s = self._clock.monotonic_s() - RATE_WINDOW_S
        while self._recent and self._recent[0][0] <= horizon_s:
            self._recent.popleft()
