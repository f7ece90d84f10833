"""Hit test: the area of the chart under the mouse, and the corner of the tooltip beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from Heatmap.aggregation.cell_detail import HitArea
from Heatmap.rendering.render_options import SPOT_PX

if TYPE_CHECKING:
    from Heatmap.ui.geometry.viewport import TimeAxis, Viewport

# Up to here a usual spot is visible: 4 % of its middle, on a logarithmic scale half the colour. Nobody can hit a cell
# of 1 x 2 px with the mouse.
REACH_SIGMAS: Final = 2.5
LEAST_REACH_PX: Final = 3.0
# Clear of the pointer's arrow, which is drawn to the lower right of its tip.
TOOLTIP_DISTANCE_PX: Final = 16


def reach_px(spot_size: str) -> tuple[float, float]:
    """Return how far from the mouse a cell is still hit, in time and in price, CSS pixels: the size of its spot."""
    across_px, along_px = SPOT_PX[spot_size]
    return max(REACH_SIGMAS * across_px, LEAST_REACH_PX), max(REACH_SIGMAS * along_px, LEAST_REACH_PX)


def hit_area_at(
    viewport: Viewport, axis: TimeAxis, at_px: tuple[float, float], reach: tuple[float, float]
) -> HitArea | None:
    """Return the area around a point of the pane (x, y in CSS pixels), None outside the pane.

    It reaches as far as `reach_px`, and ends where the chart leaves out time: what lies beyond is another day.
    """
    x_px, y_px = at_px
    if not (0.0 <= x_px < viewport.width_px and 0.0 <= y_px < viewport.height_px):
        return None
    at = viewport.logical(x_px)
    pieces = axis.pieces(viewport.logical(x_px - reach[0]), viewport.logical(x_px + reach[0]))
    first = last = max((number for number, piece in enumerate(pieces) if piece[0] <= at), default=0)
    while first > 0 and pieces[first][2] - pieces[first - 1][3] < 1.0:
        first -= 1
    while last + 1 < len(pieces) and pieces[last + 1][2] - pieces[last][3] < 1.0:
        last += 1
    # An inverted scale has the lower price above.
    above, below = viewport.price(y_px - reach[1]), viewport.price(y_px + reach[1])
    return HitArea(
        time_ms=axis.time_ms(at),
        price=viewport.price(y_px),
        start_ms=pieces[first][2],
        end_ms=pieces[last][3],
        price_low=min(above, below),
        price_high=max(above, below),
    )


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
