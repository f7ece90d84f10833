"""``heatmap doctor``: one line for each thing the program needs, with a cure for each that is missing."""

from __future__ import annotations

import asyncio
import json
import subprocess
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

from Heatmap.app.virtual_display import display_is_missing, virtual_display
from Heatmap.child_process import module_command, module_environment
from Heatmap.clock import SYSTEM_CLOCK
from Heatmap.errors import HeatmapError, RestError
from Heatmap.exit_code import ExitCode
from Heatmap.heatmap_service import default_db_path
from Heatmap.ingestion.binance import exchange_info, forceorder
from Heatmap.ingestion.binance.endpoints import (
    DEFAULT_REST_URL,
    DEFAULT_WS_URL,
    exchange_info_url,
    mark_price_stream,
    market_stream_url,
    normalise_symbol,
    normalise_ws_base,
)
from Heatmap.ingestion.failure import of_socket_error
from Heatmap.ingestion.proxy import proxy_for, shown
from Heatmap.ingestion.rest import fetch_bytes
from Heatmap.ingestion.venue import MarketHeartbeat
from Heatmap.storage.migrations import check_writable, open_database

if TYPE_CHECKING:
    import argparse

TIMEOUT_S = 15.0
PROBE_TIMEOUT_S = 60.0


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found.

    Attributes
    ----------
    name
        What was checked.
    well
        True if it works.
    detail
        What was found, in a few words.
    cure
        What to do if it does not work.
    """

    name: str
    well: bool
    detail: str
    cure: str = ""

    def line(self) -> str:
        """Return the finding as one line for people."""
        mark = "ok  " if self.well else "FAIL"
        cure = f" → {self.cure}" if self.cure and not self.well else ""
        return f"{mark}  {self.name:<11} {self.detail}{cure}"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of this command."""
    parser.add_argument("--db", type=Path, metavar="PATH", help="database (default: the user's data folder)")
    parser.add_argument("--symbol", default="BTCUSDT", help="symbol to ask the endpoints for")
    parser.add_argument("--ws-url", default=DEFAULT_WS_URL, metavar="BASE", help="base address of the streams")
    parser.add_argument("--rest-url", default=DEFAULT_REST_URL, metavar="BASE", help="base address of REST")


def run(options: argparse.Namespace) -> int:
    """Check everything and print one line each; return 0 if all is well, 1 otherwise."""
    findings = [*_graphics(), _database(options.db or default_db_path())]
    findings += asyncio.run(_endpoints(options))
    for finding in findings:
        print(finding.line())  # noqa: T201  # what the command is for
    return ExitCode.OK if all(finding.well for finding in findings) else ExitCode.PROBLEM


def _graphics() -> list[Finding]:
    """Check OpenGL and the web engine in a process of its own: a broken driver may crash it."""
    gl_cure = "install or update the graphics driver; on a remote desktop install Mesa's software OpenGL"
    web_cure = "install PyQt6-WebEngine and the system libraries that the README lists"
    with ExitStack() as stack:
        if display_is_missing():
            try:
                stack.enter_context(virtual_display())
            except HeatmapError as error:
                return [
                    Finding("display", well=False, detail="none", cure=error.short),
                    Finding("OpenGL", well=False, detail="not checked without a display"),
                    Finding("WebEngine", well=False, detail="not checked without a display"),
                ]
        try:
            probe = subprocess.run(  # noqa: S603 - this interpreter, a module of this package
                module_command("Heatmap.app.graphics_probe"),
                env=module_environment(),
                capture_output=True,
                text=True,
                timeout=PROBE_TIMEOUT_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return [Finding("graphics", well=False, detail="the check did not end in time", cure=gl_cure)]
    report: dict[str, str] = {}
    for line in probe.stdout.splitlines():
        if line.startswith("{"):
            report.update(json.loads(line))
    crashed = f"the check ended with code {probe.returncode}"
    return [
        Finding("OpenGL", well="gl" in report, detail=report.get("gl", report.get("gl_error", crashed)), cure=gl_cure),
        Finding(
            "WebEngine", well="web" in report, detail=report.get("web", report.get("web_error", crashed)), cure=web_cure
        ),
    ]


def _database(path: Path) -> Finding:
    """Check that the database, or its future folder, can be written."""
    cure = "check the folder's permissions and free space, or choose another file with --db"
    try:
        if path.exists():
            check_writable(path)
            return Finding("database", well=True, detail=f"{path}, {path.stat().st_size / 1e6:.1f} MB")
        folder = next(parent for parent in path.absolute().parents if parent.exists())
        with tempfile.TemporaryDirectory(dir=folder) as trial:
            open_database(Path(trial) / "trial.sqlite3").close()
    except (HeatmapError, OSError) as error:
        return Finding("database", well=False, detail=_sentence(error), cure=cure)
    return Finding("database", well=True, detail=f"{path} will be created")


async def _endpoints(options: argparse.Namespace) -> list[Finding]:
    """Ask both endpoints; what counts is market data, not a handshake."""
    findings = []
    try:
        symbol = normalise_symbol(options.symbol)
    except HeatmapError as error:
        return [Finding("symbol", well=False, detail=error.short, cure="name one like BTCUSDT with --symbol")]
    try:
        body = await fetch_bytes(exchange_info_url(options.rest_url), timeout_s=TIMEOUT_S)
        tick = exchange_info.decode(body).tick_size(symbol)
        findings.append(Finding("REST", well=True, detail=f"{options.rest_url}: tick size of {symbol} is {tick}"))
    except HeatmapError as error:
        cure = "the exchange may not serve this region" if _is_region(error) else "check network, proxy and --rest-url"
        findings.append(Finding("REST", well=False, detail=f"{options.rest_url}: {error.short}", cure=cure))
    cure = "check network, proxy and --ws-url; the live route is /market"
    place = str(options.ws_url)
    try:
        url = market_stream_url(place, [mark_price_stream(symbol)])
        async with (
            asyncio.timeout(TIMEOUT_S),
            connect(url, open_timeout=TIMEOUT_S, max_size=forceorder.MAX_FRAME_BYTES, proxy=proxy_for(url)) as socket,
        ):
            # An acknowledgement is no market data: a dead route sends that too.
            while not isinstance(forceorder.decode(await socket.recv()), MarketHeartbeat):
                pass
        proxy = proxy_for(url)
        way = "" if proxy is None else f" by the proxy {shown(proxy)}"
        findings.append(Finding("streams", well=True, detail=f"{place}: market data arrives{way}"))
    except TimeoutError:
        detail = f"{place}: no market data within {TIMEOUT_S:.0f} s"
        findings.append(Finding("streams", well=False, detail=detail, cure=cure))
    except HeatmapError as error:
        findings.append(Finding("streams", well=False, detail=error.short, cure=cure))
    except (OSError, WebSocketException) as error:
        seen = of_socket_error(
            error,
            place.partition("://")[2],
            max_bytes=forceorder.MAX_FRAME_BYTES,
            now_ms=SYSTEM_CLOCK.now_ms(),
            proxy=proxy_for(normalise_ws_base(place)),
        )
        findings.append(Finding("streams", well=False, detail=seen.detail, cure=cure))
    return findings


def _sentence(error: HeatmapError | OSError) -> str:
    return error.short if isinstance(error, HeatmapError) else str(error)


def _is_region(error: HeatmapError) -> bool:
    return isinstance(error, RestError) and error.reason == "region"
