"""``heatmap status``: what is recorded, and whether somebody is recording now."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from Heatmap.clock import SYSTEM_CLOCK, Clock, exchange_now_ms
from Heatmap.commands.record_text import record_json, record_lines
from Heatmap.connection_message import FLOWING, connection_text
from Heatmap.errors import StorageError
from Heatmap.events import is_recorded, shown_symbols
from Heatmap.exit_code import ExitCode
from Heatmap.heatmap_service import default_db_path
from Heatmap.message_catalogue import catalogue
from Heatmap.reports import ConnectionState
from Heatmap.storage.process import is_living
from Heatmap.storage.record_summary import record_summary
from Heatmap.storage.sqlite_store import SqliteStore
from Heatmap.vocabulary import LANGUAGES

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping

    from Heatmap.storage.sqlite_store import CollectorEntry, SeriesSummary, StoreSummary

# A collector writes its coverage every 5 s; three missed times mean that none is at work.
_RECORDING_MS: Final = 15_000
_BYTES_PER_MB: Final = 1e6


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("--db", type=Path, metavar="PATH", help="database file (default: in your data folder)")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of text")
    parser.add_argument("--lang", choices=LANGUAGES, default="en", help="language of the sentences (default: en)")


def run(args: argparse.Namespace, *, clock: Clock = SYSTEM_CLOCK) -> int:
    """Print what the database holds; return the exit code.

    Returns
    -------
    int
        0 if it could be read (also if there is none yet), 1 if not.
    """
    path = args.db if args.db is not None else default_db_path()
    try:
        with SqliteStore(path) as store:
            summary = store.summary()
        now_ms = clock.now_ms()
        record = record_summary(path, _exchange_now_ms(summary, now_ms)) if summary.schema_version else None
    except StorageError as error:
        if args.json:
            sys.stdout.write(json.dumps({"db": str(path), "problem": error.short}) + "\n")
        else:
            sys.stderr.write(f"{error.short}\n")
        return ExitCode.PROBLEM
    if args.json:
        answer = _as_json(summary, now_ms) | {"record": None if record is None else record_json(record)}
        sys.stdout.write(json.dumps(answer, indent=2) + "\n")
    else:
        lines = _as_text(summary, now_ms, catalogue(args.lang)) + ([] if record is None else record_lines(record))
        sys.stdout.write("\n".join(lines) + "\n")
    return ExitCode.OK


def _exchange_now_ms(summary: StoreSummary, now_ms: int) -> int:
    """Return the present by the exchange's clock, as the living collector measured it."""
    offsets_ms = [entry.report.status.clock_offset_ms for entry in summary.collectors if entry.is_alive(now_ms)]
    newest_ms = max((series.last_ms for series in summary.series if series.last_ms is not None), default=None)
    return exchange_now_ms(now_ms, next((found for found in offsets_ms if found is not None), None), newest_ms)


def _is_recording(summary: StoreSummary, series: SeriesSummary, now_ms: int) -> bool:
    """Return True if a collector is at work that gets this series delivered."""
    entry = next((entry for entry in summary.collectors if entry.report.source == series.source), None)
    if entry is not None:
        # By its own word, for the times of coverage are the exchange's, and the clocks may differ.
        report = entry.report
        return entry.is_alive(now_ms) and report.status.state in FLOWING and is_recorded(series.symbol, report.symbols)
    # A file of the first version has no collectors' reports; coverage alone speaks there.
    covered_ms = series.covered_until_ms
    return covered_ms is not None and now_ms - covered_ms <= _RECORDING_MS


def _as_json(summary: StoreSummary, now_ms: int) -> dict[str, object]:
    return {
        "db": str(summary.path),
        "exists": summary.exists,
        "size_bytes": summary.size_bytes,
        "schema_version": summary.schema_version,
        "recording": any(_is_recording(summary, series, now_ms) for series in summary.series),
        "collectors": [_collector_as_json(entry, now_ms) for entry in summary.collectors],
        "quarantined": summary.quarantined,
        "series": [
            {
                "source": series.source,
                "symbol": series.symbol,
                "rows": series.rows,
                "first_ms": series.first_ms,
                "last_ms": series.last_ms,
                "covered_until_ms": series.covered_until_ms,
                "tick_size": series.tick_size,
                "recording": _is_recording(summary, series, now_ms),
            }
            for series in summary.series
        ],
    }


def _collector_as_json(entry: CollectorEntry, now_ms: int) -> dict[str, object]:
    report, status = entry.report, entry.report.status
    return {
        "source": report.source,
        "symbols": list(report.symbols),
        "host": report.host,
        "pid": report.pid,
        "alive": entry.is_alive(now_ms),
        "process_runs": is_living(report.run_id, report.pid),
        "started_ms": report.started_ms,
        "heartbeat_ms": entry.heartbeat_ms,
        "state": status.state.value,
        "reason": status.reason,
        "detail": status.detail,
        "since_ms": status.since_ms,
        "retry_at_ms": status.retry_at_ms,
        "received": status.received,
        "stored": status.stored,
        "duplicates": status.duplicates,
        "undecodable": status.undecodable,
        "reconnects": status.reconnects,
        "latency_ms": status.latency_ms,
        "clock_offset_ms": status.clock_offset_ms,
    }


def _collector_lines(entry: CollectorEntry, now_ms: int, texts: Mapping[str, str]) -> list[str]:
    """Say how a collector is doing, in the chosen language; what it last said is not news once it is gone."""
    report, status = entry.report, entry.report.status
    who = f"{report.source}: {shown_symbols(report.symbols)}, {report.host}, pid {report.pid}"
    if not entry.is_alive(now_ms):
        key = "collector.vanished"
        if status.state is ConnectionState.STOPPED:
            key = "collector.stopped"
        elif is_living(report.run_id, report.pid):
            key = "collector.unheard"
        return [f"{who}: {texts[key].format(time=_utc(entry.heartbeat_ms))}"]
    said = connection_text(texts, status, report.source)
    since = texts["collector.since"].format(time=_utc(status.since_ms))
    return [f"{who}: {said.headline} {since}", *(f"  {sentence}" for sentence in said.sentences)]


def _as_text(summary: StoreSummary, now_ms: int, texts: Mapping[str, str]) -> list[str]:
    if not summary.exists:
        return [f"Nothing is recorded yet: there is no database {summary.path}."]
    lines = [f"{summary.path}: {summary.size_bytes / _BYTES_PER_MB:.1f} MB"]
    if not summary.series:
        lines.append("Nothing is recorded yet.")
    for series in summary.series:
        span = f", {_utc(series.first_ms)} to {_utc(series.last_ms)}" if series.rows else ""
        state = "recording now" if _is_recording(summary, series, now_ms) else "not recording"
        if series.covered_until_ms is not None:
            state += f", covered until {_utc(series.covered_until_ms)}"
        lines.append(f"{series.symbol} ({series.source}): {series.rows} liquidations{span}; {state}")
    for entry in summary.collectors:
        lines.extend(_collector_lines(entry, now_ms, texts))
    if summary.quarantined:
        kinds = ", ".join(f"{count} {kind}" for kind, count in summary.quarantined.items())
        lines.append(f"Frames that could not be read, kept for inspection: {kinds}")
    return lines


def _utc(time_ms: int | None) -> str:
    if time_ms is None:
        return "never"
    return datetime.fromtimestamp(time_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
