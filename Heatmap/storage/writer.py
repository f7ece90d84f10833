"""The writer: a bounded queue, and the one thread that stores what it takes, each event once.

Storing loses nothing. A full queue refuses events (`EventWriter.put` returns False); a batch that cannot be committed
is kept and tried again; only a stop that runs out of time gives up, and then returns how many events were lost.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from typing import TYPE_CHECKING, Final

from Heatmap.clock import SYSTEM_CLOCK, Clock
from Heatmap.errors import StorageError
from Heatmap.storage.commit import FeedLost, Item, LivenessSpans, TickSize
from Heatmap.storage.coverage_log import MAX_GAP_MS
from Heatmap.storage.database import database_of
from Heatmap.storage.writer_session import SessionOptions
from Heatmap.storage.writer_statistics import WriterStatistics, WriterStats

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from Heatmap.events import LiquidationEvent
    from Heatmap.reports import ClockReading, CollectorReport, LockHolder, RejectedFrame
    from Heatmap.storage.contract import Database
    from Heatmap.storage.retention import Housekeeper

_LOG = logging.getLogger(__name__)

_FIRST_RETRY_S: Final = 0.25
_LAST_RETRY_S: Final = 5.0
_STOP_RETRY_S: Final = 0.05
# Longest wait of an event while somebody wants it at once; what comes meanwhile shares its transaction.
PROMPT_FLUSH_MS: Final = 10
# Most events kept in memory while neither the database nor, for a server, the spool of this machine can be written:
# hours of a calm market, minutes of the worst.
QUEUE_ROWS: Final = 20_000


class EventWriter:
    """Stores events, coverage, tick sizes and what else a collector measures, on its own thread.

    Parameters
    ----------
    db, clock
        The database (see `Heatmap.storage.database`), created when missing; wall and monotonic time.
    batch_rows, flush_ms, queue_rows
        A transaction is made when this many events wait, or the oldest has waited this long; most events that may wait.
    series
        ``(source, symbol)`` whose newest stored events count as `WriterStats.last_event_ms` from the start.
    report
        Returns the collector's report, stored every 5 s and after `report_changed`. None: no recorder, without a lock.
    on_role
        Called with ``(may record, who records instead)`` when that changes, with a ``report``; before it nobody may.
    housekeeper
        Does its steps between two transactions, while this program holds the lock or needs none.
    on_change
        Called after every commit and change of the problem. All callbacks run on the writer's thread; return at once.
    """

    def __init__(
        self,
        db: str | Path | Database,
        *,
        clock: Clock = SYSTEM_CLOCK,
        batch_rows: int = 200,
        flush_ms: int = 250,
        queue_rows: int = QUEUE_ROWS,
        series: Iterable[tuple[str, str]] = (),
        report: Callable[[], CollectorReport] | None = None,
        on_role: Callable[[bool, LockHolder | None], None] | None = None,
        housekeeper: Housekeeper | None = None,
        on_change: Callable[[], None] = lambda: None,
    ) -> None:
        database = database_of(db)
        self._clock = clock
        self._batch_rows = batch_rows
        self._usual_flush_s = flush_ms / 1000
        self._queue_rows = queue_rows
        self._on_change = on_change
        self._thread = threading.Thread(target=self._run, name="heatmap-writer", daemon=True)
        # Everything below is guarded by the condition.
        self._changed = threading.Condition()
        self._statistics = WriterStatistics(clock, self._changed)
        self._queue: deque[Item] = deque()
        self._flush_s = self._usual_flush_s
        self._oldest_s = self._deadline_s = 0.0
        self._stopping = self._report_is_new = False
        # Everything below belongs to the writer's thread.
        self._retry_s = _FIRST_RETRY_S
        self._session = database.session(
            SessionOptions(
                clock=clock,
                statistics=self._statistics,
                is_stopping=lambda: self._stopping,
                flush_s=self._usual_flush_s,
                queue_rows=queue_rows,
                series=tuple(series),
                report=report,
                on_role=on_role,
                housekeeper=housekeeper,
                on_change=on_change,
            )
        )

    def start(self) -> None:
        """Start the thread; call once. It opens the database and keeps trying if that fails."""
        self._thread.start()

    def stop(self, timeout_s: float = 10.0) -> int:
        """Store what waits, and end the thread; return how many events were not in time, or in a deleted log only."""
        with self._changed:
            self._stopping = True
            self._deadline_s = self._clock.monotonic_s() + timeout_s
            self._changed.notify_all()
        if self._thread.ident is not None:
            self._thread.join(timeout_s + _FIRST_RETRY_S)
        stats = self.stats()
        lost = stats.queued + (self._session.events_at_risk if self._thread.is_alive() else 0)
        if lost:
            _LOG.error("%d events could not be stored: %s", lost, stats.problem)
        return lost

    def put(self, event: LiquidationEvent, timeout_s: float = 0.0) -> bool:
        """Take an event; False if the queue stayed full for ``timeout_s``, or the writer is stopped. Any thread."""
        with self._changed:
            if not self._changed.wait_for(self._has_room, timeout_s) or self._stopping:
                return False
            self._statistics.queued += 1
            self._append(event)
            return True

    def extend_coverage(self, source: str, symbol: str, at_ms: int) -> None:
        """Note that the series is being delivered at ``at_ms``; stored after the events put before. Any thread."""
        with self._changed:
            item = self._queue[-1] if self._queue else None
            # Signs of life in a row share one item, which bounds their number by that of the events; unless there was
            # a gap (a machine that slept), for an item stands for uninterrupted delivery.
            new = [at_ms, at_ms]
            if not isinstance(item, LivenessSpans) or at_ms > item.get((source, symbol), new)[1] + MAX_GAP_MS:
                item = LivenessSpans()
                self._append(item)
            span = item.setdefault((source, symbol), new)
            span[1] = max(span[1], at_ms)

    def close_coverage(self, symbols: frozenset[str] | None = None) -> None:
        """Note that some symbols are not delivered any more; None: none is. Any thread."""
        item = FeedLost(symbols)
        with self._changed:
            if not (self._queue and self._queue[-1] == item):
                self._append(item)

    def set_tick_size(self, source: str, symbol: str, tick_size: float) -> None:
        """Store the tick size of a symbol, in quote currency. Any thread."""
        self._append(TickSize(source, symbol, tick_size, self._clock.now_ms()))

    def quarantine(self, rejected: RejectedFrame) -> None:
        """Store a frame that did not decode; the caller bounds how many. Any thread."""
        self._append(rejected)

    def note_clock(self, reading: ClockReading) -> None:
        """Store a measured difference of the clocks. Any thread."""
        self._append(reading)

    def commit_promptly(self, *, promptly: bool) -> None:
        """Commit an event at most `PROMPT_FLUSH_MS` after it came, or again after ``flush_ms``. Any thread."""
        with self._changed:
            self._flush_s = min(PROMPT_FLUSH_MS / 1000, self._usual_flush_s) if promptly else self._usual_flush_s
            self._changed.notify_all()

    def report_changed(self) -> None:
        """Store the collector's report without waiting for the heartbeat. Any thread."""
        with self._changed:
            self._report_is_new = True
            self._changed.notify_all()

    def stats(self) -> WriterStats:
        """Return a snapshot; any thread."""
        return self._statistics.snapshot()

    def _has_room(self) -> bool:
        return self._statistics.queued < self._queue_rows or self._stopping

    def _append(self, item: Item) -> None:
        with self._changed:
            if not self._queue:
                self._oldest_s = self._clock.monotonic_s()
            self._queue.append(item)
            # The thread waits for a first item, then for the timer or a full batch.
            if len(self._queue) == 1 or self._statistics.queued == self._batch_rows:
                self._changed.notify_all()

    def _run(self) -> None:
        while not self._finished():
            try:
                self._session.connect()
                if not self._session.batch:
                    self._take()
                with self._changed:
                    report_is_new, self._report_is_new = self._report_is_new, False
                self._session.store(report_is_new=report_is_new)
            except StorageError as error:
                self._fail(error)
            except Exception as error:  # noqa: BLE001 - the thread's last line of defence: the batch is kept
                _LOG.exception("the writer failed in an unforeseen way")
                self._fail(StorageError(f"unforeseen: {error!r}", short=f"Storing fails: {error!r}."))
            else:
                self._retry_s = _FIRST_RETRY_S
                problem = self._session.problem
                if self._statistics.set_problem(problem):
                    if not problem:
                        _LOG.info("storing works again")
                    self._on_change()
        lost = self._session.close()
        with self._changed:
            self._statistics.queued += lost

    def _finished(self) -> bool:
        with self._changed:
            if not self._stopping:
                return False
            # A loss without anything before it need not be stored.
            waits = any(not isinstance(item, FeedLost) for item in self._queue)
            return (not waits and self._session.is_idle) or self._clock.monotonic_s() >= self._deadline_s

    def _take(self) -> None:
        with self._changed:
            while not self._stopping and not self._report_is_new and self._statistics.queued < self._batch_rows:
                left_s = self._session.left_s()
                if self._queue:
                    left_s = min(left_s, self._oldest_s + self._flush_s - self._clock.monotonic_s())
                if left_s <= 0:
                    break
                self._changed.wait(left_s)
            events = self._session.batch.events
            while self._queue and len(events) < self._batch_rows:
                self._session.take(self._queue.popleft())
            # What remains has waited already: its timer runs from now, and a full batch needs no timer.
            self._oldest_s = self._clock.monotonic_s()

    def _fail(self, error: StorageError) -> None:
        self._session.fail(error)
        if self._statistics.set_problem(error.short):
            _LOG.error("storing is held up, %d events wait: %s", self.stats().queued, error)
            self._on_change()
        with self._changed:
            if self._stopping:
                # Nobody notifies any more, so this wait is a whole one; a file that cannot be opened fails at once.
                self._changed.wait(min(_STOP_RETRY_S, max(0.0, self._deadline_s - self._clock.monotonic_s())))
            else:
                self._changed.wait_for(lambda: self._stopping, self._retry_s)
        self._retry_s = min(self._retry_s * 2, _LAST_RETRY_S)
