"""The heart of binning: a walk over time-sorted events, column by column.

Grids are column-major (channels, cols, rows): the active column stays in the first-level cache. Sorted time lets each
thread own a range of columns, so nothing is shared and nothing reduced. Importing this module loads Numba; only
`NumbaEngine` and the warm-up may do so.

Loops that must be fast run over slices from 0 on or over unsigned numbers, and join conditions by ``&``: with an index
that might be negative, or with ``and``, LLVM does not vectorise them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from Heatmap.aggregation.kernel_jit import kernel

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Events whose rows are worked out at once, before their weights are added: 2 KB of indices.
BLOCK_EVENTS = 512
# A block spans a few columns at most: its lowest and highest row serve them all.
FEWEST_BLOCK_EVENTS = 64
BLOCK_COLUMNS = 8

# From so many events on their times are not in the second-level cache, and a search waits for memory at each step:
# borders of columns are then looked for side by side, so many at a time.
FAR_EVENTS = 1 << 18
SIDE_BY_SIDE = 16

# What a walk counts; indices into a tally.
KEPT, FOUND, INSIDE, OCCUPIED, COLLECTED = 0, 1, 2, 3, 4
TALLY_SIZE = 5
# Of a tally in a list of them, one per thread: a cache line each.
TALLY_STRIDE = 8

# What is known of a column; indices into a row of places, see `RawCells`.
LOW, HIGH, START = 0, 1, 2


@kernel
def first_at(ts_ms: NDArray[np.int64], target_ms: int, start: int, stride: int, end: int) -> int:
    """Return the first index in ``[start, end]`` whose time is not before the target: guess, gallop, bisect."""
    low = start
    if low >= end or ts_ms[low] >= target_ms:
        return low
    high = low + stride
    while high < end and ts_ms[high] < target_ms:
        low = high
        high += stride
        stride *= 2
    high = min(high, end)
    while high - low > 1:
        middle = (low + high) >> 1
        if ts_ms[middle] < target_ms:
            low = middle
        else:
            high = middle
    return high


@kernel
def _find_borders(  # noqa: PLR0917 - a kernel takes arrays and numbers by position, Numba knows no objects here
    ts_ms: NDArray[np.int64],
    first_ms: int,
    time_bin_ms: int,
    count: int,
    start: int,
    end: int,
    borders: NDArray[np.int64],
) -> None:
    """Write the first index in ``[start, end]`` whose time is not before ``first_ms``, one bin later, and so on.

    ``borders`` is written in whole groups of `SIDE_BY_SIDE`: bisections that take each step together, so that they wait
    for memory together.
    """
    for group in range(0, count, SIDE_BY_SIDE):
        found = borders[group : group + SIDE_BY_SIDE]
        found[:] = start
        size = end - start
        while size > 0:
            half = (size + 1) >> 1
            for k in range(SIDE_BY_SIDE):
                at = found[np.uint64(k)]
                target_ms = first_ms + (group + k) * time_bin_ms
                # A conditional move: nothing to predict. At the end there may be no event to look at.
                look = min(at + half, end) - 1
                found[np.uint64(k)] = look + 1 if ts_ms[np.uint64(look)] < target_ms else at
            size -= half


@kernel
def _index_cells(  # noqa: PLR0917 - as above
    price: NDArray[np.float64],
    weight: NDArray[np.float64],
    is_long: NDArray[np.uint8],
    least: float,
    short_channel: int,
    long_channel: int,
    inverse_price_bin: float,
    snap: float,
    first_price_bin: float,
    rows: int,
    trash: int,
    index: NDArray[np.uint32],
) -> tuple[np.int32, np.int32, np.int32]:
    """Write ``channel * rows + row`` of each event, ``trash`` for what is outside or does not count.

    Return the lowest row, one past the highest (0 if there is none), and how many went to the trash.
    """
    limit = float(rows)
    nowhere = float(trash)
    infinity = np.inf
    outside = np.int32(rows)
    one = np.int32(1)
    none = np.int32(0)
    low = outside
    high = none
    missing = none
    if short_channel == long_channel:
        for i in range(price.size):
            quotient = price[i] * inverse_price_bin
            row = np.floor(quotient + abs(quotient) * snap) - first_price_bin
            # Compared as floats: NaN and wild prices fail here and never become an index.
            found = (weight[i] >= least) & (weight[i] < infinity) & (row >= 0.0) & (row < limit)
            cell = np.int32(row if found else nowhere)
            index[i] = np.uint32(cell)
            low = min(low, cell)
            high = max(high, np.int32(cell + one) if found else none)
            missing += none if found else one
    else:
        short_base = float(short_channel * rows)
        long_base = float(long_channel * rows)
        for i in range(price.size):
            quotient = price[i] * inverse_price_bin
            row = np.floor(quotient + abs(quotient) * snap) - first_price_bin
            base = long_base if is_long[i] != 0 else short_base
            found = (weight[i] >= least) & (weight[i] < infinity) & (row >= 0.0) & (row < limit) & (base >= 0.0)
            index[i] = np.uint32(np.int32(base + row if found else nowhere))
            place = np.int32(row if found else limit)
            low = min(low, place)
            high = max(high, np.int32(place + one) if found else none)
            missing += none if found else one
    return low, high, missing


@kernel
def _count_excluded(  # noqa: PLR0917 - as above
    price: NDArray[np.float64],
    weight: NDArray[np.float64],
    is_long: NDArray[np.uint8],
    least: float,
    short_channel: int,
    long_channel: int,
) -> int:
    """Return how many events do not count, wherever they lie; see `EventBatch`."""
    count = 0
    for i in range(price.size):
        channel = long_channel if is_long[i] != 0 else short_channel
        count += not ((weight[i] >= least) & (weight[i] < np.inf) & (abs(price[i]) < np.inf) & (channel >= 0))
    return count


@kernel
def _move_sums(
    sums: NDArray[np.float64], cells: NDArray[np.float32], threshold: np.float32
) -> tuple[np.int32, np.int32]:
    """Move float64 sums to float32 cells and clear them; return how many are positive, and reach the threshold."""
    zero = np.float32(0)
    one = np.int32(1)
    none = np.int32(0)
    occupied = none
    reached = none
    for k in range(cells.size):
        value = np.float32(sums[k])
        cells[k] = value
        sums[k] = 0.0
        occupied += one if value > zero else none
        reached += one if value >= threshold else none
    return occupied, reached


@kernel
def _move_second_sums(
    sums: NDArray[np.float64], first: NDArray[np.float32], cells: NDArray[np.float32], threshold: np.float32
) -> tuple[np.int32, np.int32]:
    """Do the same for a second channel; what is counted is the sum of both."""
    zero = np.float32(0)
    one = np.int32(1)
    none = np.int32(0)
    occupied = none
    reached = none
    for k in range(cells.size):
        value = np.float32(sums[k])
        cells[k] = value
        sums[k] = 0.0
        total = first[k] + value
        occupied += one if total > zero else none
        reached += one if total >= threshold else none
    return occupied, reached


@kernel
def _store_column(  # noqa: PLR0917 - as above
    low: int,
    size: int,
    rows: int,
    channels: int,
    scratch: NDArray[np.float64],
    threshold: np.float32,
    cells: NDArray[np.float32],
    collected: NDArray[np.float32],
    tally: NDArray[np.int64],
) -> None:
    """Move the float64 sums of ``size`` rows of one column to its float32 ``cells``, and clear ``scratch``.

    Counts the occupied cells, over all channels, and collects those of ``threshold`` or more, which is positive.
    """
    first = cells[:size]
    occupied, reached = _move_sums(scratch[low : low + size], first, threshold)
    second = first
    if channels > 1:
        second = cells[size : size + size]
        sums = scratch[rows + low : rows + low + size]
        occupied, reached = _move_second_sums(sums, first, second, threshold)
    tally[OCCUPIED] += occupied
    if reached > np.int32(0):
        count = tally[COLLECTED]
        for k in range(first.size):
            value = first[k] + second[k] if channels > 1 else first[k]
            if value >= threshold:
                collected[count] = value
                count += 1
        tally[COLLECTED] = count


@kernel
def _count_rows(
    located: NDArray[np.uint32], wrap: np.int32, rows: np.int32, first_row: np.int32, last_row: np.int32
) -> int:
    """Return how many of the cells of `_index_cells` lie in the rows ``[first_row, last_row)`` of their channel."""
    count = np.int32(0)
    one = np.int32(1)
    none = np.int32(0)
    for k in range(located.size):
        cell = np.int32(located[k])
        row = np.int32(cell - rows) if cell >= wrap else cell
        count += one if (row >= first_row) & (row < last_row) else none
    return int(count)


@kernel
def bin_range(  # noqa: C901, PLR0915, PLR0917 - one nest of loops: each level of it would take all these arguments
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
    first_col: int,
    last_col: int,
    threshold: np.float32,
    rows: int,
    cells: NDArray[np.float32],
    places: NDArray[np.int64],
    scratch: NDArray[np.float64],
    index: NDArray[np.uint32],
    borders: NDArray[np.int64],
    collected: NDArray[np.float32],
    tally: NDArray[np.int64],
) -> None:
    """Bin the columns ``[first_col, last_col)`` of a grid whose first column begins at ``t0_ms``; see `RawCells`.

    ``cells`` (channels * cols * rows) and ``places`` (cols, 3) are written for these columns only; one column
    follows the other. ``scratch`` (float64, channels * rows + 1)
    is all 0 but for its last entry, before and after. ``index`` holds `BLOCK_EVENTS` entries, ``borders`` one a column
    and two times `SIDE_BY_SIDE` more. Cells of ``threshold`` or more, which is positive, summed over the channels, go
    to ``collected`` from ``tally[COLLECTED]`` on. ``tally`` (`TALLY_SIZE`) is added to.
    """
    channels = max(short_channel, long_channel) + 1
    first = first_at(ts_ms, t0_ms + first_col * time_bin_ms, 0, max(1, ts_ms.size // 2), ts_ms.size)
    last = first_at(ts_ms, t0_ms + last_col * time_bin_ms, first, max(1, ts_ms.size // 2), ts_ms.size)
    trash = channels * rows
    # Row of a cell of the second channel: its index less this. With one channel no index gets there.
    wrap = np.int32(rows if channels > 1 else trash + 1)
    # Enough room for full columns of those before, which other threads may write meanwhile.
    place = first_col * channels * rows
    # Without padding what is found is inside, and need not be counted once more.
    is_padded = pad_cols + pad_rows > 0
    stride = max(1, (last - first) // max(1, last_col - first_col))
    block = min(BLOCK_EVENTS, max(FEWEST_BLOCK_EVENTS, BLOCK_COLUMNS * stride))
    is_far = last - first >= FAR_EVENTS
    if is_far:
        _find_borders(
            ts_ms, t0_ms + first_col * time_bin_ms, time_bin_ms, last_col - first_col + 1, first, last, borders
        )
    event = first
    indexed_from = first
    indexed_to = first
    block_low = np.int32(rows)
    block_high = np.int32(0)
    missing = 0
    excluded = 0
    inside = 0
    for col in range(first_col, last_col):
        if is_far:
            col_end = borders[col + 1 - first_col]
        else:
            col_end = first_at(ts_ms, t0_ms + (col + 1) * time_bin_ms, event, stride, last)
        low = np.int32(rows)
        high = np.int32(0)
        col_inside = 0
        while event < col_end:
            if event == indexed_to:
                indexed_from = event
                indexed_to = min(event + block, last)
                block_price = price[indexed_from:indexed_to]
                block_weight = weight[indexed_from:indexed_to]
                block_is_long = is_long[indexed_from:indexed_to]
                block_low, block_high, block_missing = _index_cells(
                    block_price,
                    block_weight,
                    block_is_long,
                    least,
                    short_channel,
                    long_channel,
                    inverse_price_bin,
                    snap,
                    first_price_bin,
                    rows,
                    trash,
                    index,
                )
                if block_missing > np.int32(0):
                    missing += int(block_missing)
                    excluded += _count_excluded(
                        block_price, block_weight, block_is_long, least, short_channel, long_channel
                    )
            until = min(col_end, indexed_to)
            low = min(low, block_low)
            high = max(high, block_high)
            located = index[event - indexed_from : until - indexed_from]
            added = weight[event:until]
            if is_padded:
                col_inside += _count_rows(located, wrap, np.int32(rows), np.int32(pad_rows), np.int32(rows - pad_rows))
            for k in range(located.size):
                scratch[located[k]] += added[k]
            event = until
        size = max(int(high) - int(low), 0)
        places[col, LOW] = low if size > 0 else 0
        places[col, HIGH] = high if size > 0 else 0
        places[col, START] = place
        if size > 0:
            _store_column(int(low), size, rows, channels, scratch, threshold, cells[place:], collected, tally)
        place += channels * size
        if pad_cols <= col < places.shape[0] - pad_cols:
            inside += col_inside
    tally[KEPT] += last - first - excluded
    tally[FOUND] += last - first - missing
    tally[INSIDE] += inside if is_padded else last - first - missing
