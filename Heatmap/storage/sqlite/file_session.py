"""The database side of the writer for a file: connection, recorder lock, checkpoints, recovery.

The lock (see `Heatmap.storage.sqlite.recorder_lock`) also gives the right to replace a damaged file (see
`Heatmap.storage.sqlite.recovery`). While the database cannot be opened, the feed runs, and events wait in memory.

After each flush the log is written into the file and forced to the disk, as far as no reader uses an old state of the
file: a power failure, or a program that deletes the log and kills this one, costs at most one flush. A deleted log is
noticed within a second, and before anything is written (see `Heatmap.storage.sqlite.log_recovery`).
"""

from __future__ import annotations

import contextlib
import logging
import sqlite3
from collections import deque
from typing import TYPE_CHECKING, Final, cast

from Heatmap.errors import DamagedDatabaseError, MovedDatabaseError, StorageError
from Heatmap.storage.coverage_log import CoverageLog
from Heatmap.storage.sqlite.connection import closed_on_error, storage_errors, write_transaction
from Heatmap.storage.sqlite.file_guard import FileState, Identity, file_identity
from Heatmap.storage.sqlite.log_recovery import recover_deleted_log
from Heatmap.storage.sqlite.recorder_lock import RecorderLock
from Heatmap.storage.sqlite.recovery import open_checked
from Heatmap.storage.sqlite.shrinking import shrink
from Heatmap.storage.writer_session import WriterSession

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from Heatmap.events import LiquidationEvent
    from Heatmap.storage.commit import Committed
    from Heatmap.storage.sql_connection import Connection
    from Heatmap.storage.sqlite.connection import RecordConnection
    from Heatmap.storage.writer_session import SessionOptions

_LOG = logging.getLogger(__name__)

_FILE_CHECK_S: Final = 0.5  # between two checks of the files while nothing is written
_CHECKPOINT_PAUSES: Final = 4.0  # at most a fifth of the time goes into forcing the log to a slow disk


class FileSession(WriterSession):
    """A writer's session on a file; see `Heatmap.storage.contract.Session`."""

    def __init__(self, path: Path, options: SessionOptions) -> None:
        super().__init__(options)
        self._path = path
        self._file_lock: RecorderLock | None = None
        self._connection: RecordConnection | None = None
        self._identity: Identity = None
        self._is_checked = False
        # A connection whose log was deleted: it alone reads all that was committed, until that is carried over.
        self._orphan: RecordConnection | None = None
        # Committed, perhaps in the log only; more are not remembered than may wait.
        self._unsaved: deque[LiquidationEvent] = deque(maxlen=options.queue_rows)
        self._file_check_due_s = self._checkpoint_due_s = 0.0

    @property
    def is_idle(self) -> bool:
        return super().is_idle and self._orphan is None

    @property
    def events_at_risk(self) -> int:
        """Number of events that are in a deleted log only; any thread."""
        return len(self._unsaved) if self._orphan is not None else 0

    def connect(self) -> None:
        """Connect to the file that has the database's name now, and take the lock if it is free."""
        with storage_errors(self._path):
            self._recover()
            if self._connection is None:
                self._connection = self._open()
            self._file_check_due_s = self._clock.monotonic_s() + _FILE_CHECK_S
            self._connection.check_in_place()
            if self._file_lock is not None:
                self._file_lock.release_if_removed()
            was_checked = self._is_checked
            if self._seek_lock(self._connection):
                if not was_checked:
                    # The last holder may have ended by a power failure.
                    self._disconnect()
                    self._connection = self._open()
            elif not self._may_write_coverage():
                self._is_checked = False

    def store(self, *, report_is_new: bool) -> None:
        """Commit what is due, checkpoint the log, and do a step of housekeeping; on errors the batch is kept."""
        if self._connection is None:
            return
        if report_is_new:
            self._heartbeat_due_s = 0.0
        with storage_errors(self._path):
            self._commit(self._connection)
            self._checkpoint(self._connection)
            if self._housekeeper is not None and self._may_keep_house():
                self._housekeeper.step(self._connection, self._writing, shrink)

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
        if self._report is not None and self._role is None:
            # Nobody can be asked who records: better twice in memory than not at all.
            self._set_role(may_record=True, holder=None)

    def close(self) -> int:
        """Store the last report and release the lock; return how many events are lost with a deleted log."""
        try:
            with storage_errors(self._path):
                if self._connection is not None:
                    self._store_last_report(self._connection)
                self._disconnect()
                self._recover()
        except StorageError as error:
            _LOG.error("what was in the deleted log only is lost: %s", error)
            if self._statistics.set_problem(error.short):
                self._options.on_change()
            return len(self._unsaved)
        finally:
            self._forget_orphan()
            if self._file_lock is not None:
                self._file_lock.release()
        return 0

    def _next_due_s(self) -> float:
        return min(self._file_check_due_s, self._checkpoint_due_s) if self._unsaved else self._file_check_due_s

    def _holds_lock(self) -> bool:
        return self._file_lock is not None and self._file_lock.is_held

    def _lock(self) -> bool:
        if self._file_lock is None and self._report is not None:
            self._file_lock = RecorderLock(self._path, self._report().source)
        return self._file_lock is not None and self._file_lock.acquire()

    @contextlib.contextmanager
    def _writing(self, connection: Connection) -> Iterator[None]:
        with storage_errors(self._path), write_transaction(cast("sqlite3.Connection", connection)):
            yield

    def _count(self, taken: int, committed: Committed) -> None:
        self._unsaved.extend(committed.accepted)
        super()._count(taken, committed)

    def _open(self) -> RecordConnection:
        connection, is_checked, notice = open_checked(
            self._path,
            self._clock,
            # A file is checked once, by the program that records into it.
            wants_check=lambda: not self._is_checked and self._acquire(),
            goes_on=lambda: not self._options.is_stopping(),
        )
        self._is_checked |= is_checked
        with closed_on_error(connection):
            identity = file_identity(self._path)
            if self._identity not in (None, identity):
                # The file was replaced: the new one has none of the events of the time covered so far.
                self._coverage = CoverageLog()
                self._heartbeat_due_s = 0.0
                if self._housekeeper is not None:
                    self._housekeeper.restart()
            self._identity = identity
            self._note_newest(connection, notice)
        return connection

    def _checkpoint(self, connection: RecordConnection) -> None:
        began_s = self._clock.monotonic_s()
        if not self._unsaved or (began_s < self._checkpoint_due_s and not self._options.is_stopping()):
            return
        connection.check_in_place()
        _, frames, done = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        connection.check_in_place()
        if frames == done:
            self._unsaved.clear()
        ended_s = self._clock.monotonic_s()
        self._checkpoint_due_s = ended_s + max(self._options.flush_s, _CHECKPOINT_PAUSES * (ended_s - began_s))

    def _recover(self) -> None:
        if self._orphan is None:
            return
        if self._may_write_coverage() or self._unsaved:
            recovered = recover_deleted_log(self._orphan, self._path, self._clock, self._unsaved)
            if recovered is not None:
                self._statistics.set_notice(recovered.sentence(self._path))
                self._options.on_change()
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
        if self._housekeeper is not None:
            self._housekeeper.interrupt()
        if connection is None:
            return
        with contextlib.suppress(StorageError):
            if connection.file_state() is FileState.LOG_REMOVED:
                self._orphan = connection
                return
        # A failing disk may fail here too; what was committed is safe without it.
        with contextlib.suppress(sqlite3.Error):
            connection.close()
