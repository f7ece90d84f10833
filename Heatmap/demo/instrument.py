"""What is traded in a demo market: names, steps and how a number is written on the wire."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

_QUOTE_ASSETS = ("USDT", "USDC")


@dataclass(frozen=True, slots=True)
class Instrument:
    """One USD-M perpetual contract of the demo exchange.

    Prices inside the demo are integer ticks, quantities integer lots, so that no sum and no comparison rounds.

    Attributes
    ----------
    symbol
        Upper-case name, e.g. ``"BTCUSDT"``.
    ticks_per_unit
        Ticks in one unit of the quote currency; 10 is a tick size of 0.10.
    lots_per_unit
        Lots in one unit of the base currency; 1000 is a step of 0.001.
    price_decimals
        Decimals of a price on the wire. As on the real exchange this may be more than the tick needs.
    """

    symbol: str = "BTCUSDT"
    ticks_per_unit: int = 10
    lots_per_unit: int = 1_000
    price_decimals: int = 2

    @property
    def stream_symbol(self) -> str:
        """The name as streams spell it: lower case."""
        return self.symbol.lower()

    @property
    def quote_asset(self) -> str:
        """The quote currency read off the symbol; ``"USDT"`` if the symbol does not tell."""
        return next((asset for asset in _QUOTE_ASSETS if self.symbol.endswith(asset)), "USDT")

    @property
    def base_asset(self) -> str:
        """The base currency read off the symbol."""
        return self.symbol.removesuffix(self.quote_asset) or self.symbol

    @property
    def tick_size(self) -> str:
        """The price step as the exchange writes it, e.g. ``"0.10"``."""
        return f"{Decimal(1) / self.ticks_per_unit:.{self.price_decimals}f}"

    @property
    def quantity_decimals(self) -> int:
        """Decimals of a quantity on the wire."""
        return len(str(self.lots_per_unit)) - 1

    @property
    def lot_size(self) -> str:
        """The quantity step as the exchange writes it, e.g. ``"0.001"``."""
        return f"{Decimal(1) / self.lots_per_unit:.{self.quantity_decimals}f}"

    def price(self, ticks: int) -> float:
        """Return a price in quote currency; division, because ``ticks * 0.1`` would carry float dust."""
        return ticks / self.ticks_per_unit

    def quantity(self, lots: int) -> float:
        """Return a quantity in base currency."""
        return lots / self.lots_per_unit

    def price_text(self, price: float) -> str:
        """Return a price as a decimal string of the wire."""
        return f"{price:.{self.price_decimals}f}"

    def quantity_text(self, quantity: float) -> str:
        """Return a quantity as a decimal string of the wire."""
        return f"{quantity:.{self.quantity_decimals}f}"
