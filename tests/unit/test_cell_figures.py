"""The occupied cell nearest to the mouse, and its figures."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from Heatmap.aggregation import GridSpec, cell_details
from Heatmap.aggregation.cell_detail import CellFigures, HitArea, figures_near
from Heatmap.event_columns import EventColumns

# Cells of 10 ms and one dollar: columns begin at 0, 10 … 90 ms, rows at 100 … 109.
SPEC = GridSpec(t0_ms=0, time_bin_ms=10, cols=10, price0=100.0, price_bin=1.0, rows=10)


def columns(*events) -> EventColumns:
    """Return events of ``(ts_ms, price, notional, is_long)``."""
    ts_ms, price, notional, is_long = zip(*events, strict=True) if events else ((), (), (), ())
    return EventColumns(
        np.array(ts_ms, np.int64), np.array(price, float), np.array(notional, float), np.array(is_long, bool)
    )


def area(time_ms: float, price: float, *, ms: float = 20.0, usd: float = 2.0) -> HitArea:
    return HitArea(time_ms, price, time_ms - ms, time_ms + ms, price - usd, price + usd)


def cell(t0_ms: int, price0: float) -> GridSpec:
    return GridSpec(t0_ms=t0_ms, time_bin_ms=10, cols=1, price0=price0, price_bin=1.0, rows=1)


def test_the_figures_of_a_cell():
    events = columns((50, 105.0, 3.0, True), (55, 105.9, 4.0, False), (59, 105.5, 8.0, True), (60, 105.5, 99.0, True))
    assert figures_near(events, SPEC, area(51.0, 105.2)) == CellFigures(
        cell=cell(50, 105.0), count=3, long_usd=11.0, short_usd=4.0, largest_usd=8.0
    )


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ({"sides": "long"}, (2, 11.0, 0.0, 8.0)),
        ({"sides": "short"}, (1, 0.0, 4.0, 4.0)),
        ({"min_notional": 4.0}, (2, 8.0, 4.0, 8.0)),
    ],
)
def test_the_settings_say_which_events_count(choice, expected):
    events = columns((50, 105.0, 3.0, True), (55, 105.9, 4.0, False), (59, 105.5, 8.0, True))
    found = figures_near(events, SPEC, area(51.0, 105.2), **choice)
    assert (found.count, found.long_usd, found.short_usd, found.largest_usd) == expected


def test_nothing_is_said_where_all_events_are_left_out():
    assert figures_near(columns((50, 105.0, 3.0, True)), SPEC, area(51.0, 105.2), sides="short") is None
    assert figures_near(columns(), SPEC, area(51.0, 105.2)) is None


def test_the_cell_under_the_mouse_comes_before_a_larger_neighbour():
    events = columns((55, 105.5, 1.0, True), (65, 105.5, 1e9, True))
    assert figures_near(events, SPEC, area(59.9, 105.5)).cell == cell(50, 105.0)


def test_the_nearer_of_two_is_meant_and_of_equally_near_ones_the_larger():
    events = columns((35, 105.5, 9.0, True), (75, 105.5, 1.0, True))
    assert figures_near(events, SPEC, area(58.0, 105.5)).cell == cell(70, 105.0)
    assert figures_near(events, SPEC, area(55.0, 105.5)).cell == cell(30, 105.0)


def test_near_is_measured_by_the_shape_of_a_spot():
    # 9 of 20 ms are nearer than one of two dollars.
    events = columns((45, 105.5, 1.0, True), (65, 107.5, 1.0, True))
    assert figures_near(events, SPEC, area(59.0, 105.99)).cell == cell(40, 105.0)
    assert figures_near(events, SPEC, area(60.0, 106.7)).cell == cell(60, 107.0)


def test_a_cell_beyond_the_ellipse_of_the_reach_is_not_meant():
    events = columns((70, 107.5, 1.0, True))
    # 15 ms and 1.5 dollars are each in reach, but not both together.
    assert figures_near(events, SPEC, area(55.0, 105.5)) is None
    assert figures_near(events, SPEC, area(65.0, 106.5)).cell == cell(70, 107.0)


def test_the_whole_cell_counts_although_the_reach_ends_within():
    events = columns((60, 105.5, 1.0, True), (69, 105.5, 2.0, True))
    assert figures_near(events, SPEC, area(41.0, 105.5)).long_usd == 3.0


def test_a_reach_that_ends_at_the_place_itself():
    at_a_gap = dataclasses.replace(area(60.0, 105.5), start_ms=60.0)
    events = columns((55, 105.5, 1.0, True), (65, 105.5, 2.0, True))
    assert figures_near(events, SPEC, at_a_gap).cell == cell(60, 105.0)
    assert figures_near(events.between(0, 60), SPEC, at_a_gap) is None


@pytest.mark.parametrize(
    ("time_ms", "price"), [(-40.0, 105.0), (150.0, 105.0), (50.0, 90.0), (50.0, 120.0), (-1e15, 105.0), (50.0, 1e12)]
)
def test_a_place_off_the_grid(time_ms, price):
    events = columns((-45, 105.5, 1.0, True), (5, 90.0, 1.0, True), (50, 105.0, 1.0, True), (150, 105.0, 1.0, True))
    assert figures_near(events, SPEC, area(time_ms, price)) is None


def test_how_far_a_cell_is_within_reach():
    for time_ms, reached in ((50.0, True), (30.0, True), (29.9, False), (80.0, True), (80.1, False)):
        assert area(time_ms, 105.5).reaches(cell(50, 105.0)) is reached
    for price, reached in ((103.0, True), (102.99, False), (108.0, True), (108.01, False)):
        assert area(55.0, price).reaches(cell(50, 105.0)) is reached


EVENTS = st.lists(
    st.tuples(st.integers(-20, 120), st.integers(980, 1120), st.integers(1, 50), st.booleans()), max_size=40
)


@given(EVENTS, st.floats(-15, 115), st.floats(98, 112), st.sampled_from(["both", "long", "short"]), st.integers(0, 30))
def test_it_agrees_with_a_search_through_all_cells(events, time_ms, price, sides, least):
    held = columns(*sorted((ts_ms, price / 10, float(usd), is_long) for ts_ms, price, usd, is_long in events))
    asked = area(time_ms, price)
    found = figures_near(held, SPEC, asked, sides=sides, min_notional=least)
    whole = cell_details(held, SPEC, sides=sides, min_notional=least)
    occupied = [
        (row, col, max(0.0, col * 10 - time_ms, time_ms - col * 10 - 10) / 20,
         max(0.0, 100 + row - price, price - 101 - row) / 2)
        for row, col in zip(*np.nonzero(whole.count), strict=True)
    ]  # fmt: skip
    near = [(np.hypot(across, along), row, col) for row, col, across, along in occupied]
    if found is None:
        assert all(distance > 1 - 1e-9 for distance, _, _ in near)
        return
    assert asked.reaches(found.cell)
    row, col = found.cell.first_price_bin - 100, found.cell.first_time_bin
    chosen = next(distance for distance, *at in near if at == [row, col])
    assert chosen <= min(distance for distance, _, _ in near) + 1e-9
    assert (found.count, found.largest_usd) == (whole.count[row, col], whole.largest_usd[row, col])
    assert (found.long_usd, found.short_usd) == (whole.long_usd[row, col], whole.short_usd[row, col])
