"""The cell that paints a pixel of an image, by the weights of painting, and its figures: for tooltips."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from Heatmap.aggregation.cell_detail import cell_details
from Heatmap.aggregation.event_batch import EventBatch
from Heatmap.aggregation.grid import GridSpec, price_bin_index, price_bins
from Heatmap.aggregation.numpy_engine import NumpyEngine
from Heatmap.aggregation.paint_plan import LIFETIME_HALF_LIVES, Decay, heat_from_the_left, paint_plan, reach

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from Heatmap.aggregation.options import RenderOptions
    from Heatmap.event_columns import EventColumns


@dataclass(frozen=True, slots=True)
class HitPoint:
    """A point of the map: ms since the epoch, UTC, and quote currency."""

    time_ms: float
    price: float


@dataclass(frozen=True, slots=True)
class CellFigures:
    """Figures of one cell, see `CellDetails`; ``cell`` is a grid of one cell and ``count`` at least 1."""

    cell: GridSpec
    count: int
    long_usd: float
    short_usd: float
    largest_usd: float
    is_trail: bool = False  # the pixel shows the trail of the cell, not its spot
    by_source: tuple[tuple[str, float], ...] = ()  # dollars of each source that has any; () if not known


def figures_at(
    columns: EventColumns,
    spec: GridSpec,
    point: HitPoint,
    options: RenderOptions,
    *,
    edges: NDArray[np.float32],
    now_ms: int,
) -> CellFigures | None:
    """Return the figures of the cell that paints the pixel at a point, None where the image is transparent.

    That is the cell whose weighted sum is the largest there; on a trail, the cell with the largest part of the heat.

    Parameters
    ----------
    columns
        All events of the window, ascending in time.
    spec, options, edges
        Grid, options and ``level_edges`` of the image.
    now_ms
        See `ImageBuilder.build`.
    """
    row = price_bin_index(point.price, spec.price_bin) - spec.first_price_bin
    col = int(point.time_ms // spec.time_bin_ms) - spec.first_time_bin
    if not (0 <= row < spec.rows and 0 <= col < spec.cols):
        return None
    pixel = _cell(spec, spec.first_time_bin + col, spec.first_price_bin + row)
    pad_cols, pad_rows = reach(options.sigma_cols), reach(options.sigma_rows)
    box, trail_ms = pixel.padded(pad_cols, pad_rows), options.trail_half_life_ms
    cols_before = 0 if trail_ms is None else math.ceil(LIFETIME_HALF_LIVES * trail_ms / box.time_bin_ms)
    part = columns.between(box.t0_ms - cols_before * box.time_bin_ms, box.end_ms)
    batch = EventBatch.select(part, sides=options.sides, min_notional=options.min_notional, by_side=False)
    if options.floor_usd:
        batch = batch.at(batch.cell_usd(box.time_bin_ms, box.price_bin) >= options.floor_usd)
    if options.half_life_ms is not None:
        batch = batch.decayed(now_ms, options.half_life_ms)
    plan, engine = paint_plan(batch, pixel, options, edges, Decay(now_ms, 1.0)), NumpyEngine()
    sums = engine.grid(engine.bin(batch, box), 0)
    spots = plan.row_weights[:, np.newaxis] * plan.col_weights * np.where(sums > 0, np.maximum(sums, plan.floors), 0)
    up, across = np.unravel_index(spots.argmax(), spots.shape)
    value, is_trail = float(spots[up, across]), False
    found = _cell(box, box.first_time_bin + int(across), box.first_price_bin + int(up))
    if trail_ms is not None and plan.trail_factor > 0:
        heat = heat_from_the_left(batch, pixel.padded(0, pad_rows), trail_ms)[0]
        trails = plan.row_weights * np.minimum(heat, plan.edges[-1]) * plan.trail_strength
        if trails.max() > value:
            value, is_trail = float(trails.max()), True
            found = _hottest(batch, pixel, box.first_price_bin + int(trails.argmax()), trail_ms)
    if value < plan.edges[0]:
        return None
    details = cell_details(
        columns.between(found.t0_ms, found.end_ms), found, sides=options.sides, min_notional=options.min_notional
    )
    return CellFigures(
        cell=found,
        count=int(details.count[0, 0]),
        long_usd=float(details.long_usd[0, 0]),
        short_usd=float(details.short_usd[0, 0]),
        largest_usd=float(details.largest_usd[0, 0]),
        is_trail=is_trail,
    )


def _cell(spec: GridSpec, time_bin: int, price_bin: int) -> GridSpec:
    """Return one cell of the size of another grid's, by its absolute bins."""
    width_ms, height = spec.time_bin_ms, spec.price_bin
    return GridSpec(
        t0_ms=time_bin * width_ms, time_bin_ms=width_ms, cols=1, price0=price_bin * height, price_bin=height, rows=1
    )


def _hottest(batch: EventBatch, pixel: GridSpec, price_bin: int, half_life_ms: float) -> GridSpec:
    """Return the cell of a row that has the largest part of the heat at a pixel."""
    earlier = batch.between(-(2**62), pixel.t0_ms).kept()
    of_row = price_bins(earlier.price, pixel.price_bin) == price_bin
    cols_ago = pixel.first_time_bin - earlier.ts_ms[of_row] // pixel.time_bin_ms
    left = earlier.weight[of_row] * np.exp2(cols_ago * (-pixel.time_bin_ms / half_life_ms))
    return _cell(pixel, pixel.first_time_bin - int(np.bincount(cols_ago, left).argmax()), price_bin)
