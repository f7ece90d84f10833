"""From the mouse to a place of the chart, and where the card goes: by hand and by properties."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.charts import GAPPED, MINUTE, PLAIN, viewport

from Heatmap.rendering.render_options import SPOT_PX
from Heatmap.ui.geometry.hit_test import TOOLTIP_DISTANCE_PX, hit_point_at, is_near, tooltip_corner
from Heatmap.ui.geometry.viewport import PriceScaleMode


def test_a_place_by_hand():
    place = hit_point_at(viewport(), PLAIN, (50.0, 100.0))
    # Bar 5 is drawn around 50 px and stands for the minute from 5 to 6.
    assert place.time_ms == pytest.approx(5.5 * MINUTE)
    assert place.price == pytest.approx(105.0)


@pytest.mark.parametrize("at", [(-0.1, 100.0), (1000.0, 100.0), (50.0, -0.1), (50.0, 400.0)])
def test_there_is_no_place_outside_of_the_pane(at):
    assert hit_point_at(viewport(), PLAIN, at) is None


def test_an_inverted_scale():
    place = hit_point_at(viewport(price_top=90.0, price_bottom=110.0), PLAIN, (50.0, 100.0))
    assert place.price == pytest.approx(95.0)


@pytest.mark.parametrize(("top", "bottom"), [(1000.0, 10.0), (10.0, 1000.0)])
def test_a_logarithmic_scale(top, bottom):
    view = viewport(mode=PriceScaleMode.LOGARITHMIC, price_top=top, price_bottom=bottom)
    place = hit_point_at(view, PLAIN, (50.0, 200.0))
    assert place.price == pytest.approx(100.0)


def test_beside_a_time_that_the_chart_leaves_out():
    # The gap lies at 95 px, between bar 9 and bar 10.
    assert hit_point_at(viewport(), GAPPED, (93.0, 100.0)).time_ms == pytest.approx(9.8 * MINUTE)
    assert hit_point_at(viewport(), GAPPED, (97.0, 100.0)).time_ms == pytest.approx(40.2 * MINUTE)


def test_before_the_first_and_behind_the_last_bar():
    early = viewport(logical_from=-50.0, logical_to=50.0)
    assert hit_point_at(early, PLAIN, (0.0, 0.0)).time_ms == pytest.approx(-49.5 * MINUTE)
    late = viewport(logical_from=60.0, logical_to=160.0)
    assert hit_point_at(late, PLAIN, (999.0, 0.0)).time_ms == pytest.approx(160.4 * MINUTE)


@given(
    st.floats(0, 999),
    st.floats(0, 399),
    st.sampled_from([PLAIN, GAPPED]),
    st.sampled_from(list(PriceScaleMode)),
    st.booleans(),
)
def test_a_place_lies_where_the_chart_draws_it(x, y, axis, mode, inverted):
    top, bottom = (90.0, 110.0) if inverted else (110.0, 90.0)
    view = viewport(price_top=top, price_bottom=bottom, mode=mode)
    place = hit_point_at(view, axis, (x, y))
    assert view.x_px(axis.logical(place.time_ms)) == pytest.approx(x, abs=1e-6)
    assert view.y_px(place.price) == pytest.approx(y, abs=1e-6)


def test_a_point_stays_near_within_the_size_of_a_spot():
    point = hit_point_at(viewport(), PLAIN, (50.0, 100.0))
    for size, (across, along) in SPOT_PX.items():
        for x, y, near in ((2.4 * across, 0, True), (2.6 * across, 0, False), (0, 2.4 * along, True),
                           (0, -2.6 * along, False), (2 * across, 2 * along, False)):  # fmt: skip
            assert is_near(viewport(), PLAIN, point, (50.0 + x, 100.0 + y), spot_size=size) is near
    moved = viewport(logical_from=20.0, logical_to=120.0)
    assert not is_near(moved, PLAIN, point, (50.0, 100.0), spot_size="large")


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
