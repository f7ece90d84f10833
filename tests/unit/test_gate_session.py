"""Gate's frames and REST answers: whose position, how many coins, how many dollars; the protocol of a connection."""

from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from Heatmap.errors import FeedError, FrameError, RestError, SettingsError
from Heatmap.events import Side, Source
from Heatmap.ingestion.contracts import ContractSize, ContractSizes
from Heatmap.ingestion.gate import candles, endpoints, instruments, liq_orders
from Heatmap.ingestion.gate.order import closing_side, time_ms
from Heatmap.ingestion.gate.session import GateSession
from Heatmap.ingestion.gate.venue import GATE
from Heatmap.ingestion.venue import MarketHeartbeat

T = 1_791_565_600_771
# August 2026, before the batches; the envelope is the documentation's.
RECORDED = (
    '{"time":1786327033,"time_ms":1786327033602,"channel":"futures.public_liquidates","event":"update",'
    '"result":{"price":"0.13827","size":-23,"time":1786327033531,"contract":"HEI_USDT"}}'
)
# The documentation's example since 2026-08-20, of a connection with and without fractions of contracts.
DOCUMENTED = (
    '{"channel":"futures.public_liquidates","event":"update","time":1541505434,"time_ms":1541505434123,"result":['
    '{"price":"215.1","size":"-124.5","time":1741486601123,"contract":"BTC_USDT"},'
    '{"price":"215.2","size":"-10.5","time":1741486601456,"contract":"BTC_USDT"}]}'
)
# Answers of liq_orders seen in October 2026: short positions, closed by buying above the market.
SEEN = (
    '[{"contract":"BTC_USDT","left":"0","size":"-26","order_size":"26","fill_price":"84226","order_price":"84477.5",'
    '"time":1791352086},{"contract":"BTC_USDT","left":"0","size":"-38","order_size":"38","fill_price":"84223.3",'
    '"order_price":"84474","time":1791352085}]'
)


def sizes() -> ContractSizes:
    known = ContractSizes()
    known.update(
        {
            "BTCUSDT": ContractSize(0.0001), "ETHUSDT": ContractSize(0.01), "HEIUSDT": ContractSize(10.0),
            "PEPEUSDT": ContractSize(10_000_000.0),
        }
    )  # fmt: skip
    return known


def session(symbols=("BTCUSDT",), **options) -> GateSession:
    return GateSession("ws://127.0.0.1:1", symbols, source=Source.GATE, sizes=sizes(), **options)


def order(**changes) -> dict:
    usual = {"price": "82655.7", "size": "-855", "time": T, "contract": "BTC_USDT"}
    return {key: value for key, value in (usual | changes).items() if value is not ...}


def frame(*orders, **changes) -> bytes:
    usual = {"time": T // 1000, "time_ms": T + 300, "channel": "futures.public_liquidates", "event": "update"}
    return json.dumps(usual | {"result": list(orders)} | changes).encode()


def one(data: bytes, **options):
    content = session(**options).receive(data, T + 400)
    assert not content.faults
    [event] = content.events
    return event


def test_the_recorded_frame_is_a_liquidated_long():
    event = one(RECORDED.encode(), symbols=None)
    assert (event.symbol, event.side, event.is_long, event.ts_ms) == ("HEIUSDT", Side.SELL, True, 1_786_327_033_531)
    assert event.qty == 230.0
    assert event.notional == pytest.approx(31.8021)
    assert (event.price, event.order_price, event.source) == (0.13827, 0.13827, "gate")
    assert (event.received_ms, event.raw_json) == (T + 400, None)
    assert not Source.GATE.reports_fills
    assert one(RECORDED.encode(), symbols=None, keep_raw=True).raw_json == RECORDED


def test_the_documented_batch_is_two_longs_with_fractions_of_contracts():
    events = session().receive(DOCUMENTED.encode(), T).events
    assert [(event.ts_ms, event.is_long) for event in events] == [(1741486601123, True), (1741486601456, True)]
    assert [event.qty for event in events] == pytest.approx([0.01245, 0.00105])
    assert [event.notional for event in events] == pytest.approx([2.677995, 0.22596])
    assert GATE.policy.headers == {"X-Gate-Size-Decimal": "1"}


@pytest.mark.parametrize(("contracts", "closes"), [(-1, Side.SELL), (-0.5, Side.SELL), (1, Side.BUY), (0.1, Side.BUY)])
def test_a_negative_size_closed_a_long(contracts, closes):
    assert closing_side(contracts) is closes


@pytest.mark.parametrize(
    ("contract", "price", "size", "coins", "usd"),
    [
        ("BTC_USDT", "100000", "-1", 0.0001, 10.0),
        ("BTC_USDT", "100000", -1, 0.0001, 10.0),
        ("BTC_USDT", "100000", "0.5", 0.00005, 5.0),
        ("BTC_USDT", "99999.9", "123456", 12.3456, 1_234_558.76544),
        ("ETH_USDT", "4000", "-255", 2.55, 10_200.0),
        ("ETH_USDT", 4000, 255, 2.55, 10_200.0),
        ("PEPE_USDT", "0.00001", "-3.2", 32_000_000.0, 320.0),
        ("BTC_USDT", 82655.7, -855.0, 0.0855, 7067.06235),
    ],
)
def test_contracts_become_coins_and_dollars(contract, price, size, coins, usd):
    event = one(frame(order(contract=contract, price=price, size=size)), symbols=None)
    assert event.qty == pytest.approx(coins, rel=1e-12)
    assert event.notional == pytest.approx(usd, rel=1e-12)
    assert event.is_long is (float(size) < 0)


@pytest.mark.parametrize(
    ("times", "expected_ms"),
    [
        ({"time": T}, T), ({"time": str(T)}, T), ({"time": T // 1000}, T // 1000 * 1000),
        ({"time": ..., "time_ms": T}, T), ({"time": T // 1000, "time_ms": T}, T),
    ],
)  # fmt: skip
def test_a_time_is_in_ms_or_in_s_and_never_doubtful(times, expected_ms):
    assert one(frame(order(**times))).ts_ms == expected_ms


@given(st.integers(-(2**62), 2**62))
def test_no_number_is_both_seconds_and_milliseconds(number):
    with contextlib.suppress(FrameError):
        assert time_ms(number, b"") in (number, number * 1000)
        assert 1_546_300_800_000 <= time_ms(number, b"") < 4_102_444_800_000


def test_every_order_of_a_batch_counts_and_the_object_of_earlier_frames_does():
    batch = [order(), order(size="3", time=T + 1), order(size="-0.5"), order(contract="ETH_USDT", price="4000")]
    events = session(symbols=None).receive(frame(*batch), T).events
    assert [(event.symbol, event.ts_ms - T, event.side.value) for event in events] == [
        ("BTCUSDT", 0, "SELL"), ("BTCUSDT", 1, "BUY"), ("BTCUSDT", 0, "SELL"), ("ETHUSDT", 0, "SELL"),
    ]  # fmt: skip
    assert one(frame(result=order())) == one(frame(order()))
    assert one(frame(result=order(time=T // 1000))).ts_ms == T // 1000 * 1000


@pytest.mark.parametrize(
    "contract",
    [
        "BTC_USD", "BTC_USD1", "BTC_USDT_20261225", "XBTC_USDT", "BTC_USDT_X", "btc_usdt", "BTCUSDT", "ETH_USDT", "",
        "BTC__USDT",
    ],
)  # fmt: skip
def test_what_nobody_asked_for_and_what_only_looks_alike_is_left_out(contract):
    content = session().receive(frame(order(contract=contract, size="?")), T)
    assert (list(content.events), list(content.faults)) == ([], [])


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({"price": "0"}, "bad-price"), ({"price": "-1"}, "bad-price"), ({"price": ""}, "bad-shape"),
        ({"price": None}, "bad-shape"), ({"price": ...}, "bad-shape"), ({"size": "0"}, "bad-qty"),
        ({"size": 0}, "bad-qty"), ({"size": "nan"}, "bad-qty"), ({"size": "1,5"}, "bad-shape"),
        ({"size": "1e29", "price": "1e29"}, "bad-qty"), ({"time": 0}, "bad-time"), ({"time": "soon"}, "bad-shape"),
        ({"time": ...}, "bad-time"), ({"time": T * 1000}, "bad-time"), ({"contract": 7}, "bad-shape"),
    ],
)  # fmt: skip
def test_a_wrong_order_takes_none_of_the_others_with_it(changes, kind):
    content = session().receive(frame(order(size="-1"), order(**changes), order(size="2")), T)
    assert [event.qty for event in content.events] == pytest.approx([0.0001, 0.0002])
    [fault] = content.faults
    assert fault.kind == kind


def test_a_contract_size_that_nobody_knows_is_not_guessed():
    content = session(symbols=("NEWUSDT",)).receive(frame(order(contract="NEW_USDT")), T)
    assert list(content.events) == []
    assert [fault.kind for fault in content.faults] == ["unknown-contract"]


def ticker(**changes) -> dict:
    return {"contract": "BTC_USDT", "last": "82650.1", "mark_price": "82650.5", "funding_rate": "0.0001"} | changes


def test_tickers_are_heartbeats_with_the_time_of_the_message():
    message = {"channel": "futures.tickers", "result": [ticker(), ticker(contract="X_USD1"), ticker(contract="A_USDT")]}
    beats = session().receive(frame(**message), T).heartbeats
    assert beats == [MarketHeartbeat("BTCUSDT", T + 300), MarketHeartbeat("AUSDT", T + 300)]
    message["result"] = ticker(mark_price=None)
    assert session().receive(frame(**message, time_ms=0), T).heartbeats[0].event_ms == T // 1000 * 1000
    for wrong in (ticker(mark_price="0"), [ticker(last=None, mark_price=None)], 7, [{}], None):
        with pytest.raises(FrameError):
            session().receive(frame(**message | {"result": wrong}), T)
    with pytest.raises(FrameError):
        session().receive(frame(**message, time_ms=0, time=0), T)


def answer_to(request: str, **changes) -> bytes:
    asked = json.loads(request)
    success = {"time": 1, "channel": asked["channel"], "event": "subscribe", "result": {"status": "success"}}
    return json.dumps(success | changes).encode()


def requests_of(running: GateSession) -> list[str]:
    requests = []
    while (request := running.next_request(0.0)) is not None:
        requests.append(request)
    return requests


def test_a_connection_subscribes_and_waits_for_every_answer():
    known = sizes()
    known.update({f"C{number}USDT": ContractSize(1.0) for number in range(150)})
    names = [f"C{number}USDT" for number in range(150)] + ["NEWUSDT"]
    running = GateSession("ws://127.0.0.1:1", names, source=Source.GATE, sizes=known)
    assert running.url == "ws://127.0.0.1:1/v4/ws/usdt"
    requests = requests_of(running)
    payloads = [json.loads(request)["payload"] for request in requests]
    assert payloads[0] == ["!all"]
    # A contract that Gate does not list would let it refuse the whole request.
    assert payloads[1][0] == "C0_USDT"
    assert [len(payload) for payload in payloads] == [1, 100, 50]
    assert [json.loads(request)["channel"] for request in requests] == [
        "futures.public_liquidates", "futures.tickers", "futures.tickers",
    ]  # fmt: skip
    for request in requests[:2]:
        assert not running.is_subscribed
        assert running.receive(answer_to(request), T).refusal is None
    assert running.overdue(9.9) is None
    assert running.overdue(10.0).reason == "unacknowledged"
    running.receive(answer_to(requests[2]), T)
    assert running.is_subscribed
    assert running.overdue(99.0) is None


def test_for_all_symbols_those_with_a_known_size_prove_the_connection():
    running = session(symbols=None)
    _, tickers = requests_of(running)
    assert json.loads(tickers)["payload"] == ["BTC_USDT", "ETH_USDT", "HEI_USDT", "PEPE_USDT"]


@pytest.mark.parametrize(
    "changes",
    [
        {"error": {"code": 2, "message": "unknown contract"}, "result": None},
        {"error": {"code": 2, "message": "unknown contract"}, "result": {"status": "fail"}},
        {"error": {"code": 2, "message": "unknown contract"}, "channel": "", "event": ""},
        {"result": {"status": "unknown contract 2"}},
    ],
)
def test_a_refusal_says_what_gate_says(changes):
    running = session()
    request = requests_of(running)[0]
    failure = running.receive(answer_to(request, **changes), T).refusal
    assert failure.reason == "refused-subscription"
    if "error" in changes:
        assert "2" in failure.detail
        assert "unknown contract" in failure.detail


def test_a_contract_that_gate_no_longer_has_takes_none_of_the_others_with_it():
    running = session(symbols=("BTCUSDT", "ETHUSDT", "HEIUSDT"))
    refused = {"error": {"code": 2, "message": "unknown contract"}, "result": None}
    liquidations, tickers = requests_of(running)
    assert running.receive(answer_to(liquidations), T).refusal is None
    answers = []
    waiting = [tickers]
    while waiting:
        request = waiting.pop(0)
        changes = refused if "ETH_USDT" in request else {}
        answers.append((json.loads(request)["payload"], running.receive(answer_to(request, **changes), T).refusal))
        waiting += requests_of(running)
    accepted = [payload for payload, _ in answers if "ETH_USDT" not in payload]
    assert sorted(name for payload in accepted for name in payload) == ["BTC_USDT", "HEI_USDT"]
    assert [refusal for _, refusal in answers if refusal is not None] == []
    assert running.is_subscribed


def test_without_a_contract_that_gate_has_the_refusal_says_so():
    running = session(symbols=("NOSUCHUSDT",))
    liquidations, tickers = requests_of(running)
    running.receive(answer_to(liquidations), T)
    assert json.loads(tickers)["payload"] == ["NOSUCH_USDT"]
    refused = answer_to(tickers, error={"code": 2, "message": "unknown contract"}, result=None)
    assert "unknown contract" in running.receive(refused, T).refusal.detail


def test_a_refused_ping_ends_nothing():
    running = session()
    for request in requests_of(running):
        running.receive(answer_to(request), T)
    refused = {"channel": "futures.ping", "event": "", "error": {"code": 1, "message": "time?"}}
    assert running.receive(json.dumps(refused).encode(), T).refusal is None


@pytest.mark.parametrize(
    "data",
    [
        b'{"time":1,"time_ms":1545404023123,"channel":"futures.pong","event":"","error":null,"result":null}',
        b'{"channel":"futures.trades","event":"update","result":[{"contract":"BTC_USDT","size":-1,"price":"1"}]}',
        b'{"channel":"futures.public_liquidates","event":"update","result":[]}',
        b'{"channel":"futures.public_liquidates","event":"all","result":{}}',
        b'{"channel":"futures.public_liquidates","event":"unsubscribe","result":{"status":"success"}}',
        b'{"unknown":1}',
    ],
)
def test_what_is_not_for_us_is_left_aside(data):
    content = session().receive(data, T)
    assert (list(content.events), list(content.heartbeats), list(content.faults), content.refusal) == ([], [], [], None)


@given(st.binary(max_size=300) | st.text(max_size=200).map(lambda text: text.encode("utf-8", "ignore")))
def test_bytes_raise_nothing_but_the_decoders_error(data):
    for decode in (
        lambda: session().receive(data, T),
        lambda: candles.decode_update(data),
        lambda: candles.decode_history(data, T),
        lambda: liq_orders.decode(data, ["BTCUSDT"], sizes(), "gate"),
    ):
        with contextlib.suppress(FrameError):
            decode()
    with contextlib.suppress(FeedError):
        instruments.decode(data)


# Numbers that JSON has.
_NUMBERS = st.floats(allow_nan=False, allow_infinity=False) | st.integers()
_VALUES = st.none() | st.booleans() | _NUMBERS | st.text(max_size=12) | st.just([]) | st.just({})


@given(st.dictionaries(st.sampled_from(["price", "size", "time", "time_ms", "x"]), _VALUES))
def test_any_values_in_an_order_are_an_event_or_a_fault(changes):
    content = session().receive(frame(order(**changes)), T)
    assert len(content.events) + len(content.faults) == 1


@given(
    st.dictionaries(
        st.sampled_from(["channel", "event", "time", "time_ms", "error", "result"]),
        _VALUES | st.sampled_from(["futures.tickers", "futures.public_liquidates", "update", "subscribe"]),
    )
)
def test_any_values_around_them_raise_nothing_else(changes):
    with contextlib.suppress(FrameError):
        session().receive(frame(order(), **changes), T)


@given(st.booleans(), st.decimals("0.1", "1000000", places=1), st.decimals("0.1", "200000", places=1))
def test_what_is_written_is_what_is_read(is_long, contracts, price):
    event = one(frame(order(size=f"{'-' if is_long else ''}{contracts}", price=str(price))))
    assert event.is_long is is_long
    assert event.notional == pytest.approx(float(contracts * price) / 10_000, rel=1e-12)


def test_symbols_are_peoples_and_contracts_are_gates():
    assert endpoints.normalise_symbol(" btcusdt ") == endpoints.normalise_symbol("btc_usdt") == "BTCUSDT"
    assert endpoints.contract_of("1INCHUSDT") == "1INCH_USDT"
    assert endpoints.symbol_of(endpoints.contract_of("BTCUSDT")) == "BTCUSDT"
    for wrong in ("BTCUSD", "BTC_USD", "USDT", "", "BTC USDT", "BTC_USDT_20261225", "A_B_USDT", "BTC-USDT-SWAP"):
        with pytest.raises(SettingsError):
            endpoints.normalise_symbol(wrong)
    assert endpoints.base_urls(None, None) == ("wss://fx-ws.gateio.ws", "https://api.gateio.ws")
    assert endpoints.base_urls("ws://h:1/v4/ws/usdt", "http://h:2/api/v4") == ("ws://h:1", "http://h:2")


def test_sizes_and_ticks_come_from_the_list_of_contracts():
    def contract(**changes):
        usual = {"name": "BTC_USDT", "type": "direct", "quanto_multiplier": "0.0001", "order_price_round": "0.1"}
        return usual | {"in_delisting": False} | changes

    listed = instruments.decode(
        json.dumps(
            [
                contract(),
                contract(name="ETH_USDT", quanto_multiplier=0.01, order_price_round=0.05),
                contract(name="BTC_USD", type="inverse", quanto_multiplier="0"),
                contract(name="ODD_USDT", quanto_multiplier=""),
                contract(name="ZERO_USDT", quanto_multiplier="0"),
                contract(name="INV_USDT", type="inverse"),
                contract(name="NOTICK_USDT", order_price_round=""),
            ]
        )
    )
    assert listed.contract_sizes == {
        "BTCUSDT": ContractSize(0.0001), "ETHUSDT": ContractSize(0.01), "NOTICKUSDT": ContractSize(0.0001),
    }  # fmt: skip
    assert (listed.tick_size("BTCUSDT"), listed.tick_size("ETHUSDT")) == (0.1, 0.05)
    assert listed.broken == {"NOTICKUSDT"}
    for wrong in (b"{}", b"[]", b'[{"name":"BTC_USD"}]', b'{"label":"TOO_MANY_REQUESTS"}'):
        with pytest.raises(FeedError):
            instruments.decode(wrong)


def test_in_rest_answers_the_position_has_the_opposite_sign():
    page = liq_orders.decode(SEEN.encode(), {"BTCUSDT"}, sizes(), Source.GATE)
    assert (page.is_complete, list(page.faults)) == (True, [])
    assert [(event.ts_ms, event.side, event.is_long) for event in page.events] == [
        (1_791_352_086_000, Side.BUY, False), (1_791_352_085_000, Side.BUY, False),
    ]  # fmt: skip
    # Coins and price are those of the order, as in the stream.
    assert [event.price for event in page.events] == [84477.5, 84474.0]
    assert page.events[0].notional == pytest.approx(219.6415)
    assert (page.events[0].received_ms, page.events[0].source) == (None, "gate")
    in_stream = one(frame(order(size="26", price="84477.5", time=1_791_352_086_000)))
    assert (in_stream.side, in_stream.qty, in_stream.price) == (
        page.events[0].side, page.events[0].qty, page.events[0].price,
    )  # fmt: skip


def test_a_wrong_row_of_history_takes_none_of_the_others_with_it():
    def row(**changes):
        usual = {"contract": "BTC_USDT", "size": 600, "order_size": -600, "order_price": "3405", "time": 1_791_352_086}
        return usual | {"fill_price": "3424", "left": 0} | changes

    rows = [
        row(), row(contract="ETH_USDT"), row(order_size=600), row(order_size=None), row(time=0), row(contract=None),
        row(size=0, order_size="-0.5"),
    ]  # fmt: skip
    page = liq_orders.decode(json.dumps(rows).encode(), {"BTCUSDT"}, sizes(), Source.GATE)
    assert [event.qty for event in page.events] == pytest.approx([0.06, 0.00005])
    assert all(event.is_long for event in page.events)
    assert [fault.kind for fault in page.faults] == ["bad-side", "bad-shape", "bad-time", "bad-shape"]
    full = json.dumps([row()] * liq_orders.MAX_ROWS).encode()
    assert not liq_orders.decode(full, {"BTCUSDT"}, sizes(), Source.GATE).is_complete
    assert liq_orders.url("http://h:2", "BTCUSDT", 100, 200) == (
        "http://h:2/api/v4/futures/usdt/liq_orders?contract=BTC_USDT&from=100&to=201&limit=1000"
    )
    assert liq_orders.url("http://h:2", None, 1, 2).endswith("/liq_orders?from=1&to=3&limit=1000")


def bar(open_s, **changes) -> dict:
    return {"t": open_s, "v": 500, "c": "2", "h": "4", "l": "1", "o": "2", "sum": "10"} | changes


def test_candles_are_read_from_the_stream_and_from_history():
    url, messages = candles.stream("ws://h:1", "BTCUSDT", "1d")
    assert url == "ws://h:1/v4/ws/usdt"
    assert json.loads(messages[0])["payload"] == ["1d", "BTC_USDT"]
    begin_s = T // 300_000 * 300
    rows = [bar(begin_s - 300, n="5m_BTC_USDT", w=True), bar(begin_s, n="5m_BTC_USDT", w=False)]
    message = {"channel": "futures.candlesticks", "event": "update", "result": rows}
    update = candles.decode_update(json.dumps(message))
    assert (update.symbol, update.interval, update.candle.open_ms) == ("BTCUSDT", "5m", begin_s * 1000)
    assert (update.candle.close_ms - update.candle.open_ms, update.candle.closed) == (299_999, False)
    # Contracts are no coins, and how many coins one is is not known here.
    assert update.candle.volume == 0.0
    assert candles.decode_update(json.dumps(message | {"event": "subscribe", "result": {"status": "success"}})) is None
    assert candles.decode_update(json.dumps(message | {"result": bar(begin_s, n="2h_BTC_USDT")})) is None
    found = candles.decode_history(json.dumps([bar(begin_s), bar(begin_s + 60)]).encode(), (begin_s + 61) * 1000)
    assert [(candle.open_ms // 1000 - begin_s, candle.closed) for candle in found] == [(0, True), (60, False)]


def test_a_page_of_candles_is_a_range():
    hour = 3_600_000
    base = "http://h:2/api/v4/futures/usdt/candlesticks?contract=BTC_USDT&interval=1h"
    assert candles.history_url("http://h:2", "BTCUSDT", "1h", None) == f"{base}&limit=1"
    page = candles.history_url("http://h:2", "BTCUSDT", "1h", (hour + 1, 9 * hour, 3))
    assert page == f"{base}&from={2 * 3600}&to={4 * 3600}"
    page = candles.history_url("http://h:2", "BTCUSDT", "1h", (None, 9 * hour + 5, 3))
    assert page == f"{base}&from={7 * 3600}&to={9 * 3600}"
    assert candles.is_unknown_symbol(RestError('HTTP 400: {"label":"CONTRACT_NOT_FOUND"}', reason="http"))
    with pytest.raises(SettingsError, match="2h"):
        candles.stream("ws://h:1", "BTCUSDT", "2h")


@pytest.mark.parametrize("body", [b"", b"{}", b'[{"t":1}]', b"\xff", b'[{"t":1,"o":1,"h":1,"l":2,"c":1}]'])
def test_candles_that_cannot_be_are_refused(body):
    with pytest.raises(FrameError):
        candles.decode_history(body, T)
