"""Normalisation: from dollars to colour levels, by 255 ascending edges and a lookup table over the bits of a float32.

Both engines and the legend use the same edges.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from Heatmap.vocabulary import Normalization

if TYPE_CHECKING:
    from numpy.typing import NDArray

LEVELS: Final = 256
TOP_LEVEL: Final = LEVELS - 1

LARGEST: Final = np.float32(1e30)
"""Larger sums of cells are painted as this: all that is computed from it is finite in float32."""

FAINTEST_HEAT: Final = np.float32(1e-30)
"""Heat up to here is 0: arithmetic on denormal numbers is slow."""

# The logarithmic scale spans three decades below the reference.
LOG_SPAN: Final = 1000.0

# The rank scale has at least so many levels below the smallest cell, for the flanks of spots and trails.
_RANK_FLANK_LEVELS: Final = 32

# A float32 has 23 bits of fraction; without 13 of them there are 1024 buckets an octave, finer than any level.
BUCKET_SHIFT: Final = 13
MAX_BUCKETS: Final = 40 << (23 - BUCKET_SHIFT)

# Edges of the levels from 1 on as fractions of the reference. Levels are rounded, so edges lie midway between them.
_SHARES: Final = (np.arange(1, TOP_LEVEL + 1) - 0.5) / TOP_LEVEL
_FRACTIONS: Final = {
    Normalization.LINEAR: _SHARES,
    Normalization.SQRT: np.square(_SHARES),
    Normalization.LOG: np.expm1(_SHARES * math.log1p(LOG_SPAN)) / LOG_SPAN,
}


def rank_of(count: int, percentile: float) -> tuple[int, float]:
    """Return the rank, from 0 on, of a percentile of ``count`` sorted values, and the fraction to the next rank."""
    position = percentile / 100 * (count - 1)
    rank = min(int(position), count - 1)
    return rank, position - rank


def between(low: float, high: float, fraction: float) -> float:
    """Interpolate as `numpy.percentile` does: exact at both ends."""
    if fraction < 0.5:  # noqa: PLR2004 - the middle
        return low + (high - low) * fraction
    return high - (high - low) * (1 - fraction)


def level_edges(normalization: Normalization, reference: float, values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the least value of each level from 1 to 255, ascending; smaller values have level 0.

    Parameters
    ----------
    normalization
        See `Normalization`.
    reference
        Value of full colour; 0 for an empty window, whose edges are all infinite.
    values
        Sums of the occupied cells of the window, for the rank scale.

    Returns
    -------
    float32 (255,): ``edges[k - 1]`` belongs to level k.
    """
    if reference <= 0 or (not values.size and normalization is Normalization.RANK):
        return np.full(TOP_LEVEL, np.inf, np.float32)
    if normalization is not Normalization.RANK:
        return (reference * _FRACTIONS[normalization]).astype(np.float32)
    lowest = min(float(values.min()), reference)
    ranked = np.minimum(_quantiles(values, TOP_LEVEL + 1 - _RANK_FLANK_LEVELS), reference)
    ranked[-1] = reference
    # If many cells have the lowest value, its level is high. All levels below are for the flanks, else a spot would be
    # a dot on faint ground: with equal events the flanks have all levels but the last.
    ranked = ranked[np.count_nonzero(ranked <= lowest) :]
    flank_levels = TOP_LEVEL - ranked.size
    return np.concatenate([lowest * np.arange(1, flank_levels + 1) / flank_levels, ranked]).astype(np.float32)


def _quantiles(values: NDArray[np.float32], count: int) -> NDArray[np.float64]:
    """Return ``count`` evenly spaced quantiles, rounded down to buckets, by counting them instead of sorting."""
    buckets = np.ascontiguousarray(values).view(np.int32) >> BUCKET_SHIFT
    first = int(buckets.min())
    reached = np.cumsum(np.bincount(buckets - first))
    ranks = np.linspace(0.0, values.size - 1, count).astype(np.int64)
    found = np.searchsorted(reached, ranks, side="right") + first
    return (found << BUCKET_SHIFT).astype(np.int32).view(np.float32).astype(np.float64)


@dataclass(frozen=True, slots=True)
class Scale:
    """Dollars of full colour; float32 (255,), from `level_edges`; sums of the window's cells, float32 (K, channels)."""

    reference: float
    edges: NDArray[np.float32]
    cells: NDArray[np.float32]


NO_SCALE: Final = Scale(0.0, np.full(TOP_LEVEL, np.inf, np.float32), np.empty((0, 1), np.float32))


@dataclass(frozen=True, slots=True)
class LevelTable:
    """Lookup table from the leading bits of a float32 to its level: monotone, exact to a 1024th of an octave.

    Attributes
    ----------
    first_bucket
        ``bits >> BUCKET_SHIFT`` of the first entry. Smaller values read the first entry, larger ones the last.
    levels
        uint8 (buckets,), ascending. The first entry is 0.
    """

    first_bucket: int
    levels: NDArray[np.uint8]

    @classmethod
    def from_edges(cls, edges: NDArray[np.float32]) -> LevelTable:
        """Return the table of `level_edges`; a value on or above an edge has at least its level."""
        if not math.isfinite(edges[0]):
            return cls(0, np.zeros(1, np.uint8))
        buckets = np.ascontiguousarray(edges).view(np.int32) >> BUCKET_SHIFT
        first = max(int(buckets[0]) - 1, int(buckets[-1]) - MAX_BUCKETS, 0)
        borders = np.concatenate([[0], np.maximum(buckets - first, 0), [buckets[-1] + 1 - first]])
        levels = np.arange(edges.size + 1).repeat(borders[1:] - borders[:-1])
        levels[0] = 0
        return cls(first, levels.astype(np.uint8 if edges.size < LEVELS else np.int32))

    def least(self) -> np.float32:
        """Return a value of the lowest level but 0: a little more than its least, for sums that are rounded."""
        bucket = np.int32(self.first_bucket + np.count_nonzero(self.levels == 0))
        return min(np.float32((bucket << BUCKET_SHIFT).view(np.float32) * np.float32(1 + 1e-6)), LARGEST)

    def lookup(self, values: NDArray[np.float32]) -> NDArray[np.uint8]:
        """Return the level of each value; they are finite and not negative."""
        buckets = (np.ascontiguousarray(values).view(np.int32) >> BUCKET_SHIFT) - np.int32(self.first_bucket)
        levels: NDArray[np.uint8] = self.levels[np.clip(buckets, 0, self.levels.size - 1)]
        return levels
