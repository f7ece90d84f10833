"""Random parts of a realistic price: clustered volatility, cascades, volumes.

All streams are seeded by the UTC day number, so a day is the same in every run: history, restarts and live data agree.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

DAY_S = 86_400

# Typical standard deviation of a second's log return; the clusters raise the mean to the 4 bp a minute of BTCUSDT.
_SECOND_SD = 0.000_32 / float(np.sqrt(60))

# Log-volatility is a sum of noises on lattices of these widths; the weights give minute returns a kurtosis near 20.
_VOLATILITY_LATTICES = ((21_600, 0.40), (3_600, 0.50), (300, 0.45))

_MEAN_CASCADES_A_DAY = 2.4
_CASCADE_REACH_S = 3 * 3_600
_DOWNWARD_SHARE = 0.6

_LOTS_A_SECOND = 60.0


class Stream(IntEnum):
    """Independent random streams of one day; the numbers are part of the simulated market, do not reorder."""

    ANCHOR = 1
    STEPS = 2
    CASCADES = 3
    VOLUME = 4
    LIQUIDATIONS = 5
    VOLATILITY = 16  # and the numbers after it, one a lattice


@dataclass(frozen=True, slots=True)
class Shocks:
    """Steps of the log price through one day, shape ``(86400,)``, and the variance of each (business time)."""

    steps: Floats
    variance: Floats


def day_stream(seed: int, day: int, stream: int) -> np.random.Generator:
    """Return the random stream of one purpose on one day."""
    return np.random.Generator(np.random.PCG64([seed, stream, day]))


def lattice_noise(seed: int, day: int, stream: int, width_s: int) -> Floats:
    """Return normal noise on a lattice in absolute time, interpolated to each second; without a jump at midnight."""
    points = DAY_S // width_s
    own = day_stream(seed, day, stream).standard_normal(points)
    following = day_stream(seed, day + 1, stream).standard_normal(1)
    knots = np.append(own, following)
    return np.interp(np.arange(DAY_S) / width_s, np.arange(points + 1), knots)


def volatility(seed: int, day: int) -> Floats:
    """Return the standard deviation of each second's log return, shape ``(86400,)``."""
    log_level = np.zeros(DAY_S)
    for row, (width_s, weight) in enumerate(_VOLATILITY_LATTICES):
        log_level += weight * lattice_noise(seed, day, Stream.VOLATILITY + row, width_s)
    # Busy when Europe and America overlap, quiet in the small hours UTC.
    hour = np.arange(DAY_S) / 3_600
    season = 1 + 0.3 * np.sin((hour - 9) / 24 * 2 * np.pi)
    return np.asarray(_SECOND_SD * season * np.exp(log_level), np.float64)


def shocks(seed: int, day: int, *, with_cascades: bool) -> Shocks:
    """Return the steps of a day; cascades are sudden moves that partly recover."""
    level = volatility(seed, day)
    drift = np.zeros(DAY_S)
    rng = day_stream(seed, day, Stream.CASCADES)
    for _ in range(rng.poisson(_MEAN_CASCADES_A_DAY) if with_cascades else 0):
        start = int(rng.integers(0, DAY_S - 3_600))
        down = rng.random() < _DOWNWARD_SHARE
        size = min(0.0045 * (1 + rng.pareto(2.4)), 0.025) * (-1 if down else 1)
        fall_s, rebound_s = rng.uniform(60, 700), rng.uniform(400, 3_000)
        rebound = rng.uniform(0.15, 0.6)
        part = slice(start, min(start + _CASCADE_REACH_S, DAY_S))
        age_s = np.arange(part.stop - start + 1, dtype=np.float64)
        # Slow at first, then every stop triggers the next; the rebound is slower than the fall.
        fallen = 1 - np.exp(-((age_s / fall_s) ** 2))
        recovered = 1 - np.exp(-((age_s / (fall_s + rebound_s)) ** 2))
        drift[part] += size * np.diff(fallen - rebound * recovered)
        level[part] *= 1 + 2.5 * np.exp(-age_s[:-1] / 1_500) * np.minimum(1, age_s[:-1] / fall_s)
    noise = day_stream(seed, day, Stream.STEPS).standard_normal(DAY_S)
    return Shocks(steps=level * noise + drift, variance=level**2)


def traded_lots(seed: int, day: int, ticks: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the quantity traded in each second of a day, shape ``(86400,)``, from its prices, shape ``(86401,)``."""
    returns = np.abs(np.diff(ticks)) / ticks[:-1]
    activity = 0.4 + (returns / _SECOND_SD) ** 1.3
    chance = day_stream(seed, day, Stream.VOLUME).exponential(size=DAY_S)
    return np.rint(_LOTS_A_SECOND * activity * chance**1.5).astype(np.int64)
