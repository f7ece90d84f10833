"""Paints by a kernel on the processor, for machines whose OpenGL is software.

There a shader is asked pixel by pixel, which took ten milliseconds a frame of a large window. The kernel takes one or
two, and what it fills goes into the widget's own texture, so that nothing is drawn at all.
"""

from __future__ import annotations

import ctypes
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np

from Heatmap.aggregation.resampler import WHOLE, Hatching, Layer, Resampler
from Heatmap.errors import GraphicsError
from Heatmap.ui.geometry.pixel_mapping import (
    Pane,
    Stretch,
    columns_at,
    gaps_across,
    pane_of,
    prices_down,
    rows_at,
    shown_cells,
    times_across,
)
from Heatmap.ui.gl.gl_function import gl_function
from Heatmap.ui.gl.painter import HATCH_LINE_PX, HATCH_SPACING_PX

if TYPE_CHECKING:
    from collections.abc import Sequence

    import moderngl
    from numpy.typing import NDArray
    from PyQt6.QtGui import QOpenGLContext

    from Heatmap.aggregation import HeatmapImage
    from Heatmap.ui.geometry.background import Patch, Rgb
    from Heatmap.ui.gl.painter import Scene

# As in hatch.frag: half grey, three tenths of it; premultiplied, alpha first.
_HATCHING_COLOR: Final = 0x4D262626
_CHANNELS: Final = 4

# Names and numbers of the OpenGL 3.3 core specification.
_GL_FRAMEBUFFER: Final = 0x8D40
_GL_COLOR_ATTACHMENT0: Final = 0x8CE0
_GL_ATTACHMENT_OBJECT_TYPE: Final = 0x8CD0
_GL_ATTACHMENT_OBJECT_NAME: Final = 0x8CD1
_GL_TEXTURE: Final = 0x1702


class PixelPainter:
    """See `Painter`. Needs loaded kernels (`kernels_are_loaded`) and a bound frame buffer whose colours are a texture.

    Parameters
    ----------
    gl, context
        The same context, as moderngl and as Qt know it.

    Raises
    ------
    GraphicsError
        The frame buffer is of another kind, because it has several samples a pixel.
    """

    def __init__(self, gl: moderngl.Context, context: QOpenGLContext) -> None:
        self._gl = gl
        self._attachment = gl_function(
            context,
            "glGetFramebufferAttachmentParameteriv",
            None,
            (ctypes.c_uint, ctypes.c_uint, ctypes.c_uint, ctypes.c_void_p),
        )
        if self._about_target(_GL_ATTACHMENT_OBJECT_TYPE) != _GL_TEXTURE:
            raise GraphicsError("the underlay's frame buffer is no texture")
        self._resampler = Resampler()
        self._texture: tuple[tuple[int, tuple[int, int]], moderngl.Texture] | None = None
        self._present: HeatmapImage | None = None
        self._before: HeatmapImage | None = None
        self._ground = np.empty((0, 0), np.uint32)
        self._picture = np.empty((0, 0), np.uint32)
        self._is_steady = np.empty(0, np.uint8)
        self._patches: tuple[Patch, ...] = ()
        self._pane: Pane | None = None
        # What the picture shows; None: something else than it should.
        self._filled: tuple[tuple[int, int], tuple[Patch, ...], Scene | None] | None = None

    @property
    def tiles(self) -> int:
        """Return 1 if there is an image: the size of a texture is no limit here."""
        return int(self._present is not None)

    @property
    def textures(self) -> int:
        """Return how many images it holds."""
        return sum(image is not None for image in (self._present, self._before))

    def upload(self, image: HeatmapImage, columns: tuple[int, int] | None, *, keep: bool) -> None:  # noqa: ARG002 - see below
        """Take another image; see `Painter.upload`. Nothing is copied: nobody writes into an image that is held."""
        self._before = self._present if keep else None
        self._present = image
        self._filled = None

    def forget_before(self) -> None:
        """Give the image before back."""
        if self._before is not None:
            self._before, self._filled = None, None

    def prepare(self, size_px: tuple[int, int], ground: Sequence[Patch], scene: Scene) -> None:
        """Fill the picture; see `Painter.prepare`."""
        self._fill(size_px, tuple(ground), scene)

    def paint(self, target: moderngl.Framebuffer, ground: Sequence[Patch], scene: Scene | None) -> None:
        """Paint all of the frame buffer; see `Painter.paint`."""
        self._fill(target.size, tuple(ground), scene)
        self._texture_of(target.size).write(self._picture)

    def release(self) -> None:
        """Give everything back. The texture is the widget's."""
        self._present = self._before = self._texture = self._filled = None

    def _fill(self, size_px: tuple[int, int], ground: tuple[Patch, ...], scene: Scene | None) -> None:
        wanted = (size_px, ground, _what_shows(scene) if scene is not None else None)
        if self._filled == wanted:
            return
        self._filled = None
        pane = pane_of(scene.viewport, size_px) if scene is not None and self._present is not None else None
        self._lay_ground(ground, size_px, pane)
        if scene is not None and self._present is not None and pane is not None:
            self._compose(scene, self._present, pane)
        self._filled = wanted

    def _lay_ground(self, patches: tuple[Patch, ...], size_px: tuple[int, int], pane: Pane | None) -> None:
        """Bring the picture up to date outside the pane. Its first row is the lowest, as OpenGL counts."""
        width, height = size_px
        if self._ground.shape != (height, width):
            self._ground, self._picture = (np.empty((height, width), np.uint32) for _ in range(2))
            self._patches = ()
        if patches != self._patches:
            # The first ones are as large as the page and seldom change, the last one may move with each frame.
            same = 0
            for old, new in zip(self._patches, patches, strict=False):
                if old != new:
                    break
                same += 1
            for changed in self._patches[same:] + patches[same:]:
                self._repair(changed, patches)
            self._is_steady = np.ones(height, np.uint8)
            for patch in patches:
                self._is_steady[[height - patch.bottom, min(height - patch.top, height - 1)]] = 0
            self._patches = patches
        if pane != self._pane:
            self._picture[:] = self._ground
            self._pane = pane

    def _repair(self, place: Patch, patches: tuple[Patch, ...]) -> None:
        """Lay all patches anew where one of them was or will be."""
        height = len(self._ground)
        for patch in patches:
            left, right = max(patch.left, place.left), min(patch.right, place.right)
            top, bottom = max(patch.top, place.top), min(patch.bottom, place.bottom)
            if left < right and top < bottom:
                self._ground[height - bottom : height - top, left:right] = _opaque(patch.color)
        rectangle = np.s_[height - place.bottom : height - place.top, place.left : place.right]
        self._picture[rectangle] = self._ground[rectangle]

    def _compose(self, scene: Scene, image: HeatmapImage, pane: Pane) -> None:
        viewport, look = scene.viewport, scene.look
        (times, ms_per_px), prices = times_across(viewport, scene.axis, pane), prices_down(viewport, pane)
        smooth = look.smooth and max(columns_at(times, image.spec).widest, rows_at(prices, image.spec).widest) < 1.0
        height = len(self._picture)
        self._resampler.compose(
            self._picture,
            self._ground,
            self._is_steady,
            (pane.left, height - pane.bottom),
            _layer(image, times, prices, smooth=smooth),
            before=_layer(self._before, times, prices, smooth=smooth) if self._before is not None else None,
            fresh=round(WHOLE * look.fresh),
            opacity=round(WHOLE * look.opacity),
            is_smooth=smooth,
            hatching=_hatching(scene, times, ms_per_px, pane) if scene.gaps else None,
        )

    def _texture_of(self, size_px: tuple[int, int]) -> moderngl.Texture:
        """Return the texture that the bound frame buffer consists of; Qt makes another one for another size."""
        key = (self._about_target(_GL_ATTACHMENT_OBJECT_NAME), size_px)
        if self._texture is None or self._texture[0] != key:
            self._texture = (key, self._gl.external_texture(key[0], size_px, _CHANNELS, 0, "f1"))
        return self._texture[1]

    def _about_target(self, what: int) -> int:
        answer = ctypes.c_int()
        self._attachment(_GL_FRAMEBUFFER, _GL_COLOR_ATTACHMENT0, what, ctypes.byref(answer))
        return answer.value


def _what_shows(scene: Scene) -> Scene:
    """Return a scene without what cannot be seen: a crosshair that moves brings frame after frame of the same."""
    return replace(scene, viewport=replace(scene.viewport, frame=0, stamps=(), page_px=(0, 0)))


def _layer(image: HeatmapImage, times: Stretch, prices: Stretch, *, smooth: bool) -> Layer:
    spec = image.spec
    down = shown_cells(rows_at(prices, spec), spec.rows, smooth=smooth)
    return Layer(
        cells=image.rgba.view(np.uint32)[:, :, 0],
        across=shown_cells(columns_at(times, spec), spec.cols, smooth=smooth),
        down=np.ascontiguousarray(down[:, ::-1]),
    )


def _hatching(scene: Scene, times: Stretch, ms_per_px: NDArray[np.float64], pane: Pane) -> Hatching:
    ratio = scene.viewport.ratio
    spacing_px = HATCH_SPACING_PX * ratio
    spans, along_px = gaps_across(times, ms_per_px, scene.gaps)
    down_px = np.arange(pane.bottom, pane.top, -1) - 0.5
    return Hatching(
        spans=spans,
        # Only the place between two lines: a gap may begin further away than a float32 counts pixels.
        along_x=(along_px / spacing_px % 1.0).astype(np.float32),
        along_y=(down_px / spacing_px % 1.0).astype(np.float32),
        half_line=0.5 * HATCH_LINE_PX / HATCH_SPACING_PX,
        color=_HATCHING_COLOR,
    )


def _opaque(color: Rgb) -> int:
    """Return a colour as a pixel: RGBA in the order of bytes. Qt knows colours beyond 0 to 1, pixels do not."""
    red, green, blue = (min(max(round(255 * channel), 0), 255) for channel in color)
    return int(np.array([red, green, blue, 255], np.uint8).view(np.uint32)[0])
