"""Painting the rows of a block of 16 columns that show occupied cells, by the formula of `PaintPlan`.

Only these rows and those that they show are worked on, side by side in arrays of their own: long loops, which become
vector instructions. See `kernel_bin` on loops.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from Heatmap.aggregation.kernel_jit import fast_kernel, kernel
from Heatmap.aggregation.normalization import BUCKET_SHIFT, FAINTEST_HEAT, LARGEST, LEVELS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from Heatmap.aggregation.engine import CellArrays, LookArrays, SpotArrays, TrailArrays

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
def place_cells(
    cells: CellArrays,
    floors: NDArray[np.float32],
    first_col: int,
    pad: int,
    index: NDArray[np.int32],
    count: int,
    lifted: NDArray[np.float32],
    own: NDArray[np.float32],
) -> None:
    """Write the cells of a block and of ``pad`` columns before and after it to arrays of the near rows.

    Parameters
    ----------
    index, count
        Where each padded row stands among the near ones, and of how many these arrays are.
    lifted
        float32 (16 + 2 * pad, layers, count): gets each cell, raised to the floor of its column; the third layer has
        those with events of both sides.
    own
        float32 (16, channels, count): gets the cells of the block itself as they are.
    """
    start, row, values = cells
    channels = values.shape[1]
    layers = 2 * channels - 1
    zero, size = np.float32(0), np.uint64(count)
    for col in range(min(BLOCK_COLS + 2 * pad, start.size - 1 - first_col)):
        floor, is_own = floors[first_col + col], pad <= col < pad + BLOCK_COLS
        for k in range(start[first_col + col], start[first_col + col + 1]):
            cell = np.uint64(k)
            i = np.uint64(index[np.uint64(row[cell])])
            at, own_at = i + np.uint64(col * layers) * size, i + np.uint64(max(col - pad, 0) * channels) * size
            # Without a branch: which side an event is on cannot be predicted.
            short = min(values[cell, 0], LARGEST)
            lifted[at] = max(short, floor) if short > zero else zero
            if is_own:
                own[own_at] = short
            if channels > 1:
                long = min(values[cell, 1], LARGEST)
                both = min(short + long, LARGEST) if (short > zero) & (long > zero) else zero
                lifted[at + size] = max(long, floor) if long > zero else zero
                lifted[at + size + size] = max(both, floor) if both > zero else zero
                if is_own:
                    own[own_at + size] = long


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
    for k in range(count):
        at, i = np.uint64(k), np.uint64(middle) + np.uint64(k)
        target[at] = max(
            target[at],
            one * max(source[i - near], source[i + near]),
            two * max(source[i - far], source[i + far]),
            three * max(source[i - farther], source[i + farther]),
        )


@fast_kernel
def raise_values(
    target: NDArray[np.float32],
    source: NDArray[np.float32],
    middle: int,
    step: int,
    weights: NDArray[np.float32],
    count: int,
) -> None:
    """Raise ``count`` values to the largest weighted value of ``source`` around each, ``step`` apart.

    ``middle`` is the index of the first one's own; ``weights`` are those of the distances 0, 1, 2 ..., three at a time:
    so a value is loaded and stored once for six others.
    """
    d = 0
    # Not ``for``: LLVM would look at both loops at once, and vectorise neither.
    while d < weights.size:
        away = d * step, (d + 1) * step, (d + 2) * step
        _raise_to_three(target, source, middle, away, (weights[d], weights[d + 1], weights[d + 2]), count)
        d += 3


@fast_kernel
def show_trails(
    heat: NDArray[np.float32], strength: np.float32, ceiling: np.float32, count: int, value: NDArray[np.float32]
) -> None:
    """Write the trails of a column of heat (channels, count) to ``value`` (layers, count)."""
    for k in range(min(heat.size, 2 * count)):
        i = np.uint64(k)
        value[i] = min(strength * heat[i], ceiling)
    if heat.size > count:
        for k in range(count):
            i = np.uint64(k)
            value[i + np.uint64(2 * count)] = min(strength * (heat[i] + heat[i + np.uint64(count)]), ceiling)


@fast_kernel
def _take_up(heat: NDArray[np.float32], own: NDArray[np.float32], first: int, count: int, factor: np.float32) -> None:
    """Add a column of cells, ``own`` from ``first`` on, to the heat and fade it by one column."""
    for k in range(count):
        i = np.uint64(k)
        left = (heat[i] + own[np.uint64(first) + i]) * factor
        heat[i] = left if left > FAINTEST_HEAT else np.float32(0)


@fast_kernel
def look_up(
    value: NDArray[np.float32],
    count: int,
    layers: int,
    bounds: tuple[np.int32, np.int32],
    steps: np.float32,
    found: NDArray[np.int32],
) -> None:
    """Write to ``found`` (count,) the bucket of the largest of ``value`` (layers, count), and its share.

    ``bounds``: first bucket, and the number of the last one. The share, 0 to ``steps``, is that of the second layer in
    the first two; it stands in the bits above `BUCKET_BITS`.
    """
    first, last = bounds
    shift, none, half, tiny = np.int32(BUCKET_SHIFT), np.int32(0), np.float32(0.5), np.float32(1e-37)
    if layers == 1:
        for k in range(count):
            i = np.uint64(k)
            bits = np.float32(value[i]).view(np.int32)
            found[i] = min(max(np.int32((bits >> shift) - first), none), last)
    else:
        for k in range(count):
            i = np.uint64(k)
            short, long = value[i], value[i + np.uint64(count)]
            bits = np.float32(max(short, long, value[i + np.uint64(2 * count)])).view(np.int32)
            # Where both are 0 the level is 0 and any share will do.
            share = np.int32(long / max(short + long, tiny) * steps + half)
            found[i] = min(max(np.int32((bits >> shift) - first), none), last) | share << np.int32(BUCKET_BITS)


@kernel
def compute_block(
    lifted: NDArray[np.float32],
    own: NDArray[np.float32],
    warm: NDArray[np.float32],
    spots: SpotArrays,
    trail: TrailArrays,
    look: LookArrays,
    scratch: tuple[NDArray[np.float32], NDArray[np.float32]],
    found: NDArray[np.int32],
) -> None:
    """Write to ``found`` (16, n) the levels and shares of the near rows of a block; see `look_up`.

    ``lifted`` and ``own`` as from `place_cells`. ``warm`` (channels, n) is the heat of the first column, and becomes
    that of the first one behind the block. A padded row stands for the row of the picture that it is the lowest one of.
    """
    col_weights, row_weights, _, _, pad_rows = spots
    _, powers, strength, ceiling = trail
    levels, first_bucket, colours = look
    sums, value = scratch
    n, heats = found.size // BLOCK_COLS, warm.size
    layers, margin = 2 * (heats // n) - 1, row_weights.size - 1
    size, near = layers * n, sums[margin:]
    bounds = np.int32(first_bucket), np.int32(levels.size - 1)
    for k in range(BLOCK_COLS):
        show_trails(warm, strength, ceiling, n, near)
        _take_up(warm, own, k * heats, heats, powers[1])
        raise_values(near, lifted, (k + col_weights.size - 1) * size, size, col_weights, size)
        value[:size] = np.float32(0)
        raise_values(value, sums, margin + pad_rows, 1, row_weights, size)
        look_up(value, n, layers, bounds, np.float32(colours.shape[0] - 1), found[k * n :])


@kernel
def write_row(
    found: NDArray[np.int32], place: int, look: LookArrays, pixels: NDArray[np.uint32], to: int, count: int
) -> None:
    """Write ``count`` pixels of the near row at ``place``: the colours of ``found`` (16, n)."""
    levels, _, colours = look
    table, n, at = colours.reshape(-1), np.uint64(found.size // BLOCK_COLS), np.uint64(place)
    for k in range(count):
        bits = np.uint32(found[at])
        level = np.uint32(levels[bits & np.uint32(BUCKET_MASK)])
        pixels[np.uint64(to) + np.uint64(k)] = table[(bits >> np.uint32(BUCKET_BITS)) * np.uint32(LEVELS) | level]
        at += n
