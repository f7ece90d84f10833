"""Values of a column to colours, and colours of a block of columns to the image. See `kernel_bin` on loops."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from Heatmap.aggregation.image_buffer import SPAN_COLS
from Heatmap.aggregation.kernel_jit import fast_kernel, kernel
from Heatmap.aggregation.normalization import BUCKET_SHIFT, LEVELS

if TYPE_CHECKING:
    from numpy.typing import NDArray


@fast_kernel
def find_levels(
    value: NDArray[np.float32],
    rows: tuple[int, int],
    first_bucket: np.int32,
    last: np.int32,
    steps: np.float32,
    found: tuple[NDArray[np.int32], NDArray[np.int32]],
) -> None:
    """Write, for these rows of ``value`` (layers, rows), where in the levels to look up the largest layer, and the
    share of the second layer in the first two, 0 to ``steps``, times `LEVELS`.
    """
    buckets, shares = found
    shift, none = np.int32(BUCKET_SHIFT), np.int32(0)
    if value.shape[0] == 1:
        for r in range(rows[0], rows[1]):
            at = np.uint64(r)
            bits = np.float32(value[0, at]).view(np.int32)
            buckets[at] = min(max(np.int32((bits >> shift) - first_bucket), none), last)
    else:
        # Where both are 0 the level is 0 and any share will do.
        half, tiny, levels = np.float32(0.5), np.float32(1e-37), np.int32(LEVELS)
        for r in range(rows[0], rows[1]):
            at = np.uint64(r)
            short, long = value[0, at], value[1, at]
            bits = np.float32(max(short, long, value[2, at])).view(np.int32)
            buckets[at] = min(max(np.int32((bits >> shift) - first_bucket), none), last)
            shares[at] = np.int32(long / max(short + long, tiny) * steps + half) * levels


@kernel
def colour_column(
    found: tuple[NDArray[np.int32], NDArray[np.int32]],
    rows: tuple[int, int],
    levels: NDArray[np.uint8],
    table: NDArray[np.uint32],
    block: NDArray[np.uint32],
) -> None:
    """Write the colours of these rows of one column to every `SPAN_COLS`-th entry of a block."""
    buckets, shares = found
    at, step = np.uint64(0), np.uint64(SPAN_COLS)
    for r in range(rows[0], rows[1]):
        level = np.int32(levels[np.uint32(buckets[np.uint64(r)])])
        block[at] = table[np.uint32(shares[np.uint64(r)] | level)]
        at += step


@kernel
def write_block(
    block: NDArray[np.uint32], rows: tuple[int, int], cols: tuple[int, int], out: NDArray[np.uint32]
) -> None:
    """Copy the rows ``[rows 0, rows 1)`` of a block to the image, which is upside down; ``block`` begins there."""
    count, top = cols[1] - cols[0], out.shape[0] - 1
    pixels = out.reshape(-1)
    for r in range(rows[0], rows[1]):
        to = np.uint64((top - r) * out.shape[1] + cols[0])
        source = np.uint64((r - rows[0]) * SPAN_COLS)
        if count == SPAN_COLS:
            # A constant length: one stretch of code without a loop.
            for k in range(SPAN_COLS):
                pixels[to + np.uint64(k)] = block[source + np.uint64(k)]
        else:
            for k in range(count):
                pixels[to + np.uint64(k)] = block[source + np.uint64(k)]
