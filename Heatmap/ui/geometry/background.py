"""Colours of the page, painted beneath it while it is transparent, and the line at the time window's beginning."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, NamedTuple

from Heatmap.vocabulary import FITTED_PX

if TYPE_CHECKING:
    from collections.abc import Sequence

    from Heatmap.ui.geometry.viewport import TimeAxis, Viewport

# Width of the line at the beginning of the time window, in logical pixels; left of it heat is fainter.
LINE_PX: Final = 1.0
# Share of black or white in the line's colour, the rest is the background's: as faint as an axis.
_SHARE: Final = 0.3
_MIDDLE: Final = 0.5

Rgb = tuple[float, float, float]  # red, green and blue, 0 to 1


class BackgroundRect(NamedTuple):
    """A rectangle of one colour, in device pixels of the view, origin top left."""

    left: int
    top: int
    right: int
    bottom: int
    color: Rgb


@dataclass(frozen=True, slots=True)
class Surface:
    """One painted element of the page, around or under the chart; device pixels of the view, origin top left."""

    left_px: float
    top_px: float
    width_px: float
    height_px: float
    color: tuple[float, float, float, float]  # red, green, blue, alpha, 0 to 1, not premultiplied

    @property
    def box_px(self) -> tuple[int, int, int, int]:
        """Left, top, right and bottom, on whole device pixels."""
        right_px, bottom_px = self.left_px + self.width_px, self.top_px + self.height_px
        return round(self.left_px), round(self.top_px), round(right_px), round(bottom_px)

    def grown(self, wider_px: float, higher_px: float) -> Surface:
        """Return the surface with its right and lower edge moved."""
        width_px, height_px = max(self.width_px + wider_px, 0.0), max(self.height_px + higher_px, 0.0)
        return replace(self, width_px=width_px, height_px=height_px)


def opaque_colors(base: Rgb, surfaces: tuple[Surface, ...]) -> tuple[Rgb, ...]:
    """Return the visible colour of each surface over ``base``; outermost first, each lies within the one before."""
    below, colors = base, []
    for surface in surfaces:
        *color, alpha = surface.color
        red, green, blue = (under + (over - under) * alpha for under, over in zip(below, color, strict=True))
        below = (red, green, blue)
        colors.append(below)
    return tuple(colors)


def background_rects(base: Rgb, surfaces: tuple[Surface, ...], size_px: tuple[int, int]) -> tuple[BackgroundRect, ...]:
    """Return the rectangles to paint, one over the other, so that the whole view has the page's colours.

    Those that a later one hides are left out: clearing a large window takes software OpenGL a millisecond.
    """
    width, height = size_px
    rects = [BackgroundRect(0, 0, width, height, base)]
    for surface, color in zip(surfaces, opaque_colors(base, surfaces), strict=True):
        left, top, right, bottom = surface.box_px
        rect = BackgroundRect(max(left, 0), max(top, 0), min(right, width), min(bottom, height), color)
        if rect[:4] == (0, 0, width, height):
            rects = [rect]
        elif rect.left < rect.right and rect.top < rect.bottom:
            rects.append(rect)
    return tuple(rects)


def older_px(viewport: Viewport | None, axis: TimeAxis | None, start_ms: int | None) -> float:
    """Return how much of the pane's width lies before a moment, CSS pixels; 0 where one is not known."""
    if viewport is None or axis is None or start_ms is None:
        return 0.0
    return min(max(viewport.x_px(axis.logical(start_ms)), 0.0), viewport.width_px)


def begins_in_sight(viewport: Viewport | None, axis: TimeAxis | None, start_ms: int | None) -> bool:
    """Return True if the window begins on the pane, more than `FITTED_PX` from its left edge."""
    return viewport is not None and FITTED_PX < older_px(viewport, axis, start_ms) < viewport.width_px


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
