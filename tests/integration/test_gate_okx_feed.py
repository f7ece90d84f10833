"""Gate and OKX from socket to database: what their demos publish is stored once, and Gate's gaps are filled."""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from dataclasses import replace
from http import HTTPStatus

import pytest
from msgspec import structs
from support.demo import SteeredServer
from support.record import coverage_gaps
from support.service import RunningService

from Heatmap import gap_filler
from Heatmap.clock import SYSTEM_CLOCK
from Heatmap.demo import gate as demo_gate
from Heatmap.demo import okx as demo_okx
from Heatmap.demo import server as server_module
from Heatmap.demo.gate import GateProtocol
from Heatmap.demo.market import SimulatedMarket
from Heatmap.demo.okx import OkxProtocol
from Heatmap.demo.protocol import Answer
from Heatmap.demo.venue_market import VenueMarket, WholeMarket
from Heatmap.events import Side, Source
from Heatmap.heatmap_service import HeatmapService
from Heatmap.ingestion import feed_group, tick_refresher
from Heatmap.ingestion.backoff import Backoff
from Heatmap.ingestion.gate import liq_orders
from Heatmap.ingestion.venues import VENUES
from Heatmap.reports import ConnectionState as State
from Heatmap.storage import writer_session
from Heatmap.storage.sqlite.connection import open_reader

DAY_MS = 86_400_000
EVERY_MS = 130  # between two liquidations while the test runs
GARBAGE = ["", "garbage", "{", "[]", "null", '{"error":7}', "\N{SNOWMAN}"]
WRONG = {
    Source.GATE: '{"channel":"futures.public_liquidates","event":"update","result":[{"contract":"BTC_USDT"}]}',
    Source.OKX: '{"arg":{"channel":"liquidation-orders"},"data":[{"instId":"BTC-USDT-SWAP","details":[{"sz":"1"}]}]}',
}
OTHERS = {
    Source.GATE: '{"channel":"futures.public_liquidates","event":"update","time":1,'
    '"result":{"contract":"BTC_USD","size":-9,"price":"1","time":1790000000000}}',
    Source.OKX: '{"arg":{"channel":"liquidation-orders"},"data":[{"instId":"BTC-USD-SWAP","details":[{"sz":"?"}]}]}',
}


class BusyMarket(VenueMarket):
    """A venue's part of the simulated market until it is made; from then on a liquidation every `EVERY_MS`."""

    def __init__(self, source):
        super().__init__(WholeMarket(SimulatedMarket()), source, (0.0, 0.05), is_complete=source is Source.GATE)
        self.begin_ms = SYSTEM_CLOCK.now_ms() - 1000
        self._like = super().happened(self.begin_ms - DAY_MS // 2, self.begin_ms)[0]

    def happened(self, start_ms, end_ms):
        before = super().happened(start_ms, min(end_ms, self.begin_ms))
        numbers = range(-(-max(start_ms, self.begin_ms) // EVERY_MS), -(-end_ms // EVERY_MS))
        return [*before, *map(self._one, numbers)]

    def _one(self, number):
        price = 90_000 + number % 7 / 10
        qty = (number % 50 + 1) / 1000
        side = Side.SELL if number % 3 else Side.BUY
        values = {"price": price, "order_price": price, "qty": qty, "notional": price * qty, "side": side}
        return structs.replace(self._like, ts_ms=number * EVERY_MS, **values)


class Villain:
    """Publishes garbage, what nobody asked for, and everything twice; silent and unreachable at will."""

    is_muted = False
    is_unreachable = True
    asks_for_a_pause = True
    history = ()  # monotonic times of requests for past liquidations

    def payloads(self, stream, after_ms, now_ms):
        if self.is_muted:
            return []
        frames = super().payloads(stream, after_ms, now_ms)
        if not stream.carries_liquidations or not frames:
            return frames
        before = super().payloads(stream, after_ms - 1000, after_ms)
        source = self.market.source
        return [*GARBAGE, *frames, OTHERS[source], WRONG[source], *before]

    def answer(self, target):
        if self.is_unreachable:
            return Answer(HTTPStatus.SERVICE_UNAVAILABLE, "no")
        if "liq_orders" in target:
            self.history = (*self.history, time.monotonic())
            if self.asks_for_a_pause and len(self.history) == 3:
                return Answer(HTTPStatus.TOO_MANY_REQUESTS, "slowly", {"Retry-After": "1"})
        return super().answer(target)


class GateVillain(Villain, GateProtocol):
    pass


class OkxVillain(Villain, OkxProtocol):
    pass


PROTOCOLS = {Source.GATE: GateVillain, Source.OKX: OkxVillain}


@pytest.fixture
def hasty(monkeypatch):
    """Short waits, but the real limit of attempts to connect."""
    monkeypatch.setattr(feed_group, "Backoff", lambda: Backoff(base_s=0.05, cap_s=0.2))
    monkeypatch.setattr(tick_refresher, "Backoff", lambda **_: Backoff(base_s=0.05, cap_s=0.2))
    monkeypatch.setattr(gap_filler, "Backoff", lambda **_: Backoff(base_s=0.01, cap_s=0.02, attempts_per_min=1000))
    monkeypatch.setattr(server_module, "TICK_S", 0.05)
    for module in (demo_gate, demo_okx):
        monkeypatch.setattr(module, "PUSH_MS", 200)
    monkeypatch.setattr(gap_filler, "LOOK_S", 0.2)
    monkeypatch.setattr(gap_filler, "PAUSE_S", 0.01)
    monkeypatch.setattr(gap_filler, "SETTLE_MS", 2500)
    monkeypatch.setattr(writer_session, "HEARTBEAT_S", 0.3)
    monkeypatch.setattr(liq_orders, "MAX_ROWS", 20)  # so that some hours need several requests
    for source in PROTOCOLS:
        venue = VENUES[source]
        policy = replace(venue.policy, silent_after_s=0.6, request_pause_s=0.0, push_delay_ms=400)
        monkeypatch.setitem(VENUES, source, replace(venue, policy=policy))


def fetched(path, query):
    with contextlib.closing(open_reader(path)) as reader:
        return reader.execute(query).fetchall()


def fills(path, at_ms):
    """Return the claimed intervals that contain a moment."""
    claimed = fetched(path, "SELECT start_ms, end_ms FROM coverage WHERE source LIKE '%-claimed'")
    return [span for span in claimed if span[0] <= at_ms <= span[1]]


def key(ts_ms, side, price, qty):
    return (ts_ms // 1000, str(side), price, round(qty, 9))


@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize("source", PROTOCOLS)
def test_all_that_is_published_is_stored_once_and_gaps_are_filled_where_they_can(tmp_path, source):
    path, delivered = tmp_path / "record.sqlite3", []
    market = BusyMarket(source)
    protocol = PROTOCOLS[source](market, more_symbols=["ETHUSDT"])
    with SteeredServer(protocol) as server, RunningService(
        HeatmapService(path, source=source, ws_url=server.ws_url, rest_url=server.rest_url)
    ) as running:  # fmt: skip
        running.service.subscribe_events(delivered.append)
        # Without contract sizes nothing is read.
        status = running.until(lambda s: s.state is State.DOWN)
        assert "contract sizes" in status.detail
        assert server.connection_count == 0
        protocol.is_unreachable = False
        running.until(lambda s: s.state is State.LIVE and s.stored >= 1)
        for reconnects, code in enumerate((1001, 1006), start=1):
            server.drop_connections(code)
            running.until(lambda s, least=reconnects: s.reconnects >= least and s.state is State.LIVE)
        protocol.is_muted = True
        running.until(lambda s: s.state is State.SILENT)
        muted_ms = SYSTEM_CLOCK.now_ms()
        protocol.is_muted = False
        stored = running.until(lambda s: s.state is State.LIVE).stored
        from_ms = muted_ms - DAY_MS + 60_000
        running.until(
            lambda s: (
                s.stored > stored + 1
                and (source is Source.OKX or (fills(path, muted_ms) and not coverage_gaps(path, source, None, from_ms)))
            )
        )
        assert running.service.status().undecodable > 3
        assert running.service.tick_size("BTCUSDT") == 0.1
    rows = fetched(path, "SELECT ts_ms, side, price, qty, notional, import_id, received_ms FROM liq_events ORDER BY id")
    covered = fetched(path, "SELECT start_ms, end_ms, source FROM coverage ORDER BY start_ms")
    live = [row for row in rows if row[5] is None]
    # Nothing of the history is delivered as new.
    assert [event.ts_ms for event in delivered] == [row[0] for row in sorted(live, key=lambda row: row[6])]
    book = market.liquidations(rows[0][0] - 2 * DAY_MS, SYSTEM_CLOCK.now_ms())
    published = Counter(key(event.ts_ms, event.side, event.price, event.qty) for event in book)
    found = Counter(key(*row[:4]) for row in rows)
    assert not found - published  # nothing is invented and nothing doubled
    whole_seconds = {
        second for start_ms, end_ms, _ in covered for second in range(-(-start_ms // 1000), end_ms // 1000)
    }  # fmt: skip
    missing = published - found
    assert not [key for key in missing if key[0] in whole_seconds]  # nothing is lost while connected
    covering = [at for *span, at in covered if span[0] <= muted_ms <= span[1]]
    assert covering == (["gate-claimed"] if source is Source.GATE else [])
    if source is not Source.GATE:
        assert len(rows) == len(live)
        return
    # From the first gap that was filled to the last covered moment the record is the exchange's book, to the cent.
    begin_s, end_s = min(whole_seconds) + 1, max(whole_seconds)
    assert end_s - begin_s > 86_000
    stored_usd, booked_usd = Counter(), Counter()
    for ts_ms, side, price, _, notional, *_ in rows:
        if begin_s <= ts_ms // 1000 <= end_s:
            stored_usd[side, price] += notional
    for event in book:
        if begin_s <= event.ts_ms // 1000 <= end_s:
            booked_usd[str(event.side), event.price] += event.price * event.qty
    assert stored_usd.keys() == booked_usd.keys()
    assert all(abs(stored_usd[row] - booked_usd[row]) < 0.005 for row in booked_usd)
    assert len(stored_usd) > 100
    # With the pause that was asked for.
    assert len(protocol.history) > 30
    assert protocol.history[3] - protocol.history[2] >= 1.0
    [(name, rows_brought)] = fetched(path, "SELECT format, sum(rows) FROM imports GROUP BY format")
    assert (name, rows_brought) == ("back-fill", len(rows) - len(live))
