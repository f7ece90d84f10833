"""The rectangle of time and price between two points of the pane, with round borders, and its place on the pane."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from Heatmap.aggregation.resolution import round_step
from Heatmap.rendering.area_sums import Area

if TYPE_CHECKING:
    from Heatmap.ui.geometry.viewport import TimeAxis, Viewport

# Borders snap to round times and prices so far apart at least: nobody hits 14:30 or 87,500 on a pixel.
SNAP_PX: Final = 3.0
_STEPS_MS: Final = tuple(1000 * seconds for seconds in (1, 5, 15, 30, 60, 180, 300, 900, 1800, 3600))

Point = tuple[float, float]


def price_step(viewport: Viewport) -> float:
    """Return the distance of the prices to which borders snap: 1, 2 or 5 times a power of ten."""
    return round_step((viewport.price_high - viewport.price_low) / viewport.height_px * SNAP_PX)


def area_between(viewport: Viewport, axis: TimeAxis, first_px: Point, last_px: Point) -> Area:
    """Return the area between two points (x, y in CSS pixels of the pane), at least one step long and high.

    A point at or beyond the pane's upper or lower edge means all prices in that direction.
    """
    left, right = sorted(min(max(x, 0.0), viewport.width_px) for x, _ in (first_px, last_px))
    begin, end = (axis.time_ms(viewport.logical(x)) for x in (left, right))
    seen_ms = axis.time_ms(viewport.logical(viewport.width_px)) - axis.time_ms(viewport.logical(0.0))
    wanted_ms = seen_ms / viewport.width_px * SNAP_PX
    step_ms = next((step for step in _STEPS_MS if step >= wanted_ms), _STEPS_MS[-1])
    start_ms = round(begin / step_ms) * step_ms
    step = price_step(viewport)
    low, high = sorted(_price(viewport, y, step) for _, y in (first_px, last_px))
    if low == high:  # within one step, or both at one edge of the pane
        middle = _round(min(max(low, viewport.price_low), viewport.price_high), step)
        low, high = min(low, max(middle - step, 0.0)), max(high, middle + step)
    return Area(start_ms, max(round(end / step_ms) * step_ms, start_ms + step_ms), low, high)


def _price(viewport: Viewport, y_px: float, step: float) -> float:
    if 0.0 < y_px < viewport.height_px - 1.0:
        return max(_round(viewport.price(y_px), step), 0.0)
    is_high = (y_px <= 0.0) == (viewport.price_top > viewport.price_bottom)
    return math.inf if is_high else 0.0


def _round(price: float, step: float) -> float:
    # Of 0.1 + 0.2 the price is 0.3's.
    return round(round(price / step) * step, 10)


def box_px(viewport: Viewport, axis: TimeAxis, area: Area) -> tuple[float, float, float, float] | None:
    """Return left, top, right and bottom of an area in CSS pixels of the pane, cut at the pane; None out of sight."""
    left, right = (viewport.x_px(axis.logical(time_ms)) for time_ms in (area.start_ms, area.end_ms))
    prices = (min(max(price, viewport.price_low), viewport.price_high) for price in (area.price_low, area.price_high))
    top, bottom = sorted(viewport.y_px(price) for price in prices)
    left, right = max(left, 0.0), min(right, viewport.width_px)
    return (left, top, right, bottom) if left < right and top < bottom else None
