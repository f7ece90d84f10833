"""Base addresses and symbols as people write them."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import urlsplit, urlunsplit

from Heatmap.errors import SettingsError

_SYMBOL: Final = re.compile(r"\w{1,40}")
_LISTED_SYMBOL: Final = re.compile(r"[^\Wa-z]{1,40}")


def normalise_symbol(text: str) -> str:
    """Return a symbol as the record has it: upper case, nothing around it.

    Raises `SettingsError` for anything but 1 to 40 letters, digits and ``_``.
    """
    symbol = text.strip().upper()
    if not _SYMBOL.fullmatch(symbol):
        raise SettingsError(f"expected a symbol like BTCUSDT, was {text!r}", short=f"“{text.strip()}” is not a symbol.")
    return symbol


def is_symbol(text: str) -> bool:
    """Return True if an exchange may list a symbol of this name: letters (which may be Chinese), digits and ``_``.

    No lower case; nothing that is a formula for a spreadsheet, mark-up, or a line of a log.
    """
    return _LISTED_SYMBOL.fullmatch(text) is not None


def base_address(url: str, *, schemes: tuple[str, ...], routes: frozenset[str], example: str) -> str:
    """Return an address without its route, query and last slash; a route begins with any of ``routes`` or a stream.

    Raises `SettingsError` if it has none of the schemes, or no host.
    """
    expected = f"expected an address like {example}, was {url!r}"
    try:
        parts = urlsplit(url.strip())
        # Reading the port is what checks it; a name that cannot be encoded cannot be looked up either.
        well_formed = parts.scheme in schemes and bool((parts.hostname or "").encode("idna")) and parts.port != 0
    except ValueError as error:
        raise SettingsError(f"{expected}: {error}", short=f"“{url}” is not an address.") from error
    if not well_formed:
        raise SettingsError(expected, short=f"“{url}” is not an address that starts with {' or '.join(schemes)}://.")
    kept: list[str] = []
    for segment in parts.path.split("/"):
        if segment in routes or "@" in segment:
            break
        if segment:
            kept.append(segment)
    return urlunsplit((parts.scheme, parts.netloc, "/".join(["", *kept]) if kept else "", "", ""))


def base_pair(
    given: tuple[str | None, str | None], own: tuple[str, str], *, ws_route: str, rest_route: str
) -> tuple[str, str]:
    """Return the base addresses of streams and REST without a route: those given, the venue's ``own`` for None.

    A route begins with ``ws_route`` and ``rest_route``. `SettingsError` as for `base_address`.
    """
    ws = base_address(given[0] or own[0], schemes=("ws", "wss"), routes=frozenset({ws_route}), example=own[0])
    rest = base_address(given[1] or own[1], schemes=("http", "https"), routes=frozenset({rest_route}), example=own[1])
    return ws, rest
