"""Bybit from socket to database: what the demo's Bybit publishes is stored once, whatever happens in between."""

from __future__ import annotations

import contextlib
import json
from dataclasses import replace
from http import HTTPStatus

import pytest
from support.clock import FastClock
from support.demo import SteeredServer
from support.service import RunningService

from Heatmap.demo import server as server_module
from Heatmap.demo.bybit import BybitProtocol
from Heatmap.demo.market import SimulatedMarket
from Heatmap.demo.protocol import Answer
from Heatmap.demo.venue_market import VenueMarket, WholeMarket
from Heatmap.events import ALL_SYMBOLS, Source
from Heatmap.heatmap_service import HeatmapService
from Heatmap.ingestion import feed_group
from Heatmap.ingestion.backoff import Backoff
from Heatmap.ingestion.bybit import candles, instruments
from Heatmap.ingestion.bybit.venue import BYBIT
from Heatmap.ingestion.venues import VENUES
from Heatmap.reports import ConnectionState as State
from Heatmap.storage.sqlite.connection import open_reader
from Heatmap.vocabulary import INTERVALS_MS

NOON = 1_795_003_200_000
SPEED = 60
GARBAGE = ["", "garbage", "{", "[]", "null", '{"topic":"allLiquidation.BTCUSDT","data":{}}', '{"op":"pong"}']
NOT_OURS = [
    '{"topic":"allLiquidation.BTCPERP","ts":%d,"data":[{"T":%d,"s":"BTCPERP","S":"Buy","v":"1","p":"1"}]}',
    '{"topic":"liquidation.BTCUSDT","ts":%d,"data":[{"T":%d,"s":"BTCUSDT","S":"Buy","v":"1","p":"1"}]}',
]


class Villain(BybitProtocol):
    """Publishes garbage, what nobody asked for, and each frame again after the next; silent and unreachable at will."""

    is_muted = False
    is_unreachable = True
    opened = 0

    def open_session(self, target):
        self.opened += 1
        return super().open_session(target)

    def payloads(self, stream, after_ms, now_ms):
        if self.is_muted:
            return []
        frames = super().payloads(stream, after_ms, now_ms)
        if not stream.carries_liquidations or not frames:
            return frames
        before = super().payloads(stream, max(after_ms - 5_000, 0), after_ms)
        wrong = json.loads(frames[0])
        wrong["data"] = [wrong["data"][0] | {"S": "Up"}, *wrong["data"]]  # a part that is wrong, and good ones
        others = [text % (now_ms, now_ms) for text in NOT_OURS]
        return [*GARBAGE, *frames, *others, json.dumps(wrong), *before]

    def answer(self, target):
        return Answer(HTTPStatus.SERVICE_UNAVAILABLE, "no") if self.is_unreachable else super().answer(target)


@pytest.fixture(scope="module")
def market():
    # All of the market happens here: some thirty liquidations a minute.
    return VenueMarket(WholeMarket(SimulatedMarket()), Source.BYBIT, (0.0, 1.0), is_complete=True)


@pytest.fixture
def hasty(monkeypatch):
    """Short waits, but the real limit of attempts."""
    monkeypatch.setattr(feed_group, "Backoff", lambda: Backoff(base_s=0.05, cap_s=0.2))
    monkeypatch.setattr(server_module, "TICK_S", 0.05)
    policy = replace(BYBIT.policy, silent_after_s=0.6, symbols_per_connection=2, request_pause_s=0.0)
    monkeypatch.setitem(VENUES, "bybit", replace(BYBIT, policy=policy))


def service_of(path, server, symbols=("BTCUSDT",)):
    return RunningService(HeatmapService(path, symbols, source="bybit", ws_url=server.ws_url, rest_url=server.rest_url))


def record_of(path):
    with contextlib.closing(open_reader(path)) as reader:
        rows = reader.execute("SELECT symbol, ts_ms, side, price, qty, notional FROM liq_events").fetchall()
        covered = reader.execute("SELECT symbol, start_ms, end_ms FROM coverage ORDER BY start_ms").fetchall()
    return rows, covered


def published(market, symbol, start_ms, end_ms):
    return {
        (symbol, event.ts_ms, str(event.side), event.price, event.qty, event.notional)
        for event in market.liquidations(start_ms, end_ms)
    }


def assert_the_record_is_the_market(path, market, symbols=("BTCUSDT",)):
    """All that lies in covered time is stored, nothing twice, and nothing that did not happen; return the coverage."""
    rows, covered = record_of(path)
    assert len(rows) == len(set(rows))
    assert {symbol for symbol, *_ in rows} == set(symbols)
    for symbol in symbols:
        stored = {row for row in rows if row[0] == symbol}
        times = [row[1] for row in stored]
        assert stored <= published(market, symbol, min(times), max(times) + 1)
        for start_ms, end_ms in [span[1:] for span in covered if span[0] == symbol]:
            assert published(market, symbol, start_ms, end_ms) <= stored
    return covered


@pytest.mark.usefixtures("hasty")
def test_all_that_bybit_publishes_is_stored_once_whatever_it_does(tmp_path, market):
    path = tmp_path / "record.sqlite3"
    clock = FastClock(NOON, SPEED)
    protocol = Villain(market, clock=clock)
    with SteeredServer(protocol) as server, service_of(path, server) as running:
        # The list of contracts cannot be had: sizes are in coins, so that recording goes on.
        stored = running.until(lambda s: s.state is State.LIVE and s.stored >= 20).stored
        assert running.service.tick_size("BTCUSDT") is None
        for code in (1001, 1006):
            server.drop_connections(code)
            running.until(lambda s, code=code: s.reconnects >= (code == 1006) + 1 and s.state is State.LIVE)
        protocol.is_muted = True
        running.until(lambda s: s.state is State.SILENT)
        muted_ms = clock.now_ms()
        protocol.is_muted = False
        running.until(lambda s: s.state is State.LIVE)
        protocol.refused_topics = frozenset({"allLiquidation.BTCUSDT"})
        server.drop_connections()
        status = running.until(lambda s: s.reason == "refused-subscription")
        assert "handler not found" in status.detail
        protocol.refused_topics = frozenset()
        status = running.until(lambda s: s.state is State.LIVE and s.stored > stored + 20 and s.undecodable > 20)
    assert protocol.opened <= 2 * 10  # once for the handshake and once for the connection
    covered = assert_the_record_is_the_market(path, market)
    assert len(covered) >= 4
    assert not any(start_ms <= muted_ms <= end_ms for _, start_ms, end_ms in covered)
    assert sum(end_ms - start_ms for _, start_ms, end_ms in covered) > 0.3 * (clock.now_ms() - NOON)


@pytest.mark.usefixtures("hasty")
def test_all_symbols_and_one_that_bybit_does_not_have(tmp_path, market):
    more = [f"C{number}USDT" for number in range(4)]
    protocol = Villain(market, more_symbols=more, clock=FastClock(NOON, SPEED))
    protocol.is_unreachable, protocol.pages_of = False, 2
    everything, some = tmp_path / "all.sqlite3", tmp_path / "some.sqlite3"
    with (
        SteeredServer(protocol) as server,
        service_of(everything, server, [ALL_SYMBOLS]) as all_symbols,
        service_of(some, server, ["BTCUSDT", "NOPEUSDT"]) as two,
    ):
        all_symbols.until(lambda s: s.state is State.LIVE and s.stored >= 50)
        two.until(lambda s: s.state is State.LIVE and s.stored >= 10)
        two.until(lambda _: two.service.tick_size("BTCUSDT") == 0.1)
        # Five listed symbols, two on a connection; and one connection of the other service.
        assert server.connection_count == 4
        assert two.service.status().reconnects == 0
    assert_the_record_is_the_market(everything, market, ("BTCUSDT", *more))
    assert_the_record_is_the_market(some, market)


def test_candles_and_contracts_of_the_demo_are_read_back(market):
    clock = FastClock(NOON + 1_234, 0)
    protocol = BybitProtocol(market, more_symbols=["ETHUSDT"], clock=clock)
    listed = instruments.decode(protocol.answer(BYBIT.instruments_url("")).body)
    assert listed.tick_sizes == {"BTCUSDT": 0.1, "ETHUSDT": 0.1}
    length_ms = INTERVALS_MS["5m"]
    page = (NOON - 10 * length_ms, NOON - 1, 4)
    body = protocol.answer(candles.history_url("", "BTCUSDT", "5m", page)).body
    assert candles.decode_history(body.encode(), NOON) == market.candles(length_ms, NOON - 4 * length_ms, NOON)
    session = protocol.open_session("/v5/public/linear")
    _, [request] = candles.stream("", "BTCUSDT", "5m")
    [stream] = session.receive(request).added
    updates = [candles.decode_update(text) for text in protocol.payloads(stream, NOON - 500, NOON + 500)]
    assert [(update.symbol, update.interval) for update in updates] == [("BTCUSDT", "5m")] * 2
    assert [update.candle.closed for update in updates] == [True, False]
    assert updates[0].candle == market.candles(length_ms, NOON - length_ms, NOON)[0]
    assert protocol.open_session("/v5/public/inverse") is None
    assert json.loads(session.receive('{"op":"ping"}').texts[0])["ret_msg"] == "pong"
    assert json.loads(session.receive("x").texts[0])["success"] is False
