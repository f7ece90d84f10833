"""The line that says where the chosen window begins: left of it there is no heat, whatever happened. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from Heatmap.ui.geometry.background import Patch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from Heatmap.ui.geometry.background import Rgb
    from Heatmap.ui.geometry.viewport import TimeAxis, Viewport

LINE_PX: Final = 1.0
"""Width of the line in logical pixels."""

EDGE_PX: Final = 24.0
"""So near to the pane's left edge, in CSS pixels, the window begins unmarked: a chart that fits it shows a bit more."""

# How far the line's colour lies from the ground's towards the other end of lightness: like an axis, not like a drawing.
_SHARE: Final = 0.3
_MIDDLE: Final = 0.5


def begins_in_sight(viewport: Viewport | None, axis: TimeAxis | None, start_ms: int | None) -> bool:
    """Return True if the window begins on the pane, with so much before it that a trader could wonder."""
    if viewport is None or axis is None or start_ms is None:
        return False
    return EDGE_PX < viewport.x_px(axis.logical(start_ms)) < viewport.width_px


def window_mark(viewport: Viewport, axis: TimeAxis, start_ms: int, ground: Sequence[Patch]) -> tuple[Patch, ...]:
    """Return the line on the pane of one frame, over the ground and so beneath heat and page; none out of sight.

    It ends where the heat begins: its right edge is the window's first moment, on a whole device pixel.

    Parameters
    ----------
    viewport, axis
        What the chart shows.
    start_ms
        The window's beginning, ms since the epoch, UTC.
    ground
        The page's own colours, one over the other; they cover everything.
    """
    if not begins_in_sight(viewport, axis, start_ms):
        return ()
    ratio = viewport.ratio
    right = round((viewport.left_px + viewport.x_px(axis.logical(start_ms))) * ratio)
    left = max(right - max(round(LINE_PX * ratio), 1), round(viewport.left_px * ratio))
    top, bottom = round(viewport.top_px * ratio), round((viewport.top_px + viewport.height_px) * ratio)
    # Within what the ground covers, which is the whole of the view.
    left, right = max(left, 0), min(right, max((patch.right for patch in ground), default=0))
    top, bottom = max(top, 0), min(bottom, max((patch.bottom for patch in ground), default=0))
    if left >= right or top >= bottom:
        return ()
    below = next(
        (
            patch.color
            for patch in reversed(ground)
            if patch.left <= left < patch.right and patch.top <= top < patch.bottom
        ),
        ground[0].color,
    )
    return (Patch(left, top, right, bottom, _apart_from(below)),)


def _apart_from(color: Rgb) -> Rgb:
    other = 1.0 if sum(color) / len(color) < _MIDDLE else 0.0
    red, green, blue = (channel + (other - channel) * _SHARE for channel in color)
    return red, green, blue
