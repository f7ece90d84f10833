"""Which grid serves a view."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from Heatmap.aggregation import ImageBuilder
from Heatmap.aggregation.numpy_engine import NumpyEngine
from Heatmap.aggregation.palettes import find_palette
from Heatmap.event_columns import EventColumns
from Heatmap.heatmap_settings import HeatmapSettings
from Heatmap.rendering.render_options import SPOT_PX, render_options
from Heatmap.rendering.view_grid import (
    MAX_SIDE,
    NEAR,
    View,
    covers,
    grid_for_view,
    near_cells,
    same_cells,
    tick_or_guess,
)
from Heatmap.ui.geometry.viewport import BarSegment, TimeAxis, Viewport, visible_range

NOW_MS = 1_800_000_000_000
HOUR_MS = 3_600_000
VIEW = View(
    start_ms=NOW_MS - 4 * HOUR_MS,
    end_ms=NOW_MS + HOUR_MS // 4,
    price_low=88_000.0,
    price_high=90_000.0,
    width_px=980,
    height_px=470,
)
SETTINGS = HeatmapSettings()


def grid(view=VIEW, settings=SETTINGS, tick_size=0.1, hours=48):
    return grid_for_view(view, settings, since_ms=NOW_MS - hours * HOUR_MS, now_ms=NOW_MS, tick_size=tick_size)


def test_the_users_rule_sets_the_bins():
    spec = grid()
    # height / 2.3 = 204 rows over 2,000 dollars: 9.80… dollars, rounded up to a tick.
    assert spec.price_bin == pytest.approx(9.9)
    # width / 1.15 = 852 columns over four hours: 16.9 s, so 15 s.
    assert spec.time_bin_ms == 15_000


def test_the_grid_ends_with_the_present_and_begins_with_what_was_read():
    spec = grid(hours=2)
    assert NOW_MS - 2 * HOUR_MS - 30_000 <= spec.t0_ms <= NOW_MS - 2 * HOUR_MS
    assert NOW_MS <= spec.end_ms <= NOW_MS + 2 * spec.time_bin_ms


def test_a_view_outside_of_what_was_read_has_no_grid():
    past = dataclasses.replace(VIEW, start_ms=NOW_MS - 30 * HOUR_MS, end_ms=NOW_MS - 20 * HOUR_MS)
    assert grid(past, hours=8) is None
    assert grid(past) is not None
    future = dataclasses.replace(VIEW, start_ms=NOW_MS + 1, end_ms=NOW_MS + HOUR_MS)
    assert grid(future) is None


def test_manual_resolution_is_obeyed():
    settings = SETTINGS.replaced(resolution="manual", manual_rows=100, manual_cols=240)
    spec = grid(settings=settings)
    # 100 rows on the screen plus the margin above and below, rounded to ticks.
    assert 100 <= spec.rows <= 135
    assert spec.time_bin_ms == 60_000


def test_a_cell_has_the_pixels_that_are_asked_for():
    settings = SETTINGS.replaced(resolution="pixels", px_per_row=4.0, px_per_col=3.0)
    # The chart reaches a quarter of an hour beyond the present and below price 0, where nothing is binned.
    for low in (88_000.0, -10_000.0):
        view = dataclasses.replace(VIEW, price_low=low)
        spec = grid(view, settings)
        assert spec.time_bin_ms / view.ms_per_px == pytest.approx(3.0, rel=0.05)
        assert spec.price_bin * view.height_px / (view.price_high - low) == pytest.approx(4.0, rel=0.02)


def test_tiny_cells_on_a_large_screen_are_made_larger():
    settings = SETTINGS.replaced(resolution="pixels", px_per_row=0.5, px_per_col=0.5)
    spec = grid(dataclasses.replace(VIEW, width_px=7_680, height_px=4_320), settings)
    assert 2_000_000 < spec.rows * spec.cols < 8_000_000


def test_prices_below_zero_are_not_binned():
    spec = grid(dataclasses.replace(VIEW, price_low=-10.0, price_high=50.0))
    assert spec.price0 >= 0.0


@given(
    shift_h=st.floats(-40, 40),
    span_h=st.floats(0.01, 60),
    low=st.floats(0.0001, 1e5),
    ratio=st.floats(1.0001, 3.0),
    width=st.integers(1, 4000),
    height=st.integers(1, 2200),
    hours=st.sampled_from([2, 8, 48]),
)
def test_any_view_gets_a_grid_that_covers_it(shift_h, span_h, low, ratio, width, height, hours):
    start = NOW_MS + round(shift_h * HOUR_MS)
    view = View(start, start + max(round(span_h * HOUR_MS), 1), low, low * ratio, width, height)
    spec = grid(view, tick_size=0.0001, hours=hours)
    if spec is None:
        assert view.end_ms <= NOW_MS - hours * HOUR_MS or view.start_ms >= NOW_MS
    else:
        assert covers(spec, view, since_ms=NOW_MS - hours * HOUR_MS, now_ms=NOW_MS)


def test_a_small_pan_needs_no_new_grid_and_a_large_one_does():
    spec = grid()
    since_ms = NOW_MS - 8 * HOUR_MS
    near = dataclasses.replace(VIEW, start_ms=VIEW.start_ms - 10 * 60_000, end_ms=VIEW.end_ms - 10 * 60_000)
    far = dataclasses.replace(VIEW, start_ms=VIEW.start_ms - 2 * HOUR_MS, end_ms=VIEW.end_ms - 2 * HOUR_MS)
    assert covers(spec, near, since_ms=since_ms, now_ms=NOW_MS)
    assert not covers(spec, far, since_ms=since_ms, now_ms=NOW_MS)
    assert same_cells(spec, grid(far)) or grid(far).time_bin_ms != spec.time_bin_ms


@pytest.mark.parametrize(("price", "tick"), [(90_000.0, 0.01), (1.5, 1e-6), (0.00002, 1e-11)])
def test_without_a_tick_size_a_power_of_ten_serves(price, tick):
    assert tick_or_guess(None, price) == pytest.approx(tick)
    assert tick_or_guess(0.5, price) == 0.5


@pytest.mark.parametrize("size", list(SPOT_PX))
def test_a_spot_keeps_its_size_on_the_screen(size):
    settings = SETTINGS.replaced(spot_size=size)
    near = dataclasses.replace(VIEW, start_ms=NOW_MS - HOUR_MS)
    for view in (VIEW, near):
        spec = grid(view)
        options = render_options(settings, view, spec, dark=True)
        cell_px = view.width_px * spec.time_bin_ms / (view.end_ms - view.start_ms)
        assert options.sigma_cols * cell_px == pytest.approx(SPOT_PX[size][0])


@pytest.mark.parametrize("size", list(SPOT_PX))
@pytest.mark.parametrize(
    "resolution",
    [
        {},
        {"resolution": "manual", "manual_rows": 1000, "manual_cols": 3000},
        {"resolution": "manual", "manual_rows": 50, "manual_cols": 100},
        {"resolution": "pixels", "px_per_row": 0.5, "px_per_col": 0.5},
    ],
    ids=["auto", "fine", "coarse", "half pixels"],
)
@pytest.mark.parametrize("hours", [0.1, 8, 720])
@pytest.mark.parametrize("height", [80.0, 2_000.0, 40_000.0])
def test_a_lone_event_is_three_pixels_large_at_every_zoom(size, resolution, hours, height):
    """Counted are the pixels of the default look that have at least half the level of the spot's middle."""
    view = dataclasses.replace(VIEW, start_ms=round(NOW_MS - hours * HOUR_MS), price_high=VIEW.price_low + height)
    settings = SETTINGS.replaced(spot_size=size, palette="fire", **resolution)
    spec = grid(view, settings, hours=720)
    options = render_options(settings, view, spec, dark=True)
    middle = np.array([(spec.t0_ms + spec.end_ms) // 2]), np.array([(spec.price0 + spec.price1) / 2])
    event = EventColumns(*middle, np.array([1e5]), np.array([True]))
    image = ImageBuilder(NumpyEngine()).build(event, spec, options, now_ms=NOW_MS, window_start_ms=0).rgba
    strong = image[..., 3] >= find_palette("fire").tables[0, 128, 3]
    row_px = view.height_px * spec.price_bin / height
    col_px = spec.time_bin_ms / view.ms_per_px
    assert strong.any(axis=0).sum() * col_px >= 3.0
    assert strong.any(axis=1).sum() * row_px >= 3.0


def over_a_weekend(viewport_width_px: float = 980.0) -> tuple[View, TimeAxis]:
    """Return a view of bars of a minute: 200 before and 280 after a pause of 30 hours."""
    pause_ms, minute = 30 * HOUR_MS, 60_000
    first_ms = NOW_MS - pause_ms - 480 * minute
    axis = TimeAxis(
        (BarSegment(0, first_ms, minute, 200), BarSegment(200, first_ms + pause_ms + 200 * minute, minute, 280))
    )
    viewport = Viewport(
        left_px=0,
        top_px=0,
        width_px=viewport_width_px,
        height_px=470,
        ratio=1,
        logical_from=0,
        logical_to=480,
        x_from_px=0,
        x_to_px=viewport_width_px,
        price_top=90_000,
        price_bottom=88_000,
    )
    return visible_range(viewport, axis), axis


def test_a_gap_has_no_width_and_takes_no_resolution():
    view, _ = over_a_weekend()
    assert view.shown_ms(view.start_ms, view.end_ms) == pytest.approx(480 * 60_000, abs=2)
    (gap,) = view.gaps_ms
    assert gap[1] - gap[0] == 30 * HOUR_MS
    spec = grid(view)
    # 38 hours would ask for columns of three minutes; the eight that are seen ask for 30 s, and the grid takes nearly
    # that: what is hidden costs no more than three times the columns of what is seen.
    assert spec.time_bin_ms == 30_000
    assert covers(spec, view, since_ms=NOW_MS - 48 * HOUR_MS, now_ms=NOW_MS)


def test_a_gap_that_is_far_longer_than_what_is_seen_makes_columns_coarser_but_not_endless():
    view, _ = over_a_weekend()
    narrow = dataclasses.replace(
        view, start_ms=NOW_MS - 31 * HOUR_MS, gaps_ms=((NOW_MS - 31 * HOUR_MS + 60_000, NOW_MS - 60_000),)
    )
    spec = grid(narrow)
    assert spec.cols <= 1.4 * 4 * 860
    assert covers(spec, narrow, since_ms=NOW_MS - 48 * HOUR_MS, now_ms=NOW_MS)


@given(
    seen_s=st.integers(60, 2 * 3600),
    size=st.tuples(st.integers(1, 7680), st.integers(1, 4320)),
    cells=st.sampled_from(
        [
            {"resolution": "manual", "manual_rows": 50, "manual_cols": 3000},
            {"resolution": "manual", "manual_rows": 1000, "manual_cols": 3000},
            {"resolution": "pixels", "px_per_row": 0.5, "px_per_col": 0.5},
            {"resolution": "pixels", "px_per_row": 20.0, "px_per_col": 0.5},
            {"resolution": "auto"},
        ]
    ),
)
def test_no_grid_is_larger_than_a_texture(seen_s, size, cells):
    """Also over a gap of two days, around which a few minutes are seen."""
    start_ms = NOW_MS - 48 * HOUR_MS
    gap = (start_ms + seen_s * 500, NOW_MS - seen_s * 500)
    view = View(start_ms, NOW_MS, 88_000.0, 90_000.0, *size, (gap,))
    spec = grid(view, SETTINGS.replaced(**cells))
    assert max(spec.rows, spec.cols) <= MAX_SIDE
    assert covers(spec, view, since_ms=start_ms, now_ms=NOW_MS)


def test_a_window_inside_a_gap_has_no_grid():
    view, _ = over_a_weekend()
    inside = dataclasses.replace(view, gaps_ms=((NOW_MS - 9 * HOUR_MS, NOW_MS + 1),))
    assert grid(inside, hours=8) is None


def test_a_spot_over_a_gap_is_as_wide_as_elsewhere():
    view, _ = over_a_weekend()
    spec = grid(view)
    options = render_options(SETTINGS, view, spec, dark=True)
    # Two columns of 30 s are a bar, and 480 bars are 980 px.
    assert options.sigma_cols * 980 / 960 == pytest.approx(SPOT_PX[SETTINGS.spot_size][0], rel=0.01)


@given(st.integers(1, 5000), st.lists(st.tuples(st.integers(0, 10**7), st.integers(1, 10**7)), max_size=6))
def test_what_is_shown_is_the_span_without_its_gaps(width, pieces):
    at, gaps = 0, []
    for pause, gap in pieces:
        gaps.append((at + pause, at + pause + gap))
        at += pause + gap
    view = View(0, at + 5, 1.0, 2.0, width, 100, tuple(gaps))
    assert view.shown_ms(0, at + 5) == 5 + sum(pause for pause, _ in pieces)
    assert view.ms_per_px * width == pytest.approx(view.shown_ms(0, at + 5))


def test_a_view_reaches_from_edge_to_edge():
    minute = 60_000
    axis = TimeAxis((BarSegment(0, 0, minute, 100),))
    viewport = Viewport(
        0, 0, 1000, 400, 1, logical_from=0, logical_to=100, x_from_px=0, x_to_px=1000, price_top=2, price_bottom=1
    )
    view = visible_range(viewport, axis)
    assert (view.start_ms, view.end_ms, view.gaps_ms) == (minute // 2, 100 * minute + minute // 2, ())


@pytest.mark.parametrize(
    ("changes", "near"),
    [
        ({}, True),
        ({"price_bin": 10.8, "price0": 0.0}, True),
        ({"price_bin": 9.1, "price0": 0.0}, True),
        ({"price_bin": 11.2, "price0": 0.0}, False),
        ({"price_bin": 8.9, "price0": 0.0}, False),
        ({"time_bin_ms": 30_000}, False),
        ({"t0_ms": 0, "cols": 7}, True),
    ],
)
def test_cells_that_differ_by_less_than_a_tenth_are_near(changes, near):
    spec = dataclasses.replace(grid(), price_bin=10.0, price0=88_000.0)
    assert near_cells(spec, dataclasses.replace(spec, **changes)) is near


@given(height=st.integers(420, 870), width=st.integers(920, 1950), span=st.floats(0.002, 0.3), hours=st.floats(0.2, 8))
def test_cells_that_are_near_those_asked_for_are_no_smaller_than_a_pixel(height, width, span, hours):
    """So a view that moves is painted by the sampler, and no cell falls between two pixels."""
    first_ms = NOW_MS - round(hours * HOUR_MS)
    view = View(first_ms, NOW_MS, 90_000.0, 90_000.0 * (1 + span), width, height)
    spec = grid(view)
    assert spec.price_bin * (1 - NEAR) >= (view.price_high - view.price_low) / height
