"""The protocol of OKX v5: sessions, pushed frames and REST of the linear USDT swaps of one market, without I/O.

Shapes follow frames recorded in 2026 and the documentation of OKX. A contract is `CONTRACT_COINS` coins.
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

CONTRACT_COINS: Final = 0.01
LIQUIDATIONS, MARK_PRICE, CANDLES = "liquidation-orders", "mark-price", "candle"
PUSH_MS: Final = 1000
_PUBLIC, _BUSINESS = "/ws/v5/public", "/ws/v5/business"
_BARS: Final = {name if name[-1] == "m" else name.upper() + "utc" * (ms > 4 * 3_600_000): name
                for name, ms in INTERVALS_MS.items() if name != "8h"}  # fmt: skip
_MOST_CANDLES: Final = 100
_BAD_REQUEST, _NO_CHANNEL = "60012", "60018"
_NO_INSTRUMENT, _NO_BAR = "51001", "51000"


class OkxProtocol(VenueProtocol):
    """Implements `VenueProtocol`.

    WebSocket: ``/ws/v5/public`` with ``liquidation-orders`` of all swaps and ``mark-price`` of one,
    ``/ws/v5/business`` with ``candleBAR``; each subscription is acknowledged or refused by itself. HTTP:
    ``/api/v5/public/instruments``, ``/api/v5/market/candles`` and ``…/history-candles``.
    """

    def open_session(self, target: str) -> OkxSession | None:
        path = urlsplit(target).path
        return OkxSession(self, path) if path in (_PUBLIC, _BUSINESS) else None

    def stream_of(self, path: str, arg: Mapping[str, object]) -> Stream | None:
        """Return the stream of a subscription on a route; None if there is none."""
        channel, name = str(arg.get("channel", "")), encode(arg)
        if path == _PUBLIC and channel == LIQUIDATIONS and arg.get("instType") == "SWAP":
            return Stream(name, LIQUIDATIONS, carries_liquidations=True)
        symbol = self._symbol(str(arg.get("instId", "")))
        if symbol is None:
            return None
        if path == _PUBLIC and channel == MARK_PRICE:
            return Stream(name, MARK_PRICE, symbol)
        bar = channel.removeprefix(CANDLES)
        if path == _BUSINESS and channel.startswith(CANDLES) and bar in _BARS:
            return Stream(name, CANDLES, symbol, _BARS[bar])
        return None

    def payloads(self, stream: Stream, after_ms: int, now_ms: int) -> list[str]:
        if stream.kind == LIQUIDATIONS:
            events = self.market.liquidations(after_ms - PUSH_MS + 1, now_ms - PUSH_MS + 1)
            rows = [self._liquidations(traded, events) for traded in self.instruments.values()]
            return [_pushed(stream, rows)] if events else []
        instrument = self.instruments[stream.symbol]
        if stream.kind == MARK_PRICE:
            price = instrument.price_text(self.market.price_at(now_ms))
            row = {"instType": "SWAP", "instId": _name(instrument), "markPx": price, "ts": str(now_ms)}
            return [_pushed(stream, [row])] if now_ms > after_ms else []
        length_ms = INTERVALS_MS[stream.interval]
        found = self.market.candles(length_ms, after_ms - after_ms % length_ms, now_ms + 1)
        return [_pushed(stream, [_row(instrument, candle, now_ms)]) for candle in found]

    def answer(self, target: str) -> Answer:
        parts = urlsplit(target)
        query = {key: values[0] for key, values in parse_qs(parts.query).items()}
        match parts.path:
            case "/api/v5/public/time":
                return _answer([{"ts": str(self.clock.now_ms())}])
            case "/api/v5/public/instruments":
                return _answer([_rules(traded) for traded in self.instruments.values()])
            case "/api/v5/market/candles" | "/api/v5/market/history-candles":
                return self._candles(query)
            case _:
                return Answer(HTTPStatus.NOT_FOUND, encode({"code": "404", "msg": "Not Found", "data": []}))

    def _candles(self, query: Mapping[str, str]) -> Answer:
        symbol, interval = self._symbol(query.get("instId", "")), _BARS.get(query.get("bar", "1m"))
        if symbol is None:
            return _answer([], _NO_INSTRUMENT, "Instrument ID does not exist")
        if interval is None:
            return _answer([], _NO_BAR, "Parameter bar error")
        length_ms, now_ms = INTERVALS_MS[interval], self.clock.now_ms()
        limit = min(int(query.get("limit", _MOST_CANDLES)), _MOST_CANDLES)
        newest_ms = min(int(query.get("after", now_ms + 1)) - 1, now_ms)
        newest_ms -= newest_ms % length_ms
        first_ms = max(newest_ms - (limit - 1) * length_ms, int(query.get("before", 0)) + 1)
        found = self.market.candles(length_ms, first_ms, min(newest_ms + length_ms, now_ms + 1))
        return _answer([_row(self.instruments[symbol], candle, now_ms) for candle in reversed(found)])

    def _symbol(self, name: str) -> str | None:
        return next((symbol for symbol, traded in self.instruments.items() if _name(traded) == name), None)

    def _liquidations(self, instrument: Instrument, events: list[LiquidationEvent]) -> dict[str, object]:
        details = [
            {
                "bkLoss": "0", "bkPx": instrument.price_text(event.price), "ccy": "",
                "posSide": "long" if event.side.liquidates_long else "short", "side": event.side.value.lower(),
                "sz": f"{event.qty / CONTRACT_COINS:.4f}".rstrip("0").rstrip("."), "ts": str(event.ts_ms),
            }
            for event in events
        ]  # fmt: skip
        family = f"{instrument.base_asset}-{instrument.quote_asset}"
        return {
            "details": details, "instFamily": family, "instId": _name(instrument), "instType": "SWAP", "uly": family,
        }  # fmt: skip


class OkxSession(Session):
    """One client's subscriptions on a route."""

    def __init__(self, protocol: OkxProtocol, path: str) -> None:
        self._protocol = protocol
        self._path = path
        self._subscribed: dict[str, Stream] = {}

    @property
    def streams(self) -> tuple[Stream, ...]:
        return tuple(self._subscribed.values())

    def receive(self, message: str | bytes) -> Reply:
        if message in ("ping", b"ping"):
            return Reply(("pong",))
        try:
            request = json.loads(message)
        except (ValueError, RecursionError):
            request = None
        arguments = request.get("args") if isinstance(request, dict) else None
        if not isinstance(request, dict) or request.get("op") != "subscribe" or not isinstance(arguments, list):
            return Reply((_error(_BAD_REQUEST, "Invalid request"),))
        texts: list[str] = []
        added: list[Stream] = []
        for arg in arguments:
            stream = self._protocol.stream_of(self._path, arg) if isinstance(arg, dict) else None
            if stream is None:
                texts.append(_error(_NO_CHANNEL, f"Wrong URL or {encode(arg)} doesn't exist"))
                continue
            texts.append(encode({"event": "subscribe", "arg": arg, "connId": "demo"}))
            if stream.name not in self._subscribed:
                self._subscribed[stream.name] = stream
                added.append(stream)
        return Reply(tuple(texts), tuple(added))


def _name(instrument: Instrument) -> str:
    return f"{instrument.base_asset}-{instrument.quote_asset}-SWAP"


def _error(code: str, message: str) -> str:
    return encode({"event": "error", "code": code, "msg": message, "connId": "demo"})


def _pushed(stream: Stream, rows: Sequence[object]) -> str:
    return encode({"arg": json.loads(stream.name), "data": rows})


def _answer(rows: Sequence[object], code: str = "0", message: str = "") -> Answer:
    return Answer(HTTPStatus.OK, encode({"code": code, "msg": message, "data": rows}))


def _row(instrument: Instrument, candle: Candle, now_ms: int) -> list[str]:
    price = instrument.price_text
    usd = candle.volume * (candle.high + candle.low + candle.open + candle.close) / 4
    return [
        str(candle.open_ms), price(candle.open), price(candle.high), price(candle.low), price(candle.close),
        f"{candle.volume / CONTRACT_COINS:.1f}", instrument.quantity_text(candle.volume), f"{usd:.4f}",
        str(int(now_ms > candle.close_ms)),
    ]  # fmt: skip


def _rules(instrument: Instrument) -> dict[str, object]:
    family = f"{instrument.base_asset}-{instrument.quote_asset}"
    return {
        "instType": "SWAP", "instId": _name(instrument), "instFamily": family, "uly": family, "ctType": "linear",
        "settleCcy": instrument.quote_asset, "ctVal": str(CONTRACT_COINS), "ctValCcy": instrument.base_asset,
        "ctMult": "1", "tickSz": instrument.tick_size, "lotSz": "0.01", "minSz": "0.01", "state": "live",
    }  # fmt: skip
