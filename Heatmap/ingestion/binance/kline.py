"""Candles: addresses, stream messages and REST rows; see `Heatmap.ingestion.venue.CandleApi`.

Source: developers.binance.com, USD-M futures, "Kline/Candlestick Streams", "Kline/Candlestick Data" and "Error Codes".
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode

import msgspec

from Heatmap.candle import Candle, is_sound
from Heatmap.ingestion.binance import endpoints
from Heatmap.ingestion.frame_values import refusal
from Heatmap.ingestion.venue import CandleUpdate

if TYPE_CHECKING:
    from Heatmap.errors import RestError

MAX_ROWS: Final = 1500  # of one REST answer
_INVALID_SYMBOL: Final = "-1121"


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
    data: msgspec.Raw = msgspec.Raw()


class _Row(msgspec.Struct, array_like=True):
    """The first 7 of 12 values."""

    t: int
    o: float
    h: float
    l: float  # noqa: E741 - the exchange's own key
    c: float
    v: float
    T: int


_ENVELOPE = msgspec.json.Decoder(_Envelope)
_WORD = msgspec.json.Decoder(_Word)
_PAYLOAD = msgspec.json.Decoder(_KlinePayload, strict=False)
_ROWS = msgspec.json.Decoder(list[_Row], strict=False)
_UNREADABLE = (msgspec.DecodeError, UnicodeError, RecursionError)


def stream(ws_url: str, symbol: str, interval: str) -> tuple[str, tuple[str, ...]]:
    """Return the address of the stream; it needs no messages."""
    return endpoints.market_stream_url(ws_url, [f"{symbol.lower()}@kline_{interval}"]), ()


def history_url(rest_url: str, symbol: str, interval: str, page: tuple[int | None, int, int] | None) -> str:
    """Return the address of the candles of a page ``(start_ms, end_ms, limit)``, or of the newest candle.

    With ``start_ms`` None, the page has the last ``limit`` candles until ``end_ms``.
    """
    query: dict[str, str | int] = {"symbol": symbol, "interval": interval}
    if page is None:
        query["limit"] = 1
    else:
        start_ms, end_ms, limit = page
        query |= {} if start_ms is None else {"startTime": start_ms}
        query |= {"endTime": end_ms, "limit": limit}
    return f"{endpoints.normalise_rest_base(rest_url)}/fapi/v1/klines?{urlencode(query)}"


def is_unknown_symbol(error: RestError) -> bool:
    """Return True if an answer means that the exchange does not list the symbol."""
    return error.status == HTTPStatus.BAD_REQUEST and _INVALID_SYMBOL in str(error)


def decode_update(data: str | bytes) -> CandleUpdate | None:
    """Return the candle in a stream message, raw or combined, or None for a message of another kind.

    Raises `FrameError` for no JSON object (``kind`` ``"bad-json"``) or a candle that cannot be (``"bad-kline"``).
    """
    try:
        inner = _ENVELOPE.decode(data).data
        body: bytes | str | msgspec.Raw = inner if bytes(inner) else data
        word = _WORD.decode(body).e
    except _UNREADABLE as error:
        raise refusal("bad-json", f"expected a message in JSON: {error}", data) from error
    if word != "kline":
        return None
    try:
        payload = _PAYLOAD.decode(body)
    except _UNREADABLE as error:
        raise refusal("bad-kline", f"expected a kline message: {error}", data) from error
    k = payload.k
    return CandleUpdate(payload.s, k.i, _checked(Candle(k.t, k.o, k.h, k.l, k.c, k.v, k.T, k.x), data))


def decode_history(body: bytes, now_ms: int) -> list[Candle]:
    """Return the candles of a REST answer, in its order; one that ends before ``now_ms`` is closed.

    Raises `FrameError` for no JSON (``kind`` ``"bad-json"``) or no list of candles (``"bad-kline"``).
    """
    try:
        rows = _ROWS.decode(body)
    except msgspec.ValidationError as error:
        raise refusal("bad-kline", f"expected a list of candles: {error}", body) from error
    except _UNREADABLE as error:
        raise refusal("bad-json", f"expected JSON: {error}", body) from error
    candles = [Candle(r.t, r.o, r.h, r.l, r.c, r.v, r.T, now_ms > r.T) for r in rows]
    return [_checked(candle, body) for candle in candles]


def _checked(candle: Candle, data: str | bytes) -> Candle:
    if not is_sound(candle):
        raise refusal("bad-kline", f"expected low <= open, close <= high and time going on, was {candle}", data)
    return candle
