"""Bybit's frames: whose position, how many coins, how many dollars; and the protocol of a connection."""

from __future__ import annotations

import asyncio
import contextlib
import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from Heatmap.errors import FeedError, FrameError, SettingsError
from Heatmap.events import Side, Source
from Heatmap.ingestion import rest
from Heatmap.ingestion.bybit import candles, endpoints, instruments
from Heatmap.ingestion.bybit.session import SYMBOLS_PER_REQUEST, BybitSession, closing_side
from Heatmap.ingestion.bybit.venue import BYBIT
from Heatmap.ingestion.contracts import ContractSize, ContractSizes
from Heatmap.ingestion.tick_refresher import fetch_instruments
from Heatmap.ingestion.venue import MarketHeartbeat

T = 1_791_565_600_992
RECORDED = (  # October 2026
    '{"topic":"allLiquidation.BTCUSDT","type":"snapshot","ts":1791565601482,"data":[{"T":1791565600992,"s":"BTCUSDT",'
    '"S":"Buy","v":"0.006","p":"82396.90"},{"T":1791565601058,"s":"BTCUSDT","S":"Buy","v":"0.038","p":"82394.30"}]}'
)
TICKER = (
    '{"topic":"tickers.BTCUSDT","type":"delta","data":{"symbol":"BTCUSDT","bid1Price":"79114.50","bid1Size":"1.496"},'
    '"cs":793092205004,"ts":1787590405983}'
)


def session(*symbols, **options) -> BybitSession:
    return BybitSession("ws://127.0.0.1:1", symbols or ("BTCUSDT",), source=Source.BYBIT, **options)


def row(**changes) -> dict:
    return {"T": T, "s": "BTCUSDT", "S": "Buy", "v": "0.006", "p": "82396.90"} | changes


def frame(*rows, topic="allLiquidation.BTCUSDT", **changes) -> bytes:
    return json.dumps({"topic": topic, "type": "snapshot", "ts": T + 490, "data": list(rows)} | changes).encode()


def one(data: bytes, **options):
    content = session(**options).receive(data, T + 600)
    assert not content.faults
    [event] = content.events
    return event


def asked(running: BybitSession) -> dict:
    return json.loads(running.next_request(0.0))


def answer(running: BybitSession, request: dict, *, success=True, message=""):
    reply = {"success": success, "ret_msg": message, "conn_id": "c", "req_id": request["req_id"], "op": "subscribe"}
    return running.receive(json.dumps(reply).encode(), T).refusal


def subscribed(*symbols, **options) -> BybitSession:
    running = session(*symbols, **options)
    while not running.is_subscribed:
        answer(running, asked(running))
    return running


# -- liquidations ----------------------------------------------------------------------------------------------------


def test_the_recorded_frame_is_two_liquidated_longs_of_494_and_3131_dollars():
    content = session(keep_raw=True).receive(RECORDED.encode(), T + 600)
    assert not content.faults
    assert [(event.symbol, event.side, event.is_long, event.ts_ms - T) for event in content.events] == [
        ("BTCUSDT", Side.SELL, True, 0), ("BTCUSDT", Side.SELL, True, 66),
    ]  # fmt: skip
    assert [round(event.notional, 2) for event in content.events] == [494.38, 3130.98]
    first = content.events[0]
    assert (first.price, first.order_price, first.qty, first.order_qty) == (82_396.9, 82_396.9, 0.006, 0.006)
    assert (first.source, first.event_ms, first.received_ms) == ("bybit", T + 490, T + 600)
    assert first.raw_json == RECORDED
    assert not Source.BYBIT.reports_fills


def test_the_recorded_longs_are_the_opposite_of_the_order_s_word():
    sides = {part["S"] for part in json.loads(RECORDED)["data"]}
    assert sides == {"Buy"}
    assert closing_side("Buy") is Side.SELL
    assert closing_side("Sell") is Side.BUY
    assert [closing_side(word) for word in ("", "buy", "SELL", "Long", "None")] == [None] * 5


@pytest.mark.parametrize(
    ("side", "price", "qty", "usd", "is_long"),
    [
        ("Buy", "82396.90", "0.006", 494.3814, True), ("Sell", "82396.90", "0.006", 494.3814, False),
        ("Buy", "0.00001234", "25000000", 308.5, True), ("Sell", "4012.5", "0.01", 40.125, False),
        ("Buy", "100000", "12.345", 1_234_500.0, True), ("Sell", "1.5", "1e3", 1500.0, False),
        ("Buy", 82396.9, 0.006, 494.3814, True),  # numbers instead of strings
    ],
)  # fmt: skip
def test_position_coins_and_dollars(side, price, qty, usd, is_long):
    event = one(frame(row(S=side, p=price, v=qty)))
    assert event.is_long is is_long
    assert event.qty == float(qty)
    assert event.notional == pytest.approx(usd, rel=1e-12)


@pytest.mark.parametrize("count", [0, 1, 2, 7, 500])
def test_every_liquidation_of_a_batch_counts_in_order(count):
    rows = [row(T=T + number, S=("Buy", "Sell")[number % 2], v=str(number + 1)) for number in range(count)]
    content = session().receive(frame(*rows), T + 600)
    assert [(event.ts_ms - T, event.qty, event.is_long) for event in content.events] == [
        (number, number + 1.0, number % 2 == 0) for number in range(count)
    ]


@pytest.mark.parametrize(
    "extra",
    [
        {"cs": 1},
        {"type": "delta"},
        {"cts": T},
        {"note": {"deep": [1, {"er": None}]}},
        {"op": "subscribe"},
        {"ts": None},
    ],
)
def test_unknown_keys_change_nothing(extra):
    event = one(frame(row(extra=[1, 2], L="PlusTick"), **extra))
    assert (event.side, event.notional) == (Side.SELL, pytest.approx(494.3814))


@pytest.mark.parametrize(
    "symbol",
    ["BTCPERP", "BTCUSD", "BTCUSDT-25DEC26", "BTC-USDT", "btcusdt", "BTCUSDC", "USDT", "", "BTCUSDT.X", "BTC_USDT"],
)
def test_what_only_looks_alike_is_left_out(symbol):
    content = session().receive(frame(row(s=symbol), topic=f"allLiquidation.{symbol}"), T)
    assert (list(content.events), list(content.faults)) == ([], [])


@pytest.mark.parametrize("topic", ["liquidation.BTCUSDT", "allLiquidations.BTCUSDT", "publicTrade.BTCUSDT", "all", ""])
def test_other_topics_are_left_out(topic):
    content = session().receive(frame(row(), topic=topic), T)
    assert (list(content.events), list(content.faults), content.refusal) == ([], [], None)


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({"p": "0"}, "bad-price"), ({"p": "-1"}, "bad-price"), ({"p": "inf"}, "bad-price"), ({"p": ""}, "bad-shape"),
        ({"p": None}, "bad-shape"), ({"v": "0"}, "bad-qty"), ({"v": "-3"}, "bad-qty"), ({"v": "nan"}, "bad-qty"),
        ({"v": "1,5"}, "bad-shape"), ({"v": "1e29", "p": "1e29"}, "bad-qty"), ({"v": []}, "bad-shape"),
        ({"T": 1_791_565_600}, "bad-time"), ({"T": 0}, "bad-time"), ({"T": "soon"}, "bad-shape"),
        ({"S": "BUY"}, "bad-side"), ({"S": "long"}, "bad-side"), ({"S": ""}, "bad-side"), ({"S": 1}, "bad-shape"),
        ({"s": "ETHUSDT"}, "bad-symbol"), ({"s": "btcusdt"}, "bad-symbol"), ({"s": None}, "bad-shape"),
    ],
)  # fmt: skip
def test_a_wrong_part_takes_none_of_the_others_with_it(changes, kind):
    content = session().receive(frame(row(v="1"), row(**changes), row(v="2")), T)
    assert [event.qty for event in content.events] == [1.0, 2.0]
    [fault] = content.faults
    assert fault.kind == kind
    assert len(fault.excerpt) <= 200


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"", "bad-json"), (b"\xff\xfe", "bad-json"), (b"{", "bad-json"), (b'{"data":' + b"[" * 9000, "bad-json"),
        (b"[]", "bad-shape"), (b"17", "bad-shape"), (b'{"topic":5}', "bad-shape"),
        (b'{"topic":"allLiquidation.BTCUSDT"}', "bad-shape"), (frame(row(), data={"T": 1}), "bad-shape"),
        (frame(row(), data=None), "bad-shape"), (frame(row(), ts="soon"), "bad-shape"),
        (frame(row(), ts=5), "bad-time"),
    ],
)  # fmt: skip
def test_a_frame_that_is_none_is_refused_as_a_whole(data, kind):
    with pytest.raises(FrameError) as caught:
        session().receive(data, T)
    assert caught.value.kind == kind


# -- heartbeats and the protocol -------------------------------------------------------------------------------------


def test_tickers_are_heartbeats_once_their_symbol_is_acknowledged():
    running = session()
    assert not running.receive(TICKER.encode(), T).heartbeats
    answer(running, asked(running))
    assert running.receive(TICKER.encode(), T).heartbeats == (MarketHeartbeat("BTCUSDT", 1_787_590_405_983),)


@pytest.mark.parametrize(
    "change", [{"ts": None}, {"ts": 5}, {"data": None}, {"data": []}, {"data": {}}, {"data": {"symbol": "ETHUSDT"}}]
)
def test_a_ticker_that_cannot_be_is_refused(change):
    with pytest.raises(FrameError):
        subscribed().receive(json.dumps(json.loads(TICKER) | change).encode(), T)


def test_a_connection_subscribes_to_both_topics_of_a_symbol_and_waits_for_every_answer():
    running = session(*[f"C{number:03}USDT" for number in range(SYMBOLS_PER_REQUEST + 10)])
    assert running.url == "ws://127.0.0.1:1/v5/public/linear"
    first, second = asked(running), asked(running)
    assert running.next_request(0.0) is None
    assert first["op"] == "subscribe"
    assert first["args"][:3] == ["allLiquidation.C000USDT", "tickers.C000USDT", "allLiquidation.C001USDT"]
    assert (len(first["args"]), len(second["args"])) == (2 * SYMBOLS_PER_REQUEST, 20)
    assert len(json.dumps(first)) < 21_000
    answer(running, first)
    assert not running.is_subscribed
    assert running.overdue(9.9) is None
    assert running.overdue(10.0).reason == "unacknowledged"
    answer(running, second)
    assert running.is_subscribed
    assert running.overdue(99.0) is None


def test_an_answer_without_an_id_belongs_to_the_oldest_request():
    running = session()
    asked(running)
    assert running.receive(b'{"success":true,"ret_msg":"","conn_id":"c","op":"subscribe"}', T).refusal is None
    assert running.is_subscribed


def test_an_unknown_symbol_is_left_out_and_the_others_go_on():
    running = session("BTCUSDT", "ETHUSDT", "NOPEUSDT")
    request = asked(running)
    assert answer(running, request, success=False, message="error:handler not found,topic:tickers.NOPEUSDT") is None
    again = asked(running)
    assert {topic.partition(".")[2] for topic in again["args"]} == {"BTCUSDT", "ETHUSDT"}
    assert answer(running, again) is None
    assert running.is_subscribed
    assert running.receive(TICKER.encode(), T).heartbeats


def test_a_refusal_that_names_no_topic_is_found_by_halves():
    running = session("AUSDT", "BUSDT", "CUSDT", "DUSDT", "NOPEUSDT")
    failures = []
    while not running.is_subscribed:
        request = asked(running)
        is_known = not any("NOPE" in topic for topic in request["args"])
        failures.append(answer(running, request, success=is_known, message="" if is_known else "Params Error"))
    assert set(failures) == {None}
    for symbol in ("AUSDT", "BUSDT", "CUSDT", "DUSDT", "NOPEUSDT"):
        ticker = {"topic": f"tickers.{symbol}", "ts": T, "data": {"symbol": symbol}}
        beats = running.receive(json.dumps(ticker).encode(), T).heartbeats
        assert [beat.symbol for beat in beats] == ([] if symbol == "NOPEUSDT" else [symbol])


def test_a_topic_that_is_gone_for_every_symbol_makes_the_connection_useless():
    running = session("BTCUSDT", "ETHUSDT")
    failure = None
    while failure is None:
        request = asked(running)
        message = f"error:handler not found,topic:{request['args'][0]}"
        failure = answer(running, request, success=False, message=message)
    assert failure.reason == "refused-subscription"
    assert "handler not found" in failure.detail


def test_a_topic_that_is_already_subscribed_is_as_good_as_accepted():
    running = session()
    message = "error:already subscribed,topic:allLiquidation.BTCUSDT"
    assert answer(running, asked(running), success=False, message=message) is None
    assert running.receive(TICKER.encode(), T).heartbeats


@pytest.mark.parametrize(
    "data",
    [
        b'{"success":true,"ret_msg":"pong","conn_id":"c","op":"ping"}', b'{"args":["1700000000000"],"op":"pong"}',
        b'{"success":false,"ret_msg":"error:handler not found,topic:x","op":"subscribe"}', b'{"unknown":1}',
    ],
)  # fmt: skip
def test_answers_to_nothing_of_ours_change_nothing(data):
    content = subscribed().receive(data, T)
    assert (list(content.events), list(content.heartbeats), content.refusal) == ([], [], None)


def test_pings_are_those_of_bybit():
    assert json.loads(BYBIT.policy.keep_alive) == {"op": "ping"}
    assert BYBIT.policy.keep_alive_s == 20.0


# -- any input -------------------------------------------------------------------------------------------------------


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300) | st.text(max_size=200).map(lambda text: text.encode("utf-8", "ignore")))
def test_bytes_raise_nothing_but_the_decoders_error(data):
    with contextlib.suppress(FrameError):
        session().receive(data, T)
    with contextlib.suppress(FrameError):
        candles.decode_update(data)
    with contextlib.suppress(FrameError):
        candles.decode_history(data, T)
    with contextlib.suppress(FeedError):
        instruments.decode(data)


_NUMBERS = st.floats(allow_nan=False, allow_infinity=False)  # JSON has no others
_VALUES = st.none() | st.booleans() | _NUMBERS | st.integers() | st.text(max_size=12) | st.just([]) | st.just({})


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(st.sampled_from(["T", "s", "S", "v", "p", "x"]), _VALUES))
def test_any_values_in_a_liquidation_are_an_event_or_a_fault(changes):
    content = session().receive(frame(row(**changes)), T)
    assert len(content.events) + len(content.faults) == 1


@settings(max_examples=100, deadline=None)
@given(
    st.sampled_from(["topic", "ts", "data", "op", "success", "ret_msg", "req_id"]),
    st.recursive(_VALUES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner)),
    st.sampled_from([RECORDED, TICKER, '{"success":false,"ret_msg":"x","req_id":"1","op":"subscribe"}']),
)
def test_damaged_frames_raise_nothing_but_the_decoders_error(key, value, text):
    running = session("BTCUSDT", "ETHUSDT")
    asked(running)
    with contextlib.suppress(FrameError):
        running.receive(json.dumps(json.loads(text) | {key: value}).encode(), T)


@given(
    st.sampled_from(["Buy", "Sell"]), st.decimals("0.001", "1000000", places=3), st.decimals("0.1", "200000", places=2)
)
def test_what_is_written_is_what_is_read(position, coins, price):
    event = one(frame(row(S=position, v=str(coins), p=str(price))))
    assert event.is_long is (position == "Buy")
    assert (event.qty, event.price) == (float(coins), float(price))
    assert event.notional == pytest.approx(float(coins * price), rel=1e-12)


# -- symbols, instruments, candles -----------------------------------------------------------------------------------


def test_symbols_and_addresses():
    assert endpoints.normalise_symbol(" 1000pepeusdt ") == "1000PEPEUSDT"
    for wrong in ("BTCUSD", "BTCPERP", "USDT", "", "BTC USDT", "BTC_USDT", "BTCUSDT-25DEC26"):
        with pytest.raises(SettingsError):
            endpoints.normalise_symbol(wrong)
    assert endpoints.base_urls(None, None) == ("wss://stream.bybit.com", "https://api.bybit.com")
    assert endpoints.base_urls("ws://h:1/v5/public/linear", "http://h:2/v5/market") == ("ws://h:1", "http://h:2")
    with pytest.raises(SettingsError):
        endpoints.base_urls("http://h:1", None)


def contract(symbol="BTCUSDT", **changes) -> dict:
    usual = {"contractType": "LinearPerpetual", "settleCoin": "USDT", "priceFilter": {"tickSize": "0.10"}}
    return {"symbol": symbol, "status": "Trading"} | usual | changes


def listing(*contracts, cursor="", **changes) -> str:
    return json.dumps(
        {"retCode": 0, "retMsg": "OK", "result": {"list": list(contracts), "nextPageCursor": cursor}} | changes
    )


def test_ticks_come_from_the_list_of_linear_usdt_perpetuals():
    listed = instruments.decode(
        listing(
            contract(), contract("1000PEPEUSDT", priceFilter={"tickSize": "0.0000001"}),
            contract("BTCPERP", settleCoin="USDC"), contract("BTCUSDT-25DEC26", contractType="LinearFutures"),
            contract("ODDUSDT", priceFilter={}), contract("ZEROUSDT", priceFilter={"tickSize": "0"}),
            cursor="first%3DBTC%26x",
        )
    )  # fmt: skip
    assert listed.tick_sizes == {"BTCUSDT": 0.1, "1000PEPEUSDT": 1e-7}
    assert listed.broken == {"ODDUSDT", "ZEROUSDT"}
    assert listed.contract_sizes["BTCUSDT"] == ContractSize(1.0)  # sizes are in coins
    assert listed.more == "&cursor=first%253DBTC%2526x"
    both = listed.with_page(instruments.decode(listing(contract("ETHUSDT"))))
    assert set(both.tick_sizes) == {"BTCUSDT", "1000PEPEUSDT", "ETHUSDT"}
    assert both.more == ""


@pytest.mark.parametrize(
    "body", ["", "[]", '{"retCode":0}', '{"retCode":10001,"result":{}}', listing(contract(), retCode=10_006)]
)
def test_a_list_that_is_none_is_refused(body):
    with pytest.raises(FeedError):
        instruments.decode(body)


def test_a_list_of_many_pages_is_one_and_ends_with_an_empty_page(monkeypatch):
    pages = {
        "&limit=1000": listing(contract(), cursor="2"), "cursor=2": listing(contract("ETHUSDT"), cursor="3"),
        "cursor=3": listing(),
    }  # fmt: skip

    async def fetch_bytes(url, **_options):
        return next(body for end, body in pages.items() if url.endswith(end)).encode()

    monkeypatch.setattr(rest, "fetch_bytes", fetch_bytes)
    venue = replace(BYBIT, policy=replace(BYBIT.policy, request_pause_s=0.0))
    assert set(asyncio.run(fetch_instruments(venue, "http://h:2")).tick_sizes) == {"BTCUSDT", "ETHUSDT"}
    pages["&limit=1000"] = listing()
    with pytest.raises(FeedError, match="none"):
        asyncio.run(fetch_instruments(venue, "http://h:2"))


def test_for_all_symbols_those_listed_are_asked_for_by_name():
    sizes = ContractSizes()
    sizes.update(instruments.decode(listing(contract(), contract("ETHUSDT"))).contract_sizes)
    running = BybitSession("ws://h:1", None, source="bybit", sizes=sizes)
    assert [topic for topic in asked(running)["args"] if topic.startswith("allL")] == [
        "allLiquidation.BTCUSDT", "allLiquidation.ETHUSDT",
    ]  # fmt: skip
    assert not BYBIT.has_stream_of_all


def test_candles_are_read_from_the_stream_and_from_history():
    url, messages = candles.stream("ws://h:1", "BTCUSDT", "1h")
    assert url == "ws://h:1/v5/public/linear"
    assert json.loads(messages[0]) == {"op": "subscribe", "args": ["kline.60.BTCUSDT"]}
    begin = T // 300_000 * 300_000
    k = {"start": begin, "end": begin + 299_999, "interval": "5", "open": "2", "close": "3", "high": "4", "low": "1",
         "volume": "5", "turnover": "10", "confirm": True, "timestamp": T}  # fmt: skip
    update = candles.decode_update(json.dumps({"topic": "kline.5.BTCUSDT", "data": [k], "ts": T, "type": "snapshot"}))
    assert (update.symbol, update.interval, update.candle.volume, update.candle.closed) == ("BTCUSDT", "5m", 5.0, True)
    assert candles.decode_update('{"success":true,"op":"subscribe"}') is None
    rows = [[str(begin + 300_000), "3", "4", "1", "3", "1", "9"], [str(begin), "2", "4", "1", "3", "5", "10"]]
    body = json.dumps({"retCode": 0, "retMsg": "OK", "result": {"symbol": "BTCUSDT", "list": rows}}).encode()
    found = candles.decode_history(body, begin + 300_001)
    assert [(candle.open_ms - begin, candle.closed) for candle in found] == [(0, True), (300_000, False)]
    assert candles.history_url("http://h:2", "BTCUSDT", "1d", (1000, 5000, 10)) == (
        "http://h:2/v5/market/kline?category=linear&symbol=BTCUSDT&interval=D&start=1000&end=5000&limit=10"
    )
    assert candles.history_url("http://h:2", "BTCUSDT", "1m", None).endswith("interval=1&limit=1")


@pytest.mark.parametrize(
    "body",
    [
        b"", b"[]", b"\xff", b'{"retCode":10001,"retMsg":"params error: symbol invalid","result":{}}',
        b'{"retCode":0,"result":{"list":[["1"]]}}', b'{"retCode":0,"result":{"list":[["1","2","1","2","2","2","2"]]}}',
    ],
)  # fmt: skip
def test_candles_that_cannot_be_are_refused(body):
    with pytest.raises(FrameError):
        candles.decode_history(body, T)


def test_candles_of_an_unknown_symbol_are_told_apart():
    with pytest.raises(FrameError) as caught:
        candles.decode_history(b'{"retCode":10001,"retMsg":"params error: symbol invalid","result":{}}', T)
    assert caught.value.kind == "unknown-symbol"


def test_a_length_that_bybit_does_not_have_is_said():
    with pytest.raises(SettingsError, match="8h"):
        candles.stream("ws://h:1", "BTCUSDT", "8h")
