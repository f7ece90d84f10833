"""A contract of the demo market: names, steps, and numbers as text on the wire."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

_QUOTE_ASSETS = ("USDT", "USDC")


@dataclass(frozen=True, slots=True)
class Instrument:
    """One USD-M perpetual contract of the demo exchange.

    Inside the demo prices are integer ticks and quantities integer lots, so that nothing rounds: 10 ticks per unit are
    a tick size of 0.10 in quote currency, 1000 lots per unit a step of 0.001 in base currency. On the wire a price has
    ``price_decimals``, as on the real exchange perhaps more than its tick needs.
    """

    symbol: str = "BTCUSDT"
    ticks_per_unit: int = 10
    lots_per_unit: int = 1_000
    price_decimals: int = 2

    @property
    def quote_asset(self) -> str:
        """The quote currency read off the symbol; ``"USDT"`` if it ends in none that is known."""
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
