"""Addresses and names of instruments, as pure functions.

Source: OKX API v5, "WebSocket", "Get instruments", "Get candlesticks". Port 8443 was retired on 2026-10-31.
"""

from __future__ import annotations

import re
from typing import Final

from Heatmap.errors import SettingsError
from Heatmap.ingestion import addresses

DEFAULT_WS_URL: Final = "wss://ws.okx.com"
DEFAULT_REST_URL: Final = "https://www.okx.com"

_QUOTE: Final = "USDT"
# Matched as a whole: a prefix "BTC" would let BTC-USD-SWAP in, whose contract is 100 dollars.
_LINEAR_SWAP: Final = re.compile(rf"([^\W_a-z]{{1,30}})-{_QUOTE}-SWAP")


def base_urls(ws_url: str | None, rest_url: str | None) -> tuple[str, str]:
    """Return both base addresses without a route, the exchange's own for None; `SettingsError` if one cannot be."""
    own = (DEFAULT_WS_URL, DEFAULT_REST_URL)
    return addresses.base_pair((ws_url, rest_url), own, ws_route="ws", rest_route="api")


def normalise_symbol(text: str) -> str:
    """Return a symbol in people's spelling, e.g. BTCUSDT; `SettingsError` unless it can be a linear USDT swap.

    OKX's own name (BTC-USDT-SWAP) is understood, too.
    """
    own = symbol_of(text.strip().upper())
    symbol = own if own is not None else addresses.normalise_symbol(text)
    if symbol_of(instrument_of(symbol)) != symbol:
        raise SettingsError(
            f"expected a symbol like BTCUSDT, was {text!r}", short=f"OKX has no USDT swap “{text.strip()}”."
        )
    return symbol


def instrument_of(symbol: str) -> str:
    """Return OKX's name of a symbol: BTCUSDT is BTC-USDT-SWAP."""
    return f"{symbol.removesuffix(_QUOTE)}-{_QUOTE}-SWAP"


def symbol_of(instrument: str) -> str | None:
    """Return people's spelling of OKX's name; None if it is no linear USDT swap."""
    found = _LINEAR_SWAP.fullmatch(instrument)
    return None if found is None else f"{found[1]}{_QUOTE}"


def public_socket(ws_url: str) -> str:
    """Return the address of liquidations and mark prices."""
    return f"{ws_url}/ws/v5/public"


def business_socket(ws_url: str) -> str:
    """Return the address of candles."""
    return f"{ws_url}/ws/v5/business"


def instruments_url(rest_url: str) -> str:
    """Return the address of the list of swaps, all in one answer."""
    return f"{rest_url}/api/v5/public/instruments?instType=SWAP"
