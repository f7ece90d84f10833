"""One connection to OKX's public channel: subscriptions, liquidations in contracts, mark prices.

Source: OKX API v5, "Liquidation orders channel", "Mark price channel", and frames recorded in October 2026. The filter
``instId`` of the liquidations has no effect: those of all swaps come.
"""

from __future__ import annotations

import json
import logging
import re
from typing import TYPE_CHECKING, Final

import msgspec

from Heatmap.errors import FrameError
from Heatmap.events import LiquidationEvent, Side
from Heatmap.ingestion.contracts import Contracts, ContractSizes
from Heatmap.ingestion.failure import Failure
from Heatmap.ingestion.frame_values import frame_text, plausible_ms, positive, refusal, told_apart
from Heatmap.ingestion.okx import endpoints
from Heatmap.ingestion.venue import FeedSession, FrameContent, MarketHeartbeat

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

_LOG = logging.getLogger(__name__)

LIQUIDATIONS: Final = "liquidation-orders"
MARK_PRICE: Final = "mark-price"
PONG: Final = b"pong"
ANSWER_TIMEOUT_S: Final = 10.0  # for each subscription
_PER_REQUEST: Final = 100  # subscriptions; a request may have 64 KB
_SUBSCRIBED: Final = "subscribe"
_NOTICE: Final = "notice"
_WILL_CLOSE: Final = "64008"  # the code of a notice
_NAMED_SWAPS: Final = re.compile(r"\w+-USDT-SWAP")
_CLOSES: Final = {"long": Side.SELL, "short": Side.BUY}
_ORDERS: Final = {"sell": Side.SELL, "buy": Side.BUY}


class _Arg(msgspec.Struct):
    channel: str = ""
    instId: str = ""  # noqa: N815 - the exchange's own keys, here and below


class _Detail(msgspec.Struct):
    posSide: str  # noqa: N815
    side: str
    bkPx: float  # noqa: N815
    sz: float
    ts: int


class _Item(msgspec.Struct):
    instId: str = ""  # noqa: N815
    details: list[msgspec.Raw] = []
    ts: int | None = None
    markPx: float | None = None  # noqa: N815


class _Frame(msgspec.Struct):
    event: str = ""
    code: str = ""
    msg: str = ""
    arg: _Arg = msgspec.field(default_factory=_Arg)
    data: list[_Item] = []


# strict=False reads decimal strings as numbers by JSON's own grammar.
_FRAME: Final = msgspec.json.Decoder(_Frame, strict=False)
_DETAIL: Final = msgspec.json.Decoder(_Detail, strict=False)
_UNREADABLE: Final = (msgspec.DecodeError, UnicodeError, RecursionError)


def closing_side(pos_side: str, side: str) -> Side | None:
    """Return the side of the order that closed a position: SELL closed a long; None if the words say nothing clear.

    ``pos_side`` names the position; accounts in net mode report ``net``, and then ``side``, the order's, decides.
    """
    order = _ORDERS.get(side)
    if pos_side == "net":
        return order
    closes = _CLOSES.get(pos_side)
    return closes if order in (closes, None) else None


class OkxSession(FeedSession):
    """Implements `FeedSession`. ``symbols`` are in people's spelling; None: all whose contract size is known.

    A symbol whose size is not known, or that OKX refuses, is left out and the others go on; without one that is left
    the connection is of no use.
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
        self._symbols = symbols
        self._source = source
        self._keep_raw = keep_raw
        self._sizes = sizes if sizes is not None else ContractSizes()
        self._requests: Iterator[list[dict[str, str]]] | None = None
        self._asked_s: dict[tuple[str, str], float] = {}  # channel and instrument without an answer
        self._all_sent = False
        self._has_mark_price = False  # of any symbol

    @property
    def is_subscribed(self) -> bool:
        return self._all_sent and not self._asked_s

    def next_request(self, now_s: float) -> str | None:
        if self._requests is None:
            self._requests = self._batches()
        batch = next(self._requests, None)
        if batch is None:
            self._all_sent = True
            return None
        for arg in batch:
            self._asked_s[arg["channel"], arg.get("instId", "")] = now_s
        return json.dumps({"op": "subscribe", "args": batch}, ensure_ascii=False)

    def overdue(self, now_s: float) -> Failure | None:
        late = sum(now_s - asked_s >= ANSWER_TIMEOUT_S for asked_s in self._asked_s.values())
        if not late:
            return None
        return Failure(
            "unacknowledged",
            f"OKX has not acknowledged {late} of the subscriptions within {ANSWER_TIMEOUT_S:.0f} s.",
        )

    def receive(self, data: bytes, received_ms: int) -> FrameContent:
        if data == PONG:
            return FrameContent()
        try:
            frame = _FRAME.decode(data)
        except msgspec.ValidationError as error:
            raise refusal("bad-shape", f"expected a message of OKX: {error}", data) from error
        except _UNREADABLE as error:
            raise refusal("bad-json", f"expected JSON: {error}", data) from error
        if frame.event:
            is_closing = frame.event == _NOTICE and frame.code == _WILL_CLOSE
            return FrameContent(refusal=self._answered(frame), is_closing=is_closing)
        if frame.arg.channel == LIQUIDATIONS:
            return self._liquidations(frame, data, received_ms)
        if frame.arg.channel == MARK_PRICE:
            return FrameContent(heartbeats=list(_heartbeats(frame, data)))
        return FrameContent()

    def _batches(self) -> Iterator[list[dict[str, str]]]:
        known = self._sizes.symbols
        # Where none is known, the refusal says so.
        names = known if self._symbols is None else [n for n in self._symbols if n in known] or self._symbols
        args = [{"channel": LIQUIDATIONS, "instType": "SWAP"}]
        args += [{"channel": MARK_PRICE, "instId": endpoints.instrument_of(name)} for name in names]
        for start in range(0, len(args), _PER_REQUEST):
            yield args[start : start + _PER_REQUEST]

    def _answered(self, frame: _Frame) -> Failure | None:
        if frame.event == _SUBSCRIBED:
            self._asked_s.pop((frame.arg.channel, frame.arg.instId), None)
            self._has_mark_price |= frame.arg.channel == MARK_PRICE
            return None
        if frame.event != "error":
            return None
        _LOG.warning("OKX refuses a request (%s): %s", frame.code, frame.msg)
        if not self._asked_s:
            return None
        named = self._asked_s.keys() & {(MARK_PRICE, name) for name in _NAMED_SWAPS.findall(frame.msg)}
        for key in named:
            del self._asked_s[key]
        is_any_left = self._has_mark_price or any(channel == MARK_PRICE for channel, _ in self._asked_s)
        if named and is_any_left:
            return None
        return Failure(
            "refused-subscription", f"OKX refuses to deliver what was asked for (code {frame.code}): {frame.msg}."
        )

    def _liquidations(self, frame: _Frame, data: bytes, received_ms: int) -> FrameContent:
        """Decode every detail of every instrument; one that is wrong takes none of the others with it."""
        events: list[LiquidationEvent] = []
        faults: list[FrameError] = []
        for item in frame.data:
            symbol = endpoints.symbol_of(item.instId)
            if symbol is None or (self._symbols is not None and symbol not in self._symbols):
                continue
            for raw in item.details:
                try:
                    events.append(self._event(symbol, raw, data, received_ms))
                except FrameError as error:
                    faults.append(error)
        return FrameContent(events=told_apart(events), faults=faults)

    def _event(self, symbol: str, raw: msgspec.Raw, data: bytes, received_ms: int) -> LiquidationEvent:
        try:
            detail = _DETAIL.decode(raw)
        except _UNREADABLE as error:
            raise refusal("bad-shape", f"expected a liquidation of {symbol}: {error}", data) from error
        side = closing_side(detail.posSide, detail.side)
        if side is None:
            words = f"{detail.posSide!r} and {detail.side!r}"
            raise refusal("bad-side", f"expected long and sell, short and buy, or net, was {words}", data)
        price = positive(detail.bkPx, "bad-price", data)
        coins = Contracts(positive(detail.sz, "bad-qty", data)).coins(self._sizes.of(symbol))
        return LiquidationEvent(
            ts_ms=plausible_ms(detail.ts, data),
            symbol=symbol,
            side=side,
            price=price,
            qty=positive(coins.amount, "bad-qty", data),
            notional=positive(coins.notional(price), "bad-qty", data),
            source=self._source,
            order_price=price,
            received_ms=received_ms,
            raw_json=frame_text(data) if self._keep_raw else None,
        )


def _heartbeats(frame: _Frame, data: bytes) -> Iterator[MarketHeartbeat]:
    for item in frame.data:
        symbol = endpoints.symbol_of(item.instId)
        if symbol is None:
            continue
        if item.ts is None:
            raise refusal("bad-shape", "expected a mark price with `ts`", data)
        positive(item.markPx, "bad-price", data)
        yield MarketHeartbeat(symbol, plausible_ms(item.ts, data))
