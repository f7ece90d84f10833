"""Candles: open, high, low, close and volume over an interval of time."""

from __future__ import annotations

import math
from dataclasses import dataclass


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
    """Return True if prices and times fit each other: low <= open, close <= high, and time goes on."""
    low, high = min(candle.open, candle.close), max(candle.open, candle.close)
    prices_fit = 0.0 < candle.low <= low and high <= candle.high < math.inf
    return prices_fit and 0.0 <= candle.volume < math.inf and 0 < candle.open_ms <= candle.close_ms
