"""The kernels for a grid that is a plain matrix, mostly empty: empty stretches are passed over. See `kernel_walk`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numba import types

from Heatmap.aggregation.kernel_jit import FLOAT32_IN, UINT8_IN, entry, kernel

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Cells that are looked at together: four cache lines.
STRETCH = 64

# Bits of the smallest float32 that is not finite; those of negative numbers are larger still.
NOT_FINITE = 0x7F800000


@kernel
def _largest_bits(cells: NDArray[np.float32]) -> int:
    """Return the largest bit pattern, read as an unsigned number."""
    largest = np.uint32(0)
    for k in range(cells.size):
        largest = max(largest, np.float32(cells[k]).view(np.uint32))
    return int(largest)


@entry(FLOAT32_IN, types.float32[::1], returns=types.int64)
def collect_positive(cells: NDArray[np.float32], values: NDArray[np.float32]) -> int:
    """Write all cells above 0 to ``values``, as long as ``cells``, and return how many; -1 if one is no finite sum."""
    count = 0
    for start in range(0, cells.size, STRETCH):
        stretch = cells[start : start + STRETCH]
        largest = _largest_bits(stretch)
        if largest == 0:
            continue
        if largest >= NOT_FINITE:
            for k in range(stretch.size):
                if not 0.0 <= stretch[k] < np.inf:
                    return -1
        for k in range(stretch.size):
            values[count] = stretch[k]
            count += stretch[k] > np.float32(0)
    return count


@entry(
    types.Array(types.float32, 2, "C", readonly=True),
    types.int64,
    types.int64,
    UINT8_IN,
    types.Array(types.uint32, 1, "C", readonly=True),
    types.uint32[:, ::1],
)
def paint_grid(  # noqa: PLR0917 - a kernel takes arrays and numbers by position, Numba knows no objects here
    grid: NDArray[np.float32],
    first_bucket: int,
    bucket_shift: int,
    levels: NDArray[np.uint8],
    colours: NDArray[np.uint32],
    out: NDArray[np.uint32],
) -> None:
    """Paint a grid (rows, cols) into an image of zeros, upside down; every cell above 0 has level 1 at least."""
    rows = grid.shape[0]
    cols = grid.shape[1]
    last = np.int32(levels.size - 1)
    base = np.int32(first_bucket)
    shift = np.int32(bucket_shift)
    none = np.int32(0)
    for row in range(rows):
        for start in range(0, cols, STRETCH):
            stretch = grid[row, start : start + STRETCH]
            if _largest_bits(stretch) == 0:
                continue
            line = out[rows - 1 - row, start : start + STRETCH]
            for k in range(stretch.size):
                bucket = np.int32((np.float32(stretch[k]).view(np.int32) >> shift) - base)
                level = levels[min(max(bucket, none), last)]
                least = np.uint8(1) if stretch[k] > np.float32(0) else np.uint8(0)
                line[k] = colours[max(level, least)]
