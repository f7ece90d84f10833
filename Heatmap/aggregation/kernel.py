"""The Numba kernels: a walk over time-sorted events, column by column, and the painting of columns.

Grids are column-major (channels, cols, rows): the active column stays in the first-level cache. All kernels release
the GIL and are cached on disk. Importing this module loads Numba; only `NumbaEngine` and the warm-up may do so.
The compiled code is keyed by the source of *this* file alone, so constants come in as arguments.

Entry points have one explicit signature each: what is cached is complete, and a call can never compile. Inputs are
typed read-only, which takes writable arrays too. Inner loops run over slices from 0 on: with an index that might be
negative LLVM does not vectorise them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar, cast

import numpy as np
from numba import njit, types

if TYPE_CHECKING:
    from numpy.typing import NDArray

_Function = TypeVar("_Function", bound=Callable[..., Any])

# Columns painted before they are written out: one cache line of the image, row by row.
BLOCK_COLS = 16


_INT64 = types.Array(types.int64, 1, "C", readonly=True)
_FLOAT64 = types.Array(types.float64, 1, "C", readonly=True)
_FLOAT32 = types.Array(types.float32, 1, "C", readonly=True)
_UINT8 = types.Array(types.uint8, 1, "C", readonly=True)
_BINS = (types.int64, types.float64, types.float64, types.float64)


def _kernel(function: _Function) -> _Function:
    # To the checker a kernel stays the plain function it is written as.
    return cast("_Function", njit(cache=True, nogil=True)(function))


def _entry(*arguments: Any, returns: Any = types.void) -> Callable[[_Function], _Function]:
    def compile_or_load(function: _Function) -> _Function:
        return cast("_Function", njit(returns(*arguments), cache=True, nogil=True)(function))

    return compile_or_load


@_kernel
def _store_column(  # noqa: PLR0917 - a kernel takes arrays and numbers by position, Numba knows no objects here
    col: int,
    touched: NDArray[np.int32],
    count: int,
    scratch: NDArray[np.float64],
    sums: NDArray[np.float32],
    extents: NDArray[np.int32],
) -> None:
    """Move the float64 sums of the touched cells of one column to its float32 cells."""
    rows = sums.shape[2]
    for k in range(count):
        cell = touched[k]
        # At most two channels: a comparison where a division would cost more than all the rest.
        channel = 1 if cell >= rows else 0
        row = cell - channel * rows
        sums[channel, col, row] = scratch[cell]
        if extents[channel, col, 1] == 0 or row < extents[channel, col, 0]:
            extents[channel, col, 0] = row
        extents[channel, col, 1] = max(extents[channel, col, 1], row + 1)


@_entry(
    _INT64,
    _FLOAT64,
    _FLOAT64,
    _UINT8,
    types.int64,
    *_BINS,
    types.int64,
    types.int64,
    types.float32[:, :, ::1],
    types.int32[:, :, ::1],
    types.float64[::1],
    types.int32[::1],
    types.int32[::1],
    returns=types.int64,
)
def bin_columns(  # noqa: PLR0917 - as above
    ts_ms: NDArray[np.int64],
    price: NDArray[np.float64],
    weight: NDArray[np.float64],
    channel: NDArray[np.uint8],
    t0_ms: int,
    time_bin_ms: int,
    inverse_price_bin: float,
    snap: float,
    first_price_bin: float,
    pad_cols: int,
    pad_rows: int,
    sums: NDArray[np.float32],
    extents: NDArray[np.int32],
    scratch: NDArray[np.float64],
    stamps: NDArray[np.int32],
    touched: NDArray[np.int32],
) -> int:
    """Add events, ascending in time and all inside the columns, to zeroed ``sums`` and ``extents``.

    Return how many lie in the grid itself, outside its padding.

    ``scratch`` (float64), ``stamps`` (int32, all -1) and ``touched`` (int32) hold channels * rows entries each.
    """
    rows = sums.shape[2]
    col = 0
    col_end_ms = t0_ms
    count = 0
    inside = 0
    visible_from = visible_to = 0.0
    for i in range(ts_ms.size):
        if ts_ms[i] >= col_end_ms:
            _store_column(col, touched, count, scratch, sums, extents)
            count = 0
            col = (ts_ms[i] - t0_ms) // time_bin_ms
            col_end_ms = t0_ms + (col + 1) * time_bin_ms
            is_visible = pad_cols <= col < sums.shape[1] - pad_cols
            visible_from = float(pad_rows) if is_visible else float(rows)
            visible_to = float(rows - pad_rows)
        quotient = price[i] * inverse_price_bin
        row = np.floor(quotient + abs(quotient) * snap) - first_price_bin
        # Compared as a float: NaN and wild prices fail here and never become an index.
        if 0.0 <= row < rows:
            cell = int(channel[i]) * rows + int(row)
            if stamps[cell] != col:
                stamps[cell] = col
                scratch[cell] = 0.0
                touched[count] = cell
                count += 1
            scratch[cell] += weight[i]
            inside += visible_from <= row < visible_to
    _store_column(col, touched, count, scratch, sums, extents)
    return inside


@_entry(
    _INT64,
    _FLOAT64,
    _FLOAT64,
    *_BINS,
    types.float64[::1],
    types.int64[::1],
    types.int64[::1],
    types.float32[::1],
    returns=types.int64,
)
def occupied_sums(  # noqa: PLR0917 - as above
    ts_ms: NDArray[np.int64],
    price: NDArray[np.float64],
    weight: NDArray[np.float64],
    time_bin_ms: int,
    inverse_price_bin: float,
    snap: float,
    first_price_bin: float,
    scratch: NDArray[np.float64],
    stamps: NDArray[np.int64],
    touched: NDArray[np.int64],
    out: NDArray[np.float32],
) -> int:
    """Write the sum of every occupied cell to ``out`` (one entry an event at most) and return how many there are.

    All prices lie in the rows that ``scratch``, ``stamps`` (all -1) and ``touched`` have entries for.
    """
    written = 0
    count = 0
    col = np.int64(-1)
    col_end_ms = ts_ms[0]
    for i in range(ts_ms.size):
        if ts_ms[i] >= col_end_ms:
            for k in range(count):
                out[written + k] = scratch[touched[k]]
            written += count
            count = 0
            col += 1
            col_end_ms = (ts_ms[i] // time_bin_ms + 1) * time_bin_ms
        quotient = price[i] * inverse_price_bin
        row = int(np.floor(quotient + abs(quotient) * snap) - first_price_bin)
        if stamps[row] != col:
            stamps[row] = col
            scratch[row] = 0.0
            touched[count] = row
            count += 1
        scratch[row] += weight[i]
    for k in range(count):
        out[written + k] = scratch[touched[k]]
    return written + count


@_kernel
def _spread_columns(  # noqa: PLR0917 - as above
    sums: NDArray[np.float32],
    extents: NDArray[np.int32],
    col: int,
    col_weights: NDArray[np.float32],
    floors: NDArray[np.float32],
    spot: NDArray[np.float32],
) -> None:
    """Raise ``spot`` (rows,) to the largest weighted cell of the columns around ``col``; all of one channel."""
    for k in range(col_weights.size):
        low = extents[col + k, 0]
        high = extents[col + k, 1]
        if high == 0:
            continue
        source = sums[col + k, low:high]
        target = spot[low:high]
        weight = col_weights[k]
        floor = floors[col + k]
        for r in range(source.size):
            lifted = max(source[r], floor) if source[r] > np.float32(0) else np.float32(0)
            target[r] = max(target[r], weight * lifted)


@_kernel
def _advance_heat(heat: NDArray[np.float32], sums: NDArray[np.float32], factor: np.float32) -> None:
    """Let one column of heat (rows,) take up the column of events it leaves and fade by one column."""
    for r in range(heat.size):
        heat[r] = (heat[r] + sums[r]) * factor


@_kernel
def _write_block(block: NDArray[np.uint32], count: int, first_col: int, out: NDArray[np.uint32]) -> None:
    """Write ``count`` columns of ``block`` (BLOCK_COLS, rows) to the image, turned upside down."""
    rows = out.shape[0]
    for r in range(rows):
        line = out[rows - 1 - r, first_col : first_col + count]
        for k in range(line.size):
            line[k] = block[k, r]


@_kernel
def _any_event(extents: NDArray[np.int32], col: int, width: int) -> bool:
    """Return True if one of ``width`` columns from ``col`` on is occupied in any channel."""
    for ch in range(extents.shape[0]):
        for k in range(width):
            if extents[ch, col + k, 1] > 0:
                return True
    return False


@_kernel
def _spread_rows(spot: NDArray[np.float32], row_weights: NDArray[np.float32], value: NDArray[np.float32]) -> None:
    """Set each of ``value`` (rows,) to the largest weighted of ``spot`` (padded rows,) around it."""
    value[:] = np.float32(0)
    for q in range(row_weights.size):
        source = spot[q : q + value.size]
        weight = row_weights[q]
        for r in range(value.size):
            value[r] = max(value[r], weight * source[r])


@_kernel
def _colour_column(  # noqa: PLR0917 - as above
    value: NDArray[np.float32],
    first_bucket: int,
    bucket_shift: int,
    levels: NDArray[np.uint8],
    colours: NDArray[np.uint32],
    painted: NDArray[np.uint32],
) -> None:
    """Look up the colours of one column: ``value`` (channels, rows) to ``painted`` (rows,)."""
    last_bucket = levels.size - 1
    steps = np.float32(colours.shape[0] - 1)
    by_side = value.shape[0] > 1
    low = value[0]
    high = value[value.shape[0] - 1]
    for r in range(painted.size):
        total = low[r] + high[r] if by_side else low[r]
        bucket = int(np.float32(total).view(np.int32) >> bucket_shift) - first_bucket
        level = levels[min(max(bucket, 0), last_bucket)]
        share = 0
        if by_side and level > 0:
            share = int(high[r] / total * steps + np.float32(0.5))
        painted[r] = colours[share, level]


@_entry(
    types.Array(types.float32, 3, "C", readonly=True),
    types.Array(types.int32, 3, "C", readonly=True),
    _FLOAT32,
    _FLOAT32,
    _FLOAT32,
    types.float32,
    types.float32,
    types.float32[:, ::1],
    types.int64,
    types.int64,
    _UINT8,
    types.Array(types.uint32, 2, "C", readonly=True),
    types.float32[::1],
    types.float32[:, ::1],
    types.uint32[:, ::1],
    types.uint32[:, ::1],
)
def paint_columns(  # noqa: PLR0917 - as above
    sums: NDArray[np.float32],
    extents: NDArray[np.int32],
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
    spot: NDArray[np.float32],
    value: NDArray[np.float32],
    block: NDArray[np.uint32],
    out: NDArray[np.uint32],
) -> None:
    """Paint the image by the formula of `PaintPlan`.

    ``heat`` (channels, padded rows) starts as the heat from the left and is used up. ``spot`` (padded rows,),
    ``value`` (channels, rows) and ``block`` (BLOCK_COLS, rows) are scratch.
    """
    cols = out.shape[1]
    width = col_weights.size
    pad_cols = width // 2
    has_trail = trail_factor > np.float32(0)
    for ch in range(sums.shape[0]):
        for col in range(pad_cols):
            _advance_heat(heat[ch], sums[ch, col], trail_factor)
    in_block = 0
    for col in range(cols):
        if has_trail or _any_event(extents, col, width):
            for ch in range(sums.shape[0]):
                warm = heat[ch]
                for r in range(spot.size):
                    spot[r] = trail_strength * warm[r]
                if has_trail:
                    _advance_heat(warm, sums[ch, col + pad_cols], trail_factor)
                _spread_columns(sums[ch], extents[ch], col, col_weights, floors, spot)
                _spread_rows(spot, row_weights, value[ch])
            _colour_column(value, first_bucket, bucket_shift, levels, colours, block[in_block])
        else:
            block[in_block, :] = 0
        in_block += 1
        if in_block == BLOCK_COLS or col == cols - 1:
            _write_block(block, in_block, col + 1 - in_block, out)
            in_block = 0
