"""Painting: the occupied cells to pixels, by the formula of `PaintPlan`, in blocks of some columns.

Rows of a block that show occupied cells are computed by `kernel_block`. All others only fade: such a row follows a line
of colours, made beforehand, from the column on where nothing reaches it any more, and is written at once up to where
something does again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numba import types

from Heatmap.aggregation.kernel_bin import CELLS
from Heatmap.aggregation.kernel_block import (
    BUCKET_BITS,
    BUCKET_MASK,
    colour_of,
    fade,
    find,
    find_near_rows,
    lift,
    lifted,
    look_up,
    place_cells,
    raise_to_cells,
    show_trails,
    spread,
    warm_columns,
)
from Heatmap.aggregation.kernel_jit import COLOURS_IN, FLOAT32_IN, INT32_IN, UINT8_IN, entry, group, kernel
from Heatmap.aggregation.normalization import LARGEST

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from Heatmap.aggregation.engine import CellArrays, FadingArrays, LookArrays, SpotArrays, TrailArrays

    Floats = NDArray[np.float32]
    Ints = NDArray[np.int32]
    Longs = NDArray[np.int64]
    Colours = NDArray[np.uint32]

_FLOATS_IN = types.Array(types.float32, 2, "C", readonly=True)
SPOTS = group(FLOAT32_IN, FLOAT32_IN, FLOAT32_IN, types.int64, types.int64)
TRAIL = group(_FLOATS_IN, FLOAT32_IN, types.float32, types.float32)
LINES = types.Array(types.uint32, 3, "C", readonly=True)
FADING = group(INT32_IN, types.int64, LINES, types.int64)
LOOK = group(UINT8_IN, types.int64, COLOURS_IN)

# Up to so many pixels for a cell it costs less to raise all of them at once.
_SPARSE = 12


@kernel
def _heat_at(cells: CellArrays, trail: TrailArrays, col: int) -> Floats:
    """Return the heat of a padded column, float32 (channels, padded rows): of each cell before it in closed form."""
    start, row, values = cells
    heat_start, powers, _, _ = trail
    factor, left = float(powers[1]), 1.0
    heat = np.zeros((heat_start.shape[0], heat_start.shape[1]), np.float32)
    for before in range(col - 1, -1, -1):
        left *= factor
        for k in range(start[before], start[before + 1]):
            for ch in range(values.shape[1]):
                heat[ch, row[k]] += min(values[k, ch], LARGEST) * np.float32(left)
    for ch in range(heat.shape[0]):
        for r in range(heat.shape[1]):
            heat[ch, r] += heat_start[ch, r] * np.float32(left)
    fade(heat, np.float32(1))
    return heat


@kernel
def _begin_lines(rows: Ints, index: Ints, found: Ints, fading: FadingArrays, col: int, lines_of: Longs) -> None:
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
def _end_line(row: int, fading: FadingArrays, col: int, lines_of: Longs, out: Colours) -> None:
    """Write the pixels of a row from where it began to follow a line up to this column."""
    _, _, lines, repeat = fading
    first, at = lines_of[0, row], lines_of[1, row]
    line, begin = at // lines.shape[2], at % lines.shape[2]
    share, phase = np.uint64(line // lines.shape[1]), np.uint64(line % lines.shape[1])
    to, pixel = np.uint64(out.shape[0] - 1 - row), np.uint64(first)
    # Behind its end a line is transparent.
    count, done = col - first, min(col - first, (lines.shape[2] - begin) * repeat)
    if repeat == 1:
        for k in range(done):
            out[to, pixel + np.uint64(k)] = lines[share, phase, np.uint64(begin) + np.uint64(k)]
    else:
        for start in range(0, done, repeat):
            for k in range(start, min(start + repeat, done)):
                out[to, pixel + np.uint64(k)] = lines[share, phase, np.uint64(begin)]
            begin += 1
    for k in range(done, count):
        out[to, pixel + np.uint64(k)] = np.uint32(0)
    lines_of[0, row] = -1


@kernel
def _write_rows(
    near: Ints,
    index: Ints,
    found: Ints,
    cols: tuple[int, int, int],
    fading: FadingArrays,
    look: LookArrays,
    lines_of: Longs,
    out: Colours,
) -> None:
    """Write what `look_up` found, and what lies before where a line ends; ``cols``: block, its columns, stride."""
    block, count, stride = cols
    for i in range(near.size):
        row = int(near[i])
        if row < out.shape[0] and index[row] >= 0:
            if lines_of[0, row] >= 0:
                _end_line(row, fading, block, lines_of, out)
            to = np.uint64(out.shape[0] - 1 - row)
            for k in range(count):
                out[to, np.uint64(block) + np.uint64(k)] = colour_of(found[np.uint64(k * stride + i)], look)


@entry(CELLS, FLOAT32_IN, LOOK, types.int64, types.int64, types.Array(types.uint32, 2, "A"))
def paint_cells(
    cells: CellArrays, floors: Floats, look: LookArrays, first_col: int, last_col: int, out: Colours
) -> None:
    """Paint the columns ``[first_col, last_col)`` of an image without spots and trails: each cell is one pixel.

    ``out`` is transparent before, its row 0 the lowest price. All else is as for `paint_columns`.
    """
    start, row, values = cells
    levels, first_bucket, colours = look
    last = values.shape[1] - 1
    scale = np.int32(first_bucket), np.int32(levels.size - 1), np.float32(colours.shape[0] - 1)
    for col in range(first_col, last_col):
        floor = floors[col]
        for k in range(start[col], start[col + 1]):
            cell = np.uint64(k)
            short, long = min(values[cell, 0], LARGEST), min(values[cell, last], LARGEST)
            size = min(short + long, LARGEST) if last else short
            if size > np.float32(0):
                found = find(lifted(short, floor), lifted(long, floor), lifted(size, floor), scale)
                out[np.uint64(row[cell]), np.uint64(col)] = colour_of(found, look)


@entry(CELLS, SPOTS, TRAIL, FADING, LOOK, types.int64, types.int64, types.uint32[:, ::1])
def paint_columns(  # noqa: PLR0915 - the order of the work in one place
    cells: CellArrays,
    spots: SpotArrays,
    trail: TrailArrays,
    fading: FadingArrays,
    look: LookArrays,
    first_col: int,
    last_col: int,
    out: Colours,
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
        Heat of padded column 0, float32 (channels, padded rows); what is left of it 0, 1, 2 ... columns on, up to
        as many as a block has, 0 from 1 on for no trail; strength and ceiling.
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
    levels, first_bucket, colours = look
    (rows, width), (channels, padded), block_cols = out.shape, heat_start.shape, powers.size - 1
    layers, reach = 2 * channels - 1, 2 * pad_rows
    # A column has as many values as there are near rows, and up to 7 more.
    most, padding = (padded + 7) * block_cols, 2 * pad_cols * (padded + 7)
    placed, sources = np.empty((channels, most + padding), np.float32), np.empty((layers, most + padding), np.float32)
    sums, value = np.zeros((layers, most + reach), np.float32), np.empty((layers, most), np.float32)
    found, warm = np.empty(most, np.int32), np.empty((channels, most + padded + 7), np.float32)
    seen, trails = np.zeros((layers, padded), np.float32), np.empty((layers, rows), np.float32)
    found_trails = np.zeros(padded, np.int32)
    near, before, index = np.empty(padded + 1, np.int32), np.empty(padded + 1, np.int32), np.full(padded, np.int32(-1))
    lines_of = np.full((2, rows), -1)
    # Before the first block, every row is one that nothing reaches any more.
    for r in range(padded + 1):
        before[r] = r
    size_before = rows
    has_trail = powers[1] > np.float32(0)
    heat = _heat_at(cells, trail, first_col + pad_cols) if has_trail else np.zeros((channels, padded), np.float32)
    scale = np.int32(first_bucket), np.int32(levels.size - 1), np.float32(colours.shape[0] - 1)
    line_scale = np.int32(first_position), np.int32(positions.size - 1), np.float32(lines.shape[0] - 1)
    for block in range(first_col, last_col, block_cols):
        if has_trail:
            show_trails(heat, strength, ceiling, padded, seen)
            trails[:] = np.float32(0)
            spread(seen, pad_rows, 1, row_weights, rows, trails)
            look_up(trails, rows, line_scale, found_trails)
        own = min(block_cols, width - block)
        reaching = block, block + own + 2 * pad_cols
        size = find_near_rows(cells, reaching, (seen[layers - 1], ceiling), reach, near, index)
        _begin_lines(before[:size_before], index, found_trails, fading, block, lines_of)
        stride = (size + 7) // 8 * 8
        count = own * stride
        is_sparse = (cells[0][reaching[1]] - cells[0][block]) * _SPARSE < count
        if has_trail or not is_sparse:
            place_cells(cells, reaching, index, stride, placed)
        if has_trail:
            warm_columns(placed, pad_cols * stride, powers, near[:size], stride, own, heat, warm)
            show_trails(warm, strength, ceiling, count, sums)
        else:
            sums[:, :count] = np.float32(0)
        if is_sparse:
            raise_to_cells(cells, reaching, spots, index, stride, own, sums)
        else:
            for col in range(own + 2 * pad_cols):
                lift(placed, col * stride, stride, floors[block + col], sources)
            spread(sources, pad_cols * stride, stride, col_weights, count, sums)
        value[:, :count] = np.float32(0)
        spread(sums, pad_rows, 1, row_weights, count, value)
        look_up(value, count, scale, found)
        cols = block, min(own, last_col - block), stride
        _write_rows(near[:size], index, found, cols, fading, look, lines_of, out)
        index[near[:size]] = np.int32(-1)
        near, before, size_before = before, near, size
    for row in range(rows):
        if lines_of[0, row] >= 0:
            _end_line(row, fading, last_col, lines_of, out)
