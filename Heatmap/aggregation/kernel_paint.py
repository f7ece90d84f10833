"""The painting kernels: columns of sums to pixels, or a few touched cells to pixels.

The levels of a block of columns are looked up into a small buffer, column by column, and written to the image as
colours, line by line. Only the rows that something reaches are worked on; what an image held elsewhere is known and
cleared. See `kernel_walk` for the rules of the trade.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numba import types

from Heatmap.aggregation.kernel_jit import COLOURS_IN, FLOAT32_IN, INT64_IN, UINT8_IN, entry, kernel

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Columns painted before they are written out: one cache line of the image, row by row.
BLOCK_COLS = 16

# What is known of a column; indices into a row of places, see `RawCells`.
LOW, HIGH, START = 0, 1, 2

# Colours of one share, from level 0 on.
LEVELS = 256


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
def _find_buckets(  # noqa: PLR0917 - as above
    value: NDArray[np.float32],
    floor: np.float32,
    bucket_shift: int,
    first_bucket: int,
    last: np.int32,
    buckets: NDArray[np.int32],
) -> None:
    """Write where in the levels to look up each value, which is lifted to the floor unless it is 0."""
    shift = np.int32(bucket_shift)
    base = np.int32(first_bucket)
    zero = np.float32(0)
    none = np.int32(0)
    for r in range(value.size):
        lifted = max(value[r], floor) if value[r] > zero else zero
        buckets[r] = min(max(np.int32((np.float32(lifted).view(np.int32) >> shift) - base), none), last)


@kernel
def _level_column(buckets: NDArray[np.int32], levels: NDArray[np.uint8], block: NDArray[np.uint16]) -> None:
    """Write the levels of one column to every `BLOCK_COLS`-th entry of ``block``."""
    for r in range(buckets.size):
        block[np.uint64(r) * np.uint64(BLOCK_COLS)] = np.uint16(levels[np.uint32(buckets[r])])


@kernel
def _level_sides(  # noqa: PLR0917 - as above
    value: NDArray[np.float32],
    buckets: NDArray[np.int32],
    shares: NDArray[np.int32],
    steps: int,
    levels: NDArray[np.uint8],
    block: NDArray[np.uint16],
) -> None:
    """Do the same with the share of ``value`` (layers, rows) that is long in the upper byte."""
    short = value[0]
    long = value[1]
    most = np.float32(steps)
    half = np.float32(0.5)
    # Where both are 0 the level is 0 and any share will do.
    tiny = np.float32(1e-37)
    for r in range(shares.size):
        shares[r] = np.int32(long[r] / max(short[r] + long[r], tiny) * most + half)
    for r in range(buckets.size):
        # Of sums too large for a float32 the share is no number.
        share = min(max(shares[r], np.int32(0)), np.int32(steps))
        which = np.uint32(share) * np.uint32(LEVELS) + np.uint32(levels[np.uint32(buckets[r])])
        block[np.uint64(r) * np.uint64(BLOCK_COLS)] = np.uint16(which)


@kernel
def _start_with_trail(
    heat: NDArray[np.float32], strength: np.float32, ceiling: np.float32, spot: NDArray[np.float32]
) -> None:
    """Set ``spot`` (layers, rows) to the share of the heat that is shown, up to the ceiling."""
    for ch in range(heat.shape[0]):
        source = heat[ch]
        target = spot[ch]
        for r in range(target.size):
            target[r] = min(strength * source[r], ceiling)
    if heat.shape[0] > 1:
        short = heat[0]
        long = heat[1]
        both = spot[2]
        for r in range(both.size):
            both[r] = min(strength * (short[r] + long[r]), ceiling)


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
def _write_block(  # noqa: PLR0917 - as above
    block: NDArray[np.uint16],
    table: NDArray[np.uint32],
    low: int,
    high: int,
    span: NDArray[np.int32],
    first_col: int,
    count: int,
    out: NDArray[np.uint32],
) -> None:
    """Write the colours of rows ``[low, high)`` to the image, turned upside down, and clear what it held elsewhere.

    ``block`` begins with row ``low``.
    """
    rows = out.shape[0]
    for r in range(span[0], span[1]):
        if r < low or r >= high:
            out[rows - 1 - r, first_col : first_col + count] = np.uint32(0)
    if count == BLOCK_COLS:
        pixels = out.reshape(-1)
        for r in range(low, high):
            to = np.uint64((rows - 1 - r) * out.shape[1] + first_col)
            source = np.uint64((r - low) * BLOCK_COLS)
            # A constant length: one stretch of code without a loop.
            for k in range(BLOCK_COLS):
                pixels[to + np.uint64(k)] = table[block[source + np.uint64(k)]]
    else:
        for r in range(low, high):
            for k in range(count):
                out[rows - 1 - r, first_col + k] = table[block[(r - low) * BLOCK_COLS + k]]
    span[0] = low
    span[1] = high


@kernel
def paint_range(  # noqa: C901, PLR0912, PLR0915, PLR0917 - one nest of loops, as above
    cells: NDArray[np.float32],
    places: NDArray[np.int64],
    col_weights: NDArray[np.float32],
    row_weights: NDArray[np.float32],
    floors: NDArray[np.float32],
    trail_factor: np.float32,
    trail_strength: np.float32,
    trail_ceiling: np.float32,
    heat: NDArray[np.float32],
    warm: NDArray[np.int64],
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
    block: NDArray[np.uint16],
    spans: NDArray[np.int32],
    out: NDArray[np.uint32],
) -> None:
    """Paint the columns ``[first_col, last_col)`` of the image by the formula of `PaintPlan`.

    ``spans`` (blocks of `BLOCK_COLS`, 2) are the
    rows, from the lowest price, outside which each block of the image is 0, before and after. ``heat`` (channels,
    padded rows) is that of the column ``warm[2]``, padding included, and lies in the rows ``[warm 0, warm 1)``; both go
    on to the end of this range, so that one further to the right may follow. Scratch: ``spot`` (layers, padded rows)
    and ``value`` (layers, rows) with one layer per channel and one for their sum, ``buckets`` and ``shares`` (rows),
    ``block`` (rows * BLOCK_COLS).
    """
    rows = out.shape[0]
    width = col_weights.size
    margin = row_weights.size - 1
    middle = width // 2
    has_trail = trail_factor > np.float32(0)
    is_sharp = heat.shape[0] == 1 and width == 1 and margin == 0 and not has_trail
    last_level = np.int32(levels.size - 1)
    table = colours.reshape(-1)
    if has_trail:
        for col in range(warm[2], first_col + middle):
            _advance_heat(heat, cells, places[col], warm, trail_factor)
        warm[2] = last_col + middle
    block_col = first_col
    while block_col < last_col:
        number = block_col // BLOCK_COLS
        count = min((number + 1) * BLOCK_COLS, last_col) - block_col
        span = spans[number]
        low, high = _reached_rows(places[block_col : block_col + count + width - 1], warm)
        # A padded row is seen in the rows from itself down to itself less the margin.
        visible_low = max(0, low - margin)
        visible_high = max(visible_low, min(rows, high))
        is_part = count < min(BLOCK_COLS, out.shape[1] - number * BLOCK_COLS)
        if is_part and span[0] < span[1]:
            # The rest of the block stays as it is, and so do the rows it has something in.
            visible_low = min(visible_low, span[0]) if visible_low < visible_high else span[0]
            visible_high = max(visible_high, span[1])
        size = visible_high - visible_low
        if is_sharp:
            block[: size * BLOCK_COLS] = np.uint16(0)
        for k in range(count if size > 0 else 0):
            col = block_col + k
            if is_sharp:
                bottom = places[col, LOW]
                full = places[col, HIGH] - bottom
                if full > 0:
                    start = places[col, START]
                    found = buckets[:full]
                    _find_buckets(
                        cells[start : start + full], floors[col], bucket_shift, first_bucket, last_level, found
                    )
                    _level_column(found, levels, block[(bottom - visible_low) * BLOCK_COLS + k :])
                continue
            # The padded rows that are seen in these.
            around = spot[:, visible_low : visible_high + margin]
            if has_trail:
                _start_with_trail(heat[:, visible_low : visible_high + margin], trail_strength, trail_ceiling, around)
                _advance_heat(heat, cells, places[col + middle], warm, trail_factor)
            else:
                around[:] = np.float32(0)
            _spread_columns(cells, places, col, col_weights, floors, spot)
            for layer in range(spot.shape[0]):
                _spread_rows(around[layer], row_weights, value[layer, :size])
            found = buckets[:size]
            _find_buckets(value[spot.shape[0] - 1, :size], np.float32(0), bucket_shift, first_bucket, last_level, found)
            if heat.shape[0] == 1:
                _level_column(found, levels, block[k:])
            else:
                _level_sides(value[:, :size], found, shares[:size], colours.shape[0] - 1, levels, block[k:])
        _write_block(block, table, visible_low, visible_high, span, block_col, count, out)
        block_col += count


@kernel
def start_heat(heat: NDArray[np.float32], trail_factor: np.float32, warm: NDArray[np.int64]) -> None:
    """Set ``warm`` for heat that comes in from the left of the padded image, none if there is no trail."""
    warm[0] = heat.shape[1]
    warm[1] = 0
    warm[2] = 0
    if trail_factor == np.float32(0):
        return
    last = heat.shape[0] - 1
    for r in range(heat.shape[1]):
        if heat[0, r] > np.float32(0) or heat[last, r] > np.float32(0):
            warm[0] = min(warm[0], r)
            warm[1] = r + 1


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
    INT64_IN,
    FLOAT32_IN,
    FLOAT32_IN,
    types.int64,
    types.int64,
    UINT8_IN,
    COLOURS_IN,
    types.uint32[:, ::1],
)
def paint_cells(  # noqa: PLR0917 - as above
    positions: NDArray[np.int64],
    values: NDArray[np.float32],
    floors: NDArray[np.float32],
    first_bucket: int,
    bucket_shift: int,
    levels: NDArray[np.uint8],
    colours: NDArray[np.uint32],
    out: NDArray[np.uint32],
) -> None:
    """Paint single sharp cells of one channel into ``out``; positions count through the image."""
    pixels = out.reshape(-1)
    for i in range(positions.size):
        lifted = np.float32(max(values[i], floors[positions[i] % out.shape[1]]))
        bucket = (int(lifted.view(np.int32)) >> bucket_shift) - first_bucket
        pixels[positions[i]] = colours[0, levels[min(max(bucket, 0), levels.size - 1)]]


@entry(INT64_IN, types.uint32[:, ::1])
def erase_cells(painted: NDArray[np.int64], out: NDArray[np.uint32]) -> None:
    """Make single pixels, counted through the image, transparent."""
    pixels = out.reshape(-1)
    for i in range(painted.size):
        pixels[painted[i]] = np.uint32(0)


@entry(INT64_IN, types.int32[:, ::1], types.uint32[:, ::1])
def clear(painted: NDArray[np.int64], spans: NDArray[np.int32], out: NDArray[np.uint32]) -> None:
    """Make the image transparent where it is painted: single pixels, counted through it, and within its spans."""
    erase_cells(painted, out)
    for number in range(spans.shape[0]):
        for r in range(spans[number, 0], spans[number, 1]):
            first = number * BLOCK_COLS
            out[out.shape[0] - 1 - r, first : min(first + BLOCK_COLS, out.shape[1])] = np.uint32(0)
        spans[number, 0] = 0
        spans[number, 1] = 0
