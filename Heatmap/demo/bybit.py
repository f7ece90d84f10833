"""The protocol of Bybit v5 linear: sessions, pushed frames and REST of one market, without I/O.

Shapes follow frames recorded in 2026 and the documentation of Bybit. For tests: ``refused_topics`` are gone, and with
``pages_of`` the list of contracts comes in several pages.
"""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

from Heatmap.demo.protocol import Answer, Reply, Session, Stream, VenueProtocol
from Heatmap.demo.wire import encode
from Heatmap.vocabulary import INTERVALS_MS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from Heatmap.candle import Candle
    from Heatmap.demo.instrument import Instrument
    from Heatmap.events import LiquidationEvent

LIQUIDATIONS, TICKERS, CANDLES = "allLiquidation", "tickers", "kline"
PUSH_MS = 500
_ROUTE = "/v5/public/linear"
_INTERVALS = {"D" if name == "1d" else str(ms // 60_000): name for name, ms in INTERVALS_MS.items() if name != "8h"}
_DEFAULT_CANDLES, _MOST_CANDLES = 200, 1000
_DEFAULT_INSTRUMENTS = 500
_PARAMS_ERROR = 10_001


class BybitProtocol(VenueProtocol):
    """Implements `VenueProtocol`.

    WebSocket: ``/v5/public/linear`` with ``allLiquidation.SYMBOL``, ``tickers.SYMBOL`` and ``kline.INTERVAL.SYMBOL``; a
    request with any other topic is refused as a whole. HTTP: ``/v5/market/instruments-info``, ``/v5/market/kline``.
    """

    refused_topics: frozenset[str] = frozenset()
    pages_of: int | None = None  # contracts of a page of the list at most

    def open_session(self, target: str) -> BybitSession | None:
        return BybitSession(self) if urlsplit(target).path == _ROUTE else None

    def stream_of(self, topic: str) -> Stream | None:
        """Return the stream of a topic; None if there is none."""
        kind, *middle, symbol = topic.split(".")
        if symbol not in self.instruments or topic in self.refused_topics:
            return None
        if kind == CANDLES and len(middle) == 1 and middle[0] in _INTERVALS:
            return Stream(topic, CANDLES, symbol, _INTERVALS[middle[0]])
        if kind in (LIQUIDATIONS, TICKERS) and not middle:
            return Stream(topic, kind, symbol, carries_liquidations=kind == LIQUIDATIONS)
        return None

    def backlog(self, stream: Stream) -> tuple[str, ...]:
        return (self._ticker(stream, "snapshot", self.clock.now_ms()),) if stream.kind == TICKERS else ()

    def payloads(self, stream: Stream, after_ms: int, now_ms: int) -> list[str]:
        if stream.kind == LIQUIDATIONS:
            events = self.market.liquidations(after_ms - PUSH_MS + 1, now_ms - PUSH_MS + 1)
            rows = [self._liquidation(stream.symbol, event) for event in events]
            return [_pushed(stream, rows, now_ms)] if rows else []
        if stream.kind == TICKERS:
            return [self._ticker(stream, "delta", now_ms)] if now_ms > after_ms else []
        length_ms = INTERVALS_MS[stream.interval]
        found = self.market.candles(length_ms, after_ms - after_ms % length_ms, now_ms + 1)
        rows = [self._kline(stream, candle, now_ms) for candle in found]
        return [_pushed(stream, [row], now_ms) for row in rows]

    def answer(self, target: str) -> Answer:
        parts = urlsplit(target)
        query = {key: values[0] for key, values in parse_qs(parts.query).items()}
        if parts.path == "/v5/market/time":
            return self._answer({"timeSecond": str(self.clock.now_ms() // 1_000)})
        if parts.path not in ("/v5/market/instruments-info", "/v5/market/kline"):
            return Answer(HTTPStatus.NOT_FOUND, "404 page not found\n")
        if query.get("category") != "linear":
            return self._answer({}, _PARAMS_ERROR, "Illegal category")
        if parts.path == "/v5/market/kline":
            return self._candles(query)
        return self._contracts(query)

    def _contracts(self, query: Mapping[str, str]) -> Answer:
        listed = list(self.instruments.values())
        asked = _number(query, "limit", _DEFAULT_INSTRUMENTS)
        most = asked if self.pages_of is None else min(asked, self.pages_of)
        first = _number(query, "cursor", 0)
        cursor = str(first + most) if first + most < len(listed) else ""
        page = [_rules(instrument) for instrument in listed[first : first + most]]
        return self._answer({"category": "linear", "list": page, "nextPageCursor": cursor})

    def _candles(self, query: Mapping[str, str]) -> Answer:
        instrument = self.instruments.get(query.get("symbol", ""))
        interval = _INTERVALS.get(query.get("interval", ""))
        if instrument is None:
            return self._answer({}, _PARAMS_ERROR, "params error: symbol invalid")
        if interval is None:
            return self._answer({}, _PARAMS_ERROR, "Invalid period!")
        length_ms, now_ms = INTERVALS_MS[interval], self.clock.now_ms()
        limit = min(_number(query, "limit", _DEFAULT_CANDLES), _MOST_CANDLES)
        newest_ms = min(_number(query, "end", now_ms), now_ms)
        newest_ms -= newest_ms % length_ms
        first_ms = newest_ms - (limit - 1) * length_ms
        if "start" in query:
            first_ms = max(first_ms, _number(query, "start", 0))
        found = self.market.candles(length_ms, first_ms, min(newest_ms + length_ms, now_ms + 1))
        rows = [_row(instrument, candle) for candle in reversed(found)]
        return self._answer({"category": "linear", "symbol": instrument.symbol, "list": rows})

    def _answer(self, result: object, code: int = 0, message: str = "OK") -> Answer:
        body = {"retCode": code, "retMsg": message, "result": result, "retExtInfo": {}, "time": self.clock.now_ms()}
        return Answer(HTTPStatus.OK, encode(body))

    def _liquidation(self, symbol: str, event: LiquidationEvent) -> dict[str, object]:
        instrument = self.instruments[symbol]
        return {
            # The side of the position: the opposite of the closing order's.
            "T": event.ts_ms, "s": symbol, "S": "Buy" if event.side.liquidates_long else "Sell",
            "v": instrument.quantity_text(event.qty), "p": instrument.price_text(event.price),
        }  # fmt: skip

    def _ticker(self, stream: Stream, kind: str, now_ms: int) -> str:
        instrument = self.instruments[stream.symbol]
        price = self.market.price_at(now_ms)
        ticker = {"symbol": stream.symbol, "markPrice": instrument.price_text(price)}
        if kind == "snapshot":
            ticker |= {"lastPrice": instrument.price_text(price), "openInterest": "51234.567", "fundingRate": "0.0001"}
        return encode({"topic": stream.name, "type": kind, "data": ticker, "cs": now_ms // 7, "ts": now_ms})

    def _kline(self, stream: Stream, candle: Candle, now_ms: int) -> dict[str, object]:
        instrument = self.instruments[stream.symbol]
        start, first, high, low, last, volume, turnover = _row(instrument, candle)
        return {
            "start": int(start), "end": candle.close_ms, "interval": stream.name.split(".")[1], "open": first,
            "close": last, "high": high, "low": low, "volume": volume, "turnover": turnover,
            "confirm": now_ms > candle.close_ms, "timestamp": now_ms,
        }  # fmt: skip


class BybitSession(Session):
    """One client's topics."""

    def __init__(self, protocol: BybitProtocol) -> None:
        self._protocol = protocol
        self._topics: dict[str, Stream] = {}

    @property
    def streams(self) -> tuple[Stream, ...]:
        return tuple(self._topics.values())

    def receive(self, message: str | bytes) -> Reply:
        try:
            request = json.loads(message)
        except (ValueError, RecursionError):
            request = None
        if not isinstance(request, dict):
            return _reply("", False, "error:invalid character")
        operation, request_id = request.get("op"), str(request.get("req_id", ""))
        if operation == "ping":
            return _reply("ping", True, "pong", request_id)
        topics = request.get("args")
        if operation not in ("subscribe", "unsubscribe") or not isinstance(topics, list):
            return _reply(str(operation), False, "Params Error", request_id)
        names = [str(topic) for topic in topics]
        if operation == "unsubscribe":
            for name in names:
                self._topics.pop(name, None)
            return _reply(operation, True, "", request_id)
        return self._subscribe(names, request_id)

    def _subscribe(self, names: Iterable[str], request_id: str) -> Reply:
        added: dict[str, Stream] = {}
        for name in names:
            stream = self._protocol.stream_of(name)
            if stream is None:
                return _reply("subscribe", False, f"error:handler not found,topic:{name}", request_id)
            if name in self._topics or name in added:
                return _reply("subscribe", False, f"error:already subscribed,topic:{name}", request_id)
            added[name] = stream
        self._topics.update(added)
        return _reply("subscribe", True, "", request_id, tuple(added.values()))


def _reply(
    operation: str,
    success: bool,
    message: str,
    request_id: str = "",
    added: tuple[Stream, ...] = (),
) -> Reply:
    answer = {"success": success, "ret_msg": message, "conn_id": "demo", "req_id": request_id, "op": operation}
    return Reply((encode(answer),), added)


def _number(query: Mapping[str, str], key: str, default: int) -> int:
    text = query.get(key, "")
    return int(text) if text.isdecimal() else default


def _pushed(stream: Stream, rows: list[dict[str, object]], now_ms: int) -> str:
    return encode({"topic": stream.name, "type": "snapshot", "ts": now_ms, "data": rows})


def _row(instrument: Instrument, candle: Candle) -> tuple[str, str, str, str, str, str, str]:
    price, quantity = instrument.price_text, instrument.quantity_text
    turnover = candle.volume * (candle.high + candle.low + candle.open + candle.close) / 4
    return (
        str(candle.open_ms), price(candle.open), price(candle.high), price(candle.low), price(candle.close),
        quantity(candle.volume), f"{turnover:.4f}",
    )  # fmt: skip


def _rules(instrument: Instrument) -> dict[str, object]:
    quote = instrument.quote_asset
    return {
        "symbol": instrument.symbol, "contractType": "LinearPerpetual", "status": "Trading",
        "baseCoin": instrument.base_asset, "quoteCoin": quote, "settleCoin": quote, "launchTime": "1585526400000",
        "deliveryTime": "0", "priceScale": str(instrument.price_decimals),
        "priceFilter": {"minPrice": instrument.tick_size, "maxPrice": "1999999.80", "tickSize": instrument.tick_size},
        "lotSizeFilter": {"minOrderQty": instrument.lot_size, "qtyStep": instrument.lot_size},
        "fundingInterval": 480, "unifiedMarginTrade": True,
    }  # fmt: skip
