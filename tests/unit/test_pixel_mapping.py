"""Which cells each pixel shows: against the mapping of the viewport, pixel by pixel."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.charts import shifted_viewport

from Heatmap.aggregation import GridSpec
from Heatmap.aggregation.resampler import WHOLE
from Heatmap.ui.geometry.pixel_mapping import (
    AxisSegment,
    Pane,
    columns_at,
    gaps_across,
    pane_of,
    prices_down,
    rows_at,
    shown_cells,
    times_across,
)
from Heatmap.ui.geometry.viewport import BarSegment, PriceScaleMode, TimeAxis, Viewport

MINUTE = 60_000
SIZE = (1100, 700)
AXES = {
    "plain": TimeAxis((BarSegment(0, 0, MINUTE, 90),)),
    "a gap": TimeAxis((BarSegment(0, 0, MINUTE, 30), BarSegment(30, 50 * MINUTE, MINUTE, 60))),
    "never evenly spaced": TimeAxis(tuple(BarSegment(k, k * k * MINUTE, (2 * k + 1) * MINUTE, 1) for k in range(90))),
}


def viewport(**changes) -> Viewport:
    return shifted_viewport(**({"width_px": 500.0, "x_to_px": 505.0} | changes))


def stretch(*edges: float) -> AxisSegment:
    at = np.array(edges, float)
    return AxisSegment(at[:-1], 0.5 * (at[:-1] + at[1:]), at[1:])


@pytest.mark.parametrize("axis", AXES.values(), ids=AXES)
@pytest.mark.parametrize("ratio", [1.0, 1.25, 1.5, 2.0])
@pytest.mark.parametrize("shift", [0.0, -70.0, 55.5])
def test_columns_have_the_times_that_the_viewport_says(axis, ratio, shift):
    view = viewport(ratio=ratio, logical_from=shift, logical_to=90.0 + shift)
    pane = pane_of(view, SIZE)
    times, ms_per_px = times_across(view, axis, pane)
    assert len(times.middle) == pane.right - pane.left
    for number, x in enumerate(range(pane.left, pane.right)):
        logical = view.logical((x + 0.5) / ratio - view.left_px)
        # On the edge of a piece both times are right.
        near = [axis.time_ms(logical + step) for step in (-1e-9, 1e-9)]
        assert min(near) - 1.0 <= times.middle[number] <= max(near) + 1.0
        assert times.begin[number] < times.middle[number] < times.end[number]
    np.testing.assert_allclose(times.end - times.begin, ms_per_px)
    np.testing.assert_allclose(times.begin + 0.5 * ms_per_px, times.middle)
    # But for where a piece ends, nothing lies between two pixels.
    pieces = axis.pieces(view.logical(0.0), view.logical(view.width_px))
    assert (times.begin[1:] != times.end[:-1]).sum() <= len(pieces) - 1


@given(
    st.sampled_from(PriceScaleMode),
    st.booleans(),
    st.sampled_from([1.0, 1.25, 1.5, 2.0]),
    st.floats(-20, 40),
    st.floats(30, 500),
)
def test_rows_have_the_prices_that_the_viewport_says(mode, inverted, ratio, top_px, height_px):
    prices = (85.0, 115.0) if inverted else (115.0, 85.0)
    view = viewport(
        mode=mode, ratio=ratio, top_px=top_px, height_px=height_px, price_top=prices[0], price_bottom=prices[1]
    )
    pane = pane_of(view, SIZE)
    found = prices_down(view, pane)
    for number, y in enumerate(range(pane.top, pane.bottom)):
        assert found.middle[number] == pytest.approx(view.price((y + 0.5) / ratio - top_px))
        assert found.begin[number] == pytest.approx(view.price(y / ratio - top_px))
    np.testing.assert_array_equal(found.begin[1:], found.end[:-1])


@pytest.mark.parametrize(
    ("changes", "wanted"),
    [
        ({}, Pane(8, 4, 508, 304)),
        # A pixel is the pane's if its middle is.
        ({"left_px": 8.4, "top_px": 3.6}, Pane(8, 4, 508, 304)),
        ({"left_px": 8.6, "width_px": 499.8}, Pane(9, 4, 508, 304)),
        ({"left_px": -20.0, "width_px": 5000.0, "height_px": 900.0}, Pane(0, 4, 1100, 700)),
        ({"ratio": 1.5}, Pane(12, 6, 762, 456)),
        ({"top_px": 800.0}, None),
        ({"width_px": 0.3}, None),
    ],
)
def test_the_panes_pixels(changes, wanted):
    assert pane_of(viewport(**changes), SIZE) == wanted


def test_large_cells_show_where_their_pixels_middles_lie():
    cells = shown_cells(stretch(-1.0, -0.2, 0.3, 0.9, 1.4, 2.1, 2.8, 3.5), 3, smooth=False)
    # Middles at -0.6, 0.05, 0.6, 1.15, 1.75, 2.45, 3.15 of three cells.
    assert cells[0].tolist() == [-1, 0, 0, 1, 1, 2, -1]
    assert cells[1].tolist() == [-2, 0, 0, 1, 1, 2, -2]
    assert not cells[2].any()


@given(st.floats(1.01, 40.0), st.floats(-200, 50), st.integers(1, 300), st.booleans())
def test_each_small_cell_belongs_to_one_pixel(cells_per_px, offset, count, flipped):
    edges = offset + cells_per_px * np.arange(120)
    at = AxisSegment(edges[:-1], 0.5 * (edges[:-1] + edges[1:]), edges[1:])
    if flipped:
        at = AxisSegment(at.end[::-1], at.middle[::-1], at.begin[::-1])
    first, last, _ = shown_cells(at, count, smooth=False)
    held = np.zeros(count, int)
    for a, b in zip(first, last, strict=True):
        if a >= 0:
            held[a : b + 1] += 1
    middles = np.arange(count) + 0.5
    in_sight = (middles > edges[0] + 1e-6) & (middles < edges[-1] - 1e-6)
    assert (held[in_sight] == 1).all()
    inside = np.flatnonzero(first >= 0)
    assert len(inside) == 0 or len(inside) == inside[-1] - inside[0] + 1, "without gaps"


@given(st.floats(0.01, 0.99), st.floats(-5, 20), st.integers(1, 12))
def test_a_smooth_pixel_lies_between_the_two_middles_next_to_it(cells_per_px, offset, count):
    edges = offset + cells_per_px * np.arange(30)
    at = AxisSegment(edges[:-1], 0.5 * (edges[:-1] + edges[1:]), edges[1:])
    for middle, first, last, share in zip(at.middle, *shown_cells(at, count, smooth=True), strict=True):
        if not 0 <= middle < count:
            assert (first, last, share) == (-1, -2, 0)
            continue
        position = (first + 0.5) + (last - first) * share / WHOLE
        # Beyond the outermost middles the outermost cell goes on.
        assert position == pytest.approx(min(max(middle, 0.5), count - 0.5), abs=0.5 / WHOLE + 1e-9)


def test_cells_of_the_grid():
    spec = GridSpec(t0_ms=10 * MINUTE, time_bin_ms=2 * MINUTE, cols=5, price0=100.0, price_bin=0.5, rows=8)
    assert columns_at(stretch(10 * MINUTE, 12 * MINUTE), spec) == ([0.0], [0.5], [1.0])
    assert rows_at(stretch(104.0, 103.5, 100.0), spec).begin.tolist() == [0.0, 1.0]
    assert rows_at(stretch(104.0, 103.5, 100.0), spec).widest == pytest.approx(7.0)


def test_gaps_are_spans_of_columns():
    view, axis = viewport(), AXES["a gap"]
    pane = pane_of(view, SIZE)
    times, ms_per_px = times_across(view, axis, pane)
    # The second one lies where the chart has no bars; the third is out of sight.
    gaps = ((10 * MINUTE, 20 * MINUTE), (31 * MINUTE, 49 * MINUTE), (900 * MINUTE, 901 * MINUTE))
    spans, along = gaps_across(times, ms_per_px, gaps)
    edges = [view.left_px + view.x_px(axis.logical(time)) - pane.left for time in gaps[0]]
    assert spans.tolist() == [[math.ceil(edge - 0.5) for edge in edges]]
    first, last = spans[0]
    np.testing.assert_allclose(along[first:last], np.arange(first, last) + 0.5 - edges[0], atol=0.51)
    assert set(np.diff(along[first:last])) == {1}
    assert not along[:first].any()
    assert not along[last:].any()


def test_a_gap_that_begins_far_to_the_left_is_measured_in_whole_pixels():
    """Bars of a second, zoomed in: a time of today is counted in quarters of a microsecond, a pixel in milliseconds."""
    today_ms = 1_795_000_000_000
    axis = TimeAxis((BarSegment(0, today_ms, 1000, 90),))
    view = viewport(ratio=2.0, logical_from=20.0, logical_to=21.0, x_from_px=0.0, x_to_px=300.0)
    pane = pane_of(view, SIZE)
    times, ms_per_px = times_across(view, axis, pane)
    begin_ms = today_ms - 4 * 3600 * 1000
    spans, along = gaps_across(times, ms_per_px, ((begin_ms, today_ms + 90_000),))
    assert spans.tolist() == [[0, pane.right - pane.left]]
    assert set(np.diff(along)) == {1}
    assert along[0] > 8_000_000


def test_a_piece_of_no_width_and_bars_that_overlap():
    """A gap a hair inside the pane's edge; bars whose last ones the next run has again."""
    start = math.nextafter(29.5, 0.0)
    view = viewport(logical_from=start, logical_to=start + 50.0, x_from_px=0.0, x_to_px=500.0)
    pane = pane_of(view, SIZE)
    times, ms_per_px = times_across(view, AXES["a gap"], pane)
    assert times.middle[0] == pytest.approx(50 * MINUTE + 0.05 * MINUTE, abs=1)
    np.testing.assert_allclose(ms_per_px, MINUTE / 10)
    overlapping = TimeAxis((BarSegment(0, 0, MINUTE, 30), BarSegment(30, 10 * MINUTE, MINUTE, 60)))
    times, ms_per_px = times_across(viewport(), overlapping, pane)
    first, last, _ = shown_cells(
        columns_at(times, GridSpec(t0_ms=0, time_bin_ms=MINUTE, cols=15, price0=0.0, price_bin=1.0, rows=1)),
        15,
        smooth=False,
    )
    assert (np.diff((first >= 0).astype(int)) != 0).sum() == 4, "in, out, in again, and out"
    np.testing.assert_array_equal(last[first < 0], -2)
    _, along = gaps_across(times, ms_per_px, ((5 * MINUTE, 20 * MINUTE),))
    assert (along >= 0.0).all()
