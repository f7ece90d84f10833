"""What every kernel is called with, and which kernels there are. Importing this module loads Numba."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from Heatmap.aggregation import (
    kernel_frame,
    kernel_grid,
    kernel_live,
    kernel_paint,
    kernel_resample,
    kernel_sample,
    kernel_select,
    kernel_sparse,
)
from Heatmap.aggregation.grid import SNAP, GridSpec

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from Heatmap.aggregation.event_batch import EventBatch

EventArguments = tuple[
    "NDArray[np.int64]", "NDArray[np.float64]", "NDArray[np.float64]", "NDArray[np.uint8]", float, int, int
]
BinArguments = tuple[int, int, float, float, float]

NO_EVENTS: Final[EventArguments] = (np.empty(0, np.int64), np.empty(0), np.empty(0), np.empty(0, np.uint8), 0.0, 0, 0)
NO_BINS: Final[BinArguments] = (0, 1, 1.0, 0.0, 0.0)


ENTRIES: Final = (
    kernel_frame.render,
    kernel_live.open_cells,
    kernel_live.follow,
    kernel_sample.sample_columns,
    kernel_sparse.bin_touched,
    kernel_sparse.draw_touched,
    kernel_sparse.count_kept,
    kernel_select.collect_cells,
    kernel_select.spread_grid,
    kernel_select.neighbours_of_rank,
    kernel_grid.collect_positive,
    kernel_grid.paint_grid,
    kernel_paint.fill_levels,
    kernel_paint.paint_cells,
    kernel_paint.erase_cells,
    kernel_paint.clear,
    kernel_resample.compose,
)
"""All kernels that Python calls."""


def event_arguments(batch: EventBatch) -> EventArguments:
    """Return the arrays of a batch and its filter."""
    # ascontiguousarray copies only what the kernels would refuse.
    return (
        np.ascontiguousarray(batch.ts_ms),
        np.ascontiguousarray(batch.price),
        np.ascontiguousarray(batch.weight),
        np.ascontiguousarray(batch.is_long),
        batch.least,
        batch.short_channel,
        batch.long_channel,
    )


def bin_arguments(spec: GridSpec) -> BinArguments:
    """Return what a cell's place is computed with."""
    return spec.t0_ms, spec.time_bin_ms, 1.0 / spec.price_bin, SNAP, float(spec.first_price_bin)


def compiled_here() -> int:
    """Return how many kernels this process had to compile because the on-disk cache did not have them."""
    return sum(sum(entry.stats.cache_misses.values()) for entry in ENTRIES if hasattr(entry, "stats"))
