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
from Heatmap.aggregation.kernel_paint import fill_levels, paint_range, start_heat
from Heatmap.aggregation.kernel_select import neighbours_of_rank
from Heatmap.aggregation.kernel_walk import COLLECTED, FOUND, KEPT, OCCUPIED, bin_range

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Places on the board, int64 (`BOARD_SIZE`,), each in a cache line of its own.
NEXT_BIN, BINNED, PHASE, NEXT_PAINT, PAINTED = 0, 8, 16, 24, 32
BOARD_SIZE = 40

# Phases, in order.
BINNING, PAINTING, OVER = 0, 1, 2

# What `render` returns.
DONE, WAITING, UNSCALED = 0, 1, 2

HALF = 0.5

# How often a thread looks whether the others are ready: some tenths of a millisecond.
PATIENCE = 300_000


@kernel
def _await(board: NDArray[np.int64], place: int, least: int) -> bool:
    """Wait until an entry of the board has got so far; return False if it takes too long."""
    looks = 0
    while load_shared(board, place) < least and looks < PATIENCE:
        looks += 1
    return looks < PATIENCE


@kernel
def _gather(collected: NDArray[np.float32], tallies: NDArray[np.int64]) -> int:
    """Move what the other lanes collected to the first; return how many there are."""
    count = int(tallies[0, COLLECTED])
    for lane in range(1, tallies.shape[0]):
        more = tallies[lane, COLLECTED]
        for k in range(more):
            collected[0, count + k] = collected[lane, k]
        count += more
    return count


@kernel
def _set_scale(  # noqa: PLR0917 - a kernel takes arrays and numbers by position, Numba knows no objects here
    percentile: float,
    fractions: NDArray[np.float64],
    floor_level: int,
    fading: NDArray[np.float64],
    bucket_shift: int,
    most_buckets: int,
    collected: NDArray[np.float32],
    tallies: NDArray[np.int64],
    candidates: NDArray[np.float32],
    digits: NDArray[np.int64],
    reference: NDArray[np.float64],
    edges: NDArray[np.float32],
    floors: NDArray[np.float32],
    levels: NDArray[np.uint8],
    level_range: NDArray[np.int64],
) -> bool:
    """Find the exact percentile and what follows from it, as `clip_reference`, `level_edges` and `LevelTable` do.

    Return False if events lie outside the grid, or too few cells were collected.
    """
    occupied = 0
    found = 0
    kept = 0
    for lane in range(tallies.shape[0]):
        occupied += tallies[lane, OCCUPIED]
        found += tallies[lane, FOUND]
        kept += tallies[lane, KEPT]
    count = _gather(collected, tallies)
    if found != kept or occupied == 0:
        return False
    position = percentile / 100 * (occupied - 1)
    rank = min(int(position), occupied - 1)
    fraction = position - rank
    if rank < occupied - count:
        return False
    neighbours = np.empty(2, np.float32)
    neighbours_of_rank(collected[0, :count], rank - (occupied - count), candidates, digits, neighbours)
    low = float(neighbours[0])
    high = float(neighbours[1])
    # As `between`: exact at both ends.
    full = low + (high - low) * fraction if fraction < HALF else high - (high - low) * (1 - fraction)
    reference[0] = full
    for k in range(edges.size):
        edges[k] = np.float32(full * fractions[k])
    floor = float(edges[floor_level - 1])
    for col in range(floors.size):
        floors[col] = np.float32(floor * fading[col])
    last = int(np.float32(edges[edges.size - 1]).view(np.int32)) >> bucket_shift
    first = max((int(np.float32(edges[0]).view(np.int32)) >> bucket_shift) - 1, last - most_buckets, 0)
    level_range[0] = first
    level_range[1] = last + 1 - first
    fill_levels(edges, first, bucket_shift, levels[: last + 1 - first])
    return True


@entry(
    *EVENTS,
    *FILTER,
    *BINS,
    types.int64,
    types.int64,
    types.int64,
    types.boolean,
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
def render(  # noqa: PLR0917 - as above
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
    packed: bool,
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
        chunk = fetch_add(board, NEXT_BIN, 1)
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
                packed,
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
            chunk = fetch_add(board, NEXT_BIN, 1)
        if lane > 0:
            if not _await(board, PHASE, PAINTING):
                return WAITING
        else:
            if not _await(board, BINNED, bins):
                return WAITING
            is_scaled = percentile < 0 or _set_scale(
                percentile,
                fractions,
                floor_level,
                fading,
                bucket_shift,
                most_buckets,
                collected,
                tallies,
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
    chunk = fetch_add(board, NEXT_PAINT, 1)
    if chunk < paints:
        warm = np.empty(3, np.int64)
        start_heat(heat, warm)
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
            chunk = fetch_add(board, NEXT_PAINT, 1)
    if lane == 0 and not _await(board, PAINTED, paints):
        return WAITING
    return DONE
