"""Hit test: the point of the map under the mouse, and the corner of the tooltip beside it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from Heatmap.aggregation.painted_cell import HitPoint
from Heatmap.rendering.render_options import SPOT_PX

if TYPE_CHECKING:
    from Heatmap.ui.geometry.viewport import TimeAxis, Viewport

# Up to here a usual spot is visible: 4 % of its middle, on a logarithmic scale half the colour.
REACH_SIGMAS: Final = 2.5
# Clear of the pointer's arrow, which is drawn to the lower right of its tip.
TOOLTIP_DISTANCE_PX: Final = 16


def hit_point_at(viewport: Viewport, axis: TimeAxis, at_px: tuple[float, float]) -> HitPoint | None:
    """Return time and price at a point of the pane (x, y in CSS pixels), None outside the pane."""
    x_px, y_px = at_px
    if not (0.0 <= x_px < viewport.width_px and 0.0 <= y_px < viewport.height_px):
        return None
    return HitPoint(axis.time_ms(viewport.logical(x_px)), viewport.price(y_px))


def is_near(viewport: Viewport, axis: TimeAxis, point: HitPoint, at_px: tuple[float, float], *, spot_size: str) -> bool:
    """Return True if a point of the map now lies within a spot's size of a point of the pane (x, y in CSS pixels)."""
    across_px, along_px = SPOT_PX[spot_size]
    x_px, y_px = viewport.x_px(axis.logical(point.time_ms)), viewport.y_px(point.price)
    return math.hypot((x_px - at_px[0]) / across_px, (y_px - at_px[1]) / along_px) <= REACH_SIGMAS


def tooltip_corner(
    mouse: tuple[int, int], size: tuple[int, int], pane: tuple[int, int, int, int]
) -> tuple[int, int] | None:
    """Return the upper left corner of a tooltip: inside the pane, never over the mouse. None: the pane is too small.

    To the lower right of the mouse; to the other side where there is no room. ``pane`` is left, top, width and height.
    """
    corner: list[int | None] = []
    limits = []
    for at, length, first, extent in zip(mouse, size, pane[:2], pane[2:], strict=True):
        last = first + extent - length
        if last < first:
            return None
        behind, before = at + TOOLTIP_DISTANCE_PX, at - TOOLTIP_DISTANCE_PX - length
        corner.append(behind if behind <= last else before if before >= first else None)
        # Clear of the mouse in one direction, it may go as far as needed in the other.
        limits.append(min(max(behind, first), last))
    if corner == [None, None]:
        return None
    x, y = (limit if at is None else at for at, limit in zip(corner, limits, strict=True))
    return x, y
