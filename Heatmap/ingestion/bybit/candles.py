"""Candles of Bybit; see `Heatmap.ingestion.venue.CandleApi`.

Source: Bybit API v5, "Kline" (on the socket of linear contracts) and "Get Kline", whose answer is newest first.
"""

from __future__ import annotations

import json
from itertools import pairwise
from types import MappingProxyType
from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode

import msgspec

from Heatmap.candle import Candle, is_sound
from Heatmap.errors import SettingsError
from Heatmap.ingestion.bybit import endpoints
from Heatmap.ingestion.frame_values import refusal
from Heatmap.ingestion.venue import CandleUpdate
from Heatmap.vocabulary import INTERVALS_MS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from Heatmap.errors import RestError

MAX_ROWS: Final = 1000  # of one REST answer
# In minutes; there are none of eight hours.
_INTERVALS: Final[Mapping[str, str]] = MappingProxyType(
    {name: "D" if name == "1d" else str(ms // 60_000) for name, ms in INTERVALS_MS.items() if name != "8h"}
)
_NAMES: Final = MappingProxyType({own: name for name, own in _INTERVALS.items()})
_INVALID_SYMBOL: Final = "symbol invalid"


class _Kline(msgspec.Struct):
    start: int
    end: int
    open: float
    high: float
    low: float
    close: float
    volume: float
    confirm: bool


class _Row(msgspec.Struct, array_like=True):
    """The first 6 of 7 values; volume in coins."""

    start: int
    open: float
    high: float
    low: float
    close: float
    volume: float


class _Update(msgspec.Struct):
    topic: str = ""
    data: msgspec.Raw = msgspec.Raw()


class _Result(msgspec.Struct):
    rows: list[_Row] = msgspec.field(default_factory=list, name="list")


class _Answer(msgspec.Struct):
    retCode: int  # noqa: N815 - the exchange's own keys
    retMsg: str = ""  # noqa: N815
    result: _Result = msgspec.field(default_factory=_Result)


_UPDATE: Final = msgspec.json.Decoder(_Update)
_KLINES: Final = msgspec.json.Decoder(list[_Kline], strict=False)
_ANSWER: Final = msgspec.json.Decoder(_Answer, strict=False)
_UNREADABLE: Final = (msgspec.DecodeError, UnicodeError, RecursionError)


def _own(interval: str) -> str:
    try:
        return _INTERVALS[interval]
    except KeyError:
        message = f"expected one of {', '.join(_INTERVALS)}, was {interval!r}"
        raise SettingsError(message, short=f"Bybit has no candles of {interval}.") from None


def stream(ws_url: str, symbol: str, interval: str) -> tuple[str, tuple[str, ...]]:
    """Return the address of the stream and the message that subscribes to it."""
    request = {"op": "subscribe", "args": [f"kline.{_own(interval)}.{symbol}"]}
    return endpoints.public_socket(ws_url), (json.dumps(request, ensure_ascii=False),)


def history_url(rest_url: str, symbol: str, interval: str, page: tuple[int | None, int, int] | None) -> str:
    """Return the address of a page ``(start_ms, end_ms, limit)`` of candles, or of the newest; see `CandleApi`."""
    query: dict[str, str | int] = {"category": "linear", "symbol": symbol, "interval": _own(interval)}
    if page is None:
        query["limit"] = 1
    else:
        start_ms, end_ms, limit = page
        query |= {} if start_ms is None else {"start": start_ms}
        query |= {"end": end_ms, "limit": limit}
    return f"{rest_url}/v5/market/kline?{urlencode(query)}"


def is_unknown_symbol(error: RestError) -> bool:
    """Return True if an answer means that the exchange does not list the symbol."""
    return _INVALID_SYMBOL in str(error).lower()


def decode_update(data: str | bytes) -> CandleUpdate | None:
    """Return the newest candle of a stream message, None for a message of another kind; raises `FrameError`."""
    try:
        update = _UPDATE.decode(data)
        kind, _, rest = update.topic.partition(".")
        own, _, symbol = rest.partition(".")
        if kind != "kline" or own not in _NAMES:
            return None
        klines = _KLINES.decode(update.data)
    except msgspec.ValidationError as error:
        raise refusal("bad-kline", f"expected a candle message: {error}", data) from error
    except _UNREADABLE as error:
        raise refusal("bad-json", f"expected a message in JSON: {error}", data) from error
    if not klines:
        return None
    k = klines[-1]
    candle = Candle(k.start, k.open, k.high, k.low, k.close, k.volume, k.end, k.confirm)
    return CandleUpdate(symbol, _NAMES[own], _sound(candle, data))


def decode_history(body: bytes, now_ms: int) -> list[Candle]:
    """Return the candles of a REST answer, ascending; one that ends before ``now_ms`` is closed.

    Raises `FrameError`, ``"unknown-symbol"`` for a symbol that is not listed: Bybit answers with HTTP 200.
    """
    try:
        answer = _ANSWER.decode(body)
    except msgspec.ValidationError as error:
        raise refusal("bad-kline", f"expected a list of candles: {error}", body) from error
    except _UNREADABLE as error:
        raise refusal("bad-json", f"expected JSON: {error}", body) from error
    if answer.retCode != 0:
        kind = "unknown-symbol" if _INVALID_SYMBOL in answer.retMsg.lower() else "bad-kline"
        raise refusal(kind, f"expected candles, was code {answer.retCode}: {answer.retMsg}", body)
    rows = sorted(answer.result.rows, key=lambda row: row.start)
    # The answer does not name its interval: neighbours tell it. A lone candle is the newest, whose end nobody reads.
    length_ms = min((after.start - before.start for before, after in pairwise(rows)), default=60_000)
    ends = [row.start + max(length_ms, 1) - 1 for row in rows]
    return [
        _sound(Candle(row.start, row.open, row.high, row.low, row.close, row.volume, end_ms, now_ms > end_ms), body)
        for row, end_ms in zip(rows, ends, strict=True)
    ]


def _sound(candle: Candle, data: str | bytes) -> Candle:
    if not is_sound(candle):
        raise refusal("bad-kline", f"expected low <= open, close <= high and time going on, was {candle}", data)
    return candle
