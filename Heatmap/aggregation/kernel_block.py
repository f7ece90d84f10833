"""Painting the rows of a block of columns that show occupied cells, by the formula of `PaintPlan`.

Only these rows and those that they show are worked on, side by side, in arrays of one column after the other: each loop
runs over the rows of a column, or over all columns at once, and becomes vector instructions. See `kernel_bin` on loops.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from Heatmap.aggregation.kernel_jit import fast_kernel, kernel
from Heatmap.aggregation.normalization import BUCKET_SHIFT, FAINTEST_HEAT, LARGEST

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from Heatmap.aggregation.engine import CellArrays, LookArrays, SpotArrays

    Floats = NDArray[np.float32]
    Ints = NDArray[np.int32]
    Numbers = tuple[np.int32, np.int32, np.float32]

BUCKET_BITS = 16
BUCKET_MASK = (1 << BUCKET_BITS) - 1


@kernel
def find_near_rows(
    cells: CellArrays, cols: tuple[int, int], trails: tuple[Floats, np.float32], reach: int, near: Ints, index: Ints
) -> int:
    """Find the padded rows that must be computed, for they are at most ``reach`` from what does more than fade.

    That is a cell of these padded columns, or a trail at the ceiling. ``near`` gets the rows, ascending. ``index``
    (padded rows,), which is -1 before, gets where in ``near`` a row stands if such a thing lies in it or up to
    ``reach`` above: the row of the picture shows it. Return how many are near.
    """
    start, row, _ = cells
    shown, ceiling = trails
    for r in range(shown.size):
        if shown[np.uint64(r)] >= ceiling:
            index[np.uint64(r)] = np.int32(0)
    for k in range(start[cols[0]], start[cols[1]]):
        index[np.uint64(row[np.uint64(k)])] = np.int32(0)
    # The highest of them up to ``reach`` above the current row.
    count, topmost = 0, -reach - 1
    for r in range(-reach, index.size):
        if r + reach < index.size and index[np.uint64(r + reach)] == 0:
            topmost = r + reach
        if r >= 0:
            near[np.uint64(count)] = r
            index[np.uint64(r)] = count if topmost >= r else -1
            count += topmost >= r - reach
    return count


@kernel
def place_cells(cells: CellArrays, cols: tuple[int, int], index: Ints, stride: int, out: Floats) -> None:
    """Write the cells of these padded columns to ``out`` (channels, n), ``stride`` near rows a column, 0 elsewhere."""
    start, row, values = cells
    out[:, : (cols[1] - cols[0]) * stride] = np.float32(0)
    for col in range(cols[0], cols[1]):
        first = (col - cols[0]) * stride
        for k in range(start[col], start[col + 1]):
            cell = np.uint64(k)
            i = np.uint64(first + index[np.uint64(row[cell])])
            for ch in range(values.shape[1]):
                out[ch, i] = min(values[cell, ch], LARGEST)


@fast_kernel
def lifted(size: np.float32, floor: np.float32) -> np.float32:
    """Return what an occupied cell is shown as; 0 for an empty one."""
    return max(size, floor) if size > np.float32(0) else np.float32(0)


@fast_kernel
def lift(placed: Floats, first: int, stride: int, floor: np.float32, out: Floats) -> None:
    """Write one column of cells, from index ``first`` on, to ``out`` (layers, n), see `lifted`."""
    last = placed.shape[0] - 1
    for k in range(stride):
        i = np.uint64(first) + np.uint64(k)
        short, long = placed[0, i], placed[last, i]
        out[0, i] = lifted(short, floor)
        if last:
            out[1, i] = lifted(long, floor)
            out[2, i] = lifted(min(short + long, LARGEST), floor)


@kernel
def raise_to_cells(
    cells: CellArrays, cols: tuple[int, int], spots: SpotArrays, index: Ints, stride: int, own: int, out: Floats
) -> None:
    """Raise ``own`` columns of ``out`` (layers, n) to the cells of the padded columns ``cols``, spread over columns.

    The same as `place_cells`, `lift` and `spread`, at a cost by cell, not by pixel.
    """
    start, row, values = cells
    weights, _, floors, pad, _ = spots
    last = values.shape[1] - 1
    for col in range(cols[0], cols[1]):
        floor, middle = floors[col], col - cols[0] - pad
        for k in range(start[col], start[col + 1]):
            r = int(index[np.uint64(row[np.uint64(k)])])
            short, long = min(values[np.uint64(k), 0], LARGEST), min(values[np.uint64(k), last], LARGEST)
            for layer in range(out.shape[0]):
                size = short if layer == 0 else long if layer == 1 else min(short + long, LARGEST)
                if size > np.float32(0):
                    size = max(size, floor)
                    for c in range(max(0, middle - pad), min(own, middle + pad + 1)):
                        i = np.uint64(c * stride + r)
                        out[layer, i] = max(out[layer, i], weights[abs(c - middle)] * size)


@fast_kernel
def fade(heat: Floats, factor: np.float32) -> None:
    """Let heat fade, to 0 before its numbers become slow."""
    for ch in range(heat.shape[0]):
        for k in range(heat.shape[1]):
            left = heat[ch, np.uint64(k)] * factor
            heat[ch, np.uint64(k)] = left if left > FAINTEST_HEAT else np.float32(0)


@fast_kernel
def warm_columns(
    placed: Floats, at: int, powers: Floats, near: Ints, stride: int, cols: int, heat: Floats, warm: Floats
) -> None:
    """Write the heat of near rows in ``cols`` columns to ``warm`` (channels, n), and move ``heat`` on by a block.

    ``heat`` (channels, padded rows) is that of the first column, whose cells ``placed`` has from index ``at`` on.
    """
    for ch in range(heat.shape[0]):
        for i in range(stride):
            warm[ch, i] = heat[ch, near[i]] if i < near.size else np.float32(0)
        for col in range(cols):
            first, cell = np.uint64(col * stride), np.uint64(at + col * stride)
            following = first + np.uint64(stride)
            for k in range(stride):
                r = np.uint64(k)
                warm[ch, following + r] = (warm[ch, first + r] + placed[ch, cell + r]) * powers[1]
    fade(heat, powers[powers.size - 1])
    for ch in range(heat.shape[0]):
        for i in range(near.size):
            heat[ch, near[i]] = warm[ch, cols * stride + i]


@fast_kernel
def _raise_to_three(
    source: Floats,
    middle: int,
    away: tuple[int, int, int],
    weights: tuple[np.float32, np.float32, np.float32],
    count: int,
    target: Floats,
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
def spread(source: Floats, middle: int, step: int, weights: Floats, count: int, out: Floats) -> None:
    """Raise the first ``count`` values of ``out`` (layers, n) to the weighted values of ``source`` around each.

    ``middle`` is the index of the first one's own; ``weights`` are those of the distances 0, 1, 2 ... times ``step``,
    three at a time: so a value is loaded and stored once for six others. A distance beyond ``middle`` has the weight 0.
    """
    d = 0
    # Not ``for``: LLVM would look at both loops at once, and vectorise neither.
    while d < weights.size:
        away = d * step, min((d + 1) * step, middle), min((d + 2) * step, middle)
        _raise_to_three(source, middle, away, (weights[d], weights[d + 1], weights[d + 2]), count, out)
        d += 3


@fast_kernel
def show_trails(heat: Floats, strength: np.float32, ceiling: np.float32, count: int, out: Floats) -> None:
    """Write the trails of the first ``count`` of ``heat`` (channels, n) to ``out`` (layers, n)."""
    for ch in range(heat.shape[0]):
        for k in range(count):
            out[ch, np.uint64(k)] = min(strength * heat[ch, np.uint64(k)], ceiling)
    if heat.shape[0] > 1:
        for k in range(count):
            i = np.uint64(k)
            out[2, i] = min(strength * (heat[0, i] + heat[1, i]), ceiling)


@fast_kernel
def find(short: np.float32, long: np.float32, size: np.float32, scale: Numbers) -> np.int32:
    """Return the bucket of ``size``, and from bit `BUCKET_BITS` on the share of ``long`` in both sides, 0 to ``steps``.

    ``scale``: first bucket, number of the last one, steps.
    """
    first, last, steps = scale
    bucket = np.int32((np.float32(size).view(np.int32) >> np.int32(BUCKET_SHIFT)) - first)
    # Where both are 0 the level is 0 and any share will do.
    share = np.int32(long / max(short + long, np.float32(1e-37)) * steps + np.float32(0.5))
    return np.int32(min(max(bucket, np.int32(0)), last) | share << np.int32(BUCKET_BITS))


@fast_kernel
def look_up(value: Floats, count: int, scale: Numbers, found: Ints) -> None:
    """Write what `find` returns for the first ``count`` of ``value`` (layers, n) to ``found`` (n,)."""
    last = value.shape[0] - 1
    for k in range(count):
        i = np.uint64(k)
        found[i] = find(value[0, i], value[min(last, 1), i], value[last, i], scale)


@kernel
def colour_of(found: np.int32, look: LookArrays) -> np.uint32:
    """Return the colour of what `find` returned."""
    levels, _, colours = look
    bits = np.uint32(found)
    return np.uint32(colours[bits >> np.uint32(BUCKET_BITS), np.uint32(levels[bits & np.uint32(BUCKET_MASK)])])
