"""What a chart shows, for tests of geometry."""

from __future__ import annotations

from Heatmap.ui.geometry.viewport import BarSegment, TimeAxis, Viewport

MINUTE = 60_000
PLAIN = TimeAxis((BarSegment(0, 0, MINUTE, 100),))
# Ten bars, half an hour that the chart leaves out, five bars.
GAPPED = TimeAxis((BarSegment(0, 0, MINUTE, 10), BarSegment(10, 40 * MINUTE, MINUTE, 5)))


def viewport(**changes) -> Viewport:
    """Return 100 bars of 10 px and prices from 110 above to 90 below, 20 px each."""
    values = {
        "left_px": 10.0,
        "top_px": 20.0,
        "width_px": 1000.0,
        "height_px": 400.0,
        "ratio": 1.0,
        "logical_from": 0.0,
        "logical_to": 100.0,
        "x_from_px": 0.0,
        "x_to_px": 1000.0,
        "price_top": 110.0,
        "price_bottom": 90.0,
    }
    return Viewport(**(values | changes))


def shifted_viewport(**changes) -> Viewport:
    """Return 90 bars of 10 px that begin 5 px right of the pane's edge, and prices from 115 to 85."""
    values = {
        "left_px": 8.0,
        "top_px": 4.0,
        "width_px": 900.0,
        "height_px": 300.0,
        "logical_to": 90.0,
        "x_from_px": 5.0,
        "x_to_px": 905.0,
        "price_top": 115.0,
        "price_bottom": 85.0,
    }
    return viewport(**(values | changes))
