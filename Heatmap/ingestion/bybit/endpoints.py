"""Addresses and names of instruments, as pure functions.

Source: Bybit API v5, "Connect", "Get Instruments Info", "Get Kline".
"""

from __future__ import annotations

import re
from typing import Final

from Heatmap.errors import SettingsError
from Heatmap.ingestion import addresses

DEFAULT_WS_URL: Final = "wss://stream.bybit.com"
DEFAULT_REST_URL: Final = "https://api.bybit.com"

INSTRUMENTS_PER_PAGE: Final = 1000  # the most there can be in one answer
# Matched as a whole: BTCPERP is settled in USDC, BTCUSDT-25DEC26 ends on a day, BTCUSD is margined in coins.
_LINEAR_PERPETUAL: Final = re.compile(r"[^\W_a-z]{1,30}USDT")


def base_urls(ws_url: str | None, rest_url: str | None) -> tuple[str, str]:
    """Return both base addresses without a route, the exchange's own for None; `SettingsError` if one cannot be."""
    own = (DEFAULT_WS_URL, DEFAULT_REST_URL)
    return addresses.base_pair((ws_url, rest_url), own, ws_route="v5", rest_route="v5")


def is_linear_perpetual(symbol: str) -> bool:
    """Return True if a symbol can be a linear USDT perpetual; Bybit's spelling is people's."""
    return _LINEAR_PERPETUAL.fullmatch(symbol) is not None


def normalise_symbol(text: str) -> str:
    """Return a symbol in upper case, e.g. BTCUSDT; `SettingsError` unless it can be a linear USDT perpetual."""
    symbol = addresses.normalise_symbol(text)
    if not is_linear_perpetual(symbol):
        raise SettingsError(
            f"expected a symbol like BTCUSDT, was {text!r}", short=f"Bybit has no USDT perpetual “{text.strip()}”."
        )
    return symbol


def public_socket(ws_url: str) -> str:
    """Return the address of liquidations, tickers and candles of linear contracts."""
    return f"{ws_url}/v5/public/linear"


def instruments_url(rest_url: str) -> str:
    """Return the address of the first page of the list of linear contracts."""
    return f"{rest_url}/v5/market/instruments-info?category=linear&limit={INSTRUMENTS_PER_PAGE}"
