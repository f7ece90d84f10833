"""Candles from the demo exchange: history, then live, then again after the connection broke."""

from __future__ import annotations

import asyncio
import json
import threading
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.demo import SteeredExchange

from Heatmap.app import candle_feed
from Heatmap.app.candle_feed import HISTORY_MS, MIN_BARS, OLDER_ROWS, CandleFeed, history_requests
from Heatmap.app.chart_bridge import price_format
from Heatmap.clock import SYSTEM_CLOCK
from Heatmap.demo.market import SimulatedMarket
from Heatmap.errors import RestError
from Heatmap.ingestion.binance.kline import MAX_ROWS
from Heatmap.ingestion.rest import fetch_bytes
from Heatmap.vocabulary import INTERVALS_MS

if TYPE_CHECKING:
    from Heatmap.candle import Candle

PATIENCE_S = 20


@given(st.sampled_from(sorted(INTERVALS_MS)), st.integers(1_600_000_000_000, 1_900_000_000_000))
def test_history_is_asked_for_in_pages_without_gap_or_overlap(interval, now_ms):
    step_ms = INTERVALS_MS[interval]
    pages = history_requests(step_ms, now_ms, MAX_ROWS)
    opens = [start + k * step_ms for start, _, count in pages for k in range(count)]
    assert opens == list(range(opens[0], opens[-1] + 1, step_ms))
    assert opens[-1] == now_ms - now_ms % step_ms
    assert len(opens) >= MIN_BARS
    assert opens[0] <= now_ms - HISTORY_MS + step_ms
    assert all(count <= MAX_ROWS and end == start + count * step_ms - 1 for start, end, count in pages)


@pytest.mark.parametrize(
    ("tick", "price", "expected"),
    [(0.1, 90_000.0, (1, 0.1)), (0.01, 90_000.0, (2, 0.01)), (0.5, 3_000.0, (1, 0.5)), (1.0, 90_000.0, (0, 1.0))],
)
def test_the_axis_shows_the_ticks_decimals(tick, price, expected):
    assert price_format(tick, price) == expected


def test_without_a_tick_the_price_decides():
    assert price_format(None, 90_000.0) == (0, 1.0)
    assert price_format(None, 0.012) == (6, pytest.approx(1e-6))


class Listener:
    """Collects what the feed says and lets a test wait for more."""

    def __init__(self, feed: CandleFeed) -> None:
        self.histories: list[list[Candle]] = []
        self.candles: list[Candle] = []
        self.older: list[list[Candle]] = []
        self.problems: list[str] = []
        self._news = asyncio.Event()
        feed.historyReady.connect(lambda candles, _: self._take(self.histories, candles))
        self.has_all: list[bool] = []
        feed.olderReady.connect(
            lambda candles, is_last: (self.has_all.append(is_last), self._take(self.older, candles))
        )
        feed.candleReady.connect(lambda candle: self._take(self.candles, candle))
        feed.problemChanged.connect(lambda reason, _: self._take(self.problems, reason))

    def _take(self, to: list, item: object) -> None:
        to.append(item)
        self._news.set()

    async def until(self, condition) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not condition():
                self._news.clear()
                await self._news.wait()


def play(scene, exchange) -> None:
    async def run() -> None:
        feed = CandleFeed(exchange.ws_url, exchange.rest_url, tick_size=lambda _symbol: 0.1, clock=SYSTEM_CLOCK)
        listener = Listener(feed)
        try:
            await scene(feed, listener)
        finally:
            await feed.close()

    asyncio.run(run())


@pytest.fixture
def exchange():
    with SteeredExchange(SimulatedMarket()) as running:
        yield running


def test_history_comes_first_and_live_candles_continue_it(exchange):
    async def scene(feed, listener):
        feed.show("BTCUSDT", "1m")
        await listener.until(lambda: len(listener.candles) >= 3)
        history = listener.histories[0]
        opens = [candle.open_ms for candle in history]
        assert opens == list(range(opens[0], opens[-1] + 1, 60_000))
        assert listener.candles[0].open_ms >= history[-1].open_ms
        assert listener.problems == [""]

    play(scene, exchange)


def test_a_broken_connection_is_told_and_mended(exchange):
    async def scene(feed, listener):
        feed.show("BTCUSDT", "1m")
        await listener.until(lambda: bool(listener.candles))
        exchange.drop_connections(1001)
        await listener.until(lambda: len(listener.histories) >= 2)
        assert listener.problems == ["", "closed", ""]

    play(scene, exchange)


def test_showing_another_interval_ends_the_first(exchange):
    async def scene(feed, listener):
        feed.show("BTCUSDT", "1m")
        await listener.until(lambda: bool(listener.candles))
        feed.show("BTCUSDT", "15m")
        await listener.until(lambda: len(listener.histories) >= 2)
        assert listener.histories[-1][1].open_ms - listener.histories[-1][0].open_ms == 900_000
        await listener.until(lambda: listener.candles[-1].close_ms - listener.candles[-1].open_ms == 899_999)
        assert exchange.connection_count <= 2

    play(scene, exchange)


def test_an_unknown_symbol_is_named(exchange):
    async def scene(feed, listener):
        feed.show("NOPEUSDT", "1m")
        await listener.until(lambda: "unknown-symbol" in listener.problems)

    play(scene, exchange)


def test_a_tick_size_that_comes_late_is_told_and_asked_for_off_the_loops_thread(exchange):
    answers, threads = [None, None, 0.5], set()

    def tick_size(_symbol):
        threads.add(threading.current_thread())
        return answers.pop(0) if len(answers) > 1 else answers[0]

    async def run() -> None:
        feed = CandleFeed(exchange.ws_url, exchange.rest_url, tick_size=tick_size, clock=SYSTEM_CLOCK)
        listener, told, known = Listener(feed), [], asyncio.Event()
        feed.historyReady.connect(lambda _, tick: told.append(tick))
        feed.tickSizeReady.connect(lambda tick: (told.append(tick), known.set()))
        try:
            feed.show("BTCUSDT", "1m")
            async with asyncio.timeout(PATIENCE_S):
                await known.wait()
            assert told == [None, 0.5]
            assert listener.problems == [""]
        finally:
            await feed.close()

    asyncio.run(run())
    assert threading.main_thread() not in threads


def test_a_fault_of_the_program_is_told_and_does_not_hinder_the_end(exchange, caplog):
    def tick_size(_symbol):
        raise ZeroDivisionError

    async def run() -> None:
        feed = CandleFeed(exchange.ws_url, exchange.rest_url, tick_size=tick_size, clock=SYSTEM_CLOCK)
        listener = Listener(feed)
        feed.show("BTCUSDT", "1m")
        await listener.until(lambda: "internal" in listener.problems)
        await feed.close()

    asyncio.run(run())
    assert "ZeroDivisionError" in caplog.text


def test_the_end_waits_for_connections_that_were_left_before(exchange):
    async def scene(feed, listener):
        feed.show("BTCUSDT", "1m")
        await listener.until(lambda: bool(listener.candles))
        for interval in ("3m", "5m", "15m"):
            feed.show("BTCUSDT", interval)
        await feed.close()
        assert asyncio.all_tasks() == {asyncio.current_task()}

    play(scene, exchange)


class Rest:
    """Stands before the exchange's REST service: counts pages of older candles and may answer in its place."""

    def __init__(self, monkeypatch) -> None:
        self.pages: list[str] = []
        self.refusals: list[Exception] = []
        self.oldest_ms = 0
        self.at_once, self._running = 0, 0
        monkeypatch.setattr(candle_feed, "fetch_bytes", self._fetch)

    async def _fetch(self, url: str, **options) -> bytes:
        if "endTime" not in url or "startTime" in url:
            return await fetch_bytes(url, **options)
        self.pages.append(url)
        if self.refusals:
            raise self.refusals.pop(0)
        self._running += 1
        self.at_once = max(self.at_once, self._running)
        rows = json.loads(await fetch_bytes(url, **options))
        self._running -= 1
        return json.dumps([row for row in rows if row[0] >= self.oldest_ms]).encode()


def test_older_candles_adjoin_in_pages_until_the_first_that_the_exchange_lists(exchange, monkeypatch):
    rest = Rest(monkeypatch)

    async def scene(feed, listener):
        feed.load_older(1_700_000_000_000)  # no history has come
        feed.show("BTCUSDT", "15m")
        await listener.until(lambda: bool(listener.histories))
        first_ms, step_ms = listener.histories[0][0].open_ms, 900_000
        for _ in range(3):  # the page asks more often than one answers
            feed.load_older(first_ms)
        await listener.until(lambda: len(listener.older) == 1)
        opens = [candle.open_ms for candle in listener.older[0]]
        assert opens == list(range(first_ms - OLDER_ROWS * step_ms, first_ms, step_ms))
        rest.oldest_ms = opens[0] - 3 * step_ms
        feed.load_older(opens[0])
        await listener.until(lambda: len(listener.older) == 2)
        assert [candle.open_ms for candle in listener.older[1]] == [opens[0] - k * step_ms for k in (3, 2, 1)]
        assert listener.has_all == [False, True]
        feed.load_older(rest.oldest_ms)
        feed.show("BTCUSDT", "5m")
        await listener.until(lambda: len(listener.histories) == 2)
        assert (len(rest.pages), rest.at_once) == (2, 1)
        assert all(f"limit={OLDER_ROWS}" in url for url in rest.pages)

    play(scene, exchange)


def test_a_pause_that_the_exchange_asks_for_is_kept_before_the_next_page(exchange, monkeypatch):
    rest, waits, told = Rest(monkeypatch), [], []
    rest.refusals = [
        RestError("429", reason="banned", status=429, retry_after_s=7.0, short="The exchange asks for a pause."),
        RestError("418", reason="banned", status=418, retry_after_s=900.0, short="The exchange asks for a pause."),
        RestError("no answer", reason="network", short="No answer came."),
    ]
    sleep = asyncio.sleep

    async def short(seconds):
        if threading.current_thread() is not threading.main_thread():  # the exchange's own
            return await sleep(seconds)
        waits.append(seconds)
        return await sleep(0)

    async def scene(feed, listener):
        feed.show("BTCUSDT", "1m")
        feed.olderProblemChanged.connect(lambda *problem: told.append(problem))
        await listener.until(lambda: bool(listener.histories))
        monkeypatch.setattr(candle_feed.asyncio, "sleep", short)
        feed.load_older(listener.histories[0][0].open_ms)
        await listener.until(lambda: bool(listener.older))
        assert told == [("banned", "The exchange asks for a pause."), ("network", "No answer came."), ("", "")]
        assert waits[0] == 0.0
        assert waits[1] == pytest.approx(7.0, abs=1)
        assert min(waits[2:]) > 890  # the network's failure ends no ban
        assert len(waits) == len(rest.pages) == 4

    play(scene, exchange)


def test_a_fault_in_older_candles_is_logged_and_said_and_they_are_asked_for_again(exchange, monkeypatch, caplog):
    rest, told, sleep = Rest(monkeypatch), [], asyncio.sleep
    rest.refusals = [ZeroDivisionError("a fault of ours"), ZeroDivisionError("the same again")]

    async def scene(feed, listener):
        feed.show("BTCUSDT", "1m")
        feed.olderProblemChanged.connect(lambda *problem: told.append(problem))
        await listener.until(lambda: bool(listener.histories))
        monkeypatch.setattr(candle_feed.asyncio, "sleep", lambda seconds: sleep(min(seconds, 0.01)))
        feed.load_older(listener.histories[0][0].open_ms)
        await listener.until(lambda: bool(listener.older))
        assert [reason for reason, _ in told] == ["internal", ""]
        assert "the same again" in caplog.text

    play(scene, exchange)


def test_a_length_that_the_exchange_does_not_have_is_said_and_is_no_fault(caplog):
    async def run() -> list[tuple[str, str]]:
        told: list[tuple[str, str]] = []
        said = asyncio.Event()
        urls = ("ws://127.0.0.1:9", "http://127.0.0.1:9")
        feed = CandleFeed(*urls, tick_size=lambda _symbol: 0.1, clock=SYSTEM_CLOCK, source="gate")
        feed.problemChanged.connect(lambda *problem: (told.append(problem), said.set()))
        feed.show("BTCUSDT", "3m")
        await asyncio.wait_for(said.wait(), PATIENCE_S)
        await feed.close()
        return told

    assert asyncio.run(run())[0] == ("interval", "Gate has no candles of 3m.")
    assert "a fault" not in caplog.text
