"""Frames and answers of Binance USD-M, as the loopback exchanges of the tests send them."""

from __future__ import annotations

import json
from decimal import Decimal

from Heatmap.events import LiquidationEvent, Side

T = 1_790_000_000_000
"""Trade time of the first event, ms since the epoch."""


def event(offset_ms=0, symbol="BTCUSDT"):
    """A liquidated long, so many milliseconds after `T`."""
    return LiquidationEvent(T + offset_ms, symbol, Side.SELL, 85_000.5, 0.25, 85_000.5 * 0.25)


def encode(event, *, combined=False):
    """A forceOrder frame that decodes to ``event``, less ``received_ms``, ``source`` and ``raw_json``."""
    qty = _decimal(event.qty)
    order = {
        "s": event.symbol, "S": event.side, "o": "LIMIT", "f": "IOC", "q": _decimal(event.order_qty),
        "p": _decimal(event.order_price), "ap": _decimal(event.price), "X": "FILLED", "l": qty, "z": qty,
        "T": event.ts_ms, "ps": event.symbol, "st": 1,
    }  # fmt: skip
    order = {key: value for key, value in order.items() if value is not None}
    payload = {"e": "forceOrder", "E": event.event_ms, "o": order}
    if event.event_ms is None:
        del payload["E"]
    frame = {"stream": f"{event.symbol.lower()}@forceOrder", "data": payload} if combined else payload
    return json.dumps(frame, ensure_ascii=False, separators=(",", ":"))


def _decimal(number):
    """Spell a number as the exchange does, without an exponent, exact to the last bit when read back."""
    return None if number is None else f"{Decimal(repr(number)):f}"


def liquidation(offset_ms=0, symbol="BTCUSDT", *, combined=True):
    """The frame of `event`."""
    return encode(event(offset_ms, symbol), combined=combined)


def mark_price(at_ms=T, symbol="BTCUSDT"):
    """A mark price, pushed at ``at_ms``."""
    data = {"e": "markPriceUpdate", "E": at_ms, "s": symbol, "p": "85000.1"}
    return json.dumps({"stream": f"{symbol.lower()}@markPrice@1s", "data": data})


def rules(*symbols):
    """An exchangeInfo answer that lists these symbols with a tick size of 0.1."""
    filters = [{"filterType": "PRICE_FILTER", "tickSize": "0.10"}]
    return json.dumps({"symbols": [{"symbol": symbol, "filters": filters} for symbol in symbols]})
