"""Price series of a market: one price a second by UTC day, and candles made from it.

Between two seconds the price is linear: there is one for every millisecond, the close of a candle is the open of the
next, and every price lies inside its candle.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from Heatmap.candle import Candle
from Heatmap.demo.random_walk import DAY_S

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from Heatmap.demo.instrument import Instrument

SECOND_MS = 1_000
MINUTE_MS = 60_000
DAY_MS = 86_400_000
DAY_MINUTES = 1_440

# Seconds of a day take 1.4 MB, minute bars 58 kB: few of the first, many of the second.
_DAYS_OF_SECONDS = 6
_DAYS_OF_MINUTES = 128


@dataclass(frozen=True, slots=True)
class DaySeconds:
    """One UTC day of a market, int64.

    The price in ticks at each full second and at midnight of the next day, shape ``(86401,)``; the quantity traded
    within each second in lots, shape ``(86400,)``.
    """

    ticks: NDArray[np.int64]
    lots: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class ContainedTrades:
    """Trades that the candles must contain although they fall between two seconds; sorted by time.

    int64 arrays of shape ``(N,)``: ms since the Unix epoch, and the price rounded up and down to whole ticks.
    """

    ts_ms: NDArray[np.int64]
    high_ticks: NDArray[np.int64]
    low_ticks: NDArray[np.int64]

    def rows(self, start_ms: int, end_ms: int) -> slice:
        """Return the rows with ``start_ms <= ts_ms < end_ms``."""
        first, last = np.searchsorted(self.ts_ms, [start_ms, end_ms])
        return slice(int(first), int(last))


NO_TRADES = ContainedTrades(*[np.empty(0, np.int64)] * 3)


class PriceSeries:
    """Prices and candles of one market, computed a day at a time and cached; safe to use from several threads.

    ``seconds_of`` returns the day of a UTC day number (days since the Unix epoch), the same at each call;
    ``earliest_ms`` is the start of the first day: there is no price before it.
    """

    def __init__(
        self,
        instrument: Instrument,
        seconds_of: Callable[[int], DaySeconds],
        *,
        earliest_ms: int,
        contained: ContainedTrades = NO_TRADES,
    ) -> None:
        self.instrument = instrument
        self.earliest_ms = earliest_ms
        self.contained = contained
        self.seconds_of = lru_cache(_DAYS_OF_SECONDS)(seconds_of)
        self._minutes_of = lru_cache(_DAYS_OF_MINUTES)(self._cut_minutes)

    def price_at(self, ms: int) -> float:
        """Return the price at a millisecond, in quote currency; a ValueError before `earliest_ms`."""
        return self.instrument.price(self._ticks_at(ms))

    def candle_at(self, interval_ms: int, at_ms: int) -> Candle:
        """Return the candle that contains ``at_ms``, as it was at that moment; a ValueError before `earliest_ms`."""
        open_ms = at_ms - at_ms % interval_ms
        now_ticks = self._ticks_at(at_ms)
        day, open_in_day_ms = divmod(open_ms, DAY_MS)
        seconds = self.seconds_of(day)
        first, last = open_in_day_ms // SECOND_MS, (at_ms - day * DAY_MS) // SECOND_MS
        passed = seconds.ticks[first : last + 1]
        rows = self.contained.rows(open_ms, at_ms + 1)
        high = max(int(passed.max()), now_ticks, *self.contained.high_ticks[rows].tolist())
        low = min(int(passed.min()), now_ticks, *self.contained.low_ticks[rows].tolist())
        lots = int(seconds.lots[first:last].sum())
        return self._candle(open_ms, interval_ms, (int(passed[0]), high, low, now_ticks, lots), closed=False)

    def candles(self, interval_ms: int, start_ms: int, end_ms: int) -> list[Candle]:
        """Return the candles with ``start_ms <= open_ms < end_ms`` in order of time.

        A candle that ``end_ms`` cuts is returned as it was at ``end_ms``.
        """
        first_ms = -(-max(start_ms, self.earliest_ms) // interval_ms) * interval_ms
        whole_end_ms = end_ms - end_ms % interval_ms
        candles: list[Candle] = []
        if first_ms < whole_end_ms:
            first_day, last_day = first_ms // DAY_MS, (whole_end_ms - 1) // DAY_MS
            bars = np.concatenate([self._minutes_of(day) for day in range(first_day, last_day + 1)], axis=1)
            skip = (first_ms - first_day * DAY_MS) // MINUTE_MS
            count = (whole_end_ms - first_ms) // MINUTE_MS
            merged = _merge(bars[:, skip : skip + count], interval_ms // MINUTE_MS)
            candles = [
                self._candle(first_ms + row * interval_ms, interval_ms, bar, closed=True)
                for row, bar in enumerate(merged.T.tolist())
            ]
        if first_ms <= whole_end_ms < end_ms:
            candles.append(self.candle_at(interval_ms, end_ms))
        return candles

    def _ticks_at(self, ms: int) -> int:
        if ms < self.earliest_ms:
            raise ValueError(f"expected a time from {self.earliest_ms} ms on, was {ms}")
        day, in_day_ms = divmod(ms, DAY_MS)
        second, part_ms = divmod(in_day_ms, SECOND_MS)
        ticks = self.seconds_of(day).ticks
        before, after = int(ticks[second]), int(ticks[second + 1])
        return round(before + (after - before) * part_ms / SECOND_MS)

    def _cut_minutes(self, day: int) -> NDArray[np.int64]:
        """Return open, high, low, close (ticks) and lots as int64 of shape (5, 1440)."""
        seconds = self.seconds_of(day)
        inner = seconds.ticks[:DAY_S].reshape(DAY_MINUTES, 60)
        opens, closes = inner[:, 0], seconds.ticks[60::60]
        highs, lows = np.maximum(inner.max(axis=1), closes), np.minimum(inner.min(axis=1), closes)
        rows = self.contained.rows(day * DAY_MS, (day + 1) * DAY_MS)
        minutes = (self.contained.ts_ms[rows] - day * DAY_MS) // MINUTE_MS
        np.maximum.at(highs, minutes, self.contained.high_ticks[rows])
        np.minimum.at(lows, minutes, self.contained.low_ticks[rows])
        return np.stack([opens, highs, lows, closes, seconds.lots.reshape(DAY_MINUTES, 60).sum(axis=1)])

    def _candle(self, open_ms: int, interval_ms: int, bar: tuple[int, ...] | list[int], *, closed: bool) -> Candle:
        first, high, low, last = map(self.instrument.price, bar[:4])
        volume = self.instrument.quantity(bar[4])
        return Candle(open_ms, first, high, low, last, volume, open_ms + interval_ms - 1, closed)


def _merge(bars: NDArray[np.int64], minutes: int) -> NDArray[np.int64]:
    """Merge every ``minutes`` columns of (5, N) minute bars into one."""
    groups = bars.reshape(5, -1, minutes)
    parts = (groups[0, :, 0], groups[1].max(axis=1), groups[2].min(axis=1), groups[3, :, -1], groups[4].sum(axis=1))
    return np.stack(parts)
