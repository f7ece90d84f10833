"""The line where the window begins: on the pixel before its first moment, within the pane, and not out of sight."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.charts import shifted_viewport

from Heatmap.ui.geometry.background import BackgroundRect, begins_in_sight, window_start_line
from Heatmap.ui.geometry.viewport import BarSegment, TimeAxis
from Heatmap.vocabulary import FITTED_PX

MINUTE = 60_000
AXIS = TimeAxis((BarSegment(0, 0, MINUTE, 30), BarSegment(30, 50 * MINUTE, MINUTE, 60)))
# 10 CSS pixels a minute; the pane begins at the middle of the first bar.
VIEW = shifted_viewport(ratio=1.5, x_from_px=0.0, x_to_px=900.0, price_top=2.0, price_bottom=1.0)
DARK, LIGHT = (0.1, 0.1, 0.2), (0.9, 1.0, 0.9)
GROUND = (BackgroundRect(0, 0, 1400, 500, LIGHT), BackgroundRect(12, 6, 1400, 460, DARK))


def test_it_ends_where_the_window_begins_and_spans_the_pane():
    # Minute 10 begins half a bar before the middle of bar 10: (8 + 95) * 1.5 = 154.5.
    (mark,) = window_start_line(VIEW, AXIS, 10 * MINUTE, GROUND)
    assert mark[:4] == (152, 6, 154, 456)


def test_a_beginning_in_a_gap_lies_at_the_next_bar():
    marks = [window_start_line(VIEW, AXIS, minute * MINUTE, GROUND) for minute in (30, 40, 50)]
    assert marks[0] == marks[1] == marks[2]
    assert marks[0][0].right == round((8 + 295) * 1.5)


def test_it_lies_before_the_first_bar_too():
    early = replace(VIEW, logical_from=-20.0, logical_to=70.0)
    (mark,) = window_start_line(early, AXIS, -5 * MINUTE, GROUND)
    assert mark.right == round((8 + 145) * 1.5)


def test_out_of_sight_there_is_none():
    assert window_start_line(VIEW, AXIS, -MINUTE, GROUND) == ()
    assert window_start_line(VIEW, AXIS, 200 * MINUTE, GROUND) == ()
    assert not begins_in_sight(None, AXIS, 0)
    assert not begins_in_sight(VIEW, None, 0)
    assert not begins_in_sight(VIEW, AXIS, None)


def test_a_chart_that_fits_the_window_has_no_line_at_its_edge():
    edge_ms = round((FITTED_PX / 10 + 0.5) * MINUTE)
    assert not begins_in_sight(VIEW, AXIS, edge_ms)
    assert begins_in_sight(VIEW, AXIS, edge_ms + 1000)


@pytest.mark.parametrize("color", [DARK, LIGHT, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0), (0.5, 0.5, 0.5)])
def test_it_is_seen_on_every_ground_and_quiet(color):
    (mark,) = window_start_line(VIEW, AXIS, 10 * MINUTE, (GROUND[0], BackgroundRect(12, 6, 1400, 460, color)))
    apart = [abs(over - under) for over, under in zip(mark.color, color, strict=True)]
    assert 0.1 < max(apart) < 0.35


@given(
    start=st.integers(-200 * MINUTE, 400 * MINUTE),
    left=st.floats(-50, 2000),
    ratio=st.floats(0.5, 3),
    spacing=st.floats(0.5, 60),
    size=st.tuples(st.integers(1, 3000), st.integers(1, 2000)),
)
def test_it_never_leaves_pane_and_view(start, left, ratio, spacing, size):
    view = replace(VIEW, left_px=left, ratio=ratio, logical_to=900.0 / spacing)
    for mark in window_start_line(view, AXIS, start, (BackgroundRect(0, 0, *size, DARK),)):
        assert 0 <= mark.left < mark.right <= size[0]
        assert 0 <= mark.top < mark.bottom <= size[1]
        assert mark.left >= round(left * ratio)
        assert mark.right <= round((left + view.width_px) * ratio)
        assert mark.right - mark.left <= max(1, round(ratio))
