"""Two simulated days of four venues: through collectors, store and kernel into a picture, with the market's sums."""

from __future__ import annotations

import contextlib
import math
from collections import Counter

import numpy as np
from stress.harness import Outcome, Watch, select
from support.clock import FastClock
from support.waiting import until

from Heatmap.aggregation import build_grid, colorize
from Heatmap.aggregation.grid import GridSpec
from Heatmap.demo import server as server_module
from Heatmap.demo.market import SimulatedMarket
from Heatmap.demo.venues import DemoVenues
from Heatmap.events import Source
from Heatmap.recorders import Recorders, services_for
from Heatmap.reports import FLOWING
from Heatmap.storage.sqlite.sqlite_store import SqliteStore

BEGIN_MS = 1_795_003_380_000
HOUR_MS = 3_600_000
SPEED = 600
KEY = "source, ts_ms, side, price, qty"


def two_days(db, folder, *, is_long):  # noqa: ARG001 - the signature of all scenarios
    """A simulated time of 48 h (short: 25 min), faster than the real one."""
    span_ms = 48 * HOUR_MS if is_long else HOUR_MS * 25 // 60
    outcome = Outcome(bound_mb=60.0 if is_long else 30.0)
    server_module.TICK_S = 0.02  # of real time: twelve seconds of the market's
    market = SimulatedMarket()
    market.liquidations(BEGIN_MS, BEGIN_MS + span_ms)  # drawn and kept before the clock runs
    with Watch(outcome) as watch:
        clock = FastClock(BEGIN_MS, SPEED)
        with DemoVenues(market, clock=clock) as venues:
            addresses = [{source: getattr(server, name) for source, server in venues.servers.items()}
                         for name in ("ws_url", "rest_url")]  # fmt: skip
            group = Recorders(services_for(venues.servers, *addresses, db=db))
            group.start()
            try:
                until(lambda: all(one.state in FLOWING and one.received for one in group.statuses().values()))
                watch.warm()
                until(lambda: clock.now_ms() > BEGIN_MS + span_ms, 60.0 + 2 * span_ms / 1000 / SPEED)
                watch.settled()
                reconnects = sum(one.reconnects for one in group.statuses().values())
            finally:
                if lost := group.stop():
                    outcome.faults.append(f"{lost} events could not be stored at the stop")
        if reconnects:
            outcome.faults.append(f"{reconnects} reconnections")
        _compare(outcome, db, venues)
        _draw(outcome, db, venues)
    return outcome


def _compare(outcome, db, venues):
    """Compare the record with each venue's book, from its first stored event to its last; these two are left out."""
    found = select(db, f"SELECT {KEY} FROM liq_events")  # noqa: S608 - our own words
    outcome.duplicated = len(found) - len(set(found))
    rows = [_rounded(*row) for row in found]
    for source, market in venues.markets.items():
        times = [row[1] for row in rows if row[0] == source]
        begin_ms, end_ms = min(times) + (1000 if source == Source.GATE else 1), max(times)
        stored = Counter(row for row in rows if row[0] == source and begin_ms <= row[1] < end_ms)
        happened = market.liquidations(begin_ms, end_ms)
        book = Counter(_rounded(str(source), one.ts_ms, str(one.side), one.price, one.qty) for one in happened)
        outcome.sent += book.total()
        outcome.stored += stored.total()
        outcome.lost += (book - stored).total()
        if stored - book:
            outcome.faults.append(f"{source}: something is stored that never happened")


def _rounded(source, ts_ms, side, price, qty):
    """Return an event as it is compared.

    Contracts times their size need not be the decimal number that was meant, and Gate's history, from which gaps are
    filled, has whole seconds.
    """
    return source, ts_ms // 1000 * 1000 if source == Source.GATE else ts_ms, side, round(price, 6), round(qty, 9)


def _draw(outcome, db, venues):
    """Bin all that is stored, and paint it; the bins must have the dollars that SQL counts."""
    [[low, high, begin_ms, end_ms, dollars]] = select(
        db, "SELECT min(price), max(price), min(ts_ms), max(ts_ms), sum(notional) FROM liq_events"
    )
    cols, rows = 1700, 380
    time_bin, price_bin = (end_ms - begin_ms) // (cols - 1) + 1, math.ceil((high - low) / (rows - 2))
    spec = GridSpec(begin_ms // time_bin * time_bin, time_bin, cols, low // price_bin * price_bin, price_bin, rows)
    with contextlib.closing(SqliteStore(db)) as store:
        columns = store.window("BTCUSDT", tuple(venues.servers), begin_ms, end_ms + 1)
    grid = build_grid(columns.ts_ms, columns.price, columns.notional, spec)
    if abs(float(grid.sum(dtype=np.float64)) - dollars) > 1e-6 * dollars:
        outcome.faults.append(f"the bins have {grid.sum()} dollars, SQL counts {dollars}")
    image = colorize(grid, normalization="log", palette="fire")
    if np.count_nonzero(image[..., 3]) < np.count_nonzero(grid):
        outcome.faults.append("the picture shows fewer cells than there are")
    outcome.note = f"{dollars / 1e6:,.0f} million dollars, in SQL, market and picture"
