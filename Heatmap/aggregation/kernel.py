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

from Heatmap.aggregation.kernel_jit import FLOAT32_IN, FLOAT64_IN, INT64_IN, PLACES_IN, UINT8_IN, entry, kernel

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Events whose rows are worked out at once, before their weights are added: 2 KB of indices.
BLOCK_EVENTS = 512

# What a walk counts; indices into a tally.
KEPT, FOUND, INSIDE, OCCUPIED, COLLECTED = 0, 1, 2, 3, 4
TALLY_SIZE = 5

# What is known of a column; indices into a row of places, see `RawCells`.
LOW, HIGH, START = 0, 1, 2

_EVENTS = (INT64_IN, FLOAT64_IN, FLOAT64_IN, UINT8_IN)
_FILTER = (types.float64, types.int64, types.int64)
_BINS = (types.int64, types.int64, types.float64, types.float64, types.float64)


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
    high: int,
    rows: int,
    channels: int,
    scratch: NDArray[np.float64],
    threshold: np.float32,
    cells: NDArray[np.float32],
    collected: NDArray[np.float32],
    tally: NDArray[np.int64],
) -> None:
    """Move the float64 sums in rows ``[low, high)`` of one column to its float32 ``cells``, and clear ``scratch``.

    Counts the occupied cells, over all channels, and collects those of ``threshold`` or more, which is positive.
    """
    zero = np.float32(0)
    size = high - low
    occupied = np.int32(0)
    reached = np.int32(0)
    one = np.int32(1)
    none = np.int32(0)
    source = scratch[low:high]
    first = cells[:size]
    for k in range(first.size):
        first[k] = np.float32(source[k])
    source[:] = 0.0
    if channels == 1:
        for k in range(first.size):
            occupied += one if first[k] > zero else none
            reached += one if first[k] >= threshold else none
    else:
        source = scratch[rows + low : rows + high]
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
    visible_from = np.int32(pad_rows)
    visible_to = np.int32(rows - pad_rows)
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
            visible = none
            for k in range(located.size):
                cell = np.int32(located[k])
                row = np.int32(cell - outside) if cell >= wrap else cell
                low = min(low, row)
                high = max(high, row + one if row < outside else none)
                visible += one if (row >= visible_from) & (row < visible_to) else none
            inside += visible
            for k in range(located.size):
                scratch[located[k]] += added[k]
            event = until
        high = max(high, low) if low < outside else none
        low = min(low, high)
        places[col, LOW] = low
        places[col, HIGH] = high
        places[col, START] = place
        if high > low:
            _store_column(low, high, rows, channels, scratch, threshold, cells[place:], collected, tally)
            place += channels * (high - low)
        if pad_cols <= col < places.shape[0] - pad_cols:
            tally[INSIDE] += inside


@entry(
    *_EVENTS,
    *_FILTER,
    *_BINS,
    types.int64,
    types.int64,
    types.int64,
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
    rows: int,
    cells: NDArray[np.float32],
    places: NDArray[np.int64],
    scratch: NDArray[np.float64],
    index: NDArray[np.uint32],
    collected: NDArray[np.float32],
    tally: NDArray[np.int64],
) -> None:
    """Bin the columns ``[first_col, last_col)`` of a grid whose first column begins at ``t0_ms``; see `RawCells`.

    ``cells`` (channels * cols * rows) and ``places`` (cols, 3) are written for these columns only. ``scratch`` (float64,
    channels * rows + 1) is all 0 but for its last entry, before and after. ``index`` holds `BLOCK_EVENTS` entries. Cells
    of ``threshold`` or more, summed over the channels, go to ``collected`` from ``tally[COLLECTED]`` on; it is positive.
    ``tally`` (`TALLY_SIZE`) is added to.
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
    *_EVENTS,
    *_FILTER,
    *_BINS,
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
    *_EVENTS,
    *_FILTER,
    *_BINS,
    types.int64,
    types.int64,
    types.int64,
    types.int64,
    types.float64[::1],
    types.uint8[::1],
    types.int64[::1],
    types.int64[::1],
    types.float32[::1],
    types.int64[::1],
)
def bin_touched(  # noqa: PLR0917 - as above
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
    rows: int,
    origin: int,
    row_step: int,
    col_step: int,
    scratch: NDArray[np.float64],
    seen: NDArray[np.uint8],
    touched: NDArray[np.int64],
    positions: NDArray[np.int64],
    values: NDArray[np.float32],
    tally: NDArray[np.int64],
) -> None:
    """Write each occupied cell, summed over the channels: where it is and its value; ``tally`` counts them.

    The work grows with the events alone, however many columns there are. A cell's position is ``origin + row * row_step
    + col * col_step``. ``scratch`` (float64, 2 * rows) and ``seen`` (rows) are all 0 before and after; ``touched`` holds
    ``rows`` entries, ``positions`` and ``values`` one an event.
    """
    limit = float(rows)
    count = 0
    written = 0
    kept = 0
    inside = 0
    col = 0
    col_end_ms = t0_ms
    # One more turn than there are events: it writes the last column out.
    for i in range(ts_ms.size + 1):
        if i == ts_ms.size or ts_ms[i] >= col_end_ms:
            for k in range(count):
                row = touched[k]
                values[written] = np.float32(scratch[row]) + np.float32(scratch[rows + row])
                positions[written] = origin + row * row_step + col * col_step
                scratch[row] = 0.0
                scratch[rows + row] = 0.0
                seen[row] = 0
                written += 1
            count = 0
            if i == ts_ms.size:
                break
            col = (ts_ms[i] - t0_ms) // time_bin_ms
            col_end_ms = t0_ms + (col + 1) * time_bin_ms
        channel = long_channel if is_long[i] != 0 else short_channel
        keep = (weight[i] >= least) & (weight[i] < np.inf) & (abs(price[i]) < np.inf) & (channel >= 0)
        kept += keep
        quotient = price[i] * inverse_price_bin
        row_float = np.floor(quotient + abs(quotient) * snap) - first_price_bin
        if keep and 0.0 <= row_float < limit:
            inside += 1
            row = int(row_float)
            if seen[row] == 0:
                seen[row] = 1
                touched[count] = row
                count += 1
            scratch[channel * rows + row] += weight[i]
    tally[KEPT] += kept
    tally[FOUND] += inside
    tally[INSIDE] += inside
    tally[OCCUPIED] += written


@entry(FLOAT64_IN, FLOAT64_IN, UINT8_IN, *_FILTER, returns=types.int64)
def count_kept(  # noqa: PLR0917 - as above
    price: NDArray[np.float64],
    weight: NDArray[np.float64],
    is_long: NDArray[np.uint8],
    least: float,
    short_channel: int,
    long_channel: int,
) -> int:
    """Return how many events count; see `EventBatch`."""
    kept = 0
    for i in range(price.size):
        channel = long_channel if is_long[i] != 0 else short_channel
        kept += (weight[i] >= least) & (weight[i] < np.inf) & (abs(price[i]) < np.inf) & (channel >= 0)
    return kept


@entry(FLOAT32_IN, PLACES_IN, types.int64, types.float32[::1], returns=types.int64)
def collect_cells(
    cells: NDArray[np.float32], places: NDArray[np.int64], channels: int, values: NDArray[np.float32]
) -> int:
    """Write every occupied cell, summed over the channels, to ``values`` and return how many there are.

    ``values`` holds one more entry than that.
    """
    count = 0
    for col in range(places.shape[0]):
        size = places[col, HIGH] - places[col, LOW]
        column = cells[places[col, START] : places[col, START] + channels * size]
        for k in range(size):
            value = column[k] + column[size + k] if channels > 1 else column[k]
            values[count] = value
            count += value > np.float32(0)
    return count


@entry(FLOAT32_IN, PLACES_IN, types.int64, types.float32[:, ::1])
def spread_grid(
    cells: NDArray[np.float32], places: NDArray[np.int64], channel: int, out: NDArray[np.float32]
) -> None:
    """Write the cells of one channel to a zeroed grid (rows, cols)."""
    for col in range(places.shape[0]):
        low = places[col, LOW]
        size = places[col, HIGH] - low
        start = places[col, START] + channel * size
        for k in range(size):
            out[low + k, col] = cells[start + k]


@entry(FLOAT32_IN, types.int64, types.float32[::1], types.int64[::1], types.float32[::1])
def neighbours_of_rank(
    values: NDArray[np.float32],
    rank: int,
    candidates: NDArray[np.float32],
    counts: NDArray[np.int64],
    found: NDArray[np.float32],
) -> None:
    """Write the two values that would be at ``rank`` and ``rank + 1`` if ``values``, all positive, were sorted.

    Positive floats sort as their bits do: three rounds of counting by 11, 11 and 10 bits leave one value. Without a
    next one the value itself stands for it. ``candidates`` is as long as ``values``; ``counts`` holds 2048 entries.
    """
    size = values.size
    candidates[:size] = values
    left = rank
    for shift in (21, 10, 0):
        counts[:] = 0
        mask = 0x3FF if shift == 0 else 0x7FF
        for i in range(size):
            counts[(np.float32(candidates[i]).view(np.int32) >> shift) & mask] += 1
        digit = 0
        while left >= counts[digit]:
            left -= counts[digit]
            digit += 1
        remaining = 0
        for i in range(size):
            value = candidates[i]
            candidates[remaining] = value
            remaining += ((np.float32(value).view(np.int32) >> shift) & mask) == digit
        size = remaining
    value = candidates[0]
    not_above = 0
    above = np.float32(np.inf)
    for i in range(values.size):
        not_above += values[i] <= value
        above = min(above, values[i] if values[i] > value else np.float32(np.inf))
    found[0] = value
    found[1] = value if not_above > rank + 1 or not_above == values.size else above
