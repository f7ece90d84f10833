"""Which grid serves a view."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from Heatmap.heatmap_settings import HeatmapSettings
from Heatmap.ui.render_options import SPOT_PX, render_options
from Heatmap.ui.view_grid import View, covers, grid_for_view, same_cells, tick_or_guess

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


def grid(view=VIEW, settings=SETTINGS, tick_size=0.1):
    return grid_for_view(view, settings, now_ms=NOW_MS, tick_size=tick_size)


def test_the_users_rule_sets_the_bins():
    spec = grid()
    # height / 2.3 = 204 rows over 2,000 dollars: 9.80… dollars, rounded up to a tick.
    assert spec.price_bin == pytest.approx(9.9)
    # width / 1.15 = 852 columns over four hours: 16.9 s, so 30 s.
    assert spec.time_bin_ms == 30_000


def test_the_grid_ends_with_the_present_and_begins_with_the_window():
    spec = grid(settings=SETTINGS.replaced(window="2h"))
    assert NOW_MS - 2 * HOUR_MS - 30_000 <= spec.t0_ms <= NOW_MS - 2 * HOUR_MS
    assert NOW_MS <= spec.end_ms <= NOW_MS + 2 * spec.time_bin_ms


def test_a_view_outside_the_window_has_no_grid():
    past = dataclasses.replace(VIEW, start_ms=NOW_MS - 30 * HOUR_MS, end_ms=NOW_MS - 20 * HOUR_MS)
    assert grid(past) is None
    future = dataclasses.replace(VIEW, start_ms=NOW_MS + 1, end_ms=NOW_MS + HOUR_MS)
    assert grid(future) is None


def test_manual_resolution_is_obeyed():
    settings = SETTINGS.replaced(resolution="manual", manual_rows=100, manual_cols=240)
    spec = grid(settings=settings)
    # 100 rows on the screen plus the margin above and below, rounded to ticks.
    assert 100 <= spec.rows <= 135
    assert spec.time_bin_ms == 60_000


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
    window=st.sampled_from(["2h", "8h", "2d"]),
)
def test_any_view_gets_a_grid_that_covers_it(shift_h, span_h, low, ratio, width, height, window):
    start = NOW_MS + round(shift_h * HOUR_MS)
    view = View(start, start + max(round(span_h * HOUR_MS), 1), low, low * ratio, width, height)
    settings = SETTINGS.replaced(window=window)
    spec = grid_for_view(view, settings, now_ms=NOW_MS, tick_size=0.0001)
    hours = {"2h": 2, "8h": 8, "2d": 48}[window]
    if spec is None:
        assert view.end_ms <= NOW_MS - hours * HOUR_MS or view.start_ms >= NOW_MS
    else:
        assert covers(spec, view, window_start_ms=NOW_MS - hours * HOUR_MS, now_ms=NOW_MS)


def test_a_small_pan_needs_no_new_grid_and_a_large_one_does():
    spec = grid()
    window_start_ms = NOW_MS - 8 * HOUR_MS
    near = dataclasses.replace(VIEW, start_ms=VIEW.start_ms - 10 * 60_000, end_ms=VIEW.end_ms - 10 * 60_000)
    far = dataclasses.replace(VIEW, start_ms=VIEW.start_ms - 2 * HOUR_MS, end_ms=VIEW.end_ms - 2 * HOUR_MS)
    assert covers(spec, near, window_start_ms=window_start_ms, now_ms=NOW_MS)
    assert not covers(spec, far, window_start_ms=window_start_ms, now_ms=NOW_MS)
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
