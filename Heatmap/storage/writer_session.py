"""What the database side of a writer does on every database: batches, coverage, the recorder's role and its report.

A session with a ``report`` records a source for all programs on its database, and needs that source's lock to store
coverage. Events are stored without it as well.
"""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from Heatmap.errors import StorageError
from Heatmap.events import LiquidationEvent
from Heatmap.reports import HEARTBEAT_MISSED_MS, ClockReading, ConnectionState, LockHolder, RejectedFrame
from Heatmap.storage import sql
from Heatmap.storage.commit import Batch, Committed, FeedLost, Item, LivenessSpans, TickSize, commit
from Heatmap.storage.coverage_log import CoverageLog

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from Heatmap.clock import Clock
    from Heatmap.reports import CollectorReport
    from Heatmap.storage.retention import Housekeeper
    from Heatmap.storage.sql_connection import Connection
    from Heatmap.storage.writer_statistics import WriterStatistics

_LOG = logging.getLogger(__name__)

HEARTBEAT_S: Final = 5.0  # between two reports of a recorder; coverage in the database is at most this old
LOOK_S: Final = 0.25  # between two attempts to get the lock

_HOLDER: Final = """
    SELECT run_id, host, pid, symbols, started_ms, heartbeat_ms FROM collector
    WHERE source = ? AND run_id <> ? AND state <> 'stopped'
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionOptions:
    """What a session needs of its writer; for the others see `Heatmap.storage.writer.EventWriter`."""

    clock: Clock
    statistics: WriterStatistics
    is_stopping: Callable[[], bool]  # whether the writer is to end
    flush_s: float  # shortest time between two checkpoints
    queue_rows: int  # most events that may wait
    series: tuple[tuple[str, str], ...]
    report: Callable[[], CollectorReport] | None
    on_role: Callable[[bool, LockHolder | None], None] | None
    housekeeper: Housekeeper | None
    on_change: Callable[[], None]


class WriterSession(ABC):
    """State of the writer's thread, which alone may use it; see `Heatmap.storage.contract.Session`."""

    def __init__(self, options: SessionOptions) -> None:
        self.batch = Batch()  # what the next commit stores
        self._options = options
        self._clock = options.clock
        self._statistics = options.statistics
        self._report = options.report
        self._housekeeper = options.housekeeper
        self._coverage = CoverageLog()
        self._role: tuple[bool, LockHolder | None] | None = None
        # The other recorder's run and the time of its report, and since when these are the same.
        self._heard: tuple[str, int] | None = None
        self._heard_s = 0.0
        self._look_due_s = self._heartbeat_due_s = 0.0

    @property
    def is_idle(self) -> bool:
        return not self.batch and not self._coverage.due()

    @property
    def problem(self) -> str:
        return ""

    def left_s(self) -> float:
        """Return the seconds until something is due, apart from the queue."""
        left_s = self._next_due_s()
        if self._report is not None:
            left_s = min(left_s, self._heartbeat_due_s if self._may_write_coverage() else self._look_due_s)
        left_s -= self._clock.monotonic_s()
        if self._housekeeper is not None and self._may_keep_house():
            left_s = min(left_s, self._housekeeper.left_s())
        return left_s

    def take(self, item: Item) -> None:
        """Move an item of the queue into the batch, or into coverage."""
        if isinstance(item, LiquidationEvent):
            self.batch.events.append(item)
        elif isinstance(item, LivenessSpans):
            # While another program records, what a closing socket still delivers covers nothing.
            if self._role is None or self._role[0]:
                for (source, symbol), (first_ms, last_ms) in item.items():
                    self._coverage.extend(source, symbol, first_ms, last_ms)
        elif isinstance(item, FeedLost):
            self._coverage.close(item.symbols)
        elif isinstance(item, TickSize):
            self.batch.ticks.append(item)
        elif isinstance(item, RejectedFrame):
            self.batch.rejected.append(item)
        elif isinstance(item, ClockReading):
            self.batch.readings.append(item)

    @abstractmethod
    def _next_due_s(self) -> float:
        """Return when the database itself wants attention, by the monotonic clock."""

    @abstractmethod
    def _holds_lock(self) -> bool:
        """Return True if this program has the lock of its source."""

    @abstractmethod
    def _lock(self) -> bool:
        """Take the lock if it is free; return True if it is held afterwards."""

    @abstractmethod
    def _writing(self, connection: Connection) -> AbstractContextManager[None]:
        """Return a write transaction; its errors are `StorageError`."""

    def _count(self, taken: int, committed: Committed) -> None:
        """Note what was committed of so many events."""
        self._statistics.count(taken=taken, accepted=len(committed.accepted), inserted=committed.inserted)

    def _may_write_coverage(self) -> bool:
        return self._report is None or self._holds_lock()

    def _may_keep_house(self) -> bool:
        return self._may_write_coverage() and not self._options.is_stopping()

    def _acquire(self) -> bool:
        if self._report is None:
            return True
        if not self._holds_lock():
            if not self._lock():
                return False
            _LOG.info("this program records now: %s", self._report().source)
        self._heartbeat_due_s = 0.0
        self._set_role(may_record=True, holder=None)
        return True

    def _seek_lock(self, connection: Connection) -> bool:
        """Take the lock when it is time to look; return True if it has just been taken."""
        if self._report is None or self._may_write_coverage():
            return False
        now_s = self._clock.monotonic_s()
        if now_s < self._look_due_s and not self._options.is_stopping():
            return False
        self._look_due_s = now_s + LOOK_S
        if self._acquire():
            return True
        # The other program writes coverage; events are stored all the same.
        self._coverage = CoverageLog()
        self._set_role(may_record=False, holder=self._holder(connection, self._report(), now_s))
        return False

    def _holder(self, connection: Connection, report: CollectorReport, now_s: float) -> LockHolder | None:
        row = connection.execute(_HOLDER, (report.source, report.run_id)).fetchone()
        if row is None:
            return None
        run_id, host, pid, symbols, started_ms, heartbeat_ms = row
        if self._heard != (run_id, heartbeat_ms):
            self._heard, self._heard_s = (run_id, heartbeat_ms), now_s
        # By this program's own clock: the report may be one of a program that ended long ago.
        is_silent = now_s - self._heard_s >= HEARTBEAT_MISSED_MS / 1000
        return LockHolder(run_id, host, pid, tuple(symbols.split()), started_ms, is_silent)

    def _set_role(self, *, may_record: bool, holder: LockHolder | None) -> None:
        if self._role != (may_record, holder):
            self._role = (may_record, holder)
            if self._options.on_role is not None:
                self._options.on_role(may_record, holder)

    def _note_newest(self, connection: Connection, notice: str = "") -> None:
        """Note the newest events of earlier runs, so that a restart does not look like a first start."""
        newest = [connection.execute(sql.NEWEST_EVENT, key).fetchone()[0] for key in self._options.series]
        if notice:
            self._statistics.set_notice(notice)
        if self._statistics.note_newest(newest) or notice:
            self._options.on_change()

    def _store_last_report(self, connection: Connection) -> None:
        if self._report is None or not self._may_write_coverage():
            return
        report = self._report()
        report = replace(report, status=replace(report.status, state=ConnectionState.STOPPED))
        try:
            with self._writing(connection):
                connection.execute(sql.PUT_COLLECTOR, sql.collector_row(report, self._clock.now_ms()))
        except StorageError as error:
            _LOG.warning("the last report is not stored: %s", error)

    def _report_row(self) -> tuple[str | int | float | None, ...] | None:
        """Return the values of `sql.PUT_COLLECTOR`, None if there is nothing to report."""
        report = self._report() if self._report is not None else None
        # That a recorder has stopped is stored by `close` only, once all is stored.
        if report is None or report.status.state is ConnectionState.STOPPED:
            return None
        return sql.collector_row(report, self._clock.now_ms())

    def _commit(self, connection: Connection) -> None:
        now_s = self._clock.monotonic_s()
        is_due = self._may_write_coverage() and (
            now_s >= self._heartbeat_due_s or self._coverage.has_ended() or self._options.is_stopping()
        )
        intervals = self._coverage.due() if is_due else []
        row = self._report_row() if is_due else None
        if self.batch or intervals or row is not None:
            with self._writing(connection):
                committed = commit(connection, self.batch, intervals, row)
            for interval, row_id in zip(intervals, committed.row_ids, strict=True):
                interval.row_id, interval.stored_end_ms = row_id, interval.end_ms
            taken, self.batch = len(self.batch.events), Batch()
            self._statistics.note_newest(event.ts_ms for event in committed.accepted)
            self._count(taken, committed)
            self._options.on_change()
        if is_due:
            self._coverage.forget_ended()
            self._heartbeat_due_s = now_s + HEARTBEAT_S
