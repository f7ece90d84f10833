"""Exceptions and HTTP answers of a failed connection, as one stable word and one sentence."""

from __future__ import annotations

import contextlib
import errno
import re
import socket
import ssl
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from websockets.exceptions import ConnectionClosed, InvalidMessage, InvalidProxy, InvalidStatus, ProxyError
from websockets.frames import CloseCode

from Heatmap.foreign_text import one_line
from Heatmap.ingestion.proxy import shown

if TYPE_CHECKING:
    from collections.abc import Mapping

    from websockets.exceptions import WebSocketException

_DETAIL_CHARS = 500
REFUSED_WAIT_S = 60.0  # after a refusal (region, ban) that names no time
_LONGEST_WAIT_S = 3 * 24 * 3600.0  # Binance's longest ban
_BANNED_UNTIL = re.compile(r"banned until (\d{13})\b")
_ERRNO_IN_TEXT = re.compile(r"\[Errno (\d+)\]")
_REGION = (HTTPStatus.FORBIDDEN, HTTPStatus.UNAVAILABLE_FOR_LEGAL_REASONS)
_BANNED = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.IM_A_TEAPOT)
_WHILE_CONNECTING = frozenset({"dns", "refused", "unreachable", "timeout", "network", "closed"})
_REASON_BY_TYPE: tuple[tuple[type[BaseException], str], ...] = (
    (socket.gaierror, "dns"),
    (ssl.SSLError, "tls"),
    (TimeoutError, "timeout"),
    (ConnectionRefusedError, "refused"),
    (ConnectionError, "closed"),
    (EOFError, "closed"),
)
_REASON_BY_ERRNO = {
    errno.ECONNREFUSED: "refused",
    errno.ETIMEDOUT: "timeout",
    errno.ENETUNREACH: "unreachable",
    errno.EHOSTUNREACH: "unreachable",
    errno.ENETDOWN: "unreachable",
    errno.EADDRNOTAVAIL: "unreachable",
}
_NETWORK_SENTENCES = {
    "dns": "The name of {host} cannot be resolved; is this machine online?",
    "timeout": "{host} did not answer in time.",
    "refused": "{host} refuses the connection; nothing listens there.",
    "unreachable": "There is no way to {host}; is this machine online?",
    "closed": "{host} cut the connection.",
}


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a connection or a request failed.

    ``reason`` is a stable word: ``"dns"``, ``"refused"``, ``"unreachable"``, ``"tls"``, ``"timeout"``, ``"region"``,
    ``"banned"``, ``"proxy"``, ``"http"``, ``"closed"``, ``"too-large"``, ``"protocol"``, ``"network"``, or
    ``"internal"`` for a fault of this program.
    """

    reason: str
    detail: str  # one English sentence for logs and the command line
    status: int | None = None  # of HTTP; None when no answer came
    wait_s: float = 0.0  # shortest wait before the next attempt; 0 if the exchange asks for nothing

    def __post_init__(self) -> None:
        """Make one line of what may quote the exchange."""
        object.__setattr__(self, "detail", one_line(self.detail, most=_DETAIL_CHARS))


def of_network_error(error: BaseException, host: str, *, proxy: str | None = None) -> Failure:
    """Return the failure of a connection to ``host``, or to the address of a ``proxy`` if there is one."""
    reason = _network_reason(error)
    if reason == "tls":
        return Failure(reason, f"No secure connection to {host}: {getattr(error, 'reason', None) or error}.")
    sentence = _NETWORK_SENTENCES.get(reason, f"The connection to {{host}} failed: {error}.")
    if proxy is not None and reason in _WHILE_CONNECTING:
        sentence = sentence.replace("{host}", f"the proxy {shown(proxy)} on the way to {host}")
        return Failure("proxy", sentence[:1].upper() + sentence[1:])
    return Failure(reason, sentence.replace("{host}", host))


def of_http_answer(status: int, headers: Mapping[str, str], body: str, host: str, *, now_ms: int) -> Failure:
    """Return the failure of an HTTP answer other than success; ``body`` may be cut, header names be in any case.

    ``now_ms`` is the time by this machine's clock, for an answer without a date: a ban may name its end.
    """
    if status in _REGION:
        sentence = f"{host} does not serve this region or network (HTTP {status})."
        return Failure("region", sentence, status, REFUSED_WAIT_S)
    if status in _BANNED:
        wait_s = min(_asked_wait_s(headers, body, now_ms), _LONGEST_WAIT_S)
        sentence = f"{host} asks for a pause of {wait_s:.0f} s: too many requests (HTTP {status})."
        return Failure("banned", sentence, status, wait_s)
    excerpt = " ".join(body.split())[:200]
    return Failure("http", f"{host} answered HTTP {status}{': ' + excerpt if excerpt else ''}.", status)


def of_socket_error(
    error: WebSocketException | OSError, host: str, *, max_bytes: int, now_ms: int, proxy: str | None = None
) -> Failure:
    """Return why a WebSocket did not open, or ended; ``max_bytes`` is the longest message that is read."""
    if isinstance(error, ConnectionClosed):
        return _of_close(error, host, max_bytes)
    if isinstance(error, (InvalidProxy, ProxyError)):
        name = "" if proxy is None else f" {shown(proxy)}"
        sentence = f"The proxy{name} on the way to {host} cannot be used: {_without_secret(error, proxy)}."
        return Failure("proxy", sentence)
    if isinstance(error, InvalidStatus):
        answer = error.response
        body = answer.body.decode("utf-8", "replace")
        return of_http_answer(answer.status_code, dict(answer.headers.raw_items()), body, host, now_ms=now_ms)
    if isinstance(error, OSError):
        return of_network_error(error, host, proxy=proxy)
    if isinstance(error, InvalidMessage) and isinstance(error.__cause__, (EOFError, OSError)):
        return of_network_error(error.__cause__, host, proxy=proxy)
    return Failure("protocol", f"{host} does not speak WebSocket as expected: {error}.")


def _of_close(error: ConnectionClosed, host: str, max_bytes: int) -> Failure:
    sent, received = error.sent, error.rcvd
    if sent is not None and sent.code == CloseCode.MESSAGE_TOO_BIG and not error.rcvd_then_sent:
        return Failure("too-large", f"{host} sent a message of more than {max_bytes} bytes.")
    if received is None:
        return Failure("closed", f"The connection to {host} broke off.")
    words = f" ({received.code}{' ' + received.reason if received.reason else ''})"
    return Failure("closed", f"{host} closed the connection{words}.")


def _asked_wait_s(headers: Mapping[str, str], body: str, now_ms: int) -> float:
    lower = {name.lower(): value.strip() for name, value in headers.items()}
    if (asked := lower.get("retry-after", "")).isdecimal():
        return float(asked)
    if until := _BANNED_UNTIL.search(body):
        # By the clock that made the answer, which this machine's may differ from.
        with contextlib.suppress(ValueError):
            now_ms = round(parsedate_to_datetime(lower.get("date", "")).timestamp() * 1000)
        return max(0.0, (int(until[1]) - now_ms) / 1000)
    return REFUSED_WAIT_S


def _without_secret(error: Exception, proxy: str | None) -> str:
    """Return the text of an error without the name and password of a proxy's address."""
    text = str(error)
    secret = "" if proxy is None else urlsplit(proxy).netloc.rpartition("@")[0]
    return text.replace(f"{secret}@", "") if secret else text


def _network_reason(error: BaseException) -> str:
    for kind, reason in _REASON_BY_TYPE:
        if isinstance(error, kind):
            return reason
    number = error.errno if isinstance(error, OSError) else None
    if number is None:
        # asyncio joins the failures of several addresses of one host into a text without a number.
        found = _ERRNO_IN_TEXT.search(str(error))
        number = int(found[1]) if found else 0
    return _REASON_BY_ERRNO.get(number, "network")
