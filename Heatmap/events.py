"""Liquidations, their sides and sources, and coverage."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

import msgspec

if TYPE_CHECKING:
    from collections.abc import Collection

DEFAULT_SYMBOL: Final = "BTCUSDT"
# From before the exchange opened its futures (2019-09) to 2100: seconds, microseconds and zero fall outside.
FIRST_PLAUSIBLE_MS: Final = 1_546_300_800_000
LAST_PLAUSIBLE_MS: Final = 4_102_444_800_000
# Prices, quantities and their product, in any currency: far beyond every market, and far within float32, so that no sum
# overflows and no quotient becomes 0 or infinite.
LEAST_AMOUNT: Final = 1e-30
MOST_AMOUNT: Final = 1e30
ALL_SYMBOLS: Final = "ALL"  # every symbol that the exchange lists, now and later


def is_amount(number: float) -> bool:
    """Return True if a number can be a price, a quantity or their product; 0 and NaN are none."""
    return LEAST_AMOUNT <= number <= MOST_AMOUNT


def is_recorded(symbol: str, recorded: Collection[str]) -> bool:
    """Return True if ``recorded`` contains the symbol or `ALL_SYMBOLS`."""
    return symbol in recorded or ALL_SYMBOLS in recorded


def shown_symbols(symbols: Collection[str], *, most: int = 6) -> str:
    """Return symbols for people: the first few, and how many more there are."""
    few = list(symbols)[:most]
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
    BYBIT = "bybit"  # linear perpetuals, as the next two
    OKX = "okx"
    GATE = "gate"
    DEMO = "demo"
    REPLAY = "replay"

    @property
    def reports_fills(self) -> bool:
        """True if prices are those of fills; else they are bankruptcy prices, at which the orders were placed."""
        return self not in (Source.BYBIT, Source.OKX, Source.GATE)


class LiquidationEvent(msgspec.Struct, frozen=True, gc=False):
    """One forced liquidation as the exchange reported it; immutable. `msgspec.structs.replace` makes changed copies.

    A msgspec struct: a frozen dataclass takes nine times as long to make, more than all of the decoding.

    All times are ms since the Unix epoch, UTC; what the source does not have is None.
    """

    ts_ms: int  # trade time of the order: the time to bin by
    symbol: str  # as the exchange spells it, upper case
    side: Side  # of the liquidation order
    price: float  # average fill price, else the order price, in quote currency: the price to paint at
    qty: float  # filled quantity, else the order quantity, in base currency
    notional: float  # price * qty in quote currency (US dollars for USDT contracts)
    source: str = Source.BINANCE
    order_price: float | None = None  # limit (bankruptcy) price
    order_qty: float | None = None  # original quantity
    event_ms: int | None = None  # when the exchange pushed the frame
    received_ms: int | None = None  # when this machine read it
    raw_json: str | None = None  # the frame, if raw frames are kept

    @property
    def is_long(self) -> bool:
        """True if a long position was liquidated, False if a short was."""
        return self.side.liquidates_long


@dataclass(frozen=True, slots=True)
class Coverage:
    """A closed interval ``[start_ms, end_ms]`` with a live, delivering connection; outside is *unknown*, not empty."""

    source: str
    symbol: str
    start_ms: int
    end_ms: int
