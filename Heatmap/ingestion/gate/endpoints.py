"""Addresses and names of contracts, as pure functions.

Source: Gate API v4, "Futures WebSocket v4" and "Futures".
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import urlencode

from Heatmap.errors import SettingsError
from Heatmap.ingestion import addresses

DEFAULT_WS_URL: Final = "wss://fx-ws.gateio.ws"
DEFAULT_REST_URL: Final = "https://api.gateio.ws"

_QUOTE: Final = "USDT"
# Matched as a whole: contracts with a date of delivery have it behind the quote.
_PERPETUAL: Final = re.compile(rf"([^\W_a-z]{{1,30}})_{_QUOTE}")


def base_urls(ws_url: str | None, rest_url: str | None) -> tuple[str, str]:
    """Return both base addresses without a route, the exchange's own for None; `SettingsError` if one cannot be."""
    own = (DEFAULT_WS_URL, DEFAULT_REST_URL)
    return addresses.base_pair((ws_url, rest_url), own, ws_route="v4", rest_route="api")


def normalise_symbol(text: str) -> str:
    """Return a symbol in people's spelling, e.g. BTCUSDT; `SettingsError` unless it can be a linear USDT perpetual.

    Gate's own name (BTC_USDT) is understood, too.
    """
    symbol = addresses.normalise_symbol(text)
    symbol = symbol_of(symbol) or symbol
    if symbol_of(contract_of(symbol)) != symbol:
        raise SettingsError(
            f"expected a symbol like BTCUSDT, was {text!r}", short=f"Gate has no USDT perpetual “{text.strip()}”."
        )
    return symbol


def contract_of(symbol: str) -> str:
    """Return Gate's name of a symbol: BTCUSDT is BTC_USDT."""
    return f"{symbol.removesuffix(_QUOTE)}_{_QUOTE}"


def symbol_of(contract: str) -> str | None:
    """Return people's spelling of Gate's name; None if it is no linear USDT perpetual."""
    found = _PERPETUAL.fullmatch(contract)
    return None if found is None else f"{found[1]}{_QUOTE}"


def socket(ws_url: str) -> str:
    """Return the address of all streams."""
    return f"{ws_url}/v4/ws/usdt"


def rest(rest_url: str, path: str, **query: str | int) -> str:
    """Return the address of a request about USDT contracts."""
    return f"{rest_url}/api/v4/futures/usdt/{path}{'?' if query else ''}{urlencode(query)}"


def contracts_url(rest_url: str) -> str:
    """Return the address of the list of contracts, all in one answer."""
    return rest(rest_url, "contracts")
