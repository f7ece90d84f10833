"""The scale: an exact percentile of the occupied cells, by counting digits instead of sorting."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numba import types

from Heatmap.aggregation.kernel_jit import FLOAT32_IN, entry, group

if TYPE_CHECKING:
    from numpy.typing import NDArray


@entry(FLOAT32_IN, types.int64, returns=group(*(types.float64,) * 2))
def neighbours_of_rank(values: NDArray[np.float32], rank: int) -> tuple[float, float]:
    """Return the two values that would be at ``rank`` and ``rank + 1`` if ``values``, all positive, were sorted.

    Positive floats sort as their bits do: three rounds of counting by 11, 11 and 10 bits leave one value. Without a
    next one the value itself stands for it.
    """
    candidates = values.copy()
    counts = np.empty(2048, np.int64)
    size, left = values.size, rank
    for shift in (21, 10, 0):
        counts[:] = 0
        mask = 0x3FF if shift == 0 else 0x7FF
        for i in range(size):
            counts[(np.float32(candidates[i]).view(np.int32) >> shift) & mask] += 1
        digit = 0
        while left >= counts[digit]:
            left -= counts[digit]
            digit += 1
        remaining = 0
        for i in range(size):
            value = candidates[i]
            candidates[remaining] = value
            remaining += ((np.float32(value).view(np.int32) >> shift) & mask) == digit
        size = remaining
    value = candidates[0]
    not_above = 0
    above = np.float32(np.inf)
    for i in range(values.size):
        not_above += values[i] <= value
        above = min(above, values[i] if values[i] > value else np.float32(np.inf))
    following = value if not_above > rank + 1 or not_above == values.size else above
    return float(value), float(following)
