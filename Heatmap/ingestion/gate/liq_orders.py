"""Gate's history of liquidations (``GET /api/v4/futures/usdt/liq_orders``); see `Heatmap.ingestion.venue.BackFill`.

Source: Gate API v4, "Query liquidation order history", and answers seen in 2026: at most an hour a request, times in
seconds, ``size`` the position (negative: a short) and ``order_size`` the order that closed it, with the opposite sign.
Where a position is closed by several orders, ``size`` is what was left of it: only ``order_size`` adds up.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from Heatmap.errors import FrameError
from Heatmap.ingestion.frame_values import refusal
from Heatmap.ingestion.gate import endpoints
from Heatmap.ingestion.gate.order import Order, liquidation
from Heatmap.ingestion.venue import BackFillPage

if TYPE_CHECKING:
    from collections.abc import Collection

    from Heatmap.events import LiquidationEvent
    from Heatmap.ingestion.contracts import ContractSizes

MAX_ROWS: Final = 1000  # of one answer
WINDOW_S: Final = 3600


class _Name(msgspec.Struct):
    contract: str


class _Row(msgspec.Struct):
    time: int
    size: float
    order_size: float
    order_price: float


_PARTS: Final = msgspec.json.Decoder(list[msgspec.Raw])
_NAME: Final = msgspec.json.Decoder(_Name)
_ROW: Final = msgspec.json.Decoder(_Row, strict=False)
_UNREADABLE: Final = (msgspec.DecodeError, UnicodeError, RecursionError)


def url(rest_url: str, symbol: str | None, first_s: int, last_s: int) -> str:
    """Return the address of the orders of seconds ``[first_s, last_s]``, of one symbol or of all.

    The end is asked for a second later: it is not documented whether ``to`` is part of the range.
    """
    query: dict[str, str | int] = {} if symbol is None else {"contract": endpoints.contract_of(symbol)}
    return endpoints.rest(rest_url, "liq_orders", **query, **{"from": first_s, "to": last_s + 1, "limit": MAX_ROWS})


def decode(body: bytes, symbols: Collection[str], sizes: ContractSizes, source: str) -> BackFillPage:
    """Decode the orders of some symbols; a `FrameError` if it is no list.

    An order that is wrong takes none of the others with it.
    """
    try:
        parts = _PARTS.decode(body)
    except _UNREADABLE as error:
        raise refusal("bad-json", f"expected a list of liquidation orders: {error}", body) from error
    events: list[LiquidationEvent] = []
    faults: list[FrameError] = []
    for raw in parts:
        try:
            symbol = endpoints.symbol_of(_NAME.decode(raw).contract)
            if symbol is not None and symbol in symbols:
                events.append(_event(symbol, raw, sizes, source))
        except _UNREADABLE as error:
            faults.append(refusal("bad-shape", f"expected a liquidation order: {error}", bytes(raw)))
        except FrameError as error:
            faults.append(error)
    return BackFillPage(events, faults, is_complete=len(parts) < MAX_ROWS)


def _event(symbol: str, raw: msgspec.Raw, sizes: ContractSizes, source: str) -> LiquidationEvent:
    row, data = _ROW.decode(raw), bytes(raw)
    if row.size * row.order_size > 0:
        raise refusal(
            "bad-side", f"expected a position and the opposite order, was {row.size} and {row.order_size}", data
        )
    return liquidation(Order(symbol, row.order_size, row.order_price, row.time), sizes, source, data)
