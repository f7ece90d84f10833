"""``heatmap status``: what is recorded, and whether somebody is recording now."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from Heatmap.clock import SYSTEM_CLOCK, Clock
from Heatmap.errors import StorageError
from Heatmap.heatmap_service import default_db_path
from Heatmap.storage.sqlite_store import SqliteStore

if TYPE_CHECKING:
    import argparse

    from Heatmap.storage.sqlite_store import SeriesSummary, StoreSummary

EXIT_OK: Final = 0
EXIT_UNREADABLE: Final = 1
# A collector writes its coverage every 5 s; three missed times mean that none is at work.
_RECORDING_MS: Final = 15_000
_BYTES_PER_MB: Final = 1e6


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("--db", type=Path, metavar="PATH", help="database file (default: in your data folder)")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of text")


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
    except StorageError as error:
        if args.json:
            sys.stdout.write(json.dumps({"db": str(path), "problem": error.short}) + "\n")
        else:
            sys.stderr.write(f"{error.short}\n")
        return EXIT_UNREADABLE
    now_ms = clock.now_ms()
    if args.json:
        sys.stdout.write(json.dumps(_as_json(summary, now_ms), indent=2) + "\n")
    else:
        sys.stdout.write("\n".join(_as_text(summary, now_ms)) + "\n")
    return EXIT_OK


def _is_recording(series: SeriesSummary, now_ms: int) -> bool:
    covered_ms = series.covered_until_ms
    return covered_ms is not None and now_ms - covered_ms <= _RECORDING_MS


def _as_json(summary: StoreSummary, now_ms: int) -> dict[str, object]:
    return {
        "db": str(summary.path),
        "exists": summary.exists,
        "size_bytes": summary.size_bytes,
        "schema_version": summary.schema_version,
        "recording": any(_is_recording(series, now_ms) for series in summary.series),
        "series": [
            {
                "source": series.source,
                "symbol": series.symbol,
                "rows": series.rows,
                "first_ms": series.first_ms,
                "last_ms": series.last_ms,
                "covered_until_ms": series.covered_until_ms,
                "tick_size": series.tick_size,
                "recording": _is_recording(series, now_ms),
            }
            for series in summary.series
        ],
    }


def _as_text(summary: StoreSummary, now_ms: int) -> list[str]:
    if not summary.exists:
        return [f"Nothing is recorded yet: there is no database {summary.path}."]
    lines = [f"{summary.path}: {summary.size_bytes / _BYTES_PER_MB:.1f} MB"]
    if not summary.series:
        lines.append("Nothing is recorded yet.")
    for series in summary.series:
        span = f", {_utc(series.first_ms)} to {_utc(series.last_ms)}" if series.rows else ""
        state = "recording now" if _is_recording(series, now_ms) else "not recording"
        if series.covered_until_ms is not None:
            state += f", covered until {_utc(series.covered_until_ms)}"
        lines.append(f"{series.symbol} ({series.source}): {series.rows} liquidations{span}; {state}")
    return lines


def _utc(time_ms: int | None) -> str:
    if time_ms is None:
        return "never"
    return datetime.fromtimestamp(time_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
