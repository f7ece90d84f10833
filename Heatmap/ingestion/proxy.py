"""The system's proxy for an address.

Unlike urllib and websockets this respects ``ALL_PROXY``, too, as curl and most programs do.
"""

from __future__ import annotations

import urllib.request
from typing import Final
from urllib.parse import urlsplit

# The order of websockets' own look-up, with "all" behind it.
_SCHEMES: Final = {
    "wss": ("wss", "socks", "https", "all"),
    "ws": ("ws", "socks", "https", "http", "all"),
    "https": ("https", "all"),
    "http": ("http", "all"),
}


def proxy_for(url: str) -> str | None:
    """Return the address of the proxy for an address, None for a direct connection; ``NO_PROXY`` is respected."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if urllib.request.proxy_bypass(host if parts.port is None else f"{host}:{parts.port}"):
        return None
    proxies = urllib.request.getproxies()
    scheme, proxy = next(((name, proxies[name]) for name in _SCHEMES[parts.scheme] if proxies.get(name)), ("", None))
    if proxy is None:
        return None
    if "://" not in proxy:
        return f"http://{proxy}"
    # The system's SOCKS proxy comes with a scheme of HTTP.
    return f"socks5h://{proxy[7:]}" if scheme == "socks" and proxy.startswith("http://") else proxy


def is_socks(proxy: str) -> bool:
    """Return True if a proxy speaks SOCKS, which REST requests cannot use."""
    return proxy.startswith("socks")


def shown(proxy: str) -> str:
    """Return host and port of a proxy, without the name and password of its address."""
    parts = urlsplit(proxy)
    return f"{parts.hostname}:{parts.port}" if parts.port is not None else f"{parts.hostname}"
