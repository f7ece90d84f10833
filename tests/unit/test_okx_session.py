"""OKX's frames: whose position, how many coins, how many dollars; and the protocol of a connection."""

from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from Heatmap.errors import FrameError, SettingsError
from Heatmap.events import Side, Source
from Heatmap.ingestion.contracts import ContractSize, ContractSizes
from Heatmap.ingestion.okx import candles, endpoints, instruments
from Heatmap.ingestion.okx.session import OkxSession, closing_side
from Heatmap.ingestion.venue import MarketHeartbeat

T = 1_791_565_600_771
RECORDED = (  # October 2026
    '{"arg":{"channel":"liquidation-orders","instType":"SWAP"},"data":[{"details":[{"bkLoss":"0","bkPx":"82655.7",'
    '"ccy":"","posSide":"long","side":"sell","sz":"8.55","ts":"1791565600771"}],"instFamily":"BTC-USDT",'
    '"instId":"BTC-USDT-SWAP","instType":"SWAP","uly":"BTC-USDT"}]}'
)


def sizes() -> ContractSizes:
    known = ContractSizes()
    known.update({"BTCUSDT": ContractSize(0.01), "ETHUSDT": ContractSize(0.1), "PEPEUSDT": ContractSize(10_000_000.0)})
    return known


def session(symbols=("BTCUSDT",), **options) -> OkxSession:
    return OkxSession("ws://127.0.0.1:1", symbols, source=Source.OKX, sizes=sizes(), **options)


def detail(**changes) -> dict:
    usual = {"bkLoss": "0", "bkPx": "82655.7", "ccy": "", "posSide": "long", "side": "sell", "sz": "8.55", "ts": str(T)}
    return usual | changes


def frame(*items) -> bytes:
    """Return a frame of ``(instId, details)`` each."""
    data = [{"instId": name, "instType": "SWAP", "details": list(details)} for name, *details in items]
    return json.dumps({"arg": {"channel": "liquidation-orders", "instType": "SWAP"}, "data": data}).encode()


def one(data: bytes, **options):
    content = session(**options).receive(data, T + 400)
    assert not content.faults
    [event] = content.events
    return event


def test_the_recorded_frame_is_a_liquidated_long_of_7067_dollars():
    event = one(RECORDED.encode())
    assert (event.symbol, event.side, event.is_long, event.ts_ms) == ("BTCUSDT", Side.SELL, True, T)
    assert event.qty == pytest.approx(0.0855)
    assert event.notional == pytest.approx(7067.06, abs=0.005)
    assert (event.price, event.order_price) == (82_655.7, 82_655.7)
    assert (event.source, event.received_ms, event.raw_json) == ("okx", T + 400, None)
    assert not Source.OKX.reports_fills
    assert one(RECORDED.encode(), keep_raw=True).raw_json == RECORDED


@pytest.mark.parametrize(
    ("pos_side", "side", "closes"),
    [
        ("long", "sell", Side.SELL), ("short", "buy", Side.BUY), ("net", "sell", Side.SELL), ("net", "buy", Side.BUY),
        ("long", "", Side.SELL), ("short", "", Side.BUY), ("long", "buy", None), ("short", "sell", None),
        ("net", "", None), ("", "sell", None), ("LONG", "sell", None), ("both", "buy", None),
    ],
)  # fmt: skip
def test_the_position_decides_the_side_and_contradictions_decide_nothing(pos_side, side, closes):
    assert closing_side(pos_side, side) is closes


@pytest.mark.parametrize(
    ("name", "price", "contracts", "coins", "usd"),
    [
        ("BTC-USDT-SWAP", "100000", "1", 0.01, 1000.0),
        ("BTC-USDT-SWAP", "100000", "0.01", 0.0001, 10.0),
        ("BTC-USDT-SWAP", "99999.9", "1234.56", 12.3456, 1_234_558.76544),
        ("ETH-USDT-SWAP", "4000", "25.5", 2.55, 10_200.0),
        ("PEPE-USDT-SWAP", "0.00001", "3.2", 32_000_000.0, 320.0),
        ("BTC-USDT-SWAP", 82655.7, 8.55, 0.0855, 7067.06235),  # numbers instead of strings
    ],
)
def test_contracts_become_coins_and_dollars(name, price, contracts, coins, usd):
    event = one(frame((name, detail(bkPx=price, sz=contracts))), symbols=None)
    assert event.qty == pytest.approx(coins, rel=1e-12)
    assert event.notional == pytest.approx(usd, rel=1e-12)


def test_every_detail_of_every_instrument_counts():
    data = frame(
        ("BTC-USDT-SWAP", detail(), detail(posSide="short", side="buy", ts=str(T + 1)), detail(sz="0.5")),
        ("ETH-USDT-SWAP", detail(bkPx="4000")),
        ("BTC-USDT-SWAP", detail(ts=str(T - 90_000))),  # late and out of order
    )
    events = session(symbols=None).receive(data, T).events
    assert [(event.symbol, event.ts_ms - T, event.side.value) for event in events] == [
        ("BTCUSDT", 0, "SELL"), ("BTCUSDT", 1, "BUY"), ("BTCUSDT", 0, "SELL"), ("ETHUSDT", 0, "SELL"),
        ("BTCUSDT", -90_000, "SELL"),
    ]  # fmt: skip


def test_equal_orders_of_a_frame_are_told_apart_and_come_out_the_same_each_time():
    data = frame(("BTC-USDT-SWAP", detail(), detail(), detail(ts=str(T + 1)), detail(sz="9"), detail()))
    times = [event.ts_ms - T for event in session().receive(data, T).events]
    assert times == [0, 1, 2, 0, 3]
    assert [event.ts_ms - T for event in session().receive(data, T + 5).events] == times


@pytest.mark.parametrize(
    "name",
    [
        "BTC-USD-SWAP", "BTC-USDC-SWAP", "BTC-USDT", "BTC-USDT-SWAP-X", "XBTC-USDT-SWAP", "BTC-USDT-260925",
        "btc-usdt-swap", "ETH-USDT-SWAP", "",
    ],
)  # fmt: skip
def test_what_nobody_asked_for_and_what_only_looks_alike_is_left_out(name):
    content = session().receive(frame((name, detail())), T)
    assert (list(content.events), list(content.faults)) == ([], [])


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({"bkPx": "0"}, "bad-price"), ({"bkPx": "-1"}, "bad-price"), ({"bkPx": "inf"}, "bad-price"),
        ({"bkPx": ""}, "bad-shape"), ({"bkPx": None}, "bad-shape"), ({"sz": "0"}, "bad-qty"), ({"sz": "-3"}, "bad-qty"),
        ({"sz": "nan"}, "bad-qty"), ({"sz": "1,5"}, "bad-shape"), ({"sz": "1e29", "bkPx": "1e29"}, "bad-qty"),
        ({"ts": "1791565600"}, "bad-time"), ({"ts": "0"}, "bad-time"), ({"ts": "soon"}, "bad-shape"),
        ({"side": "buy"}, "bad-side"), ({"posSide": "up"}, "bad-side"), ({"posSide": "net", "side": ""}, "bad-side"),
    ],
)  # fmt: skip
def test_a_wrong_detail_takes_none_of_the_others_with_it(changes, kind):
    content = session().receive(frame(("BTC-USDT-SWAP", detail(sz="1"), detail(**changes), detail(sz="2"))), T)
    assert [event.qty for event in content.events] == pytest.approx([0.01, 0.02])
    [fault] = content.faults
    assert fault.kind == kind


def test_a_contract_size_that_nobody_knows_is_not_guessed():
    content = session(symbols=("NEWUSDT",)).receive(frame(("NEW-USDT-SWAP", detail())), T)
    assert list(content.events) == []
    assert [fault.kind for fault in content.faults] == ["unknown-contract"]


def test_mark_prices_are_heartbeats_with_their_time():
    data = {"arg": {"channel": "mark-price", "instId": "BTC-USDT-SWAP"}}
    data["data"] = [{"instId": "BTC-USDT-SWAP", "instType": "SWAP", "markPx": "82650.1", "ts": str(T)}]
    assert session().receive(json.dumps(data).encode(), T).heartbeats == [MarketHeartbeat("BTCUSDT", T)]
    data["data"][0]["markPx"] = "0"
    with pytest.raises(FrameError):
        session().receive(json.dumps(data).encode(), T)


def acknowledge(running: OkxSession, request: str) -> None:
    for arg in json.loads(request)["args"]:
        answer = {"event": "subscribe", "arg": arg, "connId": "a4d3ae55"}
        assert running.receive(json.dumps(answer).encode(), T).refusal is None


def test_a_connection_subscribes_and_waits_for_every_answer():
    names = [f"C{number}USDT" for number in range(150)]
    known = ContractSizes()
    known.update(dict.fromkeys(names, ContractSize(1.0)))
    running = OkxSession("ws://127.0.0.1:1", names, source=Source.OKX, sizes=known)
    assert running.url == "ws://127.0.0.1:1/ws/v5/public"
    requests = []
    while (request := running.next_request(0.0)) is not None:
        requests.append(request)
    args = [arg for request in requests for arg in json.loads(request)["args"]]
    assert args[0] == {"channel": "liquidation-orders", "instType": "SWAP"}
    assert args[1] == {"channel": "mark-price", "instId": "C0-USDT-SWAP"}
    assert len(args) == 151
    assert not running.is_subscribed
    acknowledge(running, requests[0])
    assert running.overdue(9.9) is None
    assert running.overdue(10.0).reason == "unacknowledged"
    acknowledge(running, requests[1])
    assert running.is_subscribed
    assert running.overdue(99.0) is None


def test_for_all_symbols_those_with_a_known_size_prove_the_connection():
    running = session(symbols=None)
    args = json.loads(running.next_request(0.0))["args"]
    assert [arg.get("instId") for arg in args] == [None, "BTC-USDT-SWAP", "ETH-USDT-SWAP", "PEPE-USDT-SWAP"]


def refusal(instrument: str) -> bytes:
    message = f"Wrong URL or channel:mark-price,instId:{instrument} doesn't exist."
    return json.dumps({"event": "error", "code": "60018", "msg": message, "connId": "a4d3ae55"}).encode()


def test_a_symbol_that_okx_does_not_have_is_left_out_and_the_others_go_on():
    running = session(symbols=("BTCUSDT", "NOSUCHUSDT"))
    args = json.loads(running.next_request(0.0))["args"]
    assert [arg.get("instId") for arg in args] == [None, "BTC-USDT-SWAP"]


def test_a_symbol_that_okx_refuses_ends_the_connection_only_if_none_is_left():
    running = session(symbols=("BTCUSDT", "ETHUSDT"))
    assert running.next_request(0.0)
    assert running.receive(refusal("ETH-USDT-SWAP"), T).refusal is None
    assert not running.is_subscribed
    assert running.receive(refusal("BTC-USDT-SWAP"), T).refusal.reason == "refused-subscription"
    unknown = session(symbols=("NOSUCHUSDT",))
    assert "NOSUCH-USDT-SWAP" in unknown.next_request(0.0)
    assert unknown.receive(refusal("NOSUCH-USDT-SWAP"), T).refusal.reason == "refused-subscription"


def test_a_notice_that_the_connection_will_be_closed_is_taken():
    notice = b'{"event":"notice","code":"64008","msg":"The connection will soon be closed for a service upgrade."}'
    assert session().receive(notice, T).is_closing
    assert not session().receive(notice.replace(b"64008", b"1"), T).is_closing


def test_a_refusal_says_what_okx_says():
    running = session()
    running.next_request(0.0)
    refused = {"event": "error", "code": "60018", "msg": "Wrong URL or channel doesn't exist", "connId": "a4d3ae55"}
    failure = running.receive(json.dumps(refused).encode(), T).refusal
    assert failure.reason == "refused-subscription"
    assert "60018" in failure.detail


@pytest.mark.parametrize(
    "data",
    [
        b"pong",
        b'{"event":"notice","code":"64008","msg":"the connection will soon be closed"}',
        b'{"event":"channel-conn-count","channel":"x","connCount":"1"}',
        b'{"arg":{"channel":"tickers","instId":"BTC-USDT-SWAP"},"data":[{"instId":"BTC-USDT-SWAP","last":"1"}]}',
        b'{"arg":{"channel":"liquidation-orders","instType":"SWAP"},"data":[]}',
        b'{"unknown":1}',
    ],
)
def test_what_is_not_for_us_is_left_aside(data):
    content = session().receive(data, T)
    assert (list(content.events), list(content.heartbeats), content.refusal) == ([], [], None)


@given(st.binary(max_size=300) | st.text(max_size=200).map(lambda text: text.encode("utf-8", "ignore")))
def test_bytes_raise_nothing_but_the_decoders_error(data):
    with contextlib.suppress(FrameError):
        session().receive(data, T)


_NUMBERS = st.floats(allow_nan=False, allow_infinity=False)  # JSON has no others
_VALUES = st.none() | st.booleans() | _NUMBERS | st.integers() | st.text(max_size=12) | st.just([]) | st.just({})


@given(st.dictionaries(st.sampled_from(["bkPx", "sz", "ts", "side", "posSide", "ccy", "x"]), _VALUES))
def test_any_values_in_a_detail_are_an_event_or_a_fault(changes):
    content = session().receive(frame(("BTC-USDT-SWAP", detail(**changes))), T)
    assert len(content.events) + len(content.faults) == 1


@given(
    st.sampled_from(["long", "short"]), st.decimals("0.01", "1000000", places=2), st.decimals("0.1", "200000", places=1)
)
def test_what_is_written_is_what_is_read(position, contracts, price):
    order = {"long": "sell", "short": "buy"}[position]
    event = one(frame(("BTC-USDT-SWAP", detail(posSide=position, side=order, sz=str(contracts), bkPx=str(price)))))
    assert event.is_long is (position == "long")
    assert event.notional == pytest.approx(float(contracts * price) / 100, rel=1e-12)


def test_symbols_are_peoples_and_instruments_are_okxs():
    assert endpoints.normalise_symbol(" btcusdt ") == endpoints.normalise_symbol("BTC-USDT-SWAP") == "BTCUSDT"
    assert endpoints.instrument_of("1INCHUSDT") == "1INCH-USDT-SWAP"
    assert endpoints.symbol_of(endpoints.instrument_of("BTCUSDT")) == "BTCUSDT"
    for wrong in ("BTCUSD", "BTC-USD-SWAP", "USDT", "", "BTC USDT", "BTC_USDT"):
        with pytest.raises(SettingsError):
            endpoints.normalise_symbol(wrong)
    assert endpoints.base_urls(None, None) == ("wss://ws.okx.com", "https://www.okx.com")
    assert endpoints.base_urls("ws://h:1/ws/v5/public", "http://h:2/api/v5") == ("ws://h:1", "http://h:2")


def test_sizes_and_ticks_come_from_the_list_of_swaps():
    def swap(**changes):
        usual = {"instId": "BTC-USDT-SWAP", "tickSz": "0.1", "ctVal": "0.01", "ctValCcy": "BTC", "ctMult": "1"}
        return usual | {"ctType": "linear", "state": "live"} | changes

    answer = {
        "code": "0",
        "data": [
            swap(),
            swap(instId="ETH-USDT-SWAP", ctVal="0.1", ctValCcy="ETH", ctMult="10"),
            swap(instId="BTC-USD-SWAP", ctVal="100", ctValCcy="USD", ctType="inverse"),
            swap(instId="ODD-USDT-SWAP", ctVal="", ctValCcy="ODD"),
            swap(instId="USD-USDT-SWAP", ctVal="10", ctValCcy="USDT"),
            swap(instId="NOTICK-USDT-SWAP", tickSz="", ctValCcy="NOTICK"),
        ],
    }
    listed = instruments.decode(json.dumps(answer))
    assert listed.contract_sizes == {
        "BTCUSDT": ContractSize(0.01), "ETHUSDT": ContractSize(1.0), "NOTICKUSDT": ContractSize(0.01),
    }  # fmt: skip
    assert listed.tick_size("BTCUSDT") == 0.1
    assert listed.broken == {"NOTICKUSDT"}
    assert "BTCUSD" not in listed.tick_sizes


def row(open_ms, *, confirm="1", close="2") -> list[str]:
    return [str(open_ms), "2", "4", "1", close, "500", "5", "10", confirm]


def test_candles_are_read_from_the_stream_and_from_history():
    url, messages = candles.stream("ws://h:1", "BTCUSDT", "1d")
    assert url == "ws://h:1/ws/v5/business"
    assert json.loads(messages[0])["args"] == [{"channel": "candle1Dutc", "instId": "BTC-USDT-SWAP"}]
    message = {"arg": {"channel": "candle3m", "instId": "BTC-USDT-SWAP"}, "data": [row(T // 180_000 * 180_000)]}
    update = candles.decode_update(json.dumps(message))
    assert (update.symbol, update.interval, update.candle.volume, update.candle.closed) == ("BTCUSDT", "3m", 5.0, True)
    assert update.candle.close_ms - update.candle.open_ms == 179_999
    begin = T // 60_000 * 60_000
    answer = {"code": "0", "msg": "", "data": [row(begin + 60_000, confirm="0"), row(begin)]}  # newest first
    found = candles.decode_history(json.dumps(answer).encode(), begin + 61_000)
    assert [(candle.open_ms - begin, candle.closed) for candle in found] == [(0, True), (60_000, False)]
    page = candles.history_url("http://h:2", "BTCUSDT", "1h", (1000, 5000, 100))
    assert page == (
        "http://h:2/api/v5/market/history-candles?instId=BTC-USDT-SWAP&bar=1H&after=5001&limit=100&before=999"
    )
    assert candles.history_url("http://h:2", "BTCUSDT", "1m", None).endswith(
        "candles?instId=BTC-USDT-SWAP&bar=1m&limit=1"
    )


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b'{"code":"51001","data":[],"msg":"no such instrument"}', b'{"code":"0","data":[["1"]]}', b"\xff"],
)
def test_candles_that_cannot_be_are_refused(body):
    with pytest.raises(FrameError):
        candles.decode_history(body, T)


def test_a_length_that_okx_does_not_have_is_said():
    with pytest.raises(SettingsError, match="8h"):
        candles.stream("ws://h:1", "BTCUSDT", "8h")
