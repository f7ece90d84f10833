"""The line at the beginning of the time window; left of it no heat is shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from Heatmap.ui.geometry.background import BackgroundRect

if TYPE_CHECKING:
    from collections.abc import Sequence

    from Heatmap.ui.geometry.viewport import TimeAxis, Viewport

LINE_PX: Final = 1.0
"""Width of the line in logical pixels."""

EDGE_PX: Final = 24.0
"""No line so near to the pane's left edge, CSS pixels: a chart fitted to the window shows a bit more than it."""

# Share of black or white in the line's colour, the rest is the background's: as faint as an axis.
_SHARE: Final = 0.3
_MIDDLE: Final = 0.5


def begins_in_sight(viewport: Viewport | None, axis: TimeAxis | None, start_ms: int | None) -> bool:
    """Return True if the window begins on the pane, more than `EDGE_PX` from its left edge."""
    if viewport is None or axis is None or start_ms is None:
        return False
    return EDGE_PX < viewport.x_px(axis.logical(start_ms)) < viewport.width_px


def window_start_line(
    viewport: Viewport, axis: TimeAxis, start_ms: int, background: Sequence[BackgroundRect]
) -> tuple[BackgroundRect, ...]:
    """Return the line of one frame, empty if it is out of sight. Its right edge is ``start_ms``.

    ``background`` are the page's own colours, one over the other; they cover the whole view.
    """
    if not begins_in_sight(viewport, axis, start_ms):
        return ()
    ratio = viewport.ratio
    right = round((viewport.left_px + viewport.x_px(axis.logical(start_ms))) * ratio)
    left = max(right - max(round(LINE_PX * ratio), 1), round(viewport.left_px * ratio))
    top, bottom = round(viewport.top_px * ratio), round((viewport.top_px + viewport.height_px) * ratio)
    left, right = max(left, 0), min(right, max((rect.right for rect in background), default=0))
    top, bottom = max(top, 0), min(bottom, max((rect.bottom for rect in background), default=0))
    if left >= right or top >= bottom:
        return ()
    below = background[0].color
    for rect in background:
        if rect.left <= left < rect.right and rect.top <= top < rect.bottom:
            below = rect.color
    other = 1.0 if sum(below) / len(below) < _MIDDLE else 0.0
    red, green, blue = (channel + (other - channel) * _SHARE for channel in below)
    return (BackgroundRect(left, top, right, bottom, (red, green, blue)),)
