"""Colours of the page, painted beneath it while it is transparent."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

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
