"""REST of Binance, sans I/O: a request target to a status and a JSON body.

Source: developers.binance.com, USD-M futures, "Market Data Endpoints", "Error Codes" and "Limits".
"""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

from Heatmap.demo.price_series import DAY_MS, MINUTE_MS
from Heatmap.demo.protocol import Answer
from Heatmap.demo.wire import WEIGHT_LIMIT, encode, exchange_info, klines
from Heatmap.ingestion.binance import kline
from Heatmap.vocabulary import INTERVALS_MS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from Heatmap.clock import Clock
    from Heatmap.demo.instrument import Instrument
    from Heatmap.demo.market import Market

_DEFAULT_KLINES = 500

# The simulated market goes back for years; a chart of the demo needs no more, and sixty days take a third of a second.
REACH_MS = 60 * DAY_MS

_WHOLE_NUMBER = re.compile(r"[0-9]{1,20}")


class _RefusedError(Exception):
    """A request the exchange refuses with one of its error codes."""

    def __init__(self, code: int, message: str, status: HTTPStatus = HTTPStatus.BAD_REQUEST) -> None:
        super().__init__(message)
        self.status = status
        self.body = encode({"code": code, "msg": message})


class RestApi:
    """Answers ``GET`` requests for one market and counts their weight by the minute, as the exchange does by IP."""

    def __init__(self, market: Market, instruments: Mapping[str, Instrument], clock: Clock) -> None:
        self._market = market
        self._instruments = instruments
        self._clock = clock
        self._minute = 0
        self._used_weight = 0

    def answer(self, target: str) -> Answer:
        """Return the answer to a request target such as ``/fapi/v1/klines?symbol=BTCUSDT&interval=1m``."""
        parts = urlsplit(target)
        query = {key: values[0] for key, values in parse_qs(parts.query).items()}
        now_ms = self._clock.now_ms()
        try:
            body = self._body(parts.path, query, now_ms)
        except _RefusedError as refusal:
            return Answer(refusal.status, refusal.body, self._headers(refusal.status, now_ms))
        return Answer(HTTPStatus.OK, body, self._headers(HTTPStatus.OK, now_ms))

    def _body(self, path: str, query: Mapping[str, str], now_ms: int) -> str:
        match path:
            case "/fapi/v1/ping":
                self._charge(1, now_ms)
                return "{}"
            case "/fapi/v1/time":
                self._charge(1, now_ms)
                return encode({"serverTime": now_ms})
            case "/fapi/v1/exchangeInfo":
                self._charge(1, now_ms)
                return exchange_info(self._instruments.values(), now_ms)
            case "/fapi/v1/klines":
                return self._klines(query, now_ms)
            case _:
                message = f"Path {path}, Method GET is invalid"
                raise _RefusedError(-5000, message, HTTPStatus.NOT_FOUND)

    def _klines(self, query: Mapping[str, str], now_ms: int) -> str:
        limit = _number(query, "limit", _DEFAULT_KLINES)
        self._charge(_klines_weight(limit), now_ms)
        instrument = self._instruments.get(_mandatory(query, "symbol"))
        if instrument is None:
            raise _RefusedError(-1121, "Invalid symbol.")
        interval_ms = INTERVALS_MS.get(_mandatory(query, "interval"))
        if interval_ms is None:
            raise _RefusedError(-1120, "Invalid interval.")
        if not 1 <= limit <= kline.MAX_ROWS:
            raise _RefusedError(-1130, "Data sent for parameter 'limit' is not valid.")
        earliest_ms = max(self._market.earliest_ms, now_ms - now_ms % DAY_MS - REACH_MS)
        # `endTime` is inclusive: a candle that opens at that very millisecond belongs to the answer.
        newest_open_ms = min(_number(query, "endTime", now_ms), now_ms)
        if "startTime" in query:
            asked_ms = _number(query, "startTime", 0)
            if "endTime" in query and asked_ms > _number(query, "endTime", 0):
                raise _RefusedError(-1023, "Start time is greater than end time.")
            first_ms = -(-max(asked_ms, earliest_ms) // interval_ms) * interval_ms
            newest_open_ms = min(newest_open_ms, first_ms + (limit - 1) * interval_ms)
        else:
            first_ms = newest_open_ms - newest_open_ms % interval_ms - (limit - 1) * interval_ms
            first_ms = max(first_ms, earliest_ms)
        # The last candle asked for is shown whole unless it still runs; the present millisecond belongs to it.
        end_ms = min(newest_open_ms - newest_open_ms % interval_ms + interval_ms, now_ms + 1)
        return klines(instrument, self._market.candles(interval_ms, first_ms, end_ms))

    def _charge(self, weight: int, now_ms: int) -> None:
        minute = now_ms // MINUTE_MS
        if minute != self._minute:
            self._minute, self._used_weight = minute, 0
        self._used_weight += weight
        if self._used_weight > WEIGHT_LIMIT:
            message = f"Too many requests; current limit is {WEIGHT_LIMIT} request weight per 1 MINUTE."
            raise _RefusedError(-1003, message, HTTPStatus.TOO_MANY_REQUESTS)

    def _headers(self, status: HTTPStatus, now_ms: int) -> dict[str, str]:
        headers = {"X-MBX-USED-WEIGHT-1M": str(self._used_weight)}
        if status == HTTPStatus.TOO_MANY_REQUESTS:
            headers["Retry-After"] = str(-(-(MINUTE_MS - now_ms % MINUTE_MS) // 1_000))
        return headers


def _klines_weight(limit: int) -> int:
    for below, weight in ((100, 1), (500, 2), (1_001, 5)):
        if limit < below:
            return weight
    return 10


def _mandatory(query: Mapping[str, str], key: str) -> str:
    if not query.get(key):
        message = f"Mandatory parameter '{key}' was not sent, was empty/null, or malformed."
        raise _RefusedError(-1102, message)
    return query[key]


def _number(query: Mapping[str, str], key: str, default: int) -> int:
    text = query.get(key)
    if text is None:
        return default
    if not _WHOLE_NUMBER.fullmatch(text):
        message = f"Illegal characters found in parameter '{key}'; legal range is '^[0-9]{{1,20}}$'."
        raise _RefusedError(-1100, message)
    return int(text)
