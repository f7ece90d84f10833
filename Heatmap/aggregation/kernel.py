"""The binning kernels: a walk over time-sorted events, column by column.

Grids are column-major (channels, cols, rows): the active column stays in the first-level cache. Sorted time lets each
thread own a range of columns, so nothing is shared and nothing reduced. Importing this module loads Numba; only
`NumbaEngine` and the warm-up may do so.

Loops that must be fast run over slices from 0 on or over unsigned numbers, and join conditions by ``&``: with an index
that might be negative, or with ``and``, LLVM does not vectorise them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numba import types

from Heatmap.aggregation.kernel_jit import BINS, EVENTS, FILTER, entry, kernel

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Events whose rows are worked out at once, before their weights are added: 2 KB of indices.
BLOCK_EVENTS = 512

# What a walk counts; indices into a tally.
KEPT, FOUND, INSIDE, OCCUPIED, COLLECTED = 0, 1, 2, 3, 4
TALLY_SIZE = 5

# What is known of a column; indices into a row of places, see `RawCells`.
LOW, HIGH, START = 0, 1, 2


@kernel
def _first_at(ts_ms: NDArray[np.int64], target_ms: int, start: int, stride: int, end: int) -> int:
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
def _index_cells(  # noqa: PLR0917 - a kernel takes arrays and numbers by position, Numba knows no objects here
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
    tally: NDArray[np.int64],
) -> None:
    """Write ``channel * rows + row`` of each event, ``trash`` for what is outside or does not count."""
    limit = float(rows)
    nowhere = float(trash)
    infinity = np.inf
    kept = 0
    located = 0
    if short_channel == long_channel:
        for i in range(price.size):
            quotient = price[i] * inverse_price_bin
            row = np.floor(quotient + abs(quotient) * snap) - first_price_bin
            keep = (weight[i] >= least) & (weight[i] < infinity) & (abs(price[i]) < infinity)
            # Compared as floats: NaN and wild prices fail here and never become an index.
            found = keep & (row >= 0.0) & (row < limit)
            index[i] = np.uint32(np.int32(row if found else nowhere))
            kept += keep
            located += found
    else:
        short_base = float(short_channel * rows)
        long_base = float(long_channel * rows)
        for i in range(price.size):
            quotient = price[i] * inverse_price_bin
            row = np.floor(quotient + abs(quotient) * snap) - first_price_bin
            base = long_base if is_long[i] != 0 else short_base
            keep = (weight[i] >= least) & (weight[i] < infinity) & (abs(price[i]) < infinity) & (base >= 0.0)
            found = keep & (row >= 0.0) & (row < limit)
            index[i] = np.uint32(np.int32(base + row if found else nowhere))
            kept += keep
            located += found
    tally[KEPT] += kept
    tally[FOUND] += located


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
    zero = np.float32(0)
    occupied = np.int32(0)
    reached = np.int32(0)
    one = np.int32(1)
    none = np.int32(0)
    source = scratch[low : low + size]
    first = cells[:size]
    for k in range(first.size):
        first[k] = np.float32(source[k])
    source[:] = 0.0
    if channels == 1:
        for k in range(first.size):
            occupied += one if first[k] > zero else none
            reached += one if first[k] >= threshold else none
    else:
        source = scratch[rows + low : rows + low + size]
        second = cells[size : size + size]
        for k in range(second.size):
            second[k] = np.float32(source[k])
        source[:] = 0.0
        for k in range(second.size):
            occupied += one if first[k] + second[k] > zero else none
            reached += one if first[k] + second[k] >= threshold else none
    tally[OCCUPIED] += occupied
    if reached > none:
        count = tally[COLLECTED]
        for k in range(size):
            value = first[k] + cells[size + k] if channels > 1 else first[k]
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
def _walk(  # noqa: PLR0917 - as above
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
    first: int,
    last: int,
    threshold: np.float32,
    packed: bool,
    channels: int,
    rows: int,
    cells: NDArray[np.float32],
    places: NDArray[np.int64],
    scratch: NDArray[np.float64],
    index: NDArray[np.uint32],
    collected: NDArray[np.float32],
    tally: NDArray[np.int64],
) -> None:
    """Bin the events ``[first, last)``, which are those of the columns ``[first_col, last_col)``."""
    trash = channels * rows
    # Row of a cell of the second channel: its index less this. With one channel no index gets there.
    wrap = np.int32(rows if channels > 1 else trash + 1)
    # Enough room for full columns of those before, which other threads may write meanwhile.
    place = first_col * channels * rows
    outside = np.int32(rows)
    # Without padding what is found is inside, and need not be counted once more.
    is_padded = pad_cols + pad_rows > 0
    found_before = tally[FOUND]
    stride = max(1, (last - first) // max(1, last_col - first_col))
    event = first
    indexed_from = first
    indexed_to = first
    one = np.int32(1)
    none = np.int32(0)
    for col in range(first_col, last_col):
        col_end = _first_at(ts_ms, t0_ms + (col + 1) * time_bin_ms, event, stride, last)
        low = outside
        high = none
        inside = 0
        while event < col_end:
            if event == indexed_to:
                indexed_from = event
                indexed_to = min(event + BLOCK_EVENTS, last)
                _index_cells(
                    price[indexed_from:indexed_to],
                    weight[indexed_from:indexed_to],
                    is_long[indexed_from:indexed_to],
                    least,
                    short_channel,
                    long_channel,
                    inverse_price_bin,
                    snap,
                    first_price_bin,
                    rows,
                    trash,
                    index,
                    tally,
                )
            until = min(col_end, indexed_to)
            located = index[event - indexed_from : until - indexed_from]
            added = weight[event:until]
            for k in range(located.size):
                cell = np.int32(located[k])
                row = np.int32(cell - outside) if cell >= wrap else cell
                low = min(low, row)
                high = max(high, row + one if row < outside else none)
            if is_padded:
                inside += _count_rows(located, wrap, outside, np.int32(pad_rows), np.int32(rows - pad_rows))
            for k in range(located.size):
                scratch[located[k]] += added[k]
            event = until
        size = max(int(high) - int(low), 0)
        places[col, LOW] = low if size > 0 else 0
        places[col, HIGH] = high if size > 0 else 0
        places[col, START] = place
        if size > 0:
            _store_column(int(low), size, rows, channels, scratch, threshold, cells[place:], collected, tally)
        place += channels * (size if packed else rows)
        if is_padded and pad_cols <= col < places.shape[0] - pad_cols:
            tally[INSIDE] += inside
    if not is_padded:
        tally[INSIDE] += tally[FOUND] - found_before


@entry(
    *EVENTS,
    *FILTER,
    *BINS,
    types.int64,
    types.int64,
    types.int64,
    types.int64,
    types.float32,
    types.boolean,
    types.int64,
    types.float32[::1],
    types.int64[:, ::1],
    types.float64[::1],
    types.uint32[::1],
    types.float32[::1],
    types.int64[::1],
)
def bin_columns(  # noqa: PLR0917 - as above
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
    packed: bool,
    rows: int,
    cells: NDArray[np.float32],
    places: NDArray[np.int64],
    scratch: NDArray[np.float64],
    index: NDArray[np.uint32],
    collected: NDArray[np.float32],
    tally: NDArray[np.int64],
) -> None:
    """Bin the columns ``[first_col, last_col)`` of a grid whose first column begins at ``t0_ms``; see `RawCells`.

    ``cells`` (channels * cols * rows) and ``places`` (cols, 3) are written for these columns only; ``packed`` if one
    column follows the other, else each is at the beginning of its own room. ``scratch`` (float64, channels * rows + 1)
    is all 0 but for its last entry, before and after. ``index`` holds `BLOCK_EVENTS` entries. Cells of ``threshold`` or
    more, which is positive, summed over the channels, go to ``collected`` from ``tally[COLLECTED]`` on. ``tally``
    (`TALLY_SIZE`) is added to.
    """
    channels = max(short_channel, long_channel) + 1
    first = _first_at(ts_ms, t0_ms + first_col * time_bin_ms, 0, max(1, ts_ms.size // 2), ts_ms.size)
    last = _first_at(ts_ms, t0_ms + last_col * time_bin_ms, first, max(1, ts_ms.size // 2), ts_ms.size)
    _walk(
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
        first_col,
        last_col,
        first,
        last,
        threshold,
        packed,
        channels,
        rows,
        cells,
        places,
        scratch,
        index,
        collected,
        tally,
    )


@entry(
    *EVENTS,
    *FILTER,
    *BINS,
    types.int64,
    types.float32,
    types.int64,
    types.float32[::1],
    types.int64[:, ::1],
    types.float64[::1],
    types.uint32[::1],
    types.float32[::1],
    types.int64[::1],
)
def sample_columns(  # noqa: PLR0917 - as above
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
    samples: int,
    threshold: np.float32,
    rows: int,
    cells: NDArray[np.float32],
    places: NDArray[np.int64],
    scratch: NDArray[np.float64],
    index: NDArray[np.uint32],
    collected: NDArray[np.float32],
    tally: NDArray[np.int64],
) -> None:
    """Bin some columns, evenly spaced; arguments as for `bin_columns`."""
    channels = max(short_channel, long_channel) + 1
    cols = places.shape[0]
    stride = max(1, ts_ms.size // cols)
    for sample in range(samples):
        col = (2 * sample + 1) * cols // (2 * samples)
        first = _first_at(ts_ms, t0_ms + col * time_bin_ms, 0, max(1, ts_ms.size // 2), ts_ms.size)
        last = _first_at(ts_ms, t0_ms + (col + 1) * time_bin_ms, first, stride, ts_ms.size)
        _walk(
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
            0,
            0,
            col,
            col + 1,
            first,
            last,
            threshold,
            True,
            channels,
            rows,
            cells,
            places,
            scratch,
            index,
            collected,
            tally,
        )


@kernel
def _count_column(  # noqa: PLR0917 - as above
    place: NDArray[np.int64],
    channels: int,
    cells: NDArray[np.float32],
    lower: np.float32,
    upper: np.float32,
    sign: int,
    counters: NDArray[np.int64],
) -> None:
    """Add a column's occupied cells, those below and those above the bounds to the counters, or take them off."""
    size = place[HIGH] - place[LOW]
    start = place[START]
    for k in range(size):
        value = cells[start + k] + cells[start + size + k] if channels > 1 else cells[start + k]
        if value > np.float32(0):
            counters[0] += sign
            counters[1] += sign * (value < lower)
            counters[2] += sign * (value > upper)


@entry(
    *EVENTS,
    *EVENTS,
    *FILTER,
    *BINS,
    types.int64,
    types.int64,
    types.int64,
    types.float32,
    types.float32,
    types.float32[::1],
    types.int64[:, ::1],
    types.float64[::1],
    types.uint32[::1],
    types.int64[::1],
    types.int64[::1],
    returns=types.boolean,
)
def update_columns(  # noqa: PLR0917 - as above
    ts_ms: NDArray[np.int64],
    price: NDArray[np.float64],
    weight: NDArray[np.float64],
    is_long: NDArray[np.uint8],
    newer_ts_ms: NDArray[np.int64],
    newer_price: NDArray[np.float64],
    newer_weight: NDArray[np.float64],
    newer_is_long: NDArray[np.uint8],
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
    cells: NDArray[np.float32],
    places: NDArray[np.int64],
    scratch: NDArray[np.float64],
    index: NDArray[np.uint32],
    tally: NDArray[np.int64],
    counters: NDArray[np.int64],
) -> bool:
    """Bin the columns anew that the newer events, a part of all events, lie in; sums come out as in a full walk.

    Return False, with nothing changed, if a newer event that counts lies outside the grid. ``tally`` is added the newer
    events' counts. ``counters`` (5): occupied cells, those below ``lower``, those above ``upper``, kept up to date; the
    first and one past the last of the columns binned, which are set.
    Each column has room for all its rows: ``cells`` as for `bin_columns`, but not packed across columns.
    """
    channels = max(short_channel, long_channel) + 1
    cols = places.shape[0]
    count = newer_ts_ms.size
    kept = 0
    inside = 0
    for i in range(count):
        channel = long_channel if newer_is_long[i] != 0 else short_channel
        if not (
            newer_weight[i] >= least and newer_weight[i] < np.inf and abs(newer_price[i]) < np.inf and channel >= 0
        ):
            continue
        quotient = newer_price[i] * inverse_price_bin
        row = np.floor(quotient + abs(quotient) * snap) - first_price_bin
        col = (newer_ts_ms[i] - t0_ms) // time_bin_ms
        if not (0 <= col < cols and 0.0 <= row < rows):
            return False
        kept += 1
        inside += (pad_cols <= col < cols - pad_cols) and (pad_rows <= row < rows - pad_rows)
    tally[KEPT] += kept
    tally[FOUND] += kept
    tally[INSIDE] += inside
    counters[3] = cols
    counters[4] = 0
    collected = np.empty(0, np.float32)
    walked = np.zeros(TALLY_SIZE, np.int64)
    before = -1
    for i in range(count):
        col = (newer_ts_ms[i] - t0_ms) // time_bin_ms
        # Ascending in time: the events of a column follow one another. One that does not count may lie anywhere.
        if col == before or col < 0 or col >= cols:
            continue
        before = col
        counters[3] = min(counters[3], col)
        counters[4] = col + 1
        _count_column(places[col], channels, cells, lower, upper, -1, counters)
        col_ms = t0_ms + col * time_bin_ms
        first = _first_at(ts_ms, col_ms, 0, max(1, ts_ms.size // 2), ts_ms.size)
        last = _first_at(ts_ms, col_ms + time_bin_ms, first, 64, ts_ms.size)
        _walk(
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
            col,
            col + 1,
            first,
            last,
            np.float32(np.inf),
            False,
            channels,
            rows,
            cells,
            places,
            scratch,
            index,
            collected,
            walked,
        )
        _count_column(places[col], channels, cells, lower, upper, 1, counters)
    return True
