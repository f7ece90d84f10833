"""The engine that is there at once: plain NumPy, a few dozen milliseconds an image, nothing to compile."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from Heatmap.aggregation.engine import Cells, Drawn, EngineName, PaintPlan, RawCells, TouchedCells, WantedScale
from Heatmap.aggregation.grid import GridSpec, price_bins
from Heatmap.aggregation.normalization import LevelTable, clip_reference
from Heatmap.aggregation.paint_plan import FAINTEST_EVENT_LEVEL

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from Heatmap.aggregation.event_batch import EventBatch
    from Heatmap.aggregation.image_buffer import Canvas


class NumpyEngine:
    """See `Engine`."""

    @property
    def name(self) -> EngineName:
        """Which engine this is."""
        return "numpy"

    @property
    def binnings(self) -> int:
        """Return 0: cells are new arrays each time; see `Engine.binnings`."""
        return 0

    def bin_events(self, batch: EventBatch, spec: GridSpec, *, pad_cols: int, pad_rows: int, tail: float) -> RawCells:  # noqa: ARG002 - a hint
        """Sum the weights per cell; see `Engine.bin_events`."""
        spec = spec.padded(pad_cols, pad_rows)
        part = batch.between(spec.t0_ms, spec.end_ms).kept()
        rows = price_bins(part.price, spec.price_bin) - spec.first_price_bin
        inside = (rows >= 0) & (rows < spec.rows)
        cols = (part.ts_ms - spec.t0_ms) // spec.time_bin_ms
        # Full columns, one after the other: the simplest packing.
        cells = (cols * batch.channels + part.channel())[inside] * spec.rows
        cells += rows[inside].astype(np.int64)
        size = batch.channels * spec.rows
        sums = np.bincount(cells, part.weight[inside], minlength=spec.cols * size).astype(np.float32)
        places = np.zeros((spec.cols, 3), np.int64)
        places[:, 1] = spec.rows
        places[:, 2] = np.arange(spec.cols) * size
        visible = (rows >= pad_rows) & (rows < spec.rows - pad_rows)
        visible &= (cols >= pad_cols) & (cols < spec.cols - pad_cols)
        return RawCells(
            cells=sums,
            places=places,
            channels=batch.channels,
            rows=spec.rows,
            occupied=int(np.count_nonzero(_totals(sums.reshape(spec.cols, batch.channels, spec.rows)) > 0)),
            inside=int(np.count_nonzero(visible)),
            found=int(np.count_nonzero(inside)),
            kept=len(part),
            largest=np.empty(0, np.float32),
        )

    def draw(
        self, batch: EventBatch, spec: GridSpec, plan: PaintPlan, canvas: Canvas, wanted: WantedScale | None
    ) -> Drawn:
        """Bin and paint; see `Engine.draw`."""
        tail = wanted.tail if wanted is not None else 0.0
        cells = self.bin_events(batch, spec, pad_cols=plan.pad_cols, pad_rows=plan.pad_rows, tail=tail)
        reference = 0.0
        if wanted is not None:
            if cells.found != cells.kept or not cells.occupied:
                return Drawn(cells, None)
            reference = self.cell_percentile(cells, wanted.percentile)
            plan.edges[:] = reference * wanted.fractions
            plan.floors[:] = float(plan.edges[FAINTEST_EVENT_LEVEL - 1]) * plan.fading
        self.paint(cells, plan, canvas)
        return Drawn(cells, reference)

    def bin_touched(self, batch: EventBatch, spec: GridSpec) -> TouchedCells | None:  # noqa: ARG002 - never cheaper here
        """Return None; see `Engine.bin_touched`."""
        return None

    def grid_of(self, cells: RawCells, channel: int) -> NDArray[np.float32]:
        """Return one channel as a new array; see `Engine.grid_of`."""
        return np.array(_dense(cells)[:, channel].T, order="C")

    def cell_values(self, cells: Cells) -> NDArray[np.float32]:
        """Return all occupied cells; see `Engine.cell_values`."""
        if isinstance(cells, TouchedCells):
            return cells.values
        totals = _totals(_dense(cells))
        return totals[totals > 0]

    def cell_percentile(self, cells: Cells, percentile: float) -> float:
        """Return the exact percentile of the occupied cells; see `Engine.cell_percentile`."""
        return clip_reference(self.cell_values(cells), percentile)

    def percentile(self, values: NDArray[np.float32], percentile: float) -> float:
        """Return the exact percentile; see `Engine.percentile`."""
        return clip_reference(values, percentile)

    def occupied_sums(self, batch: EventBatch, time_bin_ms: int, price_bin: float) -> NDArray[np.float32]:
        """Return the sum of every occupied cell; see `Engine.occupied_sums`."""
        batch = batch.kept()
        if not len(batch):
            return np.empty(0, np.float32)
        rows = price_bins(batch.price, price_bin)
        order = np.lexsort((rows, cols := batch.ts_ms // time_bin_ms))
        rows, cols = rows[order], cols[order]
        starts = np.concatenate([[True], (rows[1:] != rows[:-1]) | (cols[1:] != cols[:-1])])
        cell = np.cumsum(starts) - 1
        channel, weight = batch.channel()[order], batch.weight[order]
        # Not np.add.reduceat: bincount adds in order of arrival, as the kernels do; and they add up channels last.
        sums = [
            np.bincount(cell[channel == ch], weight[channel == ch], minlength=int(cell[-1]) + 1).astype(np.float32)
            for ch in range(batch.channels)
        ]
        total: NDArray[np.float32] = sum(sums[1:], sums[0])
        return total

    def count_kept(self, batch: EventBatch) -> int:
        """Return how many events count; see `Engine.count_kept`."""
        return int(np.count_nonzero(batch.keeps()))

    def positive_values(self, grid: NDArray[np.float32]) -> NDArray[np.float32] | None:
        """Return all cells above 0; see `Engine.positive_values`."""
        # The comparison is false for NaN, too.
        if not ((grid >= 0) & (grid < np.inf)).all():
            return None
        values: NDArray[np.float32] = grid[grid > 0]
        return values

    def colour_grid(
        self, grid: NDArray[np.float32], edges: NDArray[np.float32], colours: NDArray[np.uint32]
    ) -> NDArray[np.uint32]:
        """Return the image of a grid; see `Engine.colour_grid`."""
        levels = np.maximum(LevelTable.from_edges(edges).lookup(grid), grid > 0)
        return colours[levels[::-1]]

    def live_cells(self, batch: EventBatch, spec: GridSpec, plan: PaintPlan, *, percentile: float) -> None:
        """Return None; see `Engine.live_cells`."""

    def paint(self, cells: Cells, plan: PaintPlan, canvas: Canvas, cols: tuple[int, int] | None = None) -> None:
        """Fill the image, always all of it; see `Engine.paint`."""
        del cols
        if isinstance(cells, TouchedCells):
            raise TypeError("touched cells are painted by the engine that found them")
        out = canvas.pixels
        rows, width = out.shape
        channels, padded_rows = cells.channels, cells.rows
        sums = np.moveaxis(_dense(cells), 1, 0)
        channel_sums = sums
        if channels > 1:
            sums = np.concatenate([sums, (sums[0] + sums[1])[np.newaxis]])
        floors = plan.floors[np.newaxis, :, np.newaxis]
        lifted = np.where(sums > 0, np.maximum(sums, floors), np.float32(0))
        spot = np.zeros((sums.shape[0], width, padded_rows), np.float32)
        if plan.trail_factor > 0:
            _leave_trail(channel_sums, plan, spot)
        for offset, weight in enumerate(plan.col_weights):
            np.maximum(spot, weight * lifted[:, offset : offset + width], out=spot)
        value = np.zeros((sums.shape[0], width, rows), np.float32)
        for offset, weight in enumerate(plan.row_weights):
            np.maximum(value, weight * spot[:, :, offset : offset + rows], out=value)
        size = value[-1]
        levels = LevelTable.from_edges(plan.edges).lookup(size)
        if channels == 1:
            colours = plan.colours[0][levels]
        else:
            both = value[0] + value[1]
            share = np.divide(value[1], both, out=np.zeros_like(both), where=both > 0)
            steps = np.float32(plan.colours.shape[0] - 1)
            colours = plan.colours[(share * steps + np.float32(0.5)).astype(np.intp), levels]
        out[:] = colours.T[::-1]
        canvas.spans[:] = (0, rows)
        canvas.cells = np.empty(0, np.int64)


def _dense(cells: RawCells) -> NDArray[np.float32]:
    """Return all cells, float32 (cols, channels, rows)."""
    dense = np.zeros((len(cells.places), cells.channels, cells.rows), np.float32)
    for col, (low, high, start) in enumerate(cells.places.tolist()):
        size = high - low
        if size:
            dense[col, :, low:high] = cells.cells[start : start + cells.channels * size].reshape(-1, size)
    return dense


def _totals(dense: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the sum over at most two channels, float32 (cols, rows)."""
    totals: NDArray[np.float32] = dense[:, 0] if dense.shape[1] == 1 else dense[:, 0] + dense[:, 1]
    return totals


def _leave_trail(sums: NDArray[np.float32], plan: PaintPlan, spot: NDArray[np.float32]) -> None:
    heat = plan.trail_start.copy()
    last = plan.pad_cols + spot.shape[1]
    ceiling = np.float32(plan.trail_strength * plan.edges[-1])
    for col in range(last):
        if col >= plan.pad_cols:
            np.minimum(heat * plan.trail_strength, ceiling, out=spot[: heat.shape[0], col - plan.pad_cols])
            if heat.shape[0] > 1:
                both = (heat[0] + heat[1]) * plan.trail_strength
                np.minimum(both, ceiling, out=spot[-1, col - plan.pad_cols])
        heat += sums[:, col]
        heat *= plan.trail_factor
