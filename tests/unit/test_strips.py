"""Where the strips lie: each sum at its price or its bar, as long as it is large, and what the mouse finds there."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.charts import GAPPED, MINUTE, PLAIN, viewport

from Heatmap.event_columns import EventColumns
from Heatmap.heatmap_settings import HeatmapSettings
from Heatmap.rendering.bar_coverage import BarState
from Heatmap.rendering.event_window import RecordGaps
from Heatmap.rendering.view_sums import ViewSums, shown_events, view_sums
from Heatmap.ui.geometry.strips import (
    LANE_PX,
    Hit,
    bands_of,
    bar_boxes,
    bar_places,
    hit,
    lane_boxes,
    profile_boxes,
)
from Heatmap.ui.geometry.viewport import BarSegment, PriceScaleMode, TimeAxis, Viewport, visible_range

LONG, SHORT = 0, 1
VIEW = viewport()
ALL = {"profile": True, "bars": True, "lane": True}
# Minute, price, dollars, and whether it was a long.
EVENTS = [(5, 100.0, 400.0, True), (5.5, 100.4, 100.0, False), (7, 95.2, 250.0, False), (8, 130.0, 60.0, True)]


def sums_of(view: Viewport, axis: TimeAxis = PLAIN, events=EVENTS, **changes) -> ViewSums:
    minutes, price, usd, is_long = (np.array(column) for column in zip(*events, strict=True))
    columns = EventColumns((minutes * MINUTE).astype(np.int64), price, usd, is_long)
    chosen, window = HeatmapSettings(), (0, 100 * MINUTE)
    options = {"window_ms": window, "tick_size": 0.1, **changes}
    sums = view_sums(shown_events(columns, chosen, 0), visible_range(view, axis), chosen, **options)
    assert sums is not None
    return sums


def test_a_row_of_the_profile_lies_at_its_price_and_is_as_long_as_its_sum():
    sums, bands = sums_of(VIEW), bands_of(VIEW, **ALL)
    assert sums.price_step == 0.5  # 20 px for one dollar, at least 8 px a row
    boxes = profile_boxes(sums, VIEW, bands)
    room_px = 1000.0 - bands.profile_left_px
    # Of each row first the long: both are stacked, the largest row is as long as the room.
    assert boxes.kinds.tolist() == [LONG, LONG, SHORT, SHORT]
    short_at_95, both_at_100 = boxes.edges_px[2], boxes.edges_px[[1, 3]]
    assert both_at_100[:, 1] == pytest.approx([VIEW.y_px(100.5)] * 2)
    assert both_at_100[:, 3] == pytest.approx([VIEW.y_px(100.0) - 1] * 2)  # a gap of one pixel to the next row
    assert both_at_100[0, [0, 2]] == pytest.approx([1000 - 0.8 * room_px, 1000])
    assert both_at_100[1, [0, 2]] == pytest.approx([1000 - room_px, 1000 - 0.8 * room_px])
    assert short_at_95[[0, 2]] == pytest.approx([1000 - 0.5 * room_px, 1000])
    assert (sums.above, sums.below) == ((60.0, 0.0), (0.0, 0.0))


def test_a_bar_lies_at_its_candle_and_is_as_high_as_its_sum():
    bands, sums = bands_of(VIEW, **ALL), sums_of(VIEW)
    boxes = bar_boxes(sums.bars, bar_places(sums.bars, PLAIN), VIEW, bands)
    assert boxes.kinds.tolist() == [LONG] * 3 + [SHORT] * 3
    room_px = bands.lane_top_px - bands.bars_top_px
    middles = boxes.edges_px[:, [0, 2]].mean(axis=1)
    assert middles.tolist() == pytest.approx([VIEW.x_px(bar) for bar in (5, 7, 8)] * 2)
    heights = boxes.edges_px[:, 3] - boxes.edges_px[:, 1]
    assert heights == pytest.approx(np.array([400, 0, 60, 100, 250, 0]) / 500 * room_px)
    assert bands.lane_top_px == 400 - LANE_PX


def test_a_newer_axis_does_not_move_the_bars():
    sums = sums_of(VIEW)
    later = TimeAxis((BarSegment(-40, -40 * MINUTE, MINUTE, 300),))
    assert bar_places(sums.bars, PLAIN).index.tolist() == bar_places(sums.bars, later).index.tolist()
    prepended = TimeAxis((BarSegment(40, 0, MINUTE, 100),))
    moved = bar_places(sums.bars, prepended).index - bar_places(sums.bars, PLAIN).index
    assert set(moved.tolist()) == {40}


def test_the_lane_shows_runs_of_bars_and_leaves_out_what_the_chart_leaves_out():
    sums = sums_of(
        VIEW,
        GAPPED,
        gaps=RecordGaps(((4 * MINUTE, 6 * MINUTE + 1), (42 * MINUTE, 45 * MINUTE)), ()),
        idle=((0, 5 * MINUTE),),
    )
    boxes = lane_boxes(bar_places(sums.bars, GAPPED), VIEW, bands_of(VIEW, **ALL))
    found = {(left, right, BarState(state)) for (left, _, right, _), state in zip(*boxes, strict=True)}
    assert {
        (0, 35, BarState.RECORDED),  # the bar at 0 is cut by the pane's edge
        (35, 45, BarState.NOT_RUNNING),
        (45, 55, BarState.NOT_RECORDED),
        (55, 65, BarState.PARTLY),
        (65, 115, BarState.RECORDED),  # over the time that the chart leaves out
        (115, 145, BarState.NOT_RECORDED),
    } <= found
    assert boxes.edges_px[:, 1].tolist() == [400 - LANE_PX] * len(found)


def test_bars_narrower_than_a_pixel_are_summed_together_and_do_not_swim_while_panning():
    narrow = viewport(logical_to=1000.0)
    events = [(minute, 100.0, 1.0 + minute % 7, minute % 2 == 0) for minute in range(100)]
    for shift in (0.0, 0.4, 3.0):
        view = replace(narrow, logical_from=shift, logical_to=1000.0 + shift)
        sums = sums_of(view, events=events)
        boxes = bar_boxes(sums.bars, bar_places(sums.bars, PLAIN), view, bands_of(view, **ALL))
        widths = boxes.edges_px[:, 2] - boxes.edges_px[:, 0]
        assert widths.min() >= 2.0 - 1e-9
        first = (boxes.edges_px[0, 0] + view.bar_spacing_px * (shift + 0.5)) / view.bar_spacing_px
        assert first % 2 == pytest.approx(0, abs=1e-6) or first % 2 == pytest.approx(2, abs=1e-6)


@given(
    st.floats(-30, 90),
    st.floats(5, 300),
    st.floats(91, 99),
    st.floats(101, 125),
    st.booleans(),
    st.sampled_from([PriceScaleMode.NORMAL, PriceScaleMode.LOGARITHMIC]),
)
def test_what_is_drawn_is_found_by_the_mouse_and_nothing_else(first, count, low, high, inverted, mode):
    prices = (low, high) if inverted else (high, low)
    view = viewport(
        logical_from=first, logical_to=first + count, price_top=prices[0], price_bottom=prices[1], mode=mode
    )
    try:
        sums = sums_of(view)
    except AssertionError:
        return  # the view and the window do not meet
    bands, places = bands_of(view, **ALL), bar_places(sums.bars, PLAIN)
    for kind, boxes in (
        ("profile", profile_boxes(sums, view, bands)),
        ("bars", bar_boxes(sums.bars, places, view, bands)),
    ):
        for left, top, right, bottom in boxes.edges_px:
            x, y = min(max((left + right) / 2, 0.0), 999.999), (top + bottom) / 2
            if right - left < 1e-6 or bottom - top < 1e-6:
                continue
            found = hit(sums, places, view, bands, (x, y))
            if left >= 0 and right <= 1000:
                assert found is not None
                assert found.kind == kind
                usd = sums.rows_usd if kind == "profile" else sums.bars.usd
                assert usd[found.first : found.last].sum() > 0
    for x, y in ((500.0, 1.0), (bands.profile_left_px - 1, bands.bars_top_px - 1), (-1.0, 399.0), (5.0, 400.0)):
        assert hit(sums, places, view, bands, (x, y)) is None


def test_the_mouse_finds_a_bar_over_the_whole_height_of_its_room_and_the_lane_below():
    sums, bands = sums_of(VIEW), bands_of(VIEW, **ALL)
    places = bar_places(sums.bars, PLAIN)
    bar = int(np.flatnonzero(sums.bars.starts_ms == 8 * MINUTE)[0])
    assert hit(sums, places, VIEW, bands, (80.0, bands.bars_top_px + 1)) == Hit("bars", bar, bar + 1)
    assert hit(sums, places, VIEW, bands, (90.0, bands.bars_top_px + 1)) is None  # nothing was liquidated
    assert hit(sums, places, VIEW, bands, (90.0, 399.0)) == Hit("lane", bar + 1, bar + 2)


def test_what_is_off_takes_no_room():
    bands = bands_of(VIEW, profile=False, bars=False, lane=False)
    assert bands == (1000.0, 1000.0, 400.0, 400.0, 400.0)
    sums = sums_of(VIEW)
    assert hit(sums, bar_places(sums.bars, PLAIN), VIEW, bands, (999.0, 399.0)) is None


@given(
    st.lists(st.tuples(st.integers(1, 40), st.integers(1, 5), st.integers(0, 9)), min_size=1, max_size=5),
    st.floats(-20, 80),
    st.floats(0.1, 120),
)
def test_every_time_in_sight_is_in_one_bar_unless_the_chart_leaves_it_out(runs, first, span):
    segments, index, start_ms = [], 0, 0
    for count, step, pause in runs:
        segments.append(BarSegment(index, start_ms, step * MINUTE, count))
        index += count
        start_ms += (count * step + pause) * MINUTE
    axis = TimeAxis(tuple(segments))
    bars = [
        (run.start_ms + at * run.step_ms, run.step_ms)
        for run in axis.bars(first, first + span)
        for at in range(run.number)
    ]
    starts = [start for start, _ in bars]
    assert starts == sorted(set(starts))
    for share in np.linspace(0.0, 0.999, 13):
        time_ms = axis.time_ms(first + span * share)
        holding = [start for start, step in bars if start <= time_ms < start + step]
        assert len(holding) == 1, time_ms
