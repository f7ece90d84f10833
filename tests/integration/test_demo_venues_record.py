"""One simulated market behind the protocols of all venues, recorded from each of them into one database."""

from __future__ import annotations

import contextlib
from collections import Counter
from contextlib import ExitStack

import pytest
from support.clock import FastClock
from support.service import RunningService
from support.waiting import until

from Heatmap.demo import server as server_module
from Heatmap.demo.market import SimulatedMarket
from Heatmap.demo.venues import DemoVenues
from Heatmap.heatmap_service import HeatmapService
from Heatmap.reports import ConnectionState as State
from Heatmap.storage.sqlite.connection import open_reader

BEGIN = 1_795_003_380_000  # minutes in which venues with a small share have orders, too
SPEED = 60  # a silence of more than 15 s of the venue's time is a gap: nothing here may wait for 250 ms
ROW_USD = 50
MINUTE_MS = 60_000


def sums(events):
    """Return dollars by side and price row."""
    total = Counter()
    for side, price, notional in events:
        total[side, price // ROW_USD] += notional
    return total


def test_the_sums_of_each_venue_are_those_of_its_own_book(tmp_path, monkeypatch):
    monkeypatch.setattr(server_module, "TICK_S", 0.05)
    path, clock = tmp_path / "record.sqlite3", FastClock(BEGIN, SPEED)
    with ExitStack() as stack:
        venues = stack.enter_context(DemoVenues(SimulatedMarket(), clock=clock))
        running = {
            source: stack.enter_context(
                RunningService(
                    HeatmapService(path, source=source, ws_url=server.ws_url, rest_url=server.rest_url)
                )
            )
            for source, server in venues.servers.items()
        }  # fmt: skip
        for one in running.values():
            one.until(lambda s: s.state is State.LIVE and s.received)
        until(lambda: clock.now_ms() > BEGIN + 3 * MINUTE_MS)
        assert {one.service.status().undecodable for one in running.values()} == {0}
    with contextlib.closing(open_reader(path)) as reader:
        rows = reader.execute("SELECT source, ts_ms, side, price, notional FROM liq_events").fetchall()
        covered = reader.execute("SELECT source, start_ms, end_ms FROM coverage").fetchall()
    assert {source for source, *_ in rows} == set(venues.markets)
    for source, market in venues.markets.items():
        spans = [span[1:] for span in covered if span[0] == source]
        assert sum(end_ms - start_ms for start_ms, end_ms in spans) > MINUTE_MS
        happened = [event for start_ms, end_ms in spans for event in market.liquidations(start_ms, end_ms)]
        book = [(str(event.side), event.price, event.notional) for event in happened]
        stored = [row[2:] for row in rows if row[0] == source and any(a <= row[1] < b for a, b in spans)]
        assert book
        assert len(stored) == len(book)
        # The order of a sum changes its last digits.
        assert sums(stored) == pytest.approx(sums(book), abs=0.005, rel=0)
