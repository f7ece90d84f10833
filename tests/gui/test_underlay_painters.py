"""The underlay's two painters, the shaders and the kernel: they paint the same, and which one paints when."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from PyQt6.QtGui import QColor, QSurfaceFormat
from support.underlay import (
    GAPPED,
    MINUTE,
    PLAIN,
    SPEC,
    HandClock,
    image_of,
    images_kept,
    pixels,
    random_cells,
    show_on_window,
    viewport,
)

from Heatmap.aggregation.engine_choice import load_kernels
from Heatmap.ui.geometry.background import Surface
from Heatmap.ui.geometry.frame_follower import Frame
from Heatmap.ui.geometry.viewport import PriceScaleMode, Viewport
from Heatmap.ui.gl.heat_painter import HeatPainter
from Heatmap.ui.gl.painter import OLDER_SHARE
from Heatmap.ui.gl.pixel_painter import PixelPainter
from Heatmap.ui.gl.underlay import EASING_S, Underlay

pytestmark = [pytest.mark.gl]


@pytest.fixture(scope="module", autouse=True)
def kernels():
    """Load the kernels into this process."""
    load_kernels()


@pytest.fixture
def show_underlay(qtbot):
    """Give a function that shows an underlay with heat on a plain window and returns it when it has painted."""
    windows = []

    def shown(image, view: Viewport | None = None, **options) -> Underlay:
        def prepare(underlay: Underlay) -> None:
            underlay.set_frame(Frame(view or viewport(), PLAIN))
            underlay.set_image(image)

        window, underlay = show_on_window(qtbot, prepare, **options)
        windows.append(window)
        return underlay

    yield shown
    for window in windows:
        window.close()
        window.deleteLater()


LOOKS = {
    "sharp": {},
    "smooth": {"smooth": True},
    "logarithmic": {
        "view": {"mode": PriceScaleMode.LOGARITHMIC, "price_top": 112.0, "price_bottom": 70.0},
        "smooth": True,
    },
    "gaps, hatched and lightly": {
        "axis": GAPPED,
        "gaps": ((5 * MINUTE, 12 * MINUTE), (60 * MINUTE, 70 * MINUTE)),
        "gaps_of_some": ((12 * MINUTE, 18 * MINUTE), (70 * MINUTE, 75 * MINUTE)),
    },
    "beyond the image": {
        "view": {"logical_from": -30.0, "logical_to": 130.0, "price_top": 125.0, "price_bottom": 80.0}
    },
    "on a fraction of a pixel": {
        "view": {"left_px": 33.4, "top_px": 47.6, "width_px": 300.8, "height_px": 203.2},
        "ratio": 1.25,
        "smooth": True,
    },
    "easing": {"eases": True, "smooth": True},
    "older than the window": {
        "window_start_ms": 20 * MINUTE + 7777,
        "gaps_of_some": ((5 * MINUTE, 12 * MINUTE), (18 * MINUTE, 24 * MINUTE)),
        "eases": True,
    },
    "older than the window, beyond the image": {
        "window_start_ms": 70 * MINUTE,
        "view": {"logical_from": -30.0, "logical_to": 130.0},
        "smooth": True,
    },
}


@pytest.mark.parametrize("look", LOOKS)
def test_shader_and_kernel_paint_the_same(show_underlay, look):
    """Everything at once, half transparent; only on the borders of cells and lines may they differ."""
    wanted = LOOKS[look]
    random, pictures = np.random.default_rng(4), []
    cells = random_cells()
    cells[..., 3] = random.integers(0, 256, cells.shape[:2])
    cells[..., :3] = cells[..., :3].astype(int) * cells[..., 3:] // 255
    for shaders_only in (True, False):
        clock = HandClock()
        underlay = show_underlay(image_of(cells), clock=clock, shaders_only=shaders_only)
        underlay.set_background(QColor(20, 60, 90), (Surface(10, 30, 200, 100, (1.0, 0.5, 0.0, 0.5)),))
        underlay.set_look(opacity=0.8, smooth=wanted.get("smooth", False))
        underlay.set_gaps(wanted.get("gaps", ()), wanted.get("gaps_of_some", ()))
        if "window_start_ms" in wanted:
            underlay.set_window_start(wanted["window_start_ms"])
        view = viewport(wanted.get("ratio", 1.0), **wanted.get("view", {}))
        underlay.set_frame(Frame(view, wanted.get("axis", PLAIN)))
        if "eases" in wanted:
            underlay.set_image(image_of(cells[::-1], reference=5.0))
            pixels(underlay)
            clock.now_s += 0.4 * EASING_S
        pictures.append(pixels(underlay).astype(int))
        assert isinstance(underlay.painter, HeatPainter if shaders_only else PixelPainter)
    differs = np.abs(pictures[0] - pictures[1]).max(axis=2)
    assert (differs > 3).mean() < 0.004, f"{(differs > 3).sum()} pixels, first {np.argwhere(differs > 3)[:3]}"
    assert len(np.unique(pictures[0].reshape(-1, 3), axis=0)) > 100, "there is something to be seen"


@pytest.mark.parametrize("shaders_only", [True, False])
def test_heat_older_than_the_window_is_fainter_by_the_stated_share(show_underlay, shaders_only):
    cells = np.zeros((SPEC.rows, SPEC.cols, 4), np.uint8)
    cells[:] = (200, 100, 40, 255)
    underlay = show_underlay(image_of(cells), shaders_only=shaders_only)
    underlay.set_look(opacity=0.5, smooth=False)
    plain = pixels(underlay).astype(int)
    assert plain[20:270, 25:370].min() > 15
    # Within the pane, beyond its left and beyond its right edge.
    for start_ms, line_px in ((20 * MINUTE, round(20 + 1.7 + 16.5 * 8.75)), (-MINUTE, 20), (500 * MINUTE, 380)):
        underlay.set_window_start(start_ms)
        picture = pixels(underlay).astype(int)
        older_px = line_px - (20 < line_px < 380)  # without the line itself
        np.testing.assert_allclose(picture[:, :older_px], OLDER_SHARE * plain[:, :older_px], atol=2)
        np.testing.assert_array_equal(picture[:, line_px:], plain[:, line_px:])
    underlay.set_look(opacity=0.0, smooth=False)
    assert not pixels(underlay).any()


def test_the_kernel_takes_over_when_it_is_loaded(show_underlay, monkeypatch):
    """A first start compiles kernels for half a minute: until then shaders paint, and nobody sees the change."""
    monkeypatch.setattr("Heatmap.ui.gl.underlay.kernels_are_loaded", lambda: False)
    underlay = show_underlay(image_of(random_cells()))
    before = underlay.painter
    assert isinstance(before, HeatPainter)
    painted = pixels(underlay).astype(int)
    assert painted.any()
    monkeypatch.setattr("Heatmap.ui.gl.underlay.kernels_are_loaded", lambda: True)
    assert (np.abs(pixels(underlay) - painted).max(axis=2) > 1).mean() < 0.004, "but for borders of cells"
    assert isinstance(underlay.painter, PixelPainter)
    assert images_kept(before) == 0, "what the shader had is given back"
    after = underlay.painter
    underlay.remove()
    assert images_kept(after) == 0


def test_a_frame_buffer_of_several_samples_is_left_to_the_shader(show_underlay):
    """Its colours are no texture that could be written."""
    one = QSurfaceFormat.defaultFormat()
    several = QSurfaceFormat(one)
    several.setSamples(4)
    QSurfaceFormat.setDefaultFormat(several)
    try:
        underlay = show_underlay(image_of(random_cells()))
    finally:
        QSurfaceFormat.setDefaultFormat(one)
    assert isinstance(underlay.painter, HeatPainter)
    assert pixels(underlay).any()


@pytest.mark.parametrize("shaders_only", [True, False])
def test_the_expected_frame_is_filled_beforehand(show_underlay, monkeypatch, shaders_only):
    filled = []
    compose = PixelPainter._compose
    monkeypatch.setattr(
        PixelPainter, "_compose", lambda self, scene, *rest: (filled.append(scene), compose(self, scene, *rest))
    )
    image, newer = image_of(random_cells()), image_of(random_cells(seed=9))
    views = [viewport(logical_from=at, logical_to=40.0 + at) for at in (3.0, 4.0, 5.0)]
    wanted, wanted_newer = (pixels(show_underlay(each, views[1], shaders_only=shaders_only)) for each in (image, newer))
    underlay = show_underlay(image, views[0], shaders_only=shaders_only)
    assert (pixels(underlay) != wanted).any()
    filled.clear()
    expected = Frame(views[1], PLAIN)
    underlay.prepare(expected)
    underlay.set_frame(expected)
    np.testing.assert_array_equal(pixels(underlay), wanted)
    underlay.set_frame(Frame(dataclasses.replace(views[1], frame=77), PLAIN))
    np.testing.assert_array_equal(pixels(underlay), wanted)
    assert len(filled) == (not shaders_only), "filled once, not twice, nor for another frame of the same"
    # Another frame came than the expected one; another image.
    underlay.prepare(Frame(views[2], PLAIN))
    np.testing.assert_array_equal(pixels(underlay), wanted)
    underlay.prepare(expected)
    underlay.set_image(newer)
    np.testing.assert_array_equal(pixels(underlay), wanted_newer)
