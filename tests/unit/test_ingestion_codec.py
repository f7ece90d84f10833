"""The codec on synthetic frames of the exchange's shape, and on recorded ones where they are present."""

from __future__ import annotations

import json

import pytest
from support.frames import encode

from Heatmap.candle import Candle
from Heatmap.errors import FrameError
from Heatmap.events import LiquidationEvent, Side
from Heatmap.ingestion.binance import kline
from Heatmap.ingestion.binance.forceorder import ControlReply, Ignored, decode, is_coin_margined
from Heatmap.ingestion.venue import MarketHeartbeat

T = 1_791_565_602_120


def order(**changes):
    fields = {
        "s": "BTCUSDT", "S": "SELL", "o": "LIMIT", "f": "IOC", "q": "0.190", "p": "82338.30", "ap": "82651.90",
        "X": "FILLED", "l": "0.155", "z": "0.180", "T": T, "ps": "BTCUSDT", "st": 1,
    }  # fmt: skip
    fields.update(changes)
    return {key: value for key, value in fields.items() if value is not None}


def frame(payload_changes=None, *, combined=False, **order_changes):
    payload = {"e": "forceOrder", "E": T + 935, "o": order(**order_changes), **(payload_changes or {})}
    return json.dumps({"stream": "btcusdt@forceOrder", "data": payload} if combined else payload)


def kind_of(data):
    with pytest.raises(FrameError) as caught:
        decode(data)
    assert caught.value.excerpt == (data if isinstance(data, str) else data.decode("utf-8", "replace"))[:200]
    return caught.value.kind


@pytest.mark.parametrize("combined", [False, True])
def test_price_is_the_fill_size_is_the_fill_and_time_is_the_trade(combined):
    assert decode(frame(combined=combined), received_ms=T + 1000) == LiquidationEvent(
        ts_ms=T,
        symbol="BTCUSDT",
        side=Side.SELL,
        price=82651.90,
        qty=0.180,
        notional=82651.90 * 0.180,
        source="binance",
        order_price=82338.30,
        order_qty=0.190,
        event_ms=T + 935,
        received_ms=T + 1000,
    )


def test_sell_is_a_liquidated_long_and_buy_a_short():
    assert decode(frame(S="SELL")).side.liquidates_long
    assert not decode(frame(S="BUY")).side.liquidates_long


@pytest.mark.parametrize("missing", [None, "0", "0.0"])
def test_without_an_average_price_the_order_price_is_taken(missing):
    event = decode(frame(ap=missing))
    assert event.price == event.order_price == 82338.30


def test_without_a_filled_quantity_the_original_is_taken():
    assert decode(frame(z=None)).qty == 0.190


def test_nothing_filled_is_no_liquidation():
    assert decode(frame(z="0")) == Ignored("nothing-filled")


@pytest.mark.parametrize("place", ["order", "payload"])
def test_coin_margined_contracts_are_left_out_wherever_they_say_so(place):
    data = frame(st=2) if place == "order" else frame({"st": 2}, st=None)
    assert decode(data) == Ignored("coin-margined")


def test_unknown_keys_and_a_missing_push_time_are_tolerated():
    event = decode(frame({"new": [1, {"deep": None}], "E": None}, brandnew="x"))
    assert event.ts_ms == T
    assert event.event_ms is None


def test_the_frame_is_kept_only_if_asked():
    data = frame()
    assert decode(data).raw_json is None
    assert decode(data.encode(), keep_raw=True).raw_json == data


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        ("bad-side", {"S": "LONG"}),
        ("bad-side", {"S": ""}),
        ("bad-symbol", {"s": ""}),
        ("bad-symbol", {"s": "btcusdt"}),
        ("bad-symbol", {"s": "BTC USDT"}),
        ("bad-symbol", {"s": "X" * 41}),
        ("bad-time", {"T": 0}),
        ("bad-time", {"T": T // 1000}),
        ("bad-time", {"T": T * 1000}),
        ("bad-time", {"T": -T}),
        ("bad-price", {"ap": "-1"}),
        ("bad-price", {"ap": "nan"}),
        ("bad-price", {"ap": "inf"}),
        ("bad-price", {"ap": None, "p": None}),
        ("bad-price", {"p": "-5"}),
        ("bad-qty", {"z": "-0.1"}),
        ("bad-qty", {"z": None, "q": None}),
        ("bad-qty", {"z": "1e308"}),  # the notional would be infinite
        ("bad-shape", {"ap": "1_000"}),
        ("bad-shape", {"ap": " 1"}),
        ("bad-shape", {"ap": "0x10"}),
        ("bad-shape", {"ap": ""}),
        ("bad-shape", {"ap": True}),
        ("bad-shape", {"ap": [1]}),
        ("bad-shape", {"T": "yesterday"}),
        ("bad-shape", {"S": None}),
    ],
)
def test_what_the_map_depends_on_is_strict(kind, changes):
    assert kind_of(frame(**changes)) == kind
    assert kind_of(frame(combined=True, **changes)) == kind


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        ("bad-json", ""),
        ("bad-json", "garbage"),
        ("bad-json", '{"e":"forceOrder"'),
        ("bad-json", '{"e":"forceOrder"} {}'),
        ("bad-json", b"\xff\xfe"),
        ("bad-json", b'{"e":"\xff"}'),
        ("bad-json", "\ud800"),
        ("bad-json", '{"a":' * 10_000),
        ("bad-shape", "[]"),
        ("bad-shape", "null"),
        ("bad-shape", "7"),
        ("bad-shape", '{"e":"forceOrder"}'),
        ("bad-shape", '{"e":"forceOrder","o":[]}'),
        ("too-large", "x" * 524_289),
    ],
)
def test_what_is_no_frame_says_what_it_is(kind, data):
    assert kind_of(data) == kind


def test_a_mark_price_is_a_heartbeat():
    payload = {"e": "markPriceUpdate", "E": T, "s": "BTCUSDT", "p": "64991.37858696", "P": "1", "T": 5, "st": 1}
    assert decode(json.dumps({"stream": "x", "data": payload})) == MarketHeartbeat("BTCUSDT", T)
    assert kind_of(json.dumps({**payload, "p": "0"})) == "bad-price"
    assert kind_of(json.dumps({**payload, "E": None})) == "bad-shape"
    assert decode(json.dumps({**payload, "st": 2})) == Ignored("coin-margined")


def test_control_replies_are_neither_data_nor_faults():
    assert decode('{"result":null,"id":1}') == ControlReply(1, None, "")
    assert decode('{"code":3,"msg":"Invalid JSON"}') == ControlReply(None, 3, "Invalid JSON")
    assert decode('{"error":{"code":2,"msg":"no"},"id":"a"}') == ControlReply("a", 2, "no")


def test_other_messages_are_ignored_by_their_name():
    assert decode('{"e":"serverShutdown","E":1}') == Ignored("serverShutdown")
    assert decode('{"event":{"e":"serverShutdown","E":1770123456789}}') == Ignored("serverShutdown")
    # Its `o` is a price, not an order: a stranger's shape is no damage.
    assert decode('{"e":"24hrTicker","s":"BTCUSDT","o":"1.5"}') == Ignored("24hrTicker")
    assert decode("{}") == Ignored("unknown")
    assert decode('{"stream":"x","data":[1,2]}') == Ignored("unknown")


def test_numbers_are_spelled_as_the_exchange_does():
    event = decode(frame(ap="0.00001234", z="120000000000000000000000"))
    payload = json.loads(encode(event))
    assert payload["o"]["ap"] == "0.00001234"
    assert payload["o"]["z"] == "120000000000000000000000"
    assert json.loads(encode(event, combined=True))["stream"] == "btcusdt@forceOrder"


def test_recorded_frames_decode(recorded):
    lines = (recorded / "forceorder_frames.jsonl").read_text(encoding="utf-8").splitlines()
    decoded = [decode(line) for line in lines]
    # The 2020 COIN-M frame has no `st`; the collector drops it because nobody asked for its symbol.
    assert all(isinstance(event, LiquidationEvent) for event in decoded)
    assert [event.symbol for event in decoded][-1] == "BTCUSDT"
    order = json.loads(lines[0])["o"]
    assert (decoded[0].price, decoded[0].qty) == (float(order["ap"]), float(order["z"]))
    assert "牛来USDT" in {event.symbol for event in decoded}


def test_other_recorded_frames_are_told_apart(recorded):
    lines = (recorded / "other_frames.jsonl").read_text(encoding="utf-8").splitlines()
    kinds = [type(decode(line)) for line in lines]
    assert kinds == [Ignored, Ignored, MarketHeartbeat, Ignored, ControlReply, ControlReply, ControlReply]


def test_the_recorded_liquidations_are_all_read_with_their_fields(recorded):
    path = recorded / "btcusdt_liquidations_recorded.jsonl"
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    for line in lines:
        event, o = decode(json.dumps(line)), line["o"]
        assert (event.ts_ms, event.side, event.qty) == (o["T"], o["S"], float(o["z"]))
        assert event.price == float(o.get("ap") or o["p"])
    assert len(lines) > 20


KLINE = {
    "e": "kline", "E": 1_786_173_360_960, "s": "BTCUSDT",
    "k": {
        "t": 1_786_173_300_000, "T": 1_786_173_359_999, "s": "BTCUSDT", "i": "1m", "o": "64970.80", "c": "64969.40",
        "h": "64970.90", "l": "64969.40", "v": "9.090", "n": 194, "x": True,
    },
}  # fmt: skip


@pytest.mark.parametrize("combined", [False, True])
def test_a_kline_message_becomes_a_candle(combined):
    data = json.dumps({"stream": "btcusdt@kline_1m", "data": KLINE} if combined else KLINE)
    update = kline.decode_update(data)
    assert (update.symbol, update.interval) == ("BTCUSDT", "1m")
    assert update.candle == Candle(
        1_786_173_300_000, 64970.8, 64970.9, 64969.4, 64969.4, 9.09, 1_786_173_359_999, closed=True
    )


def test_other_messages_are_no_candle():
    assert kline.decode_update('{"result":null,"id":1}') is None
    assert kline.decode_update(frame()) is None


@pytest.mark.parametrize(
    "changes",
    [{"h": "1"}, {"l": "70000"}, {"o": "nan"}, {"v": "-1"}, {"T": 5}, {"x": "perhaps"}, {"c": None}],
)
def test_a_candle_that_cannot_be_is_refused(changes):
    with pytest.raises(FrameError) as caught:
        kline.decode_update(json.dumps({**KLINE, "k": {**KLINE["k"], **changes}}))
    assert caught.value.kind == "bad-kline"


@pytest.mark.parametrize("data", [b"\xff", "[]", "x", '{"data":5}'])
def test_a_message_that_is_no_object_is_refused(data):
    with pytest.raises(FrameError):
        kline.decode_update(data)


def test_rest_rows_tell_which_candle_is_unfinished():
    row = [60_000, "2.0", "3.0", "1.0", "2.5", "7", 119_999, "0", 1, "0", "0", "0"]
    last = [120_000, "2.5", "2.5", "2.5", "2.5", "0", 179_999, "0", 1, "0", "0", "0"]
    candles = kline.decode_history(json.dumps([row, last]).encode(), 150_000)
    assert candles[0] == Candle(60_000, 2.0, 3.0, 1.0, 2.5, 7.0, 119_999, closed=True)
    assert [candle.closed for candle in candles] == [True, False]


@pytest.mark.parametrize("rows", [{"code": -1121}, [[1, 2]], [["x"] * 12], [[1, "1", "1", "2", "1", "1", 2]], [None]])
def test_rest_rows_that_are_none_are_refused(rows):
    with pytest.raises(FrameError):
        kline.decode_history(json.dumps(rows).encode(), 0)


def test_mark_prices_of_all_symbols_in_one_message():
    beats = [
        {"e": "markPriceUpdate", "E": T, "s": "BTCUSDT", "p": "85000.1", "st": 1},
        {"e": "markPriceUpdate", "E": T, "s": "BTCUSD_PERP", "p": "85000.1", "st": 2},
        {"e": "markPriceUpdate", "E": T, "s": "币安人生USDT", "p": "0.1"},
        {"e": "markPriceUpdate", "E": T, "s": "BADUSDT", "p": "-1"},
    ]
    said = decode(json.dumps({"stream": "!markPrice@arr@1s", "data": beats}))
    assert [(beat.symbol, beat.event_ms) for beat in said.beats] == [
        ("BTCUSDT", T),
        ("币安人生USDT", T),
    ]
    with pytest.raises(FrameError, match="above 0"):
        decode(json.dumps({"stream": "!markPrice@arr@1s", "data": beats[3:]}))


@pytest.mark.parametrize(
    ("symbol", "is_coin"),
    [("BTCUSD_PERP", True), ("ETHUSD_260327", True), ("BTCUSDT", False), ("BTCUSDT_260327", False), ("BTCUSDC", False)],
)
def test_a_coin_margined_symbol_is_known_by_its_name(symbol, is_coin):
    assert is_coin_margined(symbol) is is_coin
