"""The kernel that makes a scale of the largest cells: reference, edges of the levels, table of the levels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from Heatmap.aggregation.kernel_jit import kernel
from Heatmap.aggregation.kernel_paint import fill_levels
from Heatmap.aggregation.kernel_select import neighbours_of_rank

if TYPE_CHECKING:
    from numpy.typing import NDArray

HALF = 0.5


@kernel
def set_scale(  # noqa: PLR0917 - a kernel takes arrays and numbers by position, Numba knows no objects here
    largest: NDArray[np.float32],
    occupied: int,
    percentile: float,
    fractions: NDArray[np.float64],
    floor_level: int,
    fading: NDArray[np.float64],
    bucket_shift: int,
    most_buckets: int,
    candidates: NDArray[np.float32],
    digits: NDArray[np.int64],
    reference: NDArray[np.float64],
    edges: NDArray[np.float32],
    floors: NDArray[np.float32],
    levels: NDArray[np.uint8],
    level_range: NDArray[np.int64],
) -> bool:
    """Find the exact percentile and what follows from it, as `clip_reference`, `level_edges` and `LevelTable` do.

    ``largest`` are the largest of ``occupied`` cells. Return False if the percentile is not among them.
    """
    count = largest.size
    position = percentile / 100 * (occupied - 1)
    rank = min(int(position), occupied - 1)
    fraction = position - rank
    if occupied == 0 or rank < occupied - count:
        return False
    neighbours = np.empty(2, np.float32)
    neighbours_of_rank(largest, rank - (occupied - count), candidates, digits, neighbours)
    low = np.float64(neighbours[0])
    high = np.float64(neighbours[1])
    # As `between`: exact at both ends.
    full = low + (high - low) * fraction if fraction < HALF else high - (high - low) * (1 - fraction)
    # Sums too large for a float32 have no scale.
    if not full < np.inf:
        return False
    reference[0] = full
    for k in range(edges.size):
        edges[k] = np.float32(full * fractions[k])
    floor = float(edges[floor_level - 1])
    for col in range(floors.size):
        floors[col] = np.float32(floor * fading[col])
    last = int(np.float32(edges[edges.size - 1]).view(np.int32)) >> bucket_shift
    first = max((int(np.float32(edges[0]).view(np.int32)) >> bucket_shift) - 1, last - most_buckets, 0)
    level_range[0] = first
    level_range[1] = last + 1 - first
    fill_levels(edges, first, bucket_shift, levels[: last + 1 - first])
    return True
