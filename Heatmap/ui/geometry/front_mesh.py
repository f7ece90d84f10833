"""Mesh of what is drawn in front of the candles: rectangles on whole device pixels, as triangles."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from Heatmap.ui.geometry.viewport import Viewport

# One corner: x and y in device pixels of the page (origin top left), texel of the atlas, colour premultiplied.
FRONT_VERTEX: Final = np.dtype([("place", "<f4", 2), ("texel", "<f4", 2), ("tint", "u1", 4)])

# Corners of a rectangle (left, top, right, bottom) as two triangles: the columns of x and of y.
_X: Final = [0, 0, 2, 2, 0, 2]
_Y: Final = [1, 3, 1, 1, 3, 3]


def device_boxes(boxes_px: ArrayLike, viewport: Viewport) -> NDArray[np.float64]:
    """Return boxes on whole device pixels of the page, float64 (n, 4): left, top, right, bottom.

    ``boxes_px`` (n, 4) is the same in CSS pixels of the pane. A box has at least one pixel in each direction, the one
    its middle lies in, so that a thin bar does not vanish; a side of length 0 or less stays empty.
    """
    boxes = np.asarray(boxes_px, np.float64).reshape(-1, 4)
    corner = np.array([viewport.left_px, viewport.top_px])
    begin, end = ((boxes[:, at : at + 2] + corner) * viewport.ratio for at in (0, 2))
    first, last = np.floor(begin + 0.5), np.floor(end + 0.5)
    is_thin = (last <= first) & (end > begin)
    first = np.where(is_thin, np.floor((begin + end) / 2.0), first)
    return np.hstack((first, np.where(is_thin, first + 1.0, np.maximum(first, last))))


def premultiplied(colors: ArrayLike) -> NDArray[np.uint8]:
    """Return colours RGBA, uint8 (n, 4), multiplied by their alpha."""
    rgba = np.asarray(colors, np.uint8).reshape(-1, 4).astype(np.uint16)
    rgba[:, :3] = (rgba[:, :3] * rgba[:, 3:] + 127) // 255
    return rgba.astype(np.uint8)


def front_vertices(
    boxes: NDArray[np.float64], texels: NDArray[np.float64], tints: NDArray[np.uint8]
) -> NDArray[np.void]:
    """Return two triangles a box as `FRONT_VERTEX` (6 n,).

    ``boxes`` (n, 4) in device pixels, ``texels`` (n, 4) the box of the atlas that fills each, ``tints`` uint8 (n, 4)
    the premultiplied colour by which the texels are multiplied.
    """
    vertices = np.empty((len(boxes), 6), FRONT_VERTEX)
    for name, of in (("place", boxes), ("texel", texels)):
        vertices[name] = np.stack((of[:, _X], of[:, _Y]), axis=2)
    vertices["tint"] = tints[:, np.newaxis, :]
    return vertices.reshape(-1)
