"""Reports about a database for ``heatmap status``: its series and recorders, rates, coverage and gaps, sizes."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

from Heatmap.events import Coverage
from Heatmap.reports import HEARTBEAT_MISSED_MS, CollectorReport, ConnectionState, ServiceStatus
from Heatmap.storage import sql
from Heatmap.storage.coverage_log import merged, without

if TYPE_CHECKING:
    from collections.abc import Callable

    from Heatmap.storage.record_reader import RecordReader

HOUR_MS: Final = 3_600_000
DAY_MS: Final = 24 * HOUR_MS
SHOWN_GAPS: Final = 5
# Largest number of frames read to estimate their size; a table of so many rows or fewer is measured whole.
_SAMPLE_ROWS: Final = 4096

_SERIES: Final = f"""
    SELECT s.source, s.symbol, CAST(sum(s.rows) AS bigint), min(s.first_ms), max(s.last_ms), max(s.covered_ms),
        max(t.tick_size)
    FROM (
        SELECT source, symbol, count(*) AS rows, min(ts_ms) AS first_ms, max(ts_ms) AS last_ms,
            CAST(NULL AS bigint) AS covered_ms
        FROM liq_events GROUP BY source, symbol
        UNION ALL
        SELECT source, symbol, 0, NULL, NULL, max(end_ms) FROM coverage WHERE {sql.IS_RECORDED} GROUP BY source, symbol
    ) AS s
    LEFT JOIN tick_sizes AS t ON t.source = s.source AND t.symbol = s.symbol
    GROUP BY s.source, s.symbol ORDER BY s.source, s.symbol
"""  # noqa: S608 - a constant
_QUARANTINED: Final = "SELECT kind, count(*) FROM quarantine GROUP BY kind ORDER BY kind"
_IMPORTS: Final = (
    "SELECT format, count(*), CAST(sum(rows) AS bigint), max(imported_ms) FROM imports GROUP BY format ORDER BY format"
)
_COVERAGE: Final = """
    SELECT source, symbol, start_ms, end_ms FROM coverage WHERE source = ? AND symbol = ? ORDER BY start_ms, end_ms
"""
_COUNT: Final = """
    SELECT count(*) FROM liq_events INDEXED BY idx_liq_events_window
    WHERE source = ? AND symbol = ? AND ts_ms >= ? AND ts_ms <= ?
"""
_IDS: Final = "SELECT min(id), max(id), (SELECT count(*) FROM liq_events) FROM liq_events"
# The first row at or after each id: ids are missing where rows were deleted.
_FRAME_AT: Final = "SELECT raw_json FROM liq_events WHERE id >= ? ORDER BY id LIMIT 1"


@dataclass(frozen=True, slots=True)
class SeriesSummary:
    """Stored data of one symbol from one source; times in ms since the epoch, None if there is nothing."""

    source: str
    symbol: str
    rows: int
    first_ms: int | None  # trade time of the oldest liquidation
    last_ms: int | None
    covered_until_ms: int | None
    tick_size: float | None  # in quote currency


@dataclass(frozen=True, slots=True)
class CollectorEntry:
    """The last report of a recorder; figures that are not stored (rate, queue, last times) have their defaults."""

    report: CollectorReport
    heartbeat_ms: int  # when it was written, ms since the epoch
    is_locked: bool | None = None  # whether a recorder has the lock of the source now; None: unknown

    def is_alive(self, now_ms: int) -> bool:
        """Return True if it records: it has not stopped, and its report is younger than `HEARTBEAT_MISSED_MS`."""
        is_stopped = self.report.status.state is ConnectionState.STOPPED or self.is_locked is False
        return not is_stopped and now_ms - self.heartbeat_ms <= HEARTBEAT_MISSED_MS


@dataclass(frozen=True, slots=True)
class StoreSummary:
    name: str  # of the database, for people
    exists: bool = False  # with a schema; the rest is empty if not
    size_bytes: int = 0  # of the database, with its write-ahead log
    schema_version: int = 0
    series: tuple[SeriesSummary, ...] = ()  # by source and symbol
    collectors: tuple[CollectorEntry, ...] = ()  # by source
    quarantined: dict[str, int] = field(default_factory=dict)  # number of rejected frames by kind


@dataclass(frozen=True, slots=True)
class SeriesRecord:
    """Rates and coverage of one symbol of one source; "covered" is the time when a live connection delivered."""

    source: str
    symbol: str
    last_hour: int  # liquidations of the last hour
    last_day: int  # and of the last 24 h
    covered_rows: int
    covered_ms: int
    covered_since_ms: int | None  # first moment covered, ms since the epoch; None without coverage
    covered_until_ms: int | None
    gap_count: int  # gaps in coverage
    gap_ms: int  # their total length
    gaps: tuple[tuple[int, int], ...]  # the longest ``(start_ms, end_ms)``, in order of time; at most `SHOWN_GAPS`
    claimed_ms: int  # time that nobody recorded, covered as the owners of imported files say

    @property
    def rows_per_covered_hour(self) -> float | None:
        """Mean number of liquidations an hour while a connection delivered, None without coverage."""
        return self.covered_rows * HOUR_MS / self.covered_ms if self.covered_ms else None

    @property
    def covered_share(self) -> float | None:
        """Share of the time between first and last coverage that is covered, 0 to 1; None without coverage."""
        span_ms = self.covered_ms + self.gap_ms
        return self.covered_ms / span_ms if span_ms else None


@dataclass(frozen=True, slots=True)
class RawFrames:
    """Number of events with their frame, bytes of these frames, and bytes if compressed by zlib in blocks."""

    rows: int
    size_bytes: int
    compressed_bytes: int
    is_estimate: bool  # of all three, from a sample


@dataclass(frozen=True, slots=True)
class ImportSummary:
    """A format of imported files: number of files and rows, and the last import (ms since the epoch)."""

    format: str
    files: int
    rows: int
    last_ms: int


@dataclass(frozen=True, slots=True)
class RecordSummary:
    """Quality and size of a record: one entry a series and a format; sizes of file, log and free pages in bytes.

    On a server the file is the record's tables, and the other two are None: they are its administrator's.
    """

    series: tuple[SeriesRecord, ...]
    raw: RawFrames
    imports: tuple[ImportSummary, ...]
    file_bytes: int
    wal_bytes: int | None
    free_bytes: int | None


def store_summary(reader: RecordReader, *, size_bytes: int, is_locked: Callable[[str], bool | None]) -> StoreSummary:
    """Return the contents of a record; reads an index from end to end.

    ``is_locked`` returns whether a recorder of a source has the lock now, None if that cannot be known.
    """
    series = tuple(SeriesSummary(*row) for row in reader.query(_SERIES))
    collectors: tuple[CollectorEntry, ...] = ()
    quarantined: dict[str, int] = {}
    if reader.schema_version >= sql.REPORTS_VERSION:
        collectors = tuple(_collector_entry(row, is_locked(row[0])) for row in reader.query(sql.COLLECTORS))
        quarantined = dict(reader.query(_QUARANTINED))
    return StoreSummary(reader.name, True, size_bytes, reader.schema_version, series, collectors, quarantined)


def record_summary(
    reader: RecordReader, now_ms: int, *, file_bytes: int, wal_bytes: int | None = None, free_bytes: int | None = None
) -> RecordSummary:
    """Return quality of a record as of ``now_ms``, together with these sizes."""
    series = tuple(_series_record(reader, source, symbol, now_ms) for source, symbol in reader.known_series())
    rows = reader.query(_IMPORTS) if reader.schema_version >= sql.REPORTS_VERSION else ()
    imports = tuple(ImportSummary(*row) for row in rows)
    return RecordSummary(series, _raw_frames(reader), imports, file_bytes, wal_bytes, free_bytes)


def _collector_entry(row: tuple[Any, ...], is_locked: bool | None) -> CollectorEntry:
    source, symbols, run_id, host, pid, started_ms, heartbeat_ms, *values = row
    fields = dict(zip(sql.STATUS_COLUMNS, values, strict=True))
    status = ServiceStatus(**fields | {"state": ConnectionState(fields["state"])})
    report = CollectorReport(source, tuple(symbols.split()), run_id, host, pid, started_ms, status)
    return CollectorEntry(report, heartbeat_ms, is_locked)


def _series_record(reader: RecordReader, source: str, symbol: str, now_ms: int) -> SeriesRecord:
    def count(start_ms: int, end_ms: int) -> int:
        return int(next(reader.query(_COUNT, (source, symbol, start_ms, end_ms)))[0])

    covered = merged([Coverage(*row) for row in reader.query(_COVERAGE, (source, symbol))])
    claims = [Coverage(*row) for row in reader.query(_COVERAGE, (sql.claimed_source(source), symbol))]
    claimed = without(merged(claims), [(interval.start_ms, interval.end_ms) for interval in covered])
    gaps = [(before.end_ms, after.start_ms) for before, after in pairwise(covered)]
    longest = sorted(gaps, key=lambda gap: gap[1] - gap[0], reverse=True)[:SHOWN_GAPS]
    return SeriesRecord(
        source,
        symbol,
        last_hour=count(now_ms - HOUR_MS, now_ms),
        last_day=count(now_ms - DAY_MS, now_ms),
        covered_rows=sum(count(interval.start_ms, interval.end_ms) for interval in covered),
        covered_ms=sum(interval.end_ms - interval.start_ms for interval in covered),
        covered_since_ms=covered[0].start_ms if covered else None,
        covered_until_ms=covered[-1].end_ms if covered else None,
        gap_count=len(gaps),
        gap_ms=sum(end_ms - start_ms for start_ms, end_ms in gaps),
        gaps=tuple(sorted(longest)),
        claimed_ms=sum(interval.end_ms - interval.start_ms for interval in claimed),
    )


def _raw_frames(reader: RecordReader) -> RawFrames:
    ((first, last, rows),) = reader.query(_IDS)
    if not rows:
        return RawFrames(0, 0, 0, is_estimate=False)
    is_estimate = rows > _SAMPLE_ROWS
    if is_estimate:
        # Rows at equal distances.
        ids = (first + (last - first) * index // (_SAMPLE_ROWS - 1) for index in range(_SAMPLE_ROWS))
        sample = [frame for row_id in ids for (frame,) in reader.query(_FRAME_AT, (row_id,))]
    else:
        sample = [frame for (frame,) in reader.query("SELECT raw_json FROM liq_events")]
    frames = [frame.encode() for frame in sample if frame is not None]
    scale = rows / len(sample)
    compressed_bytes = len(zlib.compress(b"\n".join(frames))) if frames else 0
    rows, size_bytes = round(len(frames) * scale), round(sum(map(len, frames)) * scale)
    return RawFrames(rows, size_bytes, round(compressed_bytes * scale), is_estimate)
