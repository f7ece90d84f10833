"""The colours the page had: what is painted beneath it while it is transparent. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

Rgb = tuple[float, float, float]


class Patch(NamedTuple):
    """A rectangle of one colour, in device pixels of the view, origin top left; red, green and blue 0 to 1."""

    left: int
    top: int
    right: int
    bottom: int
    color: Rgb


@dataclass(frozen=True, slots=True)
class Surface:
    """One painted element of the page around or under the chart.

    Attributes
    ----------
    left_px, top_px, width_px, height_px
        Its box in device pixels of the view, origin top left.
    color
        Red, green, blue and alpha, each 0 to 1, not premultiplied.
    """

    left_px: float
    top_px: float
    width_px: float
    height_px: float
    color: tuple[float, float, float, float]

    @property
    def box_px(self) -> tuple[int, int, int, int]:
        """Return left, top, width and height, edges on whole device pixels."""
        left, top = round(self.left_px), round(self.top_px)
        return left, top, round(self.left_px + self.width_px) - left, round(self.top_px + self.height_px) - top

    def grown(self, wider_px: float, higher_px: float) -> Surface:
        """Return the surface with its right and its lower edge moved."""
        return replace(
            self, width_px=max(self.width_px + wider_px, 0.0), height_px=max(self.height_px + higher_px, 0.0)
        )


def opaque_colors(base: Rgb, surfaces: tuple[Surface, ...]) -> tuple[Rgb, ...]:
    """Return the colour to be seen on each surface.

    Parameters
    ----------
    base
        What is beneath them all, 0 to 1.
    surfaces
        Outermost first; each lies within the one before.
    """
    seen, colors = base, []
    for surface in surfaces:
        *color, alpha = surface.color
        red, green, blue = (under + (over - under) * alpha for under, over in zip(seen, color, strict=True))
        seen = (red, green, blue)
        colors.append(seen)
    return tuple(colors)


def hidden_below(surfaces: tuple[Surface, ...], size_px: tuple[int, int]) -> int | None:
    """Return the number of the last surface that covers all of the view, None if none does.

    All surfaces are painted opaque, in the colour that is to be seen (`opaque_colors`).
    """
    for number in range(len(surfaces) - 1, -1, -1):
        left, top, width, height = surfaces[number].box_px
        if left <= 0 and top <= 0 and left + width >= size_px[0] and top + height >= size_px[1]:
            return number
    return None


def patches(base: Rgb, surfaces: tuple[Surface, ...], size_px: tuple[int, int]) -> tuple[Patch, ...]:
    """Return what to paint, one over the other, so that all of the view has the page's colours.

    What a later one hides is left out: clearing a large window takes software OpenGL a millisecond.

    Parameters
    ----------
    base
        What is beneath them all, 0 to 1.
    surfaces
        Outermost first.
    size_px
        Width and height of the view in device pixels.
    """
    width_px, height_px = size_px
    first = hidden_below(surfaces, size_px)
    found = [Patch(0, 0, width_px, height_px, base)] if first is None else []
    for surface, color in list(zip(surfaces, opaque_colors(base, surfaces), strict=True))[first or 0 :]:
        left, top, width, height = surface.box_px
        patch = Patch(max(left, 0), max(top, 0), min(left + width, width_px), min(top + height, height_px), color)
        if patch.left < patch.right and patch.top < patch.bottom:
            found.append(patch)
    return tuple(found)
