"""One GET request at a time, bounded in time and size, away from the event loop.

The standard library's urllib is enough for a few requests a day; proxies are those of `Heatmap.ingestion.proxy`.
"""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import urllib.error
import urllib.request
from types import MappingProxyType
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from Heatmap.clock import SYSTEM_CLOCK, Clock
from Heatmap.errors import RestError
from Heatmap.ingestion import failure
from Heatmap.ingestion.daemon_thread import run_in_daemon_thread
from Heatmap.ingestion.proxy import is_socks, proxy_for, shown

if TYPE_CHECKING:
    from collections.abc import Mapping

_CHUNK_BYTES: Final = 256 * 1024
_ERROR_BODY_BYTES: Final = 4096


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect is an answer like any other: it could lead to an unencrypted address, or to another host."""

    def redirect_request(self, *_: object) -> None:
        """Follow none."""


async def fetch_bytes(
    url: str,
    *,
    timeout_s: float = 10.0,
    max_bytes: int = 32 * 1024 * 1024,  # a list of symbols has a few megabytes
    clock: Clock = SYSTEM_CLOCK,
    headers: Mapping[str, str] = MappingProxyType({}),  # besides the usual ones
) -> bytes:
    """Return the body of the answer at an ``http`` or ``https`` address.

    The whole request takes at most ``timeout_s``; its thread may need as long again to end. No answer, or one that is
    no success, raises `RestError`, with a reason of `Heatmap.ingestion.failure.Failure` or ``"too-large"``.
    """
    try:
        # Not wait_for: before Python 3.12 it swallows a cancellation that meets the answer.
        async with asyncio.timeout(timeout_s):
            return await run_in_daemon_thread(
                lambda: _get(url, timeout_s, max_bytes, clock, headers), name="heatmap-rest"
            )
    except TimeoutError as error:
        raise _rest_error(failure.of_network_error(error, _host(url), proxy=proxy_for(url)), url) from error


def _get(url: str, timeout_s: float, max_bytes: int, clock: Clock, more: Mapping[str, str]) -> bytes:
    """Perform the request; on a thread that may wait."""
    scheme = urlsplit(url).scheme
    if scheme not in ("http", "https"):
        raise RestError(f"expected an http address, was {url!r}", reason="http")
    headers = {"Accept": "application/json", "User-Agent": "heatmap", **more}
    request = urllib.request.Request(url, headers=headers)  # noqa: S310 - the scheme is checked above
    deadline_s = clock.monotonic_s() + timeout_s
    proxy = proxy_for(url)
    if proxy is not None and is_socks(proxy):
        raise RestError(
            f"{url}: a SOCKS proxy cannot be used for REST requests: {shown(proxy)}",
            reason="proxy",
            short=f"The SOCKS proxy {shown(proxy)} cannot be used for requests to {_host(url)}.",
        )
    proxies = urllib.request.ProxyHandler({} if proxy is None else {scheme: proxy})
    opener = urllib.request.build_opener(proxies, _NoRedirect)
    try:
        with opener.open(request, timeout=timeout_s) as response:
            chunks: list[bytes] = []
            size = 0
            while chunk := response.read1(_CHUNK_BYTES):
                size += len(chunk)
                if size > max_bytes:
                    raise RestError(f"expected at most {max_bytes} bytes from {url}, was more", reason="too-large")
                if clock.monotonic_s() > deadline_s:
                    raise TimeoutError("the answer came too slowly")
                chunks.append(chunk)
            if response.length:
                raise ConnectionResetError(f"the answer ended {response.length} bytes early")
            return b"".join(chunks)
    except urllib.error.HTTPError as error:
        with error:
            body = _excerpt(error)
        answer = dict(error.headers.items())
        failed = failure.of_http_answer(error.code, answer, body, _host(url), now_ms=clock.now_ms())
        raise _rest_error(failed, url) from error
    except (OSError, http.client.HTTPException) as error:
        # A URLError carries in `reason` what the socket raised; an SSLError carries a text there.
        cause = getattr(error, "reason", None)
        fault = cause if isinstance(cause, BaseException) else error
        raise _rest_error(failure.of_network_error(fault, _host(url), proxy=proxy), url) from error


def _excerpt(error: urllib.error.HTTPError) -> str:
    # The status alone is enough if the body does not come.
    with contextlib.suppress(OSError, http.client.HTTPException):
        return error.read(_ERROR_BODY_BYTES).decode("utf-8", "replace")
    return ""


def _host(url: str) -> str:
    return urlsplit(url).hostname or url


def _rest_error(failed: failure.Failure, url: str) -> RestError:
    return RestError(
        f"{failed.detail} ({url})",
        reason=failed.reason,
        status=failed.status,
        retry_after_s=failed.wait_s or None,
        short=failed.detail,
    )
