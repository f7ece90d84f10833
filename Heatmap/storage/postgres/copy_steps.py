"""The steps of copying: which rows come next, and what is stored with them."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from Heatmap.storage.sqlite.copy_file import CopyStep

if TYPE_CHECKING:
    from Heatmap.clock import Clock
    from Heatmap.reports import ClockReading
    from Heatmap.storage.postgres.copy_rows import CopyRows, SmallTables
    from Heatmap.storage.sqlite.copy_file import CopyFile, Series

_LOG = logging.getLogger(__name__)

CHUNK_ROWS: Final = 5000  # new ones in one transaction
OLDER_ROWS: Final = 2000  # fewer, for new ones wait meanwhile
SMALL_S: Final = 1.0  # shortest time between two looks at coverage, recorders and clocks
COMPARE_S: Final = 600.0  # between two looks for rows that the server has deleted
# A copy that is further behind shows the newest rows first, as those of a new series.
MOST_BEHIND: Final = 50_000
_STORE_TIME_MS: Final = 3000  # between two notes of the time while nothing changes
_BIN_MS: Final = 3_600_000
_FAR_MS: Final = 2**62
# Two clocks are not told apart below this.
_SAME_CLOCK_MS: Final = 1000
_STARTED, _HEARTBEAT, _SINCE, _RETRY = 5, 6, 10, 11  # times in the values of `sql.PUT_COLLECTOR`


class CopySteps:
    """Takes one step after the other on one connection; only for its thread. Raises `StorageError`.

    Attributes
    ----------
    is_complete
        True if the server had no newer row when the last step was taken.
    has_more
        True if more is to be copied at once.
    """

    def __init__(self, file: CopyFile, rows: CopyRows, clock: Clock) -> None:
        self.is_complete = self.has_more = False
        self._file = file
        self._rows = rows
        self._clock = clock
        self._small: SmallTables | None = None  # as last stored
        self._small_due_s = 0.0
        self._small_series: set[Series] = set()
        self._compare_due_s = clock.monotonic_s()
        self._to_compare: list[Series] = []
        self._heartbeats: dict[str, int] = {}
        # This machine's clock minus the recorder's, at least and at most, by source.
        self._ahead_ms: dict[str, tuple[int, int]] = {}
        # When the small tables were last read, and last compared with what is stored; by this machine's clock.
        self._read_ms = self._compared_ms = 0
        self._check_record(rows.record_id())
        if rows.count_newer(file.series, file.last_id, MOST_BEHIND) >= MOST_BEHIND:
            file.restart(rows.newest_id())

    def take(self) -> bool:
        """Take a step: new rows, or else older ones, or else a comparison; return whether the file has changed."""
        file, step = self._file, CopyStep()
        # Before the rows: what is covered has its rows then.
        small = self._small_tables()
        step.rows = self._rows.newer(file.series, file.last_id, CHUNK_ROWS)
        self.is_complete = len(step.rows) < CHUNK_ROWS
        if step.rows:
            step.last_id = step.rows[-1][0]
        if self.is_complete:
            step.as_of_ms = self._clock.now_ms()
            if small is not None:
                self._add_small(step, small)
            if not step.rows and file.series:
                self._add_older(step)
        else:
            self._small_due_s = 0.0  # what was read is stored with the newest rows only
        has_changed = bool(step.rows or step.from_ms or step.coverage is not None)
        is_later = step.as_of_ms is not None and step.as_of_ms >= (file.as_of_ms or 0) + _STORE_TIME_MS
        if has_changed or is_later:
            file.store(step)
        if not has_changed:
            has_changed = self._compare()
        is_older_due = any(from_ms != 0 for from_ms in file.series.values())
        self.has_more = not self.is_complete or is_older_due or bool(self._to_compare)
        return has_changed

    def _check_record(self, record_id: str) -> None:
        """Begin anew if the server has another record now, or an older state of it."""
        file, rows = self._file, self._rows
        newest, newest_id = file.newest_row(), rows.newest_id()
        if record_id != file.record_id or (newest is not None and rows.row(newest[0]) != newest):
            if file.record_id:
                _LOG.warning("%s is not the record any more that was copied: the copy begins anew", file.path)
            file.begin(record_id, newest_id)
        elif newest_id < file.last_id:
            # Its newest rows were deleted; ids may be given again if it is a restored one.
            file.store(CopyStep(last_id=newest_id))

    def _small_tables(self) -> SmallTables | None:
        """Return the small tables if it is time to look at them."""
        now_s, series = self._clock.monotonic_s(), set(self._file.series)
        if now_s < self._small_due_s and series == self._small_series:
            return None
        self._read_ms = self._clock.now_ms()
        small = self._rows.small_tables(series)
        self._small_due_s, self._small_series = now_s + SMALL_S, series
        if small.record_id != self._file.record_id:
            self._check_record(small.record_id)
        return small

    def _add_small(self, step: CopyStep, small: SmallTables) -> None:
        since_ms, self._compared_ms = self._compared_ms, self._read_ms
        if small == self._small:
            return
        self._small = small
        self._compare_clocks(small, since_ms)
        step.coverage, step.ticks = small.coverage, small.ticks
        step.collectors = [self._own_times(row) for row in small.collectors]
        step.clocks = [self._own_clock(reading) for reading in small.clocks if reading.source in self._ahead_ms]

    def _add_older(self, step: CopyStep) -> None:
        """Add a chunk of older rows of the series that has the fewest, by time."""
        file = self._file
        begins = {series: _FAR_MS if from_ms is None else from_ms for series, from_ms in file.series.items()}
        series = max(begins, key=begins.__getitem__)
        if begins[series]:
            step.rows = self._rows.older(series, begins[series], file.last_id, OLDER_ROWS)
            is_last = len(step.rows) < OLDER_ROWS
            step.from_ms = {series: 0 if is_last else step.rows[-1][1]}

    def _compare(self) -> bool:
        """Delete rows of one series that the server has deleted, if it is time; return whether there were any."""
        file, rows = self._file, self._rows
        if not self._to_compare and self._clock.monotonic_s() >= self._compare_due_s:
            self._to_compare = [series for series, from_ms in file.series.items() if from_ms == 0]
            if len(self._to_compare) == len(file.series):
                self._compare_due_s = self._clock.monotonic_s() + COMPARE_S
        if not self._to_compare:
            return False
        series = self._to_compare.pop()
        there, here = rows.counts(series, file.last_id, _BIN_MS), file.counts(series, _BIN_MS)
        deleted: set[int] = set()
        for number in {number for number, _ in there.items() ^ here.items()}:
            start_ms = number * _BIN_MS
            kept = rows.row_ids(series, start_ms, start_ms + _BIN_MS, file.last_id)
            copied = file.row_ids(series, start_ms, start_ms + _BIN_MS)
            if kept - copied:
                _LOG.error(
                    "%d rows of %s are missing in %s: they are copied again", len(kept - copied), series, file.path
                )
                file.store(CopyStep(from_ms={series: None}, deleted=sorted(deleted)))
                return True
            deleted |= copied - kept
        if deleted:
            file.store(CopyStep(deleted=sorted(deleted)))
        return bool(deleted)

    def _compare_clocks(self, small: SmallTables, since_ms: int) -> None:
        """Compare this machine's clock with each recorder's: a new heartbeat was stored after ``since_ms``."""
        now_ms = self._clock.now_ms()
        for row in small.collectors:
            source, heartbeat_ms = row[0], row[_HEARTBEAT]
            before_ms, self._heartbeats[source] = self._heartbeats.get(source), heartbeat_ms
            if before_ms in (None, heartbeat_ms):
                continue  # it may be an old one
            least_ms, most_ms = since_ms - heartbeat_ms, now_ms - heartbeat_ms
            known_least_ms, known_most_ms = self._ahead_ms.get(source, (least_ms, most_ms))
            if least_ms <= known_most_ms and known_least_ms <= most_ms:  # else a clock was set
                least_ms, most_ms = max(least_ms, known_least_ms), min(most_ms, known_most_ms)
            self._ahead_ms[source] = least_ms, most_ms

    def _difference_ms(self, source: str) -> int:
        """Return this machine's clock minus the recorder's; 0 if they may be the same."""
        least_ms, most_ms = self._ahead_ms.get(source, (0, 0))
        return 0 if least_ms <= _SAME_CLOCK_MS and most_ms >= -_SAME_CLOCK_MS else most_ms

    def _own_times(self, row: tuple[Any, ...]) -> tuple[Any, ...]:
        """Return a row of ``collector`` with its times by this machine's clock."""
        difference_ms = self._difference_ms(row[0])
        times = (_STARTED, _HEARTBEAT, _SINCE, _RETRY)
        return tuple(
            value + difference_ms if place in times and value is not None else value for place, value in enumerate(row)
        )

    def _own_clock(self, reading: ClockReading) -> ClockReading:
        """Return a reading of the exchange's clock against this machine's instead of the recorder's."""
        difference_ms = self._difference_ms(reading.source)
        return replace(
            reading,
            measured_ms=reading.measured_ms + difference_ms,
            offset_ms=reading.offset_ms - difference_ms,
        )
