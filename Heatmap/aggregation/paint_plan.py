"""The parameters of painting: from `RenderOptions` and a grid to a `PaintPlan`."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from Heatmap.aggregation.engine import PaintPlan
from Heatmap.aggregation.grid import GridSpec, price_bins
from Heatmap.aggregation.normalization import LARGEST
from Heatmap.aggregation.palettes import Palette, find_palette

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from Heatmap.aggregation.event_batch import EventBatch
    from Heatmap.aggregation.options import RenderOptions
    from Heatmap.vocabulary import Sides

# Least level of an occupied cell: a small liquidation is faint, not invisible.
FAINTEST_EVENT_LEVEL: Final = 32

# At the border of a spot its Gaussian is a thousandth of the middle, the least that the log scale colours.
_SPOT_REACH_SIGMAS: Final = math.sqrt(2 * math.log(1000))

# After forty halvings a million dollars are a millionth of a dollar.
LIFETIME_HALF_LIVES: Final = 40


class Decay(NamedTuple):
    """The moment to which decayed weights are relative, and the factor from then to now."""

    as_of_ms: int
    fade: float


def reach(sigma_cells: float) -> int:
    """Return the radius of a spot in whole cells."""
    return math.floor(sigma_cells * _SPOT_REACH_SIGMAS)


def sharp_plan(edges: NDArray[np.float32], cols: int, colours: NDArray[np.uint32]) -> PaintPlan:
    """Return the plan for an image of ``cols`` columns without spots, trails and a least value."""
    one, nothing, no_heat = np.ones(1, np.float32), np.float32(0), np.zeros((1, 1), np.float32)
    return PaintPlan(one, one, np.zeros(cols, np.float32), nothing, nothing, no_heat, edges, colours)


def paint_plan(
    batch: EventBatch, spec: GridSpec, options: RenderOptions, edges: NDArray[np.float32], decay: Decay
) -> PaintPlan:
    """Return the plan for an image.

    ``batch`` has the weighted events, for the trails that enter from the left. ``spec`` is not padded. ``edges`` are in
    dollars before decay, see `level_edges`; ``decay`` is that of the weights.
    """
    pad_cols, pad_rows = reach(options.sigma_cols), reach(options.sigma_rows)
    padded = spec.padded(pad_cols, pad_rows)
    factor, heat = _trail(batch, padded, options)
    least = min(float(edges[FAINTEST_EVENT_LEVEL - 1]), float(LARGEST))
    if options.half_life_ms is None:
        floors = np.full(padded.cols, least, np.float32)
    else:
        # The decay of an event in the middle of each column.
        middles_ms = padded.t0_ms + (np.arange(padded.cols) + 0.5) * padded.time_bin_ms
        ages_ms = np.maximum(decay.as_of_ms - middles_ms, 0)
        floors = (least * np.exp2(ages_ms / -options.half_life_ms)).astype(np.float32)
        # Weights are as of `as_of_ms`, without the decay since; the edges are divided by that instead.
        edges = (edges.astype(np.float64) / decay.fade).astype(np.float32)
    return PaintPlan(
        col_weights=_gaussian(options.sigma_cols, pad_cols),
        row_weights=_gaussian(options.sigma_rows, pad_rows),
        floors=floors,
        trail_factor=factor,
        trail_strength=np.float32(options.trail_strength),
        trail_start=heat,
        edges=edges,
        colours=colours_of(find_palette(options.palette), options.dark_background, options.sides),
    )


@lru_cache(maxsize=64)
def _gaussian(sigma_cells: float, pad: int) -> NDArray[np.float32]:
    """Return float32 (2 * pad + 1,), 1.0 in the middle: the peak of a spot is the value of its cell."""
    if pad == 0:
        return np.ones(1, np.float32)
    distance = np.arange(-pad, pad + 1) / sigma_cells
    weights: NDArray[np.float32] = np.exp(-0.5 * distance**2).astype(np.float32)
    return weights


def _trail(batch: EventBatch, padded: GridSpec, options: RenderOptions) -> tuple[np.float32, NDArray[np.float32]]:
    """Return the factor of a trail per column (0 for no trails) and the heat that enters from the left."""
    half_life_ms = options.trail_half_life_ms
    if half_life_ms is None or options.trail_strength == 0:
        return np.float32(0), np.zeros((batch.channels, padded.rows), np.float32)
    factor = np.float32(0.5 ** (padded.time_bin_ms / half_life_ms))
    return factor, heat_from_the_left(batch, padded, half_life_ms)


def heat_from_the_left(batch: EventBatch, spec: GridSpec, half_life_ms: float) -> NDArray[np.float32]:
    """Return the heat of column 0, float32 (channels, rows), that the recursion over all earlier columns would give.

    The filter is linear: the heat is the sum over the events, each in closed form.
    """
    # A whole number: searching int64 for a float would convert every event first.
    earliest_ms = spec.t0_ms - math.ceil(LIFETIME_HALF_LIVES * half_life_ms)
    part = batch.between(earliest_ms, spec.t0_ms).kept()
    if not len(part):
        return np.zeros((batch.channels, spec.rows), np.float32)
    rows = price_bins(part.price, spec.price_bin) - spec.first_price_bin
    inside = (rows >= 0) & (rows < spec.rows)
    cols_ago = spec.first_time_bin - part.ts_ms[inside] // spec.time_bin_ms
    left = part.weight[inside] * np.exp2(cols_ago * (-spec.time_bin_ms / half_life_ms))
    cells = part.channel()[inside] * spec.rows + rows[inside].astype(np.int64)
    heat = np.bincount(cells, left, minlength=batch.channels * spec.rows)
    return np.minimum(heat.reshape(batch.channels, spec.rows), LARGEST).astype(np.float32)


@lru_cache(maxsize=32)
def colours_of(palette: Palette, dark_background: bool, sides: Sides) -> NDArray[np.uint32]:
    """Return the colours of a `PaintPlan`."""
    tables = palette.for_background(dark_background)
    if palette.is_bivariate and sides != "both":
        share = -1 if sides == "long" else 0
        tables = tables[share][np.newaxis]
    return np.ascontiguousarray(tables).view(np.uint32)[:, :, 0]
