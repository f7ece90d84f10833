"""Candles: open, high, low, close and volume over an interval of time."""

from __future__ import annotations

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
