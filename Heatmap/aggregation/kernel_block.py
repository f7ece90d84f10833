"""Painting the rows of a block of 16 columns that show occupied cells, by the formula of `PaintPlan`.

Only these rows and those that they show are worked on, side by side in arrays of their own, 16 columns a row: long
loops, which become vector instructions. See `kernel_bin` on loops.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from Heatmap.aggregation.kernel_jit import fast_kernel, kernel
from Heatmap.aggregation.normalization import BUCKET_SHIFT, LARGEST, LEVELS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from Heatmap.aggregation.engine import CellArrays, LookArrays, SpotArrays

BLOCK_COLS = 16

BUCKET_BITS = 16
BUCKET_MASK = (1 << BUCKET_BITS) - 1


@kernel
def find_near_rows(
    cells: CellArrays,
    cols: tuple[int, int],
    trails: tuple[NDArray[np.float32], np.float32],
    reach: int,
    near: NDArray[np.int32],
    index: NDArray[np.int32],
) -> int:
    """Find the padded rows that must be computed, for they are at most ``reach`` from what does more than fade.

    That is a cell of these padded columns, or a trail at the ceiling. ``near`` gets the rows, ascending. ``index``
    (padded rows,), which is -1 before, gets where in ``near`` a row stands if such a thing lies in it or up to
    ``reach`` above: the row of the picture shows it. Return how many are near.
    """
    start, row, _ = cells
    shown, ceiling = trails
    low, high = index.size, 0
    for r in range(shown.size):
        if shown[np.uint64(r)] >= ceiling:
            index[r] = np.int32(0)
            low, high = min(low, r), r + 1
    for col in range(cols[0], cols[1]):
        for k in range(start[col], start[col + 1]):
            index[np.uint64(row[np.uint64(k)])] = np.int32(0)
        if start[col + 1] > start[col]:
            low, high = min(low, row[start[col]]), max(high, row[start[col + 1] - 1] + 1)
    first, last = max(0, low - reach), min(index.size, high + reach)
    # The highest of them up to ``reach`` above the current row.
    count, topmost = 0, -reach - 1
    for r in range(first, min(first + reach, index.size)):
        topmost = r if index[np.uint64(r)] == 0 else topmost
    for r in range(first, last):
        if r + reach < index.size and index[np.uint64(r + reach)] == 0:
            topmost = r + reach
        near[np.uint64(count)] = r
        index[np.uint64(r)] = count if topmost >= r else -1
        count += topmost >= r - reach
    return count


@kernel
def place_cells(cells: CellArrays, cols: tuple[int, int], index: NDArray[np.int32], warm: NDArray[np.float32]) -> None:
    """Write the cells of a block, its padded columns ``cols``, to ``warm`` (channels, near rows * 16), 0 before."""
    start, row, values = cells
    for col in range(cols[0], cols[1]):
        own = col - cols[0]
        for k in range(start[col], start[col + 1]):
            cell = np.uint64(k)
            i = np.uint64(index[np.uint64(row[cell])] * BLOCK_COLS + own)
            for ch in range(values.shape[1]):
                warm[ch, i] = min(values[cell, ch], LARGEST)


@fast_kernel
def warm_rows(
    rows: NDArray[np.int32],
    powers: NDArray[np.float32],
    heat: NDArray[np.float32],
    heat_behind: NDArray[np.float32],
    warm: NDArray[np.float32],
) -> None:
    """Replace the cells of near rows, from `place_cells`, by the heat of each column.

    ``heat`` (channels, padded rows) is that of the first column, ``heat_behind`` becomes that of the first one behind.
    """
    factor, last = powers[1], heat.shape[0] - 1
    for i in range(rows.size):
        r, first = np.uint64(rows[np.uint64(i)]), np.uint64(i * BLOCK_COLS)
        short, long = heat[0, r], heat[last, r]
        for k in range(BLOCK_COLS):
            c = first + np.uint64(k)
            cell = warm[last, c]
            warm[last, c] = long
            long = (long + cell) * factor
            if last:
                cell = warm[0, c]
                warm[0, c] = short
                short = (short + cell) * factor
        heat_behind[0, r] = short
        heat_behind[last, r] = long


@kernel
def _larger_side(values: NDArray[np.float32], cell: int) -> int:
    """Return the channel with more: without a branch, for which side an event is on cannot be predicted."""
    return int(values[cell, values.shape[1] - 1] > values[cell, 0])


@fast_kernel
def _raise_row(
    near: NDArray[np.float32],
    layer: int,
    first: int,
    span: tuple[int, int],
    weights: tuple[NDArray[np.float32], int],
    size: np.float32,
) -> None:
    """Raise the columns ``span`` of a near row to a cell; the weights come with the index of column 0's."""
    spread, shift = weights
    for c in range(span[0], span[1]):
        i = np.uint64(first) + np.uint64(c)
        near[layer, i] = max(near[layer, i], spread[np.uint64(shift + c)] * size)


@kernel
def raise_to_spots(
    cells: CellArrays, spots: SpotArrays, first_col: int, index: NDArray[np.int32], near: NDArray[np.float32], at: int
) -> None:
    """Raise the near rows of a block to the cells that reach it, spread over the columns.

    ``near`` (layers, n) has 16 columns a row from index ``at`` on. The third layer has the cells with events of both
    sides.
    """
    start, row, values = cells
    spread, _, floors, pad, _ = spots
    last = values.shape[1] - 1
    for col in range(min(BLOCK_COLS + 2 * pad, start.size - 1 - first_col)):
        floor, span = floors[first_col + col], (max(0, col - 2 * pad), min(BLOCK_COLS, col + 1))
        weights = spread, 2 * pad - col
        for k in range(start[first_col + col], start[first_col + col + 1]):
            cell = np.uint64(k)
            first, larger = at + index[np.uint64(row[cell])] * BLOCK_COLS, _larger_side(values, k)
            size, other = values[cell, larger], values[cell, last - larger]
            if size > np.float32(0):
                _raise_row(near, larger, first, span, weights, min(max(size, floor), LARGEST))
            if last and min(size, other) > np.float32(0):
                _raise_row(near, 1 - larger, first, span, weights, min(max(other, floor), LARGEST))
                total = min(size, LARGEST) + min(other, LARGEST)
                _raise_row(near, 2, first, span, weights, min(max(total, floor), LARGEST))


@fast_kernel
def _raise_to_three(
    target: NDArray[np.float32],
    source: NDArray[np.float32],
    middle: int,
    away: tuple[int, int, int],
    weights: tuple[np.float32, np.float32, np.float32],
    count: int,
) -> None:
    near, far, farther = np.uint64(away[0]), np.uint64(away[1]), np.uint64(away[2])
    one, two, three = weights
    for layer in range(target.shape[0]):
        for k in range(count):
            at, i = np.uint64(k), np.uint64(middle) + np.uint64(k)
            target[layer, at] = max(
                target[layer, at],
                one * max(source[layer, i - near], source[layer, i + near]),
                two * max(source[layer, i - far], source[layer, i + far]),
                three * max(source[layer, i - farther], source[layer, i + farther]),
            )


@fast_kernel
def spread_rows(
    source: NDArray[np.float32],
    middle: int,
    step: int,
    weights: NDArray[np.float32],
    count: int,
    out: NDArray[np.float32],
) -> None:
    """Set ``count`` values of ``out`` (layers, n) to the largest weighted value of ``source`` around each.

    ``middle`` is the index of the first one's own; ``weights`` are those of the distances 0, 1, 2 ... times ``step``,
    three at a time: so a value is loaded and stored once for six others.
    """
    out[:, :count] = np.float32(0)
    d = 0
    # Not ``for``: LLVM would look at both loops at once, and vectorise neither.
    while d < weights.size:
        away = d * step, (d + 1) * step, (d + 2) * step
        _raise_to_three(out, source, middle, away, (weights[d], weights[d + 1], weights[d + 2]), count)
        d += 3


@fast_kernel
def show_trails(
    heat: NDArray[np.float32], strength: np.float32, ceiling: np.float32, count: int, out: NDArray[np.float32], at: int
) -> None:
    """Write the trails of the first ``count`` of ``heat`` (channels, n) to ``out`` (layers, n) from index ``at`` on."""
    for ch in range(heat.shape[0]):
        for k in range(count):
            out[ch, np.uint64(at) + np.uint64(k)] = min(strength * heat[ch, np.uint64(k)], ceiling)
    if heat.shape[0] > 1:
        for k in range(count):
            i = np.uint64(k)
            out[2, np.uint64(at) + i] = min(strength * (heat[0, i] + heat[1, i]), ceiling)


@fast_kernel
def look_up(
    value: NDArray[np.float32],
    count: int,
    bounds: tuple[np.int32, np.int32],
    steps: np.float32,
    found: NDArray[np.int32],
) -> None:
    """Write to ``found`` (n,) the bucket of the largest of the first ``count`` of ``value`` (layers, n), and its share.

    ``bounds``: first bucket, and the number of the last one. The share, 0 to ``steps``, is that of the second layer in
    the first two; it stands in the bits above `BUCKET_BITS`.
    """
    first, last = bounds
    shift, none, half, tiny = np.int32(BUCKET_SHIFT), np.int32(0), np.float32(0.5), np.float32(1e-37)
    if value.shape[0] == 1:
        for k in range(count):
            bits = np.float32(value[0, np.uint64(k)]).view(np.int32)
            found[np.uint64(k)] = min(max(np.int32((bits >> shift) - first), none), last)
    else:
        for k in range(count):
            i = np.uint64(k)
            short, long = value[0, i], value[1, i]
            bits = np.float32(max(short, long, value[2, i])).view(np.int32)
            # Where both are 0 the level is 0 and any share will do.
            share = np.int32(long / max(short + long, tiny) * steps + half)
            found[i] = min(max(np.int32((bits >> shift) - first), none), last) | share << np.int32(BUCKET_BITS)


@kernel
def write_row(
    found: NDArray[np.int32], at: int, look: LookArrays, pixels: NDArray[np.uint32], to: int, count: int
) -> None:
    """Write the colours of ``count`` entries of ``found``, from index ``at`` on; see `look_up`."""
    levels, _, colours = look
    table = colours.reshape(-1)
    for k in range(count):
        bits = np.uint32(found[np.uint64(at) + np.uint64(k)])
        level = np.uint32(levels[bits & np.uint32(BUCKET_MASK)])
        pixels[np.uint64(to) + np.uint64(k)] = table[(bits >> np.uint32(BUCKET_BITS)) * np.uint32(LEVELS) | level]
