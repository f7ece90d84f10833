"""Candles of Gate; see `Heatmap.ingestion.venue.CandleApi`.

Source: Gate API v4, "Candlesticks" of the stream and of REST. A candle's volume is in contracts, whose size is not
known here: it is left at 0.
"""

from __future__ import annotations

import json
from itertools import pairwise
from typing import TYPE_CHECKING, Final

import msgspec

from Heatmap.candle import Candle, is_sound
from Heatmap.errors import SettingsError
from Heatmap.ingestion.frame_values import refusal
from Heatmap.ingestion.gate import endpoints
from Heatmap.ingestion.venue import CandleUpdate
from Heatmap.vocabulary import INTERVALS_MS

if TYPE_CHECKING:
    from Heatmap.errors import RestError

MAX_ROWS: Final = 1000  # of one REST answer; 2,000 are allowed
INTERVALS: Final = ("1m", "5m", "15m", "30m", "1h", "4h", "8h", "1d")
CHANNEL: Final = "futures.candlesticks"
_UNKNOWN_CONTRACT: Final = "CONTRACT_NOT_FOUND"
_MS_PER_S: Final = 1000
# Of a request without a signature; see `session`.
_TIME_S: Final = 1_600_000_000


class _Row(msgspec.Struct):
    t: int  # seconds
    o: float
    h: float
    l: float  # noqa: E741 - as everywhere
    c: float
    n: str = ""  # such as 1m_BTC_USDT, in a stream
    w: bool = False  # the candle is complete


class _Update(msgspec.Struct):
    channel: str = ""
    event: str = ""
    result: msgspec.Raw = msgspec.Raw(b"null")


_UPDATE: Final = msgspec.json.Decoder(_Update, strict=False)
_RESULT: Final = msgspec.json.Decoder(list[_Row] | _Row, strict=False)
_ANSWER: Final = msgspec.json.Decoder(list[_Row], strict=False)
_UNREADABLE: Final = (msgspec.DecodeError, UnicodeError, RecursionError)


def stream(ws_url: str, symbol: str, interval: str) -> tuple[str, tuple[str, ...]]:
    """Return the address of the stream and the message that subscribes to it."""
    payload = [_checked(interval), endpoints.contract_of(symbol)]
    request = {"time": _TIME_S, "channel": CHANNEL, "event": "subscribe", "payload": payload}
    return endpoints.socket(ws_url), (json.dumps(request, ensure_ascii=False),)


def history_url(rest_url: str, symbol: str, interval: str, page: tuple[int | None, int, int] | None) -> str:
    """Return the address of a page ``(start_ms, end_ms, limit)`` of candles, or of the newest; see `CandleApi`."""
    query: dict[str, str | int] = {"contract": endpoints.contract_of(symbol), "interval": _checked(interval)}
    if page is None:
        return endpoints.rest(rest_url, "candlesticks", **query, limit=1)
    start_ms, end_ms, limit = page
    interval_ms = INTERVALS_MS[interval]
    # A request may name a range or a number of rows, not both.
    if start_ms is None:
        start_ms = max(end_ms - end_ms % interval_ms - (limit - 1) * interval_ms, 0)
    first_ms = -(-start_ms // interval_ms) * interval_ms
    last_ms = min(end_ms, first_ms + (limit - 1) * interval_ms)
    query |= {"from": first_ms // _MS_PER_S, "to": last_ms // _MS_PER_S}
    return endpoints.rest(rest_url, "candlesticks", **query)


def is_unknown_symbol(error: RestError) -> bool:
    """Return True if an answer means that the exchange does not list the symbol."""
    return _UNKNOWN_CONTRACT in str(error)


def decode_update(data: str | bytes) -> CandleUpdate | None:
    """Return the newest candle of a stream message, None for a message of another kind; raises `FrameError`."""
    try:
        update = _UPDATE.decode(data)
        if update.channel != CHANNEL or update.event != "update":
            return None
        found = _RESULT.decode(update.result)
    except msgspec.ValidationError as error:
        raise refusal("bad-kline", f"expected a candle message: {error}", data) from error
    except _UNREADABLE as error:
        raise refusal("bad-json", f"expected a message in JSON: {error}", data) from error
    rows = found if isinstance(found, list) else [found]
    if not rows:
        return None
    interval, _, contract = rows[-1].n.partition("_")
    symbol = endpoints.symbol_of(contract)
    if interval not in INTERVALS or symbol is None:
        return None
    return CandleUpdate(symbol, interval, _candle(rows[-1], INTERVALS_MS[interval], data, closed=rows[-1].w))


def decode_history(body: bytes, now_ms: int) -> list[Candle]:
    """Return the candles of a REST answer, ascending; one that ends before ``now_ms`` is closed.

    Raises `FrameError`.
    """
    try:
        rows = sorted(_ANSWER.decode(body), key=lambda row: row.t)
    except msgspec.ValidationError as error:
        raise refusal("bad-kline", f"expected a list of candles: {error}", body) from error
    except _UNREADABLE as error:
        raise refusal("bad-json", f"expected JSON: {error}", body) from error
    # The answer does not name its interval: neighbours tell it. A lone candle is the newest, whose end nobody reads.
    length_ms = max(min((after.t - before.t for before, after in pairwise(rows)), default=60) * _MS_PER_S, 1)
    return [_candle(row, length_ms, body, closed=now_ms >= row.t * _MS_PER_S + length_ms) for row in rows]


def _checked(interval: str) -> str:
    if interval not in INTERVALS:
        message = f"expected one of {', '.join(INTERVALS)}, was {interval!r}"
        raise SettingsError(message, short=f"Gate has no candles of {interval}.")
    return interval


def _candle(row: _Row, length_ms: int, data: str | bytes, *, closed: bool) -> Candle:
    open_ms = row.t * _MS_PER_S
    candle = Candle(open_ms, row.o, row.h, row.l, row.c, 0.0, open_ms + length_ms - 1, closed)
    if not is_sound(candle):
        raise refusal("bad-kline", f"expected low <= open, close <= high and time going on, was {candle}", data)
    return candle
