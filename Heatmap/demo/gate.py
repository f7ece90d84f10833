"""The protocol of Gate v4: sessions, pushed frames and REST of the USDT perpetuals of one market, without I/O.

Shapes follow frames and answers seen in 2026 and the documentation of Gate, for clients that ask for fractions of
contracts. A contract is `CONTRACT_COINS` coins.
"""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qs, urlsplit

from Heatmap.demo.protocol import Answer, Reply, Session, Stream, VenueProtocol
from Heatmap.demo.wire import encode
from Heatmap.vocabulary import INTERVALS_MS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from Heatmap.candle import Candle
    from Heatmap.demo.instrument import Instrument
    from Heatmap.events import LiquidationEvent

CONTRACT_COINS: Final = 0.0001
LIQUIDATIONS, TICKERS, CANDLES = "futures.public_liquidates", "futures.tickers", "futures.candlesticks"
PUSH_MS: Final = 1000
MOST_ORDERS: Final = 20  # in one push of a contract
MOST_ROWS: Final = 1000  # in one answer about past orders
_DEFAULT_ROWS: Final = 100
_LONGEST_S: Final = 3600
_ROUTE = "/v4/ws/usdt"
_REST = "/api/v4/futures/usdt/"
_INTERVALS: Final = ("1m", "5m", "15m", "30m", "1h", "4h", "8h", "1d")
_ALL = "!all"


class GateProtocol(VenueProtocol):
    """Implements `VenueProtocol`.

    WebSocket: ``/v4/ws/usdt`` with ``futures.public_liquidates``, ``futures.tickers`` and ``futures.candlesticks``; a
    request with a contract that is not listed is refused as a whole. HTTP: ``contracts``, ``candlesticks`` and
    ``liq_orders``, an hour and `MOST_ROWS` orders a request, below ``/api/v4/futures/usdt``.
    """

    def open_session(self, target: str) -> GateSession | None:
        return GateSession(self) if urlsplit(target).path == _ROUTE else None

    def streams_of(self, channel: str, payload: list[str]) -> list[Stream] | None:
        """Return the streams of a subscription; None if there is no such channel or contract."""
        interval = ""
        if channel == CANDLES:
            if len(payload) != 2 or payload[0] not in _INTERVALS:  # noqa: PLR2004 - interval and contract
                return None
            interval, payload = payload[0], payload[1:]
        elif channel not in (LIQUIDATIONS, TICKERS):
            return None
        if channel == LIQUIDATIONS and payload == [_ALL]:
            return [Stream(_ALL, channel, carries_liquidations=True)]
        symbols = [self._symbol(name) for name in payload]
        return (
            [
                Stream(f"{interval}_{name}", channel, symbol, interval, channel == LIQUIDATIONS)
                for name, symbol in zip(payload, symbols, strict=True)
                if symbol is not None
            ]
            if None not in symbols
            else None
        )

    def payloads(self, stream: Stream, after_ms: int, now_ms: int) -> list[str]:
        traded = list(self.instruments.values()) if not stream.symbol else [self.instruments[stream.symbol]]
        if stream.kind == LIQUIDATIONS:
            events = self.market.liquidations(after_ms - PUSH_MS + 1, now_ms - PUSH_MS + 1)
            return [
                _pushed(stream, [_order(one, event) for event in events[start : start + MOST_ORDERS]], now_ms)
                for one in traded
                for start in range(0, len(events), MOST_ORDERS)
            ]
        if stream.kind == TICKERS:
            price = traded[0].price_text(self.market.price_at(now_ms))
            row = {"contract": _name(traded[0]), "last": price, "mark_price": price, "funding_rate": "0.0001"}
            return [_pushed(stream, [row], now_ms)] if now_ms > after_ms else []
        length_ms = INTERVALS_MS[stream.interval]
        found = self.market.candles(length_ms, after_ms - after_ms % length_ms, now_ms + 1)
        name = {"n": f"{stream.interval}_{_name(traded[0])}"}
        rows = [_row(traded[0], candle) | name | {"w": now_ms > candle.close_ms} for candle in found]
        return [_pushed(stream, rows, now_ms)] if rows else []

    def answer(self, target: str) -> Answer:
        parts = urlsplit(target)
        query = {key: values[0] for key, values in parse_qs(parts.query).items()}
        match parts.path.removeprefix(_REST):
            case "contracts":
                return _answer([_rules(traded) for traded in self.instruments.values()])
            case "candlesticks":
                return self._candles(query)
            case "liq_orders":
                return self._orders(query)
            case _:
                return _refused("NOT_FOUND", "no such path", HTTPStatus.NOT_FOUND)

    def _orders(self, query: Mapping[str, str]) -> Answer:
        now_ms = self.clock.now_ms()
        last_s = int(query.get("to", now_ms // 1000))
        first_s = int(query.get("from", last_s - _LONGEST_S))
        limit = int(query.get("limit", _DEFAULT_ROWS))
        if not 0 <= last_s - first_s <= _LONGEST_S or not 1 <= limit <= MOST_ROWS:
            return _refused("INVALID_PARAM_VALUE", "range from/to must in 1 hour")
        traded = list(self.instruments.values())
        if "contract" in query:
            symbol = self._symbol(query["contract"])
            if symbol is None:
                return _refused("CONTRACT_NOT_FOUND", "contract not found")
            traded = [self.instruments[symbol]]
        events = self.market.liquidations(first_s * 1000, min((last_s + 1) * 1000, now_ms + 1))
        rows = [self._past_order(one, event) for event in reversed(events) for one in traded]
        return _answer(rows[:limit])

    def _past_order(self, instrument: Instrument, event: LiquidationEvent) -> dict[str, object]:
        order = _order(instrument, event)
        size = str(order["size"])
        return {
            "time": event.ts_ms // 1000, "contract": order["contract"], "order_size": size, "left": "0",
            # The position that was closed, with its own sign.
            "size": size.removeprefix("-") if size.startswith("-") else f"-{size}",
            "order_price": order["price"], "fill_price": instrument.price_text(self.market.price_at(event.ts_ms)),
        }  # fmt: skip

    def _candles(self, query: Mapping[str, str]) -> Answer:
        symbol, interval = self._symbol(query.get("contract", "")), query.get("interval", "5m")
        if symbol is None:
            return _refused("CONTRACT_NOT_FOUND", "contract not found")
        if interval not in _INTERVALS or ("limit" in query and query.keys() & {"from", "to"}):
            return _refused("INVALID_PARAM_VALUE", "invalid interval, or limit beside from and to")
        length_ms, now_ms = INTERVALS_MS[interval], self.clock.now_ms()
        newest_ms = min(int(query.get("to", now_ms // 1000)) * 1000, now_ms)
        newest_ms -= newest_ms % length_ms
        limit = int(query.get("limit", _DEFAULT_ROWS))
        first_ms = int(query["from"]) * 1000 if "from" in query else newest_ms - (limit - 1) * length_ms
        found = self.market.candles(length_ms, first_ms, min(newest_ms + length_ms, now_ms + 1))
        return _answer([_row(self.instruments[symbol], candle) for candle in found])

    def _symbol(self, name: str) -> str | None:
        return next((symbol for symbol, traded in self.instruments.items() if _name(traded) == name), None)


class GateSession(Session):
    """One client's subscriptions."""

    def __init__(self, protocol: GateProtocol) -> None:
        self._protocol = protocol
        self._subscribed: dict[Stream, None] = {}

    @property
    def streams(self) -> tuple[Stream, ...]:
        return tuple(self._subscribed)

    def receive(self, message: str | bytes) -> Reply:
        try:
            request = json.loads(message)
        except (ValueError, RecursionError):
            request = None
        if not isinstance(request, dict) or not isinstance(request.get("time"), int):
            return self._reply("", "", error="invalid request")
        channel, event, payload = str(request.get("channel")), str(request.get("event", "")), request.get("payload")
        if channel == "futures.ping":
            return self._reply("futures.pong", "")
        if event != "subscribe" or not isinstance(payload, list):
            return self._reply(channel, event, error="invalid event or payload")
        streams = self._protocol.streams_of(channel, [str(name) for name in payload])
        if streams is None:
            return self._reply(channel, event, error="unknown channel or contract")
        added = [stream for stream in streams if stream not in self._subscribed]
        self._subscribed.update(dict.fromkeys(added))
        return self._reply(channel, event, result={"status": "success"}, added=added)

    def _reply(
        self, channel: str, event: str, *, error: str = "", result: object = None, added: list[Stream] | None = None
    ) -> Reply:
        answer = {**_times(self._protocol.clock.now_ms()), "channel": channel, "event": event, "result": result}
        if error:
            answer["error"] = {"code": 2, "message": error}
        return Reply((encode(answer),), tuple(added or ()))


def _name(instrument: Instrument) -> str:
    return f"{instrument.base_asset}_{instrument.quote_asset}"


def _times(now_ms: int) -> dict[str, object]:
    return {"time": now_ms // 1000, "time_ms": now_ms}


def _pushed(stream: Stream, rows: Sequence[Mapping[str, object]], now_ms: int) -> str:
    return encode({**_times(now_ms), "channel": stream.kind, "event": "update", "result": rows})


def _order(instrument: Instrument, event: LiquidationEvent) -> dict[str, object]:
    contracts = f"{event.qty / CONTRACT_COINS:.4f}".rstrip("0").rstrip(".")
    return {
        # Negative: the order sold, so a long was liquidated.
        "price": instrument.price_text(event.price), "size": f"{'-' * event.side.liquidates_long}{contracts}",
        "time": event.ts_ms, "contract": _name(instrument),
    }  # fmt: skip


def _answer(rows: list[dict[str, object]]) -> Answer:
    return Answer(HTTPStatus.OK, encode(rows))


def _refused(label: str, message: str, status: HTTPStatus = HTTPStatus.BAD_REQUEST) -> Answer:
    return Answer(status, encode({"label": label, "message": message}))


def _row(instrument: Instrument, candle: Candle) -> dict[str, object]:
    price = instrument.price_text
    usd = candle.volume * (candle.high + candle.low + candle.open + candle.close) / 4
    return {
        "t": candle.open_ms // 1000, "v": round(candle.volume / CONTRACT_COINS), "o": price(candle.open),
        "h": price(candle.high), "l": price(candle.low), "c": price(candle.close), "sum": f"{usd:.4f}",
    }  # fmt: skip


def _rules(instrument: Instrument) -> dict[str, object]:
    return {
        "name": _name(instrument), "type": "direct", "quanto_multiplier": f"{CONTRACT_COINS:.4f}",
        "order_price_round": instrument.tick_size, "mark_price_round": "0.01", "order_size_min": "1",
        "leverage_max": "125", "in_delisting": False,
    }  # fmt: skip
