"""The one writer thread: takes events from a bounded queue and stores each once, whatever the disk does
meanwhile.

Policy: storing is lossless. The queue is bounded and says so (`EventWriter.put` returns False when it is
full); a batch that cannot be committed is kept and tried again; only a stop that runs out of time gives up,
and then says how many events were lost.

A writer with a ``report`` records a source for all programs on its database, and so needs that source's lease (see
`Heatmap.storage.lease`): `on_lease` tells when the feed may run. Where nobody can be asked, for the database cannot be
opened or written, the feed runs all the same: what comes is kept in memory, and who was first is settled when the disk
answers again. A damaged file is replaced (see `Heatmap.storage.damage_recovery`) by whoever is about to record into it.

After each flush the log is brought into the file and forced to the disk, as far as no reader holds an old state of the
file: what a power cut, or a program that deletes the log and kills this one, can cost is then one flush. A deleted log
is noticed within a second, and before anything is written (see `Heatmap.storage.file_guard` and
`Heatmap.storage.log_recovery`).
"""

from __future__ import annotations

import contextlib
import logging
import sqlite3
import threading
from collections import deque
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from Heatmap.clock import SYSTEM_CLOCK, Clock
from Heatmap.errors import DamagedDatabaseError, MovedDatabaseError, StorageError
from Heatmap.events import LiquidationEvent
from Heatmap.reports import ClockReading, CollectorReport, RejectedFrame
from Heatmap.storage import sql as statement
from Heatmap.storage.checked_open import open_sound
from Heatmap.storage.commit import Committed, commit
from Heatmap.storage.connection import RecordConnection, storage_error
from Heatmap.storage.coverage_log import MAX_GAP_MS, CoverageLog
from Heatmap.storage.file_guard import FileState, Identity, file_identity
from Heatmap.storage.lease import HEARTBEAT_S, LOOK_S, Lease
from Heatmap.storage.log_recovery import carry_over
from Heatmap.storage.write_items import Batch, Item, Loss, Proofs, Tick, WriterStats

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from Heatmap.storage.lease import LeaseHolder
    from Heatmap.storage.retention import Housekeeper

_LOG = logging.getLogger(__name__)

RATE_WINDOW_S: Final = 10.0
_FIRST_RETRY_S: Final = 0.25
_LAST_RETRY_S: Final = 5.0
_STOP_RETRY_S: Final = 0.05
# How often the files are looked at while nothing is written.
_LOOK_AT_FILES_S: Final = 0.5
# On a slow disk at most a fifth of the time goes into forcing the log to it.
_CHECKPOINT_PAUSES: Final = 4.0
# A check of the file that takes longer than this no longer holds the feed up.
_CHECK_PATIENCE_S: Final = 1.0

QUEUE_ROWS: Final = 20_000
"""Most events kept in memory while the database cannot be written: hours of a calm market, minutes of the worst."""


class EventWriter:
    """Stores events, coverage, tick sizes and what else a collector learns, on its own thread.

    Parameters
    ----------
    db_path
        The database file; it and its folder are created when missing, on the writer's thread.
    clock
        Monotonic time for the flush timer and the rate.
    batch_rows, flush_ms
        A transaction is made when this many events wait, or the oldest has waited this long.
    queue_rows
        Most events that may wait.
    series
        ``(source, symbol)`` of the series whose newest stored event counts as `WriterStats.last_event_ms` from the
        start.
    report
        What the collector says of itself; asked on the writer's thread and stored with every heartbeat, and at once
        after `report_changed`.
    on_lease
        Called on the writer's thread with ``(may record, who records instead)`` when that changes; only with a
        ``report``. Until it is first called nobody may record. Must return at once.
    housekeeper
        Does its steps between two transactions, while this run holds the lease or needs none.
    on_change
        Called on the writer's thread after every commit and every change of the problem; must return at once.
    """

    def __init__(
        self,
        db_path: str | Path,
        *,
        clock: Clock = SYSTEM_CLOCK,
        batch_rows: int = 200,
        flush_ms: int = 250,
        queue_rows: int = QUEUE_ROWS,
        series: Iterable[tuple[str, str]] = (),
        report: Callable[[], CollectorReport] | None = None,
        on_lease: Callable[[bool, LeaseHolder | None], None] | None = None,
        housekeeper: Housekeeper | None = None,
        on_change: Callable[[], None] | None = None,
    ) -> None:
        self._path = Path(db_path)
        self._clock = clock
        self._batch_rows = batch_rows
        self._flush_s = flush_ms / 1000
        self._queue_rows = queue_rows
        self._series = tuple(series)
        self._report = report
        self._on_lease = on_lease
        self._on_change = on_change
        self._thread = threading.Thread(target=self._run, name="heatmap-writer", daemon=True)
        # Everything below is guarded by the condition.
        self._changed = threading.Condition()
        self._queue: deque[Item] = deque()
        self._waiting_events = 0
        self._oldest_s = 0.0
        self._stopping = False
        self._deadline_s = 0.0
        self._stats = WriterStats()
        self._recent: deque[tuple[float, int]] = deque()
        self._report_is_new = False
        # Everything below belongs to the writer's thread.
        self._housekeeper = housekeeper
        self._lease = Lease(report, clock) if report is not None else None
        self._look_due_s = 0.0
        self._told: tuple[bool, LeaseHolder | None] | None = None
        self._connection: RecordConnection | None = None
        self._identity: Identity = None
        self._is_checked = False
        # A connection whose log was deleted: it alone sees all that was committed, until that is carried over.
        self._orphan: RecordConnection | None = None
        # Committed, and perhaps in the log only.
        self._unsaved: deque[LiquidationEvent] = deque(maxlen=queue_rows)
        self._files_due_s = self._checkpoint_due_s = 0.0
        self._coverage = CoverageLog()
        self._heartbeat_due_s = 0.0
        self._batch = Batch()
        self._retry_s = _FIRST_RETRY_S

    def start(self) -> None:
        """Start the thread; call once. It opens the database and keeps trying if that fails."""
        self._thread.start()

    def stop(self, timeout_s: float = 10.0) -> int:
        """Store what waits, end the thread and join it.

        Returns
        -------
        int
            Events that could not be stored in time, or were lost with a deleted log; 0 when all is well.
        """
        with self._changed:
            self._stopping = True
            self._deadline_s = self._clock.monotonic_s() + timeout_s
            self._changed.notify_all()
        if self._thread.ident is not None:
            self._thread.join(timeout_s + _FIRST_RETRY_S)
        with self._changed:
            lost = self._waiting_events
        if self._thread.is_alive() and self._orphan is not None:
            lost += len(self._unsaved)  # in a deleted log, which ends with the process
        if lost:
            _LOG.error("%d events could not be stored: %s", lost, self.stats().problem)
        return lost

    def put(self, event: LiquidationEvent, timeout_s: float = 0.0) -> bool:
        """Take an event; any thread.

        Returns
        -------
        bool
            False if the queue stayed full for ``timeout_s``, or the writer is stopped: the event is not
            taken.
        """
        with self._changed:
            if not self._has_room():
                self._changed.wait_for(self._has_room, timeout_s)
            if not self._has_room() or self._stopping:
                return False
            self._waiting_events += 1
            self._append(event)
            return True

    def extend_coverage(self, source: str, symbol: str, at_ms: int) -> None:
        """Note that the series is being delivered at ``at_ms``; stored after the events put before. Any
        thread.
        """
        with self._changed:
            last = self._queue[-1] if self._queue else None
            # Proofs in a row share one item, so that their number is bounded by that of the events; unless there was
            # a gap (a machine that slept), for an item stands for one piece.
            span = last.spans.get((source, symbol)) if isinstance(last, Proofs) else None
            if isinstance(last, Proofs) and (span is None or at_ms <= span[1] + MAX_GAP_MS):
                proofs = last
            else:
                proofs = Proofs()
                self._append(proofs)
            span = proofs.spans.setdefault((source, symbol), [at_ms, at_ms])
            span[1] = max(span[1], at_ms)

    def close_coverage(self, symbols: frozenset[str] | None = None) -> None:
        """Note that some symbols are not delivered any more; None: nothing is. Any thread."""
        loss = Loss(symbols)
        with self._changed:
            if not (self._queue and self._queue[-1] == loss):
                self._append(loss)

    def set_tick_size(self, source: str, symbol: str, tick_size: float) -> None:
        """Store the tick size of a symbol, in quote currency. Any thread."""
        with self._changed:
            self._append(Tick(source, symbol, tick_size, self._clock.now_ms()))

    def quarantine(self, rejected: RejectedFrame) -> None:
        """Keep a frame that did not decode; the caller bounds how many. Any thread."""
        with self._changed:
            self._append(rejected)

    def note_clock(self, reading: ClockReading) -> None:
        """Store how far the exchange's clock is off. Any thread."""
        with self._changed:
            self._append(reading)

    def report_changed(self) -> None:
        """Store what the collector says of itself without waiting for the heartbeat. Any thread."""
        with self._changed:
            self._report_is_new = self._report is not None
            self._changed.notify_all()

    def stats(self) -> WriterStats:
        """Return a snapshot; any thread."""
        with self._changed:
            self._forget_old_rows()
            rate = sum(rows for _, rows in self._recent) / RATE_WINDOW_S
            return replace(self._stats, queued=self._waiting_events, insert_rate_per_s=rate)

    def _forget_old_rows(self) -> None:
        horizon_s = self._clock.monotonic_s() - RATE_WINDOW_S
        while self._recent and self._recent[0][0] <= horizon_s:
            self._recent.popleft()

    def _has_room(self) -> bool:
        return self._waiting_events < self._queue_rows or self._stopping

    def _append(self, item: Item) -> None:
        if not self._queue:
            self._oldest_s = self._clock.monotonic_s()
        self._queue.append(item)
        # The thread waits for a first item, then for the timer or a full batch.
        if len(self._queue) == 1 or self._waiting_events == self._batch_rows:
            self._changed.notify_all()

    def _run(self) -> None:
        while not self._finished():
            try:
                self._recover()
                if self._connection is None:
                    self._connection = self._open()
                self._check_files(self._connection)
                self._seek_lease(self._connection)
                if not self._batch:
                    self._take()
                self._commit(self._connection)
                self._checkpoint(self._connection)
                if self._housekeeper is not None and self._may_write_coverage() and not self._stopping:
                    self._housekeeper.step(self._connection)
            except StorageError as error:
                self._hold(error)
            except sqlite3.Error as error:
                self._hold(storage_error(error, self._path))
            except Exception as error:  # noqa: BLE001 - the thread's last line of defence: the batch is kept
                _LOG.exception("the writer failed in an unforeseen way")
                self._hold(StorageError(f"unforeseen: {error!r}", short=f"Storing fails: {error!r}."))
            else:
                self._retry_s = _FIRST_RETRY_S
                self._set_problem("")
        self._release()
        self._disconnect()
        self._recover_at_last()

    def _finished(self) -> bool:
        with self._changed:
            if not self._stopping:
                return False
            # A loss without anything before it is nothing to wait for.
            waits = any(not isinstance(item, Loss) for item in self._queue)
            idle = not waits and not self._batch and not self._coverage.due() and self._orphan is None
            return idle or self._clock.monotonic_s() >= self._deadline_s

    def _open(self) -> RecordConnection:
        began_s = self._clock.monotonic_s()
        file = open_sound(
            self._path, self._clock, is_wanted=self._should_check, goes_on=lambda: self._check_goes_on(began_s)
        )
        connection = file.connection
        self._is_checked |= file.is_checked
        try:
            identity = file_identity(self._path)
            if self._identity not in (None, identity):
                self._begin_anew()
            # The newest event of earlier runs, so that a restart does not look like a first start.
            rows = [connection.execute(statement.NEWEST_EVENT, key).fetchone() for key in self._series]
        except BaseException:
            connection.close()
            raise
        self._identity = identity
        if file.notice:
            self._set_notice(file.notice)
        if self._note_newest(ts_ms for (ts_ms,) in rows) or file.notice:
            self._tell()
        return connection

    def _begin_anew(self) -> None:
        """Forget what concerns a file that is not there any more."""
        # A new file holds none of the events that the old stretches speak for.
        self._coverage = CoverageLog()
        if self._lease is not None:
            self._lease.is_held = False
        if self._housekeeper is not None:
            self._housekeeper.restart()

    def _should_check(self, connection: sqlite3.Connection) -> bool:
        return not self._is_checked and (self._lease is None or self._lease.living(connection) is None)

    def _check_goes_on(self, began_s: float) -> bool:
        """Return False if the check should end; one that takes long does not hold the feed up."""
        if self._lease is not None and self._clock.monotonic_s() - began_s > _CHECK_PATIENCE_S:
            self._tell_lease(may_record=True, holder=None)
        return not self._stopping

    def _may_write_coverage(self) -> bool:
        return self._lease is None or self._lease.is_held

    def _must_only_read(self) -> bool:
        """Return True while another run is known to record: what the closing socket still brings covers nothing."""
        return self._told is not None and not self._told[0]

    def _seek_lease(self, connection: RecordConnection) -> None:
        """Take the lease if it is due to look and nobody else holds it."""
        if self._lease is None or self._lease.is_held:
            return
        now_s = self._clock.monotonic_s()
        if now_s < self._look_due_s and not self._stopping:
            return
        self._look_due_s = now_s + LOOK_S
        # The holder goes on in the file that has taken the name; who is silent in the old one is not dead.
        self._check_files(connection)
        holder = self._lease.living(connection)
        if holder is None and not self._is_checked:
            # The holder is gone, perhaps in a power failure: the file is looked at before it is written to.
            self._disconnect()
            self._look_due_s = 0.0
            self._connection = connection = self._open()
        if holder is None:
            holder = self._lease.take(connection)
        if holder is None:
            self._heartbeat_due_s = self._clock.monotonic_s() + HEARTBEAT_S
        self._yield_to(holder)

    def _yield_to(self, holder: LeaseHolder | None) -> None:
        """Act on who holds the lease; None: this run."""
        if holder is not None:
            if self._lease is not None:
                self._lease.is_held = False
            # What it covers is the other's to tell; the events are stored all the same.
            self._coverage = CoverageLog()
            self._is_checked = False
        self._tell_lease(may_record=holder is None, holder=holder)

    def _tell_lease(self, *, may_record: bool, holder: LeaseHolder | None) -> None:
        if self._told == (may_record, holder):
            return
        self._told = (may_record, holder)
        if self._on_lease is not None:
            self._on_lease(may_record, holder)

    def _release(self) -> None:
        """Let the next one record at once."""
        if self._lease is None or not self._lease.is_held or self._connection is None:
            return
        try:
            self._lease.release(self._connection)
        except sqlite3.Error as error:
            # Whoever waits for it takes over when the heartbeat is missed.
            _LOG.warning("the lease is not given back: %s", error)

    def _check_files(self, connection: RecordConnection) -> None:
        """Refuse to go on with files that have lost their names: nobody would ever read what is written."""
        self._files_due_s = self._clock.monotonic_s() + _LOOK_AT_FILES_S
        connection.check_in_place()

    def _checkpoint(self, connection: RecordConnection) -> None:
        """Bring the log into the file, as far as no reader is in the way; at most once a flush."""
        began_s = self._clock.monotonic_s()
        if not self._unsaved or (began_s < self._checkpoint_due_s and not self._stopping):
            return
        connection.check_in_place()
        _, frames, done = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        connection.check_in_place()
        if frames == done:
            self._unsaved.clear()
        ended_s = self._clock.monotonic_s()
        self._checkpoint_due_s = ended_s + max(self._flush_s, _CHECKPOINT_PAUSES * (ended_s - began_s))

    def _recover(self) -> None:
        """Carry over what only a connection without a log sees."""
        if self._orphan is None:
            return
        if self._may_write_coverage() or self._unsaved:
            salvage = carry_over(self._orphan, self._path, self._clock, self._unsaved)
            if salvage is not None:
                self._set_notice(salvage.sentence(self._path))
                self._coverage.store_anew()
                # The new file is this one's continuation.
                self._identity = None
        self._forget_orphan()
        self._unsaved.clear()

    def _recover_at_last(self) -> None:
        """Try once more at the end; what then is in a deleted log only, is lost and counted."""
        try:
            self._recover()
        except StorageError as error:
            _LOG.error("what was in the deleted log only is lost: %s", error)
            self._set_problem(error.short)
            with self._changed:
                self._waiting_events += len(self._unsaved)
        finally:
            self._forget_orphan()

    def _forget_orphan(self) -> None:
        orphan, self._orphan = self._orphan, None
        if orphan is not None:
            with contextlib.suppress(sqlite3.Error):
                orphan.close()

    def _set_notice(self, notice: str) -> None:
        with self._changed:
            self._stats = replace(self._stats, notice=notice)
        self._tell()

    def _note_newest(self, times_ms: Iterable[int | None]) -> bool:
        """Take note of the newest of some trade times; return True if it is newer than all before."""
        known = [ts_ms for ts_ms in times_ms if ts_ms is not None]
        with self._changed:
            before_ms = self._stats.last_event_ms
            if not known or (before_ms is not None and max(known) <= before_ms):
                return False
            self._stats = replace(self._stats, last_event_ms=max(known))
        return True

    def _take(self) -> None:
        """Wait for work and move at most a batch of it off the queue."""
        with self._changed:
            while not self._stopping and not self._report_is_new and self._waiting_events < self._batch_rows:
                left_s = self._left_s()
                if left_s <= 0:
                    break
                self._changed.wait(left_s)
            queue, events = self._queue, self._batch.events
            while queue and len(events) < self._batch_rows:
                item = queue.popleft()
                if isinstance(item, LiquidationEvent):
                    events.append(item)
                else:
                    self._take_other(item)
            # What remains has waited already: its timer runs from now, and a full batch needs no timer.
            self._oldest_s = self._clock.monotonic_s()

    def _take_other(self, item: Proofs | Loss | Tick | RejectedFrame | ClockReading) -> None:
        if isinstance(item, Proofs) and not self._must_only_read():
            for (source, symbol), (first_ms, last_ms) in item.spans.items():
                self._coverage.extend(source, symbol, first_ms, last_ms)
        elif isinstance(item, Loss):
            self._coverage.close(item.symbols)
        elif isinstance(item, Tick):
            self._batch.ticks.append(item)
        elif isinstance(item, RejectedFrame):
            self._batch.rejected.append(item)
        elif isinstance(item, ClockReading):
            self._batch.readings.append(item)

    def _left_s(self) -> float:
        """Return the seconds until something is due."""
        due_s = [self._files_due_s]
        if self._queue:
            due_s.append(self._oldest_s + self._flush_s)
        if self._unsaved:
            due_s.append(self._checkpoint_due_s)
        if self._lease is not None:
            due_s.append(self._heartbeat_due_s if self._lease.is_held else self._look_due_s)
        left_s = [at_s - self._clock.monotonic_s() for at_s in due_s]
        if self._housekeeper is not None and self._may_write_coverage():
            left_s.append(self._housekeeper.left_s())
        return min(left_s)

    def _commit(self, connection: sqlite3.Connection) -> None:
        now_s = self._clock.monotonic_s()
        with self._changed:
            report_is_new, self._report_is_new = self._report_is_new, False
        heartbeat = self._may_write_coverage() and (
            now_s >= self._heartbeat_due_s or self._coverage.has_ended() or self._stopping or report_is_new
        )
        stretches = self._coverage.due() if heartbeat else []
        report = self._report() if self._report is not None and heartbeat else None
        if not self._batch and not stretches and report is None:
            return
        try:
            committed = commit(connection, self._batch, stretches, report, self._lease)
        except BaseException:
            with self._changed:
                self._report_is_new = report_is_new
            raise
        if committed.successor is not None:
            _LOG.warning("another program records now: %s", committed.successor)
            self._yield_to(committed.successor)
        elif heartbeat:
            for stretch, row_id in zip(stretches, committed.row_ids, strict=True):
                stretch.row_id, stretch.stored_end_ms = row_id, stretch.end_ms
            self._coverage.forget_ended()
            self._heartbeat_due_s = now_s + HEARTBEAT_S
        self._account(committed)

    def _account(self, committed: Committed) -> None:
        inserted, accepted = committed.inserted, committed.accepted
        taken = len(self._batch.events)
        self._note_newest(event.ts_ms for event in accepted)
        self._unsaved.extend(accepted)
        self._batch = Batch()
        with self._changed:
            stats = self._stats
            self._stats = replace(
                stats,
                inserted=stats.inserted + inserted,
                duplicates=stats.duplicates + len(accepted) - inserted,
                refused=stats.refused + taken - len(accepted),
            )
            self._forget_old_rows()
            if inserted:
                self._recent.append((self._clock.monotonic_s(), inserted))
            self._waiting_events -= taken
            self._changed.notify_all()
        self._tell()

    def _hold(self, error: StorageError) -> None:
        """Keep the batch, tell of the problem and wait before the next try."""
        if isinstance(error, MovedDatabaseError) and self._connection is not None:
            # What was committed may still lie in the log beside the old name; a file that was moved takes it along.
            with contextlib.suppress(sqlite3.Error):
                self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            self._unsaved.clear()
        self._disconnect()
        if isinstance(error, DamagedDatabaseError):
            self._is_checked = False
        if self._lease is not None and (self._told is None or self._told[1] is None):
            # Nobody is known to record, and nobody can be asked: better twice in memory than not at all.
            self._tell_lease(may_record=True, holder=None)
        if self._set_problem(error.short):
            _LOG.error("storing is held up, %d events wait: %s", self.stats().queued, error)
        with self._changed:
            if self._stopping:
                # Nobody calls any more, so this wait is a whole one; a file that cannot be opened fails at once.
                self._changed.wait(min(_STOP_RETRY_S, max(0.0, self._deadline_s - self._clock.monotonic_s())))
            else:
                self._changed.wait_for(lambda: self._stopping, self._retry_s)
        self._retry_s = min(self._retry_s * 2, _LAST_RETRY_S)

    def _set_problem(self, problem: str) -> bool:
        with self._changed:
            if problem == self._stats.problem:
                return False
            self._stats = replace(self._stats, problem=problem)
        if not problem:
            _LOG.info("storing works again")
        self._tell()
        return True

    def _tell(self) -> None:
        if self._on_change is not None:
            self._on_change()

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
