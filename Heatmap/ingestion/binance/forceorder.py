"""Codec of the market streams: one frame to an event, a heartbeat or a reply. No I/O.

Payload: developers.binance.com, USD-M futures, "Liquidation Order Streams" and "Mark Price Stream". Strict on
symbol, side, time, price and quantity, tolerant of everything else: unknown keys, both places of ``ps`` and ``st``,
raw and combined envelopes, other streams on the same socket.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated

import msgspec

from Heatmap.errors import FrameError
from Heatmap.events import (
    FIRST_PLAUSIBLE_MS,
    LAST_PLAUSIBLE_MS,
    LEAST_AMOUNT,
    MOST_AMOUNT,
    LiquidationEvent,
    Side,
    Source,
)
from Heatmap.ingestion.addresses import is_symbol
from Heatmap.ingestion.frame_values import frame_text, plausible_ms, positive, refusal
from Heatmap.ingestion.venue import MarketHeartbeat

# Longest frame that is read; a forceOrder frame has about 250 bytes, the mark prices of 600 symbols 120,000.
MAX_FRAME_BYTES = 512 * 1024

_EXCERPT_CHARS = 200
_COIN_MARGINED = 2
# BTCUSD_PERP, BTCUSD_260327; BTCUSDT_260327 is margined in dollars.
_COIN_MARGINED_SYMBOL = re.compile(r".+USD_(PERP|\d{6})")
_SIDES = {"SELL": Side.SELL, "BUY": Side.BUY}


@dataclass(frozen=True, slots=True)
class MarketHeartbeats:
    """The mark prices of all symbols in one message, without those marked as coin-margined."""

    beats: tuple[MarketHeartbeat, ...]


@dataclass(frozen=True, slots=True)
class ControlReply:
    """Answer to a request such as SUBSCRIBE: its id, or None; code and text of a refusal, None and "" if accepted."""

    request_id: int | str | None
    error_code: int | None
    message: str


@dataclass(frozen=True, slots=True)
class Ignored:
    """A well-formed message that is not for us; ``reason`` is a stable word such as ``"coin-margined"``."""

    reason: str


Message = LiquidationEvent | MarketHeartbeat | MarketHeartbeats | ControlReply | Ignored

_Ms = Annotated[int, msgspec.Meta(ge=FIRST_PLAUSIBLE_MS, lt=LAST_PLAUSIBLE_MS)]
_Amount = Annotated[float, msgspec.Meta(ge=LEAST_AMOUNT, le=MOST_AMOUNT)]  # msgspec reads "inf", too


# The usual frame: msgspec checks it while it parses, in less than a third of the time of the standard library's parser.
class _PlainOrder(msgspec.Struct, gc=False):
    s: str
    S: Side
    q: _Amount
    p: _Amount
    ap: _Amount
    z: _Amount
    T: _Ms
    st: int | None = None


class _PlainPayload(msgspec.Struct, gc=False, tag_field="e", tag="forceOrder"):
    E: _Ms
    o: _PlainOrder
    st: int | None = None


class _PlainFrame(msgspec.Struct, gc=False):
    data: _PlainPayload


# Any other frame is checked key by key.
class _Order(msgspec.Struct, gc=False):
    s: str
    S: str
    T: int
    p: float | None = None
    ap: float | None = None
    q: float | None = None
    z: float | None = None
    st: int | None = None


class _Payload(msgspec.Struct, gc=False):
    e: str | None = None
    E: int | None = None
    o: _Order | None = None
    s: str | None = None
    p: float | None = None
    st: int | None = None


class _Frame(_Payload, gc=False):
    data: _Payload | None = None


class _ArrayFrame(msgspec.Struct, gc=False):
    data: list[_Payload]


# strict=False reads decimal strings as numbers by JSON's own grammar: "1_0", " 1" and "0x1" fail.
_PLAIN = msgspec.json.Decoder(_PlainFrame, strict=False)
_FRAME = msgspec.json.Decoder(_Frame, strict=False)
_ARRAY = msgspec.json.Decoder(_ArrayFrame, strict=False)
# Symbols that passed the check; the exchange lists some hundred.
_KNOWN_SYMBOLS: set[str] = set()
_MOST_KNOWN_SYMBOLS = 5_000
_ANYTHING = msgspec.json.Decoder()


def decode(
    data: str | bytes, *, received_ms: int | None = None, source: str = Source.BINANCE, keep_raw: bool = False
) -> Message:
    """Decode one text message.

    An event gets ``source``, ``received_ms`` (when it was read, ms since the epoch), and with ``keep_raw`` the frame.

    Raises
    ------
    FrameError
        The frame does not decode. Nothing else is raised whatever the bytes are. Its ``kind`` is one of
        ``"too-large"``, ``"bad-json"``, ``"bad-shape"``, ``"bad-symbol"``, ``"bad-side"``, ``"bad-time"``,
        ``"bad-price"``, ``"bad-qty"``.
    """
    if len(data) > MAX_FRAME_BYTES:
        raise refusal("too-large", f"expected at most {MAX_FRAME_BYTES} bytes, was {len(data)}", data)
    if not keep_raw:
        try:
            plain = _PLAIN.decode(data).data
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            pass  # `_decode_any` decodes it
        else:
            order = plain.o
            notional = order.ap * order.z
            usd_margined = _COIN_MARGINED not in (order.st, plain.st)
            if usd_margined and order.s in _KNOWN_SYMBOLS and LEAST_AMOUNT <= notional <= MOST_AMOUNT:
                # By position: keywords take a tenth of the whole time.
                return LiquidationEvent(
                    order.T, order.s, order.S, order.ap, order.z, notional,
                    source, order.p, order.q, plain.E, received_ms,
                )  # fmt: skip
    return _decode_any(data, received_ms, source, frame_text(data) if keep_raw else None)


def _decode_any(data: str | bytes, received_ms: int | None, source: str, raw_json: str | None) -> Message:
    try:
        frame = _FRAME.decode(data)
    except msgspec.ValidationError as error:
        return _heartbeats(data) or _classify_untyped(data, error)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise refusal("bad-json", f"expected JSON: {error}", data) from error
    payload = frame if frame.data is None else frame.data
    if payload.e == "forceOrder":
        return _liquidation(payload, data, received_ms, source, raw_json)
    if payload.e == "markPriceUpdate":
        return _heartbeat(payload, data)
    if payload.e is not None:
        return Ignored(payload.e)
    return _classify_untyped(data, None)


def _liquidation(
    payload: _Payload, data: str | bytes, received_ms: int | None, source: str, raw_json: str | None = None
) -> LiquidationEvent | Ignored:
    order = payload.o
    if order is None:
        raise refusal("bad-shape", "expected an order in `o`, was nothing", data)
    if _COIN_MARGINED in (order.st, payload.st):
        # Quantities in contracts of $100 must never mix with quantities in coins.
        return Ignored("coin-margined")
    side = _SIDES.get(order.S)
    if side is None:
        raise refusal("bad-side", f"expected SELL or BUY, was {order.S!r}", data)
    if order.z == 0:
        return Ignored("nothing-filled")
    price = positive(order.ap or order.p, "bad-price", data)
    qty = positive(order.q if order.z is None else order.z, "bad-qty", data)
    notional = positive(price * qty, "bad-qty", data)
    return LiquidationEvent(
        ts_ms=plausible_ms(order.T, data),
        symbol=_symbol(order.s, data),
        side=side,
        price=price,
        qty=qty,
        notional=notional,
        source=source,
        order_price=positive(order.p, "bad-price", data) if order.p else None,
        order_qty=positive(order.q, "bad-qty", data) if order.q else None,
        event_ms=None if payload.E is None else plausible_ms(payload.E, data),
        received_ms=received_ms,
        raw_json=raw_json,
    )


def _heartbeat(payload: _Payload, data: str | bytes) -> MarketHeartbeat | Ignored:
    if payload.st == _COIN_MARGINED:
        return Ignored("coin-margined")
    if payload.s is None or payload.E is None:
        raise refusal("bad-shape", "expected a mark price with `s` and `E`", data)
    positive(payload.p, "bad-price", data)
    return MarketHeartbeat(_symbol(payload.s, data), plausible_ms(payload.E, data))


def _heartbeats(data: str | bytes) -> MarketHeartbeats | None:
    """Return the mark prices of a message of many, None if it is none."""
    try:
        payloads = _ARRAY.decode(data).data
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None
    if not payloads or any(payload.e != "markPriceUpdate" for payload in payloads):
        return None
    beats: list[MarketHeartbeat] = []
    fault: FrameError | None = None
    for payload in payloads:
        try:
            beat = _heartbeat(payload, data)
        except FrameError as error:
            # One bad symbol must not end the coverage of all others.
            fault = error
        else:
            if isinstance(beat, MarketHeartbeat):
                beats.append(beat)
    if fault is not None and not beats:
        raise fault
    return MarketHeartbeats(tuple(beats))


def is_coin_margined(symbol: str) -> bool:
    """Return True for a symbol whose quantities are contracts, by its name: not every frame has a mark."""
    return _COIN_MARGINED_SYMBOL.fullmatch(symbol) is not None


def _classify_untyped(data: str | bytes, error: msgspec.ValidationError | None) -> ControlReply | Ignored:
    """Distinguish a damaged frame of ours from a message of another kind."""
    try:
        # The typed decoder skips undeclared fields; this one checks every value.
        frame = _ANYTHING.decode(data)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as fault:
        raise refusal("bad-json", f"expected JSON: {fault}", data) from fault
    if not isinstance(frame, dict):
        raise refusal("bad-shape", f"expected an object, was {type(frame).__name__}", data)
    # Announcements such as serverShutdown come in an envelope of their own on some of the exchange's sockets.
    payload = frame.get("data", frame.get("event", frame))
    word = payload.get("e") if isinstance(payload, dict) else None
    if word in ("forceOrder", "markPriceUpdate"):
        raise refusal("bad-shape", f"expected a {word} message: {error}", data) from error
    if isinstance(word, str):
        return Ignored(word)
    if "code" in frame or "result" in frame or "error" in frame:
        return _control_reply(frame)
    return Ignored("unknown")


def _control_reply(frame: dict[str, object]) -> ControlReply:
    request_id, fault = frame.get("id"), frame.get("error", frame)
    code = fault.get("code") if isinstance(fault, dict) else None
    message = fault.get("msg", "") if isinstance(fault, dict) else fault
    return ControlReply(
        request_id if isinstance(request_id, (int, str)) else None,
        code if isinstance(code, int) else None,
        str(message)[:_EXCERPT_CHARS],
    )


def _symbol(symbol: str, data: str | bytes) -> str:
    if symbol in _KNOWN_SYMBOLS:
        return symbol
    if not is_symbol(symbol):
        raise refusal("bad-symbol", f"expected a symbol in upper case, was {symbol!r}", data)
    if len(_KNOWN_SYMBOLS) < _MOST_KNOWN_SYMBOLS:
        _KNOWN_SYMBOLS.add(symbol)
    return symbol
