"""Painter of the layer in front of the candles: one program, one atlas of pictures, one draw call a frame."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import moderngl
import numpy as np
from PyQt6.QtGui import QImage

from Heatmap.ui.geometry.front_mesh import FRONT_VERTEX, device_boxes, front_vertices, premultiplied
from Heatmap.ui.gl.gl_context import moderngl_context
from Heatmap.ui.gl.gl_state import GlState
from Heatmap.ui.gl.heat_painter import SHADERS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray
    from PyQt6.QtGui import QOpenGLContext

    from Heatmap.ui.geometry.pixel_mapping import Pane
    from Heatmap.ui.geometry.viewport import Viewport
    from Heatmap.ui.gl.front_part import FrontShapes

_FIRST_VERTICES: Final = 512
_CHANNELS: Final = 4
_FIRST_SIDE_PX: Final = 512
# What every graphics card with OpenGL 3.3 takes; pictures that find no room are not drawn.
_MAX_SIDE_PX: Final = 4096
# A texel of white in the atlas's corner fills the boxes.
_WHITE_PX: Final = 2
_WHITE_TEXEL: Final = (1.0, 1.0, 1.0, 1.0)


class FrontPainter:
    """Draws boxes and sprites over the bound frame buffer of one context, which must be current at every call.

    `GraphicsError` or `moderngl.Error` if the context's OpenGL is too old.
    """

    def __init__(self, context: QOpenGLContext) -> None:
        self._state = GlState(context)
        with self._state.kept():
            self._gl = moderngl_context(context)
            sources = [(SHADERS / f"front.{kind}").read_text(encoding="utf-8") for kind in ("vert", "frag")]
            self._program = self._gl.program(vertex_shader=sources[0], fragment_shader=sources[1])
            self._atlas = _Atlas(self._gl)
            self._vertices = self._gl.buffer(reserve=_FIRST_VERTICES * FRONT_VERTEX.itemsize, dynamic=True)
            self._array = self._new_array()

    def paint(self, viewport: Viewport, pane: Pane, shapes: Sequence[FrontShapes], size_px: tuple[int, int]) -> None:
        """Draw all within the pane, over a frame buffer of this width and height."""
        with self._state.kept():
            height_px = size_px[1]
            box = (pane.left, height_px - pane.bottom, pane.right - pane.left, pane.bottom - pane.top)
            self._state.draw_over(size_px, box)
            self._atlas.require(sprite.image for part in shapes for sprite in part.sprites)
            vertices = np.concatenate([part for shape in shapes for part in self._parts(viewport, shape)])
            if not len(vertices):
                return
            if vertices.nbytes > self._vertices.size:
                self._array.release()
                self._vertices.orphan(2 * vertices.nbytes)
                self._array = self._new_array()
            self._vertices.write(vertices)
            self._program["surface_px"] = size_px
            self._program["atlas_px"] = self._atlas.size_px
            self._program["atlas"] = 0
            self._atlas.texture.use(0)
            self._array.render(moderngl.TRIANGLES, vertices=len(vertices))

    def release(self) -> None:
        for thing in (self._array, self._vertices, self._program):
            thing.release()
        self._atlas.release()

    def _new_array(self) -> moderngl.VertexArray:
        return self._gl.vertex_array(self._program, [(self._vertices, "2f 2f 4f1", "place", "texel", "tint")])

    def _parts(self, viewport: Viewport, shapes: FrontShapes) -> list[NDArray[np.void]]:
        parts = [np.empty(0, FRONT_VERTEX)]
        boxes = device_boxes(shapes.boxes_px, viewport)
        if len(boxes):
            parts.append(front_vertices(boxes, np.tile(_WHITE_TEXEL, (len(boxes), 1)), premultiplied(shapes.colors)))
        placed = [(sprite, spot) for sprite in shapes.sprites if (spot := self._atlas.spot(sprite.image)) is not None]
        if placed:
            texels = np.array([spot for _, spot in placed], np.float64)
            corners = np.array([(sprite.left_px, sprite.top_px) for sprite, _ in placed])
            corners += np.array([viewport.left_px, viewport.top_px])
            first = np.floor(corners * viewport.ratio + 0.5)
            boxes = np.hstack((first, first + texels[:, 2:] - texels[:, :2]))
            parts.append(front_vertices(boxes, texels, np.full((len(placed), 4), 255, np.uint8)))
        return parts


class _Atlas:
    """One texture with all pictures that are shown, in rows of about equal height."""

    def __init__(self, gl: moderngl.Context) -> None:
        self._gl = gl
        self._clear(_FIRST_SIDE_PX)

    @property
    def size_px(self) -> tuple[int, int]:
        return self._side_px, self._side_px

    def spot(self, image: QImage) -> tuple[int, int, int, int] | None:
        """Return left, top, right and bottom of a picture in texels; None if there was no room for it."""
        return self._spots.get(image.cacheKey())

    def require(self, images: Iterable[QImage]) -> None:
        """Have these pictures in the atlas. When it is full, those that are not shown now leave it."""
        wanted = {image.cacheKey(): image for image in images}
        missing = [image for key, image in wanted.items() if key not in self._spots]
        if all(self._put(image) for image in missing):
            return
        # The highest first, so that rows are filled well.
        ordered, side_px = sorted(wanted.values(), key=QImage.height, reverse=True), self._side_px
        while True:
            self.release()
            self._clear(side_px)
            fits = [self._put(image) for image in ordered]
            if all(fits) or side_px >= _MAX_SIDE_PX:
                return
            side_px = min(2 * side_px, _MAX_SIDE_PX)

    def release(self) -> None:
        self.texture.release()

    def _clear(self, side_px: int) -> None:
        self._side_px = side_px
        self.texture = self._gl.texture((side_px, side_px), _CHANNELS)
        self.texture.filter = (moderngl.NEAREST, moderngl.NEAREST)
        self.texture.repeat_x = self.texture.repeat_y = False
        self.texture.write(b"\xff" * (_CHANNELS * _WHITE_PX * _WHITE_PX), viewport=(0, 0, _WHITE_PX, _WHITE_PX))
        self._spots: dict[int, tuple[int, int, int, int]] = {}
        self._left_px, self._top_px, self._row_px = _WHITE_PX, 0, _WHITE_PX

    def _put(self, image: QImage) -> bool:
        """Upload a picture; return False if there is no room."""
        width_px, height_px = image.width(), image.height()
        if self._left_px + width_px > self._side_px:
            self._left_px, self._top_px, self._row_px = 0, self._top_px + self._row_px, 0
        if width_px > self._side_px or self._top_px + height_px > self._side_px:
            return False
        left_px, top_px = self._left_px, self._top_px
        bits = image.convertToFormat(QImage.Format.Format_RGBA8888_Premultiplied).constBits()
        if bits is not None:  # None: no pixels
            size_bytes = _CHANNELS * width_px * height_px
            self.texture.write(bits.asstring(size_bytes), viewport=(left_px, top_px, width_px, height_px))
        self._spots[image.cacheKey()] = (left_px, top_px, left_px + width_px, top_px + height_px)
        self._left_px += width_px
        self._row_px = max(self._row_px, height_px)
        return True
