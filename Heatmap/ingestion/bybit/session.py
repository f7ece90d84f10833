"""One connection to Bybit's linear contracts: subscriptions, liquidations in coins, tickers as heartbeats.

Source: Bybit API v5, "Connect", "All Liquidation", "Ticker", and frames recorded in 2026. A request with an unknown
topic is refused as a whole; the refusal names the topic.
"""

from __future__ import annotations

import json
import logging
import re
from collections import deque
from typing import TYPE_CHECKING, Final

import msgspec

from Heatmap.errors import FrameError
from Heatmap.events import LiquidationEvent, Side, shown_symbols
from Heatmap.ingestion.bybit import endpoints
from Heatmap.ingestion.failure import Failure
from Heatmap.ingestion.frame_values import frame_text, plausible_ms, positive, refusal, told_apart
from Heatmap.ingestion.venue import FeedSession, FrameContent, MarketHeartbeat

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from Heatmap.ingestion.contracts import ContractSizes

_LOG = logging.getLogger(__name__)

LIQUIDATIONS: Final = "allLiquidation"
TICKERS: Final = "tickers"
PING: Final = '{"op":"ping"}'
ANSWER_TIMEOUT_S: Final = 10.0  # for each request
SYMBOLS_PER_REQUEST: Final = 50  # two topics each; a request may have 21,000 characters
_ALREADY: Final = "already subscribed"
_NAMED_TOPICS: Final = re.compile(rf"\b(?:{LIQUIDATIONS}|{TICKERS})\.([^\s,;\]]+)")
_POSITIONS: Final = {"Buy": Side.SELL, "Sell": Side.BUY}


class _Frame(msgspec.Struct):
    topic: str = ""
    ts: int | None = None
    data: msgspec.Raw = msgspec.Raw()
    op: str = ""
    success: bool | None = None
    ret_msg: str | None = None
    req_id: str | None = None


class _Liquidation(msgspec.Struct):
    T: int
    s: str
    S: str
    v: float
    p: float


class _Ticker(msgspec.Struct):
    symbol: str


# strict=False reads decimal strings as numbers by JSON's own grammar.
_FRAME: Final = msgspec.json.Decoder(_Frame, strict=False)
_BATCH: Final = msgspec.json.Decoder(list[msgspec.Raw])
_LIQUIDATION: Final = msgspec.json.Decoder(_Liquidation, strict=False)
_TICKER: Final = msgspec.json.Decoder(_Ticker)
_UNREADABLE: Final = (msgspec.DecodeError, UnicodeError, RecursionError)


def closing_side(position: str) -> Side | None:
    """Return the side of the order that closed a position, which is what `LiquidationEvent` has; None if unclear.

    Bybit's ``S`` is the position's side: "Buy" is a liquidated long, closed by a SELL. That is the opposite of Binance.
    """
    return _POSITIONS.get(position)


class BybitSession(FeedSession):
    """Implements `FeedSession`.

    A symbol that Bybit does not have is left out and the others go on; without one that is left the connection is of
    no use. Heartbeats count once both topics of their symbol are acknowledged.
    """

    def __init__(
        self,
        ws_url: str,
        symbols: Collection[str] | None,
        *,
        source: str,
        keep_raw: bool = False,
        sizes: ContractSizes | None = None,
    ) -> None:
        self.url = endpoints.public_socket(ws_url)
        listed = () if sizes is None else sizes.symbols
        self._missing = set(listed if symbols is None else symbols)  # neither acknowledged nor refused
        self._accepted: set[str] = set()
        self._source = source
        self._keep_raw = keep_raw
        self._unsent = deque(_batches(sorted(self._missing)))
        self._asked: dict[str, tuple[float, Sequence[str]]] = {}  # by id: when, and the symbols
        self._last_id = 0

    @property
    def is_subscribed(self) -> bool:
        return not self._unsent and not self._asked

    def next_request(self, now_s: float) -> str | None:
        if not self._unsent:
            return None
        symbols = self._unsent.popleft()
        self._last_id += 1
        self._asked[str(self._last_id)] = now_s, symbols
        topics = [f"{kind}.{symbol}" for symbol in symbols for kind in (LIQUIDATIONS, TICKERS)]
        return json.dumps({"req_id": str(self._last_id), "op": "subscribe", "args": topics}, ensure_ascii=False)

    def overdue(self, now_s: float) -> Failure | None:
        late = [symbols for asked_s, symbols in self._asked.values() if now_s - asked_s >= ANSWER_TIMEOUT_S]
        if not late:
            return None
        missing = shown_symbols([symbol for symbols in late for symbol in symbols])
        return Failure(
            "unacknowledged", f"Bybit has not acknowledged the subscription to {missing} in {ANSWER_TIMEOUT_S:.0f} s."
        )

    def receive(self, data: bytes, received_ms: int) -> FrameContent:
        try:
            frame = _FRAME.decode(data)
        except msgspec.ValidationError as error:
            raise refusal("bad-shape", f"expected a message of Bybit: {error}", data) from error
        except _UNREADABLE as error:
            raise refusal("bad-json", f"expected JSON: {error}", data) from error
        kind, _, symbol = frame.topic.partition(".")
        if kind == LIQUIDATIONS:
            return self._liquidations(symbol, frame, data, received_ms)
        if kind == TICKERS:
            beat = _heartbeat(symbol, frame, data)
            return FrameContent(heartbeats=(beat,) if symbol in self._accepted else ())
        return FrameContent(refusal=self._answered(frame) if frame.op == "subscribe" else None)

    def _liquidations(self, symbol: str, frame: _Frame, data: bytes, received_ms: int) -> FrameContent:
        """Decode every liquidation of a batch; one that is wrong takes none of the others with it."""
        if not endpoints.is_linear_perpetual(symbol):
            return FrameContent()
        try:
            batch = _BATCH.decode(frame.data)
        except _UNREADABLE as error:
            raise refusal("bad-shape", f"expected a list of liquidations: {error}", data) from error
        event_ms = None if frame.ts is None else plausible_ms(frame.ts, data)
        events: list[LiquidationEvent] = []
        faults: list[FrameError] = []
        for raw in batch:
            try:
                events.append(self._event(symbol, raw, data, event_ms, received_ms))
            except FrameError as error:
                faults.append(error)
        return FrameContent(events=told_apart(events), faults=faults)

    def _event(
        self, symbol: str, raw: msgspec.Raw, data: bytes, event_ms: int | None, received_ms: int
    ) -> LiquidationEvent:
        try:
            one = _LIQUIDATION.decode(raw)
        except _UNREADABLE as error:
            raise refusal("bad-shape", f"expected a liquidation of {symbol}: {error}", data) from error
        if one.s != symbol:
            raise refusal("bad-symbol", f"expected {symbol}, the topic's symbol, was {one.s!r}", data)
        side = closing_side(one.S)
        if side is None:
            raise refusal("bad-side", f"expected Buy or Sell, was {one.S!r}", data)
        price, qty = positive(one.p, "bad-price", data), positive(one.v, "bad-qty", data)
        return LiquidationEvent(
            ts_ms=plausible_ms(one.T, data),
            symbol=symbol,
            side=side,
            price=price,
            qty=qty,
            notional=positive(price * qty, "bad-qty", data),
            source=self._source,
            order_price=price,
            order_qty=qty,
            event_ms=event_ms,
            received_ms=received_ms,
            raw_json=frame_text(data) if self._keep_raw else None,
        )

    def _answered(self, frame: _Frame) -> Failure | None:
        """Take an answer, that to the oldest request if it names none; ask again for what a refusal leaves."""
        request_id = frame.req_id or next(iter(self._asked), "")
        _, symbols = self._asked.pop(request_id, (0.0, ()))
        message = frame.ret_msg or "no reason given"
        is_delivered = _ALREADY in message
        if frame.success or (is_delivered and len(symbols) == 1):
            self._accepted.update(symbols)
            self._missing.difference_update(symbols)
            return None
        if not symbols:
            _LOG.warning("Bybit refuses what was not asked for: %s", message)
            return None
        named = set() if is_delivered else set(_NAMED_TOPICS.findall(message)).intersection(symbols)
        if not named and len(symbols) > 1:  # find the one at fault
            half = len(symbols) // 2
            self._unsent.extend((symbols[:half], symbols[half:]))
            return None
        refused = named or set(symbols)
        self._missing -= refused
        _LOG.warning("Bybit refuses %s: %s", shown_symbols(sorted(refused)), message)
        if rest := [symbol for symbol in symbols if symbol not in refused]:
            self._unsent.append(rest)
        if self._missing or self._accepted:
            return None
        return Failure("refused-subscription", f"Bybit refuses to deliver what was asked for: {message}.")


def _heartbeat(symbol: str, frame: _Frame, data: bytes) -> MarketHeartbeat:
    try:
        ticker = _TICKER.decode(frame.data)
    except _UNREADABLE as error:
        raise refusal("bad-shape", f"expected a ticker of {symbol}: {error}", data) from error
    if ticker.symbol != symbol:
        raise refusal("bad-symbol", f"expected {symbol}, the topic's symbol, was {ticker.symbol!r}", data)
    if frame.ts is None:
        raise refusal("bad-shape", "expected a ticker with `ts`", data)
    return MarketHeartbeat(symbol, plausible_ms(frame.ts, data))


def _batches(symbols: Sequence[str]) -> list[Sequence[str]]:
    starts = range(0, len(symbols), SYMBOLS_PER_REQUEST)
    return [symbols[start : start + SYMBOLS_PER_REQUEST] for start in starts]
