"""An underlay without a page: images, viewports and its frame buffer."""

from __future__ import annotations

import numpy as np
from PyQt6.QtGui import QColor, QImage
from PyQt6.QtWidgets import QWidget

from Heatmap.aggregation import GridSpec, HeatmapImage
from Heatmap.ui.geometry.viewport import BarSegment, TimeAxis, Viewport
from Heatmap.ui.gl.underlay import Underlay

MINUTE = 60_000
WIDTH, HEIGHT = 400, 300
SPEC = GridSpec(t0_ms=0, time_bin_ms=MINUTE, cols=80, price0=90.0, price_bin=0.5, rows=40)
PLAIN = TimeAxis((BarSegment(0, 0, MINUTE, 80),))
GAPPED = TimeAxis((BarSegment(0, 0, MINUTE, 30), BarSegment(30, 50 * MINUTE, MINUTE, 30)))


class HandClock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def now_ms(self) -> int:
        return round(self.now_s * 1000)

    def monotonic_s(self) -> float:
        return self.now_s


def viewport(ratio: float = 1.0, **changes) -> Viewport:
    values = {
        "left_px": 20 / ratio,
        "top_px": 10 / ratio,
        "width_px": 360 / ratio,
        "height_px": 270 / ratio,
        "ratio": ratio,
        "logical_from": 3.0,
        "logical_to": 43.0,
        "x_from_px": 1.7 / ratio,
        "x_to_px": 351.7 / ratio,
        "price_top": 107.3,
        "price_bottom": 92.1,
    }
    return Viewport(**(values | changes))


def random_cells(spec: GridSpec = SPEC, seed: int = 1) -> np.ndarray:
    """Return opaque cells of many colours: uint8 (rows, cols, 4)."""
    rgba = np.random.default_rng(seed).integers(0, 255, (spec.rows, spec.cols, 4)).astype(np.uint8)
    rgba[..., 3] = 255
    return rgba


def image_of(rgba: np.ndarray, spec: GridSpec = SPEC, reference: float = 1.0) -> HeatmapImage:
    return HeatmapImage(
        rgba=np.ascontiguousarray(rgba),
        spec=spec,
        reference=reference,
        engine="numpy",
        build_ms=0.0,
        events=0,
        outside=0,
        level_edges=np.linspace(reference / 255, reference, 255, dtype=np.float32),
    )


def show_on_window(qtbot, prepare=lambda _underlay: None, **options) -> tuple[QWidget, Underlay]:
    """Show an underlay on a plain window and wait until it has painted."""
    window = QWidget()
    window.resize(WIDTH, HEIGHT)
    underlay = Underlay(window, **options)
    underlay.set_background(QColor(0, 0, 0))
    prepare(underlay)
    with qtbot.waitSignal(underlay.framePainted, timeout=15_000):
        window.show()
    return window, underlay


def pixels(underlay: Underlay) -> np.ndarray:
    """Paint a frame and return its buffer: uint8 (height, width, 3)."""
    picture = underlay.grabFramebuffer().convertToFormat(QImage.Format.Format_RGB888)
    rows = np.frombuffer(picture.constBits().asstring(picture.sizeInBytes()), np.uint8)
    return rows.reshape(picture.height(), picture.bytesPerLine())[:, : 3 * WIDTH].reshape(HEIGHT, WIDTH, 3)


def images_kept(painter) -> int:
    """Return how many images a painter keeps: two while one eases into the other."""
    return sum(image is not None for image in (painter._present, painter._before))
