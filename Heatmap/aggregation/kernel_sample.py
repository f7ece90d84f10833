"""A sample of the columns, to learn how large the largest cells are. See `kernel_walk`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from numba import types

from Heatmap.aggregation.kernel_jit import BINS, EVENTS, FILTER, entry
from Heatmap.aggregation.kernel_walk import bin_range

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


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
    """Bin some columns, evenly spaced; arguments as for `kernel_walk.bin_range`."""
    cols = places.shape[0]
    for sample in range(samples):
        col = (2 * sample + 1) * cols // (2 * samples)
        bin_range(
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
            threshold,
            rows,
            cells,
            places,
            scratch,
            index,
            borders,
            collected,
            tally,
        )
