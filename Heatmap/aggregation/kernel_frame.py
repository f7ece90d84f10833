"""A whole picture by several threads: bin, find the scale, paint, without a word to Python in between.

Each thread calls `render` with the same arguments but for its own scratch. They share the work by a board: whoever is
free takes the next range of columns. A thread that never comes, or comes late, is not missed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numba import types

from Heatmap.aggregation.kernel_jit import (
    BINS,
    COLOURS_IN,
    EVENTS,
    FILTER,
    FLOAT32_IN,
    FLOAT64_IN,
    INT64_IN,
    borrowed,
    entry,
    fetch_add,
    kernel,
    load_shared,
    store_shared,
)
from Heatmap.aggregation.kernel_paint import paint_range, start_heat
from Heatmap.aggregation.kernel_scale import set_scale
from Heatmap.aggregation.kernel_walk import COLLECTED, FOUND, KEPT, OCCUPIED, bin_range

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Places on the board, int64 (`BOARD_SIZE`,), each in a cache line of its own.
PHASE, TO_BIN, BINNED, TO_PAINT, PAINTED = 0, 8, 32, 40, 64
BOARD_SIZE = 72
# Of what is shared out, from its place on the board on: how much is taken, of that from the left and from the right.
TAKEN, LEFT, RIGHT = 0, 8, 16

# Phases, in order.
BINNING, PAINTING, OVER = 0, 1, 2

# What `render` returns.
DONE, WAITING, UNSCALED = 0, 1, 2

# How often a thread looks whether the others are ready: some tenths of a millisecond.
PATIENCE = 300_000


@kernel
def _take(board: NDArray[np.int64], place: int, count: int, from_right: bool) -> int:
    """Return the next range of columns that nobody has taken, ``count`` or more if there is none.

    Threads that come from both ends find most of what they worked on last time in their own caches.
    """
    if fetch_add(board, place + TAKEN, 1) >= count:
        return count
    if from_right:
        return count - 1 - fetch_add(board, place + RIGHT, 1)
    return fetch_add(board, place + LEFT, 1)


@kernel
def _await(board: NDArray[np.int64], place: int, least: int) -> bool:
    """Wait until an entry of the board has got so far; return False if it takes too long."""
    looks = 0
    while load_shared(board, place) < least and looks < PATIENCE:
        looks += 1
    return looks < PATIENCE


@kernel
def _sum(tallies: NDArray[np.int64], what: int) -> int:
    """Return what all lanes have counted."""
    total = 0
    for lane in range(tallies.shape[0]):
        total += int(tallies[lane, what])
    return total


@kernel
def _gather(collected: NDArray[np.float32], tallies: NDArray[np.int64]) -> int:
    """Move what the other lanes collected to the first, which has room for all; return how many there are.

    What they counted stays: it is read once more.
    """
    count = int(tallies[0, COLLECTED])
    for lane in range(1, tallies.shape[0]):
        more = tallies[lane, COLLECTED]
        for k in range(more):
            collected[0, count + k] = collected[lane, k]
        count += more
    return count


@entry(
    *EVENTS,
    *FILTER,
    *BINS,
    types.int64,
    types.int64,
    types.int64,
    INT64_IN,
    INT64_IN,
    types.float32,
    types.float64,
    FLOAT64_IN,
    types.int64,
    FLOAT64_IN,
    types.int64,
    types.int64,
    types.float32[::1],
    types.int64[:, ::1],
    types.float32[:, ::1],
    types.int64[:, ::1],
    types.float32[::1],
    types.int64[::1],
    types.float64[::1],
    types.float32[::1],
    types.float32[::1],
    types.uint8[::1],
    types.int64[::1],
    FLOAT32_IN,
    FLOAT32_IN,
    types.float32,
    types.float32,
    types.float32[:, ::1],
    COLOURS_IN,
    types.int64,
    types.float64[::1],
    types.uint32[::1],
    types.int64[::1],
    types.float32[:, ::1],
    types.float32[:, ::1],
    types.int32[::1],
    types.int32[::1],
    types.uint16[::1],
    types.int32[:, ::1],
    types.uint32[:, ::1],
    types.int64[::1],
    returns=types.int64,
)
def render(  # noqa: C901, PLR0915, PLR0917 - as above; most statements only name arrays anew
    ts_ms: NDArray[np.int64],
    price: NDArray[np.float64],
    weight: NDArray[np.float64],
    is_long: NDArray[np.uint8],
    least: float,
    short_channel: int,
    long_channel: int,
    t0_ms: int,
    time_bin_ms: int,
    inverse_price_bin: float,
    snap: float,
    first_price_bin: float,
    pad_cols: int,
    pad_rows: int,
    rows: int,
    bin_borders: NDArray[np.int64],
    paint_borders: NDArray[np.int64],
    threshold: np.float32,
    percentile: float,
    fractions: NDArray[np.float64],
    floor_level: int,
    fading: NDArray[np.float64],
    bucket_shift: int,
    most_buckets: int,
    cells: NDArray[np.float32],
    places: NDArray[np.int64],
    collected: NDArray[np.float32],
    tallies: NDArray[np.int64],
    candidates: NDArray[np.float32],
    digits: NDArray[np.int64],
    reference: NDArray[np.float64],
    edges: NDArray[np.float32],
    floors: NDArray[np.float32],
    levels: NDArray[np.uint8],
    level_range: NDArray[np.int64],
    col_weights: NDArray[np.float32],
    row_weights: NDArray[np.float32],
    trail_factor: np.float32,
    trail_strength: np.float32,
    heat: NDArray[np.float32],
    colours: NDArray[np.uint32],
    lane: int,
    scratch: NDArray[np.float64],
    index: NDArray[np.uint32],
    borders: NDArray[np.int64],
    spot: NDArray[np.float32],
    value: NDArray[np.float32],
    buckets: NDArray[np.int32],
    shares: NDArray[np.int32],
    block: NDArray[np.uint16],
    spans: NDArray[np.int32],
    out: NDArray[np.uint32],
    board: NDArray[np.int64],
) -> int:
    """Bin the events into the columns between the ``bin_borders``, then paint those between the ``paint_borders``.

    Either may be a single number, for nothing. Where ``board[PHASE]`` is `PAINTING` from the start, ``cells`` are there
    already. ``percentile`` below 0: the scale is given by ``floors``, ``levels`` and ``level_range`` (first bucket,
    buckets); else it is found and written there, to ``edges`` and to ``reference``. ``heat`` is this thread's own copy.
    Other arguments: see `bin_range`, `paint_range`, `PaintPlan`. ``tallies`` and ``collected`` have one row a lane.

    Return `DONE`; `UNSCALED` if all is binned and nothing painted, because the scale cannot be found here; `WAITING` if
    another thread is not ready with its last range: call again. Only lane 0 waits for the others; what it is returned
    counts.
    """
    board = borrowed(board)
    cells = borrowed(cells)
    places = borrowed(places)
    bins = bin_borders.size - 1
    paints = paint_borders.size - 1
    if load_shared(board, PHASE) == BINNING:
        ts_ms = borrowed(ts_ms)
        price = borrowed(price)
        weight = borrowed(weight)
        is_long = borrowed(is_long)
        scratch = borrowed(scratch)
        index = borrowed(index)
        borders = borrowed(borders)
        own = borrowed(collected)[lane]
        tally = borrowed(tallies)[lane]
        chunk = _take(board, TO_BIN, bins, lane % 2 == 1)
        while chunk < bins:
            bin_range(
                ts_ms,
                price,
                weight,
                is_long,
                least,
                short_channel,
                long_channel,
                t0_ms,
                time_bin_ms,
                inverse_price_bin,
                snap,
                first_price_bin,
                pad_cols,
                pad_rows,
                bin_borders[chunk],
                bin_borders[chunk + 1],
                threshold,
                rows,
                cells,
                places,
                scratch,
                index,
                borders,
                own,
                tally,
            )
            fetch_add(board, BINNED, 1)
            chunk = _take(board, TO_BIN, bins, lane % 2 == 1)
        if lane > 0:
            if not _await(board, PHASE, PAINTING):
                return WAITING
        else:
            if not _await(board, BINNED, bins):
                return WAITING
            is_scaled = percentile < 0
            if not is_scaled and _sum(tallies, FOUND) == _sum(tallies, KEPT):
                largest = collected[0, : _gather(collected, tallies)]
                is_scaled = set_scale(
                    largest,
                    _sum(tallies, OCCUPIED),
                    percentile,
                    fractions,
                    floor_level,
                    fading,
                    bucket_shift,
                    most_buckets,
                    candidates,
                    digits,
                    reference,
                    edges,
                    floors,
                    levels,
                    level_range,
                )
            store_shared(board, PHASE, PAINTING if is_scaled else OVER)
    if load_shared(board, PHASE) == OVER:
        return UNSCALED
    # A trail goes from left to right.
    from_right = lane % 2 == 1 and trail_factor == np.float32(0)
    chunk = _take(board, TO_PAINT, paints, from_right)
    if chunk < paints:
        warm = np.empty(3, np.int64)
        start_heat(heat, trail_factor, warm)
        first_bucket = level_range[0]
        trail_ceiling = np.float32(trail_strength * edges[edges.size - 1])
        known = borrowed(levels)[: level_range[1]]
        col_weights = borrowed(col_weights)
        row_weights = borrowed(row_weights)
        heat = borrowed(heat)
        spot = borrowed(spot)
        value = borrowed(value)
        buckets = borrowed(buckets)
        shares = borrowed(shares)
        block = borrowed(block)
        spans = borrowed(spans)
        out = borrowed(out)
        while chunk < paints:
            paint_range(
                cells,
                places,
                col_weights,
                row_weights,
                floors,
                trail_factor,
                trail_strength,
                trail_ceiling,
                heat,
                warm,
                first_bucket,
                bucket_shift,
                known,
                colours,
                paint_borders[chunk],
                paint_borders[chunk + 1],
                spot,
                value,
                buckets,
                shares,
                block,
                spans,
                out,
            )
            fetch_add(board, PAINTED, 1)
            chunk = _take(board, TO_PAINT, paints, from_right)
    if lane == 0 and not _await(board, PAINTED, paints):
        return WAITING
    return DONE
