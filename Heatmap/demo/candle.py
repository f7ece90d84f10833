"""Candles and the intervals in which the demo exchange serves them."""

from __future__ import annotations

from dataclasses import dataclass

SECOND_MS = 1_000
MINUTE_MS = 60_000
DAY_MS = 86_400_000
DAY_S = 86_400
DAY_MINUTES = 1_440


@dataclass(frozen=True, slots=True)
class Candle:
    """One candle, aligned to UTC; it covers ``[open_ms, open_ms + interval)`` or the elapsed part of that.

    The close of a candle is the open of the next: both are the price at the border.

    Attributes
    ----------
    open_ms
        First millisecond, ms since the Unix epoch.
    open, high, low, close
        Prices in quote currency, ``low <= open, close <= high``.
    volume
        Traded quantity in base currency.
    trades
        Number of trades.
    """

    open_ms: int
    open: float
    high: float
    low: float
    close: float
    volume: float
    trades: int

    @property
    def quote_volume(self) -> float:
        """Traded value in quote currency, at the candle's middle price."""
        return self.volume * (self.high + self.low + self.open + self.close) / 4
