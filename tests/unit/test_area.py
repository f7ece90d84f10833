"""The rectangle drawn on the chart: its round borders, its place on the pane, and its sums against a slow oracle."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.charts import GAPPED, MINUTE, PLAIN, viewport

from Heatmap.event_columns import EventColumns
from Heatmap.rendering.area_sums import Area, area_figures
from Heatmap.ui.geometry.area import area_between, box_px
from Heatmap.ui.geometry.viewport import PriceScaleMode

VIEW = viewport()
# 100 minutes on 1,000 px and 20 dollars on 400 px: borders snap to 30 s and 0.2 dollars.
STEP_MS, STEP = 30_000, 0.2


def test_borders_are_round_whichever_way_the_mouse_goes():
    first, last = (101.0, 99.0), (304.0, 202.0)
    expected = Area(10 * MINUTE + STEP_MS, 31 * MINUTE, 100.0, 105.0)
    for one, other in ((first, last), (last, first), ((101.0, 202.0), (304.0, 99.0))):
        assert area_between(VIEW, PLAIN, one, other) == expected


def test_the_upper_and_lower_edge_mean_all_prices_beyond():
    assert area_between(VIEW, PLAIN, (0, 200), (50, 400)).price_low == 0.0
    assert area_between(VIEW, PLAIN, (0, 200), (50, -9)).price_high == math.inf
    upside_down = viewport(price_top=90.0, price_bottom=110.0)
    assert area_between(upside_down, PLAIN, (0, 200), (50, 400)) == Area(STEP_MS, 5 * MINUTE + STEP_MS, 100.0, math.inf)


@given(
    points=st.lists(st.floats(-50.0, 1050.0), min_size=4, max_size=4),
    axis=st.sampled_from([PLAIN, GAPPED]),
    mode=st.sampled_from([PriceScaleMode.NORMAL, PriceScaleMode.LOGARITHMIC]),
)
def test_an_area_is_never_empty_and_lies_where_it_was_drawn(points, axis, mode):
    view = viewport(mode=mode)
    area = area_between(view, axis, (points[0], points[1]), (points[2], points[3]))
    assert area.start_ms < area.end_ms
    assert area.price_low < area.price_high
    box = box_px(view, axis, area)
    if axis is PLAIN and box is not None:
        left, right = sorted(min(max(x, 0.0), 1000.0) for x in (points[0], points[2]))
        top, bottom = sorted(min(max(y, 0.0), 400.0) for y in (points[1], points[3]))
        assert box[::2] == pytest.approx((left, right), abs=10.0)
        assert box[1::2] == pytest.approx((top, bottom), abs=10.0)


def test_it_follows_the_chart_and_is_cut_at_the_pane():
    area = Area(10 * MINUTE, 20 * MINUTE, 0.0, 100.0)
    assert box_px(VIEW, PLAIN, area) == pytest.approx((95.0, 200.0, 195.0, 400.0))
    assert box_px(viewport(logical_from=15.0, logical_to=115.0), PLAIN, area) == pytest.approx(
        (0.0, 200.0, 45.0, 400.0)
    )
    assert box_px(viewport(logical_from=50.0, logical_to=150.0), PLAIN, area) is None
    assert box_px(viewport(price_bottom=101.0), PLAIN, area) is None


EVENT = st.tuples(st.integers(0, 40), st.integers(90, 110), st.integers(1, 10**7), st.booleans())


@given(events=st.lists(EVENT, max_size=30), data=st.data())
def test_sums_are_those_of_the_events_inside(events, data):
    events.sort()
    start, low = data.draw(st.integers(0, 30)), data.draw(st.integers(90, 108))
    area = Area(start, start + data.draw(st.integers(1, 10)), low, data.draw(st.sampled_from([low + 2, math.inf])))
    sides, least = data.draw(st.sampled_from(["both", "long", "short"])), data.draw(st.sampled_from([0, 5000]))
    ts, price, cents, is_long = (np.array(each) for each in zip(*events, strict=True)) if events else [np.empty(0)] * 4
    columns = EventColumns(ts.astype(np.int64), price.astype(float), cents / 100, is_long.astype(bool))
    found = area_figures(columns, area, sides=sides, min_notional=least, since_ms=0, gaps=())
    inside = [
        (usd, long)
        for ms, at, usd, long in events
        if area.start_ms <= ms < area.end_ms
        and area.price_low <= at < area.price_high
        and usd >= 100 * least
        and sides in ("both", "long" if long else "short")
    ]
    assert found.count == len(inside)
    assert round(100 * found.long_usd) == sum(usd for usd, long in inside if long)
    assert round(100 * found.short_usd) == sum(usd for usd, long in inside if not long)
    assert round(100 * found.largest_usd) == max((usd for usd, _ in inside), default=0)


def test_what_is_not_in_memory_and_not_on_record_is_told():
    def figures(gaps):
        return area_figures(
            EventColumns.empty(), Area(10, 30, 0.0, 1.0), sides="both", min_notional=0, since_ms=20, gaps=gaps
        )

    assert figures(()).area == Area(20, 30, 0.0, 1.0)
    assert [figures(gaps).is_complete for gaps in ((), ((0, 20), (30, 40)), ((29, 40),))] == [True, True, False]
