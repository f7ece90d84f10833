"""One GET request at a time, bounded in time and size, away from the event loop.

The standard library's urllib is enough for a few requests a day; proxies are those of `Heatmap.ingestion.proxy`.
"""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import urllib.error
import urllib.request
from urllib.parse import urlsplit

import msgspec

from Heatmap.clock import SYSTEM_CLOCK, Clock
from Heatmap.errors import RestError
from Heatmap.ingestion import failure
from Heatmap.ingestion.daemon_thread import run_in_daemon_thread
from Heatmap.ingestion.proxy import is_socks, proxy_for, shown

DEFAULT_TIMEOUT_S = 10.0
DEFAULT_MAX_BYTES = 32 * 1024 * 1024
"""Longest answer that is read; exchangeInfo has a few megabytes."""

_CHUNK_BYTES = 256 * 1024
_ERROR_BODY_BYTES = 4096


async def fetch_json(
    url: str,
    *,
    timeout_s: float = DEFAULT_TIMEOUT_S,
    max_bytes: int = DEFAULT_MAX_BYTES,
    clock: Clock = SYSTEM_CLOCK,
) -> object:
    """Return the decoded JSON at ``url``; see `fetch_bytes` for the rest.

    Raises
    ------
    RestError
        As `fetch_bytes`, and ``reason`` ``"bad-json"`` if the answer is no JSON.
    """
    body = await fetch_bytes(url, timeout_s=timeout_s, max_bytes=max_bytes, clock=clock)
    try:
        decoded: object = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise RestError(f"expected JSON from {url}: {error}", reason="bad-json") from error
    return decoded


async def fetch_bytes(
    url: str,
    *,
    timeout_s: float = DEFAULT_TIMEOUT_S,
    max_bytes: int = DEFAULT_MAX_BYTES,
    clock: Clock = SYSTEM_CLOCK,
) -> bytes:
    """Return the body of the answer at ``url``.

    Parameters
    ----------
    url
        An ``http`` or ``https`` address.
    timeout_s
        Seconds for the whole request; its thread may need as long again to notice that nobody waits any more.
    max_bytes
        Longest body accepted.
    clock
        Tells the present, for bans that end at a time.

    Raises
    ------
    RestError
        No answer, or one that is no success; see `Heatmap.ingestion.failure.Failure` for the reasons, and
        ``"too-large"``.
    """
    try:
        # Not wait_for: before Python 3.12 it swallows a cancellation that meets the answer.
        async with asyncio.timeout(timeout_s):
            return await run_in_daemon_thread(lambda: _get(url, timeout_s, max_bytes, clock), name="heatmap-rest")
    except TimeoutError as error:
        raise _rest_error(failure.of_network_error(error, _place(url), proxy=proxy_for(url)), url) from error


def _get(url: str, timeout_s: float, max_bytes: int, clock: Clock) -> bytes:
    """Perform the request; on a thread that may wait."""
    if urlsplit(url).scheme not in ("http", "https"):
        raise RestError(f"expected an http address, was {url!r}", reason="http")
    headers = {"Accept": "application/json", "User-Agent": "heatmap"}
    request = urllib.request.Request(url, headers=headers)  # noqa: S310 - the scheme is checked above
    deadline_s = clock.monotonic_s() + timeout_s
    proxy = proxy_for(url)
    if proxy is not None and is_socks(proxy):
        raise RestError(
            f"{url}: a SOCKS proxy cannot be used for REST requests: {shown(proxy)}",
            reason="proxy",
            short=f"The SOCKS proxy {shown(proxy)} cannot be used for requests to {_place(url)}.",
        )
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({} if proxy is None else {urlsplit(url).scheme: proxy})
    )
    try:
        with opener.open(request, timeout=timeout_s) as response:
            parts: list[bytes] = []
            size = 0
            while chunk := response.read1(_CHUNK_BYTES):
                size += len(chunk)
                if size > max_bytes:
                    raise RestError(f"expected at most {max_bytes} bytes from {url}, was more", reason="too-large")
                if clock.monotonic_s() > deadline_s:
                    raise TimeoutError("the answer came too slowly")
                parts.append(chunk)
            if response.length:
                raise ConnectionResetError(f"the answer ended {response.length} bytes early")
            return b"".join(parts)
    except urllib.error.HTTPError as error:
        with error:
            body = _excerpt(error)
        answer = dict(error.headers.items())
        seen = failure.of_http_answer(error.code, answer, body, _place(url), now_ms=clock.now_ms())
        raise _rest_error(seen, url) from error
    except (OSError, http.client.HTTPException) as error:
        # A URLError carries in `reason` what the socket raised; an SSLError carries a text there.
        cause = getattr(error, "reason", None)
        fault = cause if isinstance(cause, BaseException) else error
        seen = failure.of_network_error(fault, _place(url), proxy=proxy)
        raise _rest_error(seen, url) from error


def _excerpt(error: urllib.error.HTTPError) -> str:
    # The status alone says enough if the body does not come.
    with contextlib.suppress(OSError, http.client.HTTPException):
        return error.read(_ERROR_BODY_BYTES).decode("utf-8", "replace")
    return ""


def _place(url: str) -> str:
    return urlsplit(url).hostname or url


def _rest_error(seen: failure.Failure, url: str) -> RestError:
    return RestError(
        f"{seen.detail} ({url})",
        reason=seen.reason,
        status=seen.status,
        retry_after_s=seen.wait_s or None,
        short=seen.detail,
    )
