"""Stream payloads and REST bodies as text.

Shapes follow frames recorded from Binance USD-M in 2026 and its documentation (developers.binance.com, USD-M futures,
"Websocket Market Streams" and "Market Data Endpoints"). Numbers are decimal strings.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from Heatmap.demo.price_series import DAY_MS, SECOND_MS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from Heatmap.candle import Candle
    from Heatmap.demo.instrument import Instrument
    from Heatmap.events import LiquidationEvent

# Since 2026 the push comes about a second after the trade.
PUSH_DELAY_MS = 1_000

WEIGHT_LIMIT = 2_400

_FUNDING_MS = DAY_MS // 3
_FUNDING_RATE = "0.00003936"
_USD_MARGINED = 1
_LOTS_PER_TRADE = 60


def encode(value: object) -> str:
    """Return JSON text as the exchange writes it: compact, UTF-8 left as it is."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def combined(stream: str, payload: str) -> str:
    """Return a payload in the envelope of ``/stream`` routes."""
    return f'{{"stream":{encode(stream)},"data":{payload}}}'


def force_order(order: Mapping[str, object], ts_ms: int) -> str:
    """Return a forceOrder payload for an order ``o`` traded at ``ts_ms``."""
    return encode({"e": "forceOrder", "E": ts_ms + PUSH_DELAY_MS, "o": {**order, "T": ts_ms}})


def force_order_of(instrument: Instrument, event: LiquidationEvent) -> str:
    """Return the forceOrder payload of a simulated liquidation."""
    quantity, price = instrument.quantity_text(event.qty), instrument.price_text(event.price)
    order_price = price if event.order_price is None else instrument.price_text(event.order_price)
    last_fill = instrument.quantity_text(_last_fill(instrument, event))
    order = {
        "s": event.symbol, "S": str(event.side), "o": "LIMIT", "f": "IOC", "q": quantity, "p": order_price,
        "ap": price, "X": "FILLED", "l": last_fill, "z": quantity, "T": event.ts_ms, "ps": event.symbol,
        "st": _USD_MARGINED,
    }  # fmt: skip
    return force_order(order, event.ts_ms)


def _last_fill(instrument: Instrument, event: LiquidationEvent) -> float:
    """Return a last fill that differs from the whole in about half of the orders, as in recorded ones."""
    if event.ts_ms % 2:
        return event.qty
    lots = round(event.qty * instrument.lots_per_unit)
    return instrument.quantity(max(lots * (event.ts_ms % 89 + 10) // 100, 1))


def mark_price(instrument: Instrument, price: float, now_ms: int) -> str:
    """Return a markPriceUpdate payload."""
    mark, index = f"{price:.8f}", f"{price * 1.0003:.8f}"
    funding_ms = (now_ms // _FUNDING_MS + 1) * _FUNDING_MS
    update = {
        "e": "markPriceUpdate", "E": now_ms, "s": instrument.symbol, "p": mark, "ap": mark, "P": mark, "i": index,
        "r": _FUNDING_RATE, "T": funding_ms, "st": _USD_MARGINED,
    }  # fmt: skip
    return encode(update)


def kline(instrument: Instrument, candle: Candle, interval: str, now_ms: int) -> str:
    """Return a kline payload; it is marked closed (``x``) if ``now_ms`` is past the candle's end."""
    symbol = instrument.symbol
    row = _row(instrument, candle)
    open_ms, first, high, low, last, volume, close_ms, quote, trades, taker, taker_quote, ignored = row
    first_trade = candle.open_ms // SECOND_MS * 50
    last_trade = first_trade + max(trades - 1, 0)
    bar = {
        "t": open_ms, "T": close_ms, "s": symbol, "i": interval, "f": first_trade, "L": last_trade, "o": first,
        "c": last, "h": high, "l": low, "v": volume, "n": trades, "x": now_ms > candle.close_ms, "q": quote,
        "V": taker, "Q": taker_quote, "B": ignored,
    }  # fmt: skip
    return encode({"e": "kline", "E": now_ms, "s": symbol, "k": bar})


def klines(instrument: Instrument, candles: Sequence[Candle]) -> str:
    """Return the body of ``GET /fapi/v1/klines``."""
    return encode([_row(instrument, candle) for candle in candles])


def _row(instrument: Instrument, candle: Candle) -> tuple[int, str, str, str, str, str, int, str, int, str, str, str]:
    price, quantity = instrument.price_text, instrument.quantity_text
    quote_volume = candle.volume * (candle.high + candle.low + candle.open + candle.close) / 4
    trades = -(-round(candle.volume * instrument.lots_per_unit) // _LOTS_PER_TRADE)
    return (
        candle.open_ms, price(candle.open), price(candle.high), price(candle.low), price(candle.close),
        quantity(candle.volume), candle.close_ms, f"{quote_volume:.5f}", trades,
        quantity(candle.volume / 2), f"{quote_volume / 2:.5f}", "0",
    )  # fmt: skip


def exchange_info(instruments: Iterable[Instrument], now_ms: int) -> str:
    """Return the body of ``GET /fapi/v1/exchangeInfo``."""
    minute = {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": WEIGHT_LIMIT}
    listed = list(instruments)
    assets = dict.fromkeys(instrument.quote_asset for instrument in listed)
    info = {
        "timezone": "UTC", "serverTime": now_ms, "futuresType": "U_MARGINED", "rateLimits": [minute],
        "exchangeFilters": [],
        "assets": [{"asset": asset, "marginAvailable": True, "autoAssetExchange": "0"} for asset in assets],
        "symbols": [_rules(instrument) for instrument in listed],
    }  # fmt: skip
    return encode(info)


def _rules(instrument: Instrument) -> dict[str, object]:
    quote, tick, lot = instrument.quote_asset, instrument.tick_size, instrument.lot_size
    return {
        "symbol": instrument.symbol, "pair": instrument.symbol, "contractType": "PERPETUAL",
        "deliveryDate": 4_133_404_800_000, "onboardDate": 1_567_965_300_000, "status": "TRADING",
        "baseAsset": instrument.base_asset, "quoteAsset": quote, "marginAsset": quote,
        "pricePrecision": instrument.price_decimals, "quantityPrecision": instrument.quantity_decimals,
        "baseAssetPrecision": 8, "quotePrecision": 8, "underlyingType": "COIN",
        "filters": [
            {"filterType": "PRICE_FILTER", "minPrice": tick, "maxPrice": "4529764", "tickSize": tick},
            {"filterType": "LOT_SIZE", "minQty": lot, "maxQty": "1000", "stepSize": lot},
            {"filterType": "MARKET_LOT_SIZE", "minQty": lot, "maxQty": "120", "stepSize": lot},
        ],
        "orderTypes": ["LIMIT", "MARKET", "STOP", "STOP_MARKET"],
        "timeInForce": ["GTC", "IOC", "FOK", "GTX"],
    }  # fmt: skip
