"""Frames decoded a second: of each venue; Binance's also against the standard library's JSON, alone and to events."""

from __future__ import annotations

import json

import pytest
from support.clock import FastClock

from Heatmap.demo.market import SimulatedMarket
from Heatmap.demo.venues import DEMO_VENUES, venue_markets
from Heatmap.events import LiquidationEvent, Side
from Heatmap.ingestion.binance.forceorder import decode
from Heatmap.ingestion.contracts import ContractSizes
from Heatmap.ingestion.venues import VENUES

NOW = 1_795_003_205_250
SECOND_MS = 1000

FRAMES = [
    (
        '{"stream":"btcusdt@forceOrder","data":{"e":"forceOrder","E":1791565603055,"o":{"s":"BTCUSDT","S":"SELL",'
        f'"o":"LIMIT","f":"IOC","q":"0.{190 + index}","p":"82338.30","ap":"82651.90","X":"FILLED","l":"0.155",'
        f'"z":"0.{190 + index}","T":{1791565602120 + index},"ps":"BTCUSDT","st":1}}}}}}'
    ).encode()
    for index in range(1000)
]


@pytest.mark.benchmark(group="1000 forceOrder frames")
def test_codec(benchmark):
    events = benchmark(lambda: [decode(frame, received_ms=0) for frame in FRAMES])
    assert all(isinstance(event, LiquidationEvent) for event in events)


@pytest.mark.benchmark(group="1000 forceOrder frames")
def test_codec_peer_stdlib_json_alone(benchmark):
    frames = benchmark(lambda: [json.loads(frame) for frame in FRAMES])
    assert frames[-1]["data"]["o"]["T"] == 1791565602120 + 999


def by_hand(frame):
    """What the codec yields, the usual way: the standard library's JSON and float()."""
    order = json.loads(frame)["data"]["o"]
    price, qty = float(order["ap"]), float(order["z"])
    return LiquidationEvent(order["T"], order["s"], Side(order["S"]), price, qty, price * qty)


@pytest.mark.benchmark(group="1000 forceOrder frames")
def test_codec_peer_stdlib_json_to_events(benchmark):
    events = benchmark(lambda: [by_hand(frame) for frame in FRAMES])
    assert len(events) == len(FRAMES)


@pytest.fixture(scope="module")
def markets():
    return venue_markets(SimulatedMarket())


@pytest.mark.parametrize("source", DEMO_VENUES)
@pytest.mark.benchmark(group="frames of liquidations of a venue, as the demo publishes them second by second")
def test_venue(benchmark, markets, source):
    seconds = 600 if benchmark.disabled else 20_000
    protocol = DEMO_VENUES[source].protocol(markets[source], clock=FastClock(NOW, 0))
    venue, sizes = VENUES[source], ContractSizes()
    answer = protocol.answer(venue.instruments_url("http://h").removeprefix("http://h"))
    sizes.update(venue.decode_instruments(answer.body.encode()).contract_sizes)
    ours = venue.session("ws://h", ["BTCUSDT"], source=source, sizes=sizes)
    theirs = protocol.open_session(ours.url.removeprefix("ws://h"))
    while (request := ours.next_request(0.0)) is not None:
        for text in theirs.receive(request).texts:
            ours.receive(text.encode(), NOW)
    frames = [
        text.encode()
        for stream in theirs.streams
        if stream.carries_liquidations
        for at_ms in range(NOW - seconds * SECOND_MS, NOW, SECOND_MS)
        for text in theirs.framed(stream, protocol.payloads(stream, at_ms, at_ms + SECOND_MS))
    ]
    contents = benchmark(lambda: [ours.receive(frame, NOW) for frame in frames])
    events = sum(len(content.events) for content in contents)
    benchmark.extra_info |= {"frames": len(frames), "events": events, "bytes": sum(map(len, frames))}
    assert events > seconds / 1000
    assert not any(content.faults for content in contents)
