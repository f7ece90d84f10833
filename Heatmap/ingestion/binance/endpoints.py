"""Addresses of streams and REST, as pure functions of a base address.

Facts: developers.binance.com, USD-M futures, "Websocket Market Streams / Connect" and "Important WebSocket
Change Notice". Since 2026-04-23 a socket without the ``/market`` route opens, acknowledges and then stays
silent for ever, so the route is written here and never taken from a user's address.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from Heatmap.errors import SettingsError
from Heatmap.ingestion.addresses import base_address

if TYPE_CHECKING:
    from collections.abc import Sequence

DEFAULT_WS_URL: Final = "wss://fstream.binance.com"
DEFAULT_REST_URL: Final = "https://fapi.binance.com"

MAX_STREAMS: Final = 1024  # that the exchange serves on one socket
URL_CHARS: Final = 4000  # longest address: the exchange answers HTTP 414 beyond 8,000 characters, and proxies differ
# The liquidations of all symbols, and their mark prices in one message a second.
ALL_STREAMS: Final = ("!forceOrder@arr", "!markPrice@arr@1s")

# A user may paste an address with any of these: a route begins here.
_WS_ROUTES: Final = frozenset({"ws", "stream", "market", "public", "private"})
_REST_ROUTES: Final = frozenset({"fapi", "dapi", "futures"})


def base_urls(ws_url: str | None, rest_url: str | None) -> tuple[str, str]:
    """Return both base addresses normalised, the exchange's own for None; see the two functions below."""
    return normalise_ws_base(ws_url or DEFAULT_WS_URL), normalise_rest_base(rest_url or DEFAULT_REST_URL)


def normalise_ws_base(url: str) -> str:
    """Return the base address of the streams: no route, no query, no slash at the end.

    Raises `SettingsError` if the scheme is not ``ws`` or ``wss``, or there is no host.
    """
    return base_address(url, schemes=("ws", "wss"), routes=_WS_ROUTES, example=DEFAULT_WS_URL)


def normalise_rest_base(url: str) -> str:
    """Return the base address of the REST interface, with ``http`` or ``https``; else as `normalise_ws_base`."""
    return base_address(url, schemes=("http", "https"), routes=_REST_ROUTES, example=DEFAULT_REST_URL)


def force_order_stream(symbol: str) -> str:
    """Return the stream of one symbol's liquidation orders."""
    return f"{symbol.lower()}@forceOrder"


def mark_price_stream(symbol: str) -> str:
    """Return the stream of one symbol's mark price, once a second: the heartbeat."""
    return f"{symbol.lower()}@markPrice@1s"


def market_stream_url(base: str, streams: Sequence[str]) -> str:
    """Return the address of one socket that carries all ``streams``, each message in a combined envelope.

    Raises `SettingsError` for a base that is no WebSocket address, and for no streams or more than `MAX_STREAMS`.
    """
    if not 0 < len(streams) <= MAX_STREAMS:
        raise SettingsError(f"expected 1 to {MAX_STREAMS} streams on one socket, was {len(streams)}")
    names = "/".join(quote(stream, safe="@!_") for stream in streams)
    return f"{normalise_ws_base(base)}/market/stream?streams={names}"


def market_socket(base: str, streams: Sequence[str]) -> tuple[str, tuple[str, ...]]:
    """Return the address of one socket and the streams that it does not name, to be subscribed to by messages."""
    named = len(streams)
    while len(url := market_stream_url(base, streams[:named])) > URL_CHARS:
        named = named * 3 // 4
    return url, tuple(streams[named:])


def exchange_info_url(base: str) -> str:
    """Return the address of the exchange's rules (weight 1, megabytes, no filter by symbol)."""
    return f"{normalise_rest_base(base)}/fapi/v1/exchangeInfo"
