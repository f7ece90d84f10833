"""The look of an image as numbers: what `RenderOptions` mean for one grid."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING, Final

import numpy as np

from Heatmap.aggregation.engine import PaintPlan
from Heatmap.aggregation.normalization import TOP_LEVEL
from Heatmap.aggregation.trail import column_factor, heat_from_the_left

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from Heatmap.aggregation.event_batch import EventBatch
    from Heatmap.aggregation.grid import GridSpec
    from Heatmap.aggregation.options import RenderOptions, Sides
    from Heatmap.aggregation.palettes import Palette

# The level at which an occupied cell is shown at least: a small liquidation is faint, not absent.
FAINTEST_EVENT_LEVEL: Final = 32

# A spot reaches as far as its Gaussian keeps a thousandth of the middle, the least that log still colours.
_SPOT_REACH_SIGMAS: Final = math.sqrt(2 * math.log(1000))


def reach(sigma_cells: float) -> int:
    """Return how many cells a spot of this radius reaches to each side."""
    return math.floor(sigma_cells * _SPOT_REACH_SIGMAS)


def paint_plan(
    batch: EventBatch,
    spec: GridSpec,
    options: RenderOptions,
    *,
    palette: Palette,
    edges: NDArray[np.float32] | None,
    as_of_ms: int,
    fade: float,
) -> PaintPlan:
    """Return the plan for an image.

    Parameters
    ----------
    batch
        The events, weighted; they leave the trail that comes in from the left.
    spec
        The grid, without its padding.
    options, palette
        The look; ``palette`` is the one that the options name.
    edges
        Of the scale, in dollars before decay; see `level_edges`. None: not known yet, see `Engine.draw`.
    as_of_ms, fade
        With decay: the moment the weights are relative to, and what is left of them now.
    """
    pad_cols, pad_rows = reach(options.sigma_cols), reach(options.sigma_rows)
    padded = spec.padded(pad_cols, pad_rows)
    factor, heat = _trail(batch, padded, options)
    fading = _no_fading(padded.cols)
    if options.half_life_ms is not None:
        fading = _fading(padded, as_of_ms, options.half_life_ms)
    if edges is None:
        edges, floors = np.empty(TOP_LEVEL, np.float32), np.empty(padded.cols, np.float32)
    else:
        floors = (float(edges[FAINTEST_EVENT_LEVEL - 1]) * fading).astype(np.float32)
        if fade != 1.0:
            # Weights are relative to the moment they were decayed to; time passing moves the scale by one scalar.
            edges = (edges.astype(np.float64) / fade).astype(np.float32)
    return PaintPlan(
        pad_cols=pad_cols,
        pad_rows=pad_rows,
        col_weights=_gaussian(options.sigma_cols, pad_cols),
        row_weights=_gaussian(options.sigma_rows, pad_rows),
        fading=fading,
        floors=floors,
        trail_factor=factor,
        trail_strength=np.float32(options.trail_strength),
        trail_start=heat,
        edges=edges,
        colours=_colours(palette, options.dark_background, options.sides),
    )


@lru_cache(maxsize=64)
def _gaussian(sigma_cells: float, pad: int) -> NDArray[np.float32]:
    """Return float32 (2 * pad + 1,) with 1.0 in the middle: a lone event's spot peaks at its own value."""
    if pad == 0:
        return np.ones(1, np.float32)
    distance = np.arange(-pad, pad + 1) / sigma_cells
    weights: NDArray[np.float32] = np.exp(-0.5 * distance**2).astype(np.float32)
    return weights


def _trail(batch: EventBatch, padded: GridSpec, options: RenderOptions) -> tuple[np.float32, NDArray[np.float32]]:
    """Return the fading per column (0 for no trail) and the heat that enters from the left."""
    half_life_ms = options.trail_half_life_ms
    if half_life_ms is None or options.trail_strength == 0:
        return np.float32(0), _no_heat(batch.channels, padded.rows)
    return (
        column_factor(padded.time_bin_ms, half_life_ms),
        heat_from_the_left(batch, padded, half_life_ms),
    )


@lru_cache(maxsize=8)
def _no_fading(cols: int) -> NDArray[np.float64]:
    return np.ones(cols)


def _fading(padded: GridSpec, as_of_ms: int, half_life_ms: float) -> NDArray[np.float64]:
    """Return what is left of the events in the middle of each column."""
    middles_ms = padded.t0_ms + (np.arange(padded.cols) + 0.5) * padded.time_bin_ms
    fading: NDArray[np.float64] = np.exp2(np.maximum(as_of_ms - middles_ms, 0) / -half_life_ms)
    return fading


@lru_cache(maxsize=8)
def _no_heat(channels: int, rows: int) -> NDArray[np.float32]:
    return np.zeros((channels, rows), np.float32)


# Palettes are few and constant.
@lru_cache(maxsize=32)
def _colours(palette: Palette, dark_background: bool, sides: Sides) -> NDArray[np.uint32]:
    tables = palette.for_background(dark_background)
    if palette.is_bivariate and sides != "both":
        share = -1 if sides == "long" else 0
        tables = tables[share][np.newaxis]
    return np.ascontiguousarray(tables).view(np.uint32)[:, :, 0]
