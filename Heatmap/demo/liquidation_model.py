"""Forced orders drawn from one day's prices.

Longs are liquidated on drops and shorts on rises, most where the price breaks the extreme of the last half hour or a
round number, where leveraged positions have their stops. Sizes are heavy-tailed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from Heatmap.demo.random_walk import DAY_S, Floats, Stream, day_stream, lattice_noise

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from Heatmap.demo.instrument import Instrument

LOOKBACK_S = 3_600
"""Seconds of the day before that the model reads."""

_EXTREME_MINUTES = 30
_BURST_LATTICE_S = 150

# Orders a second and side; together they give about 2,500 a day.
_BASE_RATE = 0.0026
_MOVE_RATE = 0.015
_EXTREME_RATE = 0.042
_MAX_RATE = 1.6

# Pareto sizes: most between $1k and $100k, a few a day beyond $1M.
_SMALLEST_USD = 850.0
_TAIL = 0.8
_LARGEST_USD = 9_000_000.0


@dataclass(frozen=True, slots=True)
class ForcedOrders:
    """The liquidations of one UTC day, sorted by time, at most one a second and never less than 1 s apart.

    Arrays of shape ``(N,)``: ms after midnight UTC; True where a long was liquidated; average fill price, which lies on
    the price series, and limit price, 0.25 to 0.45 % beyond the market, in ticks; filled quantity in lots.
    """

    in_day_ms: NDArray[np.int64]
    is_long: NDArray[np.bool_]
    ticks: NDArray[np.int64]
    order_ticks: NDArray[np.int64]
    lots: NDArray[np.int64]


def forced_orders(
    instrument: Instrument, seed: int, day: int, before: NDArray[np.int64], ticks: NDArray[np.int64]
) -> ForcedOrders:
    """Draw the liquidations of a day.

    ``before`` and ``ticks`` are prices in ticks: shape ``(LOOKBACK_S,)`` just before the day, ``(86401,)`` of the day.
    """
    path = np.concatenate([before, ticks])
    burst = np.exp(0.9 * lattice_noise(seed, day, Stream.LIQUIDATIONS + 1, _BURST_LATTICE_S) - 0.27)
    long_rate = _rate(path, instrument, falling=True) * burst
    short_rate = _rate(path, instrument, falling=False) * burst
    rate = np.minimum(long_rate + short_rate, _MAX_RATE)

    rng = day_stream(seed, day, Stream.LIQUIDATIONS)
    chance = rng.random((4, DAY_S))
    hit = chance[0] < 1 - np.exp(-rate)
    hit[0] = False  # a run of seconds never crosses midnight, for each day is drawn alone
    second = np.flatnonzero(hit)
    which, offset, order_chance = chance[1][hit], chance[2][hit], chance[3][hit]

    # Within a run of consecutive seconds every order comes at the same millisecond as the first of the run, or
    # two orders could be closer than the second that the exchange samples at.
    starts = np.diff(second, prepend=-2) > 1
    first_of_run = np.maximum.accumulate(np.where(starts, np.arange(second.size), 0))
    part_ms = (offset[first_of_run] * 1_000).astype(np.int64)

    is_long = which * (long_rate + short_rate)[hit] < long_rate[hit]
    step = ticks[second + 1] - ticks[second]
    fill = np.rint(ticks[second] + step * part_ms / 1_000).astype(np.int64)
    beyond = fill * (0.0025 + 0.0020 * order_chance)
    order = np.rint(fill + np.where(is_long, -beyond, beyond)).astype(np.int64)

    stress = 0.7 + 2.2 * np.minimum(rate[hit], 1.0)
    sizes = np.minimum(_SMALLEST_USD * stress * (1 + rng.pareto(_TAIL, second.size)), _LARGEST_USD)
    per_lot = fill / (instrument.ticks_per_unit * instrument.lots_per_unit)
    lots = np.maximum(np.rint(sizes / per_lot), 1).astype(np.int64)
    return ForcedOrders(second * 1_000 + part_ms, is_long, fill, order, lots)


def _rate(path: NDArray[np.int64], instrument: Instrument, *, falling: bool) -> Floats:
    """Return the orders a second of one side, for each second of the day behind `LOOKBACK_S`."""
    log_price = np.log(path[:-1]) * (1 if falling else -1)
    now = log_price[LOOKBACK_S:]
    minute_move = np.maximum(log_price[LOOKBACK_S - 60 : -60] - now, 0) / 0.0006
    longer_move = np.maximum(log_price[LOOKBACK_S - 600 : -600] - now, 0) / 0.0025
    move = np.minimum(minute_move**1.5 + longer_move**1.5, 25)

    minute_lows = log_price.reshape(-1, 60).min(axis=1)
    windows = np.lib.stride_tricks.sliding_window_view(minute_lows, _EXTREME_MINUTES)
    recent_low = windows.min(axis=1)[LOOKBACK_S // 60 - _EXTREME_MINUTES : -1]
    depth = np.repeat(recent_low, 60) - now
    extreme = np.where(depth >= 0, 1 + np.minimum(depth / 0.0008, 6), 0)

    # Stops lie just beyond round hundreds and, more of them, round thousands.
    price = path[LOOKBACK_S:-1] / instrument.ticks_per_unit
    unit = 10.0 ** np.floor(np.log10(price[0]) - 1)
    beyond = (-price if falling else price) % (unit / 2) / unit
    round_number = 1 + 1.6 * np.exp(-beyond / 0.04)
    return np.asarray((_BASE_RATE + _MOVE_RATE * move + _EXTREME_RATE * extreme) * round_number, np.float64)
