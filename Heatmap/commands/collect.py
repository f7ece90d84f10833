"""``heatmap collect``: record without a screen until a signal or ``--duration`` ends it.

If another program records into the database already, this one waits, and takes over when that one ends.
"""

from __future__ import annotations

import logging
import math
import sys
import threading
from typing import TYPE_CHECKING, Final

from Heatmap.clock import SYSTEM_CLOCK
from Heatmap.commands.recorder_options import add_recorder_arguments, positive_seconds
from Heatmap.end_signals import on_end_signals
from Heatmap.errors import SettingsError, StorageError
from Heatmap.events import shown_symbols
from Heatmap.exit_code import ExitCode
from Heatmap.recorders import Recorders, services_for

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping

    from Heatmap.reports import ServiceStatus

_LOG = logging.getLogger(__name__)

_REPORT_S: Final = 60.0
# Market data comes every second; a shorter run may end before the first.
_DATA_PATIENCE_S: Final = 10.0
# On Windows a longer wait would delay Ctrl+C.
_LONGEST_WAIT_S: Final = 1.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    add_recorder_arguments(parser)
    parser.add_argument(
        "--duration", type=positive_seconds, metavar="S", help="stop after this many seconds (default: never)"
    )
    parser.add_argument(
        "--rotate-after",
        dest="rotate_after_s",
        type=positive_seconds,
        metavar="S",
        help="replace a connection by the next one after this many seconds (default: 82800, 23 hours)",
    )


def run(args: argparse.Namespace) -> int:
    """Record until a signal or the end of ``--duration``; return the exit code.

    0 with everything stored; 1 if something could not be; 2 for an invalid argument or a path where no record can be
    kept, after which a service should not start it again; 3 if no market data arrived in 10 s or more.
    """
    # What is not given gets the default of `HeatmapService`.
    names = ("db", "symbols", "keep_raw", "retention_days", "rotate_after_s")
    given = {name: getattr(args, name) for name in names if getattr(args, name) is not None}
    try:
        services = services_for(args.venues, dict(args.ws_url or ()), dict(args.rest_url or ()), **given)
        recorders = Recorders(services)
        recorders.services[0].database.check()
    except (SettingsError, StorageError) as error:
        sys.stderr.write(f"{error.short}\n")
        return ExitCode.USAGE
    stopping = threading.Event()
    began_s = SYSTEM_CLOCK.monotonic_s()
    with on_end_signals(stopping.set):
        try:
            for service in recorders.services:
                what = shown_symbols(service.recorded_symbols)
                _LOG.info("recording %s of %s into %s", what, service.source, service.database)
            recorders.start()
            _report_until(stopping, recorders, args.duration)
            lost = recorders.stop()
        finally:
            recorders.stop()
    statuses = recorders.statuses()
    _LOG.info("ended: %s", _line(statuses))
    length_s = SYSTEM_CLOCK.monotonic_s() - began_s
    # The first that did not go well: not stored, then nothing heard.
    codes = [_exit_code(venue, status, length_s) for venue, status in statuses.items()]
    if lost:
        problem = next((status.storage_problem for status in statuses.values() if status.storage_problem), "")
        sys.stderr.write(f"{lost} liquidations could not be stored. {problem}\n")
        return ExitCode.PROBLEM
    return min((code for code in codes if code is not ExitCode.OK), default=ExitCode.OK)


def _exit_code(venue: str, status: ServiceStatus, length_s: float) -> ExitCode:
    """Return the exit code of a venue after so many seconds, and print what did not work."""
    if status.storage_problem:
        sys.stderr.write(f"The end of the recording could not be stored. {status.storage_problem}\n")
        return ExitCode.PROBLEM
    if status.is_recorder and status.last_market_ms is None and length_s >= _DATA_PATIENCE_S:
        sys.stderr.write(
            f"No market data ever arrived from {venue}: nothing of it was recorded."
            f" `heatmap doctor --venue {venue}` looks for the reason.\n"
        )
        return ExitCode.NOTHING
    return ExitCode.OK


def _report_until(stopping: threading.Event, recorders: Recorders, duration_s: float | None) -> None:
    """Log a line a minute until ``stopping`` is set or the time is over."""
    started_s = reported_s = SYSTEM_CLOCK.monotonic_s()
    while not stopping.is_set():
        now_s = SYSTEM_CLOCK.monotonic_s()
        if now_s - reported_s >= _REPORT_S:
            reported_s = now_s
            _LOG.info("%s", _line(recorders.statuses()))
        left_s = math.inf if duration_s is None else started_s + duration_s - now_s
        if left_s <= 0:
            return
        stopping.wait(min(left_s, _LONGEST_WAIT_S))


def _line(statuses: Mapping[str, ServiceStatus]) -> str:
    """Return all venues in one line; a lone one needs no name."""
    if len(statuses) == 1:
        return _venue_line(next(iter(statuses.values())))
    return " | ".join(f"{venue}: {_venue_line(status)}" for venue, status in statuses.items())


def _venue_line(status: ServiceStatus) -> str:
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
