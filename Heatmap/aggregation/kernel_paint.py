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
    compute_block,
    find_near_rows,
    look_up,
    place_cells,
    raise_values,
    show_trails,
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
def _fade(heat: NDArray[np.float32], factor: np.float32) -> None:
    """Fade heat, to 0 before its numbers become slow."""
    for k in range(heat.size):
        left = heat[np.uint64(k)] * factor
        heat[np.uint64(k)] = left if left > FAINTEST_HEAT else np.float32(0)


@kernel
def _rounded(count: int) -> int:
    """Return the next multiple of 64: what vector instructions work on at once."""
    return (count + 63) // 64 * 64


@kernel
def _add_heat(cells: CellArrays, trail: TrailArrays, col: int, heat: NDArray[np.float32]) -> None:
    """Add the heat of a padded column to ``heat`` (channels, n), each cell of an earlier column once."""
    start, row, values = cells
    heat_start, powers, _, _ = trail
    channels, padded = heat_start.shape
    size, factor = heat.size // channels, float(powers[1])
    for ch in range(channels):
        for r in range(padded):
            heat[ch * size + r] += heat_start[ch, r] * np.float32(factor**col)
    for before in range(col):
        weight = np.float32(factor ** (col - before))
        for k in range(start[before], start[before + 1]):
            for ch in range(channels):
                heat[ch * size + row[k]] += min(values[k, ch], LARGEST) * weight


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
def paint_columns(  # noqa: C901, PLR0912 - the order of the work in one place
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
        Weights of the distances 0, 1, 2 ... by column and by row, their number a multiple of three; least value of an
        occupied cell by padded column; padding on each side, columns and rows. See `PaintPlan`.
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
    col_weights, row_weights, floors, pad_cols, pad_rows = spots
    heat_start, powers, strength, ceiling = trail
    positions, first_position, lines, _ = fading
    (rows, width), (channels, padded) = out.shape, heat_start.shape
    layers, cols, reach, margin = (
        2 * channels - 1,
        BLOCK_COLS + 2 * (col_weights.size - 1),
        2 * pad_rows,
        row_weights.size - 1,
    )
    most = _rounded(padded)
    lifted, own = np.empty(cols * layers * most, np.float32), np.empty(BLOCK_COLS * channels * most, np.float32)
    sums, value = np.zeros(layers * most + 2 * margin + reach, np.float32), np.zeros(layers * most, np.float32)
    found, found_trails = np.zeros(BLOCK_COLS * most, np.int32), np.zeros(most, np.int32)
    heat, warm = np.zeros(channels * most, np.float32), np.zeros(channels * most, np.float32)
    near, before, index = np.empty(padded + 1, np.int32), np.empty(padded + 1, np.int32), np.full(padded, np.int32(-1))
    lines_of = np.full((2, rows), -1)
    # Before the first block, every row is one that nothing reaches any more.
    before[:] = np.arange(padded + 1)
    size_before = rows
    has_trail = powers[1] > np.float32(0)
    if has_trail:
        _add_heat(cells, trail, first_col + pad_cols, heat)
    bounds = np.int32(first_position), np.int32(positions.size - 1)
    for block in range(first_col, last_col, BLOCK_COLS):
        if has_trail:
            show_trails(heat, strength, ceiling, most, sums[margin:])
            value[:] = np.float32(0)
            raise_values(value, sums, margin + pad_rows, 1, row_weights, layers * most)
            look_up(value, most, layers, bounds, np.float32(lines.shape[0] - 1), found_trails)
        reaching = block, min(block + BLOCK_COLS + 2 * pad_cols, width + 2 * pad_cols)
        strongest = sums[margin + (layers - 1) * most :][:padded]
        size = find_near_rows(cells, reaching, (strongest, ceiling), reach, near, index)
        _begin_lines(before[:size_before], index, found_trails, fading, block, lines_of)
        if size > 0:
            n = _rounded(size)
            for ch in range(channels):
                for i in range(size):
                    warm[ch * n + i] = heat[ch * most + near[i]]
            lifted[: cols * layers * n] = np.float32(0)
            own[: BLOCK_COLS * channels * n] = np.float32(0)
            place_cells(
                cells, floors, block, pad_cols, index, n, lifted[(col_weights.size - 1 - pad_cols) * layers * n :], own
            )
            compute_block(lifted, own, warm[: channels * n], spots, trail, look, (sums, value), found[: BLOCK_COLS * n])
        for i in range(size):
            row = int(near[i])
            if row < rows and index[row] >= 0:
                if lines_of[0, row] >= 0:
                    _end_line(row, fading, block, lines_of, out)
                to, count = (rows - 1 - row) * width + block, min(BLOCK_COLS, last_col - block)
                write_row(found[: BLOCK_COLS * n], i, look, out.reshape(-1), to, count)
        if has_trail:
            _fade(heat, powers[BLOCK_COLS])
            for ch in range(channels):
                for i in range(size):
                    heat[ch * most + near[i]] = warm[ch * n + i]
        index[near[:size]] = np.int32(-1)
        near, before, size_before = before, near, size
    for row in range(rows):
        if lines_of[0, row] >= 0:
            _end_line(row, fading, last_col, lines_of, out)
