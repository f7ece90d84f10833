"""Binning: events sorted by time to the sums of the occupied cells, one column after the other.

The active column, one float64 a row and channel, stays in the first-level cache. What comes out is `Cells`.
Loops that must be fast run over slices from 0 on and join conditions by ``&``: with an index that might be negative,
or with ``and``, LLVM does not vectorise them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numba import types

from Heatmap.aggregation.grid import SNAP
from Heatmap.aggregation.kernel_jit import FLOAT64_IN, INT32_IN, INT64_IN, UINT8_IN, entry, group, kernel

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from Heatmap.aggregation.engine import CellArrays

EVENTS = group(INT64_IN, FLOAT64_IN, FLOAT64_IN, UINT8_IN)
FILTER = group(types.float64, types.int64, types.int64)
BINS = group(types.int64, types.int64, types.float64, types.float64)
SHAPE = group(*(types.int64,) * 7)
SCRATCH = group(types.float64[::1], types.uint32[::1])
CELLS = group(INT64_IN, INT32_IN, types.Array(types.float32, 2, "C", readonly=True))
FOUND_CELLS = group(types.int64[::1], types.int32[::1], types.float32[:, ::1])

BLOCK_EVENTS = 512
"""Events whose rows are computed at once: 2 KB of indices."""

FEW_EVENTS = 24
"""From so many events of a column on, the rows of their block are looked through, not only those of the column."""


@kernel
def _first_at(ts_ms: NDArray[np.int64], target_ms: int, start: int, stride: int) -> int:
    """Return the first index from ``start`` on whose time is not before the target: gallop, then bisect."""
    end = ts_ms.size
    low = start
    if low >= end or ts_ms[low] >= target_ms:
        return low
    high = low + stride
    while high < end and ts_ms[high] < target_ms:
        low = high
        high += stride
        stride *= 2
    high = min(high, end)
    while high - low > 1:
        middle = (low + high) >> 1
        if ts_ms[middle] < target_ms:
            low = middle
        else:
            high = middle
    return high


@kernel
def _locate(
    events: tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.uint8]],
    wanted: tuple[float, int, int],
    bins: tuple[float, float],
    shape: tuple[int, int, int],
    index: NDArray[np.uint32],
) -> tuple[int, int, int, int, int]:
    """Write ``row * channels + channel`` of each event, ``rows * channels`` for what does not count or lies outside.

    Return how many events count, how many of them lie in the rows, and how many in those that are not padding; the
    lowest row, and one past the highest.
    """
    price, weight, is_long = events
    least, short_channel, long_channel = wanted
    inverse_price_bin, first_price_bin = bins
    rows, channels, pad_rows = shape
    bottom, top = float(pad_rows), float(rows - pad_rows)
    limit, step, nowhere = float(rows), float(channels), float(channels * rows)
    short, long = float(short_channel), float(long_channel)
    infinity = np.inf
    one, none = np.int32(1), np.int32(0)
    kept, found, visible, low, high = none, none, none, np.int32(rows), none
    for i in range(price.size):
        # `price_bins` in the same order: both engines must agree to the last bit.
        quotient = price[i] * inverse_price_bin
        row = np.floor(quotient + abs(quotient) * SNAP) - first_price_bin
        channel = long if is_long[i] != 0 else short
        # `EventBatch.keeps`.
        counts = (weight[i] >= least) & (weight[i] < infinity) & (abs(price[i]) < infinity) & (channel >= 0.0)
        # Compared as floats: wild prices fail here and never become an index.
        inside = counts & (row >= 0.0) & (row < limit)
        index[i] = np.uint32(np.int32(row * step + channel if inside else nowhere))
        kept += one if counts else none
        found += one if inside else none
        visible += one if inside & (row >= bottom) & (row < top) else none
        place = np.int32(row if inside else limit)
        low = min(low, place)
        high = max(high, np.int32(place + one) if inside else none)
    return int(kept), int(found), int(visible), int(low), int(high)


@kernel
def _store(
    sums: NDArray[np.float64], low: int, high: int, row: NDArray[np.int32], values: NDArray[np.float32], count: int
) -> int:
    """Append the occupied cells of rows ``[low, high)`` of a column and clear ``sums``; return how many there are now.

    Every cell is written, and the next one over it if it is empty: no branch, so there is nothing to predict.
    """
    at, channels = np.uint64(count), np.uint64(values.shape[1])
    last = channels - np.uint64(1)
    for r in range(low, high):
        i = np.uint64(r) * channels
        first, second = sums[i], sums[i + last]
        sums[i] = 0.0
        sums[i + last] = 0.0
        row[at] = r
        values[at, 0] = np.float32(first)
        values[at, last] = np.float32(second)
        at += np.uint64((first != 0.0) | (second != 0.0))
    return int(at)


@entry(EVENTS, FILTER, BINS, SHAPE, SCRATCH, FOUND_CELLS, returns=group(*(types.int64,) * 4))
def bin_columns(
    events: tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64], NDArray[np.uint8]],
    wanted: tuple[float, int, int],
    bins: tuple[int, int, float, float],
    shape: tuple[int, int, int, int, int, int, int],
    scratch: tuple[NDArray[np.float64], NDArray[np.uint32]],
    cells: tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.float32]],
) -> tuple[int, int, int, int]:
    """Sum the weights per cell of the columns ``[first, last)``.

    Parameters
    ----------
    events
        Time, price, weight and side; see `EventBatch`. None lies before column ``first`` or after the last one.
    wanted
        ``least``, ``short_channel`` and ``long_channel`` of an `EventBatch`.
    bins
        Left edge of column 0, width of a column, 1 / height of a row, absolute index of row 0.
    shape
        First and last column, rows, channels, rows of padding, first and last column that are not padding.
    scratch
        float64 (rows * channels + 1,), all 0 before and after but for its last entry; uint32 (`BLOCK_EVENTS`,).
    cells
        Is written: where each column ends, ``row`` and ``values`` of `Cells`, with room for one cell an event and one
        more.

    Returns
    -------
    Number of cells; events that count, those of them in the grid, and those that are not in its padding.
    """
    ts_ms, price, weight, is_long = events
    t0_ms, time_bin_ms, inverse_price_bin, first_price_bin = bins
    first_col, last_col, rows, channels, pad_rows, first_visible, last_visible = shape
    sums, index = scratch
    end, row, values = cells
    stride = max(1, ts_ms.size // max(1, last_col - first_col))
    # A block of events lies in visible columns only, or in none.
    visible_from = _first_at(ts_ms, t0_ms + first_visible * time_bin_ms, 0, max(1, ts_ms.size))
    visible_to = _first_at(ts_ms, t0_ms + last_visible * time_bin_ms, visible_from, max(1, ts_ms.size))
    event, block, block_end, count, kept, found, inside = 0, 0, 0, 0, 0, 0, 0
    block_low, block_high = rows, 0
    for col in range(first_col, last_col):
        col_end = _first_at(ts_ms, t0_ms + (col + 1) * time_bin_ms, event, stride)
        low, high = rows, 0
        while event < col_end:
            if event == block_end:
                border = visible_from if event < visible_from else visible_to if event < visible_to else ts_ms.size
                block, block_end = event, min(event + BLOCK_EVENTS, border)
                block_kept, block_found, block_visible, block_low, block_high = _locate(
                    (price[block:block_end], weight[block:block_end], is_long[block:block_end]),
                    wanted,
                    (inverse_price_bin, first_price_bin),
                    (rows, channels, pad_rows),
                    index,
                )
                kept += block_kept
                found += block_found
                inside += block_visible if visible_from <= event < visible_to else 0
            until = min(block_end, col_end)
            if until - event < FEW_EVENTS:
                for i in range(event, until):
                    cell = index[np.uint64(i - block)]
                    sums[cell] += weight[np.uint64(i)]
                    row_of = int(cell) >> (channels - 1)
                    low = min(low, row_of)
                    high = max(high, row_of + 1 if row_of < rows else 0)
            else:
                for i in range(event, until):
                    sums[index[np.uint64(i - block)]] += weight[np.uint64(i)]
                low, high = min(low, block_low), max(high, block_high)
            event = until
        if high > low:
            count = _store(sums, low, high, row, values, count)
        end[col - first_col] = count
    return count, kept, found, inside


@entry(EVENTS, FILTER, BINS, group(types.int64, types.int64), SCRATCH, types.float32[:, ::1], returns=types.int64)
def sum_cells(
    events: tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64], NDArray[np.uint8]],
    wanted: tuple[float, int, int],
    bins: tuple[int, int, float, float],
    shape: tuple[int, int],
    scratch: tuple[NDArray[np.float64], NDArray[np.uint32]],
    out: NDArray[np.float32],
) -> int:
    """Write the sums of each occupied cell to ``out`` (cells, channels) and return how many there are.

    Its time depends on the events alone, not on how many rows and columns a window has. ``shape`` are rows and
    channels; ``out`` has room for one cell an event; all else is as for `bin_columns`.
    """
    ts_ms, price, weight, is_long = events
    t0_ms, time_bin_ms, inverse_price_bin, first_price_bin = bins
    rows, channels = shape
    sums, index = scratch
    touched = np.empty(ts_ms.size, np.int64)
    count, event, block, block_end = 0, 0, 0, 0
    while event < ts_ms.size:
        col_end = t0_ms + ((ts_ms[event] - t0_ms) // time_bin_ms + 1) * time_bin_ms
        found = 0
        while event < ts_ms.size and ts_ms[event] < col_end:
            if event == block_end:
                block, block_end = event, min(event + BLOCK_EVENTS, ts_ms.size)
                part = price[block:block_end], weight[block:block_end], is_long[block:block_end]
                _locate(part, wanted, (inverse_price_bin, first_price_bin), (rows, channels, 0), index)
            cell = int(index[event - block])
            if cell < rows * channels:
                sums[cell] += weight[event]
                touched[found] = cell - cell % channels
                found += 1
            event += 1
        for k in range(found):
            total = 0.0
            for ch in range(channels):
                total += sums[touched[k] + ch]
                out[count, ch], sums[touched[k] + ch] = sums[touched[k] + ch], 0.0
            count += total > 0.0
    return count


@entry(CELLS, types.int64, types.float32[:, ::1])
def fill_grid(cells: CellArrays, channel: int, grid: NDArray[np.float32]) -> None:
    """Write one channel of the cells to a grid of zeros, float32 (rows, cols)."""
    start, row, values = cells
    for col in range(start.size - 1):
        for k in range(start[col], start[col + 1]):
            grid[np.uint64(row[np.uint64(k)]), np.uint64(col)] = values[np.uint64(k), np.uint64(channel)]
