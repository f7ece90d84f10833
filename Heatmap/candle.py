"""Candles: open, high, low, close and volume over an interval of time."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

_END_MS: Final = 4_102_444_800_000  # 2100


@dataclass(frozen=True, slots=True)
class Candle:
    """One candle over the closed time range ``[open_ms, close_ms]``, ms since the Unix epoch, aligned to UTC.

    Prices are in quote currency, ``low <= open, close <= high``; the volume is in base currency.
    """

    open_ms: int
    open: float
    high: float
    low: float
    close: float
    volume: float
    close_ms: int
    closed: bool  # False while the candle still changes


def is_sound(candle: Candle) -> bool:
    """Return True if prices and times fit each other: low <= open, close <= high, and time goes on, until 2100."""
    # Each by itself: min() and max() pass over NaN.
    prices_fit = all(0.0 < candle.low <= price <= candle.high < math.inf for price in (candle.open, candle.close))
    return prices_fit and 0.0 <= candle.volume < math.inf and 0 < candle.open_ms <= candle.close_ms < _END_MS
