"""Why the exchange cannot be reached: exceptions and answers into one stable word and one sentence."""

from __future__ import annotations

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

from Heatmap.ingestion.proxy import shown

if TYPE_CHECKING:
    from collections.abc import Mapping

    from websockets.exceptions import WebSocketException

REFUSED_WAIT_S = 60.0
"""Seconds to wait after a refusal (region, ban) that names no time of its own."""

_LONGEST_WAIT_S = 3 * 24 * 3600.0  # the exchange's longest ban
_BANNED_UNTIL = re.compile(r"banned until (\d{13})\b")
_ERRNO_IN_TEXT = re.compile(r"\[Errno (\d+)\]")
_REGION = (HTTPStatus.FORBIDDEN, HTTPStatus.UNAVAILABLE_FOR_LEGAL_REASONS)
_BANNED = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.IM_A_TEAPOT)
_CONNECTING = frozenset({"dns", "refused", "unreachable", "timeout", "network", "closed"})
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
    "dns": "The name of {place} cannot be resolved; is this machine online?",
    "timeout": "{place} did not answer in time.",
    "refused": "{place} refuses the connection; nothing listens there.",
    "unreachable": "There is no way to {place}; is this machine online?",
    "closed": "{place} cut the connection.",
}


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a connection or a request failed.

    Attributes
    ----------
    reason
        A stable word: ``"dns"``, ``"refused"``, ``"unreachable"``, ``"tls"``, ``"timeout"``, ``"region"``,
        ``"banned"``, ``"proxy"``, ``"http"``, ``"closed"``, ``"too-large"``, ``"protocol"``, ``"network"``, or
        ``"internal"`` for a fault of this program.
    detail
        One English sentence for logs and the command line.
    status
        The HTTP status, or None when no answer came.
    wait_s
        Seconds to wait at least before the next attempt; 0 if the exchange asks for nothing.
    """

    reason: str
    detail: str
    status: int | None = None
    wait_s: float = 0.0


def of_network_error(error: BaseException, place: str, *, proxy: str | None = None) -> Failure:
    """Return what an `OSError` from connecting to ``place`` means; anything else is ``"network"``.

    Parameters
    ----------
    error, place
        What was raised; host for the sentence.
    proxy
        The proxy's address if there is one: then it is the proxy that was connected to, and not the place.
    """
    reason = _network_reason(error)
    if proxy is not None and reason in _CONNECTING:
        way = f"the proxy {shown(proxy)} on the way to {place}"
        sentence = _NETWORK_SENTENCES.get(reason, f"The connection to {{place}} failed: {error}.")
        return Failure("proxy", _capital(sentence.replace("{place}", way)))
    if reason == "tls":
        return Failure(reason, f"No secure connection to {place}: {getattr(error, 'reason', None) or error}.")
    sentence = _NETWORK_SENTENCES.get(reason, f"The connection to {place} failed: {error}.")
    return Failure(reason, sentence.replace("{place}", place))


def of_http_answer(status: int, headers: Mapping[str, str], body: str, place: str, *, now_ms: int) -> Failure:
    """Return what an HTTP answer other than success means.

    Parameters
    ----------
    status, headers, body
        The answer; ``body`` may be cut, header names may be in any case.
    place
        Host for the sentence.
    now_ms
        The present by this machine's clock, ms since the epoch, for an answer without a date of its own: the exchange
        names the end of a ban as a time.
    """
    if status in _REGION:
        return Failure(
            "region",
            f"{place} does not serve this region or network (HTTP {status}).",
            status,
            REFUSED_WAIT_S,
        )
    if status in _BANNED:
        wait_s = min(_asked_wait_s(headers, body, now_ms), _LONGEST_WAIT_S)
        sentence = f"{place} asks for a pause of {wait_s:.0f} s: too many requests (HTTP {status})."
        return Failure("banned", sentence, status, wait_s)
    excerpt = " ".join(body.split())[:200]
    return Failure("http", f"{place} answered HTTP {status}{': ' + excerpt if excerpt else ''}.", status)


def of_socket_error(
    error: WebSocketException | OSError, place: str, *, max_bytes: int, now_ms: int, proxy: str | None = None
) -> Failure:
    """Return why a WebSocket did not open, or ended.

    Parameters
    ----------
    error
        What connecting or reading raised.
    place
        Host for the sentence.
    max_bytes
        The size of a message above which this side closes.
    now_ms
        See `of_http_answer`.
    proxy
        See `of_network_error`.
    """
    if isinstance(error, ConnectionClosed):
        return _of_close(error, place, max_bytes)
    if isinstance(error, (InvalidProxy, ProxyError)):
        name = "" if proxy is None else f" {shown(proxy)}"
        return Failure(
            "proxy", f"The proxy{name} on the way to {place} cannot be used: {_without_secret(error, proxy)}."
        )
    if isinstance(error, InvalidStatus):
        answer = error.response
        return of_http_answer(
            answer.status_code,
            dict(answer.headers.raw_items()),
            answer.body.decode("utf-8", "replace"),
            place,
            now_ms=now_ms,
        )
    if isinstance(error, OSError):
        return of_network_error(error, place, proxy=proxy)
    if isinstance(error, InvalidMessage) and isinstance(error.__cause__, (EOFError, OSError)):
        return of_network_error(error.__cause__, place, proxy=proxy)
    return Failure("protocol", f"{place} does not speak WebSocket as expected: {error}.")


def _of_close(error: ConnectionClosed, place: str, max_bytes: int) -> Failure:
    sent, received = error.sent, error.rcvd
    if sent is not None and sent.code == CloseCode.MESSAGE_TOO_BIG and not error.rcvd_then_sent:
        return Failure("too-large", f"{place} sent a message of more than {max_bytes} bytes.")
    if received is None:
        return Failure("closed", f"The connection to {place} broke off.")
    words = f" ({received.code}{' ' + received.reason if received.reason else ''})"
    return Failure("closed", f"{place} closed the connection{words}.")


def _asked_wait_s(headers: Mapping[str, str], body: str, now_ms: int) -> float:
    asked = next((value.strip() for name, value in headers.items() if name.lower() == "retry-after"), "")
    if asked.isdecimal():
        return float(asked)
    if until := _BANNED_UNTIL.search(body):
        return max(0.0, (int(until[1]) - _answered_ms(headers, now_ms)) / 1000)
    return REFUSED_WAIT_S


def _answered_ms(headers: Mapping[str, str], now_ms: int) -> int:
    """Return when an answer was made by the clock of who made it, which this machine's may differ from."""
    date = next((value for name, value in headers.items() if name.lower() == "date"), "")
    try:
        return round(parsedate_to_datetime(date).timestamp() * 1000)
    except ValueError:
        return now_ms


def _without_secret(error: Exception, proxy: str | None) -> str:
    """Return the text of an error without the name and password of a proxy's address."""
    text = str(error)
    secret = "" if proxy is None else urlsplit(proxy).netloc.rpartition("@")[0]
    return text.replace(f"{secret}@", "") if secret else text


def _capital(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]


def _network_reason(error: BaseException) -> str:
    for kind, reason in _REASON_BY_TYPE:
        if isinstance(error, kind):
            return reason
    return _REASON_BY_ERRNO.get(_errno_of(error) or 0, "network")


def _errno_of(error: BaseException) -> int | None:
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno
    # asyncio joins the failures of several addresses of one host into a text without a number.
    found = _ERRNO_IN_TEXT.search(str(error))
    return int(found[1]) if found else None
