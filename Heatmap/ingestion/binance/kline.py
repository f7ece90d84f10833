"""Candles as the exchange sends them: stream messages and REST rows into one frozen `Candle`.

Source: developers.binance.com, USD-M futures, "Kline/Candlestick Streams" and "Kline/Candlestick Data".
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import msgspec

from Heatmap.errors import FrameError

_EXCERPT_CHARS = 200
# A REST row has 12 values; these are the ones read: open time, open, high, low, close, volume, close time.
_READ_VALUES = 7


@dataclass(frozen=True, slots=True)
class Candle:
    """One candle over the closed time range ``[open_ms, close_ms]``, as the exchange counts it.

    Attributes
    ----------
    open_ms, close_ms
        First and last millisecond, since the Unix epoch, UTC.
    open, high, low, close
        Prices in quote currency; ``low <= open, close <= high``.
    volume
        Traded quantity in base currency.
    closed
        False while the candle still changes.
    """

    open_ms: int
    open: float
    high: float
    low: float
    close: float
    volume: float
    close_ms: int
    closed: bool


@dataclass(frozen=True, slots=True)
class KlineUpdate:
    """A candle of the stream with what it belongs to; ``interval`` in the exchange's word, e.g. ``"1m"``."""

    symbol: str
    interval: str
    event_ms: int
    candle: Candle


class _Kline(msgspec.Struct):
    t: int
    T: int
    i: str
    o: float
    h: float
    l: float  # noqa: E741 - the exchange's own key
    c: float
    v: float
    x: bool


class _KlinePayload(msgspec.Struct):
    E: int
    s: str
    k: _Kline


class _Word(msgspec.Struct):
    e: str | None = None


class _Envelope(msgspec.Struct):
    e: str | None = None
    data: msgspec.Raw = msgspec.Raw()


_ENVELOPE = msgspec.json.Decoder(_Envelope)
_WORD = msgspec.json.Decoder(_Word)
_PAYLOAD = msgspec.json.Decoder(_KlinePayload, strict=False)
_UNREADABLE = (msgspec.DecodeError, UnicodeError, RecursionError)


def decode_frame(data: str | bytes) -> KlineUpdate | None:
    """Return the candle in a stream message, raw or combined, or None for a message of another kind.

    Raises
    ------
    FrameError
        The message is no JSON object (``kind`` is ``"bad-json"``), or a candle that cannot be
        (``"bad-kline"``).
    """
    try:
        envelope = _ENVELOPE.decode(data)
        body: bytes | str | msgspec.Raw = envelope.data if bytes(envelope.data) else data
        word = _WORD.decode(body).e
    except _UNREADABLE as error:
        raise _refusal("bad-json", f"expected a message in JSON: {error}", data) from error
    if word != "kline":
        return None
    try:
        payload = _PAYLOAD.decode(body)
    except _UNREADABLE as error:
        raise _refusal("bad-kline", f"expected a kline message: {error}", data) from error
    kline = payload.k
    candle = Candle(kline.t, kline.o, kline.h, kline.l, kline.c, kline.v, kline.T, kline.x)
    _check(candle, data)
    return KlineUpdate(payload.s, kline.i, payload.E, candle)


def decode_rows(rows: object, *, now_ms: int) -> list[Candle]:
    """Return the candles of a decoded REST answer, in its order.

    Parameters
    ----------
    rows
        The decoded JSON: a list of rows of 12, of which the last one is usually unfinished.
    now_ms
        The present; a candle whose last millisecond has passed counts as closed.

    Raises
    ------
    FrameError
        The answer is not a list of such rows; ``kind`` is ``"bad-kline"``.
    """
    if not isinstance(rows, list):
        raise _refusal("bad-kline", f"expected a list of candles, was {type(rows).__name__}", repr(rows))
    return [_candle_of_row(row, now_ms) for row in rows]


def _candle_of_row(row: object, now_ms: int) -> Candle:
    if not isinstance(row, list) or len(row) < _READ_VALUES:
        raise _refusal("bad-kline", "expected a row of 12 values", repr(row))
    try:
        open_ms, close_ms = int(row[0]), int(row[6])
        first, high, low, last, volume = (float(value) for value in row[1:6])
    except (TypeError, ValueError, OverflowError) as error:
        raise _refusal("bad-kline", f"expected numbers: {error}", repr(row)) from error
    candle = Candle(open_ms, first, high, low, last, volume, close_ms, close_ms < now_ms)
    _check(candle, repr(row))
    return candle


def _check(candle: Candle, data: str | bytes) -> None:
    prices_fit = (
        0.0 < candle.low <= min(candle.open, candle.close) and max(candle.open, candle.close) <= candle.high < math.inf
    )
    if not (prices_fit and 0.0 <= candle.volume < math.inf and 0 < candle.open_ms <= candle.close_ms):
        raise _refusal("bad-kline", f"expected low <= open, close <= high and time going on, was {candle}", data)


def _refusal(kind: str, message: str, data: str | bytes) -> FrameError:
    excerpt = data[:_EXCERPT_CHARS]
    return FrameError(
        message,
        kind=kind,
        excerpt=excerpt if isinstance(excerpt, str) else excerpt.decode("utf-8", "replace"),
    )
