"""``heatmap doctor``: checks graphics, web engine, database and endpoints; one line each, with a cure for a failure."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

from Heatmap.app.virtual_display import display_is_missing, virtual_display
from Heatmap.child_process import module_command, module_environment
from Heatmap.clock import SYSTEM_CLOCK
from Heatmap.commands.recorder_options import add_db_argument, venue_address
from Heatmap.errors import HeatmapError, RestError
from Heatmap.events import Source
from Heatmap.exit_code import ExitCode
from Heatmap.foreign_text import one_line
from Heatmap.ingestion.addresses import normalise_symbol
from Heatmap.ingestion.binance import exchange_info, forceorder
from Heatmap.ingestion.binance.endpoints import (
    DEFAULT_REST_URL,
    DEFAULT_WS_URL,
    exchange_info_url,
    mark_price_stream,
    market_stream_url,
    normalise_ws_base,
)
from Heatmap.ingestion.failure import of_socket_error
from Heatmap.ingestion.proxy import proxy_for, shown
from Heatmap.ingestion.rest import fetch_bytes
from Heatmap.ingestion.tick_refresher import fetch_instruments
from Heatmap.ingestion.venue import MarketHeartbeat
from Heatmap.ingestion.venues import VENUES
from Heatmap.storage.database import database_of

if TYPE_CHECKING:
    import argparse
    from collections.abc import Collection, Mapping

    from Heatmap.storage.contract import Database

TIMEOUT_S = 15.0
PROBE_TIMEOUT_S = 60.0


@dataclass(frozen=True, slots=True)
class Finding:
    """Result of one check: its name, what was found, and what to do if it failed."""

    name: str
    is_well: bool | None  # None: it is not, and does not matter
    detail: str
    cure: str = ""

    def line(self) -> str:
        """Return the finding as one line for people."""
        mark = {True: "ok  ", None: "-   ", False: "FAIL"}[self.is_well]
        cure = f" → {self.cure}" if self.cure and self.is_well is False else ""
        return f"{mark}  {self.name:<11} {self.detail}{cure}"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of this command."""
    add_db_argument(parser)
    parser.add_argument("--symbol", default="BTCUSDT", help="symbol to ask the endpoints for")
    parser.add_argument(
        "--venue",
        dest="venues",
        action="append",
        choices=list(VENUES),
        help="exchange that must be reached, repeatable (default: binance); the others are only asked",
    )
    parser.add_argument(
        "--ws-url",
        dest="ws_urls",
        action="append",
        type=venue_address,
        metavar="[VENUE=]BASE",
        help="base address of the streams; repeatable, without a VENUE it is Binance's, the only ones that are tried",
    )
    parser.add_argument(
        "--rest-url",
        dest="rest_urls",
        action="append",
        type=venue_address,
        metavar="[VENUE=]BASE",
        help="base address of REST; repeatable, without a VENUE it is Binance's",
    )


def run(options: argparse.Namespace) -> int:
    """Check everything and print one line each; return 0 if all is well, 1 otherwise."""
    findings = [*_graphics(), database_finding(database_of(options.db))]
    rest_urls, needed = dict(options.rest_urls or ()), options.venues or (Source.BINANCE,)
    options.rest_url = rest_urls.get(Source.BINANCE, DEFAULT_REST_URL)
    options.ws_url = dict(options.ws_urls or ()).get(Source.BINANCE, DEFAULT_WS_URL)
    if Source.BINANCE in needed:
        findings += asyncio.run(endpoint_findings(options))
    findings += asyncio.run(venue_findings(options.symbol, needed, rest_urls))
    sys.stdout.write("".join(f"{one_line(finding.line())}\n" for finding in findings))
    return ExitCode.OK if all(finding.is_well is not False for finding in findings) else ExitCode.PROBLEM


def _graphics() -> list[Finding]:
    """Check OpenGL and the web engine in a process of its own: a broken driver may crash it."""
    gl_cure = "install or update the graphics driver; on a remote desktop install Mesa's software OpenGL"
    web_cure = "install PyQt6-WebEngine and the system libraries that `.ci/setup` lists"
    with ExitStack() as stack:
        if display_is_missing():
            try:
                stack.enter_context(virtual_display())
            except HeatmapError as error:
                unchecked = [Finding(name, False, "not checked without a display") for name in ("OpenGL", "WebEngine")]
                return [Finding("display", False, "none", error.short), *unchecked]
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
            return [Finding("graphics", False, "the check did not end in time", gl_cure)]
    report: dict[str, str] = {}
    for line in probe.stdout.splitlines():
        if line.startswith("{"):
            report.update(json.loads(line))
    last = probe.stderr.strip().rpartition("\n")[2]
    crashed = f"the check ended with code {probe.returncode}{last and f': {last}'}"
    return [
        Finding(name, key in report, report.get(key, report.get(f"{key}_error", crashed)), cure)
        for name, key, cure in (("OpenGL", "gl", gl_cure), ("WebEngine", "web", web_cure))
    ]


def database_finding(database: Database) -> Finding:
    """Check that a record can be kept in the database."""
    try:
        return Finding("database", True, database.probe())
    except (HeatmapError, OSError) as error:
        detail = error.short if isinstance(error, HeatmapError) else str(error)
        return Finding("database", False, detail, database.cure)


async def endpoint_findings(options: argparse.Namespace) -> list[Finding]:
    """Check both endpoints; a stream counts when market data arrives, not when it is open or acknowledged."""
    try:
        symbol = normalise_symbol(options.symbol)
    except HeatmapError as error:
        return [Finding("symbol", False, error.short, "name one like BTCUSDT with --symbol")]
    return [await _rest_finding(options.rest_url, symbol), await _stream_finding(options.ws_url, symbol)]


async def venue_findings(symbol: str, needed: Collection[str], rest_urls: Mapping[str, str]) -> list[Finding]:
    """Ask venues whether they list a symbol, in people's spelling; only those that are needed can fail.

    Binance, if it is needed, is checked by `endpoint_findings` instead.
    """
    others = [source for source in VENUES if source != Source.BINANCE or source not in needed]
    asked = [_venue_finding(source, symbol, rest_urls.get(source), is_needed=source in needed) for source in others]
    return list(await asyncio.gather(*asked))


async def _venue_finding(source: str, symbol: str, rest_url: str | None, *, is_needed: bool) -> Finding:
    venue = VENUES[source]
    try:
        _, base = venue.base_urls(None, rest_url)
        listed = await fetch_instruments(venue, base, timeout_s=TIMEOUT_S)
        name = venue.normalise_symbol(symbol)
        tick_size = listed.tick_size(name)
    except HeatmapError as error:
        cure = f"leave --venue {source} out, or name another symbol"
        return Finding(venue.name, False if is_needed else None, error.short, cure)
    size = listed.contract_sizes.get(name)
    contract = "" if size is None or not venue.counts_contracts else f", one contract is {size.coins:g} coins"
    return Finding(venue.name, True, f"lists {name}, tick size {tick_size}{contract}")


async def _rest_finding(base: str, symbol: str) -> Finding:
    try:
        body = await fetch_bytes(exchange_info_url(base), timeout_s=TIMEOUT_S)
        tick_size = exchange_info.decode(body).tick_size(symbol)
    except HeatmapError as error:
        is_region = isinstance(error, RestError) and error.reason == "region"
        cure = "the exchange may not serve this region" if is_region else "check network, proxy and --rest-url"
        return Finding("REST", False, f"{base}: {error.short}", cure)
    return Finding("REST", True, f"{base}: tick size of {symbol} is {tick_size}")


async def _stream_finding(base: str, symbol: str) -> Finding:
    try:
        url = market_stream_url(base, [mark_price_stream(symbol)])
        proxy = proxy_for(url)
        async with (
            asyncio.timeout(TIMEOUT_S),
            connect(url, open_timeout=TIMEOUT_S, max_size=forceorder.MAX_FRAME_BYTES, proxy=proxy) as socket,
        ):
            # An acknowledgement is no market data: a dead route sends that too.
            while not isinstance(forceorder.decode(await socket.recv()), MarketHeartbeat):
                pass
    except TimeoutError:
        detail = f"{base}: no market data within {TIMEOUT_S:.0f} s"
    except HeatmapError as error:
        detail = error.short
    except (OSError, WebSocketException) as error:
        detail = of_socket_error(
            error,
            base.partition("://")[2],
            max_bytes=forceorder.MAX_FRAME_BYTES,
            now_ms=SYSTEM_CLOCK.now_ms(),
            proxy=proxy_for(normalise_ws_base(base)),
        ).detail
    else:
        way = "" if proxy is None else f" by the proxy {shown(proxy)}"
        return Finding("streams", True, f"{base}: market data arrives{way}")
    return Finding("streams", False, detail, "check network, proxy and --ws-url; the live route is /market")
