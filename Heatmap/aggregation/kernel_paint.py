"""The painting kernels: columns of sums to pixels, or a few touched cells to pixels.

A block of columns is coloured into a small buffer and written line by line, one cache line of the image at a time.
Only the rows that something reaches are worked on; what an image held elsewhere is known and cleared. See `kernel` for
the rules of the trade.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numba import types

from Heatmap.aggregation.kernel_jit import FLOAT32_IN, PLACES_IN, UINT8_IN, entry, kernel

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Columns painted before they are written out: one cache line of the image, row by row.
BLOCK_COLS = 16

# What is known of a column; indices into a row of places, see `RawCells`.
LOW, HIGH, START = 0, 1, 2

_COLOURS_IN = types.Array(types.uint32, 2, "C", readonly=True)


@kernel
def _spread_columns(  # noqa: PLR0917 - a kernel takes arrays and numbers by position, Numba knows no objects here
    cells: NDArray[np.float32],
    places: NDArray[np.int64],
    col: int,
    col_weights: NDArray[np.float32],
    floors: NDArray[np.float32],
    spot: NDArray[np.float32],
) -> None:
    """Raise ``spot`` (channels, rows) to the largest weighted cell of the columns around ``col``.

    With two channels there is a third, of their sum: where the flanks of two spots of opposite sides meet, the larger
    one is seen and never more than that.
    """
    zero = np.float32(0)
    for k in range(col_weights.size):
        low = places[col + k, LOW]
        high = places[col + k, HIGH]
        start = places[col + k, START]
        if high == low:
            continue
        weight = col_weights[k]
        floor = floors[col + k]
        source = cells[start : start + high - low]
        target = spot[0, low:high]
        if spot.shape[0] == 1:
            for r in range(source.size):
                lifted = max(source[r], floor) if source[r] > zero else zero
                target[r] = max(target[r], weight * lifted)
        else:
            other = cells[start + high - low : start + 2 * (high - low)]
            other_target = spot[1, low:high]
            both = spot[2, low:high]
            for r in range(source.size):
                total = source[r] + other[r]
                lifted = max(source[r], floor) if source[r] > zero else zero
                other_lifted = max(other[r], floor) if other[r] > zero else zero
                total_lifted = max(total, floor) if total > zero else zero
                target[r] = max(target[r], weight * lifted)
                other_target[r] = max(other_target[r], weight * other_lifted)
                both[r] = max(both[r], weight * total_lifted)


@kernel
def _advance_heat(
    heat: NDArray[np.float32],
    cells: NDArray[np.float32],
    place: NDArray[np.int64],
    warm: NDArray[np.int64],
    factor: np.float32,
) -> None:
    """Let ``heat`` (channels, rows) take up the column of events it leaves and fade by one column.

    ``warm`` are the rows ``[warm 0, warm 1)`` that heat has reached so far.
    """
    low = place[LOW]
    high = place[HIGH]
    size = high - low
    if size > 0:
        warm[0] = min(warm[0], low)
        warm[1] = max(warm[1], high)
    for ch in range(heat.shape[0]):
        if size > 0:
            source = cells[place[START] + ch * size : place[START] + (ch + 1) * size]
            target = heat[ch, low:high]
            for r in range(target.size):
                target[r] += source[r]
        if warm[1] > warm[0]:
            fading = heat[ch, warm[0] : warm[1]]
            for r in range(fading.size):
                fading[r] *= factor


@kernel
def _spread_rows(spot: NDArray[np.float32], row_weights: NDArray[np.float32], value: NDArray[np.float32]) -> None:
    """Set each of ``value`` to the largest weighted of ``spot`` around it, which has the margins for that."""
    value[:] = np.float32(0)
    for q in range(row_weights.size):
        source = spot[q : q + value.size]
        weight = row_weights[q]
        for r in range(value.size):
            value[r] = max(value[r], weight * source[r])


@kernel
def _find_buckets(
    value: NDArray[np.float32], floor: np.float32, bucket_shift: int, first_bucket: int, buckets: NDArray[np.int32]
) -> None:
    """Write where to look up each value, which is lifted to the floor unless it is 0; not yet cut off at the end."""
    shift = np.int32(bucket_shift)
    base = np.int32(first_bucket)
    zero = np.float32(0)
    none = np.int32(0)
    for r in range(value.size):
        lifted = max(value[r], floor) if value[r] > zero else zero
        buckets[r] = max(np.int32((np.float32(lifted).view(np.int32) >> shift) - base), none)


@kernel
def _colour_column(
    buckets: NDArray[np.int32],
    levels: NDArray[np.uint8],
    colours: NDArray[np.uint32],
    block: NDArray[np.uint32],
    k: int,
) -> None:
    """Look up the colours of one column of ``block`` (rows, BLOCK_COLS)."""
    last = np.uint32(levels.size - 1)
    table = colours[0]
    for r in range(buckets.size):
        block[r, k] = table[levels[min(np.uint32(buckets[r]), last)]]


@kernel
def _colour_sides(  # noqa: PLR0917 - as above
    value: NDArray[np.float32],
    buckets: NDArray[np.int32],
    shares: NDArray[np.int32],
    levels: NDArray[np.uint8],
    colours: NDArray[np.uint32],
    block: NDArray[np.uint32],
    k: int,
) -> None:
    """Look up the colours of one column by level and by the share of ``value`` (layers, rows) that is long."""
    last = np.uint32(levels.size - 1)
    short = value[0]
    long = value[1]
    steps = np.float32(colours.shape[0] - 1)
    half = np.float32(0.5)
    # Where both are 0 the level is 0 and any share will do.
    tiny = np.float32(1e-37)
    for r in range(shares.size):
        shares[r] = np.int32(long[r] / max(short[r] + long[r], tiny) * steps + half)
    for r in range(buckets.size):
        block[r, k] = colours[np.uint32(shares[r]), levels[min(np.uint32(buckets[r]), last)]]


@kernel
def _warm_up(
    heat: NDArray[np.float32],
    cells: NDArray[np.float32],
    places: NDArray[np.int64],
    warm: NDArray[np.int64],
    factor: np.float32,
) -> None:
    """Let the heat from the left run through these columns; see `_advance_heat`."""
    last = heat.shape[0] - 1
    for r in range(heat.shape[1]):
        if heat[0, r] > np.float32(0) or heat[last, r] > np.float32(0):
            warm[0] = min(warm[0], r)
            warm[1] = r + 1
    for col in range(places.shape[0]):
        _advance_heat(heat, cells, places[col], warm, factor)


@kernel
def _start_with_trail(heat: NDArray[np.float32], strength: np.float32, spot: NDArray[np.float32]) -> None:
    """Set ``spot`` (layers, rows) to the share of the heat that is shown."""
    for ch in range(heat.shape[0]):
        source = heat[ch]
        target = spot[ch]
        for r in range(target.size):
            target[r] = strength * source[r]
    if heat.shape[0] > 1:
        short = heat[0]
        long = heat[1]
        both = spot[2]
        for r in range(both.size):
            both[r] = strength * (short[r] + long[r])


@kernel
def _reached_rows(places: NDArray[np.int64], warm: NDArray[np.int64]) -> tuple[int, int]:
    """Return the padded rows ``[low, high)`` in which heat or one of these columns lies; high is 0 if none does."""
    low = warm[0]
    high = warm[1]
    for col in range(places.shape[0]):
        if places[col, HIGH] > places[col, LOW]:
            low = min(low, places[col, LOW])
            high = max(high, places[col, HIGH])
    return low, high


@kernel
def _paint_sharp(  # noqa: PLR0917 - as above
    cells: NDArray[np.float32],
    place: NDArray[np.int64],
    floor: np.float32,
    low: int,
    first_bucket: int,
    bucket_shift: int,
    levels: NDArray[np.uint8],
    colours: NDArray[np.uint32],
    buckets: NDArray[np.int32],
    painted: NDArray[np.uint32],
    k: int,
) -> None:
    """Colour one column of sharp cells of one channel; the first row of ``painted`` is row ``low``."""
    bottom = max(place[LOW] - low, 0)
    size = place[HIGH] - place[LOW]
    top = bottom + size
    painted[:bottom, k] = np.uint32(0)
    painted[top:, k] = np.uint32(0)
    _find_buckets(cells[place[START] : place[START] + size], floor, bucket_shift, first_bucket, buckets[:size])
    _colour_column(buckets[:size], levels, colours, painted[bottom:top], k)


@kernel
def _write_block(  # noqa: PLR0917 - as above
    block: NDArray[np.uint32],
    low: int,
    high: int,
    span: NDArray[np.int32],
    first_col: int,
    count: int,
    out: NDArray[np.uint32],
) -> None:
    """Write rows ``[low, high)`` of ``block`` to the image, turned upside down, and clear what it held elsewhere."""
    rows = out.shape[0]
    for r in range(span[0], span[1]):
        if r < low or r >= high:
            out[rows - 1 - r, first_col : first_col + count] = np.uint32(0)
    if count == BLOCK_COLS:
        for r in range(low, high):
            line = out[rows - 1 - r, first_col : first_col + BLOCK_COLS]
            # A constant length becomes one move of a whole cache line.
            for k in range(BLOCK_COLS):
                line[np.uint64(k)] = block[r, np.uint64(k)]
    else:
        for r in range(low, high):
            for k in range(count):
                out[rows - 1 - r, first_col + k] = block[r, k]
    span[0] = low
    span[1] = high


@entry(
    FLOAT32_IN,
    PLACES_IN,
    FLOAT32_IN,
    FLOAT32_IN,
    FLOAT32_IN,
    types.float32,
    types.float32,
    types.float32[:, ::1],
    types.int64,
    types.int64,
    UINT8_IN,
    _COLOURS_IN,
    types.int64,
    types.int64,
    types.float32[:, ::1],
    types.float32[:, ::1],
    types.int32[::1],
    types.int32[::1],
    types.uint32[:, ::1],
    types.int32[:, ::1],
    types.uint32[:, ::1],
)
def paint_columns(  # noqa: PLR0917 - as above
    cells: NDArray[np.float32],
    places: NDArray[np.int64],
    col_weights: NDArray[np.float32],
    row_weights: NDArray[np.float32],
    floors: NDArray[np.float32],
    trail_factor: np.float32,
    trail_strength: np.float32,
    heat: NDArray[np.float32],
    first_bucket: int,
    bucket_shift: int,
    levels: NDArray[np.uint8],
    colours: NDArray[np.uint32],
    first_col: int,
    last_col: int,
    spot: NDArray[np.float32],
    value: NDArray[np.float32],
    buckets: NDArray[np.int32],
    shares: NDArray[np.int32],
    block: NDArray[np.uint32],
    spans: NDArray[np.int32],
    out: NDArray[np.uint32],
) -> None:
    """Paint the columns ``[first_col, last_col)`` of the image by the formula of `PaintPlan`.

    ``first_col`` begins a block of `BLOCK_COLS`; ``last_col`` ends one or the image. ``spans`` (blocks, 2) are the
    rows, from the lowest price, outside which each block of the image is 0, before and after. ``heat`` (channels,
    padded rows) starts as the heat from the left of the image and is used up. Scratch: ``spot`` (layers, padded rows)
    and ``value`` (layers, rows) with one layer per channel and one for their sum, ``buckets`` and ``shares`` (rows),
    ``block`` (rows, BLOCK_COLS).
    """
    rows = out.shape[0]
    width = col_weights.size
    margin = row_weights.size - 1
    has_trail = trail_factor > np.float32(0)
    is_sharp = heat.shape[0] == 1 and width == 1 and margin == 0 and not has_trail
    warm = np.empty(2, np.int64)
    warm[0] = heat.shape[1]
    warm[1] = 0
    if has_trail:
        _warm_up(heat, cells, places[: first_col + width // 2], warm, trail_factor)
    for block_col in range(first_col, last_col, BLOCK_COLS):
        count = min(BLOCK_COLS, last_col - block_col)
        low, high = _reached_rows(places[block_col : block_col + count + width - 1], warm)
        # A padded row is seen in the rows from itself down to itself less the margin.
        visible_low = max(0, low - margin)
        visible_high = max(visible_low, min(rows, high))
        size = visible_high - visible_low
        painted = block[visible_low:visible_high]
        for k in range(count if size > 0 else 0):
            col = block_col + k
            if is_sharp:
                _paint_sharp(
                    cells,
                    places[col],
                    floors[col],
                    visible_low,
                    first_bucket,
                    bucket_shift,
                    levels,
                    colours,
                    buckets,
                    painted,
                    k,
                )
                continue
            # The padded rows that are seen in these.
            around = spot[:, visible_low : visible_high + margin]
            if has_trail:
                _start_with_trail(heat[:, visible_low : visible_high + margin], trail_strength, around)
                _advance_heat(heat, cells, places[col + width // 2], warm, trail_factor)
            else:
                around[:] = np.float32(0)
            _spread_columns(cells, places, col, col_weights, floors, spot)
            for layer in range(spot.shape[0]):
                _spread_rows(around[layer], row_weights, value[layer, :size])
            _find_buckets(value[spot.shape[0] - 1, :size], np.float32(0), bucket_shift, first_bucket, buckets[:size])
            if heat.shape[0] == 1:
                _colour_column(buckets[:size], levels, colours, painted, k)
            else:
                _colour_sides(value[:, :size], buckets[:size], shares[:size], levels, colours, painted, k)
        _write_block(block, visible_low, visible_high, spans[block_col // BLOCK_COLS], block_col, count, out)


@entry(FLOAT32_IN, types.int64, types.int64, types.uint8[::1])
def fill_levels(edges: NDArray[np.float32], first_bucket: int, bucket_shift: int, levels: NDArray[np.uint8]) -> None:
    """Fill the table of `LevelTable` from the ascending edges of the levels 1 to 255."""
    start = 0
    for k in range(edges.size):
        bucket = (int(np.float32(edges[k]).view(np.int32)) >> bucket_shift) - first_bucket
        until = min(max(bucket, start), levels.size)
        levels[start:until] = np.uint8(k)
        start = until
    levels[start:] = np.uint8(edges.size)
    levels[0] = np.uint8(0)


@entry(
    types.Array(types.int64, 1, "C", readonly=True),
    FLOAT32_IN,
    types.float32,
    types.int64,
    types.int64,
    UINT8_IN,
    _COLOURS_IN,
    types.uint32[::1],
)
def paint_cells(  # noqa: PLR0917 - as above
    positions: NDArray[np.int64],
    values: NDArray[np.float32],
    floor: np.float32,
    first_bucket: int,
    bucket_shift: int,
    levels: NDArray[np.uint8],
    colours: NDArray[np.uint32],
    out: NDArray[np.uint32],
) -> None:
    """Paint single sharp cells of one channel into ``out``, the image as one row."""
    for i in range(positions.size):
        lifted = np.float32(max(values[i], floor))
        bucket = (int(lifted.view(np.int32)) >> bucket_shift) - first_bucket
        out[positions[i]] = colours[0, levels[min(max(bucket, 0), levels.size - 1)]]


@entry(types.Array(types.int64, 1, "C", readonly=True), types.uint32[::1])
def erase_cells(positions: NDArray[np.int64], out: NDArray[np.uint32]) -> None:
    """Make single pixels of the image, as one row, transparent."""
    for i in range(positions.size):
        out[positions[i]] = np.uint32(0)
