"""The REST answers of the demo exchange, without a socket."""

from __future__ import annotations

import json

import pytest

from Heatmap.demo.market import SimulatedMarket
from Heatmap.demo.price_series import DAY_MS, MINUTE_MS
from Heatmap.demo.rest import REACH_MS, RestApi
from Heatmap.demo.wire import WEIGHT_LIMIT
from Heatmap.vocabulary import INTERVALS_MS

NOW = 1_795_003_205_250
OPEN_NOW = NOW - NOW % MINUTE_MS


class FixedClock:
    def __init__(self, now_ms: int) -> None:
        self.ms = now_ms

    def now_ms(self) -> int:
        return self.ms

    def monotonic_s(self) -> float:
        return self.ms / 1_000


@pytest.fixture(scope="module")
def market():
    return SimulatedMarket()


@pytest.fixture
def api(market):
    return RestApi(market, {market.instrument.symbol: market.instrument}, FixedClock(NOW))


def klines(api, **query):
    query = {"symbol": "BTCUSDT", "interval": "1m"} | query
    text = "&".join(f"{key}={value}" for key, value in query.items() if value is not None)
    answer = api.answer(f"/fapi/v1/klines?{text}")
    return answer.status, json.loads(answer.body)


def opens(rows):
    return [row[0] for row in rows]


def test_exchange_info_names_the_tick_size_apart_from_the_precision(api):
    symbol = json.loads(api.answer("/fapi/v1/exchangeInfo").body)["symbols"][0]
    filters = {entry["filterType"]: entry for entry in symbol["filters"]}
    assert (symbol["symbol"], symbol["status"], symbol["pricePrecision"]) == ("BTCUSDT", "TRADING", 2)
    assert filters["PRICE_FILTER"]["tickSize"] == "0.10"
    assert filters["LOT_SIZE"]["stepSize"] == "0.001"


def test_server_time(api):
    assert json.loads(api.answer("/fapi/v1/time").body) == {"serverTime": NOW}


def test_without_times_the_most_recent_candles_come_and_the_last_is_unfinished(api, market):
    status, rows = klines(api, limit=3)
    assert status == 200
    assert opens(rows) == [OPEN_NOW - 2 * MINUTE_MS, OPEN_NOW - MINUTE_MS, OPEN_NOW]
    assert [len(row) for row in rows] == [12, 12, 12]
    assert all(isinstance(row[column], str) for row in rows for column in (1, 2, 3, 4, 5, 7, 9, 10, 11))
    assert rows[0][6] == rows[1][0] - 1
    assert float(rows[-1][4]) == pytest.approx(market.price_at(NOW), abs=1)


def test_the_default_is_500_and_1500_the_most(api):
    assert len(klines(api)[1]) == 500
    assert len(klines(api, limit=1_500)[1]) == 1_500


def test_from_a_start_time_on(api):
    start = OPEN_NOW - 100 * MINUTE_MS + 1
    assert opens(klines(api, startTime=start, limit=2)[1]) == [start - 1 + MINUTE_MS, start - 1 + 2 * MINUTE_MS]


def test_up_to_an_end_time_inclusive(api):
    end = OPEN_NOW - 50 * MINUTE_MS
    assert opens(klines(api, endTime=end, limit=2)[1]) == [end - MINUTE_MS, end]
    assert opens(klines(api, endTime=end - 1, limit=2)[1]) == [end - 2 * MINUTE_MS, end - MINUTE_MS]


def test_a_candle_cut_by_the_end_time_is_whole_if_it_is_over(api, market):
    end = OPEN_NOW - 50 * MINUTE_MS
    row = klines(api, endTime=end + 10_000, limit=1)[1][0]
    whole = market.candles(MINUTE_MS, end, end + MINUTE_MS)[0]
    assert [float(text) for text in row[1:5]] == [whole.open, whole.high, whole.low, whole.close]


def test_between_two_times(api):
    start, end = OPEN_NOW - 100 * MINUTE_MS, OPEN_NOW - 90 * MINUTE_MS
    assert len(klines(api, startTime=start, endTime=end)[1]) == 11
    assert opens(klines(api, startTime=start, endTime=end, limit=3)[1])[-1] == start + 2 * MINUTE_MS


def test_the_future_is_empty(api):
    assert klines(api, startTime=NOW + DAY_MS)[1] == []


def test_in_the_first_millisecond_of_a_candle_it_is_already_there(market):
    assert opens(
        klines(RestApi(market, {market.instrument.symbol: market.instrument}, FixedClock(OPEN_NOW)), limit=2)[1]
    ) == [OPEN_NOW - MINUTE_MS, OPEN_NOW]


def test_history_reaches_back_sixty_days(api):
    rows = klines(api, interval="1d", limit=1_500)[1]
    assert rows[0][0] == NOW - NOW % DAY_MS - REACH_MS
    assert len(rows) == 61


@pytest.mark.parametrize("interval", INTERVALS_MS)
def test_every_interval_is_made_of_the_same_prices(api, market, interval):
    width = INTERVALS_MS[interval]
    row = klines(api, interval=interval, limit=2)[1][0]
    minutes = market.candles(MINUTE_MS, row[0], row[0] + width)
    assert float(row[1]) == minutes[0].open
    assert float(row[2]) == max(candle.high for candle in minutes)
    assert float(row[3]) == min(candle.low for candle in minutes)
    assert float(row[4]) == minutes[-1].close
    assert float(row[5]) == pytest.approx(sum(candle.volume for candle in minutes))


@pytest.mark.parametrize(
    ("query", "body"),
    [
        ({"symbol": "FOOUSDT"}, {"code": -1121, "msg": "Invalid symbol."}),
        ({"symbol": "btcusdt"}, {"code": -1121, "msg": "Invalid symbol."}),
        ({"interval": "1w"}, {"code": -1120, "msg": "Invalid interval."}),
        ({"interval": "7m"}, {"code": -1120, "msg": "Invalid interval."}),
        ({"limit": "1501"}, {"code": -1130, "msg": "Data sent for parameter 'limit' is not valid."}),
        ({"limit": "0"}, {"code": -1130, "msg": "Data sent for parameter 'limit' is not valid."}),
        ({"startTime": "2", "endTime": "1"}, {"code": -1023, "msg": "Start time is greater than end time."}),
    ],
)
def test_bad_parameters_have_the_exchange_s_error_codes(api, query, body):
    assert klines(api, **query) == (400, body)


def test_missing_and_illegal_parameters(api):
    assert klines(api, symbol=None)[1]["code"] == -1102
    assert klines(api, interval=None)[1]["code"] == -1102
    assert klines(api, limit="ten")[1]["code"] == -1100
    assert klines(api, startTime="-5")[1]["code"] == -1100


@pytest.mark.parametrize("path", ["/fapi/v1/allForceOrders?symbol=BTCUSDT", "/", "/fapi/v1/klines/", "/api/v3/klines"])
def test_what_does_not_exist_is_404(api, path):
    assert api.answer(path).status == 404


def test_the_weight_is_counted_by_the_minute_and_its_limit_is_enforced(market):
    clock = FixedClock(OPEN_NOW + 1_000)
    api = RestApi(market, {market.instrument.symbol: market.instrument}, clock)
    assert api.answer("/fapi/v1/time").headers["X-MBX-USED-WEIGHT-1M"] == "1"
    wanted = "/fapi/v1/klines?symbol=BTCUSDT&interval=1m&limit={}"
    assert api.answer(wanted.format(99)).headers["X-MBX-USED-WEIGHT-1M"] == "2"
    assert api.answer(wanted.format(499)).headers["X-MBX-USED-WEIGHT-1M"] == "4"
    assert api.answer(wanted.format(1_000)).headers["X-MBX-USED-WEIGHT-1M"] == "9"
    assert api.answer(wanted.format(1_500)).headers["X-MBX-USED-WEIGHT-1M"] == "19"
    for _ in range(WEIGHT_LIMIT - 19):
        assert api.answer("/fapi/v1/ping").status == 200
    refused = api.answer("/fapi/v1/ping")
    assert (refused.status, json.loads(refused.body)["code"], refused.headers["Retry-After"]) == (429, -1003, "59")
    clock.ms += 59_000
    assert api.answer("/fapi/v1/ping").headers["X-MBX-USED-WEIGHT-1M"] == "1"
