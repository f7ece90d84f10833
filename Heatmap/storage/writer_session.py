"""The database side of the writer: connection, recorder lock, commits, checkpoints, recovery.

A session with a ``report`` records a source for all programs on its database, and needs that source's lock (see
`Heatmap.storage.recorder_lock`) to store coverage and to replace a damaged file (see `Heatmap.storage.recovery`).
Events are stored without it as well. While the database cannot be opened, the feed runs, and events wait in memory.

After each flush the log is written into the file and forced to the disk, as far as no reader uses an old state of the
file: a power failure, or a program that deletes the log and kills this one, costs at most one flush. A deleted log is
noticed within a second, and before anything is written (see `Heatmap.storage.log_recovery`).
"""

from __future__ import annotations

import contextlib
import logging
import sqlite3
from collections import deque
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, NamedTuple

from Heatmap.errors import DamagedDatabaseError, MovedDatabaseError, StorageError
from Heatmap.events import LiquidationEvent
from Heatmap.reports import ClockReading, ConnectionState, RejectedFrame
from Heatmap.storage import sql
from Heatmap.storage.commit import Batch, TickSize, commit
from Heatmap.storage.connection import closed_on_error, write_transaction
from Heatmap.storage.coverage_log import CoverageLog
from Heatmap.storage.file_guard import FileState, Identity, file_identity
from Heatmap.storage.log_recovery import recover_deleted_log
from Heatmap.storage.recorder_lock import HEARTBEAT_MISSED_MS, LockHolder, RecorderLock, holder_of
from Heatmap.storage.recovery import open_checked

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from Heatmap.clock import Clock
    from Heatmap.reports import CollectorReport
    from Heatmap.storage.connection import RecordConnection
    from Heatmap.storage.retention import Housekeeper
    from Heatmap.storage.writer_statistics import WriterStatistics

_LOG = logging.getLogger(__name__)

HEARTBEAT_S: Final = 5.0  # between two reports of a recorder; coverage in the database is at most this old
LOOK_S: Final = 0.25  # between two attempts to get the lock
_FILE_CHECK_S: Final = 0.5  # between two checks of the files while nothing is written
_CHECKPOINT_PAUSES: Final = 4.0  # at most a fifth of the time goes into forcing the log to a slow disk


class LivenessSpans(dict[tuple[str, str], list[int]]):
    """Times of uninterrupted delivery between two events: ``(source, symbol) -> [first_ms, last_ms]``."""


class FeedLost(NamedTuple):
    """Delivery of some symbols has ended; None: of all."""

    symbols: frozenset[str] | None


# What the writer's queue contains.
Item = LiquidationEvent | LivenessSpans | FeedLost | TickSize | RejectedFrame | ClockReading


@dataclass(eq=False, kw_only=True)
class WriterSession:
    """State of the writer's thread, which alone may use it; for its arguments see also `EventWriter`."""

    path: Path
    clock: Clock
    statistics: WriterStatistics
    is_stopping: Callable[[], bool]  # whether the writer is to end
    flush_s: float  # shortest time between two checkpoints
    unsaved_rows: int  # largest number of events remembered that may be in the log only
    series: tuple[tuple[str, str], ...]
    report: Callable[[], CollectorReport] | None
    on_role: Callable[[bool, LockHolder | None], None] | None
    housekeeper: Housekeeper | None
    on_change: Callable[[], None]

    def __post_init__(self) -> None:
        self.batch = Batch()  # what the next commit stores
        self._lock: RecorderLock | None = None
        self._role: tuple[bool, LockHolder | None] | None = None
        # The other recorder's run and the time of its report, and since when these are the same.
        self._heard: tuple[str, int] | None = None
        self._heard_s = 0.0
        self._connection: RecordConnection | None = None
        self._identity: Identity = None
        self._is_checked = False
        # A connection whose log was deleted: it alone reads all that was committed, until that is carried over.
        self._orphan: RecordConnection | None = None
        self._unsaved: deque[LiquidationEvent] = deque(maxlen=self.unsaved_rows)  # committed, perhaps in the log only
        self._coverage = CoverageLog()
        self._look_due_s = self._file_check_due_s = self._checkpoint_due_s = self._heartbeat_due_s = 0.0

    @property
    def is_idle(self) -> bool:
        return not self.batch and not self._coverage.due() and self._orphan is None

    @property
    def events_in_deleted_log(self) -> int:
        """Number of events that are in a deleted log only; any thread."""
        return len(self._unsaved) if self._orphan is not None else 0

    def left_s(self) -> float:
        """Return the seconds until something is due, apart from the queue."""
        due_s = [self._file_check_due_s]
        if self._unsaved:
            due_s.append(self._checkpoint_due_s)
        if self.report is not None:
            due_s.append(self._heartbeat_due_s if self._may_write_coverage() else self._look_due_s)
        left_s = min(due_s) - self.clock.monotonic_s()
        if self.housekeeper is not None and self._may_write_coverage():
            left_s = min(left_s, self.housekeeper.left_s())
        return left_s

    def connect(self) -> None:
        """Connect to the file that has the database's name now, and take the lock if it is free."""
        self._recover()
        if self._connection is None:
            self._connection = self._open()
        self._file_check_due_s = self.clock.monotonic_s() + _FILE_CHECK_S
        self._connection.check_in_place()
        if self._lock is not None:
            self._lock.release_if_removed()
        self._seek_lock(self._connection)

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

    def store(self, *, report_is_new: bool) -> None:
        """Commit what is due, checkpoint the log, and do a step of housekeeping; on errors the batch is kept."""
        if self._connection is None:
            return
        if report_is_new:
            self._heartbeat_due_s = 0.0
        self._commit(self._connection)
        self._checkpoint(self._connection)
        if self.housekeeper is not None and self._may_write_coverage() and not self.is_stopping():
            self.housekeeper.step(self._connection)

    def fail(self, error: StorageError) -> None:
        """Disconnect after a failure; the batch is kept."""
        if isinstance(error, MovedDatabaseError) and self._connection is not None:
            # What was committed may still be in the log beside the old name; a file that was moved takes it along.
            with contextlib.suppress(sqlite3.Error):
                self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            self._unsaved.clear()
        self._disconnect()
        if isinstance(error, DamagedDatabaseError):
            self._is_checked = False
        if self.report is not None and self._role is None:
            # Nobody can be asked who records: better twice in memory than not at all.
            self._set_role(may_record=True, holder=None)

    def close(self) -> int:
        """Store the last report and release the lock; return how many events are lost with a deleted log."""
        try:
            self._store_last_report()
            self._disconnect()
            self._recover()
        except StorageError as error:
            _LOG.error("what was in the deleted log only is lost: %s", error)
            if self.statistics.set_problem(error.short):
                self.on_change()
            return len(self._unsaved)
        finally:
            self._forget_orphan()
            if self._lock is not None:
                self._lock.release()
        return 0

    def _open(self) -> RecordConnection:
        connection, is_checked, notice = open_checked(
            self.path,
            self.clock,
            # A file is checked once, by the program that records into it.
            wants_check=lambda: not self._is_checked and self._acquire(),
            goes_on=lambda: not self.is_stopping(),
        )
        self._is_checked |= is_checked
        with closed_on_error(connection):
            identity = file_identity(self.path)
            if self._identity not in (None, identity):
                # The file was replaced: the new one has none of the events of the time covered so far.
                self._coverage = CoverageLog()
                self._heartbeat_due_s = 0.0
                if self.housekeeper is not None:
                    self.housekeeper.restart()
            # The newest event of earlier runs, so that a restart does not look like a first start.
            newest = [connection.execute(sql.NEWEST_EVENT, key).fetchone()[0] for key in self.series]
        self._identity = identity
        if notice:
            self.statistics.set_notice(notice)
        if self.statistics.note_newest(newest) or notice:
            self.on_change()
        return connection

    def _may_write_coverage(self) -> bool:
        return self.report is None or (self._lock is not None and self._lock.is_held)

    def _acquire(self) -> bool:
        if self.report is None:
            return True
        if self._lock is None:
            self._lock = RecorderLock(self.path, self.report().source)
        if not self._lock.is_held:
            if not self._lock.acquire():
                return False
            _LOG.info("this program records now: %s", self.report().source)
        self._heartbeat_due_s = 0.0
        self._set_role(may_record=True, holder=None)
        return True

    def _seek_lock(self, connection: RecordConnection) -> None:
        if self.report is None or self._may_write_coverage():
            return
        now_s = self.clock.monotonic_s()
        if now_s < self._look_due_s and not self.is_stopping():
            return
        self._look_due_s = now_s + LOOK_S
        if not self._acquire():
            # The other program writes coverage; events are stored all the same.
            self._coverage = CoverageLog()
            self._is_checked = False
            self._set_role(may_record=False, holder=self._holder(connection, self.report(), now_s))
        elif not self._is_checked:
            # The last holder may have ended by a power failure.
            self._disconnect()
            self._connection = self._open()

    def _holder(self, connection: sqlite3.Connection, report: CollectorReport, now_s: float) -> LockHolder | None:
        found = holder_of(connection, report.source, report.run_id)
        if found is None:
            return None
        holder, heartbeat_ms = found
        if self._heard != (holder.run_id, heartbeat_ms):
            self._heard, self._heard_s = (holder.run_id, heartbeat_ms), now_s
        # By this program's own clock: the report may be one of a program that ended long ago.
        return replace(holder, is_silent=now_s - self._heard_s >= HEARTBEAT_MISSED_MS / 1000)

    def _set_role(self, *, may_record: bool, holder: LockHolder | None) -> None:
        if self._role != (may_record, holder):
            self._role = (may_record, holder)
            if self.on_role is not None:
                self.on_role(may_record, holder)

    def _store_last_report(self) -> None:
        if self.report is None or self._connection is None or not self._may_write_coverage():
            return
        report = self.report()
        report = replace(report, status=replace(report.status, state=ConnectionState.STOPPED))
        try:
            with write_transaction(self._connection):
                self._connection.execute(sql.PUT_COLLECTOR, sql.collector_row(report, self.clock.now_ms()))
        except (sqlite3.Error, StorageError) as error:
            _LOG.warning("the last report is not stored: %s", error)

    def _commit(self, connection: sqlite3.Connection) -> None:
        now_s = self.clock.monotonic_s()
        is_due = self._may_write_coverage() and (
            now_s >= self._heartbeat_due_s or self._coverage.has_ended() or self.is_stopping()
        )
        intervals = self._coverage.due() if is_due else []
        row = None
        if is_due and self.report is not None:
            report = self.report()
            # That a recorder has stopped is stored by `close` only, once all is stored.
            if report.status.state is not ConnectionState.STOPPED:
                row = sql.collector_row(report, self.clock.now_ms())
        if self.batch or intervals or row is not None:
            committed = commit(connection, self.batch, intervals, row)
            for interval, row_id in zip(intervals, committed.row_ids, strict=True):
                interval.row_id, interval.stored_end_ms = row_id, interval.end_ms
            taken, self.batch = len(self.batch.events), Batch()
            self._unsaved.extend(committed.accepted)
            self.statistics.note_newest(event.ts_ms for event in committed.accepted)
            self.statistics.count(taken=taken, accepted=len(committed.accepted), inserted=committed.inserted)
            self.on_change()
        if is_due:
            self._coverage.forget_ended()
            self._heartbeat_due_s = now_s + HEARTBEAT_S

    def _checkpoint(self, connection: RecordConnection) -> None:
        began_s = self.clock.monotonic_s()
        if not self._unsaved or (began_s < self._checkpoint_due_s and not self.is_stopping()):
            return
        connection.check_in_place()
        _, frames, done = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        connection.check_in_place()
        if frames == done:
            self._unsaved.clear()
        ended_s = self.clock.monotonic_s()
        self._checkpoint_due_s = ended_s + max(self.flush_s, _CHECKPOINT_PAUSES * (ended_s - began_s))

    def _recover(self) -> None:
        if self._orphan is None:
            return
        if self._may_write_coverage() or self._unsaved:
            recovered = recover_deleted_log(self._orphan, self.path, self.clock, self._unsaved)
            if recovered is not None:
                self.statistics.set_notice(recovered.sentence(self.path))
                self.on_change()
                self._coverage.store_anew()
                self._identity = None  # the new file is this one's continuation
        self._forget_orphan()
        self._unsaved.clear()

    def _forget_orphan(self) -> None:
        orphan, self._orphan = self._orphan, None
        if orphan is not None:
            with contextlib.suppress(sqlite3.Error):
                orphan.close()

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if self.housekeeper is not None:
            self.housekeeper.interrupt()
        if connection is None:
            return
        with contextlib.suppress(StorageError):
            if connection.file_state() is FileState.LOG_REMOVED:
                self._orphan = connection
                return
        # A failing disk may fail here too; what was committed is safe without it.
        with contextlib.suppress(sqlite3.Error):
            connection.close()
