"""A client's WebSocket session at Binance, sans I/O: route, subscriptions, control messages and their replies.

Source: developers.binance.com, USD-M futures, "Websocket Market Streams / Connect" and "Live Subscribing". Only
``/market/…`` delivers; the unrouted ``/ws`` and ``/stream`` accept every subscription and stay silent, as on the real
exchange since 2026-04-23.
"""

from __future__ import annotations

import json
from collections import deque
from enum import StrEnum
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, unquote, urlsplit

from Heatmap.demo.protocol import RefusedConnectionError, Reply, Session, Stream
from Heatmap.demo.wire import combined, encode
from Heatmap.ingestion.binance.endpoints import MAX_STREAMS
from Heatmap.vocabulary import INTERVALS_MS

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

MAX_MESSAGES_PER_S = 10

_ROUTES = ("market", "public", "private")
_METHODS = ("SUBSCRIBE", "UNSUBSCRIBE", "LIST_SUBSCRIPTIONS", "SET_PROPERTY", "GET_PROPERTY")


class StreamKind(StrEnum):
    """The streams that carry data in the demo."""

    FORCE_ORDER = "forceOrder"
    MARK_PRICE = "markPrice"
    MARK_PRICE_1S = "markPrice@1s"
    ALL_MARK_PRICES = "!markPrice@arr@1s"
    KLINE = "kline"


class TooManyStreamsError(RefusedConnectionError):
    """A client asked for more than `MAX_STREAMS` streams on one connection."""


class _RefusedError(ValueError):
    """A control message that the exchange answers with one of its error codes."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


def _parse_request(message: str | bytes) -> tuple[str, int, tuple[str, ...]]:
    """Return method, id and stream names of a control message."""
    try:
        request = json.loads(message)
    except json.JSONDecodeError as error:
        position = f"line {error.lineno} column {error.colno}"
        raise _RefusedError(3, f"Invalid JSON: expected value at {position}") from error
    except (ValueError, RecursionError) as error:  # no UTF-8, or absurdly nested
        raise _RefusedError(3, "Invalid JSON: expected value at line 1 column 1") from error
    if not isinstance(request, dict) or "method" not in request:
        raise _RefusedError(2, f"Invalid request: missing field `method` at line 1 column {len(message)}")
    method, request_id, names = request["method"], request.get("id"), request.get("params", [])
    if method not in _METHODS:
        known = ", ".join(f"`{name}`" for name in _METHODS)
        raise _RefusedError(2, f"Invalid request: unknown variant `{method}`, expected one of {known}")
    if type(request_id) is not int or request_id < 0:
        raise _RefusedError(2, "Invalid request: request ID must be an unsigned integer")
    if method.endswith("PROPERTY"):
        # The path alone decides the envelope here, so the demo has no property to set.
        raise _RefusedError(0, "Unknown property")
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise _RefusedError(2, "Invalid request: params must be a list of stream names")
    return method, request_id, tuple(names)


class BinanceSession(Session):
    """Subscriptions of one connection to the streams of some ``symbols``.

    ``delivers`` is False on routes that carry no market data: subscriptions are acknowledged, nothing is ever pushed.
    ``is_combined`` is True if payloads are sent in the ``{"stream":…,"data":…}`` envelope.
    """

    def __init__(self, symbols: Collection[str], *, delivers: bool, is_combined: bool) -> None:
        self.delivers = delivers
        self.is_combined = is_combined
        self._symbols = {symbol.lower(): symbol for symbol in symbols}
        self._names: dict[str, Stream | None] = {}
        self._recent_s: deque[float] = deque(maxlen=MAX_MESSAGES_PER_S)

    @property
    def streams(self) -> tuple[Stream, ...]:
        return tuple(stream for stream in self._names.values() if stream is not None)

    def subscribe(self, names: Iterable[str]) -> tuple[Stream, ...]:
        """Add streams and return those that newly deliver data; nothing is added if there are too many."""
        fresh = [name for name in dict.fromkeys(names) if name not in self._names]
        if len(self._names) + len(fresh) > MAX_STREAMS:
            raise TooManyStreamsError(f"expected at most {MAX_STREAMS} streams, was {len(self._names) + len(fresh)}")
        added = {name: self._parse(name) if self.delivers else None for name in fresh}
        self._names.update(added)
        return tuple(stream for stream in added.values() if stream is not None)

    def is_too_fast(self, now_s: float) -> bool:
        too_fast = len(self._recent_s) == MAX_MESSAGES_PER_S and now_s - self._recent_s[0] < 1.0
        self._recent_s.append(now_s)
        return too_fast

    def framed(self, stream: Stream, payloads: Iterable[str]) -> list[str]:
        return [combined(stream.name, payload) if self.is_combined else payload for payload in payloads]

    def receive(self, message: str | bytes) -> Reply:
        try:
            return self._reply(*_parse_request(message))
        except _RefusedError as refusal:
            return Reply((encode({"code": refusal.code, "msg": str(refusal)}),))

    def _reply(self, method: str, request_id: int, names: tuple[str, ...]) -> Reply:
        result: object = None
        added: tuple[Stream, ...] = ()
        match method:
            case "SUBSCRIBE":
                try:
                    added = self.subscribe(names)
                except TooManyStreamsError as error:
                    raise _RefusedError(2, f"Invalid request: {error}") from error
            case "UNSUBSCRIBE":
                for name in names:
                    self._names.pop(name, None)
            case "LIST_SUBSCRIPTIONS":
                result = list(self._names)
        return Reply((encode({"result": result, "id": request_id}),), added)

    def _parse(self, name: str) -> Stream | None:
        """Return the stream of a name; None if it never carries data, which the exchange accepts all the same."""
        if name == "!forceOrder@arr":
            return Stream(name, StreamKind.FORCE_ORDER, carries_liquidations=True)
        if name == StreamKind.ALL_MARK_PRICES:
            return Stream(name, StreamKind.ALL_MARK_PRICES)
        lower, _, topic = name.partition("@")
        symbol = self._symbols.get(lower)
        if symbol is None:
            return None
        if topic in {StreamKind.FORCE_ORDER, StreamKind.MARK_PRICE, StreamKind.MARK_PRICE_1S}:
            return Stream(name, StreamKind(topic), symbol, carries_liquidations=topic == StreamKind.FORCE_ORDER)
        kind, _, interval = topic.partition("_")
        if kind == StreamKind.KLINE and interval in INTERVALS_MS:
            return Stream(name, StreamKind.KLINE, symbol, interval)
        return None


def open_session(target: str, symbols: Collection[str]) -> BinanceSession | None:
    """Return the session of a path and query with the streams that they name; None if it is no route of streams."""
    parts = urlsplit(target)
    segments = [unquote(segment) for segment in parts.path.split("/") if segment]
    route = segments.pop(0) if segments and segments[0] in _ROUTES else ""
    if not segments or segments[0] not in {"ws", "stream"} or (segments[0] == "stream" and len(segments) > 1):
        return None
    is_combined = segments[0] == "stream"
    names = segments[1:]
    if is_combined:
        listed = parse_qs(parts.query).get("streams", [""])
        names = [name for name in listed[0].split("/") if name]
    session = BinanceSession(symbols, delivers=route == "market", is_combined=is_combined)
    session.subscribe(names)
    return session
