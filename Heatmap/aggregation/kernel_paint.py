"""Painting: the occupied cells to pixels, by the formula of `PaintPlan`, 16 columns at a time.

A ring keeps the spots of the columns around the current one, already spread over the rows. Levels and shares of 16
columns are looked up into a small buffer and written to the image as colours, line by line. Only the rows that
something reaches are worked on; where an image held something before is known, and cleared. See `kernel_bin` on loops.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numba import types

from Heatmap.aggregation.image_buffer import SPAN_COLS
from Heatmap.aggregation.kernel_colour import colour_column, find_levels, write_block
from Heatmap.aggregation.kernel_jit import COLOURS_IN, FLOAT32_IN, INT64_IN, UINT8_IN, entry, fast_kernel, group, kernel
from Heatmap.aggregation.normalization import FAINTEST_HEAT, LARGEST

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from Heatmap.aggregation.engine import CellArrays, LookArrays, SpotArrays, TrailArrays

_FLOATS_IN = types.Array(types.float32, 2, "C", readonly=True)
CELLS = group(INT64_IN, types.Array(types.int32, 1, "C", readonly=True), _FLOATS_IN)
SPOTS = group(FLOAT32_IN, FLOAT32_IN, FLOAT32_IN)
TRAIL = group(_FLOATS_IN, types.float32, types.float32, types.float32)
LOOK = group(UINT8_IN, types.int64, COLOURS_IN)


@fast_kernel
def _raise(
    target: NDArray[np.float32],
    target_at: tuple[int, int],
    source: NDArray[np.float32],
    source_at: tuple[int, int],
    count: int,
    weight: np.float32,
) -> None:
    """Set each of ``count`` entries of a row, from a column on, to the larger of itself and the weighted source."""
    first, second = np.uint64(target_at[1]), np.uint64(source_at[1])
    for i in range(count):
        at = first + np.uint64(i)
        target[target_at[0], at] = max(target[target_at[0], at], weight * source[source_at[0], second + np.uint64(i)])


@fast_kernel
def _spread(
    source: NDArray[np.float32],
    source_row: int,
    weights: NDArray[np.float32],
    rows: tuple[int, int],
    target: NDArray[np.float32],
    target_row: int,
) -> None:
    """Set entries of a row of ``target`` to the largest weighted entry of ``source`` from there on.

    The weights are symmetric; of two with the same weight the larger one counts.
    """
    middle = weights.size // 2
    step = 1
    if middle > 1:
        # The default look has no more: one loop instead of three.
        near, far = weights[middle + 1], weights[middle + 2]
        for i in range(rows[0], rows[1]):
            at = np.uint64(i + middle)
            one, two = np.uint64(1), np.uint64(2)
            target[target_row, np.uint64(i)] = max(
                weights[middle] * source[source_row, at],
                near * max(source[source_row, at - one], source[source_row, at + one]),
                far * max(source[source_row, at - two], source[source_row, at + two]),
            )
        step = 3
    else:
        for i in range(rows[0], rows[1]):
            target[target_row, np.uint64(i)] = weights[middle] * source[source_row, np.uint64(i + middle)]
    for away in range(step, middle + 1):
        for i in range(rows[0], rows[1]):
            at = np.uint64(i)
            before, behind = np.uint64(i + middle - away), np.uint64(i + middle + away)
            larger = max(source[source_row, before], source[source_row, behind])
            target[target_row, at] = max(target[target_row, at], weights[middle + away] * larger)


@fast_kernel
def _lifted(value: np.float32, floor: np.float32) -> np.float32:
    return min(max(value, floor), LARGEST) if value > np.float32(0) else np.float32(0)


@kernel
def _enter_column(
    cells: CellArrays,
    col: int,
    spots: SpotArrays,
    slot: int,
    column: NDArray[np.float32],
    ring: NDArray[np.float32],
    reach: NDArray[np.int64],
) -> None:
    """Replace the layers of one slot of the ring by the spots of a column, spread over the rows.

    ``reach`` are the entries of each layer that count. The third layer has the cells with events of both sides.
    ``column`` (layers, rows + 3 margins) is all 0 before and after.
    """
    start, row, values = cells
    _, row_weights, floors = spots
    margin, channels = row_weights.size - 1, values.shape[1]
    layers = 2 * channels - 1
    first, last = start[col], start[col + 1]
    low, high = (row[first], row[last - 1] + 1) if last > first else (0, 0)
    both_low, both_high = high, low
    floor = floors[col]
    if channels == 1:
        for k in range(first, last):
            column[0, np.uint64(row[k] + margin)] = _lifted(values[np.uint64(k), 0], floor)
    else:
        for k in range(first, last):
            # Without a branch: which side an event is on cannot be predicted.
            r, cell = int(row[np.uint64(k)]), np.uint64(k)
            at = np.uint64(r + margin)
            short, long = values[cell, 0], values[cell, 1]
            is_both = (short > np.float32(0)) & (long > np.float32(0))
            column[0, at] = _lifted(short, floor)
            column[1, at] = _lifted(long, floor)
            column[2, at] = _lifted(short + long if is_both else np.float32(0), floor)
            both_low = min(both_low, r if is_both else both_low)
            both_high = r + 1 if is_both else both_high
    for number in range(layers):
        layer = slot * layers + number
        if number == 2:  # noqa: PLR2004 - the third
            low, high = both_low, both_high
        reach[layer, 0], reach[layer, 1] = low, high + margin
        if low < high:
            _spread(column, number, row_weights, (low, high + margin), ring, layer)
            for r in range(low + margin, high + margin):
                column[number, np.uint64(r)] = np.float32(0)
        else:
            reach[layer, 1] = low


@fast_kernel
def _take_up(heat: NDArray[np.float32], cells: CellArrays, col: int, warm: NDArray[np.int64]) -> None:
    """Add a column to ``heat`` (channels, padded rows); ``warm`` are the rows it has reached."""
    start, row, values = cells
    first, last = start[col], start[col + 1]
    if last > first:
        warm[0], warm[1] = min(warm[0], row[first]), max(warm[1], row[last - 1] + 1)
    for ch in range(heat.shape[0]):
        for k in range(first, last):
            heat[ch, np.uint64(row[np.uint64(k)])] += min(values[np.uint64(k), ch], LARGEST)


@fast_kernel
def _fade(
    heat: NDArray[np.float32],
    warm: NDArray[np.int64],
    factor: np.float32,
    strength: np.float32,
    ceiling: np.float32,
    shown: NDArray[np.float32],
) -> None:
    """Fade the heat by one column, and set ``shown`` (layers, padded rows) to the share that is seen."""
    if heat.shape[0] == 1:
        for r in range(warm[0], warm[1]):
            at = np.uint64(r)
            left = heat[0, at] * factor
            left = left if left > FAINTEST_HEAT else np.float32(0)
            heat[0, at] = left
            shown[0, at] = min(strength * left, ceiling)
    else:
        for r in range(warm[0], warm[1]):
            at = np.uint64(r)
            short, long = heat[0, at] * factor, heat[1, at] * factor
            short = short if short > FAINTEST_HEAT else np.float32(0)
            long = long if long > FAINTEST_HEAT else np.float32(0)
            heat[0, at], heat[1, at] = short, long
            shown[0, at] = min(strength * short, ceiling)
            shown[1, at] = min(strength * long, ceiling)
            shown[2, at] = min(strength * (short + long), ceiling)


@kernel
def _reached_rows(cells: CellArrays, cols: tuple[int, int], warm: NDArray[np.int64]) -> tuple[int, int]:
    """Return the padded rows ``[low, high)`` in which heat or one of these columns lies; high is 0 if none does."""
    start, row, _ = cells
    low, high = warm[0], warm[1]
    for col in range(cols[0], cols[1]):
        if start[col + 1] > start[col]:
            low, high = min(low, row[start[col]]), max(high, row[start[col + 1] - 1] + 1)
    return low, high


@kernel
def _warm_rows(heat: NDArray[np.float32]) -> NDArray[np.int64]:
    """Return the first row and one past the last that are warm."""
    warm = np.array([heat.shape[1], 0])
    for ch in range(heat.shape[0]):
        for r in range(heat.shape[1]):
            if heat[ch, r] > np.float32(0):
                warm[0], warm[1] = min(warm[0], r), max(warm[1], r + 1)
    return warm


@entry(CELLS, SPOTS, TRAIL, LOOK, types.int64, types.int64, types.int32[:, ::1], types.uint32[:, ::1])
def paint_columns(  # noqa: C901, PLR0912 - one nest of loops
    cells: CellArrays,
    spots: SpotArrays,
    trail: TrailArrays,
    look: LookArrays,
    first_col: int,
    last_col: int,
    spans: NDArray[np.int32],
    out: NDArray[np.uint32],
) -> None:
    """Paint the columns ``[first_col, last_col)`` of the image; the first one begins a block.

    Parameters
    ----------
    cells
        ``start``, ``row`` and ``values`` of `Cells`.
    spots
        Weights by column and by row, least value of an occupied cell by padded column; see `PaintPlan`.
    trail
        Heat of padded column 0, float32 (channels, padded rows); factor, strength and ceiling.
    look
        Levels and first bucket of a `LevelTable`; colours, uint32 (shares, `LEVELS`).
    spans
        int32 (blocks, 2): see `Canvas`.
    out
        The image, row 0 the highest price.
    """
    col_weights, row_weights, _ = spots
    heat_start, factor, strength, ceiling = trail
    levels, first_bucket, colours = look
    rows, channels = out.shape[0], heat_start.shape[0]
    layers, width, margin = 2 * channels - 1, col_weights.size, row_weights.size - 1
    has_trail = factor > np.float32(0)
    last_level, steps = np.int32(levels.size - 1), np.float32(colours.shape[0] - 1)
    table = colours.reshape(-1)
    column = np.zeros((layers, rows + 3 * margin), np.float32)
    ring = np.zeros((width * layers, rows + 2 * margin), np.float32)
    reach = np.zeros((width * layers, 2), np.int64)
    shown = np.zeros((layers, rows + margin), np.float32)
    value = np.zeros((layers, rows), np.float32)
    found = np.zeros(rows, np.int32), np.zeros(rows, np.int32)
    block = np.zeros(rows * SPAN_COLS, np.uint32)
    heat = heat_start.copy()
    warm = _warm_rows(heat)
    if has_trail:
        _fade(heat, warm, np.float32(1), strength, ceiling, shown)
        for col in range(first_col + width // 2):
            _take_up(heat, cells, col, warm)
            _fade(heat, warm, factor, strength, ceiling, shown)
    for col in range(first_col, first_col + width - 1):
        _enter_column(cells, col, spots, col % width, column, ring, reach)
    for block_col in range(first_col, last_col, SPAN_COLS):
        block_end = min(block_col + SPAN_COLS, last_col)
        low, high = _reached_rows(cells, (block_col, block_end + width - 1), warm)
        # A padded row is seen in the rows from itself down to itself less the margin.
        low = max(0, low - margin)
        high = max(low, min(rows, high))
        seen = (low, high)
        for col in range(block_col, block_end):
            _enter_column(cells, col + width - 1, spots, (col + width - 1) % width, column, ring, reach)
            if has_trail:
                for layer in range(layers):
                    _spread(shown, layer, row_weights, seen, value, layer)
                _take_up(heat, cells, col + width // 2, warm)
                _fade(heat, warm, factor, strength, ceiling, shown)
            else:
                value[:, low:high] = np.float32(0)
            if high == low:
                continue
            for k in range(width):
                slot = (col + k) % width
                for layer in range(layers):
                    bottom = max(reach[slot * layers + layer, 0], low + margin)
                    count = min(reach[slot * layers + layer, 1], high + margin) - bottom
                    if count > 0:
                        at, source = (layer, bottom - margin), (slot * layers + layer, bottom)
                        _raise(value, at, ring, source, count, col_weights[k])
            find_levels(value, seen, np.int32(first_bucket), last_level, steps, found)
            colour_column(found, seen, levels, table, block[col - block_col :])
        span = spans[block_col // SPAN_COLS]
        for r in range(span[0], span[1]):
            if r < low or r >= high:
                out[rows - 1 - r, block_col:block_end] = np.uint32(0)
        write_block(block, seen, (block_col, block_end), out)
        span[0], span[1] = low, high
