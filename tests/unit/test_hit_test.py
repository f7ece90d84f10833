"""From the mouse to a place of the chart, and where the card goes: by hand and by properties."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.charts import GAPPED, MINUTE, PLAIN, viewport

from Heatmap.rendering.render_options import SPOT_PX
from Heatmap.ui.geometry.hit_test import TOOLTIP_DISTANCE_PX, hit_area_at, reach_px, tooltip_corner
from Heatmap.ui.geometry.viewport import BarSegment, PriceScaleMode, TimeAxis

REACH = (8.0, 4.0)


def test_a_place_by_hand():
    place = hit_area_at(viewport(), PLAIN, (50.0, 100.0), REACH)
    # Bar 5 is drawn around 50 px and stands for the minute from 5 to 6.
    assert place.time_ms == pytest.approx(5.5 * MINUTE)
    assert (place.start_ms, place.end_ms) == pytest.approx((4.7 * MINUTE, 6.3 * MINUTE))
    assert place.price == pytest.approx(105.0)
    assert (place.price_low, place.price_high) == pytest.approx((104.8, 105.2))


@pytest.mark.parametrize("at", [(-0.1, 100.0), (1000.0, 100.0), (50.0, -0.1), (50.0, 400.0)])
def test_there_is_no_place_outside_of_the_pane(at):
    assert hit_area_at(viewport(), PLAIN, at, REACH) is None


def test_an_inverted_scale():
    place = hit_area_at(viewport(price_top=90.0, price_bottom=110.0), PLAIN, (50.0, 100.0), REACH)
    assert place.price == pytest.approx(95.0)
    assert (place.price_low, place.price_high) == pytest.approx((94.8, 95.2))


@pytest.mark.parametrize(("top", "bottom"), [(1000.0, 10.0), (10.0, 1000.0)])
def test_a_logarithmic_scale(top, bottom):
    view = viewport(mode=PriceScaleMode.LOGARITHMIC, price_top=top, price_bottom=bottom)
    place = hit_area_at(view, PLAIN, (50.0, 200.0), REACH)
    assert place.price == pytest.approx(100.0)
    # 4 of 400 px are a hundredth of two decades.
    assert (place.price_low, place.price_high) == pytest.approx((100 / 10**0.02, 100 * 10**0.02))


def test_the_reach_ends_where_the_chart_leaves_out_a_stretch_of_time():
    # The gap lies at 95 px, between bar 9 and bar 10.
    before = hit_area_at(viewport(), GAPPED, (93.0, 100.0), REACH)
    assert (before.time_ms, before.start_ms, before.end_ms) == pytest.approx((9.8 * MINUTE, 9 * MINUTE, 10 * MINUTE))
    behind = hit_area_at(viewport(), GAPPED, (97.0, 100.0), REACH)
    assert (behind.time_ms, behind.start_ms, behind.end_ms) == pytest.approx((40.2 * MINUTE, 40 * MINUTE, 41 * MINUTE))


def test_the_reach_goes_on_where_only_the_interval_changes():
    axis = TimeAxis((BarSegment(0, 0, MINUTE, 10), BarSegment(10, 10 * MINUTE, 5 * MINUTE, 5)))
    place = hit_area_at(viewport(), axis, (93.0, 100.0), REACH)
    # 2 px of minutes, then 6 px of five minutes each.
    assert (place.start_ms, place.end_ms) == pytest.approx((9 * MINUTE, 13 * MINUTE))


def test_before_the_first_and_behind_the_last_bar():
    early = viewport(logical_from=-50.0, logical_to=50.0)
    assert hit_area_at(early, PLAIN, (0.0, 0.0), REACH).time_ms == pytest.approx(-49.5 * MINUTE)
    late = viewport(logical_from=60.0, logical_to=160.0)
    assert hit_area_at(late, PLAIN, (999.0, 0.0), REACH).time_ms == pytest.approx(160.4 * MINUTE)


@given(
    st.floats(0, 999),
    st.floats(0, 399),
    st.sampled_from([PLAIN, GAPPED]),
    st.sampled_from(list(PriceScaleMode)),
    st.booleans(),
)
def test_a_place_lies_within_its_reach_and_where_the_chart_draws_it(x, y, axis, mode, inverted):
    top, bottom = (90.0, 110.0) if inverted else (110.0, 90.0)
    view = viewport(price_top=top, price_bottom=bottom, mode=mode)
    place = hit_area_at(view, axis, (x, y), REACH)
    assert place.start_ms - 1e-3 <= place.time_ms <= place.end_ms + 1e-3
    assert place.price_low <= place.price <= place.price_high
    assert view.x_px(axis.logical(place.time_ms)) == pytest.approx(x, abs=1e-6)
    assert view.y_px(place.price) == pytest.approx(y, abs=1e-6)


def test_a_larger_spot_is_met_from_further_away():
    small, medium, large = (reach_px(size) for size in ("small", "medium", "large"))
    assert small < medium < large
    for size, (across, along) in SPOT_PX.items():
        assert reach_px(size)[0] > across
        assert reach_px(size)[1] > along


PANE, SIZE = (10, 20, 600, 300), (200, 100)


@pytest.mark.parametrize(
    ("mouse", "corner"),
    [
        ((100, 100), (100 + TOOLTIP_DISTANCE_PX, 100 + TOOLTIP_DISTANCE_PX)),
        ((500, 100), (300 - TOOLTIP_DISTANCE_PX, 100 + TOOLTIP_DISTANCE_PX)),
        ((100, 300), (100 + TOOLTIP_DISTANCE_PX, 200 - TOOLTIP_DISTANCE_PX)),
        ((609, 319), (409 - TOOLTIP_DISTANCE_PX, 219 - TOOLTIP_DISTANCE_PX)),
    ],
)
def test_the_tooltip_flips_at_the_edges_of_the_pane(mouse, corner):
    assert tooltip_corner(mouse, SIZE, PANE) == corner


def test_no_tooltip_where_none_fits():
    assert tooltip_corner((50, 50), SIZE, (0, 0, 199, 400)) is None
    assert tooltip_corner((50, 50), SIZE, (0, 0, 400, 99)) is None
    assert tooltip_corner((100, 50), SIZE, (0, 0, 210, 110)) is None


@given(st.data())
def test_the_tooltip_lies_in_the_pane_and_clear_of_the_mouse(data):
    left, top, width, height = 5, 7, data.draw(st.integers(1, 700)), data.draw(st.integers(1, 500))
    mouse_x, mouse_y = data.draw(st.integers(left, left + width - 1)), data.draw(st.integers(top, top + height - 1))
    corner = tooltip_corner((mouse_x, mouse_y), SIZE, (left, top, width, height))
    if corner is None:
        # Neither beside nor above or below the mouse is room enough.
        assert width < 2 * (SIZE[0] + TOOLTIP_DISTANCE_PX) or height < SIZE[1]
        assert height < 2 * (SIZE[1] + TOOLTIP_DISTANCE_PX) or width < SIZE[0]
    else:
        x, y = corner
        assert left <= x <= left + width - SIZE[0]
        assert top <= y <= top + height - SIZE[1]
        clear = TOOLTIP_DISTANCE_PX
        is_beside = x >= mouse_x + clear or x + SIZE[0] <= mouse_x - clear
        assert is_beside or y >= mouse_y + clear or y + SIZE[1] <= mouse_y - clear
