"""The demo's OKX and Gate without sockets: answers, refusals, and candles as the recorder reads them."""

from __future__ import annotations

import json
from http import HTTPStatus

import pytest
from support.clock import FastClock

from Heatmap.demo.gate import GateProtocol
from Heatmap.demo.market import SimulatedMarket
from Heatmap.demo.okx import OkxProtocol
from Heatmap.demo.venues import venue_markets
from Heatmap.events import Source
from Heatmap.ingestion.contracts import ContractSizes
from Heatmap.ingestion.gate import liq_orders
from Heatmap.ingestion.venues import VENUES

NOW = 1_795_003_205_250
HOUR_MS = 3_600_000
PROTOCOLS = {Source.OKX: OkxProtocol, Source.GATE: GateProtocol}


@pytest.fixture(scope="module")
def markets():
    return venue_markets(SimulatedMarket())


@pytest.fixture(params=PROTOCOLS)
def source(request):
    return request.param


@pytest.fixture
def protocol(source, markets):
    return PROTOCOLS[source](markets[source], more_symbols=["ETHUSDT"], clock=FastClock(NOW, 0))


def body(protocol, url):
    answer = protocol.answer(url.removeprefix("http://h"))
    assert answer.status is HTTPStatus.OK, answer
    return answer.body.encode()


def sessions(protocol, source, symbols=("BTCUSDT",)):
    """Return the recorder's session and the demo's, which has acknowledged all that was asked for."""
    venue, sizes = VENUES[source], ContractSizes()
    sizes.update(venue.decode_instruments(body(protocol, venue.instruments_url("http://h"))).contract_sizes)
    ours = venue.session("ws://h", symbols, source=source, sizes=sizes)
    theirs = protocol.open_session(ours.url.removeprefix("ws://h"))
    while (request := ours.next_request(0.0)) is not None:
        for text in theirs.receive(request).texts:
            assert ours.receive(text.encode(), NOW).refusal is None
    assert ours.is_subscribed
    return ours, theirs


def test_the_recorder_reads_what_the_demo_publishes(protocol, source):
    ours, theirs = sessions(protocol, source, symbols=None)
    contents = [
        ours.receive(text.encode(), NOW)
        for stream in theirs.streams
        for text in protocol.payloads(stream, NOW - HOUR_MS, NOW)
    ]
    events = [event for content in contents for event in content.events]
    book = protocol.market.liquidations(NOW - HOUR_MS - 999, NOW - 999)
    for symbol in ("BTCUSDT", "ETHUSDT"):
        read = [(e.ts_ms, e.side, e.price, round(e.qty, 9), e.source) for e in events if e.symbol == symbol]
        assert read == [(e.ts_ms, e.side, e.price, e.qty, source) for e in book]
    beats = [beat for content in contents for beat in content.heartbeats]
    assert {(beat.symbol, beat.event_ms) for beat in beats} == {("BTCUSDT", NOW), ("ETHUSDT", NOW)}


def test_candles_of_stream_and_history_are_the_markets(protocol, source):
    api = VENUES[source].candles
    begin_ms = NOW - NOW % HOUR_MS - 3 * HOUR_MS
    url = api.history_url("http://h", "BTCUSDT", "1h", (begin_ms, begin_ms + HOUR_MS, 10))
    of_market = [(c.open_ms, c.open, c.high, c.low, c.close) for c in protocol.market.candles(HOUR_MS, begin_ms, NOW)]
    found = api.decode_history(body(protocol, url), NOW)
    assert [(c.open_ms, c.open, c.high, c.low, c.close) for c in found] == of_market[:2]
    newest = api.decode_history(body(protocol, api.history_url("http://h", "BTCUSDT", "1h", (None, NOW, 3))), NOW)
    assert [candle.open_ms for candle in newest] == [row[0] for row in of_market[1:]]
    assert [candle.closed for candle in newest] == [True, True, False]
    [last] = api.decode_history(body(protocol, api.history_url("http://h", "BTCUSDT", "1h", None)), NOW)
    address, messages = api.stream("ws://h", "BTCUSDT", "1h")
    session = protocol.open_session(address.removeprefix("ws://h"))
    [stream] = session.receive(messages[0]).added
    update = api.decode_update(protocol.payloads(stream, NOW - 250, NOW)[-1])
    assert (update.symbol, update.interval) == ("BTCUSDT", "1h")
    assert (update.candle.open_ms, update.candle.close, update.candle.closed) == (last.open_ms, last.close, False)


@pytest.mark.parametrize("request_text", ["", "{", "[]", "{}", '{"op":"x","args":7}', '{"time":"?"}', '{"time":1}'])
def test_what_is_no_request_is_answered_with_an_error(protocol, source, request_text):
    ours, theirs = sessions(protocol, source)
    [text] = theirs.receive(request_text).texts
    assert "error" in json.loads(text) or json.loads(text)["event"] == "error"
    # An error that answers no subscription ends nothing.
    assert ours.receive(text.encode(), NOW).refusal is None


def test_unknown_topics_and_contracts_are_refused(protocol, source):
    _, theirs = sessions(protocol, source)
    subscribed = theirs.streams
    fresh = VENUES[source].session("ws://h", ["BTCUSDT"], source=source, sizes=ContractSizes())
    asked = {
        Source.OKX: ['{"op":"subscribe","args":[{"channel":"mark-price","instId":"NO-USDT-SWAP"}]}'],
        Source.GATE: [
            '{"time":1,"channel":"futures.tickers","event":"subscribe","payload":["BTC_USDT","NO_USDT"]}',
            '{"time":1,"channel":"futures.candlesticks","event":"subscribe","payload":["2h","BTC_USDT"]}',
            '{"time":1,"channel":"futures.liquidates","event":"subscribe","payload":["!all"]}',
        ],
    }[source]
    for request in asked:
        [text] = theirs.receive(request).texts
        fresh.next_request(0.0)
    assert theirs.streams == subscribed
    assert fresh.receive(text.encode(), NOW).refusal is not None or source is Source.GATE
    api = VENUES[source].candles
    url = api.history_url("http://h", "NOUSDT", "1h", None).removeprefix("http://h")
    assert any(word in protocol.answer(url).body for word in ("51001", "CONTRACT_NOT_FOUND"))
    assert protocol.open_session("/ws") is None
    assert protocol.answer("/no/such/path").status is HTTPStatus.NOT_FOUND


def test_pings_are_answered(protocol, source):
    ours, theirs = sessions(protocol, source)
    [pong] = theirs.receive(VENUES[source].policy.keep_alive).texts
    content = ours.receive(pong.encode(), NOW)
    assert "pong" in pong
    assert (content.refusal, list(content.events)) == (None, [])


def test_gates_history_is_its_stream_by_the_second(markets):
    protocol = GateProtocol(markets[Source.GATE], more_symbols=["ETHUSDT"], clock=FastClock(NOW, 0))
    sizes = ContractSizes()
    listed = VENUES[Source.GATE].decode_instruments(body(protocol, "/api/v4/futures/usdt/contracts"))
    sizes.update(listed.contract_sizes)
    first_s, last_s = NOW // 1000 - 7199, NOW // 1000 - 3600
    book = protocol.market.liquidations(first_s * 1000, (last_s + 1) * 1000)
    for symbol, wanted in (("BTCUSDT", ["BTCUSDT"]), (None, ["BTCUSDT", "ETHUSDT"]), (None, ["ETHUSDT"])):
        page = liq_orders.decode(
            body(protocol, liq_orders.url("http://h", symbol, first_s, last_s)), wanted, sizes, "gate"
        )
        assert (page.is_complete, list(page.faults), {e.symbol for e in page.events}) == (True, [], set(wanted))
        for name in wanted:
            read = sorted((e.ts_ms, e.side, e.price, round(e.qty, 9)) for e in page.events if e.symbol == name)
            assert read == sorted((e.ts_ms // 1000 * 1000, e.side, e.price, e.qty) for e in book)
    too_long = liq_orders.url("http://h", None, first_s, last_s + 2).removeprefix("http://h")
    assert protocol.answer(too_long).status is HTTPStatus.BAD_REQUEST
