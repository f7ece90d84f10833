"""The symbols that a service is asked for: in the exchange's spelling, and not too many."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from Heatmap.errors import SettingsError
from Heatmap.events import ALL_SYMBOLS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from Heatmap.ingestion.venue import Venue

MAX_SYMBOLS: Final = 2048


def normalised(venue: Venue, symbol: str) -> str:
    """Return a symbol as the venue spells it, or `ALL_SYMBOLS`; `SettingsError` if it cannot be one."""
    return ALL_SYMBOLS if symbol.strip().upper() == ALL_SYMBOLS else venue.normalise_symbol(symbol)


def check_number(symbols: Sequence[str]) -> None:
    """Raise `SettingsError` for no symbol, or more than `MAX_SYMBOLS`."""
    if not 0 < len(symbols) <= MAX_SYMBOLS:
        message = f"expected 1 to {MAX_SYMBOLS} symbols, was {len(symbols)}"
        raise SettingsError(message, short=f"Choose 1 to {MAX_SYMBOLS} symbols.")
