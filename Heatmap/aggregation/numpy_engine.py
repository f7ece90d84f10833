"""The NumPy engine: a few dozen milliseconds an image, needs no compiled kernels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from Heatmap.aggregation.engine import Cells, EngineName, PaintPlan
from Heatmap.aggregation.grid import GridSpec, price_bins
from Heatmap.aggregation.normalization import FAINTEST_HEAT, LARGEST, LevelTable

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from Heatmap.aggregation.event_batch import EventBatch


# Sums beyond a float32 are infinite.
_quietly = np.errstate(over="ignore")


class NumpyEngine:
    """See `Engine`."""

    @property
    def name(self) -> EngineName:
        """See `Engine`."""
        return "numpy"

    @_quietly
    def bin(self, batch: EventBatch, spec: GridSpec, *, pad_cols: int = 0, pad_rows: int = 0) -> Cells:
        """Sum the weights per cell; see `Engine.bin`."""
        spec = spec.padded(pad_cols, pad_rows)
        part = batch.between(spec.t0_ms, spec.end_ms).kept()
        rows = price_bins(part.price, spec.price_bin) - spec.first_price_bin
        cols = (part.ts_ms - spec.t0_ms) // spec.time_bin_ms
        inside = (rows >= 0) & (rows < spec.rows)
        visible = (rows >= pad_rows) & (rows < spec.rows - pad_rows)
        visible &= (cols >= pad_cols) & (cols < spec.cols - pad_cols)
        size = spec.cols * spec.rows
        places = cols[inside] * spec.rows + rows[inside].astype(np.int64)
        channel, weight = part.channel()[inside], part.weight[inside]
        sums = [np.bincount(places[channel == ch], weight[channel == ch], size) for ch in range(batch.channels)]
        occupied = np.flatnonzero(np.any(sums, axis=0))
        return Cells(
            start=np.searchsorted(occupied, np.arange(spec.cols + 1) * spec.rows),
            row=(occupied % spec.rows).astype(np.int32),
            values=np.stack([channel_sums[occupied].astype(np.float32) for channel_sums in sums], axis=1),
            rows=spec.rows,
            kept=len(part),
            found=int(np.count_nonzero(inside)),
            inside=int(np.count_nonzero(visible)),
        )

    @_quietly
    def sums(self, batch: EventBatch, time_bin_ms: int, price_bin: float) -> NDArray[np.float32]:
        """Return the sums of every occupied cell; see `Engine.sums`."""
        batch = batch.kept()
        cell, channel = batch.cell_numbers(time_bin_ms, price_bin), batch.channel()
        size = int(cell.max(initial=-1)) + 1
        by_channel = [
            np.bincount(cell[channel == ch], batch.weight[channel == ch], size) for ch in range(batch.channels)
        ]
        sums = np.stack(by_channel, axis=1)
        occupied: NDArray[np.float32] = sums[sums.sum(axis=1) > 0].astype(np.float32)
        return occupied

    def grid(self, cells: Cells, channel: int) -> NDArray[np.float32]:
        """Return one channel as a grid; see `Engine.grid`."""
        grid = np.zeros((cells.rows, cells.start.size - 1), np.float32)
        grid[cells.row, np.repeat(np.arange(cells.start.size - 1), np.diff(cells.start))] = cells.values[:, channel]
        return grid

    def occupied(self, grid: NDArray[np.float32]) -> Cells:
        """Return the cells above 0; see `Engine.occupied`."""
        rows, cols = np.nonzero(grid > 0)
        start, count = np.searchsorted(rows, np.arange(len(grid) + 1)), len(rows)
        return Cells(start, cols.astype(np.int32), grid[rows, cols, np.newaxis], grid.shape[1], count, count, count)

    def percentile(self, values: NDArray[np.float32], percentile: float) -> float:
        """Return the exact percentile; see `Engine.percentile`."""
        return float(np.percentile(values.astype(np.float64), percentile)) if values.size else 0.0

    def paint(self, cells: Cells, plan: PaintPlan, pixels: NDArray[np.uint32]) -> None:
        """Fill the image; see `Engine.paint`."""
        rows, width = pixels.shape
        channels = np.minimum([self.grid(cells, channel).T for channel in range(cells.values.shape[1])], LARGEST)
        layers = _with_sum(channels)
        lifted = np.where(layers > 0, np.maximum(layers, plan.floors[:, np.newaxis]), np.float32(0))
        lifted = np.minimum(lifted, LARGEST)
        spots = np.zeros((*layers.shape[:2], rows), np.float32)
        value = np.zeros((len(layers), width, rows), np.float32)
        for offset, weight in enumerate(plan.row_weights):
            np.maximum(spots, weight * lifted[:, :, offset : offset + rows], out=spots)
        if plan.trail_factor > 0:
            trail = _with_sum(_heat(channels, plan, width)) * plan.trail_strength
            np.minimum(trail, np.float32(plan.trail_strength * plan.edges[-1]), out=trail)
            for offset, weight in enumerate(plan.row_weights):
                np.maximum(value, weight * trail[:, :, offset : offset + rows], out=value)
        for offset, weight in enumerate(plan.col_weights):
            np.maximum(value, weight * spots[:, offset : offset + width], out=value)
        levels = LevelTable.from_edges(plan.edges).lookup(value[-1])
        if len(channels) == 1:
            colours = plan.colours[0][levels]
        else:
            both = value[0] + value[1]
            share = np.divide(value[1], both, out=np.zeros_like(both), where=both > 0)
            steps = np.float32(plan.colours.shape[0] - 1)
            colours = plan.colours[(share * steps + np.float32(0.5)).astype(np.intp), levels]
        pixels[:] = colours.T[::-1]


def _with_sum(channels: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the channels (channels, cols, rows) and, if there are two, their sum as a third."""
    return channels if len(channels) == 1 else np.concatenate([channels, channels.sum(axis=0, keepdims=True)])


def _heat(channels: NDArray[np.float32], plan: PaintPlan, width: int) -> NDArray[np.float32]:
    """Return the heat of the columns of the picture, float32 (channels, width, padded rows)."""
    pad_cols = plan.col_weights.size // 2
    heat = np.where(plan.trail_start > FAINTEST_HEAT, plan.trail_start, np.float32(0))
    heats = np.empty((len(channels), width, heat.shape[1]), np.float32)
    for col in range(pad_cols + width):
        if col >= pad_cols:
            heats[:, col - pad_cols] = heat
        heat += channels[:, col]
        heat *= plan.trail_factor
        heat[heat <= FAINTEST_HEAT] = 0
    return heats
