"""``heatmap status``: what is recorded, whether a collector is at work, coverage and sizes; as text or as JSON."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

from Heatmap.clock import SYSTEM_CLOCK, Clock, exchange_now_ms, utc_text
from Heatmap.commands.recorder_options import add_db_argument
from Heatmap.connection_message import connection_text, duration
from Heatmap.count_text import counted
from Heatmap.errors import StorageError
from Heatmap.events import Source, is_recorded, shown_symbols
from Heatmap.exit_code import ExitCode, code_of
from Heatmap.foreign_text import one_line
from Heatmap.message_catalogue import catalogue
from Heatmap.reports import FLOWING, HEARTBEAT_MISSED_MS, ConnectionState
from Heatmap.storage.damage import sound_values
from Heatmap.storage.database import database_of
from Heatmap.storage.sql import BACK_FILL_FORMAT
from Heatmap.vocabulary import LANGUAGES

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping

    from Heatmap.hidden_sum import HiddenSum, NotEnough
    from Heatmap.storage.contract import Database
    from Heatmap.storage.record_summary import (
        CollectorEntry,
        ImportSummary,
        RecordSummary,
        SeriesRecord,
        SeriesSummary,
        StoreSummary,
    )

# The fields of `ServiceStatus` that `--json` shows of a collector; the others are not stored.
_STATUS_KEYS: Final = (
    "state", "reason", "detail", "since_ms", "retry_at_ms", "received", "stored", "duplicates", "undecodable",
    "reconnects", "latency_ms", "clock_offset_ms",
)  # fmt: skip
_BYTES_PER_MB: Final = 1e6


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    add_db_argument(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of text")
    parser.add_argument(
        "--lang", choices=LANGUAGES, default="en", help="language of the connection's sentences (default: en)"
    )


def run(args: argparse.Namespace, *, clock: Clock = SYSTEM_CLOCK) -> int:
    """Print what is in the database; return 0, also if there is none yet, or `code_of` its error."""
    database = database_of(args.db)
    try:
        with sound_values(str(database)):
            answer = _answer(args, database, clock.now_ms())
    except StorageError as error:
        if args.json:
            sys.stdout.write(json.dumps({"db": str(database), "problem": error.short}) + "\n")
        else:
            sys.stderr.write(f"{error.short}\n")
        return code_of(error)
    sys.stdout.write(answer)
    return ExitCode.OK


def _answer(args: argparse.Namespace, database: Database, now_ms: int) -> str:
    summary = database.summary()
    record = database.record_summary(_exchange_now_ms(summary, now_ms)) if summary.schema_version else None
    hidden: dict[str, HiddenSum | NotEnough] = {}
    hidden_lines: list[str] = []
    if record is not None and {Source.BINANCE, Source.BYBIT} <= {series.source for series in record.series}:
        # It needs NumPy, which a status alone does not.
        from Heatmap.commands import status_hidden  # noqa: PLC0415

        hidden = status_hidden.hidden_sums(database, record.series, _exchange_now_ms(summary, now_ms))
        hidden_lines = [status_hidden.line(symbol, found) for symbol, found in hidden.items()]
    if args.json:
        answer = _as_json(summary, now_ms) | {"record": None if record is None else _record_as_json(record)}
        answer["hidden"] = {symbol: asdict(found) for symbol, found in hidden.items()}
        return json.dumps(answer, indent=2) + "\n"
    lines = _as_text(summary, now_ms, catalogue(args.lang)) + ([] if record is None else _record_lines(record))
    # Symbols, machines and reasons of a record that somebody passed on.
    return "".join(f"{one_line(line)}\n" for line in (*lines, *hidden_lines))


def _exchange_now_ms(summary: StoreSummary, now_ms: int) -> int:
    """Return the present by the exchange's clock, as the collector at work measured it."""
    offsets_ms = [entry.report.status.clock_offset_ms for entry in summary.collectors if entry.is_alive(now_ms)]
    newest_ms = max((series.last_ms for series in summary.series if series.last_ms is not None), default=None)
    return exchange_now_ms(now_ms, next((found for found in offsets_ms if found is not None), None), newest_ms)


def _is_recording(summary: StoreSummary, series: SeriesSummary, now_ms: int) -> bool:
    """Return True if a collector is at work that records this series."""
    entry = next((entry for entry in summary.collectors if entry.report.source == series.source), None)
    if entry is not None:
        # Not by the times of coverage: they are the exchange's, and the clocks may differ.
        report = entry.report
        return entry.is_alive(now_ms) and report.status.state in FLOWING and is_recorded(series.symbol, report.symbols)
    # A file of the first version has no collectors' reports, only coverage.
    covered_ms = series.covered_until_ms
    return covered_ms is not None and now_ms - covered_ms <= HEARTBEAT_MISSED_MS


def _as_json(summary: StoreSummary, now_ms: int) -> dict[str, object]:
    return {
        "db": summary.name,
        "exists": summary.exists,
        "size_bytes": summary.size_bytes,
        "schema_version": summary.schema_version,
        "recording": any(_is_recording(summary, series, now_ms) for series in summary.series),
        "collectors": [_collector_as_json(entry, now_ms) for entry in summary.collectors],
        "quarantined": summary.quarantined,
        "series": [asdict(series) | {"recording": _is_recording(summary, series, now_ms)} for series in summary.series],
    }


def _collector_as_json(entry: CollectorEntry, now_ms: int) -> dict[str, object]:
    report = entry.report
    return {
        "source": report.source, "symbols": report.symbols, "host": report.host, "pid": report.pid,
        "alive": entry.is_alive(now_ms), "process_runs": entry.is_locked, "started_ms": report.started_ms,
        "heartbeat_ms": entry.heartbeat_ms, **{key: getattr(report.status, key) for key in _STATUS_KEYS},
    }  # fmt: skip


def _record_as_json(record: RecordSummary) -> dict[str, Any]:
    plain = asdict(record)
    for entry, series in zip(plain["series"], record.series, strict=True):
        entry["rows_per_covered_hour"] = series.rows_per_covered_hour
        entry["covered_share"] = series.covered_share
        entry["gaps"] = [{"start_ms": start_ms, "end_ms": end_ms} for start_ms, end_ms in series.gaps]
    return plain


def _collector_lines(entry: CollectorEntry, now_ms: int, texts: Mapping[str, str]) -> list[str]:
    """Return the state of a collector in the chosen language; of one that is gone only since when."""
    report, status = entry.report, entry.report.status
    who = f"{report.source}: {shown_symbols(report.symbols)}, {report.host}, pid {report.pid}"
    if not entry.is_alive(now_ms):
        key = "collector.vanished"
        if status.state is ConnectionState.STOPPED:
            key = "collector.stopped"
        elif entry.is_locked:
            key = "collector.unheard"
        return [f"{who}: {texts[key].format(time=_utc(entry.heartbeat_ms))}"]
    said = connection_text(texts, status, report.source)
    since = texts["collector.since"].format(time=_utc(status.since_ms))
    return [f"{who}: {said.headline} {since}", *(f"  {sentence}" for sentence in said.sentences)]


def _as_text(summary: StoreSummary, now_ms: int, texts: Mapping[str, str]) -> list[str]:
    if not summary.exists:
        return [f"Nothing is recorded yet in {summary.name}."]
    lines = [f"{summary.name}: {summary.size_bytes / _BYTES_PER_MB:.1f} MB"]
    if not summary.series:
        lines.append("Nothing is recorded yet.")
    for series in summary.series:
        span = f", {_utc(series.first_ms)} to {_utc(series.last_ms)}" if series.rows else ""
        state = "recording now" if _is_recording(summary, series, now_ms) else "not recording"
        if series.covered_until_ms is not None:
            state += f", covered until {_utc(series.covered_until_ms)}"
        lines.append(f"{series.symbol} ({series.source}): {counted(series.rows, 'liquidation')}{span}; {state}")
    for entry in summary.collectors:
        lines.extend(_collector_lines(entry, now_ms, texts))
    if summary.quarantined:
        kinds = ", ".join(f"{count} {kind}" for kind, count in summary.quarantined.items())
        lines.append(f"Frames that could not be read, kept for inspection: {kinds}")
    return lines


def _record_lines(summary: RecordSummary) -> list[str]:
    lines = [line for series in summary.series for line in _series_lines(series)]
    lines += map(_import_line, summary.imports)
    raw, more = summary.raw, ""
    if raw.rows:
        about = "about " if raw.is_estimate else ""
        compressed = f"compressed {about}{_mb(raw.compressed_bytes)}"
        lines.append(f"Kept frames: {about}{raw.rows:,}, {_mb(raw.size_bytes)}, {compressed}")
    if summary.wal_bytes is not None and summary.free_bytes is not None:
        more = f", of which {_mb(summary.free_bytes)} are free; write-ahead log {_mb(summary.wal_bytes)}"
    return [*lines, f"Size: {_mb(summary.file_bytes)}{more}"]


def _import_line(entry: ImportSummary) -> str:
    rows, last = counted(entry.rows, "liquidation"), f"the last on {_utc(entry.last_ms)}"
    if entry.format == BACK_FILL_FORMAT:
        return f"Filled in from an exchange's history: {rows}, {last}"
    return f"Imported ({entry.format}): {rows} of {counted(entry.files, 'file')}, {last}"


def _series_lines(series: SeriesRecord) -> list[str]:
    name = f"{series.symbol} ({series.source})"
    rate = series.rows_per_covered_hour
    mean = "" if rate is None else f", {rate:,.1f} an hour while covered"
    lines = [f"{name}: {series.last_hour:,} in the last hour, {series.last_day:,} in the last 24 h{mean}"]
    share, since_ms = series.covered_share, series.covered_since_ms
    if series.claimed_ms:
        lines.append(f"  {duration(series.claimed_ms)} claimed as covered by imported files or the exchange's history")
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


def _mb(size_bytes: int) -> str:
    return f"{size_bytes / _BYTES_PER_MB:,.2f} MB"


def _utc(time_ms: int | None) -> str:
    return "never" if time_ms is None else utc_text(time_ms)
