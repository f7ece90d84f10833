"""Counts and largest events per cell, grids of one side, the profile: all say the same of the same events."""

from __future__ import annotations

import numpy as np
import pytest

from Heatmap.aggregation import GridSpec, build_grid, cell_details
from Heatmap.aggregation.numba_engine import NumbaEngine
from Heatmap.aggregation.numpy_engine import NumpyEngine
from Heatmap.errors import GridError
from Heatmap.event_columns import EventColumns

SPEC = GridSpec(t0_ms=0, time_bin_ms=10, cols=3, price0=100.0, price_bin=1.0, rows=2)
COLUMNS = EventColumns(
    np.array([-1, 0, 5, 9, 10, 25, 29, 30]),
    np.array([100.5, 100.0, 100.9, 101.0, 101.5, 99.9, 101.999, 100.5]),
    np.array([9.0, 1.0, 2.0, 4.0, 8.0, 9.0, 16.0, 9.0]),
    np.array([True, True, False, True, False, True, True, True]),
)


def test_counts_and_largest_by_hand():
    details = cell_details(COLUMNS, SPEC)
    np.testing.assert_array_equal(details.count, [[2, 0, 0], [1, 1, 1]])
    np.testing.assert_array_equal(details.largest_usd, [[2, 0, 0], [4, 8, 16]])
    np.testing.assert_array_equal(details.long_usd, [[1, 0, 0], [4, 0, 16]])
    np.testing.assert_array_equal(details.short_usd, [[2, 0, 0], [0, 8, 0]])
    assert details.outside == 3
    assert details.count.dtype == np.int32


@pytest.mark.parametrize(
    ("sides", "count", "outside"), [("long", [[1, 0, 0], [1, 0, 1]], 3), ("short", [[1, 0, 0], [0, 1, 0]], 0)]
)
def test_details_of_one_side(sides, count, outside):
    details = cell_details(COLUMNS, SPEC, sides=sides)
    np.testing.assert_array_equal(details.count, count)
    assert details.outside == outside


def test_details_of_a_side_that_is_none_are_refused():
    with pytest.raises(GridError, match="sides"):
        cell_details(COLUMNS, SPEC, sides="up")


def test_small_events_are_not_counted():
    assert cell_details(COLUMNS, SPEC, min_notional=4).count.sum() == 3


def test_one_cell_is_enough():
    cell = GridSpec(t0_ms=0, time_bin_ms=10, cols=1, price0=100.0, price_bin=1.0, rows=1)
    details = cell_details(COLUMNS, cell)
    assert (details.count.item(), details.largest_usd.item(), details.outside) == (2, 2.0, 6)


@pytest.mark.parametrize("engine_type", [NumpyEngine, NumbaEngine])
def test_the_sides_add_up(engine_type):
    arrays = COLUMNS.ts_ms, COLUMNS.price, COLUMNS.notional
    grids = {
        sides: build_grid(*arrays, SPEC, is_long=COLUMNS.is_long, sides=sides, engine=engine_type())
        for sides in ("long", "short", "both")
    }
    np.testing.assert_array_equal(grids["long"], [[1, 0, 0], [4, 0, 16]])
    np.testing.assert_array_equal(grids["short"], [[2, 0, 0], [0, 8, 0]])
    np.testing.assert_array_equal(grids["both"], grids["long"] + grids["short"])


@pytest.mark.parametrize("is_long", [None, np.ones(2, bool)])
def test_one_side_needs_to_know_the_sides(is_long):
    with pytest.raises(GridError, match="is_long"):
        build_grid(COLUMNS.ts_ms, COLUMNS.price, COLUMNS.notional, SPEC, is_long=is_long, sides="long")
