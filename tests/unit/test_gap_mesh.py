"""Which time nobody recorded, and where it lies."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.charts import shifted_viewport

from Heatmap.events import Coverage
from Heatmap.rendering.event_window import LIVE_EDGE_MS, gaps_between
from Heatmap.ui.geometry.heat_mesh import gap_mesh, is_any_in_sight
from Heatmap.ui.geometry.viewport import BarSegment, TimeAxis

MINUTE = 60_000
NOW_MS = 100 * MINUTE
VIEW = shifted_viewport(ratio=1.5, price_top=2.0, price_bottom=1.0)

SPACING_PX = 14


def covered(*stretches) -> list[Coverage]:
    return [Coverage("binance", "BTCUSDT", start, end) for start, end in stretches]


def test_what_is_not_covered_is_a_gap():
    known = covered((10 * MINUTE, 20 * MINUTE), (30 * MINUTE, NOW_MS - 4000))
    assert gaps_between(known, 0, NOW_MS) == ((0, 10 * MINUTE), (20 * MINUTE, 30 * MINUTE))


def test_nothing_known_is_one_gap():
    assert gaps_between([], 5, NOW_MS) == ((5, NOW_MS),)


def test_the_last_seconds_before_now_are_no_gap_but_a_dead_collector_is():
    assert gaps_between(covered((0, NOW_MS - LIVE_EDGE_MS)), 0, NOW_MS) == ()
    dead = covered((0, NOW_MS - LIVE_EDGE_MS - 1))
    assert gaps_between(dead, 0, NOW_MS) == ((NOW_MS - LIVE_EDGE_MS - 1, NOW_MS),)


def test_coverage_beyond_the_window_says_nothing():
    assert gaps_between(covered((-50, 10), (NOW_MS + 5, NOW_MS + 9)), 0, NOW_MS) == ((10, NOW_MS),)
    assert gaps_between(covered((0, NOW_MS + 3000)), 10, NOW_MS) == ()


@given(st.lists(st.integers(0, NOW_MS - LIVE_EDGE_MS), min_size=2, max_size=12, unique=True))
def test_gaps_and_coverage_together_are_the_window(edges):
    edges = sorted(edges[: len(edges) // 2 * 2])
    stretches = list(zip(edges[::2], edges[1::2], strict=True))
    gaps = gaps_between(covered(*stretches), 0, NOW_MS)
    whole = sorted([*gaps, *stretches])
    assert whole[0][0] == 0
    assert all(left[1] == right[0] for left, right in pairwise(whole))
    assert NOW_MS - whole[-1][1] <= LIVE_EDGE_MS


def test_a_gap_lies_where_its_time_is():
    axis = TimeAxis((BarSegment(0, 0, MINUTE, 30), BarSegment(30, 50 * MINUTE, MINUTE, 60)))
    mesh = gap_mesh(VIEW, axis, ((10 * MINUTE, 20 * MINUTE),), SPACING_PX)
    assert mesh.dtype == np.float32
    left, right = ((8.0 + VIEW.x_px(axis.logical(time))) * 1.5 for time in (10 * MINUTE, 20 * MINUTE))
    assert mesh[:, 0].min() == pytest.approx(left)
    assert mesh[:, 0].max() == pytest.approx(right)
    assert (mesh[:, 1].min(), mesh[:, 1].max()) == (6.0, 456.0)
    # The first column counts from the gap's beginning, to which it is nearest.
    assert set((mesh[:, 2] + math.ceil(left - 0.5)) % SPACING_PX) <= {0.0, 1.0}
    assert len(set(mesh[:, 2])) == 1


def test_time_that_the_chart_leaves_out_is_not_hatched():
    axis = TimeAxis((BarSegment(0, 0, MINUTE, 30), BarSegment(30, 50 * MINUTE, MINUTE, 60)))
    assert gap_mesh(VIEW, axis, ((30 * MINUTE, 50 * MINUTE),), SPACING_PX).shape == (0, 3)
    across = gap_mesh(VIEW, axis, ((29 * MINUTE, 52 * MINUTE),), SPACING_PX)
    # A minute before the seam and two after it.
    assert across[:, 0].max() - across[:, 0].min() == pytest.approx(3 * VIEW.bar_spacing_px * 1.5)


def test_no_gap_no_triangle():
    assert gap_mesh(VIEW, TimeAxis((BarSegment(0, 0, MINUTE, 30),)), (), SPACING_PX).shape == (0, 3)


def test_a_collapsed_gap_a_hair_inside_the_panes_edge():
    """Its piece of the axis is so narrow that no time lies in it; an exception while painting would end the host."""
    start_ms = 1_795_000_000_000 // MINUTE * MINUTE
    axis = TimeAxis((BarSegment(0, start_ms, MINUTE, 30), BarSegment(30, start_ms + 60 * MINUTE, MINUTE, 60)))
    edge = math.nextafter(29.5, 0.0)
    view = replace(VIEW, logical_from=edge, logical_to=edge + 90.0, x_from_px=0.0, x_to_px=900.0)
    vertices = gap_mesh(view, axis, ((start_ms, start_ms + 70 * MINUTE),), SPACING_PX)
    assert np.isfinite(vertices).all()
    assert vertices[:, 0].max() == pytest.approx((view.left_px + 100.0) * view.ratio, abs=1e-3)


@pytest.mark.parametrize("gap", [(-90, -80), (-5, 0), (0, 1), (29, 31), (31, 49), (60, 300), (200, 300)])
def test_a_gap_is_in_sight_where_it_is_hatched(gap):
    """From before the first bar to past the last one, and where bars are left out."""
    axis = TimeAxis((BarSegment(0, 0, MINUTE, 30), BarSegment(30, 50 * MINUTE, MINUTE, 60)))
    gaps = ((gap[0] * MINUTE, gap[1] * MINUTE),)
    assert is_any_in_sight(VIEW, axis, gaps) == (len(gap_mesh(VIEW, axis, gaps, SPACING_PX)) > 0)
    assert not is_any_in_sight(VIEW, axis, ())
    # A collector that was started anew leaves a gap of some seconds: on minutes of 10 px nothing to be explained.
    assert not is_any_in_sight(VIEW, axis, ((3 * MINUTE, 3 * MINUTE + 3000),))
