"""Which place of the chart the mouse points at, and where a card beside it goes. Pure arithmetic."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from PyQt6.QtCore import QPoint, QRect, QSize

from Heatmap.aggregation.cell_detail import Place
from Heatmap.ui.geometry.render_options import SPOT_PX

if TYPE_CHECKING:
    from Heatmap.ui.geometry.viewport import TimeAxis, Viewport

# Up to here the spot of a usual event is bright enough to be seen: 4 % of its middle, on a logarithmic scale half the
# colour. Nobody should have to meet a cell of 1 x 2 px with the mouse.
REACH_SIGMAS: Final = 2.5
LEAST_REACH_PX: Final = 3.0
# Away from the pointer's arrow, which is drawn to the lower right of its tip.
CARD_DISTANCE_PX: Final = 16


def reach_px(spot_size: str) -> tuple[float, float]:
    """Return how far from the mouse a cell may be to be meant, across and along, CSS pixels: the size of its spot."""
    across_px, along_px = SPOT_PX[spot_size]
    return max(REACH_SIGMAS * across_px, LEAST_REACH_PX), max(REACH_SIGMAS * along_px, LEAST_REACH_PX)


def place_at(
    viewport: Viewport, axis: TimeAxis, at_px: tuple[float, float], reach: tuple[float, float]
) -> Place | None:
    """Return the place at a point of the pane, None outside of the pane.

    Parameters
    ----------
    viewport, axis
        What the chart shows.
    at_px
        x and y inside the pane, CSS pixels.
    reach
        See `reach_px`. Cut off where the chart leaves out a stretch of time: what lies beyond is another day.
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
    return Place(
        time_ms=axis.time_ms(at),
        price=viewport.price(y_px),
        start_ms=pieces[first][2],
        end_ms=pieces[last][3],
        price_low=min(above, below),
        price_high=max(above, below),
    )


def card_corner(mouse: QPoint, size: QSize, pane: QRect) -> QPoint | None:
    """Return where the upper left corner of a card goes: inside the pane, never over what the mouse points at.

    To the lower right of the mouse; to the other side where there is no room. None: the pane is too small.
    """
    right, below = mouse.x() + CARD_DISTANCE_PX, mouse.y() + CARD_DISTANCE_PX
    left, above = mouse.x() - CARD_DISTANCE_PX - size.width(), mouse.y() - CARD_DISTANCE_PX - size.height()
    last_x, last_y = pane.x() + pane.width() - size.width(), pane.y() + pane.height() - size.height()
    if last_x < pane.x() or last_y < pane.y():
        return None
    x = right if right <= last_x else left if left >= pane.x() else None
    y = below if below <= last_y else above if above >= pane.y() else None
    if x is None and y is None:
        return None
    # Clear of the mouse in one direction, it may go as far as it has to in the other.
    return QPoint(
        min(max(right, pane.x()), last_x) if x is None else x, min(max(below, pane.y()), last_y) if y is None else y
    )
