"""``heatmap collect``: record without a screen until a signal or ``--duration`` ends it.

If another program records into the database already, this one waits, and takes over when that one ends.
"""

from __future__ import annotations

import argparse
import logging
import math
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Final

from Heatmap.clock import SYSTEM_CLOCK
from Heatmap.end_signals import on_end_signals
from Heatmap.errors import SettingsError, StorageError
from Heatmap.events import shown_symbols
from Heatmap.exit_code import ExitCode
from Heatmap.heatmap_service import HeatmapService
from Heatmap.ingestion.venue import ROTATE_AFTER_S
from Heatmap.storage.retention import DEFAULT_DAYS
from Heatmap.storage.writability import check_place

if TYPE_CHECKING:
    from collections.abc import Callable

    from Heatmap.reports import ServiceStatus

_LOG = logging.getLogger(__name__)

_REPORT_S: Final = 60.0
# Market data comes every second; a shorter run may end before the first.
_DATA_PATIENCE_S: Final = 10.0
# On Windows a longer wait would delay Ctrl+C.
_LONGEST_WAIT_S: Final = 1.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("--db", type=Path, metavar="PATH", help="database file (default: in your data folder)")
    parser.add_argument(
        "--symbol",
        action="append",
        metavar="SYMBOL",
        help="symbol to record, repeatable; ALL: every one that the exchange lists (default: BTCUSDT)",
    )
    parser.add_argument("--ws-url", metavar="BASE", help="base address of the streams, without a route")
    parser.add_argument("--rest-url", metavar="BASE", help="base address of the REST interface, without a route")
    parser.add_argument("--duration", type=_seconds, metavar="S", help="stop after this many seconds (default: never)")
    parser.add_argument(
        "--rotate-after",
        type=_seconds,
        default=ROTATE_AFTER_S,
        metavar="S",
        help=f"replace a connection by the next one after this many seconds (default: {ROTATE_AFTER_S:.0f}, 23 hours)",
    )
    parser.add_argument("--keep-raw", action="store_true", help="store each frame beside its event")
    parser.add_argument(
        "--retention-days",
        type=_days,
        default=DEFAULT_DAYS,
        metavar="N",
        help=f"delete recorded liquidations after this many days, 0: never (default: {DEFAULT_DAYS:g})",
    )


def run(args: argparse.Namespace) -> int:
    """Record until a signal or the end of ``--duration``.

    Returns
    -------
    int
        0 with everything stored; 1 if something could not be; 2 for an invalid argument or a path where no record can
        be kept, after which a service should not start it again; 3 if no market data arrived in 10 s or more.
    """
    try:
        service = HeatmapService(
            args.db,
            args.symbol or ("BTCUSDT",),
            ws_url=args.ws_url,
            rest_url=args.rest_url,
            keep_raw=args.keep_raw,
            retention_days=args.retention_days,
            rotate_after_s=args.rotate_after,
        )
        check_place(service.db_path)
    except (SettingsError, StorageError) as error:
        sys.stderr.write(f"{error.short}\n")
        return ExitCode.USAGE
    stopping = threading.Event()
    began_s = SYSTEM_CLOCK.monotonic_s()
    with on_end_signals(stopping.set):
        try:
            _LOG.info("recording %s into %s", shown_symbols(service.recorded_symbols), service.db_path)
            service.start()
            _report_until(stopping, service, args.duration)
            lost = service.stop()
        finally:
            service.stop()
    status = service.status()
    _LOG.info("ended: %s", _line(status))
    return _exit_code(status, lost, SYSTEM_CLOCK.monotonic_s() - began_s)


def _exit_code(status: ServiceStatus, lost: int, length_s: float) -> ExitCode:
    """Return the exit code of a run of so many seconds, and print what did not work."""
    if lost:
        sys.stderr.write(f"{lost} liquidations could not be stored. {status.storage_problem}\n")
        return ExitCode.PROBLEM
    if status.storage_problem:
        sys.stderr.write(f"The end of the recording could not be stored. {status.storage_problem}\n")
        return ExitCode.PROBLEM
    if status.is_recorder and status.last_market_ms is None and length_s >= _DATA_PATIENCE_S:
        sys.stderr.write("No market data ever arrived: nothing was recorded. `heatmap doctor` looks for the reason.\n")
        return ExitCode.NOTHING
    return ExitCode.OK


def _report_until(stopping: threading.Event, service: HeatmapService, duration_s: float | None) -> None:
    """Log a line a minute until ``stopping`` is set or the time is over."""
    started_s = reported_s = SYSTEM_CLOCK.monotonic_s()
    while not stopping.is_set():
        now_s = SYSTEM_CLOCK.monotonic_s()
        if now_s - reported_s >= _REPORT_S:
            reported_s = now_s
            _LOG.info("%s", _line(service.status()))
        left_s = math.inf if duration_s is None else started_s + duration_s - now_s
        if left_s <= 0:
            return
        stopping.wait(min(left_s, _LONGEST_WAIT_S))


def _line(status: ServiceStatus) -> str:
    parts = [
        f"{status.state}{f' ({status.reason})' if status.reason else ''}",
        f"{status.stored} stored",
        f"{status.duplicates} known already",
        f"{status.undecodable} undecodable",
        f"{status.reconnects} reconnects",
    ]
    if status.queued:
        parts.append(f"{status.queued} waiting")
    return ", ".join(parts) + "".join(f"; {text}" for text in (status.detail, status.storage_problem) if text)


def _days(text: str) -> float:
    return _number(text, "days, 0 or more", lambda days: days >= 0)


def _seconds(text: str) -> float:
    return _number(text, "seconds above 0", lambda seconds: seconds > 0)


def _number(text: str, what: str, is_valid: Callable[[float], bool]) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not (math.isfinite(number) and is_valid(number)):
        raise argparse.ArgumentTypeError(f"expected {what}, was {text!r}")
    return number
