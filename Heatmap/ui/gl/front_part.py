"""Interface of what is drawn in front of the candles, and the shapes it is made of: boxes and small pictures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike
    from PyQt6.QtGui import QImage

    from Heatmap.ui.geometry.viewport import TimeAxis, Viewport


@dataclass(frozen=True, slots=True)
class Sprite:
    """A small picture at a place of the pane.

    ``image`` is `QImage.Format_RGBA8888_Premultiplied` in device pixels: one of its pixels is one of the screen's.
    Keep the object as long as it is shown: it is uploaded once. ``left_px`` and ``top_px`` are CSS pixels of the pane,
    origin top left; they are rounded to whole device pixels, so that text stays sharp.
    """

    image: QImage
    left_px: float
    top_px: float


@dataclass(frozen=True, slots=True, eq=False)
class FrontShapes:
    """What a part draws in one frame: first the boxes in their order, then the sprites in theirs.

    Attributes
    ----------
    boxes_px
        float (n, 4): left, top, right, bottom in CSS pixels of the pane (origin top left, y downwards); anything
        numpy can make an array of. Edges are rounded to whole device pixels; a box is at least one wide and high,
        but one whose right is not right of its left (or bottom not below top) is not drawn.
    colors
        uint8 (n, 4): RGBA of each box, not premultiplied.
    sprites
        Pictures, text for example: draw it with `QPainter` once, and keep the image.
    """

    boxes_px: ArrayLike = ()
    colors: ArrayLike = ()
    sprites: tuple[Sprite, ...] = ()

    def __bool__(self) -> bool:
        return len(np.asarray(self.boxes_px)) > 0 or len(self.sprites) > 0


class FrontPart(Protocol):
    """Something that is drawn in front of the candles."""

    def shapes(self, viewport: Viewport, axis: TimeAxis) -> FrontShapes | None:
        """Return what is drawn in the frame that shows this viewport; None while the part is off.

        Called on the GUI thread for each picture of the page: return soon (well below 1 ms), and keep what need not be
        computed anew. Everything outside the pane is cut off. ``viewport.ratio`` is device pixels per CSS pixel.
        """
