"""The tape of a market: one price a second by UTC day, and the candles cut from it.

Between two seconds the price runs in a straight line, so that a price exists for every millisecond, the end of one
candle is the start of the next, and any price on the tape lies inside the candles around it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from Heatmap.demo.candle import DAY_MINUTES, DAY_MS, DAY_S, MINUTE_MS, SECOND_MS, Candle
from Heatmap.vocabulary import INTERVALS_MS

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from Heatmap.demo.instrument import Instrument

# Seconds of a day take 1.4 MB, minute bars 58 kB: few of the first, many of the second.
_DAYS_OF_SECONDS = 6
_DAYS_OF_MINUTES = 128

_LOTS_PER_TRADE = 60


@dataclass(frozen=True, slots=True)
class DaySeconds:
    """One UTC day of a market.

    Attributes
    ----------
    ticks
        int64, shape ``(86401,)``: price in ticks at each full second, the last being midnight of the next day.
    lots
        int64, shape ``(86400,)``: quantity traded within each second.
    """

    ticks: NDArray[np.int64]
    lots: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Pins:
    """Trades that the candles must contain although they fall between the seconds of the tape.

    All arrays have shape ``(N,)`` and are sorted by time.

    Attributes
    ----------
    ts_ms
        int64, ms since the Unix epoch.
    high_ticks, low_ticks
        int64, the trade's price rounded outwards to whole ticks.
    """

    ts_ms: NDArray[np.int64]
    high_ticks: NDArray[np.int64]
    low_ticks: NDArray[np.int64]

    @classmethod
    def none(cls) -> Pins:
        """Return no pins."""
        nothing = np.empty(0, np.int64)
        return cls(nothing, nothing, nothing)

    def rows(self, start_ms: int, end_ms: int) -> slice:
        """Return the rows with ``start_ms <= ts_ms < end_ms``."""
        first, last = np.searchsorted(self.ts_ms, [start_ms, end_ms])
        return slice(int(first), int(last))


class PriceTape:
    """Prices and candles of one market, computed a day at a time and cached; safe to use from several threads.

    Parameters
    ----------
    instrument
        What is traded.
    seconds_of
        Gives the tape of a UTC day number (days since the Unix epoch); the same day always gives the same tape.
    earliest_ms
        Start of the first day of this market; there is no price before it.
    pins
        See `Pins`.
    """

    def __init__(
        self,
        instrument: Instrument,
        seconds_of: Callable[[int], DaySeconds],
        *,
        earliest_ms: int,
        pins: Pins | None = None,
    ) -> None:
        self.instrument = instrument
        self.earliest_ms = earliest_ms
        self._pins = pins if pins is not None else Pins.none()
        self.seconds_of = lru_cache(_DAYS_OF_SECONDS)(seconds_of)
        self._minutes_of = lru_cache(_DAYS_OF_MINUTES)(self._cut_minutes)

    def price_at(self, ms: int) -> float:
        """Return the price at a millisecond, in quote currency.

        Raises
        ------
        ValueError
            The time lies before `earliest_ms`.
        """
        return self.instrument.price(self._ticks_at(ms))

    def candle_at(self, interval_ms: int, at_ms: int) -> Candle:
        """Return the candle that contains ``at_ms``, as it looked at that moment.

        Raises
        ------
        ValueError
            The time lies before `earliest_ms`, or the interval is none of `INTERVALS_MS`.
        """
        _check_interval(interval_ms)
        open_ms = at_ms - at_ms % interval_ms
        now_ticks = self._ticks_at(at_ms)
        day, open_in_day_ms = divmod(open_ms, DAY_MS)
        seconds = self.seconds_of(day)
        first, last = open_in_day_ms // SECOND_MS, (at_ms - day * DAY_MS) // SECOND_MS
        passed = seconds.ticks[first : last + 1]
        rows = self._pins.rows(open_ms, at_ms + 1)
        high = max(int(passed.max()), now_ticks, *self._pins.high_ticks[rows].tolist())
        low = min(int(passed.min()), now_ticks, *self._pins.low_ticks[rows].tolist())
        lots = int(seconds.lots[first:last].sum())
        return self._candle(open_ms, (int(passed[0]), high, low, now_ticks, lots))

    def candles(self, interval_ms: int, start_ms: int, end_ms: int) -> list[Candle]:
        """Return the candles with ``start_ms <= open_ms < end_ms`` in order of time.

        A candle that ``end_ms`` cuts is returned as it looked at ``end_ms``: nothing later is known yet.

        Raises
        ------
        ValueError
            The interval is none of `INTERVALS_MS`.
        """
        _check_interval(interval_ms)
        first_ms = -(-max(start_ms, self.earliest_ms) // interval_ms) * interval_ms
        whole_end_ms = end_ms - end_ms % interval_ms
        candles: list[Candle] = []
        if first_ms < whole_end_ms:
            first_day, last_day = first_ms // DAY_MS, (whole_end_ms - 1) // DAY_MS
            bars = np.concatenate([self._minutes_of(day) for day in range(first_day, last_day + 1)], axis=1)
            skip = (first_ms - first_day * DAY_MS) // MINUTE_MS
            count = (whole_end_ms - first_ms) // MINUTE_MS
            merged = _merge(bars[:, skip : skip + count], interval_ms // MINUTE_MS)
            candles = [self._candle(first_ms + row * interval_ms, bar) for row, bar in enumerate(merged.T.tolist())]
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
        rows = self._pins.rows(day * DAY_MS, (day + 1) * DAY_MS)
        minutes = (self._pins.ts_ms[rows] - day * DAY_MS) // MINUTE_MS
        np.maximum.at(highs, minutes, self._pins.high_ticks[rows])
        np.minimum.at(lows, minutes, self._pins.low_ticks[rows])
        return np.stack([opens, highs, lows, closes, seconds.lots.reshape(DAY_MINUTES, 60).sum(axis=1)])

    def _candle(self, open_ms: int, bar: tuple[int, ...] | list[int]) -> Candle:
        price = self.instrument.price
        lots = bar[4]
        return Candle(
            open_ms=open_ms,
            open=price(bar[0]),
            high=price(bar[1]),
            low=price(bar[2]),
            close=price(bar[3]),
            volume=self.instrument.quantity(lots),
            trades=-(-lots // _LOTS_PER_TRADE),
        )


def _check_interval(interval_ms: int) -> None:
    if interval_ms not in INTERVALS_MS.values():
        raise ValueError(f"expected one of {sorted(INTERVALS_MS.values())} ms, was {interval_ms}")


def _merge(bars: NDArray[np.int64], minutes: int) -> NDArray[np.int64]:
    """Merge every ``minutes`` columns of (5, N) minute bars into one."""
    groups = bars.reshape(5, -1, minutes)
    return np.stack(
        [
            groups[0, :, 0],
            groups[1].max(axis=1),
            groups[2].min(axis=1),
            groups[3, :, -1],
            groups[4].sum(axis=1),
        ]
    )
