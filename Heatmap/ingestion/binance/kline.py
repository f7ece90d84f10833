"""Candles: their addresses, stream messages and REST rows; see `Heatmap.ingestion.venue.CandleSource`.

Source: developers.binance.com, USD-M futures, "Kline/Candlestick Streams", "Kline/Candlestick Data" and "Error Codes".
"""

from __future__ import annotations

import math
from http import HTTPStatus
from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode

import msgspec

from Heatmap.candle import Candle
from Heatmap.errors import FrameError, SettingsError
from Heatmap.ingestion.binance.endpoints import kline_stream, market_stream_url, normalise_rest_base
from Heatmap.ingestion.venue import CandleUpdate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from Heatmap.errors import RestError

MAX_ROWS: Final = 1500
"""Most candles of one answer."""

_EXCERPT_CHARS = 200
# A REST row has 12 values; these are the ones read: open time, open, high, low, close, volume, close time.
_READ_VALUES = 7
_INVALID_SYMBOL = "-1121"


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


def stream(ws_url: str, symbol: str, interval: str) -> tuple[str, Sequence[str]]:
    """Return the address of the stream; it needs no messages."""
    return market_stream_url(ws_url, [kline_stream(symbol, interval)]), ()


def history_url(
    rest_url: str,
    *,
    symbol: str,
    interval: str,
    start_ms: int | None = None,
    end_ms: int | None = None,
    limit: int = MAX_ROWS,
) -> str:
    """Return the address of one symbol's candles that open in ``[start_ms, end_ms]``.

    Without ``start_ms`` the newest ``limit`` candles are meant.

    Raises
    ------
    SettingsError
        The base is no HTTP address, or ``limit`` is outside 1 to `MAX_ROWS`.
    """
    if not 0 < limit <= MAX_ROWS:
        raise SettingsError(f"expected a limit of 1 to {MAX_ROWS} candles, was {limit}")
    query: dict[str, str | int] = {"symbol": symbol, "interval": interval}
    if start_ms is not None:
        query["startTime"] = start_ms
    if end_ms is not None:
        query["endTime"] = end_ms
    query["limit"] = limit
    return f"{normalise_rest_base(rest_url)}/fapi/v1/klines?{urlencode(query)}"


def is_unknown_symbol(error: RestError) -> bool:
    """Return True if an answer means that the exchange does not list the symbol."""
    return error.status == HTTPStatus.BAD_REQUEST and _INVALID_SYMBOL in str(error)


def decode_update(data: str | bytes) -> CandleUpdate | None:
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
    return CandleUpdate(payload.s, kline.i, candle)


def decode_history(rows: object, *, now_ms: int) -> list[Candle]:
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
