"""Liquidations, their sides and sources, and coverage."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

import msgspec

if TYPE_CHECKING:
    from collections.abc import Collection

DEFAULT_SYMBOL: Final = "BTCUSDT"

ALL_SYMBOLS: Final = "ALL"
"""Every symbol that the exchange lists, now and later."""

_SHOWN_SYMBOLS: Final = 6


def is_recorded(symbol: str, recorded: Collection[str]) -> bool:
    """Return True if ``recorded`` contains the symbol or `ALL_SYMBOLS`."""
    return symbol in recorded or ALL_SYMBOLS in recorded


def shown_symbols(symbols: Collection[str]) -> str:
    """Return symbols for people: the first few, and how many more there are."""
    few = list(symbols)[:_SHOWN_SYMBOLS]
    more = len(symbols) - len(few)
    return ", ".join(few) + (f" and {more} more" if more else "")


class Side(StrEnum):
    """Side of the liquidation *order*: ``SELL`` closes a long position (a long was liquidated), ``BUY`` a short."""

    SELL = "SELL"
    BUY = "BUY"

    @property
    def liquidates_long(self) -> bool:
        """True if the position that was closed by force was a long."""
        return self is Side.SELL


class Source(StrEnum):
    """Origin of an event. Readers ask for one source, so simulated and replayed events never mix with recorded ones."""

    BINANCE = "binance"  # USD-M futures, recorded live or imported
    COIN_M = "binance-coinm"  # imported COIN-M contracts, converted to coins and dollars: another market's liquidations
    DEMO = "demo"
    REPLAY = "replay"


class LiquidationEvent(msgspec.Struct, frozen=True, gc=False):
    """One forced liquidation as the exchange reported it; immutable. `msgspec.structs.replace` makes changed copies.

    A msgspec struct: a frozen dataclass takes nine times as long to make, more than all of the decoding.

    Attributes
    ----------
    ts_ms
        Trade time of the order, milliseconds since the Unix epoch, UTC. The time to bin by.
    symbol
        Exact symbol of the exchange, upper case.
    side
        Side of the liquidation order; see `Side`.
    price
        Average fill price, else the order price; in quote currency. The price to paint at.
    qty
        Filled quantity, else the order quantity; in base currency.
    notional
        ``price * qty`` in quote currency (US dollars for USDT contracts).
    source
        See `Source`.
    order_price
        Limit (bankruptcy) price, or None if the source has none.
    order_qty
        Original quantity, or None.
    event_ms, received_ms
        When the exchange pushed the frame and this machine read it, ms since the epoch, or None.
    raw_json
        The frame as received, if raw frames are kept.
    """

    ts_ms: int
    symbol: str
    side: Side
    price: float
    qty: float
    notional: float
    source: str = Source.BINANCE
    order_price: float | None = None
    order_qty: float | None = None
    event_ms: int | None = None
    received_ms: int | None = None
    raw_json: str | None = None


@dataclass(frozen=True, slots=True)
class Coverage:
    """A closed interval ``[start_ms, end_ms]`` with a live, delivering connection; outside is *unknown*, not empty."""

    source: str
    symbol: str
    start_ms: int
    end_ms: int
