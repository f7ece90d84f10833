"""Hundreds of symbols: within the exchange's limits, over several sockets, or all that it has."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing, contextmanager, suppress
from dataclasses import replace

import pytest
from support.demo import SteeredExchange
from support.exchange import LoopbackExchange
from support.frames import liquidation, mark_price
from support.record import store_summary
from support.waiting import PATIENCE_S, until
from websockets.exceptions import ConnectionClosed

from Heatmap.demo.market import SimulatedMarket
from Heatmap.heatmap_service import HeatmapService
from Heatmap.ingestion.binance import session
from Heatmap.ingestion.binance.venue import BINANCE
from Heatmap.ingestion.venues import VENUES
from Heatmap.reports import ConnectionState as State
from Heatmap.storage.sqlite.connection import open_reader
from Heatmap.storage.sqlite.sqlite_store import SqliteStore


def names(count):
    return [f"S{number}USDT" for number in range(count)]


def order(symbol, number, **changes):
    frame = json.loads(liquidation(number, symbol, combined=False))
    frame["o"] |= changes
    return json.dumps(frame)


def symbols_with_events(path):
    if not path.exists():
        return set()
    try:
        with closing(open_reader(path)) as connection:
            return {symbol for (symbol,) in connection.execute("SELECT DISTINCT symbol FROM liq_events")}
    except sqlite3.Error:
        return set()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "record.sqlite3"


@contextmanager
def collecting(path, exchange, symbols):
    """The real command, in a process of its own; yields it, and its log once it has ended."""
    words = [word for symbol in symbols for word in ("--symbol", symbol)]
    command = [sys.executable, "-P", "-m", "Heatmap", "collect", "--db", path, "--ws-url", exchange.ws_url]
    process = subprocess.Popen(
        [*command, "--rest-url", exchange.rest_url, *words], stderr=subprocess.PIPE, text=True
    )  # fmt: skip
    log = []
    reader = threading.Thread(target=lambda: log.extend(process.stderr))
    reader.start()
    try:
        yield process, log
    finally:
        process.terminate()
        assert process.wait(PATIENCE_S) == 0
        reader.join()
        process.stderr.close()


def test_four_hundred_symbols_are_recorded_by_the_command(path):
    symbols = names(400)
    with SteeredExchange(SimulatedMarket(), more_symbols=symbols) as exchange:
        with collecting(path, exchange, symbols) as (_, log):
            until(lambda: any("feed: live" in line for line in log))
            until(lambda: exchange.subscribed_streams >= 800)
            for number, symbol in enumerate(symbols):
                exchange.publish(order(symbol, number), symbol=symbol)
            until(lambda: symbols_with_events(path) == set(symbols))
            with SqliteStore(path) as store:
                until(lambda: all(store.coverage(symbol, "binance", 0, 2**53) for symbol in symbols))
        text = "".join(log)
        assert "414" not in text
        assert "and 394 more" in text
        assert "Too many requests" not in text
        with SqliteStore(path) as store:
            assert store.tick_size("S399USDT", "binance") == 0.1


def test_beyond_one_socket_there_are_several_and_one_that_dies_ends_its_own_coverage_only(path, monkeypatch):
    monkeypatch.setitem(VENUES, "binance", replace(BINANCE, policy=replace(BINANCE.policy, symbols_per_connection=3)))
    symbols = names(7)
    with SteeredExchange(SimulatedMarket(), more_symbols=symbols) as exchange:
        service = HeatmapService(path, symbols, ws_url=exchange.ws_url, rest_url=exchange.rest_url)
        service.start()
        try:
            until(lambda: service.status().state is State.LIVE and exchange.connection_count == 3)
            with SqliteStore(path) as store:
                until(lambda: all(store.coverage(symbol, "binance", 0, 2**53) for symbol in symbols))
                assert service.status().reconnects == 0
                exchange.drop_connection_of(symbols[0], code=1006)
                until(lambda: service.status().reconnects == 1 and service.status().state is State.LIVE)

                def pieces(symbol):
                    rows = open_reader(path)
                    with closing(rows):
                        return rows.execute("SELECT count(*) FROM coverage WHERE symbol = ?", (symbol,)).fetchone()[0]

                until(lambda: pieces(symbols[0]) == 2)
            for symbol in symbols:
                exchange.publish(order(symbol, 1), symbol=symbol)
            until(lambda: symbols_with_events(path) == set(symbols))
            # Those that shared the socket begin anew, the others go on.
            until(lambda: sorted(map(pieces, symbols)) == [1, 1, 1, 1, 2, 2, 2])
        finally:
            service.stop()


def test_all_records_what_the_exchange_has_and_no_contracts_of_the_other_margin(path):
    with SteeredExchange(SimulatedMarket(), more_symbols=["币安人生USDT", "BTCUSDT_260327"]) as exchange:
        with collecting(path, exchange, ["all"]) as (_, log):
            until(lambda: any("feed: live" in line for line in log))
            until(lambda: exchange.subscribed_streams >= 2)
            exchange.publish(
                order("BTCUSDT", 1),
                order("币安人生USDT", 2),
                order("BTCUSDT_260327", 3),
                order("NEWUSDT", 4),
                order("BTCUSD_PERP", 5, st=2),
                order("ETHUSD_PERP", 6),
            )
            until(lambda: "NEWUSDT" in symbols_with_events(path))
            with SqliteStore(path) as store:
                until(lambda: store.coverage("币安人生USDT", "binance", 0, 2**53))
                until(lambda: store.tick_size("BTCUSDT_260327", "binance") is not None)
            [entry] = store_summary(path).collectors
            assert entry.report.symbols == ("ALL",)
        assert symbols_with_events(path) == {"BTCUSDT", "币安人生USDT", "BTCUSDT_260327", "NEWUSDT"}
        assert "recording ALL of binance into" in "".join(log)


class Stubborn(LoopbackExchange):
    """Delivers what the address names, and answers each request by ``reply(request)``, or not at all."""

    def __init__(self, reply):
        super().__init__()
        self.reply = reply
        self.requests = []

    async def play(self, ws):
        prices = asyncio.create_task(self._push(ws))
        try:
            async for message in ws:
                self.requests.append(json.loads(message))
                if self.reply is not None:
                    await ws.send(json.dumps(self.reply(self.requests[-1])))
        finally:
            prices.cancel()

    async def _push(self, ws):
        with suppress(ConnectionClosed):
            while True:
                await ws.send(mark_price(time.time_ns() // 1_000_000, "S0USDT"))
                await asyncio.sleep(0.1)


@pytest.mark.parametrize(
    ("reply", "reason", "words"),
    [
        (
            lambda asked: {"error": {"code": 2, "msg": "Invalid request: no"}, "id": asked["id"]},
            "refused-subscription",
            "no",
        ),
        (lambda asked: {"code": 3, "msg": "Invalid JSON"}, "refused-subscription", "Invalid JSON"),  # noqa: ARG005
        (None, "unacknowledged", "not acknowledged"),
    ],
)
def test_a_request_that_is_refused_or_not_answered_is_no_silence(path, monkeypatch, reply, reason, words):
    monkeypatch.setattr(session, "ANSWER_TIMEOUT_S", 0.5)
    with Stubborn(reply) as exchange:
        service = HeatmapService(path, names(300), ws_url=exchange.ws_url, rest_url="http://127.0.0.1:9")
        seen = []
        service.subscribe(lambda: seen.append(service.status()))
        service.start()
        try:
            until(lambda: any(status.reason == reason and words in status.detail for status in seen))
        finally:
            service.stop()
    assert exchange.requests
    # Market data that came before is no success: the waits grow all the same.
    assert exchange.opened <= 10


def test_an_address_that_is_too_long_is_refused_by_the_demo_exchange_as_by_the_real_one():
    import urllib.error  # noqa: PLC0415
    import urllib.request  # noqa: PLC0415

    with SteeredExchange(SimulatedMarket()) as exchange:
        request = urllib.request.Request(  # noqa: S310 - our own loopback
            f"{exchange.rest_url}/market/stream?streams={'x' * 8000}",
            headers={
                "Upgrade": "websocket",
                "Connection": "Upgrade",
                "Sec-WebSocket-Version": "13",
                "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
            },
        )
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(request, timeout=10)  # noqa: S310 - our own loopback
        refused.value.close()
        assert refused.value.code == 414
