"""The user's rule for the resolution, at its documented values and at its edges."""

from __future__ import annotations

import math

import pytest

from Heatmap.aggregation import auto_spec, manual_spec, pixel_spec
from Heatmap.aggregation.resolution import auto_time_bin_ms, wanted_cols, wanted_rows
from Heatmap.errors import GridError

HOUR_MS = 3_600_000
VIEW = {
    "visible_start_ms": 1_748_736_000_000,
    "visible_end_ms": 1_748_736_000_000 + 8 * HOUR_MS,
    "price_low": 104_000.0,
    "price_high": 105_600.0,
    "width_px": 1060,
    "height_px": 550,
    "tick_size": 0.1,
}
MANUAL = {name: value for name, value in VIEW.items() if not name.endswith("_px")} | {"rows": 300, "cols": 1200}


def assert_covers(spec, view):
    assert spec.t0_ms <= view["visible_start_ms"] < spec.t0_ms + spec.time_bin_ms
    assert spec.end_ms - spec.time_bin_ms < view["visible_end_ms"] <= spec.end_ms
    slack = spec.price_bin * 1e-6
    assert spec.price0 - slack <= view["price_low"] < spec.price0 + spec.price_bin
    assert spec.price1 - spec.price_bin <= view["price_high"] <= spec.price1 + slack


def test_rows_and_columns_by_pixels():
    assert [wanted_rows(px) for px in (0, 414, 550, 700, 2000)] == [180, 180, 239, 304, 380]
    assert [wanted_cols(px) for px in (0, 920, 1060, 1780, 4000)] == [800, 800, 922, 1548, 1700]


@pytest.mark.parametrize(
    ("span_ms", "cols", "expected_s"),
    [
        (1, 800, 5),
        (6_000_000, 800, 5),  # 7.5 s lies between; the finer one
        (6_000_001, 800, 10),
        (2 * HOUR_MS, 922, 10),  # 7.8 s; the start window
        (8 * HOUR_MS, 922, 30),  # 31.2 s
        (48 * HOUR_MS, 922, 180),  # 187.4 s
        (2 * HOUR_MS, 1548, 5),  # 4.7 s; the window maximised
        (8 * HOUR_MS, 1548, 30),  # 18.6 s is nearer to 15 s, but 1700 columns of that are too few
        (48 * HOUR_MS, 1548, 120),  # 111.6 s
        (85 * HOUR_MS, 800, 180),
        (85 * HOUR_MS + 1, 800, 360),
        (365 * 24 * HOUR_MS, 1700, 18_720),
    ],
)
def test_time_bin_is_the_nearest_of_the_list(span_ms, cols, expected_s):
    assert auto_time_bin_ms(span_ms, cols) == expected_s * 1000


def test_the_start_window_over_eight_hours():
    spec = auto_spec(**VIEW)
    assert spec.time_bin_ms == 30_000
    assert spec.cols == 960
    assert spec.price_bin == pytest.approx(6.7)  # 1600 / 239 = 6.69 -> 67 ticks
    assert 239 <= spec.rows <= 241
    assert_covers(spec, VIEW)


def test_bins_are_whole_ticks_in_clean_decimals():
    spec = auto_spec(**{**VIEW, "price_low": 100.0, "price_high": 100.0 + 239 * 0.3})
    assert repr(spec.price_bin) == "0.3"


@pytest.mark.parametrize("low", [0.7, 104_000.1, 99_999.9])
@pytest.mark.parametrize("ticks", [1, 2, 3, 7, 66])
def test_a_range_of_whole_bins_is_not_made_coarser_by_rounding(low, ticks):
    view = {**VIEW, "price_low": low, "price_high": low + ticks * 239 / 10}
    assert auto_spec(**view).price_bin == pytest.approx(ticks / 10)


def test_panning_keeps_the_bins_and_their_borders():
    first = auto_spec(**VIEW)
    for step in range(1, 50):
        moved = {
            **VIEW,
            "visible_start_ms": VIEW["visible_start_ms"] + 7_001 * step,
            "visible_end_ms": VIEW["visible_end_ms"] + 7_001 * step,
            "price_low": VIEW["price_low"] + 1.3 * step,
            "price_high": VIEW["price_high"] + 1.3 * step,
        }
        spec = auto_spec(**moved)
        assert (spec.time_bin_ms, spec.price_bin) == (first.time_bin_ms, first.price_bin)
        assert_covers(spec, moved)


@pytest.mark.parametrize(
    "change",
    [
        {"price_high": 104_000.1},  # one tick
        {"price_high": 104_000.0000001},  # far less than one
        {"visible_end_ms": VIEW["visible_start_ms"] + 1},
        {"visible_end_ms": VIEW["visible_start_ms"] + 20 * 365 * 24 * HOUR_MS},
        {"price_low": -5_000.0, "price_high": 9e6},
        {"price_low": 1e-8, "price_high": 1e5, "tick_size": 1e-8},
        {"visible_start_ms": -3.7 * HOUR_MS, "visible_end_ms": 0.5},
        {"width_px": 0, "height_px": 0},
        {"width_px": 1e6, "height_px": 1e6},
    ],
)
def test_strange_views_still_get_a_grid(change):
    view = {**VIEW, **change}
    spec = auto_spec(**view)
    assert 1 <= spec.rows <= 382
    assert 1 <= spec.cols <= 1702
    assert spec.t0_ms <= view["visible_start_ms"] < view["visible_end_ms"] <= spec.end_ms
    assert spec.price0 <= view["price_low"] + spec.price_bin * 1e-6
    assert spec.price1 >= view["price_high"] - spec.price_bin * 1e-6


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"price_high": 104_000.0}, "price range"),
        ({"price_high": 1.0}, "price range"),
        ({"visible_end_ms": VIEW["visible_start_ms"]}, "time range"),
        ({"price_low": math.nan}, "price_low"),
        ({"visible_start_ms": -math.inf}, "visible_start_ms"),
        ({"tick_size": 0.0}, "tick_size"),
        ({"tick_size": math.nan}, "tick_size"),
        ({"tick_size": 1e-320}, "tick_size"),
        ({"price_low": -1e308, "price_high": 1e308}, "too far away"),
        ({"visible_end_ms": 1e300}, "time"),
        ({"visible_start_ms": -1e300, "visible_end_ms": 1e300}, "time"),
    ],
)
def test_views_that_are_none_are_refused(change, word):
    with pytest.raises(GridError, match=word):
        auto_spec(**{**VIEW, **change})


def test_a_pane_without_a_size_is_refused():
    with pytest.raises(GridError, match="width_px"):
        auto_spec(**{**VIEW, "width_px": math.nan})


def test_manual_resolution_is_met_within_the_snapping():
    spec = manual_spec(**MANUAL)
    assert spec.time_bin_ms == 24_000
    assert 1200 <= spec.cols <= 1201
    assert spec.price_bin == pytest.approx(5.4)
    assert 297 <= spec.rows <= 300
    assert_covers(spec, MANUAL)


@pytest.mark.parametrize(
    "change", [{"rows": 0}, {"cols": 0}, {"rows": 4_001}, {"cols": 4_001}, {"rows": 2.5}, {"cols": math.nan}]
)
def test_absurd_manual_sizes_are_refused(change):
    with pytest.raises(GridError, match=next(iter(change))):
        manual_spec(**{**MANUAL, **change})


def test_the_largest_manual_grid_exists_however_it_is_snapped():
    view = {**MANUAL, "visible_start_ms": 500, "visible_end_ms": 4_000_400, "price_low": 0.05, "price_high": 400.05}
    spec = manual_spec(**{**view, "rows": 4_000, "cols": 4_000})
    assert spec.rows >= 4_000
    assert spec.cols >= 4_000


PIXELS = {**VIEW, "px_per_row": 5.0, "px_per_col": 2.0}


def test_cells_have_the_pixels_that_are_asked_for():
    spec = pixel_spec(**PIXELS)
    assert spec.time_bin_ms * 1060 / (8 * HOUR_MS) == pytest.approx(2.0, rel=0.02)
    assert spec.price_bin * 550 / 1600.0 == pytest.approx(5.0, rel=0.01)
    assert_covers(spec, PIXELS)


def test_a_cell_is_never_smaller_than_asked_for():
    for px in (0.7, 1.0, 1.3, 2.5, 17.0):
        spec = pixel_spec(**{**PIXELS, "px_per_row": px, "px_per_col": px})
        assert spec.time_bin_ms * 1060 / (8 * HOUR_MS) >= px * (1 - 1e-6)
        assert spec.price_bin * 550 / 1600.0 >= px * (1 - 1e-6)


def test_whole_numbers_of_pixels_are_met_exactly():
    view = {**PIXELS, "visible_start_ms": 0, "visible_end_ms": 1_060_000, "price_low": 0.0, "price_high": 55.0}
    spec = pixel_spec(**{**view, "px_per_row": 2.0, "px_per_col": 4.0})
    assert (spec.time_bin_ms, spec.price_bin, spec.rows, spec.cols) == (4_000, 0.2, 275, 265)


@pytest.mark.parametrize("change", [{"width_px": 1e9}, {"height_px": 1e9}, {"width_px": 0}, {"px_per_col": 1e9}])
def test_strange_panes_still_get_cells(change):
    spec = pixel_spec(**{**PIXELS, **change})
    assert 1 <= spec.rows <= 4_001
    assert 1 <= spec.cols <= 4_001


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"px_per_row": 0.0}, "px_per_row"),
        ({"px_per_col": -1.0}, "px_per_col"),
        ({"px_per_col": math.nan}, "px_per_col"),
        ({"height_px": math.inf}, "height_px"),
        ({"price_high": 1.0}, "price range"),
    ],
)
def test_pixels_that_are_none_are_refused(change, word):
    with pytest.raises(GridError, match=word):
        pixel_spec(**{**PIXELS, **change})
