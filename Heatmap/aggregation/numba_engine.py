"""The fast engine.

Importing this module loads Numba and the kernels from the on-disk cache, or compiles them for some seconds if they are
not there. A program with a window lets `KernelWarmup` do it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from Heatmap.aggregation import kernel
from Heatmap.aggregation.engine import EngineName, PaintPlan, RawCells
from Heatmap.aggregation.grid import SNAP, GridSpec, price_bins
from Heatmap.aggregation.normalization import BUCKET_SHIFT
from Heatmap.aggregation.numpy_engine import NumpyEngine

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from Heatmap.aggregation.event_batch import EventBatch

# Rows between the lowest and the highest price of a window for which scratch is kept; past it a sort is cheaper.
_MAX_SCRATCH_ROWS: Final = 2_000_000


class NumbaEngine:
    """See `Engine`. Buffers are kept between calls, so that a steady stream of images touches no fresh memory."""

    def __init__(self) -> None:
        self._sums = np.empty((0, 0, 0), np.float32)
        self._extents = np.empty((0, 0, 2), np.int32)
        self._fallback = NumpyEngine()

    @property
    def name(self) -> EngineName:
        """Which engine this is."""
        return "numba"

    def bin_events(self, batch: EventBatch, spec: GridSpec, *, pad_cols: int, pad_rows: int) -> RawCells:
        """Sum the weights per cell; see `Engine.bin_events`."""
        spec = spec.padded(pad_cols, pad_rows)
        shape = (batch.channels, spec.cols, spec.rows)
        if self._sums.shape != shape:
            self._sums = np.zeros(shape, np.float32)
            self._extents = np.zeros((*shape[:2], 2), np.int32)
        else:
            self._sums.fill(0)
            self._extents.fill(0)
        first, last = np.searchsorted(batch.ts_ms, [spec.t0_ms, spec.end_ms], side="left")
        part = slice(int(first), int(last))
        cells = batch.channels * spec.rows
        # ascontiguousarray copies only what the kernels would refuse.
        inside = kernel.bin_columns(
            np.ascontiguousarray(batch.ts_ms[part]),
            np.ascontiguousarray(batch.price[part]),
            np.ascontiguousarray(batch.weight[part]),
            np.ascontiguousarray(batch.channel[part]),
            spec.t0_ms,
            spec.time_bin_ms,
            1.0 / spec.price_bin,
            SNAP,
            float(spec.first_price_bin),
            pad_cols,
            pad_rows,
            self._sums,
            self._extents,
            np.zeros(cells),
            np.full(cells, -1, np.int32),
            np.zeros(cells, np.int32),
        )
        return RawCells(self._sums, self._extents, inside)

    def occupied_sums(self, batch: EventBatch, time_bin_ms: int, price_bin: float) -> NDArray[np.float32]:
        """Return the sum of every occupied cell; see `Engine.occupied_sums`."""
        if not len(batch):
            return np.empty(0, np.float32)
        lowest, highest = price_bins(np.array([batch.price.min(), batch.price.max()]), price_bin)
        if highest - lowest >= _MAX_SCRATCH_ROWS:
            return self._fallback.occupied_sums(batch, time_bin_ms, price_bin)
        rows = int(highest - lowest) + 1
        out = np.empty(len(batch), np.float32)
        count = kernel.occupied_sums(
            np.ascontiguousarray(batch.ts_ms),
            np.ascontiguousarray(batch.price),
            np.ascontiguousarray(batch.weight),
            time_bin_ms,
            1.0 / price_bin,
            SNAP,
            float(lowest),
            np.zeros(rows),
            np.full(rows, -1, np.int64),
            np.zeros(rows, np.int64),
            out,
        )
        return out[:count]

    def paint(self, cells: RawCells, plan: PaintPlan, out: NDArray[np.uint32]) -> None:
        """Fill the image; see `Engine.paint`."""
        rows = out.shape[0]
        channels, _, padded_rows = cells.sums.shape
        kernel.paint_columns(
            cells.sums,
            cells.extents,
            plan.col_weights,
            plan.row_weights,
            plan.floors,
            plan.trail_factor,
            plan.trail_strength,
            plan.trail_start.copy(),
            plan.levels.first_bucket,
            BUCKET_SHIFT,
            plan.levels.levels,
            plan.colours,
            np.empty(padded_rows, np.float32),
            np.empty((channels, rows), np.float32),
            np.empty((kernel.BLOCK_COLS, rows), np.uint32),
            out,
        )


def compiled_here() -> int:
    """Return how many kernels this process had to compile because the on-disk cache did not have them."""
    entries = (kernel.bin_columns, kernel.occupied_sums, kernel.paint_columns)
    return sum(sum(entry.stats.cache_misses.values()) for entry in entries if hasattr(entry, "stats"))
