"""The engine that is there at once: plain NumPy, a few dozen milliseconds an image, nothing to compile."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from Heatmap.aggregation.engine import EngineName, PaintPlan, RawCells
from Heatmap.aggregation.grid import GridSpec, price_bins

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from Heatmap.aggregation.event_batch import EventBatch


class NumpyEngine:
    """See `Engine`."""

    @property
    def name(self) -> EngineName:
        """Which engine this is."""
        return "numpy"

    def bin_events(self, batch: EventBatch, spec: GridSpec, *, pad_cols: int, pad_rows: int) -> RawCells:
        """Sum the weights per cell; see `Engine.bin_events`."""
        spec = spec.padded(pad_cols, pad_rows)
        first, last = np.searchsorted(batch.ts_ms, [spec.t0_ms, spec.end_ms], side="left")
        part = slice(int(first), int(last))
        rows = price_bins(batch.price[part], spec.price_bin) - spec.first_price_bin
        inside = (rows >= 0) & (rows < spec.rows)
        cols = (batch.ts_ms[part] - spec.t0_ms) // spec.time_bin_ms
        cells = (batch.channel[part].astype(np.int64) * spec.cols + cols)[inside] * spec.rows
        cells += rows[inside].astype(np.int64)
        shape = (batch.channels, spec.cols, spec.rows)
        sums = np.bincount(cells, batch.weight[part][inside], minlength=batch.channels * spec.cols * spec.rows)
        extents = np.zeros((batch.channels, spec.cols, 2), np.int32)
        extents.reshape(-1, 2)[cells // spec.rows, 1] = spec.rows
        visible = (rows >= pad_rows) & (rows < spec.rows - pad_rows)
        visible &= (cols >= pad_cols) & (cols < spec.cols - pad_cols)
        return RawCells(sums.reshape(shape).astype(np.float32), extents, int(np.count_nonzero(visible)))

    def occupied_sums(self, batch: EventBatch, time_bin_ms: int, price_bin: float) -> NDArray[np.float32]:
        """Return the sum of every occupied cell; see `Engine.occupied_sums`."""
        if not len(batch):
            return np.empty(0, np.float32)
        rows = price_bins(batch.price, price_bin)
        order = np.lexsort((rows, cols := batch.ts_ms // time_bin_ms))
        rows, cols = rows[order], cols[order]
        starts = np.concatenate([[True], (rows[1:] != rows[:-1]) | (cols[1:] != cols[:-1])])
        # Not np.add.reduceat: bincount adds in order of arrival, as the kernel does.
        return np.bincount(np.cumsum(starts) - 1, batch.weight[order]).astype(np.float32)

    def paint(self, cells: RawCells, plan: PaintPlan, out: NDArray[np.uint32]) -> None:
        """Fill the image; see `Engine.paint`."""
        rows, cols = out.shape
        channels, _, padded_rows = cells.sums.shape
        floors = plan.floors[np.newaxis, :, np.newaxis]
        lifted = np.where(cells.sums > 0, np.maximum(cells.sums, floors), np.float32(0))
        spot = np.zeros((channels, cols, padded_rows), np.float32)
        if plan.trail_factor > 0:
            _leave_trail(cells.sums, plan, spot)
        for offset, weight in enumerate(plan.col_weights):
            np.maximum(spot, weight * lifted[:, offset : offset + cols], out=spot)
        value = np.zeros((channels, cols, rows), np.float32)
        for offset, weight in enumerate(plan.row_weights):
            np.maximum(value, weight * spot[:, :, offset : offset + rows], out=value)
        total = value.sum(axis=0, dtype=np.float32)
        levels = plan.levels.lookup(total)
        if plan.colours.shape[0] == 1:
            colours = plan.colours[0][levels]
        else:
            share = np.divide(value[1], total, out=np.zeros_like(total), where=total > 0)
            steps = np.float32(plan.colours.shape[0] - 1)
            colours = plan.colours[(share * steps + np.float32(0.5)).astype(np.intp), levels]
        out[:] = colours.T[::-1]


def _leave_trail(sums: NDArray[np.float32], plan: PaintPlan, spot: NDArray[np.float32]) -> None:
    heat = plan.trail_start.copy()
    last = plan.pad_cols + spot.shape[1]
    for col in range(last):
        if col >= plan.pad_cols:
            np.multiply(heat, plan.trail_strength, out=spot[:, col - plan.pad_cols])
        heat += sums[:, col]
        heat *= plan.trail_factor
