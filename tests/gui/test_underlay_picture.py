"""The underlay's pixels, each against the pure mapping: what time and price has it, so which cell, so which colour.

No web page and no stored picture: the underlay alone, its frame buffer as Qt composes it.
"""

from __future__ import annotations

import dataclasses
from contextlib import contextmanager
from functools import partial

import numpy as np
import pytest
from PyQt6.QtGui import QColor
from support.underlay import (
    GAPPED,
    HEIGHT,
    MINUTE,
    PLAIN,
    SPEC,
    WIDTH,
    HandClock,
    image_of,
    images_kept,
    pixels,
    random_cells,
    show_on_window,
    viewport,
)

from Heatmap.aggregation import GridSpec
from Heatmap.aggregation.engine_choice import load_kernels
from Heatmap.rendering.image_change import changed_columns
from Heatmap.ui.geometry.background import BackgroundRect, Surface, window_start_line
from Heatmap.ui.geometry.frame_follower import Frame
from Heatmap.ui.geometry.viewport import BarSegment, PriceScaleMode, TimeAxis, Viewport
from Heatmap.ui.gl.heat_painter import HeatPainter
from Heatmap.ui.gl.painter import hatch_lines_px
from Heatmap.ui.gl.pixel_painter import PixelPainter
from Heatmap.ui.gl.underlay import EASING_S

pytestmark = [pytest.mark.gl]


@pytest.fixture(scope="module", autouse=True)
def kernels():
    """Load the kernels into this process."""
    load_kernels()


@contextmanager
def opened(qtbot, painter: type, **options):
    """Show an underlay on a plain window for the length of a ``with`` block, painted by this kind of painter."""
    window, underlay = show_on_window(qtbot, shaders_only=painter is HeatPainter, **options)
    assert isinstance(underlay.painter, painter)
    try:
        yield underlay
    finally:
        window.close()
        window.deleteLater()


@pytest.fixture(params=[HeatPainter, PixelPainter])
def open_underlay(qtbot, request):
    """Give a context manager that shows an underlay on a plain window; by a shader and by the kernel."""
    return partial(opened, qtbot, request.param)


@pytest.fixture
def open_shader_underlay(qtbot):
    """Give the same for what the shader alone has: uploads."""
    return partial(opened, qtbot, HeatPainter)


def expected_cells(view: Viewport, axis: TimeAxis, spec: GridSpec) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return image row and column of each pixel's middle, and whether it is far enough from any border to be sure."""
    ratio = view.ratio
    logical = [view.logical((x + 0.5) / ratio - view.left_px) for x in range(WIDTH)]
    cols = np.array([(axis.time_ms(at) - spec.t0_ms) / spec.time_bin_ms for at in logical])
    prices = [view.price((y + 0.5) / ratio - view.top_px) for y in range(HEIGHT)]
    rows = spec.rows - (np.array(prices) - spec.price0) / spec.price_bin
    sure = np.outer(np.abs(rows - np.round(rows)) > 0.02, np.abs(cols - np.round(cols)) > 0.02)
    left, top, width, height = (
        round(edge * ratio) for edge in (view.left_px, view.top_px, view.width_px, view.height_px)
    )
    inside = np.zeros((HEIGHT, WIDTH), bool)
    inside[top + 1 : top + height - 1, left + 1 : left + width - 1] = True
    inside &= np.outer((rows >= 0) & (rows < spec.rows), (cols >= 0) & (cols < spec.cols))
    return np.floor(rows).astype(int), np.floor(cols).astype(int), sure & inside


def assert_cells(picture, rgba, view, axis, spec=SPEC) -> None:
    rows, cols, sure = expected_cells(view, axis, spec)
    assert sure.mean() > 0.25, "the test looks at almost nothing"
    wanted = rgba[np.clip(rows, 0, spec.rows - 1)][:, np.clip(cols, 0, spec.cols - 1), :3]
    wrong = (np.abs(picture.astype(int) - wanted).max(axis=2) > 1) & sure
    assert not wrong.any(), f"{wrong.sum()} of {sure.sum()} pixels, first at {np.argwhere(wrong)[0]}"


SCALES = {
    "normal": {},
    "inverted": {"price_top": 92.1, "price_bottom": 107.3},
    "percentage": {"mode": PriceScaleMode.PERCENTAGE},
    "percentage, inverted": {"mode": PriceScaleMode.PERCENTAGE, "price_top": 92.1, "price_bottom": 107.3},
    "indexed": {"mode": PriceScaleMode.INDEXED_TO_100},
    "logarithmic": {"mode": PriceScaleMode.LOGARITHMIC, "price_top": 112.0, "price_bottom": 70.0},
    "logarithmic, inverted": {"mode": PriceScaleMode.LOGARITHMIC, "price_top": 70.0, "price_bottom": 112.0},
    "logarithmic, almost to zero": {"mode": PriceScaleMode.LOGARITHMIC, "price_top": 109.0, "price_bottom": 1.0},
}


@pytest.mark.parametrize("axis", [PLAIN, GAPPED], ids=["plain", "gap"])
@pytest.mark.parametrize("scale", SCALES)
def test_every_pixel_shows_its_cell(open_underlay, scale, axis):
    rgba = random_cells()
    wide = GridSpec(t0_ms=0, time_bin_ms=MINUTE, cols=80, price0=0.0, price_bin=2.75, rows=40)
    spec = wide if "zero" in scale else SPEC
    with open_underlay() as underlay:
        underlay.set_image(image_of(rgba, spec))
        for ratio in (1.0, 1.25, 1.5, 2.0):
            view = viewport(ratio, **SCALES[scale])
            underlay.set_frame(Frame(view, axis))
            assert_cells(pixels(underlay), rgba, view, axis, spec)


DAY = 86_400_000
MONTH_DAYS = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


def months() -> TimeAxis:
    """Return four years of monthly bars: each run is one month, none as long as the next."""
    segments, start_ms = [], 0
    for index in range(48):
        length_ms = MONTH_DAYS[index % 12] * DAY
        segments.append(BarSegment(index, start_ms, length_ms, 1))
        start_ms += length_ms
    return TimeAxis(tuple(segments))


INTERVALS = {
    "1 s": (TimeAxis((BarSegment(0, 0, 1000, 80),)), 500),
    "15 min": (TimeAxis((BarSegment(0, 0, 15 * MINUTE, 80),)), 7 * MINUTE),
    # Five days, then two that are collapsed.
    "1 day, weekends": (TimeAxis(tuple(BarSegment(5 * k, 7 * k * DAY, DAY, 5) for k in range(16))), DAY),
    "1 month": (months(), 10 * DAY),
}


@pytest.mark.parametrize("interval", INTERVALS)
def test_every_interval(open_underlay, interval):
    axis, bin_ms = INTERVALS[interval]
    spec = dataclasses.replace(SPEC, time_bin_ms=bin_ms, cols=axis.segments[-1].end_ms // bin_ms)
    rgba = random_cells(spec)
    with open_underlay() as underlay:
        underlay.set_image(image_of(rgba, spec))
        for ratio in (1.0, 1.25, 1.5, 2.0):
            view = viewport(ratio)
            underlay.set_frame(Frame(view, axis))
            assert_cells(pixels(underlay), rgba, view, axis, spec)


PANES = {
    "upper of two": {"left_px": 0, "top_px": 0, "width_px": 340, "height_px": 140},
    "lower of two, beside a left price axis": {"left_px": 61, "top_px": 141, "width_px": 279, "height_px": 130},
    "no axis at all": {"left_px": 0, "top_px": 0, "width_px": WIDTH, "height_px": HEIGHT},
    # Page zoom puts panes between device pixels.
    "at odd places": {"left_px": 33.4, "top_px": 47.6, "width_px": 300.8, "height_px": 203.2},
}


@pytest.mark.parametrize("pane", PANES)
def test_every_pane(open_underlay, pane):
    rgba = random_cells()
    view = viewport(**PANES[pane])
    with open_underlay() as underlay:
        underlay.set_image(image_of(rgba))
        underlay.set_frame(Frame(view, PLAIN))
        picture = pixels(underlay)
    assert_cells(picture, rgba, view, PLAIN)
    rest = picture.copy()
    top, left = round(view.top_px), round(view.left_px)
    rest[top : round(view.top_px + view.height_px), left : round(view.left_px + view.width_px)] = 0
    assert not rest.any(), "heat outside the pane"


def test_the_pages_own_parts_come_with_their_frame(open_underlay):
    told, framed = (Surface(x, 0, 100, HEIGHT, (0.0, 1.0, 0.0, 1.0)) for x in (0, 200))
    with open_underlay() as underlay:
        underlay.set_background(QColor(0, 0, 200), (told,))
        assert tuple(pixels(underlay)[150, 50]) == (0, 255, 0)
        underlay.set_frame(Frame(viewport(), PLAIN, (framed,)))
        picture = pixels(underlay)
        assert tuple(picture[150, 50]) == (0, 0, 200)
        assert tuple(picture[150, 250]) == (0, 255, 0)
        underlay.set_frame(None)
        assert tuple(pixels(underlay)[150, 50]) == (0, 255, 0)


@pytest.mark.parametrize("shift", [-200.0, -7.3, 11.9, 60.0])
def test_past_the_last_bar_and_before_the_first(open_underlay, shift):
    spec = dataclasses.replace(SPEC, t0_ms=-60 * MINUTE, cols=300)
    rgba = random_cells(spec)
    view = viewport(logical_from=3 + shift, logical_to=43 + shift)
    with open_underlay() as underlay:
        underlay.set_image(image_of(rgba, spec))
        underlay.set_frame(Frame(view, PLAIN))
        if shift == -200.0:
            assert not pixels(underlay).any(), "the grid is not in sight"
        else:
            assert_cells(pixels(underlay), rgba, view, PLAIN, spec)


def test_nothing_is_painted_outside_the_pane(open_underlay):
    with open_underlay() as underlay:
        underlay.set_image(image_of(np.full((SPEC.rows, SPEC.cols, 4), 255, np.uint8)))
        underlay.set_frame(Frame(viewport(), PLAIN))
        picture = pixels(underlay)
    assert picture[10:280, 20:380].any()
    picture = picture.copy()
    picture[10:280, 20:380] = 0
    assert not picture.any()


@pytest.mark.parametrize("smooth", [False, True])
@pytest.mark.parametrize("cells", [(400, 1900), (1000, 3000), (40, 3000), (1000, 80)])
def test_one_hot_cell_never_vanishes(open_underlay, cells, smooth):
    """However far out: 1 of up to 60 cells under a pixel, and no pixel shows it twice as many times as it should."""
    rows, cols = cells
    spec = GridSpec(t0_ms=0, time_bin_ms=1000, cols=cols, price0=0.0, price_bin=1.0, rows=rows)
    view = viewport(
        logical_from=-0.5,
        logical_to=cols / 60 - 0.5,
        x_from_px=0.0,
        x_to_px=250.3,
        price_top=rows * 1.6,
        price_bottom=-rows * 0.7,
    )
    random = np.random.default_rng(3)
    with open_underlay() as underlay:
        underlay.set_look(opacity=1.0, smooth=smooth)
        underlay.set_frame(Frame(view, TimeAxis((BarSegment(0, 0, MINUTE, cols),))))
        # A faint ground everywhere, so that the hot cell has to win.
        for _ in range(12):
            row, col = int(random.integers(rows)), int(random.integers(cols))
            rgba = np.full((rows, cols, 4), 20, np.uint8)
            rgba[row, col] = (255, 0, 0, 255)
            underlay.set_image(image_of(rgba, spec))
            hot = np.argwhere(pixels(underlay)[:, :, 0] > 200)
            assert len(hot) > 0, (row, col)
            x = view.left_px + view.x_px((col + 0.5) / 60 - 0.5)
            y = view.top_px + view.y_px(rows - row - 0.5)
            assert np.abs(hot + 0.5 - (y, x)).max() <= 1.5 + max(0.5 * 121 / rows, 0.5 * 250 / cols)


def test_blending_is_premultiplied(open_underlay):
    rgba = np.zeros((SPEC.rows, SPEC.cols, 4), np.uint8)
    rgba[:] = (100, 50, 0, 128)
    with open_underlay() as underlay:
        underlay.set_background(QColor(200, 100, 40))
        underlay.set_image(image_of(rgba))
        underlay.set_frame(Frame(viewport(), PLAIN))
        np.testing.assert_allclose(
            pixels(underlay)[150, 200], (100 + 200 * 127 / 255, 50 + 100 * 127 / 255, 40 * 127 / 255), atol=1
        )
        underlay.set_look(opacity=0.5, smooth=False)
        np.testing.assert_allclose(
            pixels(underlay)[150, 200], (50 + 200 * 191 / 255, 25 + 100 * 191 / 255, 40 * 191 / 255), atol=1
        )


def test_another_scale_eases_in_and_the_same_does_not(open_underlay):
    clock = HandClock()
    red, blue = np.zeros((SPEC.rows, SPEC.cols, 4), np.uint8), np.zeros((SPEC.rows, SPEC.cols, 4), np.uint8)
    red[:], blue[:] = (255, 0, 0, 255), (0, 0, 255, 255)
    with open_underlay(clock=clock) as underlay:
        underlay.set_frame(Frame(viewport(), PLAIN))
        underlay.set_image(image_of(red, reference=100.0))
        assert tuple(pixels(underlay)[150, 200]) == (255, 0, 0)
        underlay.set_image(image_of(blue, reference=100.0))
        assert tuple(pixels(underlay)[150, 200]) == (0, 0, 255), "the same scale: at once"
        underlay.set_image(image_of(red, reference=300.0))
        seen = [pixels(underlay)[150, 200]]
        for _ in range(5):
            clock.now_s += EASING_S / 4
            seen.append(pixels(underlay)[150, 200])
        reds = [int(pixel[0]) for pixel in seen]
        assert reds[0] == 0
        assert reds == sorted(reds)
        assert 100 < reds[2] < 155
        assert reds[4] == reds[5] == 255
        assert images_kept(underlay.painter) == 1, "the old image is given back"


def test_a_live_image_whose_scale_moved_eases_in(open_underlay):
    """The same grid, and the worker tells which columns differ: still every colour means another sum than before."""
    clock = HandClock()
    cells = random_cells()
    newer = cells.copy()
    newer[:, 30:32, :3] = (1, 2, 3)
    before, after = image_of(cells, reference=100.0), image_of(newer, reference=300.0)
    with open_underlay(clock=clock) as underlay:
        underlay.set_frame(Frame(viewport(), PLAIN))
        underlay.set_image(before)
        assert_cells(pixels(underlay), cells, viewport(), PLAIN)
        underlay.set_image(after, changed_columns(before, after))
        assert_cells(pixels(underlay), cells, viewport(), PLAIN)
        clock.now_s += EASING_S / 2
        half = (cells.astype(int) + newer.astype(int)) // 2
        assert_cells(pixels(underlay), half.astype(np.uint8), viewport(), PLAIN)
        clock.now_s += EASING_S
        assert_cells(pixels(underlay), newer, viewport(), PLAIN)


def test_an_image_of_another_grid_eases_in_its_own_place(open_underlay):
    """While two images are seen, each lies where its grid says."""
    clock = HandClock()
    other = GridSpec(t0_ms=10 * MINUTE, time_bin_ms=2 * MINUTE, cols=30, price0=80.0, price_bin=1.0, rows=30)
    first, second = random_cells(), random_cells(other, seed=2)
    with open_underlay(clock=clock) as underlay:
        underlay.set_frame(Frame(viewport(), PLAIN))
        underlay.set_image(image_of(first, reference=100.0))
        pixels(underlay)
        underlay.set_image(image_of(second, other, reference=300.0))
        assert_cells(pixels(underlay), first, viewport(), PLAIN)
        clock.now_s += 2 * EASING_S
        assert_cells(pixels(underlay), second, viewport(), PLAIN, other)


def test_only_changed_columns_are_uploaded(open_shader_underlay, monkeypatch):
    uploads = []
    with open_shader_underlay() as underlay:
        underlay.set_frame(Frame(viewport(), PLAIN))
        cells = random_cells()
        image = image_of(cells)
        underlay.set_image(image)
        pixels(underlay)
        original = HeatPainter.upload
        monkeypatch.setattr(
            HeatPainter,
            "upload",
            lambda self, image, columns, **how: (uploads.append(columns), original(self, image, columns, **how)),
        )
        # Two images between two frames: one upload, of what either changed.
        for columns in ((30, 31), (50, 53)):
            cells = cells.copy()
            cells[:, slice(*columns), :3] = (1, 2, 3)
            newer = image_of(cells)
            underlay.set_image(newer, changed_columns(image, newer))
            image = newer
        assert_cells(pixels(underlay), cells, viewport(), PLAIN)
        assert uploads == [(30, 53)]
        # What an image differs by from one that is not shown says nothing.
        unseen, cells = image_of(random_cells(seed=5)), random_cells(seed=6)
        newer = image_of(cells)
        underlay.set_image(newer, changed_columns(unseen, newer))
        assert_cells(pixels(underlay), cells, viewport(), PLAIN)
        assert uploads[1] == (0, SPEC.cols)


def test_unrecorded_time_is_hatched_and_recorded_time_is_not(open_underlay):
    empty = np.zeros((SPEC.rows, SPEC.cols, 4), np.uint8)
    view = viewport()
    for axis in (PLAIN, GAPPED):
        gap = (15 * MINUTE, 25 * MINUTE)
        with open_underlay() as underlay:
            underlay.set_frame(Frame(view, axis))
            underlay.set_image(image_of(empty))
            assert not pixels(underlay).any()
            # The second one lies where the chart has no bars: it has no width.
            underlay.set_gaps((gap, (31 * MINUTE, 49 * MINUTE)) if axis is GAPPED else (gap,))
            marked = pixels(underlay).any(axis=2)
        left, right = (view.left_px + view.x_px(axis.logical(time)) for time in gap)
        xs, ys = np.flatnonzero(marked.any(axis=0)), np.flatnonzero(marked.any(axis=1))
        assert abs(xs.min() - left) <= 1
        assert abs(xs.max() + 1 - right) <= 1
        assert (ys.min(), ys.max() + 1) == (10, 280), "from the pane's top to its bottom, whatever the grid's prices"
        share = marked[10:280, xs.min() : xs.max() + 1].mean()
        assert 0.05 < share < 0.25, "lines, not a wall"


@pytest.mark.parametrize("ratio", [1.0, 1.25, 1.5, 2.0])
@pytest.mark.parametrize("begin_ms", [15 * MINUTE, 15 * MINUTE + 1234, -300_000_000 * MINUTE])
def test_the_hatching_is_of_whole_lines_wherever_it_begins(open_underlay, ratio, begin_ms):
    view = viewport(ratio)
    with open_underlay() as underlay:
        underlay.set_frame(Frame(view, PLAIN))
        underlay.set_image(image_of(np.zeros((SPEC.rows, SPEC.cols, 4), np.uint8)))
        underlay.set_gaps(((begin_ms, 25 * MINUTE),))
        marked = pixels(underlay).any(axis=2)
    columns = np.flatnonzero(marked.any(axis=0))
    inside = marked[20:270, columns.min() : columns.max() + 1]
    # Each row is the one above, moved by a pixel, and each line is as wide as the others.
    assert (inside[1:, :-1] == inside[:-1, 1:]).all()
    edges = np.flatnonzero(np.diff(inside[0].astype(int)) > 0)
    line_px, spacing_px = hatch_lines_px(ratio)
    assert set(np.diff(edges)) == {spacing_px}
    assert abs(inside.mean() - line_px / spacing_px) < 0.03


@pytest.mark.parametrize("ratio", [1.0, 1.5, 2.0])
def test_a_line_marks_where_the_window_begins_beneath_the_heat(open_underlay, ratio):
    view, rgba = viewport(ratio), np.zeros((SPEC.rows, SPEC.cols, 4), np.uint8)
    with open_underlay() as underlay:
        underlay.set_frame(Frame(view, PLAIN))
        underlay.set_image(image_of(rgba))
        assert not pixels(underlay).any()
        underlay.set_window_start(20 * MINUTE)
        picture = pixels(underlay)
        (mark,) = window_start_line(view, PLAIN, 20 * MINUTE, (BackgroundRect(0, 0, WIDTH, HEIGHT, (0.0, 0.0, 0.0)),))
        # 1.7 px and 16.5 bars of 8.75 px right of the pane's edge at 20 px, and as wide as a logical pixel.
        assert (mark.right, mark.right - mark.left) == (round(20 + 1.7 + 16.5 * 8.75), round(ratio))
        on_line = np.zeros((HEIGHT, WIDTH), bool)
        on_line[10:280, mark.left : mark.right] = True
        assert np.array_equal(picture.any(axis=2), on_line)
        # It goes with its frame.
        moved = dataclasses.replace(view, x_from_px=(1.7 + 40) / ratio, x_to_px=(351.7 + 40) / ratio)
        underlay.set_frame(Frame(moved, PLAIN))
        assert np.array_equal(pixels(underlay), np.roll(picture, 40, axis=1))
        # Cells lie over it: it shines through those that are older. Without heat there is no window to speak of.
        rgba[...] = 255
        underlay.set_image(image_of(rgba.copy(), reference=1.0))
        lit = pixels(underlay)[20:270]
        assert (lit[:, mark.right + 40] == 255).all()
        assert (lit[:, mark.left + 39] < lit[:, mark.left + 40]).all()
        underlay.set_image(None)
        assert not pixels(underlay).any()


def test_a_window_that_moves_on_out_of_sight_paints_nothing(open_underlay, monkeypatch):
    with open_underlay() as underlay:
        underlay.set_frame(Frame(viewport(), PLAIN))
        underlay.set_image(image_of(random_cells()))
        underlay.set_window_start(-20 * MINUTE)
        asked = []
        monkeypatch.setattr(underlay, "update", lambda: asked.append(1))
        underlay.set_window_start(-19 * MINUTE)
        assert asked == []
        underlay.set_window_start(20 * MINUTE)
        underlay.set_window_start(20 * MINUTE)
        underlay.set_window_start(-19 * MINUTE)
        assert asked == [1, 1]


def test_a_lost_context_is_made_again(open_underlay):
    """What Qt does then: it announces the end of the old context and initialises anew. Nothing else need be told."""
    rgba = random_cells()
    with open_underlay() as underlay:
        underlay.set_frame(Frame(viewport(), PLAIN))
        underlay.set_image(image_of(rgba))
        assert_cells(pixels(underlay), rgba, viewport(), PLAIN)
        painter = underlay.painter
        underlay.context().aboutToBeDestroyed.emit()
        assert images_kept(painter) == 0
        pixels(underlay)  # between two contexts there is nothing to paint with, and nothing to fail
        underlay.makeCurrent()
        underlay.initializeGL()
        underlay.doneCurrent()
        assert_cells(pixels(underlay), rgba, viewport(), PLAIN)
