"""Drawing options of an image, from the user's settings and the size of the view's cells."""

from __future__ import annotations

from typing import TYPE_CHECKING

from Heatmap.aggregation.options import MAX_SIGMA_CELLS, RenderOptions
from Heatmap.heatmap_settings import decay_half_life_ms, trail_half_life_ms
from Heatmap.vocabulary import Normalization

if TYPE_CHECKING:
    from Heatmap.aggregation import GridSpec
    from Heatmap.heatmap_settings import HeatmapSettings
    from Heatmap.rendering.view_grid import View

# Standard deviation of a single event's spot in logical pixels, (time, price): flat, so that the price stays readable.
SPOT_PX = {"small": (2.0, 1.1), "medium": (3.4, 1.8), "large": (5.5, 3.0)}


def render_options(settings: HeatmapSettings, view: View, spec: GridSpec, *, dark: bool) -> RenderOptions:
    """Return the drawing options for a view and its grid; a spot keeps its size on the screen at every zoom."""
    across_px, along_px = SPOT_PX[settings.spot_size]
    cell_width_px = spec.time_bin_ms / view.ms_per_px
    cell_height_px = view.height_px * spec.price_bin / (view.price_high - view.price_low)
    return RenderOptions(
        normalization=Normalization(settings.normalization),
        palette=settings.palette,
        clip_percentile=settings.clip_percentile,
        half_life_ms=decay_half_life_ms(settings),
        trail_half_life_ms=trail_half_life_ms(settings),
        sigma_cols=min(across_px / cell_width_px, MAX_SIGMA_CELLS),
        sigma_rows=min(along_px / cell_height_px, MAX_SIGMA_CELLS),
        sides=settings.sides,
        min_notional=settings.min_notional_usd,
        floor_usd=settings.floor_usd,
        ceiling_usd=settings.ceiling_usd,
        dark_background=dark,
    )
