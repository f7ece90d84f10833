"""A market that is not real: the demo, or a recording that is played. It is loaded only where one is asked for."""

from __future__ import annotations

import logging
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from Heatmap.app.candle_feed import HISTORY_MS
from Heatmap.demo.exchange import DemoExchange
from Heatmap.demo.market import SimulatedMarket
from Heatmap.demo.recording import Recording
from Heatmap.demo.replay import ReplayMarket
from Heatmap.errors import StorageError
from Heatmap.events import Coverage, Source
from Heatmap.heatmap_service import HeatmapService
from Heatmap.storage.database import database_of

if TYPE_CHECKING:
    from contextlib import ExitStack

    from Heatmap.storage.contract import Database

log = logging.getLogger(__name__)

STARTING_MS = 8000  # longest from here to the recorder's first market data, on a busy machine


def simulated_service(
    stack: ExitStack, symbol: str, *, database: Database | None, replay: Path | None, now_ms: int
) -> tuple[HeatmapService, tuple[str, ...]]:
    """Return the recorder of an exchange on loopback that ``stack`` ends, and sentences about the recording.

    The demo trades ``symbol``; a recording has its own. Without ``database`` the record is a temporary file.
    `HeatmapError` if the recording cannot be played.
    """
    notes: tuple[str, ...] = ()
    market: SimulatedMarket | ReplayMarket
    if replay is not None:
        recording = Recording.load(replay).shifted(now_ms)
        notes = tuple(recording.report())
        for note in notes:
            log.warning("replay: %s", note)
        market, source = ReplayMarket(recording), Source.REPLAY
    else:
        market, source = SimulatedMarket(symbol=symbol), Source.DEMO
    exchange = stack.enter_context(DemoExchange(market))
    if database is None:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="heatmap-", ignore_cleanup_errors=True))
        database = database_of(Path(folder) / f"{source}.sqlite3")
    try:
        _prepare_database(database, market, now_ms)
    except StorageError as error:
        # The service has the same problem and retries; the window shows it. The chart works without.
        log.warning("the database is not prepared: %s", error)
    symbols = (market.instrument.symbol,)
    service = HeatmapService(database, symbols, ws_url=exchange.ws_url, rest_url=exchange.rest_url, source=source)
    return service, notes


def _prepare_database(database: Database, market: SimulatedMarket | ReplayMarket, now_ms: int) -> None:
    if isinstance(market, SimulatedMarket):
        # Until the recorder's own coverage begins. The market is the same each time, so nothing is stored twice.
        end_ms = now_ms + STARTING_MS
        span = Coverage(Source.DEMO, market.instrument.symbol, end_ms - HISTORY_MS, end_ms)
        database.insert(market.liquidations(span.start_ms, span.end_ms), [span])
    else:
        # The shift depends on the present: an earlier replay would be in the map a second time.
        database.erase(Source.REPLAY)
        # A recording counts as complete: it covers its whole span.
        begin_ms = market.recording.frames[0].event.ts_ms
        whole = Coverage(Source.REPLAY, market.instrument.symbol, begin_ms, max(begin_ms, now_ms))
        database.insert([], [whole])
