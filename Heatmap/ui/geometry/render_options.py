"""The user's settings and the view's cells → how the image is drawn. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from Heatmap.aggregation.options import MAX_SIGMA_CELLS, Normalization, RenderOptions
from Heatmap.heatmap_settings import decay_half_life_ms, trail_half_life_ms

if TYPE_CHECKING:
    from Heatmap.aggregation import GridSpec
    from Heatmap.heatmap_settings import HeatmapSettings
    from Heatmap.ui.geometry.view_grid import View

# Radius (standard deviation) of a lone event on the screen, in logical pixels: wide in time, flat in price, so that the
# price stays readable.
SPOT_PX = {"small": (2.0, 1.1), "medium": (3.4, 1.8), "large": (5.5, 3.0)}


def render_options(settings: HeatmapSettings, view: View, spec: GridSpec, *, dark: bool) -> RenderOptions:
    """Return the drawing options for a view.

    Parameters
    ----------
    settings
        The user's choices.
    view, spec
        What is shown and by which cells: a spot keeps its size on the screen at every zoom.
    dark
        Whether the chart's background is dark.
    """
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
        dark_background=dark,
    )
