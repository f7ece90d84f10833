"""The scale: the occupied cells of a grid, and an exact percentile of them by counting digits instead of sorting."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numba import types

from Heatmap.aggregation.kernel_jit import FLOAT32_IN, entry, fast_kernel, group

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
    above = np.float32(np.inf)
    for i in range(values.size):
        above = min(above, values[i] if values[i] > value else np.float32(np.inf))
    # What is left are ``size`` equal ones.
    following = value if left + 1 < size or above == np.inf else above
    return float(value), float(following)


@fast_kernel
def _largest(grid: NDArray[np.float32], row: int, first: int, last: int) -> np.float32:
    largest = np.float32(0)
    for col in range(first, last):
        largest = max(largest, grid[row, np.uint64(col)])
    return largest


@entry(types.Array(types.float32, 2, "C", readonly=True), types.int64[::1], types.int32[::1], types.float32[::1])
def occupied_cells(
    grid: NDArray[np.float32], end: NDArray[np.int64], col: NDArray[np.int32], values: NDArray[np.float32]
) -> None:
    """Write the column and the value of each cell above 0, row by row, and to ``end`` how many there are up to a row.

    Empty cells are passed over 16 at a time. Of others each is written, and the next one over it if it is empty: no
    branch, so there is nothing to predict. Both arrays have room for all cells and one more.
    """
    rows, cols = grid.shape
    count = np.uint64(0)
    for r in range(rows):
        for first in range(0, cols, 16):
            last = min(first + 16, cols)
            if _largest(grid, r, first, last) > np.float32(0):
                for c in range(first, last):
                    value = grid[r, np.uint64(c)]
                    col[count], values[count] = c, value
                    count += np.uint64(value > np.float32(0))
        end[r] = count
