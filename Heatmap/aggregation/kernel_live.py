"""A grid that stays: what comes and what leaves the window changes the cells it lies in, and their pixels.

Sums are kept in float64, in the order of the events, so that a cell comes out as a walk over all events gives it.
Events that come last in their column are added; a column that loses some, or gets one out of turn, is summed up anew.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numba import types

from Heatmap.aggregation.kernel_jit import (
    BINS,
    COLOURS_IN,
    COLUMNS,
    FILTER,
    FLOAT32_IN,
    UINT8_IN,
    borrowed,
    entry,
    kernel,
)
from Heatmap.aggregation.kernel_paint import BLOCK_COLS, paint_range, start_heat
from Heatmap.aggregation.kernel_walk import FOUND, HIGH, INSIDE, KEPT, LOW, START, first_at

if TYPE_CHECKING:
    from numpy.typing import NDArray

# What is counted all the time; indices into the counters.
OCCUPIED, BELOW, ABOVE, FIRST_COL, LAST_COL, FIRST_EVENT = 0, 1, 2, 3, 4, 5
COUNTERS = 6

# What `follow` returns.
IMPOSSIBLE, FOLLOWED, PAINTED, DOUBTFUL = 0, 1, 2, 3

# A filter, what a cell's place follows from, and columns, rows and channels: of numbers alone, so a tuple will do.
Where = tuple[float, int, int, int, int, float, float, float, int, int, int]

# Where an event is.
_NOT_COUNTED, _OUTSIDE = -1, -2


@kernel
def _cell_of(
    ts_ms: int,
    price: float,
    weight: float,
    is_long: bool,
    where: Where,
) -> int:
    """Return ``(col * channels + channel) * rows + row`` of an event, or that it does not count, or lies outside."""
    least, short_channel, long_channel, t0_ms, time_bin_ms, inverse_price_bin, snap, first_price_bin = where[:8]
    cols, rows, channels = where[8:]
    channel = long_channel if is_long else short_channel
    if not (weight >= least and weight < np.inf and abs(price) < np.inf and channel >= 0):
        return _NOT_COUNTED
    quotient = price * inverse_price_bin
    row = np.floor(quotient + abs(quotient) * snap) - first_price_bin
    col = (ts_ms - t0_ms) // time_bin_ms
    if not (0 <= col < cols and 0.0 <= row < rows):
        return _OUTSIDE
    return (col * channels + channel) * rows + int(row)


@kernel
def _count_cell(
    value: np.float32, lower: np.float32, upper: np.float32, sign: int, counters: NDArray[np.int64]
) -> None:
    """Add a cell to the counters, or take it off."""
    if value > np.float32(0):
        counters[OCCUPIED] += sign
        counters[BELOW] += sign * (value < lower)
        counters[ABOVE] += sign * (value > upper)


@kernel
def _total(cells: NDArray[np.float32], col: int, channels: int, rows: int, row: int) -> np.float32:
    """Return a cell, summed over the channels."""
    at = col * channels * rows + row
    return np.float32(cells[at] + cells[at + rows]) if channels > 1 else cells[at]


@kernel
def _count_column(  # noqa: PLR0917 - as above
    cells: NDArray[np.float32],
    col: int,
    channels: int,
    rows: int,
    lower: np.float32,
    upper: np.float32,
    sign: int,
    counters: NDArray[np.int64],
) -> None:
    """Add a column's cells to the counters, or take them off."""
    for row in range(rows):
        _count_cell(_total(cells, col, channels, rows, row), lower, upper, sign, counters)


@kernel
def _widen(places: NDArray[np.int64], col: int, channels: int, rows: int, row: int) -> None:
    """Let the rows of a column that are looked at reach to this one."""
    if channels > 1:
        # The second channel is one column's rows further on, so all rows are looked at.
        places[col, LOW] = 0
        places[col, HIGH] = rows
        places[col, START] = col * channels * rows
        return
    low = row
    high = row + 1
    if places[col, HIGH] > places[col, LOW]:
        low = min(low, places[col, LOW])
        high = max(high, places[col, HIGH])
    places[col, LOW] = low
    places[col, HIGH] = high
    places[col, START] = col * rows + low


@kernel
def _add(  # noqa: PLR0917 - as above
    cell: int,
    weight: float,
    rows: int,
    channels: int,
    sums: NDArray[np.float64],
    cells: NDArray[np.float32],
    places: NDArray[np.int64],
) -> None:
    """Add an event that comes last in its column."""
    sums[cell] += weight
    cells[cell] = np.float32(sums[cell])
    column = channels * rows
    col = cell // column
    _widen(places, col, channels, rows, (cell - col * column) % rows)


@kernel
def _sum_column(  # noqa: PLR0917 - as above
    ts_ms: NDArray[np.int64],
    price: NDArray[np.float64],
    weight: NDArray[np.float64],
    is_long: NDArray[np.bool_],
    where: Where,
    col: int,
    start: int,
    sums: NDArray[np.float64],
    cells: NDArray[np.float32],
    places: NDArray[np.int64],
    last_ms: NDArray[np.int64],
) -> None:
    """Sum a column up anew from the events of index ``start`` on."""
    t0_ms, time_bin_ms, rows, channels = where[3], where[4], where[9], where[10]
    column = channels * rows
    sums[col * column : (col + 1) * column] = 0.0
    cells[col * column : (col + 1) * column] = np.float32(0)
    places[col, LOW] = 0
    places[col, HIGH] = 0
    places[col, START] = col * column
    last_ms[col] = t0_ms + col * time_bin_ms
    first = first_at(ts_ms, t0_ms + col * time_bin_ms, start, max(1, (ts_ms.size - start) // 2), ts_ms.size)
    end_ms = t0_ms + (col + 1) * time_bin_ms
    for i in range(first, ts_ms.size):
        if ts_ms[i] >= end_ms:
            break
        cell = _cell_of(
            ts_ms[i],
            price[i],
            weight[i],
            is_long[i],
            where,
        )
        if cell >= 0:
            _add(cell, weight[i], rows, channels, sums, cells, places)
            last_ms[col] = ts_ms[i]


@entry(
    *COLUMNS,
    *FILTER,
    *BINS,
    types.int64,
    types.int64,
    types.int64,
    types.float64[::1],
    types.float32[::1],
    types.int64[:, ::1],
    types.int64[::1],
    types.int64[::1],
)
def open_cells(  # noqa: PLR0917 - as above
    ts_ms: NDArray[np.int64],
    price: NDArray[np.float64],
    weight: NDArray[np.float64],
    is_long: NDArray[np.bool_],
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
    sums: NDArray[np.float64],
    cells: NDArray[np.float32],
    places: NDArray[np.int64],
    last_ms: NDArray[np.int64],
    tally: NDArray[np.int64],
) -> None:
    """Fill a grid with events ascending in time, all of whose columns have room for all their rows.

    ``sums`` and ``cells`` (cols * channels * rows) are 0 before, ``places`` too. ``last_ms`` (cols) becomes the time of
    each column's last event. ``tally`` is added to.
    """
    channels = max(short_channel, long_channel) + 1
    cols = places.shape[0]
    column = channels * rows
    where = (
        least,
        short_channel,
        long_channel,
        t0_ms,
        time_bin_ms,
        inverse_price_bin,
        snap,
        first_price_bin,
        cols,
        rows,
        channels,
    )
    for col in range(cols):
        last_ms[col] = t0_ms + col * time_bin_ms
    for i in range(ts_ms.size):
        cell = _cell_of(
            ts_ms[i],
            price[i],
            weight[i],
            is_long[i],
            where,
        )
        if cell != _NOT_COUNTED:
            tally[KEPT] += 1
        if cell < 0:
            continue
        col = cell // column
        row = (cell - col * column) % rows
        tally[FOUND] += 1
        tally[INSIDE] += (pad_cols <= col < cols - pad_cols) and (pad_rows <= row < rows - pad_rows)
        last_ms[col] = ts_ms[i]
        _add(cell, weight[i], rows, channels, sums, cells, places)


@kernel
def _check(  # noqa: PLR0917 - as above
    ts_ms: NDArray[np.int64],
    price: NDArray[np.float64],
    weight: NDArray[np.float64],
    is_long: NDArray[np.bool_],
    first: int,
    last: int,
    where: Where,
    pad_cols: int,
    pad_rows: int,
    counts: NDArray[np.int64],
) -> bool:
    """Return False if an event of ``[first, last)`` that counts lies outside; else count them."""
    cols, rows, channels = where[8:]
    column = channels * rows
    for i in range(first, last):
        cell = _cell_of(
            ts_ms[i],
            price[i],
            weight[i],
            is_long[i],
            where,
        )
        if cell == _OUTSIDE:
            return False
        if cell >= 0:
            col = cell // column
            row = (cell - col * column) % rows
            counts[0] += 1
            counts[1] += (pad_cols <= col < cols - pad_cols) and (pad_rows <= row < rows - pad_rows)
    return True


@kernel
def _stays(percentile: float, counters: NDArray[np.int64]) -> bool:
    """Return True if the percentile surely lies between the values watched: between this rank's value and the next."""
    occupied = int(counters[OCCUPIED])
    rank = min(int(percentile / 100 * (occupied - 1)), occupied - 1)
    is_above_lower = int(counters[BELOW]) <= rank
    return occupied > 0 and is_above_lower and min(rank + 1, occupied - 1) < occupied - int(counters[ABOVE])


@kernel
def _take_up(  # noqa: PLR0917 - as above
    ts_ms: NDArray[np.int64],
    price: NDArray[np.float64],
    weight: NDArray[np.float64],
    is_long: NDArray[np.bool_],
    first: int,
    newer_ts_ms: NDArray[np.int64],
    newer_price: NDArray[np.float64],
    newer_weight: NDArray[np.float64],
    newer_is_long: NDArray[np.bool_],
    where: Where,
    summed_to: int,
    lower: np.float32,
    upper: np.float32,
    sums: NDArray[np.float64],
    cells: NDArray[np.float32],
    places: NDArray[np.int64],
    last_ms: NDArray[np.int64],
    counters: NDArray[np.int64],
) -> tuple[int, int]:
    """Add the newer events to the columns from ``summed_to`` on; return the range of columns that changed."""
    cols, rows, channels = where[8:]
    column = channels * rows
    low = cols
    high = 0
    again = -1
    for i in range(newer_ts_ms.size):
        cell = _cell_of(newer_ts_ms[i], newer_price[i], newer_weight[i], newer_is_long[i], where)
        col = cell // column
        # Such columns have all their events already.
        if cell < 0 or col < summed_to or col == again:
            continue
        low = min(low, col)
        high = max(high, col + 1)
        if newer_ts_ms[i] < last_ms[col]:
            # Out of turn: older events of the column come after it. All events of the column are among these.
            again = col
            _count_column(cells, col, channels, rows, lower, upper, -1, counters)
            _sum_column(ts_ms, price, weight, is_long, where, col, first, sums, cells, places, last_ms)
            _count_column(cells, col, channels, rows, lower, upper, 1, counters)
            continue
        row = (cell - col * column) % rows
        _count_cell(_total(cells, col, channels, rows, row), lower, upper, -1, counters)
        _add(cell, newer_weight[i], rows, channels, sums, cells, places)
        _count_cell(_total(cells, col, channels, rows, row), lower, upper, 1, counters)
        last_ms[col] = newer_ts_ms[i]
    return low, high


@entry(
    *COLUMNS,
    types.int64,
    types.int64,
    *COLUMNS,
    *FILTER,
    *BINS,
    types.int64,
    types.int64,
    types.int64,
    types.float32,
    types.float32,
    types.float64,
    types.float64[::1],
    types.float32[::1],
    types.int64[:, ::1],
    types.int64[::1],
    types.int64[::1],
    types.int64[::1],
    FLOAT32_IN,
    FLOAT32_IN,
    FLOAT32_IN,
    types.float32,
    types.float32,
    types.float32,
    types.float32[:, ::1],
    types.int64,
    types.int64,
    UINT8_IN,
    COLOURS_IN,
    types.float32[:, ::1],
    types.float32[:, ::1],
    types.int32[::1],
    types.int32[::1],
    types.uint16[::1],
    types.int64,
    types.int64,
    types.int64,
    types.int32[:, ::1],
    types.uint32[:, ::1],
    returns=types.int64,
)
def follow(  # noqa: C901, PLR0915, PLR0917 - as above; most statements only name arrays anew
    ts_ms: NDArray[np.int64],
    price: NDArray[np.float64],
    weight: NDArray[np.float64],
    is_long: NDArray[np.bool_],
    left_from: int,
    window_start_ms: int,
    newer_ts_ms: NDArray[np.int64],
    newer_price: NDArray[np.float64],
    newer_weight: NDArray[np.float64],
    newer_is_long: NDArray[np.bool_],
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
    lower: np.float32,
    upper: np.float32,
    percentile: float,
    sums: NDArray[np.float64],
    cells: NDArray[np.float32],
    places: NDArray[np.int64],
    last_ms: NDArray[np.int64],
    tally: NDArray[np.int64],
    counters: NDArray[np.int64],
    col_weights: NDArray[np.float32],
    row_weights: NDArray[np.float32],
    floors: NDArray[np.float32],
    trail_factor: np.float32,
    trail_strength: np.float32,
    trail_ceiling: np.float32,
    heat: NDArray[np.float32],
    first_bucket: int,
    bucket_shift: int,
    levels: NDArray[np.uint8],
    colours: NDArray[np.uint32],
    spot: NDArray[np.float32],
    value: NDArray[np.float32],
    buckets: NDArray[np.int32],
    shares: NDArray[np.int32],
    block: NDArray[np.uint16],
    missed_first: int,
    missed_last: int,
    most_cols: int,
    spans: NDArray[np.int32],
    out: NDArray[np.uint32],
) -> int:
    """Take up the newer events, part of all events, let those before the window go; paint what changed.

    The window began with the event of index ``left_from``; older ones have been let go. ``counters`` (`COUNTERS`):
    occupied cells, those below ``lower`` and above ``upper``, kept up to date; the first and one past the last of the
    image's columns that changed, and the index of the window's first event, which are set. ``tally`` counts as in
    `open_cells`. Painted are these columns and ``[missed_first, missed_last)``, if they are no more than ``most_cols``.
    Other arguments: see `bin_range`, `paint_range`.

    Return `IMPOSSIBLE`, with nothing changed, if one of these events that counts lies outside the grid; `DOUBTFUL` if
    the percentile may have left the values watched; else `PAINTED`, or `FOLLOWED` if there was too much to paint.
    """
    ts_ms = borrowed(ts_ms)
    price = borrowed(price)
    weight = borrowed(weight)
    is_long = borrowed(is_long)
    sums = borrowed(sums)
    cells = borrowed(cells)
    places = borrowed(places)
    counters = borrowed(counters)
    channels = max(short_channel, long_channel) + 1
    cols = places.shape[0]
    where = (
        least,
        short_channel,
        long_channel,
        t0_ms,
        time_bin_ms,
        inverse_price_bin,
        snap,
        first_price_bin,
        cols,
        rows,
        channels,
    )
    first = first_at(ts_ms, window_start_ms, left_from, 16, ts_ms.size)
    counters[FIRST_EVENT] = first
    # Else the window has become longer, or nothing that was there before is left.
    is_window = left_from == 0 or ts_ms[left_from - 1] < window_start_ms
    if first == ts_ms.size or not is_window or (newer_ts_ms.size and newer_ts_ms[0] < window_start_ms):
        return IMPOSSIBLE
    gone = np.zeros(2, np.int64)
    come = np.zeros(2, np.int64)
    if not _check(
        ts_ms,
        price,
        weight,
        is_long,
        left_from,
        first,
        where,
        pad_cols,
        pad_rows,
        gone,
    ) or not _check(
        newer_ts_ms,
        newer_price,
        newer_weight,
        newer_is_long,
        0,
        newer_ts_ms.size,
        where,
        pad_cols,
        pad_rows,
        come,
    ):
        return IMPOSSIBLE
    tally[KEPT] += come[0] - gone[0]
    tally[FOUND] += come[0] - gone[0]
    tally[INSIDE] += come[1] - gone[1]
    low = cols
    high = 0
    summed_to = 0
    # Events that do not count may lie anywhere and change nothing.
    if gone[0] > 0:
        low = max(0, (ts_ms[left_from] - t0_ms) // time_bin_ms)
        summed_to = min(cols, (ts_ms[first - 1] - t0_ms) // time_bin_ms + 1)
        high = max(low, summed_to)
        for col in range(low, summed_to):
            _count_column(cells, col, channels, rows, lower, upper, -1, counters)
            _sum_column(ts_ms, price, weight, is_long, where, col, first, sums, cells, places, last_ms)
            _count_column(cells, col, channels, rows, lower, upper, 1, counters)
    if come[0] > 0:
        newer_low, newer_high = _take_up(
            ts_ms,
            price,
            weight,
            is_long,
            first,
            newer_ts_ms,
            newer_price,
            newer_weight,
            newer_is_long,
            where,
            summed_to,
            lower,
            upper,
            sums,
            cells,
            places,
            last_ms,
            counters,
        )
        low = min(low, newer_low)
        high = max(high, newer_high)
    width = out.shape[1]
    # A padded column is seen in those from itself back to itself less the margins; a trail goes on to the right.
    dirty_first = max(low - 2 * pad_cols, 0)
    dirty_last = width if trail_factor > np.float32(0) else min(high, width)
    if low >= high or dirty_first >= dirty_last:
        dirty_first = 0
        dirty_last = 0
    elif missed_first < missed_last:
        missed_first = min(missed_first, dirty_first)
        missed_last = max(missed_last, dirty_last)
    else:
        missed_first = dirty_first
        missed_last = dirty_last
    counters[FIRST_COL] = dirty_first
    counters[LAST_COL] = dirty_last
    if not _stays(percentile, counters):
        return DOUBTFUL
    if missed_first >= missed_last:
        return PAINTED
    if missed_last - missed_first >= BLOCK_COLS:
        # Whole blocks are written faster than parts.
        missed_first = missed_first // BLOCK_COLS * BLOCK_COLS
        missed_last = min(-(-missed_last // BLOCK_COLS) * BLOCK_COLS, width)
    if missed_last - missed_first > most_cols:
        return FOLLOWED
    warm = np.empty(3, np.int64)
    start_heat(heat, trail_factor, warm)
    paint_range(
        cells,
        places,
        borrowed(col_weights),
        borrowed(row_weights),
        borrowed(floors),
        trail_factor,
        trail_strength,
        trail_ceiling,
        borrowed(heat),
        warm,
        first_bucket,
        bucket_shift,
        borrowed(levels),
        borrowed(colours),
        missed_first,
        missed_last,
        borrowed(spot),
        borrowed(value),
        borrowed(buckets),
        borrowed(shares),
        borrowed(block),
        borrowed(spans),
        borrowed(out),
    )
    return PAINTED
