"""The replayed market: recorded liquidations, and a random price path through every one of them."""

from __future__ import annotations

from bisect import bisect_left
from threading import Lock
from typing import TYPE_CHECKING

import numpy as np

from Heatmap.demo.instrument import Instrument
from Heatmap.demo.market import Market
from Heatmap.demo.price_series import DAY_MS, SECOND_MS, ContainedTrades, DaySeconds
from Heatmap.demo.random_walk import DAY_S, Floats, shocks, traded_lots

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from Heatmap.demo.recording import Recording
    from Heatmap.events import LiquidationEvent

# Candles are made this far before the first event, so that the chart does not begin with it.
_DAYS_BEFORE = 2
_DAYS_AFTER = 1

# A recording that was shifted spans two or three days; the path takes 1.4 MB a day.
MAX_DAYS = 30

# Where the recording leaps (a silence of weeks was cut to hours), noise grows with the leap: a straight line of
# candles would look like a fault. Bounded, or the noise would outshine the recorded prices.
_LEAP_NOISE = 0.3
_MAX_NOISE_GAIN = 15.0

# After the last event the price goes on more quietly, pulled back to where the recording left it.
_AFTERMATH_CALM = 0.5
_AFTERMATH_PULL = 0.9

# 99767.53 x 100 is no whole number in binary floating point.
_FLOAT_DUST = 1e-6


class ReplayMarket(Market):
    """A recording as a market: its liquidations as recorded, candles invented around their prices, the same each time.

    The recording is at the times it is to be shown at, see `Recording.shifted`; a ValueError if it spans more than
    `MAX_DAYS`: it was not shifted. Another ``seed`` draws other candles around the same events.
    """

    def __init__(self, recording: Recording, seed: int = 7) -> None:
        self.recording = recording
        self._seed = seed
        self._events = [frame.event for frame in recording.frames]
        self._times_ms = [event.ts_ms for event in self._events]
        instrument = _instrument(recording.symbol, self._events)
        ticks = np.array([event.price for event in self._events]) * instrument.ticks_per_unit
        times_ms = np.array(self._times_ms, np.int64)
        days = range(self._times_ms[0] // DAY_MS - _DAYS_BEFORE, self._times_ms[-1] // DAY_MS + _DAYS_AFTER + 1)
        if len(days) > MAX_DAYS:
            raise ValueError(f"expected a recording of at most {MAX_DAYS} days, was {len(days)}: shift it first")
        self._resting_log_price = float(np.log(ticks[-1]))
        self._log_prices = _bridged_path(times_ms, ticks, seed, days)
        self._lock = Lock()
        # Rounded outwards: an average fill price may lie between two ticks and must still lie in its candle.
        high, low = np.ceil(ticks - _FLOAT_DUST), np.floor(ticks + _FLOAT_DUST)
        contained = ContainedTrades(times_ms, high.astype(np.int64), low.astype(np.int64))
        super().__init__(instrument, self._draw_seconds, earliest_ms=days[0] * DAY_MS, contained=contained)

    def liquidations(self, start_ms: int, end_ms: int) -> list[LiquidationEvent]:
        """See `Market.liquidations`."""
        first, last = bisect_left(self._times_ms, start_ms), bisect_left(self._times_ms, end_ms)
        return self._events[first:last]

    def backlog(self) -> list[str]:
        """Return every recorded frame as the exchange would push it, in order of time."""
        return [frame.wire() for frame in self.recording.frames]

    def _draw_seconds(self, day: int) -> DaySeconds:
        first_day = self.earliest_ms // DAY_MS
        with self._lock:
            while len(self._log_prices) <= day - first_day:
                start = float(self._log_prices[-1][-1])
                self._log_prices.append(self._aftermath(first_day + len(self._log_prices), start))
            log_price = self._log_prices[day - first_day]
        ticks = np.maximum(np.rint(np.exp(log_price)), 1).astype(np.int64)
        return DaySeconds(ticks, traded_lots(self._seed, day, ticks))

    def _aftermath(self, day: int, start: float) -> Floats:
        """Walk on for a day from ``start``, ending nearer to the last recorded price."""
        walk = np.concatenate([[0.0], np.cumsum(shocks(self._seed, day, with_cascades=False).steps)]) * _AFTERMATH_CALM
        strayed = start + float(walk[-1]) - self._resting_log_price
        return np.asarray(start + walk - _AFTERMATH_PULL * strayed * np.linspace(0, 1, DAY_S + 1), np.float64)


def _instrument(symbol: str, events: list[LiquidationEvent]) -> Instrument:
    """Read the steps off the decimal strings: what the exchange wrote is at least as fine as its tick."""
    price_decimals = max(_decimals(event.order_price or event.price) for event in events)
    quantity_decimals = max(_decimals(event.qty) for event in events)
    return Instrument(symbol, 10**price_decimals, 10**quantity_decimals, price_decimals=max(price_decimals, 2))


def _decimals(number: float) -> int:
    """Return the decimals that a number shows, at most 8."""
    return len(f"{number:.8f}".rstrip("0").partition(".")[2])


def _bridged_path(ts_ms: NDArray[np.int64], ticks: Floats, seed: int, days: range) -> list[Floats]:
    """Return log prices in ticks by day, shape (86401,) each: noise bent to run through every trade, shape (N,).

    The correction between two trades grows with the variance of the noise, so busy minutes take most of it.
    """
    drawn = [shocks(seed, day, with_cascades=False) for day in days]
    steps = np.concatenate([shock.steps for shock in drawn])
    variance = np.concatenate([shock.variance for shock in drawn])
    # There is one price a second: of several trades in one second the last wins, the candles still contain the others.
    second = (ts_ms - days[0] * DAY_MS) // SECOND_MS
    last_of_second = np.append(np.diff(second) > 0, True)
    second, target = second[last_of_second], np.log(ticks[last_of_second])

    between = np.diff(np.cumsum(variance)[second])
    gain = np.clip(_LEAP_NOISE * np.abs(np.diff(target)) / np.sqrt(between), 1.0, _MAX_NOISE_GAIN)
    for first, last, factor in zip(second[:-1], second[1:], gain, strict=True):
        steps[first:last] *= factor
        variance[first:last] *= factor**2
    steps[second[-1] :] *= _AFTERMATH_CALM

    walk = np.concatenate([[0.0], np.cumsum(steps)])
    business_time = np.concatenate([[0.0], np.cumsum(variance)])
    path = walk + np.interp(business_time, business_time[second], target - walk[second])
    return [path[row * DAY_S : (row + 1) * DAY_S + 1] for row in range(len(days))]
