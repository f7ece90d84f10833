"""Frames decoded a second, against the standard library's JSON: alone, and with the same event made from it."""

from __future__ import annotations

import json

import pytest

from Heatmap.events import LiquidationEvent, Side
from Heatmap.ingestion.binance.forceorder import decode

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
