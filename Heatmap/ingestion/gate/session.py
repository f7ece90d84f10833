"""One connection to Gate's USDT futures: subscriptions, liquidations in contracts, tickers.

Source: Gate API v4, "Futures WebSocket v4": "Public liquidates" (since 2026-08-20 batches of a second or of 20 orders,
one order before), "Tickers", and a frame recorded in August 2026.
"""

from __future__ import annotations

import json
import logging
from collections import deque
from typing import TYPE_CHECKING, Final

import msgspec
from msgspec import structs

from Heatmap.errors import FrameError
from Heatmap.ingestion.contracts import ContractSizes
from Heatmap.ingestion.failure import Failure
from Heatmap.ingestion.frame_values import frame_text, plausible_ms, positive, refusal, told_apart
from Heatmap.ingestion.gate import endpoints
from Heatmap.ingestion.gate.order import Order, liquidation
from Heatmap.ingestion.venue import FeedSession, FrameContent, MarketHeartbeat

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from Heatmap.events import LiquidationEvent

_LOG = logging.getLogger(__name__)

LIQUIDATIONS: Final = "futures.public_liquidates"
TICKERS: Final = "futures.tickers"
ANSWER_TIMEOUT_S: Final = 10.0  # for each subscription
ALL_CONTRACTS: Final = "!all"
# Requests carry a time, of use with a signature only; the documentation's examples have a constant one.
_TIME_S: Final = 1_600_000_000
PING: Final = json.dumps({"time": _TIME_S, "channel": "futures.ping"})
_PER_REQUEST: Final = 100  # contracts
_SUBSCRIBED: Final = "subscribe"
_UPDATED: Final = "update"
_SUCCESS: Final = "success"


class _Error(msgspec.Struct):
    code: int = 0
    message: str = ""


class _Frame(msgspec.Struct):
    channel: str = ""
    event: str = ""
    time: int = 0
    time_ms: int = 0
    error: _Error | None = None
    result: msgspec.Raw = msgspec.Raw(b"null")


class _Status(msgspec.Struct):
    status: str = ""


class _Ticker(msgspec.Struct):
    contract: str
    last: float | None = None
    mark_price: float | None = None


class _Name(msgspec.Struct):
    contract: str = ""


class _Order(msgspec.Struct):
    price: float
    size: float
    time: int | None = None
    time_ms: int | None = None


# strict=False reads decimal strings as numbers by JSON's own grammar.
_FRAME: Final = msgspec.json.Decoder(_Frame, strict=False)
_STATUS: Final = msgspec.json.Decoder(_Status | None)
_TICKERS: Final = msgspec.json.Decoder(list[_Ticker] | _Ticker, strict=False)
_PARTS: Final = msgspec.json.Decoder(list[msgspec.Raw])
_NAME: Final = msgspec.json.Decoder(_Name)
_ORDER: Final = msgspec.json.Decoder(_Order, strict=False)
_UNREADABLE: Final = (msgspec.DecodeError, UnicodeError, RecursionError)


class GateSession(FeedSession):
    """Implements `FeedSession`. ``symbols`` are in people's spelling; None: all whose contract size is known.

    The liquidations of all contracts are asked for, and the tickers of those whose size is known. The exchange refuses
    a whole request that names a contract it does not have: that one is looked for by halves and left out. Without a
    ticker that is left the connection is of no use.
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
        self.url = endpoints.socket(ws_url)
        self._symbols = symbols
        self._source = source
        self._keep_raw = keep_raw
        self._sizes = sizes if sizes is not None else ContractSizes()
        self._unsent: deque[tuple[str, list[str]]] | None = None
        # By channel: the requests that are not answered yet, each with the time when it was sent and its contracts.
        # Answers come in order and name the channel.
        self._asked: dict[str, deque[tuple[float, list[str]]]] = {LIQUIDATIONS: deque(), TICKERS: deque()}
        self._has_tickers = False

    @property
    def is_subscribed(self) -> bool:
        return self._unsent is not None and not self._unsent and not any(self._asked.values())

    def next_request(self, now_s: float) -> str | None:
        if self._unsent is None:
            self._unsent = deque(self._batches())
        if not self._unsent:
            return None
        channel, contracts = self._unsent.popleft()
        self._asked[channel].append((now_s, contracts))
        message = {"time": _TIME_S, "channel": channel, "event": _SUBSCRIBED, "payload": contracts}
        return json.dumps(message, ensure_ascii=False)

    def overdue(self, now_s: float) -> Failure | None:
        late = sum(now_s - asked_s >= ANSWER_TIMEOUT_S for asked in self._asked.values() for asked_s, _ in asked)
        if not late:
            return None
        return Failure(
            "unacknowledged",
            f"Gate has not acknowledged {late} of the subscriptions within {ANSWER_TIMEOUT_S:.0f} s.",
        )

    def receive(self, data: bytes, received_ms: int) -> FrameContent:
        try:
            frame = _FRAME.decode(data)
            if frame.error is not None or frame.event == _SUBSCRIBED:
                return FrameContent(refusal=self._answered(frame))
            if frame.event == _UPDATED and frame.channel == LIQUIDATIONS:
                return self._liquidations(frame, data, received_ms)
            if frame.event == _UPDATED and frame.channel == TICKERS:
                return FrameContent(heartbeats=list(_heartbeats(frame, data)))
        except msgspec.ValidationError as error:
            raise refusal("bad-shape", f"expected a message of Gate: {error}", data) from error
        except _UNREADABLE as error:
            raise refusal("bad-json", f"expected JSON: {error}", data) from error
        return FrameContent()

    def _batches(self) -> Iterator[tuple[str, list[str]]]:
        yield LIQUIDATIONS, [ALL_CONTRACTS]
        known = self._sizes.symbols
        symbols = known if self._symbols is None else [name for name in known if name in self._symbols]
        # Where none is known, the refusal says so.
        names = [endpoints.contract_of(name) for name in symbols or self._symbols or ()]
        for start in range(0, len(names), _PER_REQUEST):
            yield TICKERS, names[start : start + _PER_REQUEST]

    def _answered(self, frame: _Frame) -> Failure | None:
        asked = self._asked.get(frame.channel)
        status = _STATUS.decode(frame.result) if frame.error is None else None
        if status is not None and status.status == _SUCCESS:
            if asked:
                asked.popleft()
            self._has_tickers |= frame.channel == TICKERS
            return None
        error = frame.error or _Error(message="no success")
        _LOG.warning("Gate refuses a request for %s (%d): %s", frame.channel or "nothing", error.code, error.message)
        # A ping that is refused ends nothing.
        if not asked and (frame.channel or self.is_subscribed):
            return None
        if asked and frame.channel == TICKERS and self._ask_without(asked.popleft()[1]):
            return None
        reason = f"Gate refuses to deliver what was asked for (code {error.code}): {error.message}."
        return Failure("refused-subscription", reason)

    def _ask_without(self, refused: list[str]) -> bool:
        """Ask for the halves of what was refused, or leave a lone contract out; return False if none is left."""
        unsent = self._unsent if self._unsent is not None else deque()
        if len(refused) > 1:
            half = len(refused) // 2
            unsent.extend((TICKERS, part) for part in (refused[:half], refused[half:]))
            return True
        _LOG.warning("Gate refuses %s", refused)
        return self._has_tickers or bool(self._asked[TICKERS]) or any(channel == TICKERS for channel, _ in unsent)

    def _liquidations(self, frame: _Frame, data: bytes, received_ms: int) -> FrameContent:
        """Decode every order of a batch; one that is wrong takes none of the others with it."""
        events: list[LiquidationEvent] = []
        faults: list[FrameError] = []
        is_batch = bytes(frame.result).lstrip().startswith(b"[")
        for raw in _PARTS.decode(frame.result) if is_batch else [frame.result]:
            try:
                event = self._event(raw, data, received_ms)
            except FrameError as error:
                faults.append(error)
                continue
            if event is not None:
                events.append(event)
        return FrameContent(events=told_apart(events), faults=faults)

    def _event(self, raw: msgspec.Raw, data: bytes, received_ms: int) -> LiquidationEvent | None:
        """Return the event of an order, None for a contract that nobody asked for."""
        try:
            symbol = endpoints.symbol_of(_NAME.decode(raw).contract)
            if symbol is None or (self._symbols is not None and symbol not in self._symbols):
                return None
            order = _ORDER.decode(raw)
        except _UNREADABLE as error:
            raise refusal("bad-shape", f"expected a liquidation: {error}", data) from error
        time = order.time_ms if order.time_ms is not None else order.time
        if time is None:
            raise refusal("bad-time", "expected a liquidation with `time`", data)
        event = liquidation(Order(symbol, order.size, order.price, time), self._sizes, self._source, data)
        raw_json = frame_text(data) if self._keep_raw else None
        return structs.replace(event, received_ms=received_ms, raw_json=raw_json)


def _heartbeats(frame: _Frame, data: bytes) -> Iterator[MarketHeartbeat]:
    # Seconds that were cut are at most one earlier.
    pushed_ms = plausible_ms(frame.time_ms or frame.time * 1000, data)
    tickers = _TICKERS.decode(frame.result)
    for ticker in tickers if isinstance(tickers, list) else [tickers]:
        symbol = endpoints.symbol_of(ticker.contract)
        if symbol is not None:
            positive(ticker.last if ticker.mark_price is None else ticker.mark_price, "bad-price", data)
            yield MarketHeartbeat(symbol, pushed_ms)
