"""All venues in one collector: what befalls one touches none of the others, and each says what befell it."""

from __future__ import annotations

import contextlib
import logging
from contextlib import ExitStack

import pytest
from support.clock import FastClock
from support.demo import SteeredServer
from support.waiting import until

from Heatmap.demo import server as server_module
from Heatmap.demo.market import SimulatedMarket
from Heatmap.demo.venues import DEMO_VENUES, venue_markets
from Heatmap.events import Source
from Heatmap.ingestion.backoff import Backoff
from Heatmap.ingestion.venues import VENUES
from Heatmap.recorders import Recorders, services_for
from Heatmap.reports import FLOWING
from Heatmap.storage.sqlite.connection import open_reader

BEGIN_MS = 1_795_017_600_000
SPEED = 60
GARBAGE = ["", "{", "[]", "null", "\N{SNOWMAN}", '{"data":[{}]}']


@pytest.fixture
def venues(monkeypatch):
    """A steered server for each venue, over one simulated market whose time goes faster."""
    monkeypatch.setattr(server_module, "TICK_S", 0.05)
    monkeypatch.setattr(Backoff, "next_delay_s", lambda *_, **__: 0.05)
    clock, markets = FastClock(BEGIN_MS, SPEED), venue_markets(SimulatedMarket())
    with ExitStack() as stack:
        yield (
            markets,
            {
                source: stack.enter_context(SteeredServer(DEMO_VENUES[source].protocol(market, clock=clock)))
                for source, market in markets.items()
            },
        )


def recorders(path, servers):
    ws_urls = {source: server.ws_url for source, server in servers.items()}
    return Recorders(
        services_for(servers, ws_urls, {source: server.rest_url for source, server in servers.items()}, db_path=path)
    )


def test_a_venue_that_is_down_is_named_and_touches_no_other(tmp_path, venues, caplog):
    caplog.set_level(logging.INFO)
    path, (markets, servers) = tmp_path / "record.sqlite3", venues
    assert set(servers) == set(VENUES)
    group = recorders(path, servers)
    group.start()
    try:
        until(lambda: all(status.state in FLOWING for status in group.statuses().values()))
        for server in servers.values():
            server.inject(*GARBAGE)
            server.drop_connections(1006)
        until(lambda: all(s.state in FLOWING and s.reconnects for s in group.statuses().values()))
        until(lambda: all(s.undecodable for s in group.statuses().values()))
        before = group.statuses()
        servers[Source.BYBIT].stop()
        until(lambda: group.statuses()["bybit"].interrupted_since_ms is not None)
        until(lambda: group.statuses()["bybit"].reason)
        stored = sum(status.stored for status in before.values())
        until(lambda: sum(status.stored for status in group.statuses().values()) > stored)
        after = group.statuses()
    finally:
        assert group.stop() == 0
    for venue in after:
        assert f"{venue} feed: live" in caplog.messages
    for venue in set(after) - {"bybit"}:
        assert after[venue].state in FLOWING
        assert after[venue].reconnects == before[venue].reconnects
    with contextlib.closing(open_reader(path)) as reader:
        rows = reader.execute(
            "SELECT source, ts_ms, side, price, qty FROM liq_events WHERE import_id IS NULL"
        ).fetchall()
        covered = reader.execute("SELECT source, start_ms, end_ms FROM coverage").fetchall()
    assert len(rows) == len(set(rows))
    for source, market in markets.items():
        spans = [span[1:] for span in covered if span[0] == source]
        book = {
            (str(source), event.ts_ms, str(event.side), event.price, event.qty)
            for start_ms, end_ms in spans
            for event in market.liquidations(start_ms, end_ms)
        }
        assert book <= set(rows)
