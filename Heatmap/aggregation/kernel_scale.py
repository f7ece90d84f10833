"""The scale: the occupied cells of a grid, and an exact percentile of them by counting digits instead of sorting."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numba import types

from Heatmap.aggregation.kernel_jit import INT32_IN, entry, group

if TYPE_CHECKING:
    from numpy.typing import NDArray


@entry(INT32_IN, types.int64, returns=group(*(types.int64,) * 2))
def neighbours_of_rank(bits: NDArray[np.int32], rank: int) -> tuple[int, int]:
    """Return the two that would be at ``rank`` and ``rank + 1`` if ``bits``, none of them negative, were sorted.

    Positive floats sort as their bits do: three rounds of counting by 11, 11 and 10 bits leave one value. Without a
    next one the value itself stands for it.
    """
    candidates = bits.copy()
    counts = np.empty(2048, np.int64)
    size, left, largest = bits.size, rank, np.int32(0x7FFFFFFF)
    for shift in (21, 10, 0):
        counts[:] = 0
        mask = 0x3FF if shift == 0 else 0x7FF
        for i in range(size):
            counts[(candidates[i] >> shift) & mask] += 1
        digit = 0
        while left >= counts[digit]:
            left -= counts[digit]
            digit += 1
        remaining = 0
        for i in range(size):
            value = candidates[i]
            candidates[remaining] = value
            remaining += ((value >> shift) & mask) == digit
        size = remaining
    value, above = candidates[0], largest
    for i in range(bits.size):
        above = min(above, bits[i] if bits[i] > value else above)
    # What is left are ``size`` equal ones.
    return int(value), int(value if left + 1 < size or above == largest else above)


@entry(types.Array(types.float32, 2, "C", readonly=True), types.int64[::1], types.int32[::1], types.float32[::1])
def occupied_cells(
    grid: NDArray[np.float32], end: NDArray[np.int64], col: NDArray[np.int32], values: NDArray[np.float32]
) -> None:
    """Write the column and the value of each cell above 0, row by row, and to ``end`` how many there are up to a row.

    Empty cells are passed over 64 at a time. Of others each is written, and the next one over it if it is empty: no
    branch, so there is nothing to predict. Both arrays have room for all cells and one more.
    """
    rows, cols = grid.shape
    count = np.uint64(0)
    for r in range(rows):
        line = grid[r]
        for first in range(0, cols, 64):
            last, is_occupied = min(first + 64, cols), False
            for c in range(first, last):
                is_occupied |= line[np.uint64(c)] > np.float32(0)
            if is_occupied:
                for c in range(first, last):
                    value = line[np.uint64(c)]
                    col[count], values[count] = c, value
                    count += np.uint64(value > np.float32(0))
        end[r] = count
