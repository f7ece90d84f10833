"""What a record is worth: rates, coverage and its gaps, imported files, size, and what the kept frames take."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from Heatmap.events import Coverage
from Heatmap.storage.coverage_log import merged
from Heatmap.storage.record_reader import RecordReader

if TYPE_CHECKING:
    from pathlib import Path

HOUR_MS: Final = 3_600_000
DAY_MS: Final = 24 * HOUR_MS
SHOWN_GAPS: Final = 5
"""Most gaps that are told one by one, the longest."""

# The table of imports came with it.
_IMPORTS_VERSION: Final = 2
# Frames looked at to judge their size; a table of so many rows or fewer is measured whole.
_SAMPLE_ROWS: Final = 4096

_COVERAGE: Final = """
    SELECT source, symbol, start_ms, end_ms FROM coverage WHERE source = ? AND symbol = ? ORDER BY start_ms, end_ms
"""
_COVERED_SERIES: Final = "SELECT DISTINCT source, symbol FROM coverage"
_COUNT: Final = """
    SELECT count(*) FROM liq_events INDEXED BY idx_liq_events_window
    WHERE source = ? AND symbol = ? AND ts_ms >= ? AND ts_ms <= ?
"""
_IDS: Final = "SELECT min(id), max(id), (SELECT count(*) FROM liq_events) FROM liq_events"
# The first row at or after each id: ids have holes where rows were deleted.
_FRAME_AT: Final = "SELECT raw_json FROM liq_events WHERE id >= ? ORDER BY id LIMIT 1"


@dataclass(frozen=True, slots=True)
class SeriesRecord:
    """How well one symbol of one source is recorded.

    Attributes
    ----------
    source, symbol
        The series.
    last_hour, last_day
        Liquidations of the last hour and the last 24 h before now.
    covered_rows
        Liquidations that happened while a live connection delivered.
    covered_ms
        How long that was, in ms.
    covered_since_ms, covered_until_ms
        From the first to the last moment of it, ms since the epoch; None if there never was one.
    gap_count
        How often it was interrupted.
    gap_ms
        How long in all, in ms.
    gaps
        The longest gaps as ``(start_ms, end_ms)``, in order of time; at most `SHOWN_GAPS`.
    """

    source: str
    symbol: str
    last_hour: int
    last_day: int
    covered_rows: int
    covered_ms: int
    covered_since_ms: int | None
    covered_until_ms: int | None
    gap_count: int
    gap_ms: int
    gaps: tuple[tuple[int, int], ...]

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
    """The frames kept beside their events.

    Attributes
    ----------
    rows
        How many events have theirs.
    size_bytes
        What the frames take as they are.
    compressed_bytes
        What they would take compressed by zlib in blocks.
    is_estimate
        True if all three were judged by a sample.
    """

    rows: int
    size_bytes: int
    compressed_bytes: int
    is_estimate: bool


@dataclass(frozen=True, slots=True)
class ImportSummary:
    """A format of imported files: how many files and rows, and when the last was imported (ms since the epoch)."""

    format: str
    files: int
    rows: int
    last_ms: int


@dataclass(frozen=True, slots=True)
class RecordSummary:
    """What a record is worth.

    Attributes
    ----------
    series
        One entry for each source and symbol that has events or coverage.
    raw
        See `RawFrames`.
    imports
        One entry for each format.
    file_bytes, wal_bytes, free_bytes
        Size of the database, of its write-ahead log, and how much of the database is free for new rows.
    """

    series: tuple[SeriesRecord, ...]
    raw: RawFrames
    imports: tuple[ImportSummary, ...]
    file_bytes: int
    wal_bytes: int
    free_bytes: int


def record_summary(db_path: Path, now_ms: int) -> RecordSummary:
    """Return what an existing database is worth as of ``now_ms``.

    Raises
    ------
    StorageError
        There is none, or it cannot be read.
    """
    with RecordReader(db_path) as reader:
        names = set(reader.series()) | {(source, symbol) for source, symbol in reader.query(_COVERED_SERIES)}
        series = tuple(_series_record(reader, source, symbol, now_ms) for source, symbol in sorted(names))
        raw = _raw_frames(reader)
        imports: tuple[ImportSummary, ...] = ()
        if reader.schema_version >= _IMPORTS_VERSION:
            query = "SELECT format, count(*), sum(rows), max(imported_ms) FROM imports GROUP BY format ORDER BY format"
            imports = tuple(ImportSummary(*row) for row in reader.query(query))
        ((free_pages,),) = reader.query("PRAGMA freelist_count")
        ((page_bytes,),) = reader.query("PRAGMA page_size")
    wal = db_path.with_name(f"{db_path.name}-wal")
    return RecordSummary(
        series,
        raw,
        imports,
        file_bytes=db_path.stat().st_size,
        wal_bytes=wal.stat().st_size if wal.exists() else 0,
        free_bytes=free_pages * page_bytes,
    )


def _series_record(reader: RecordReader, source: str, symbol: str, now_ms: int) -> SeriesRecord:
    def count(start_ms: int, end_ms: int) -> int:
        return int(next(reader.query(_COUNT, (source, symbol, start_ms, end_ms)))[0])

    stretches = merged([Coverage(*row) for row in reader.query(_COVERAGE, (source, symbol))])
    gaps = [(before.end_ms, after.start_ms) for before, after in pairwise(stretches)]
    longest = sorted(gaps, key=lambda gap: gap[1] - gap[0], reverse=True)[:SHOWN_GAPS]
    return SeriesRecord(
        source,
        symbol,
        last_hour=count(now_ms - HOUR_MS, now_ms),
        last_day=count(now_ms - DAY_MS, now_ms),
        covered_rows=sum(count(stretch.start_ms, stretch.end_ms) for stretch in stretches),
        covered_ms=sum(stretch.end_ms - stretch.start_ms for stretch in stretches),
        covered_since_ms=stretches[0].start_ms if stretches else None,
        covered_until_ms=stretches[-1].end_ms if stretches else None,
        gap_count=len(gaps),
        gap_ms=sum(end_ms - start_ms for start_ms, end_ms in gaps),
        gaps=tuple(sorted(longest)),
    )


def _raw_frames(reader: RecordReader) -> RawFrames:
    """Measure the frames, or judge them by rows at even distances: a long table is not read from end to end."""
    ((first, last, rows),) = reader.query(_IDS)
    if not rows:
        return RawFrames(0, 0, 0, is_estimate=False)
    is_estimate = rows > _SAMPLE_ROWS
    if is_estimate:
        places = (first + (last - first) * index // (_SAMPLE_ROWS - 1) for index in range(_SAMPLE_ROWS))
        sample = [frame for place in places for (frame,) in reader.query(_FRAME_AT, (place,))]
    else:
        sample = [frame for (frame,) in reader.query("SELECT raw_json FROM liq_events")]
    frames = [frame.encode() for frame in sample if frame is not None]
    scale = rows / len(sample)
    size_bytes = sum(map(len, frames))
    compressed_bytes = len(zlib.compress(b"\n".join(frames))) if frames else 0
    return RawFrames(
        round(len(frames) * scale), round(size_bytes * scale), round(compressed_bytes * scale), is_estimate
    )
