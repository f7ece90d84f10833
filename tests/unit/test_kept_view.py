"""Times and positions of a chart's bars, with a gap between them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from Heatmap.app.kept_view import BarTimes, LiveView, PastView

# Bars at 0, 10 and 20, a gap of three, then 60.
BARS = BarTimes([0, 10, 20, 60], 10)


@pytest.mark.parametrize(
    ("position", "time_ms"),
    [(-0.5, 0), (0.0, 5), (0.5, 10), (2.0, 25), (2.5, 60), (3.0, 65), (5.5, 90), (-3.5, -30)],
)
def test_a_position_has_the_time_of_its_bar(position, time_ms):
    assert BARS.time_at(position) == time_ms
    assert BARS.position_at(time_ms) == position


def test_a_time_in_a_gap_is_where_the_next_bar_begins():
    assert BARS.position_at(45) == 2.5


@given(st.integers(-200, 2000), st.integers(4, 1200), st.integers(1, 60))
def test_bars_of_the_same_length_show_a_view_as_it_was(left_quarters, width_quarters, count):
    left, width = left_quarters / 4, width_quarters / 4
    bars = BarTimes([10 * k for k in range(100, 100 + count)], 10)
    view = bars.view_of(left, left + width)
    shown = bars.positions_of(view, max_older=1000)
    assert shown == pytest.approx((left, left + width), abs=1e-6)
    assert bars.is_same(bars.view_of(*shown), view)


def test_the_chart_follows_while_the_newest_bar_is_in_view():
    assert BARS.view_of(1, 3) == LiveView(20, 0, 10)
    assert BARS.view_of(1, 2.5) == PastView(15, 60, 10)
    assert BARS.view_of(3.5, 9) == PastView(70, 125, 10)
    assert not BARS.is_same(LiveView(20, 0, 10), PastView(15, 60, 10))
    assert not BARS.is_same(LiveView(20, 0, 10), LiveView(20, 2, 10))
    assert not BARS.is_same(PastView(15, 60, 10), PastView(30, 60, 10))
