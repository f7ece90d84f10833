"""The binning kernels that Python calls: all columns, a sample of them, or those that new events lie in."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numba import types

from Heatmap.aggregation.kernel_jit import BINS, EVENTS, FILTER, borrowed, entry, kernel
from Heatmap.aggregation.kernel_walk import (
    COLLECTED,
    FOUND,
    HIGH,
    INSIDE,
    KEPT,
    LOW,
    START,
    TALLY_SIZE,
    bin_range,
    first_at,
    walk,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray


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
    types.int64[::1],
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
    borders: NDArray[np.int64],
    collected: NDArray[np.float32],
    tally: NDArray[np.int64],
) -> None:
    """Bin the columns ``[first_col, last_col)`` of a grid whose first column begins at ``t0_ms``; see `RawCells`.

    ``cells`` (channels * cols * rows) and ``places`` (cols, 3) are written for these columns only; ``packed`` if one
    column follows the other, else each is at the beginning of its own room. ``scratch`` (float64, channels * rows + 1)
    is all 0 but for its last entry, before and after. ``index`` holds `BLOCK_EVENTS` entries, ``borders`` one a column
    and two times `SIDE_BY_SIDE` more. Cells of ``threshold`` or
    more, which is positive, summed over the channels, go to ``collected`` from ``tally[COLLECTED]`` on. ``tally``
    (`TALLY_SIZE`) is added to.
    """
    bin_range(
        borrowed(ts_ms),
        borrowed(price),
        borrowed(weight),
        borrowed(is_long),
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
        threshold,
        packed,
        rows,
        borrowed(cells),
        borrowed(places),
        borrowed(scratch),
        borrowed(index),
        borrowed(borders),
        borrowed(collected),
        borrowed(tally),
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
    types.int64[::1],
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
    borders: NDArray[np.int64],
    collected: NDArray[np.float32],
    tally: NDArray[np.int64],
) -> None:
    """Bin some columns, evenly spaced; arguments as for `bin_columns`."""
    channels = max(short_channel, long_channel) + 1
    cols = places.shape[0]
    stride = max(1, ts_ms.size // cols)
    for sample in range(samples):
        col = (2 * sample + 1) * cols // (2 * samples)
        first = first_at(ts_ms, t0_ms + col * time_bin_ms, 0, max(1, ts_ms.size // 2), ts_ms.size)
        last = first_at(ts_ms, t0_ms + (col + 1) * time_bin_ms, first, stride, ts_ms.size)
        walk(
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
            borders,
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
    borders: NDArray[np.int64],
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
        first = first_at(ts_ms, col_ms, 0, max(1, ts_ms.size // 2), ts_ms.size)
        last = first_at(ts_ms, col_ms + time_bin_ms, first, 64, ts_ms.size)
        walk(
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
            borders,
            collected,
            walked,
        )
        _count_column(places[col], channels, cells, lower, upper, 1, counters)
    return True
