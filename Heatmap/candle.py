"""Candles: open, high, low, close and volume over an interval of time."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Candle:
    """One candle over the closed time range ``[open_ms, close_ms]``, aligned to UTC.

    Attributes
    ----------
    open_ms, close_ms
        First and last millisecond, ms since the Unix epoch.
    open, high, low, close
        Prices in quote currency; ``low <= open, close <= high``.
    volume
        Traded quantity in base currency.
    closed
        False while the candle still changes.
    """

    open_ms: int
    open: float
    high: float
    low: float
    close: float
    volume: float
    close_ms: int
    closed: bool
