"""Base addresses and symbols as people write them."""

from __future__ import annotations

import re
from ipaddress import ip_address
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

    Raises `SettingsError` if it has none of the schemes or no host, or if it has a user name or a password: addresses
    are shown in logs and messages, this one without them.
    """
    shown = _without_secrets(url.strip())
    expected = f"expected an address like {example}, was {shown!r}"
    try:
        parts = urlsplit(url.strip())
        # Reading the port is what checks it; a name that cannot be encoded cannot be looked up either.
        well_formed = parts.scheme in schemes and bool((parts.hostname or "").encode("idna")) and parts.port != 0
    except ValueError as error:
        # The error quotes the address.
        raise SettingsError(expected, short=f"“{shown}” is not an address.") from error
    if not well_formed:
        raise SettingsError(expected, short=f"“{shown}” is not an address that starts with {' or '.join(schemes)}://.")
    if "@" in parts.netloc:
        raise SettingsError(
            f"{expected} with a user name or a password", short=f"“{shown}”: no user name or password can be used."
        )
    kept: list[str] = []
    for segment in parts.path.split("/"):
        if segment in routes or "@" in segment:
            break
        if segment:
            kept.append(segment)
    return urlunsplit((parts.scheme, parts.netloc, "/".join(["", *kept]) if kept else "", "", ""))


def _without_secrets(url: str) -> str:
    """Return an address without user name, password and query."""
    scheme, mark, rest = url.partition("//") if "//" in url else ("", "", url)
    host, slash, path = rest.partition("?")[0].partition("/")
    return f"{scheme}{mark}{host.rpartition('@')[2]}{slash}{path}"


def is_encrypted_or_local(url: str) -> bool:
    """Return True unless what an address brings passes other machines unencrypted, where anybody may change it."""
    parts = urlsplit(url)
    if parts.scheme in ("wss", "https"):
        return True
    host = parts.hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def base_pair(
    given: tuple[str | None, str | None], own: tuple[str, str], *, ws_route: str, rest_route: str
) -> tuple[str, str]:
    """Return the base addresses of streams and REST without a route: those given, the venue's ``own`` for None.

    A route begins with ``ws_route`` and ``rest_route``. `SettingsError` as for `base_address`.
    """
    ws = base_address(given[0] or own[0], schemes=("ws", "wss"), routes=frozenset({ws_route}), example=own[0])
    rest = base_address(given[1] or own[1], schemes=("http", "https"), routes=frozenset({rest_route}), example=own[1])
    return ws, rest
