"""Choice of the largest events of a view, against a sort of all."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from Heatmap.event_columns import EventColumns
from Heatmap.heatmap_settings import HeatmapSettings
from Heatmap.rendering.largest_events import LargeEvent, largest_events
from Heatmap.rendering.view_grid import View

VIEW = View(start_ms=100, end_ms=200, price_low=10.0, price_high=20.0, width_px=100, height_px=100)
# Few values, so that there are ties and events on every border.
EVENTS = st.lists(
    st.tuples(
        st.sampled_from([50, 99, 100, 120, 150, 199, 200, 260]),
        st.sampled_from([9.0, 10.0, 15.0, 20.0, 21.0, np.nan]),
        st.sampled_from([0.0, 1.0, 500.0, 1000.0, 2000.0, 5000.0]),
        st.booleans(),
    ),
    max_size=30,
)


def columns_of(events) -> EventColumns:
    ordered = sorted(events, key=lambda event: event[0])
    ts_ms, price, notional, is_long = zip(*ordered, strict=True) if ordered else ((), (), (), ())
    return EventColumns(np.array(ts_ms, np.int64), np.array(price), np.array(notional), np.array(is_long, bool))


@given(EVENTS, st.integers(1, 8), st.sampled_from(["both", "long", "short"]), st.sampled_from([0, 1000]))
def test_they_are_the_first_of_a_sort_of_what_the_map_shows(events, count, sides, least_usd):
    settings = HeatmapSettings(bubbles=True, bubble_count=count, sides=sides, min_notional_usd=least_usd)
    start_ms = 120
    seen = [
        event
        for event in sorted(events, key=lambda event: event[0])
        if start_ms <= event[0] < VIEW.end_ms
        and VIEW.price_low <= event[1] <= VIEW.price_high
        and event[2] > 0
        and event[2] >= least_usd
        and (sides == "both" or event[3] == (sides == "long"))
    ]
    expected = sorted(seen, key=lambda event: -event[2])[:count]
    found = largest_events(columns_of(events), VIEW, settings, start_ms)
    assert [tuple(found.event(number)) for number in range(len(found))] == expected


def test_none_while_bubbles_are_off():
    events = columns_of([(150, 15.0, 1e6, True)])
    on, off = (HeatmapSettings(bubbles=bubbles) for bubbles in (True, False))
    assert largest_events(events, VIEW, on, 0).event(0) == LargeEvent(150, 15.0, 1e6, is_long=True)
    assert len(largest_events(events, VIEW, off, 0)) == 0


def test_no_events_at_all():
    assert len(largest_events(EventColumns.empty(), VIEW, HeatmapSettings(bubbles=True), 0)) == 0


def test_what_is_chosen_does_not_change_with_the_window():
    events = columns_of([(150, 15.0, 1e6, True)])
    found = largest_events(events, VIEW, HeatmapSettings(bubbles=True), 0)
    assert found.notional.tolist() == pytest.approx([1e6])
    assert not np.shares_memory(found.notional, events.notional)
