"""Painter that scales the image with a kernel on the processor, for machines whose OpenGL is software.

There a shader takes ten milliseconds for a frame of a large window. The kernel takes one or two, and its pixels are
written into the widget's own texture, so that nothing is drawn at all.
"""

from __future__ import annotations

import ctypes
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np

from Heatmap.aggregation.resampler import WHOLE, Hatching, Layer, Resampler
from Heatmap.errors import GraphicsError
from Heatmap.ui.geometry.pixel_mapping import (
    AxisSegment,
    Pane,
    columns_at,
    gaps_across,
    pane_of,
    prices_down,
    rows_at,
    shown_cells,
    times_across,
)
from Heatmap.ui.gl.gl_context import gl_function
from Heatmap.ui.gl.painter import OLDER_SHARE, hatch_lines_px

if TYPE_CHECKING:
    from collections.abc import Sequence

    import moderngl
    from numpy.typing import NDArray
    from PyQt6.QtGui import QOpenGLContext

    from Heatmap.aggregation import HeatmapImage
    from Heatmap.ui.geometry.background import BackgroundRect, Rgb
    from Heatmap.ui.gl.painter import Scene

# Half grey, premultiplied, alpha first: `HATCH_STRENGTH` of it, and `LIGHT_HATCH_STRENGTH`.
_HATCHING_COLORS: Final = np.array([[0x4D262626], [0x29141414]], np.uint32)
_CHANNELS: Final = 4

# Names and numbers of the OpenGL 3.3 core specification.
_GL_FRAMEBUFFER: Final = 0x8D40
_GL_COLOR_ATTACHMENT0: Final = 0x8CE0
_GL_ATTACHMENT_OBJECT_TYPE: Final = 0x8CD0
_GL_ATTACHMENT_OBJECT_NAME: Final = 0x8CD1
_GL_TEXTURE: Final = 0x1702


class PixelPainter:
    """See `Painter`. Needs loaded kernels (`kernels_are_loaded`) and a bound frame buffer whose colours are a texture.

    A frame buffer with several samples per pixel is none: `GraphicsError` is raised.
    """

    def __init__(self, gl: moderngl.Context, context: QOpenGLContext) -> None:
        self._gl = gl
        types = (ctypes.c_uint, ctypes.c_uint, ctypes.c_uint, ctypes.c_void_p)
        self._attachment = gl_function(context, "glGetFramebufferAttachmentParameteriv", None, types)
        if self._attachment_parameter(_GL_ATTACHMENT_OBJECT_TYPE) != _GL_TEXTURE:
            raise GraphicsError("the underlay's frame buffer is no texture")
        self._resampler = Resampler()
        self._texture: tuple[tuple[int, tuple[int, int]], moderngl.Texture] | None = None
        self._present: HeatmapImage | None = None
        self._before: HeatmapImage | None = None
        self._clean = np.empty((0, 0), np.uint32)
        self._picture = np.empty((0, 0), np.uint32)
        self._is_steady = np.empty(0, np.uint8)
        self._background: tuple[BackgroundRect, ...] = ()
        self._pane: Pane | None = None
        # What the picture shows; None: unfinished or out of date.
        self._filled: tuple[tuple[int, int], tuple[BackgroundRect, ...], Scene | None] | None = None

    def upload(self, image: HeatmapImage, columns: tuple[int, int], *, keep: bool) -> None:  # noqa: ARG002 - the protocol's
        """Keep a reference: images are never written to."""
        self._before = self._present if keep else None
        self._present = image
        self._filled = None

    def forget_before(self) -> None:
        if self._before is not None:
            self._before, self._filled = None, None

    def prepare(self, size_px: tuple[int, int], background: Sequence[BackgroundRect], scene: Scene) -> None:
        self._fill(size_px, tuple(background), scene)

    def paint(self, target: moderngl.Framebuffer, background: Sequence[BackgroundRect], scene: Scene | None) -> None:
        self._fill(target.size, tuple(background), scene)
        self._texture_of(target.size).write(self._picture)

    def release(self) -> None:
        """Release the images. The texture is the widget's."""
        self._present = self._before = self._texture = self._filled = None

    def _fill(self, size_px: tuple[int, int], background: tuple[BackgroundRect, ...], scene: Scene | None) -> None:
        wanted = (size_px, background, _visible_part(scene) if scene is not None else None)
        if self._filled == wanted:
            return
        self._filled = None
        pane = pane_of(scene.viewport, size_px) if scene is not None and self._present is not None else None
        self._paint_background(background, size_px, pane)
        if scene is not None and self._present is not None and pane is not None:
            self._compose(scene, self._present, pane)
        self._filled = wanted

    def _paint_background(self, rects: tuple[BackgroundRect, ...], size_px: tuple[int, int], pane: Pane | None) -> None:
        """Bring the picture up to date outside the pane. Its first row is the lowest, as in OpenGL."""
        width, height = size_px
        if self._clean.shape != (height, width):
            self._clean, self._picture = (np.empty((height, width), np.uint32) for _ in range(2))
            self._background = ()
        if rects != self._background:
            # The first ones are as large as the page and seldom change, the last one may move with each frame.
            pairs = enumerate(zip(self._background, rects, strict=False))
            shorter = min(len(self._background), len(rects))
            same = next((number for number, (old, new) in pairs if old != new), shorter)
            for changed in self._background[same:] + rects[same:]:
                self._repaint(changed, rects)
            self._is_steady = np.ones(height, np.uint8)
            for rect in rects:
                self._is_steady[[height - rect.bottom, min(height - rect.top, height - 1)]] = 0
            self._background = rects
        if pane != self._pane:
            self._picture[:] = self._clean
            self._pane = pane

    def _repaint(self, area: BackgroundRect, rects: tuple[BackgroundRect, ...]) -> None:
        """Paint all rectangles within the area of a changed one."""
        height = len(self._clean)
        for rect in rects:
            left, right = max(rect.left, area.left), min(rect.right, area.right)
            top, bottom = max(rect.top, area.top), min(rect.bottom, area.bottom)
            if left < right and top < bottom:
                self._clean[height - bottom : height - top, left:right] = _opaque(rect.color)
        rectangle = np.s_[height - area.bottom : height - area.top, area.left : area.right]
        self._picture[rectangle] = self._clean[rectangle]

    def _compose(self, scene: Scene, image: HeatmapImage, pane: Pane) -> None:
        times, ms_per_px = times_across(scene.viewport, scene.axis, pane)
        prices = prices_down(scene.viewport, pane)
        smooth = scene.smooth and max(columns_at(times, image.spec).widest, rows_at(prices, image.spec).widest) < 1.0
        height, width = len(self._picture), pane.right - pane.left
        layer = _layer(image, times, prices, smooth=smooth)
        before = _layer(self._before, times, prices, smooth=smooth) if self._before is not None else None
        hatching = _hatching(scene, times, ms_per_px, pane) if scene.gaps or scene.gaps_of_some else None
        start_ms = scene.window_start_ms
        older = int(np.searchsorted(times.middle, start_ms)) if start_ms is not None else 0
        for first, last, share in ((0, older, OLDER_SHARE), (older, width, 1.0)):
            if first < last:
                self._resampler.compose(
                    self._picture,
                    self._clean,
                    self._is_steady,
                    (pane.left + first, height - pane.bottom),
                    _part_of_layer(layer, first, last),
                    before=_part_of_layer(before, first, last) if before is not None else None,
                    fresh=round(WHOLE * scene.fresh),
                    opacity=round(WHOLE * share * scene.opacity),
                    is_smooth=smooth,
                    hatching=_part_of_hatching(hatching, first, last) if hatching is not None else None,
                )

    def _texture_of(self, size_px: tuple[int, int]) -> moderngl.Texture:
        """Return the bound frame buffer's texture; Qt makes another one for another size."""
        key = (self._attachment_parameter(_GL_ATTACHMENT_OBJECT_NAME), size_px)
        if self._texture is None or self._texture[0] != key:
            self._texture = (key, self._gl.external_texture(key[0], size_px, _CHANNELS, 0, "f1"))
        return self._texture[1]

    def _attachment_parameter(self, name: int) -> int:
        answer = ctypes.c_int()
        self._attachment(_GL_FRAMEBUFFER, _GL_COLOR_ATTACHMENT0, name, ctypes.byref(answer))
        return answer.value


def _visible_part(scene: Scene) -> Scene:
    """Return a scene without the fields that change no pixel: a moving crosshair brings many frames of the same."""
    return replace(scene, viewport=replace(scene.viewport, frame=0, stamps=(), page_px=(0, 0)))


def _layer(image: HeatmapImage, times: AxisSegment, prices: AxisSegment, *, smooth: bool) -> Layer:
    spec = image.spec
    down = shown_cells(rows_at(prices, spec), spec.rows, smooth=smooth)
    return Layer(
        cells=image.rgba.view(np.uint32)[:, :, 0],
        across=shown_cells(columns_at(times, spec), spec.cols, smooth=smooth),
        down=np.ascontiguousarray(down[:, ::-1]),
    )


def _part_of_layer(layer: Layer, first: int, last: int) -> Layer:
    """Return the columns ``[first, last)`` of pixels."""
    return layer._replace(across=np.ascontiguousarray(layer.across[:, first:last]))


def _part_of_hatching(hatching: Hatching, first: int, last: int) -> Hatching:
    spans = np.clip(hatching.spans, first, last) - first
    return hatching._replace(spans=spans, along_x=hatching.along_x[first:last])


def _hatching(scene: Scene, times: AxisSegment, ms_per_px: NDArray[np.float64], pane: Pane) -> Hatching:
    line_px, spacing_px = hatch_lines_px(scene.viewport.ratio)
    spans, along_px = gaps_across(times, ms_per_px, scene.gaps)
    light_spans, light_along_px = gaps_across(times, ms_per_px, scene.gaps_of_some)
    # Both are 0 where they are not hatched, and they do not overlap.
    along_px = along_px + light_along_px
    # The kernel's lines are symmetrical: an even width lies between two pixels.
    middle = 0.5 * (line_px - 1)
    return Hatching(
        spans=np.concatenate((spans, light_spans)),
        along_x=((along_px + spacing_px - middle) % spacing_px / spacing_px).astype(np.float32),
        along_y=(np.arange(pane.bottom - 1, pane.top - 1, -1) % spacing_px / spacing_px).astype(np.float32),
        half_line=0.5 * line_px / spacing_px,
        colors=np.repeat(_HATCHING_COLORS, [len(spans), len(light_spans)], axis=0),
    )


def _opaque(color: Rgb) -> int:
    """Return a colour as a pixel, RGBA in the order of bytes, clipped to 0 to 1: Qt has colours beyond."""
    red, green, blue = (min(max(round(255 * channel), 0), 255) for channel in color)
    return int(np.array([red, green, blue, 255], np.uint8).view(np.uint32)[0])
