"""An image stretched over a large window: by the kernel, by a shader, and by Qt's own raster painter.

    pytest tests/bench/test_stretch_bench.py --benchmark-enable -s

One picture of 1780x700 from 1700x380 cells, half of them occupied, smooth, over one colour; what each peer needs until
the pixels are there. The kernel's time includes finding which cells each pixel shows, in NumPy. Qt's painter is given
the easier work of one stretched rectangle: it has no bars, gaps, logarithms or hatching. The shader runs on whatever
OpenGL this machine has; where that is software, the kernel paints in the program, and this is why.
"""

from __future__ import annotations

from dataclasses import replace

import moderngl
import numpy as np
import pytest
from PyQt6.QtCore import QRectF
from PyQt6.QtGui import QColor, QImage, QOffscreenSurface, QOpenGLContext, QPainter, QSurfaceFormat

from Heatmap.aggregation import GridSpec, HeatmapImage
from Heatmap.aggregation.engine_choice import load_kernels
from Heatmap.ui.geometry.background import BackgroundRect
from Heatmap.ui.geometry.viewport import BarSegment, TimeAxis, Viewport
from Heatmap.ui.gl.gl_context import QtLoader
from Heatmap.ui.gl.graphics import is_software
from Heatmap.ui.gl.heat_painter import HeatPainter
from Heatmap.ui.gl.painter import Scene
from Heatmap.ui.gl.pixel_painter import PixelPainter

pytestmark = [pytest.mark.gl, pytest.mark.timeout(300)]

MINUTE = 60_000
WIDTH, HEIGHT = SIZE_PX = (1780, 700)
COLS, ROWS = 1700, 380
GROUND = (BackgroundRect(0, 0, WIDTH, HEIGHT, (0.05, 0.07, 0.09)),)
VIEWPORT = Viewport(
    left_px=0.0,
    top_px=0.0,
    width_px=WIDTH,
    height_px=HEIGHT,
    ratio=1.0,
    logical_from=40.0,
    logical_to=240.0,
    x_from_px=0.0,
    x_to_px=float(WIDTH),
    price_top=93_000.0,
    price_bottom=90_800.0,
)
SCENE = Scene(VIEWPORT, TimeAxis((BarSegment(0, 0, MINUTE, 300),)), (), 0.85, smooth=True, fresh=1.0)


def an_image() -> HeatmapImage:
    random = np.random.default_rng(1)
    rgba = random.integers(0, 256, (ROWS, COLS, 4)).astype(np.uint8)
    rgba[..., :3] = rgba[..., :3].astype(int) * rgba[..., 3:] // 255
    rgba[random.random((ROWS, COLS)) < 0.5] = 0
    return HeatmapImage(
        rgba=rgba,
        spec=GridSpec(t0_ms=0, time_bin_ms=10_000, cols=COLS, price0=90_000.0, price_bin=10.0, rows=ROWS),
        reference=1.0,
        engine="numpy",
        build_ms=0.0,
        events=0,
        outside=0,
        level_edges=np.linspace(0.01, 1, 255, dtype=np.float32),
    )


@pytest.fixture
def context(qapp):  # noqa: ARG001 - Qt's platform must be there
    """Make an OpenGL context without a window current."""
    load_kernels()
    made = QOpenGLContext()
    made.setFormat(QSurfaceFormat.defaultFormat())
    assert made.create()
    surface = QOffscreenSurface()
    surface.setFormat(made.format())
    surface.create()
    assert made.makeCurrent(surface)
    yield made
    made.doneCurrent()


def painted_by(painter, target, gl):
    """Return a function that paints one frame, each a little further, and waits for it."""
    painter.upload(an_image(), None, keep=False)
    views = [replace(SCENE, viewport=replace(VIEWPORT, logical_from=at, logical_to=at + 200.0)) for at in (40.0, 40.3)]

    def paint() -> None:
        views.reverse()
        target.use()
        painter.paint(target, GROUND, views[0])
        gl.finish()

    return paint


def painted_by_qt():
    image = an_image()
    source = QImage(image.rgba.data, COLS, ROWS, 4 * COLS, QImage.Format.Format_RGBA8888_Premultiplied)
    picture = QImage(WIDTH, HEIGHT, QImage.Format.Format_RGBA8888_Premultiplied)

    def paint() -> None:
        picture.fill(QColor(13, 18, 23))
        painter = QPainter(picture)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        painter.setOpacity(0.85)
        painter.drawImage(QRectF(0, 0, WIDTH, HEIGHT), source, QRectF(240, 80, 1200, 220))
        painter.end()

    return paint


@pytest.mark.parametrize("peer", ["kernel", "shader", "QPainter"])
@pytest.mark.benchmark(group="one picture of 1780x700, smooth")
def test_one_picture(benchmark, context, peer):
    if peer == "QPainter":
        benchmark(painted_by_qt())
        return
    gl = moderngl.create_context(require=330, context=QtLoader(context))
    texture = gl.texture(SIZE_PX, 4)
    target = gl.framebuffer([texture])
    target.use()
    painter = PixelPainter(gl, context) if peer == "kernel" else HeatPainter(gl)
    benchmark.extra_info["OpenGL"] = gl.info["GL_RENDERER"]
    benchmark.extra_info["software"] = is_software(gl.info["GL_RENDERER"])
    benchmark(painted_by(painter, target, gl))
    assert len(np.unique(np.frombuffer(target.read(components=4), np.uint32))) > 1000, "there is something to be seen"
    for made in (painter, target, texture):
        made.release()
