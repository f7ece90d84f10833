"""Reuse of image memory: a fresh 2.6 MB array costs more in page faults than a sparse image costs to paint."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_KEPT: Final = 4

# Columns of an image whose painted rows are remembered together: one cache line of pixels.
SPAN_COLS: Final = 16


@dataclass(slots=True)
class Canvas:
    """Memory of an image, and where it is not empty, so that clearing costs no more than was painted.

    Attributes
    ----------
    rgba
        uint8 (rows, cols, 4), C order.
    pixels
        The same memory as uint32 (rows, cols).
    spans
        int32 (ceil(cols / 16), 2): in these 16 columns all but the rows ``[span 0, span 1)``, counted from the lowest
        price, is transparent.
    """

    rgba: NDArray[np.uint8]
    pixels: NDArray[np.uint32]
    spans: NDArray[np.int32]

    @classmethod
    def empty(cls, rows: int, cols: int) -> Canvas:
        """Return a transparent canvas."""
        spans = np.zeros((-(-cols // SPAN_COLS), 2), np.int32)
        rgba = np.zeros((rows, cols, 4), np.uint8)
        return cls(rgba, rgba.view(np.uint32)[:, :, 0], spans)


class ImageBuffers:
    """Hands out canvases and takes back those whose image nobody holds any more.

    An array is reused only when the canvas's own reference is the last one. A view keeps its array alive and counts as
    a holder, so a picture that is still looked at is never overwritten, however long it is kept.
    """

    def __init__(self) -> None:
        self._canvases = [Canvas.empty(1, 1)]
        # How many references an idle array has as seen from here differs between Python versions: measured, not known.
        self._idle_references = sys.getrefcount(self._canvases[0].rgba)

    def take(self, rows: int, cols: int) -> Canvas:
        """Return a canvas of this size, with whatever was painted last, whose image nobody else holds."""
        shape = (rows, cols, 4)
        for canvas in self._canvases:
            if canvas.rgba.shape == shape and sys.getrefcount(canvas.rgba) == self._idle_references:
                return canvas
        fresh = Canvas.empty(rows, cols)
        self._canvases = [canvas for canvas in self._canvases if canvas.rgba.shape == shape][1 - _KEPT :]
        self._canvases.append(fresh)
        return fresh
