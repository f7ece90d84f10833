"""Gaps that an exchange does not give, or gives only in part, or later: what is stored, claimed and asked for again."""

from __future__ import annotations

import asyncio
import json
import threading
from contextlib import asynccontextmanager
from urllib.parse import parse_qs, urlsplit

import pytest
from support.feed import until
from support.record import coverage_gaps, rows

from Heatmap import gap_filler
from Heatmap.errors import RestError
from Heatmap.events import Coverage
from Heatmap.gap_filler import GapFiller
from Heatmap.ingestion.backoff import Backoff
from Heatmap.ingestion.contracts import ContractSize, ContractSizes
from Heatmap.ingestion.gate import liq_orders
from Heatmap.ingestion.gate.venue import GATE
from Heatmap.storage.database import database_of
from Heatmap.storage.sqlite.bulk_insert import bulk_insert
from Heatmap.storage.writer_statistics import WriterStats

HOUR_S = 3600
NOW_S = 1_790_000_000
NOW_MS = NOW_S * 1000


class Clock:
    def now_ms(self):
        return NOW_MS

    def monotonic_s(self):
        return 0.0


class Writer:
    """A writer that has stored all it was given."""

    def __init__(self):
        self.rejected = []

    def stats(self):
        return WriterStats()

    def quarantine(self, rejected):
        self.rejected.append(rejected)


class History:
    """Answers requests with orders by second; ``refuse`` maps the first second of a request to an error."""

    def __init__(self):
        self.orders, self.asked, self.refuse = {}, [], {}
        self.at_once = self.most_at_once = 0

    async def fetch(self, url, headers):
        assert headers == GATE.policy.headers
        query = {key: values[0] for key, values in parse_qs(urlsplit(url).query).items()}
        first_s, last_s = int(query["from"]), int(query["to"]) - 1
        self.asked.append((query.get("contract"), first_s - NOW_S, last_s - NOW_S))
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        await asyncio.sleep(0)
        self.at_once -= 1
        for (begin_s, end_s), error in self.refuse.items():
            if begin_s <= last_s - NOW_S and first_s - NOW_S <= end_s:
                raise error
        found = [
            order for second, orders in self.orders.items() if first_s <= NOW_S + second <= last_s for order in orders
        ]
        return json.dumps(found[: int(query["limit"])]).encode()


def order(second, contracts=-5, contract="BTC_USDT", **changes):
    known = {"contract": contract, "time": NOW_S + second, "size": -contracts, "order_size": contracts}
    return known | {"order_price": "100", "fill_price": "101", "left": 0} | changes


@pytest.fixture
def history(monkeypatch):
    monkeypatch.setattr(gap_filler, "LOOK_S", 0.01)
    monkeypatch.setattr(gap_filler, "PAUSE_S", 0.0)
    monkeypatch.setattr(gap_filler, "Backoff", lambda **_: Backoff(base_s=0.001, cap_s=0.001, attempts_per_min=9999))
    found = History()
    monkeypatch.setattr(gap_filler.rest, "fetch_bytes", found.fetch)
    return found


@pytest.fixture
def path(tmp_path):
    return tmp_path / "record.sqlite3"


def recorded(path, *spans, symbol="BTCUSDT"):
    """Store recorded coverage, in seconds from now."""
    bulk_insert(path, [], coverage=[Coverage("gate", symbol, NOW_MS + a * 1000, NOW_MS + b * 1000) for a, b in spans])


@asynccontextmanager
async def filling(path, writer, **options):
    sizes = ContractSizes()
    sizes.update({"BTCUSDT": ContractSize(0.1), "ETHUSDT": ContractSize(1.0)})
    known = {"symbols": ("BTCUSDT", "ETHUSDT", "NEWUSDT"), "keep_days": 14.0, "on_filled": lambda: None} | options
    filler = GapFiller(
        GATE,
        writer,
        rest_url="http://h",
        source="gate",
        database=database_of(path),
        sizes=sizes,
        clock=Clock(),
        **known,
    )
    task = asyncio.create_task(filler.run())
    try:
        yield filler
    finally:
        task.cancel()
        await asyncio.wait([task])


def run(scenario):
    """Run a coroutine function; wait for the thread of a look that was cancelled."""
    before = set(threading.enumerate())
    asyncio.run(scenario())
    for thread in set(threading.enumerate()) - before:
        thread.join(10)
        assert not thread.is_alive()


def fill(path, history, done, *, looks=3, **options):
    """Run a filler until ``done()`` holds, and a few looks longer; return its writer."""
    writer = Writer()

    async def scenario():
        async with filling(path, writer, **options):
            await until(done)
            await asyncio.sleep(looks * gap_filler.LOOK_S)

    run(scenario)
    assert history.most_at_once == 1
    return writer


def stored(path):
    found = rows(path, "SELECT ts_ms, symbol, side, qty, received_ms, import_id FROM liq_events ORDER BY ts_ms, symbol")
    assert all(received_ms is None and import_id for *_, received_ms, import_id in found)
    return [((ts_ms - NOW_MS) / 1000, symbol, side, qty) for ts_ms, symbol, side, qty, *_ in found]


def claims(path):
    found = rows(path, "SELECT symbol, start_ms, end_ms FROM coverage WHERE source = 'gate-claimed' ORDER BY start_ms")
    return [(symbol, (a - NOW_MS) / 1000, (b - NOW_MS) / 1000) for symbol, a, b in found]


def gaps(path):
    return coverage_gaps(path, "gate", None, NOW_MS - 86_400_000)


def test_a_first_start_fills_a_day_an_hour_a_request_newest_first(path, history):
    recorded(path, (-100, -10))
    history.orders = {-200: [order(-200, 3)], -80_000: [order(-80_000)], -50: [order(-50)]}
    fill(path, history, lambda: not gaps(path))
    assert stored(path) == [(-80_000, "BTCUSDT", "SELL", 0.5), (-200, "BTCUSDT", "BUY", pytest.approx(0.3))]
    assert [first_s for _, first_s, _ in history.asked] == sorted((a[1] for a in history.asked), reverse=True)
    assert len(history.asked) == 24
    assert {contract for contract, *_ in history.asked} == {"BTC_USDT"}
    assert max(last_s - first_s for _, first_s, last_s in history.asked) == HOUR_S - 1
    assert rows(path, "SELECT file, format, rows FROM imports") == [("Gate history", "back-fill", 2)]


def test_no_further_back_than_rows_are_kept(path, history):
    recorded(path, (-100, -10))
    fill(path, history, lambda: len(history.asked) > 1, keep_days=0.05)
    assert history.asked == [("BTC_USDT", -3700, -101), ("BTC_USDT", -4320, -3701)]


def test_a_gap_that_has_just_ended_waits_until_the_stream_is_stored(path, history):
    recorded(path, (-90_000, -3000), (-2000, -1000), (-5, 0))
    fill(path, history, lambda: history.asked)
    assert history.asked == [("BTC_USDT", -3000, -2001)]


def test_several_symbols_share_a_request(path, history):
    recorded(path, (-90_000, -3000), (-2000, 0))
    recorded(path, (-90_000, -2500), (-1500, 0), symbol="ETHUSDT")
    recorded(path, (-90_000, -2500), (-1500, 0), symbol="NEWUSDT")  # without a contract size
    both = [
        order(-2900),
        order(-2900, 7, "ETH_USDT"),
        order(-1600, contract="ETH_USDT"),
        order(-1600, contract="X_USDT"),
    ]
    history.orders = {-2900: both[:2], -1600: both[2:]}
    fill(path, history, lambda: len(claims(path)) == 2)
    assert history.asked == [(None, -3000, -1501)]
    assert stored(path) == [(-2900, "BTCUSDT", "SELL", 0.5), (-1600, "ETHUSDT", "SELL", 5.0)]
    assert claims(path) == [("BTCUSDT", -3000, -2000), ("ETHUSDT", -2500, -1500)]


def test_what_the_exchange_refuses_is_asked_for_once_and_stays_a_gap(path, history):
    recorded(path, (-90_000, -30_000), (-22_000, 0))
    history.refuse = {(-30_000, -27_000): RestError("too old", reason="http", status=400)}
    history.orders = {-23_000: [order(-23_000)], -29_000: [order(-29_000)]}
    fill(path, history, lambda: len(history.asked) >= 3)
    assert [first_s for _, first_s, _ in history.asked] == [-25_600, -29_200, -30_000]
    assert [span[1:] for span in claims(path)] == [(-25_600, -22_000)]
    assert [second for second, *_ in stored(path)] == [-23_000]
    assert [[(a - NOW_MS, b - NOW_MS) for a, b in spans] for spans in gaps(path).values()] == [
        [(-30_000_000, -25_600_000)]
    ]


def test_after_an_outage_it_goes_on_where_it_was(path, history):
    recorded(path, (-90_000, -30_000), (-25_000, 0))
    history.refuse = {(-30_000, -29_000): RestError("down", reason="http", status=503, retry_after_s=0.02)}
    history.orders = {-29_500: [order(-29_500)]}
    writer = Writer()

    async def scenario():
        async with filling(path, writer):
            await until(lambda: len(history.asked) >= 4)
            history.refuse = {}
            await until(lambda: not gaps(path))

    run(scenario)
    assert [span[1:] for span in claims(path)] == [(-30_000, -28_600), (-28_600, -25_000)]
    assert len(stored(path)) == 1
    # What had been filled was not asked for again.
    assert [first_s for _, first_s, _ in history.asked].count(-28_600) == 1


def test_an_order_that_is_wrong_is_kept_for_inspection_and_its_time_is_not_claimed(path, history):
    recorded(path, (-90_000, -3000), (-2000, 0))
    history.orders = {-2500: [order(-2500, size=-5, order_size=-5), order(-2500), order(-2500)]}
    writer = fill(path, history, lambda: len(stored(path)) == 2)
    assert [second for second, *_ in stored(path)] == [-2500, -2499.999]  # two that are alike
    assert (claims(path), len(history.asked)) == ([], 1)
    assert [(one.source, one.kind) for one in writer.rejected] == [("gate", "bad-side")]
    assert b"order_size" in writer.rejected[0].frame


def test_a_cascade_is_asked_for_in_parts_until_one_second_is_too_much(path, history, monkeypatch):
    monkeypatch.setattr(liq_orders, "MAX_ROWS", 4)
    recorded(path, (-90_000, -3000), (-2992, 0))
    history.orders = {-2999: [order(-2999, -n) for n in (1, 2, 3)], -2997: [order(-2997, -n) for n in range(1, 9)]}
    fill(path, history, lambda: len(history.asked) >= 7)
    assert [span[1:] for span in history.asked] == [
        (-3000, -2993), (-2996, -2993), (-3000, -2997), (-2998, -2997), (-2997, -2997), (-2998, -2998), (-3000, -2999),
    ]  # fmt: skip
    assert [second for second, *_ in stored(path)] == [-2999] * 3 + [-2997] * 4
    # One second has more orders than an answer: what came is stored, and the second stays a gap.
    assert [span[1:] for span in claims(path)] == [(-3000, -2998), (-2998, -2997), (-2996, -2992)]
