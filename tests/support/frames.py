"""Frames and answers of Binance USD-M, as the loopback exchanges of the tests send them."""

from __future__ import annotations

import json

from Heatmap.events import LiquidationEvent, Side
from Heatmap.ingestion.binance import forceorder

T = 1_790_000_000_000
"""Trade time of the first event, ms since the epoch."""


def event(offset_ms=0, symbol="BTCUSDT"):
    """A liquidated long, so many milliseconds after `T`."""
    return LiquidationEvent(T + offset_ms, symbol, Side.SELL, 85_000.5, 0.25, 85_000.5 * 0.25)


def liquidation(offset_ms=0, symbol="BTCUSDT", *, combined=True):
    """The frame of `event`."""
    return forceorder.encode(event(offset_ms, symbol), combined=combined)


def mark_price(at_ms=T, symbol="BTCUSDT"):
    """A mark price, pushed at ``at_ms``."""
    data = {"e": "markPriceUpdate", "E": at_ms, "s": symbol, "p": "85000.1"}
    return json.dumps({"stream": f"{symbol.lower()}@markPrice@1s", "data": data})


def rules(*symbols):
    """An exchangeInfo answer that lists these symbols with a tick size of 0.1."""
    filters = [{"filterType": "PRICE_FILTER", "tickSize": "0.10"}]
    return json.dumps({"symbols": [{"symbol": symbol, "filters": filters} for symbol in symbols]})
