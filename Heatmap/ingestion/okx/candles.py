"""Candles of OKX; see `Heatmap.ingestion.venue.CandleApi`.

Source: OKX API v5, "Candlesticks channel" (on the business socket), "Get candlesticks" and its history. Lengths of six
hours and more begin at Hong Kong's midnight unless their name ends in ``utc``.
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
from Heatmap.ingestion.frame_values import refusal
from Heatmap.ingestion.okx import endpoints
from Heatmap.ingestion.venue import CandleUpdate
from Heatmap.vocabulary import INTERVALS_MS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from Heatmap.errors import RestError

MAX_ROWS: Final = 100  # of one REST answer
_BARS: Final[Mapping[str, str]] = MappingProxyType(
    {name: name for name in ("1m", "3m", "5m", "15m", "30m")}
    | {"1h": "1H", "2h": "2H", "4h": "4H", "6h": "6Hutc", "12h": "12Hutc", "1d": "1Dutc"}
)
_INTERVALS: Final = MappingProxyType({f"candle{bar}": name for name, bar in _BARS.items()})
_UNKNOWN_INSTRUMENT: Final = "51001"


class _Row(msgspec.Struct, array_like=True):
    """Volume is in contracts, in coins, and in dollars."""

    t: int
    o: float
    h: float
    l: float  # noqa: E741 - as everywhere
    c: float
    contracts: float
    coins: float
    usd: float
    confirm: int


class _Arg(msgspec.Struct):
    channel: str = ""
    instId: str = ""  # noqa: N815 - the exchange's own key


class _Update(msgspec.Struct):
    arg: _Arg = msgspec.field(default_factory=_Arg)
    data: list[_Row] = []


class _Answer(msgspec.Struct):
    code: str
    data: list[_Row]
    msg: str = ""


_UPDATE: Final = msgspec.json.Decoder(_Update, strict=False)
_ANSWER: Final = msgspec.json.Decoder(_Answer, strict=False)
_UNREADABLE: Final = (msgspec.DecodeError, UnicodeError, RecursionError)


def _bar(interval: str) -> str:
    try:
        return _BARS[interval]
    except KeyError:
        message = f"expected one of {', '.join(_BARS)}, was {interval!r}"
        raise SettingsError(message, short=f"OKX has no candles of {interval}.") from None


def stream(ws_url: str, symbol: str, interval: str) -> tuple[str, tuple[str, ...]]:
    """Return the address of the stream and the message that subscribes to it."""
    arg = {"channel": f"candle{_bar(interval)}", "instId": endpoints.instrument_of(symbol)}
    return endpoints.business_socket(ws_url), (json.dumps({"op": "subscribe", "args": [arg]}),)


def history_url(rest_url: str, symbol: str, interval: str, page: tuple[int | None, int, int] | None) -> str:
    """Return the address of a page ``(start_ms, end_ms, limit)`` of candles, or of the newest; see `CandleApi`."""
    query: dict[str, str | int] = {"instId": endpoints.instrument_of(symbol), "bar": _bar(interval)}
    if page is None:
        return f"{rest_url}/api/v5/market/candles?{urlencode({**query, 'limit': 1})}"
    start_ms, end_ms, limit = page
    # Both bounds are left out of the answer: "after" is older than a time, "before" newer.
    query |= {"after": end_ms + 1, "limit": limit}
    if start_ms is not None:
        query["before"] = start_ms - 1
    return f"{rest_url}/api/v5/market/history-candles?{urlencode(query)}"


def is_unknown_symbol(error: RestError) -> bool:
    """Return True if an answer means that the exchange does not list the symbol."""
    return _UNKNOWN_INSTRUMENT in str(error)


def decode_update(data: str | bytes) -> CandleUpdate | None:
    """Return the newest candle of a stream message, None for a message of another kind; raises `FrameError`."""
    try:
        update = _UPDATE.decode(data)
    except msgspec.ValidationError as error:
        raise refusal("bad-kline", f"expected a candle message: {error}", data) from error
    except _UNREADABLE as error:
        raise refusal("bad-json", f"expected a message in JSON: {error}", data) from error
    interval, symbol = _INTERVALS.get(update.arg.channel), endpoints.symbol_of(update.arg.instId)
    if interval is None or symbol is None or not update.data:
        return None
    return CandleUpdate(symbol, interval, _candle(update.data[-1], INTERVALS_MS[interval], data))


def decode_history(body: bytes, now_ms: int) -> list[Candle]:
    """Return the candles of a REST answer, ascending; one that ends before ``now_ms`` is closed.

    Raises `FrameError`.
    """
    try:
        answer = _ANSWER.decode(body)
    except msgspec.ValidationError as error:
        raise refusal("bad-kline", f"expected a list of candles: {error}", body) from error
    except _UNREADABLE as error:
        raise refusal("bad-json", f"expected JSON: {error}", body) from error
    if answer.code != "0":
        raise refusal("bad-kline", f"expected candles, was code {answer.code}: {answer.msg}", body)
    rows = sorted(answer.data, key=lambda row: row.t)
    # The answer does not name its interval: neighbours tell it. A lone candle is the newest, whose end nobody reads.
    length_ms = min((after.t - before.t for before, after in pairwise(rows)), default=60_000)
    return [_candle(row, max(length_ms, 1), body, now_ms) for row in rows]


def _candle(row: _Row, length_ms: int, data: str | bytes, now_ms: int | None = None) -> Candle:
    close_ms = row.t + length_ms - 1
    closed = row.confirm == 1 if now_ms is None else now_ms > close_ms
    candle = Candle(row.t, row.o, row.h, row.l, row.c, row.coins, close_ms, closed)
    if not is_sound(candle):
        raise refusal("bad-kline", f"expected low <= open, close <= high and time going on, was {candle}", data)
    return candle
