"""Axes of a legend for amounts of choice."""

from __future__ import annotations

import numpy as np

from Heatmap.aggregation import GridSpec, ImageBuilder, Normalization, RenderOptions
from Heatmap.aggregation.numpy_engine import NumpyEngine
from Heatmap.event_columns import EventColumns
from Heatmap.rendering.colour_axis import ColourAxis, colour_axis


def axis(reference: float, normalization: Normalization = Normalization.LOG, **options) -> ColourAxis | None:
    """Return the axis of a window of 400 cells, of which the largest has this many dollars; options of the colours."""
    if reference == 0:
        return None
    usd = np.geomspace(reference / 4000, reference, 400)
    columns = EventColumns(np.arange(400) * 1000, np.full(400, 100.0), usd, np.arange(400) % 2 == 0)
    spec = GridSpec(t0_ms=0, time_bin_ms=1000, cols=400, price0=99.0, price_bin=1.0, rows=3)
    look = RenderOptions(clip_percentile=100, normalization=normalization, sigma_cols=0, sigma_rows=0, **options)
    image = ImageBuilder(NumpyEngine()).build(columns, spec, look, now_ms=400_000, window_start_ms=0)
    return colour_axis(image, look.floor_usd)
