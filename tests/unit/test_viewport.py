"""Time and price on the screen, by hand-computed examples and by properties."""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.charts import GAPPED, MINUTE, PLAIN, viewport

from Heatmap.ui.geometry.viewport import BarSegment, PriceScaleMode, TimeAxis


def test_a_bar_stands_for_its_interval_and_is_drawn_around_its_index():
    assert PLAIN.logical(5 * MINUTE) == pytest.approx(4.5)
    assert PLAIN.logical(5.5 * MINUTE) == pytest.approx(5.0)
    assert PLAIN.logical(6 * MINUTE) == pytest.approx(5.5)


def test_time_goes_on_past_the_last_bar_and_before_the_first():
    assert PLAIN.logical(150 * MINUTE) == pytest.approx(149.5)
    assert PLAIN.logical(-10 * MINUTE) == pytest.approx(-10.5)


def test_a_gap_has_no_width():
    edge = 9.5
    assert GAPPED.logical(10 * MINUTE) == pytest.approx(edge)
    assert GAPPED.logical(25 * MINUTE) == pytest.approx(edge)
    assert GAPPED.logical(40 * MINUTE) == pytest.approx(edge)
    assert GAPPED.logical(40.5 * MINUTE) == pytest.approx(10.0)


def test_pieces_cut_at_the_gap():
    assert GAPPED.pieces(8.0, 12.0) == [
        (8.0, 9.5, 8.5 * MINUTE, 10 * MINUTE, MINUTE),
        (9.5, 12.0, 40 * MINUTE, 42.5 * MINUTE, MINUTE),
    ]


@given(st.floats(-50, 200))
def test_time_and_logical_are_inverse_without_gaps(logical):
    assert PLAIN.logical(PLAIN.time_ms(logical)) == pytest.approx(logical, abs=1e-9)


@given(
    st.lists(st.tuples(st.integers(1, 20), st.integers(0, 500), st.integers(1, 60)), min_size=1, max_size=8), st.data()
)
def test_logical_never_falls_as_time_goes_on(runs, data):
    index, start_s, segments = 0, 0, []
    for count, gap_s, step_s in runs:
        segments.append(BarSegment(index, start_s * 1000, step_s * 1000, count))
        index += count
        start_s += count * step_s + gap_s
    axis = TimeAxis(tuple(segments))
    times = sorted(data.draw(st.lists(st.integers(-10_000, start_s * 1000 + 10_000), min_size=2, max_size=20)))
    places = [axis.logical(time) for time in times]
    assert all(a <= b + 1e-9 for a, b in itertools.pairwise(places))


@given(st.floats(1, 1e5), st.floats(1, 1e5), st.floats(0, 400), st.sampled_from(PriceScaleMode))
def test_price_and_y_are_inverse_in_every_mode(top, bottom, y, mode):
    if math.isclose(top, bottom, rel_tol=1e-3):
        return
    view = viewport(price_top=top, price_bottom=bottom, mode=mode)
    assert view.y_px(view.price(y)) == pytest.approx(y, abs=1e-6)


def test_logarithmic_scale_puts_the_geometric_mean_in_the_middle():
    view = viewport(price_top=400.0, price_bottom=100.0, mode=PriceScaleMode.LOGARITHMIC)
    assert view.price(200.0) == pytest.approx(200.0)
    assert viewport(price_top=400.0, price_bottom=100.0).price(200.0) == pytest.approx(250.0)


def test_an_inverted_scale_has_the_low_price_on_top():
    view = viewport(price_top=90.0, price_bottom=110.0)
    assert view.y_px(90.0) == 0.0
    assert (view.price_low, view.price_high) == (90.0, 110.0)


class CountedSegments(tuple):
    """Counts how many segments are looked at."""

    __slots__ = ()
    looks = 0

    def __getitem__(self, number):
        CountedSegments.looks += 1
        return super().__getitem__(number)

    def __iter__(self):
        CountedSegments.looks += len(self)
        return super().__iter__()


def test_a_frame_looks_only_at_the_segments_in_sight():
    # Bars that are never evenly spaced: each is a segment of its own.
    segments = CountedSegments(BarSegment(k, k * k * MINUTE, MINUTE, 1) for k in range(50_000))
    axis = TimeAxis(segments)
    CountedSegments.looks = 0
    assert len(axis.pieces(30_000.0, 30_100.0)) == 101
    assert axis.time_ms(30_000.0) == (30_000**2 + 0.5) * MINUTE
    assert axis.logical(30_000**2 * MINUTE) == 29_999.5
    assert CountedSegments.looks < 500


@given(
    st.lists(st.integers(1, 4), min_size=1, max_size=6),
    st.floats(-10, 40),
    st.floats(0.01, 30),
)
def test_pieces_cover_the_range_without_a_gap(counts, first, width):
    segments, index, start_ms = [], 0, 0
    for count in counts:
        segments.append(BarSegment(index, start_ms, MINUTE, count))
        index, start_ms = index + count, start_ms + (count + 7) * MINUTE
    pieces = TimeAxis(tuple(segments)).pieces(first, first + width)
    assert pieces[0][0] == first
    assert pieces[-1][1] == first + width
    assert all(before[1] == after[0] and before[3] <= after[2] for before, after in itertools.pairwise(pieces))


INTERVALS_MS = [1000, 5000, MINUTE, 5 * MINUTE, 60 * MINUTE, 24 * 60 * MINUTE, 7 * 24 * 60 * MINUTE]


@pytest.mark.parametrize("step_ms", INTERVALS_MS)
@given(st.floats(-500, 500))
def test_any_interval_maps_there_and_back(step_ms, logical):
    axis = TimeAxis((BarSegment(0, 1_760_000_000_000, step_ms, 120),))
    assert axis.logical(axis.time_ms(logical)) == pytest.approx(logical, abs=1e-3 if step_ms < MINUTE else 1e-6)


def test_months_differ_in_length_and_have_no_gaps():
    days = (31, 28, 31, 30, 31, 30)
    start, segments = 0, []
    for index, length in enumerate(days):
        segments.append(BarSegment(index, start, length * 24 * 60 * MINUTE, 1))
        start += length * 24 * 60 * MINUTE
    axis = TimeAxis(tuple(segments))
    # The middle of each month is at its bar; the months touch.
    for index, segment in enumerate(segments):
        assert axis.logical(segment.start_ms + segment.step_ms / 2) == pytest.approx(index)
        assert axis.logical(segment.end_ms) == pytest.approx(index + 0.5)


def test_a_missing_bar_is_a_gap_of_its_own_width():
    axis = TimeAxis((BarSegment(0, 0, MINUTE, 5), BarSegment(5, 6 * MINUTE, MINUTE, 5)))
    assert axis.logical(4.5 * MINUTE) == pytest.approx(4.0)
    assert axis.logical(5.5 * MINUTE) == pytest.approx(4.5), "the minute without a bar has no width"
    assert axis.logical(6.5 * MINUTE) == pytest.approx(5.0)


@given(st.integers(1, 100_000), st.floats(-200, 300))
def test_prepended_history_moves_the_index_and_not_the_place(more, logical):
    """A host loads older bars: every index grows, the chart scrolls with it, and a time stays on its pixel."""
    before = TimeAxis((BarSegment(0, 10**6 * MINUTE, MINUTE, 200),))
    after = TimeAxis((BarSegment(0, (10**6 - more) * MINUTE, MINUTE, 200 + more),))
    moved = viewport(logical_from=float(more), logical_to=100.0 + more)
    time_ms = before.time_ms(logical)
    assert moved.x_px(after.logical(time_ms)) == pytest.approx(viewport().x_px(logical), abs=1e-3)


def test_another_interval_keeps_a_time_inside_its_bar():
    five = TimeAxis((BarSegment(0, 0, 5 * MINUTE, 20),))
    for minute in range(100):
        bar = PLAIN.logical((minute + 0.5) * MINUTE)
        assert math.floor(five.logical((minute + 0.5) * MINUTE) + 0.5) == math.floor(bar + 0.5) // 5


@given(st.integers(200, 4000), st.integers(150, 2500))
def test_a_resized_chart_keeps_its_right_edge_and_its_prices(width, height):
    view = viewport(ratio=1.25, page_px=(1400, 700))
    resized = view.resized((width, height))
    assert resized.bar_spacing_px == pytest.approx(view.bar_spacing_px)
    if resized.width_px > 1:
        assert resized.logical(resized.width_px) == pytest.approx(view.logical(view.width_px))
    assert resized.price(0) == view.price(0)
    assert resized.price(resized.height_px) == pytest.approx(view.price(view.height_px))
