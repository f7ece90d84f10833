"""The kernels that read a finished grid: all its cells, one channel as a matrix, values by rank. See `kernel_walk`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numba import types

from Heatmap.aggregation.kernel_jit import FLOAT32_IN, PLACES_IN, entry

if TYPE_CHECKING:
    from numpy.typing import NDArray

# What is known of a column; indices into a row of places, see `RawCells`.
LOW, HIGH, START = 0, 1, 2


@entry(FLOAT32_IN, PLACES_IN, types.int64, types.float32[::1], returns=types.int64)
def collect_cells(
    cells: NDArray[np.float32], places: NDArray[np.int64], channels: int, values: NDArray[np.float32]
) -> int:
    """Write every occupied cell, summed over the channels, to ``values`` and return how many there are.

    ``values`` holds one more entry than that.
    """
    count = 0
    for col in range(places.shape[0]):
        size = places[col, HIGH] - places[col, LOW]
        column = cells[places[col, START] : places[col, START] + channels * size]
        for k in range(size):
            value = column[k] + column[size + k] if channels > 1 else column[k]
            values[count] = value
            count += value > np.float32(0)
    return count


@entry(FLOAT32_IN, PLACES_IN, types.int64, types.float32[:, ::1])
def spread_grid(cells: NDArray[np.float32], places: NDArray[np.int64], channel: int, out: NDArray[np.float32]) -> None:
    """Write the cells of one channel to a zeroed grid (rows, cols)."""
    for col in range(places.shape[0]):
        low = places[col, LOW]
        size = places[col, HIGH] - low
        start = places[col, START] + channel * size
        for k in range(size):
            out[low + k, col] = cells[start + k]


@entry(FLOAT32_IN, types.int64, types.float32[::1], types.int64[::1], types.float32[::1])
def neighbours_of_rank(
    values: NDArray[np.float32],
    rank: int,
    candidates: NDArray[np.float32],
    counts: NDArray[np.int64],
    found: NDArray[np.float32],
) -> None:
    """Write the two values that would be at ``rank`` and ``rank + 1`` if ``values``, all positive, were sorted.

    Positive floats sort as their bits do: three rounds of counting by 11, 11 and 10 bits leave one value. Without a
    next one the value itself stands for it. ``candidates`` is as long as ``values``; ``counts`` holds 2048 entries.
    """
    size = values.size
    candidates[:size] = values
    left = rank
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
    found[0] = value
    found[1] = value if not_above > rank + 1 or not_above == values.size else above
