"""How ``heatmap status`` tells what a record is worth: as lines for people, as JSON for programs."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from Heatmap.connection_message import duration

if TYPE_CHECKING:
    from Heatmap.storage.record_summary import RawFrames, RecordSummary, SeriesRecord

_BYTES_PER_MB: Final = 1e6


def record_json(summary: RecordSummary) -> dict[str, Any]:
    """Return a summary in JSON's own types; times in ms, sizes in bytes."""
    plain = asdict(summary)
    for entry, series in zip(plain["series"], summary.series, strict=True):
        entry["rows_per_covered_hour"] = series.rows_per_covered_hour
        entry["covered_share"] = series.covered_share
        entry["gaps"] = [{"start_ms": start_ms, "end_ms": end_ms} for start_ms, end_ms in series.gaps]
    return plain


def record_lines(summary: RecordSummary) -> list[str]:
    """Return a summary as lines for people."""
    lines = [line for series in summary.series for line in _series_lines(series)]
    lines += [
        f"Imported ({entry.format}): {entry.rows:,} liquidations of {entry.files:,} "
        f"{'file' if entry.files == 1 else 'files'}, the last on {_utc(entry.last_ms)}"
        for entry in summary.imports
    ]
    if summary.raw.rows:
        lines.append(_raw_line(summary.raw))
    lines.append(
        f"Size: {_mb(summary.file_bytes)}, of which {_mb(summary.free_bytes)} are free; "
        f"write-ahead log {_mb(summary.wal_bytes)}"
    )
    return lines


def _series_lines(series: SeriesRecord) -> list[str]:
    name = f"{series.symbol} ({series.source})"
    rate = series.rows_per_covered_hour
    mean = "" if rate is None else f", {rate:,.1f} an hour while covered"
    lines = [f"{name}: {series.last_hour:,} in the last hour, {series.last_day:,} in the last 24 h{mean}"]
    share, since_ms = series.covered_share, series.covered_since_ms
    if share is None or since_ms is None:
        return [*lines, "  no coverage: nobody recorded it live"]
    whole = duration(series.covered_ms + series.gap_ms)
    lines.append(f"  covered {share:.1%} of {whole} since {_utc(since_ms)}; {_gaps(series)}")
    for start_ms, end_ms in series.gaps:
        lines.append(f"  gap {_utc(start_ms)} to {_utc(end_ms)}, {duration(end_ms - start_ms)}")
    return lines


def _gaps(series: SeriesRecord) -> str:
    if not series.gap_count:
        return "no gap"
    text = f"{series.gap_count:,} {'gap' if series.gap_count == 1 else 'gaps'}, {duration(series.gap_ms)} in all"
    return text + (f", the {len(series.gaps)} longest:" if series.gap_count > len(series.gaps) else ":")


def _raw_line(raw: RawFrames) -> str:
    about = "about " if raw.is_estimate else ""
    return f"Kept frames: {about}{raw.rows:,}, {_mb(raw.size_bytes)}, compressed {about}{_mb(raw.compressed_bytes)}"


def _mb(size_bytes: int) -> str:
    return f"{size_bytes / _BYTES_PER_MB:,.2f} MB"


def _utc(time_ms: int) -> str:
    return datetime.fromtimestamp(time_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
