"""From dollars to colour levels: 255 ascending thresholds, looked up through the bits of a float32.

A normalisation is nothing but the list of values at which each level begins. Both engines and the legend read that
one list, so they cannot disagree.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from Heatmap.aggregation.options import Normalization

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

LEVELS: Final = 256
TOP_LEVEL: Final = LEVELS - 1

LARGEST: Final = np.float32(1e30)
"""No cell is painted larger: what comes after is finite, in float32, whatever is summed up."""

FAINTEST_HEAT: Final = np.float32(1e-30)
"""What is left of an event is nothing from here on: numbers that fade further are slow before they are 0."""

# Log shows three decades: a thousandth of the reference still has a colour, whatever the symbol's turnover.
LOG_SPAN: Final = 1000.0

# Rank spends its levels on the cells that exist from here on at the latest; below lie flanks of spots and trails.
_RANK_FLANK_LEVELS: Final = 32

# A float32 has 23 bits of fraction; dropping 13 leaves 1024 buckets an octave, finer than any level.
BUCKET_SHIFT: Final = 13
MAX_BUCKETS: Final = 40 << (23 - BUCKET_SHIFT)

_SHARE_TO_FRACTION: Final[dict[Normalization, Callable[[NDArray[np.float64]], NDArray[np.float64]]]] = {
    Normalization.LINEAR: lambda share: share,
    Normalization.SQRT: np.square,
    Normalization.LOG: lambda share: np.expm1(share * math.log1p(LOG_SPAN)) / LOG_SPAN,
}


# The shares at which the levels from 1 on begin. Levels are rounded: each begins midway between two whole shares.
_FRACTIONS: Final = {
    normalization: fraction((np.arange(1, TOP_LEVEL + 1) - 0.5) / TOP_LEVEL)
    for normalization, fraction in _SHARE_TO_FRACTION.items()
}


def rank_of(count: int, percentile: float) -> tuple[int, float]:
    """Return where the percentile of ``count`` sorted values lies: a rank from 0 on, and the way to the next one."""
    position = percentile / 100 * (count - 1)
    rank = min(int(position), count - 1)
    return rank, position - rank


def between(low: float, high: float, fraction: float) -> float:
    """Interpolate as `numpy.percentile` does: exact at both ends, whatever the rounding."""
    if fraction < 0.5:  # noqa: PLR2004 - the middle
        return low + (high - low) * fraction
    return high - (high - low) * (1 - fraction)


def clip_reference(values: NDArray[np.float32], percentile: float) -> float:
    """Return the value to show at full colour: a percentile of the occupied cells, 0.0 if there are none.

    Parameters
    ----------
    values
        float32 (K,), sums of the occupied cells, positive, in any order.
    percentile
        In (0, 100], interpolated linearly, in float64, as by `numpy.percentile`.
    """
    if not values.size:
        return 0.0
    rank, fraction = rank_of(values.size, percentile)
    following = min(rank + 1, values.size - 1)
    ordered = np.partition(values, (rank, following))
    return between(float(ordered[rank]), float(ordered[following]), fraction)


def level_edges(normalization: Normalization, reference: float, values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the least value of each level from 1 to 255, ascending; what is below the first is not shown.

    Parameters
    ----------
    normalization
        See `Normalization`.
    reference
        Value at full colour, as from `clip_reference`; 0 for an empty window, whose edges are all infinite.
    values
        Sums of the occupied cells of the window; read by rank only.

    Returns
    -------
    float32 (255,): ``edges[k - 1]`` belongs to level k.
    """
    if reference <= 0:
        return np.full(TOP_LEVEL, np.inf, np.float32)
    if normalization is not Normalization.RANK:
        return (reference * _FRACTIONS[normalization]).astype(np.float32)
    lowest = min(float(values.min()), reference)
    ranked = np.minimum(_quantiles(values, TOP_LEVEL + 1 - _RANK_FLANK_LEVELS), reference)
    # Where many cells share the lowest value it has a high level. All levels below that are the flanks', else a spot
    # would be a dot on faint ground: in a window of one event, or of equal ones, the flanks have all but the last.
    ranked = ranked[np.count_nonzero(ranked <= lowest) :]
    flank_levels = TOP_LEVEL - ranked.size
    return np.concatenate([lowest * np.arange(1, flank_levels + 1) / flank_levels, ranked]).astype(np.float32)


def _quantiles(values: NDArray[np.float32], count: int) -> NDArray[np.float64]:
    """Return ``count`` evenly spaced quantiles, down to the bucket of `LevelTable`: by counting, not by sorting."""
    buckets = np.ascontiguousarray(values).view(np.int32) >> BUCKET_SHIFT
    first = int(buckets.min())
    reached = np.cumsum(np.bincount(buckets - first))
    ranks = np.linspace(0.0, values.size - 1, count).astype(np.int64)
    found = np.searchsorted(reached, ranks, side="right") + first
    return (found << BUCKET_SHIFT).astype(np.int32).view(np.float32).astype(np.float64)


@dataclass(frozen=True, slots=True)
class Scale:
    """What the colours of an image mean.

    Attributes
    ----------
    reference
        Dollars at full colour, from `clip_reference`.
    edges
        float32 (255,), from `level_edges`.
    """

    reference: float
    edges: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class LevelTable:
    """Level of a float32 by its leading bits; exact to one bucket in 1024 an octave, monotone everywhere.

    Attributes
    ----------
    first_bucket
        ``bits >> BUCKET_SHIFT`` of the first entry. Smaller values read the first entry, larger ones the last.
    levels
        uint8 (buckets,), ascending. The first entry is 0.
    """

    first_bucket: int
    levels: NDArray[np.uint8]

    @staticmethod
    def bounds(edges: NDArray[np.float32]) -> tuple[int, int]:
        """Return the first bucket and how many there are in the table of these edges; (0, 1) for an empty window."""
        if not math.isfinite(edges[0]):
            return 0, 1
        high = int(edges[-1:].view(np.int32)[0]) >> BUCKET_SHIFT
        low = max((int(edges[:1].view(np.int32)[0]) >> BUCKET_SHIFT) - 1, high - MAX_BUCKETS, 0)
        return low, high + 1 - low

    @classmethod
    def from_edges(cls, edges: NDArray[np.float32]) -> LevelTable:
        """Build the table of `level_edges`; a value on or above an edge never falls below that edge's level."""
        first, size = cls.bounds(edges)
        if size == 1:
            return cls(first, np.zeros(1, np.uint8))
        buckets = np.maximum((np.ascontiguousarray(edges).view(np.int32) >> BUCKET_SHIFT) - first, 0)
        levels = np.cumsum(np.bincount(buckets, minlength=size))
        levels[0] = 0
        return cls(first, levels.astype(np.uint8 if edges.size < LEVELS else np.int32))

    def lookup(self, values: NDArray[np.float32]) -> NDArray[np.uint8]:
        """Return the level of each value; values are finite and not negative."""
        buckets = (np.ascontiguousarray(values).view(np.int32) >> BUCKET_SHIFT) - np.int32(self.first_bucket)
        levels: NDArray[np.uint8] = self.levels[np.clip(buckets, 0, self.levels.size - 1)]
        return levels
