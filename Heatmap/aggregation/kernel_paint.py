"""Painting: the occupied cells to pixels, by the formula of `PaintPlan`, in blocks of 16 columns.

Rows of a block that show occupied cells are computed by `kernel_block`. All others only fade: such a row follows a line
of colours, made beforehand, from the column on where nothing reaches it any more, and is written at once up to where
something does again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numba import types

from Heatmap.aggregation.kernel_block import (
    BLOCK_COLS,
    BUCKET_BITS,
    BUCKET_MASK,
    find_near_rows,
    look_up,
    place_cells,
    raise_to_spots,
    show_trails,
    spread_rows,
    warm_rows,
    write_row,
)
from Heatmap.aggregation.kernel_jit import COLOURS_IN, FLOAT32_IN, INT64_IN, UINT8_IN, entry, fast_kernel, group, kernel
from Heatmap.aggregation.normalization import FAINTEST_HEAT, LARGEST

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from Heatmap.aggregation.engine import CellArrays, FadingArrays, LookArrays, SpotArrays, TrailArrays

_FLOATS_IN = types.Array(types.float32, 2, "C", readonly=True)
CELLS = group(INT64_IN, types.Array(types.int32, 1, "C", readonly=True), _FLOATS_IN)
SPOTS = group(FLOAT32_IN, FLOAT32_IN, FLOAT32_IN, types.int64, types.int64)
TRAIL = group(_FLOATS_IN, FLOAT32_IN, types.float32, types.float32)
LINES = types.Array(types.uint32, 3, "C", readonly=True)
FADING = group(types.Array(types.int32, 1, "C", readonly=True), types.int64, LINES, types.int64)
LOOK = group(UINT8_IN, types.int64, COLOURS_IN)


@fast_kernel
def _fade(heat: NDArray[np.float32], factor: np.float32, out: NDArray[np.float32]) -> None:
    """Write faded heat to ``out``, 0 before its numbers become slow."""
    for ch in range(heat.shape[0]):
        for k in range(heat.shape[1]):
            left = heat[ch, np.uint64(k)] * factor
            out[ch, np.uint64(k)] = left if left > FAINTEST_HEAT else np.float32(0)


@kernel
def _heat_at(cells: CellArrays, trail: TrailArrays, col: int) -> NDArray[np.float32]:
    """Return the heat of a padded column, float32 (channels, padded rows): of each cell before it in closed form."""
    start, row, values = cells
    heat_start, powers, _, _ = trail
    factor = float(powers[1])
    heat = heat_start * np.float32(factor**col)
    for before in range(col):
        weight = np.float32(factor ** (col - before))
        for k in range(start[before], start[before + 1]):
            for ch in range(values.shape[1]):
                heat[ch, row[k]] += min(values[k, ch], LARGEST) * weight
    _fade(heat, np.float32(1), heat)
    return heat


@kernel
def _begin_lines(
    rows: NDArray[np.int32],
    index: NDArray[np.int32],
    found: NDArray[np.int32],
    fading: FadingArrays,
    col: int,
    lines_of: NDArray[np.int64],
) -> None:
    """Let those of these rows that nothing reaches any more follow a line from this column on.

    ``found``, from `look_up`, says where the trail of each padded row begins. ``lines_of`` (2, rows): the column from
    which on a row of the picture follows a line, -1 if none; and from where in the lines.
    """
    positions, _, lines, _ = fading
    for i in range(rows.size):
        row = np.uint64(rows[np.uint64(i)])
        if row < np.uint64(lines_of.shape[1]) and lines_of[0, row] < 0 and index[row] < 0:
            bits = np.uint32(found[row])
            line = int(bits >> np.uint32(BUCKET_BITS)) * lines.shape[1] * lines.shape[2]
            lines_of[0, row], lines_of[1, row] = col, line + positions[bits & np.uint32(BUCKET_MASK)]


@kernel
def _end_line(row: int, fading: FadingArrays, col: int, lines_of: NDArray[np.int64], out: NDArray[np.uint32]) -> None:
    """Write the pixels of a row from where it began to follow a line up to this column."""
    _, _, lines, repeat = fading
    first, at = lines_of[0, row], lines_of[1, row]
    pixels, to = out.reshape(-1), np.uint64((out.shape[0] - 1 - row) * out.shape[1] + first)
    source, end = lines.reshape(-1), (at // lines.shape[2] + 1) * lines.shape[2]
    # Behind its end a line is transparent.
    count, done = col - first, min(col - first, (end - at) * repeat)
    if repeat == 1:
        for k in range(done):
            pixels[to + np.uint64(k)] = source[np.uint64(at) + np.uint64(k)]
    else:
        for start in range(0, done, repeat):
            for k in range(start, min(start + repeat, done)):
                pixels[to + np.uint64(k)] = source[np.uint64(at)]
            at += 1
    for k in range(done, count):
        pixels[to + np.uint64(k)] = np.uint32(0)
    lines_of[0, row] = -1


@entry(CELLS, SPOTS, TRAIL, FADING, LOOK, types.int64, types.int64, types.uint32[:, ::1])
def paint_columns(  # noqa: PLR0915 - the order of the work in one place
    cells: CellArrays,
    spots: SpotArrays,
    trail: TrailArrays,
    fading: FadingArrays,
    look: LookArrays,
    first_col: int,
    last_col: int,
    out: NDArray[np.uint32],
) -> None:
    """Paint the columns ``[first_col, last_col)`` of the image.

    Parameters
    ----------
    cells
        ``start``, ``row`` and ``values`` of `Cells`.
    spots
        Weights by column; weights of the distances 0, 1, 2 ... by row, their number a multiple of three; least value of
        an occupied cell by padded column; padding on each side, columns and rows. See `PaintPlan`.
    trail
        Heat of padded column 0, float32 (channels, padded rows); what is left of it 0 to 16 columns on, 0 from 1 on for
        no trail; strength and ceiling.
    fading
        Trails that nothing reaches, strongest first; see `fading_tables`.
    look
        Levels and first bucket of a `LevelTable`; colours, uint32 (shares, `LEVELS`).
    out
        The image, row 0 the highest price.
    """
    _, row_weights, _, pad_cols, pad_rows = spots
    heat_start, powers, strength, ceiling = trail
    positions, first_position, lines, _ = fading
    levels, first_bucket, colours = look
    (rows, width), (channels, padded) = out.shape, heat_start.shape
    layers, reach, pixels = 2 * channels - 1, 2 * pad_rows, out.reshape(-1)
    # As many rows before the first one as `spread_rows` may look at.
    margin = row_weights.size - 1
    first = margin * BLOCK_COLS
    sums = np.zeros((layers, (padded + 2 * margin + reach) * BLOCK_COLS), np.float32)
    warm = np.empty((channels, padded * BLOCK_COLS), np.float32)
    value, found = np.empty((layers, padded * BLOCK_COLS), np.float32), np.zeros(padded * BLOCK_COLS, np.int32)
    seen, trails = np.zeros((layers, padded + 2 * margin + reach), np.float32), np.empty((layers, padded), np.float32)
    found_trails = np.zeros(padded, np.int32)
    near, before, index = np.empty(padded + 1, np.int32), np.empty(padded + 1, np.int32), np.full(padded, np.int32(-1))
    lines_of = np.full((2, rows), -1)
    # Before the first block, every row is one that nothing reaches any more.
    before[:] = np.arange(padded + 1)
    size_before = rows
    has_trail = powers[1] > np.float32(0)
    heat = _heat_at(cells, trail, first_col + pad_cols) if has_trail else np.zeros((channels, padded), np.float32)
    heat_behind = np.zeros((channels, padded), np.float32)
    bounds = np.int32(first_bucket), np.int32(levels.size - 1)
    line_bounds = np.int32(first_position), np.int32(positions.size - 1)
    for block in range(first_col, last_col, BLOCK_COLS):
        if has_trail:
            show_trails(heat, strength, ceiling, padded, seen, margin)
            spread_rows(seen, margin + pad_rows, 1, row_weights, rows, trails)
            look_up(trails, rows, line_bounds, np.float32(lines.shape[0] - 1), found_trails)
        reaching = block, min(block + BLOCK_COLS + 2 * pad_cols, width + 2 * pad_cols)
        size = find_near_rows(
            cells, reaching, (seen[layers - 1, margin : margin + padded], ceiling), reach, near, index
        )
        _begin_lines(before[:size_before], index, found_trails, fading, block, lines_of)
        count, own = size * BLOCK_COLS, (block + pad_cols, min(block + BLOCK_COLS, width) + pad_cols)
        if has_trail:
            warm[:, :count] = np.float32(0)
            place_cells(cells, own, index, warm)
            _fade(heat, powers[BLOCK_COLS], heat_behind)
            warm_rows(near[:size], powers, heat, heat_behind, warm)
            heat, heat_behind = heat_behind, heat
            show_trails(warm, strength, ceiling, count, sums, first)
        else:
            sums[:, first : first + count] = np.float32(0)
        raise_to_spots(cells, spots, block, index, sums, first)
        spread_rows(sums, first + pad_rows * BLOCK_COLS, BLOCK_COLS, row_weights, count, value)
        look_up(value, count, bounds, np.float32(colours.shape[0] - 1), found)
        for i in range(size):
            row = int(near[i])
            if row < rows and index[row] >= 0:
                if lines_of[0, row] >= 0:
                    _end_line(row, fading, block, lines_of, out)
                to = (rows - 1 - row) * width + block
                write_row(found, i * BLOCK_COLS, look, pixels, to, min(BLOCK_COLS, last_col - block))
        index[near[:size]] = np.int32(-1)
        near, before, size_before = before, near, size
    for row in range(rows):
        if lines_of[0, row] >= 0:
            _end_line(row, fading, last_col, lines_of, out)
