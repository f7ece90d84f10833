"""The kernels for few events: the work grows with the events alone, cells are kept one by one. See `kernel_walk`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numba import types

from Heatmap.aggregation.kernel_jit import (
    BINS,
    COLOURS_IN,
    EVENTS,
    FILTER,
    FLOAT64_IN,
    INT64_IN,
    UINT8_IN,
    entry,
)
from Heatmap.aggregation.kernel_paint import clear, paint_cells
from Heatmap.aggregation.kernel_scale import set_scale

if TYPE_CHECKING:
    from numpy.typing import NDArray

# What is counted; indices into a tally, as in `kernel_walk`.
KEPT, FOUND, INSIDE, OCCUPIED = 0, 1, 2, 3


@entry(
    *EVENTS,
    *FILTER,
    *BINS,
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
def bin_touched(  # noqa: PLR0917 - a kernel takes arrays and numbers by position, Numba knows no objects here
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

    The work grows with the events alone, however many columns there are. A cell's position is ``origin`` + row *
    ``row_step`` + column * ``col_step``. ``scratch`` (float64, 2 * rows) and ``seen`` (rows) are all 0 before and
    after; ``touched`` holds ``rows`` entries, ``positions`` and ``values`` one an event.
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


@entry(
    *EVENTS,
    *FILTER,
    *BINS,
    types.int64,
    types.float64[::1],
    types.uint8[::1],
    types.int64[::1],
    types.int64[::1],
    types.float32[::1],
    types.int64[::1],
    types.float64,
    FLOAT64_IN,
    types.int64,
    FLOAT64_IN,
    types.int64,
    types.int64,
    types.float32[::1],
    types.int64[::1],
    types.float64[::1],
    types.float32[::1],
    types.float32[::1],
    types.uint8[::1],
    types.int64[::1],
    COLOURS_IN,
    INT64_IN,
    types.int32[:, ::1],
    types.uint32[:, ::1],
    returns=types.boolean,
)
def draw_touched(  # noqa: PLR0917 - as above
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
    scratch: NDArray[np.float64],
    seen: NDArray[np.uint8],
    touched: NDArray[np.int64],
    positions: NDArray[np.int64],
    values: NDArray[np.float32],
    tally: NDArray[np.int64],
    percentile: float,
    fractions: NDArray[np.float64],
    floor_level: int,
    fading: NDArray[np.float64],
    bucket_shift: int,
    most_buckets: int,
    candidates: NDArray[np.float32],
    digits: NDArray[np.int64],
    reference: NDArray[np.float64],
    edges: NDArray[np.float32],
    floors: NDArray[np.float32],
    levels: NDArray[np.uint8],
    level_range: NDArray[np.int64],
    colours: NDArray[np.uint32],
    painted: NDArray[np.int64],
    spans: NDArray[np.int32],
    out: NDArray[np.uint32],
) -> bool:
    """Bin few events of one channel, find the scale if ``percentile`` is not below 0, and paint their sharp cells.

    ``painted`` are the pixels that the image holds besides those within ``spans``; all are erased. Other arguments as
    for `bin_touched` and `kernel_frame.render`. Return False, with nothing painted, if the scale cannot be found here.
    """
    cols = out.shape[1]
    bin_touched(
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
        rows,
        (rows - 1) * cols,
        -cols,
        1,
        scratch,
        seen,
        touched,
        positions,
        values,
        tally,
    )
    count = tally[OCCUPIED]
    if percentile >= 0 and (
        tally[FOUND] != tally[KEPT]
        or not set_scale(
            values[:count],
            count,
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
    ):
        return False
    clear(painted, spans, out)
    paint_cells(
        positions[:count], values[:count], floors, level_range[0], bucket_shift, levels[: level_range[1]], colours, out
    )
    return True


@entry(FLOAT64_IN, FLOAT64_IN, UINT8_IN, *FILTER, returns=types.int64)
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
