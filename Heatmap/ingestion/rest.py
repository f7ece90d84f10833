"""One GET request at a time, bounded in time and size, away from the event loop and able to be cancelled.

The standard library's urllib is enough for a few requests a day and respects the system's proxies. Each
request has its own daemon thread: a name server that hangs can hold up neither the loop nor the end of the
program.
"""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import socket
import threading
import urllib.error
import urllib.request
from typing import Any
from urllib.parse import urlsplit

import msgspec

from Heatmap.clock import SYSTEM_CLOCK, Clock
from Heatmap.errors import RestError
from Heatmap.ingestion import failure

DEFAULT_TIMEOUT_S = 10.0
DEFAULT_MAX_BYTES = 32 * 1024 * 1024
"""Longest answer that is read; exchangeInfo has a few megabytes."""

_CHUNK_BYTES = 256 * 1024
_ERROR_BODY_BYTES = 4096
_ABORT_TRIES = 10
_ABORT_PAUSE_S = 0.05


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
        Seconds for the whole request.
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
    request = _Request(url, timeout_s, max_bytes, clock)
    loop = asyncio.get_running_loop()
    result: asyncio.Future[bytes] = loop.create_future()

    work = threading.Thread(target=_perform, args=(request, loop, result), name="heatmap-rest", daemon=True)
    work.start()
    try:
        # Not wait_for: before Python 3.12 it swallows a cancellation that meets the answer.
        async with asyncio.timeout(timeout_s):
            return await asyncio.shield(result)
    except TimeoutError as error:
        late = failure.of_network_error(error, request.place)
        raise RestError(f"{late.detail} ({url})", reason=late.reason, short=late.detail) from error
    finally:
        for _ in range(_ABORT_TRIES):
            if result.done():
                break
            # The cut socket wakes the thread at once, but it may not have a socket yet; only a hanging name
            # server can outlast all tries.
            request.abort()
            await asyncio.wait([result], timeout=_ABORT_PAUSE_S)
        if result.done() and not result.cancelled():
            result.exception()  # seen: an aborted request must not be reported as a forgotten one


def _perform(request: _Request, loop: asyncio.AbstractEventLoop, result: asyncio.Future[bytes]) -> None:
    """Perform the request on this thread and hand its end to the loop that waits."""
    body = b""
    fault: Exception | None = None
    try:
        body = request.perform()
    except Exception as error:  # noqa: BLE001 - handed to the one who waits, with its traceback
        fault = error

    def settle() -> None:
        if result.done():
            return
        if fault is not None:
            result.set_exception(fault)
        else:
            result.set_result(body)

    # The loop may be gone: then nobody waits any more.
    with contextlib.suppress(RuntimeError):
        loop.call_soon_threadsafe(settle)


class _Request:
    """One request, performed in a thread; `abort` may be called from another."""

    def __init__(self, url: str, timeout_s: float, max_bytes: int, clock: Clock) -> None:
        self.place = urlsplit(url).hostname or url
        self._url = url
        self._timeout_s = timeout_s
        self._max_bytes = max_bytes
        self._clock = clock
        self._aborted = threading.Event()
        self._connection: http.client.HTTPConnection | None = None

    def abort(self) -> None:
        self._aborted.set()
        sock = self._connection.sock if self._connection is not None else None
        if isinstance(sock, socket.socket):
            # It may have ended by itself in the meantime.
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    def perform(self) -> bytes:
        if urlsplit(self._url).scheme not in ("http", "https"):
            raise RestError(f"expected an http address, was {self._url!r}", reason="http")
        opener = urllib.request.build_opener(_PlainHandler(self), _SecureHandler(self))
        request = urllib.request.Request(  # noqa: S310 - the scheme is checked above
            self._url, headers={"Accept": "application/json", "User-Agent": "heatmap"}
        )
        try:
            with opener.open(request, timeout=self._timeout_s) as response:
                return self._read(response)
        except urllib.error.HTTPError as error:
            with error:
                body = self._error_body(error)
            seen = failure.of_http_answer(
                error.code, dict(error.headers.items()), body, self.place, now_ms=self._clock.now_ms()
            )
            raise self._error(seen) from error
        except urllib.error.URLError as error:
            cause = error.reason if isinstance(error.reason, BaseException) else error
            raise self._error(failure.of_network_error(cause, self.place)) from error
        except (OSError, http.client.HTTPException) as error:
            raise self._error(failure.of_network_error(error, self.place)) from error

    def remember(self, connection: http.client.HTTPConnection) -> None:
        self._connection = connection

    def _read(self, response: http.client.HTTPResponse) -> bytes:
        parts: list[bytes] = []
        size = 0
        while chunk := response.read1(_CHUNK_BYTES):
            if self._aborted.is_set():
                raise ConnectionAbortedError("nobody waits for this answer any more")
            size += len(chunk)
            if size > self._max_bytes:
                raise RestError(
                    f"expected at most {self._max_bytes} bytes from {self._url}, was more", reason="too-large"
                )
            parts.append(chunk)
        if response.length:
            raise ConnectionResetError(f"{self.place} ended its answer {response.length} bytes early")
        return b"".join(parts)

    @staticmethod
    def _error_body(error: urllib.error.HTTPError) -> str:
        # The status alone says enough if the body does not come.
        with contextlib.suppress(OSError, http.client.HTTPException):
            return error.read(_ERROR_BODY_BYTES).decode("utf-8", "replace")
        return ""

    def _error(self, seen: failure.Failure) -> RestError:
        return RestError(
            f"{seen.detail} ({self._url})",
            reason=seen.reason,
            status=seen.status,
            retry_after_s=seen.wait_s or None,
            short=seen.detail,
        )


class _PlainHandler(urllib.request.HTTPHandler):
    def __init__(self, owner: _Request) -> None:
        super().__init__()
        self._owner = owner

    def http_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(self._connect, req)

    def _connect(self, host: str, **options: Any) -> http.client.HTTPConnection:
        connection = http.client.HTTPConnection(host, **options)
        self._owner.remember(connection)
        return connection


class _SecureHandler(urllib.request.HTTPSHandler):
    def __init__(self, owner: _Request) -> None:
        super().__init__()
        self._owner = owner

    def https_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(self._connect, req)

    def _connect(self, host: str, **options: Any) -> http.client.HTTPConnection:
        connection = http.client.HTTPSConnection(host, **options)
        self._owner.remember(connection)
        return connection
