"""What a grid is: validation, borders, and a few grids drawn by hand."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

from Heatmap.aggregation import GridSpec, build_grid
from Heatmap.aggregation.grid import price_bin_index, price_bins
from Heatmap.aggregation.numba_engine import NumbaEngine
from Heatmap.aggregation.numpy_engine import NumpyEngine
from Heatmap.errors import GridError

GOOD = {"t0_ms": 10_000, "time_bin_ms": 5_000, "cols": 5, "price0": 100.0, "price_bin": 0.5, "rows": 5}


@pytest.fixture(params=[NumpyEngine, NumbaEngine], ids=["numpy", "numba"])
def engine(request):
    return request.param()


def grid_of(events, spec, engine):
    ts_ms, price, weight = (np.array(column) for column in zip(*events, strict=True))
    return build_grid(ts_ms, price, weight, spec, engine=engine)


def test_edges_follow_from_the_bins():
    spec = GridSpec(**GOOD)
    assert (spec.end_ms, spec.price1) == (35_000, 102.5)
    assert (spec.first_time_bin, spec.first_price_bin) == (2, 200)


def test_padding_keeps_the_bins():
    padded = GridSpec(**GOOD).padded(cols=2, rows=3)
    assert padded == GridSpec(t0_ms=0, time_bin_ms=5_000, cols=9, price0=98.5, price_bin=0.5, rows=11)


def test_a_spec_is_a_value():
    assert GridSpec(**GOOD) == GridSpec(**GOOD)
    assert hash(GridSpec(**GOOD)) == hash(GridSpec(**GOOD))
    with pytest.raises(dataclasses.FrozenInstanceError):
        GridSpec(**GOOD).cols = 3


@pytest.mark.parametrize(
    ("field", "value", "word"),
    [
        ("cols", 0, "at least 1"),
        ("rows", -3, "at least 1"),
        ("rows", 2.5, "whole number"),
        ("cols", True, "whole number"),
        ("time_bin_ms", 0, "at least 1"),
        ("price_bin", 0.0, "positive"),
        ("price_bin", -0.1, "positive"),
        ("price_bin", math.nan, "positive"),
        ("price_bin", math.inf, "positive"),
        ("price0", math.nan, "finite"),
        ("price0", math.inf, "finite"),
        ("price0", 100.2, "multiple"),
        ("t0_ms", 10_001, "multiple"),
        ("rows", 20_000_000, "too large"),
        ("price_bin", 1e-12, "too fine"),
        ("price_bin", 5e-324, "price_bin"),
        ("price_bin", 1e308, "price_bin"),
        ("price_bin", "0.5", "a number"),
        ("price_bin", True, "a number"),
        ("price0", None, "a number"),
        ("price0", 1e200, "price0"),
        ("t0_ms", 10_000.0, "whole number"),
        ("t0_ms", 5_000 * 10**20, "time"),
        ("t0_ms", -5_000 * 10**20, "time"),
        ("time_bin_ms", 10**19, "time"),
        ("cols", 2 * 10**12, "too large"),
    ],
)
def test_impossible_grids_are_refused_in_plain_words(field, value, word):
    with pytest.raises(GridError, match=word) as caught:
        GridSpec(**{**GOOD, field: value})
    assert len(caught.value.short) < 120


def test_the_cell_limit_itself_is_allowed():
    GridSpec(**{**GOOD, "rows": 4_096, "cols": 4_096})
    with pytest.raises(GridError, match="too large"):
        GridSpec(**{**GOOD, "rows": 4_096, "cols": 4_097})


def test_numbers_of_numpy_become_plain_ones():
    given = {"t0_ms": np.int32(10_000), "time_bin_ms": np.int16(5_000), "cols": np.uint8(5), "rows": np.int64(5)}
    spec = GridSpec(**given, price0=np.float32(100), price_bin=np.float32(0.5))
    assert spec == GridSpec(**GOOD)
    assert [type(getattr(spec, name)) for name in GOOD] == [int, int, int, float, float, int]


@pytest.mark.parametrize(
    ("price", "price_bin", "expected"),
    [
        (100.1, 0.1, 1001),  # 1000.9999999999999 in floats
        (0.3, 0.1, 3),  # 2.9999999999999996
        (100.09, 0.1, 1000),
        (1.15, 0.01, 115),  # 114.99999999999999
        (104273.4, 6.6, 15799),  # 15798.999999999998
        (0.0, 0.1, 0),
        (-0.1, 0.1, -1),
        (-0.3, 0.1, -3),
        (-0.35, 0.1, -4),
    ],
)
def test_a_price_on_a_border_belongs_to_the_upper_bin(price, price_bin, expected):
    assert price_bin_index(price, price_bin) == expected
    assert price_bins(np.array([price]), price_bin)[0] == expected


def test_five_by_five_by_hand(engine):
    spec = GridSpec(t0_ms=0, time_bin_ms=10, cols=5, price0=10.0, price_bin=1.0, rows=5)
    events = [
        (0, 10.0, 1.0),  # the lower left corner belongs to the grid
        (9, 10.999, 2.0),  # same cell
        (10, 11.0, 4.0),  # both borders: one up, one right
        (25, 12.5, 8.0),
        (49, 14.999, 16.0),  # the last moment, the highest price
        (50, 12.0, 99.0),  # the right edge is open
        (49, 15.0, 99.0),  # the upper edge is open
        (-1, 12.0, 99.0),
        (25, 9.999, 99.0),
    ]
    expected = np.array(
        [
            # lowest price first
            [3, 0, 0, 0, 0],
            [0, 4, 0, 0, 0],
            [0, 0, 8, 0, 0],
            [0, 0, 0, 0, 0],
            [0, 0, 0, 0, 16],
        ],
        np.float32,
    )
    grid = grid_of(events, spec, engine)
    np.testing.assert_array_equal(grid, expected)
    assert grid.dtype == np.float32
    assert grid.flags.c_contiguous


def test_wild_prices_lie_outside_of_every_grid(engine):
    spec = GridSpec(t0_ms=0, time_bin_ms=10, cols=2, price0=0.0, price_bin=1.0, rows=3)
    events = [(5, price, 1.0) for price in (math.nan, math.inf, -math.inf, 1e300, -1e300, 2**63, 1.5)]
    grid = grid_of(events, spec, engine)
    np.testing.assert_array_equal(grid, [[0, 0], [1, 0], [0, 0]])


def test_no_events_make_an_empty_grid(engine):
    empty = np.empty(0)
    grid = build_grid(empty.astype(np.int64), empty, empty, GridSpec(**GOOD), engine=engine)
    np.testing.assert_array_equal(grid, np.zeros((5, 5)))


def test_sums_are_made_in_float64(engine):
    spec = GridSpec(t0_ms=0, time_bin_ms=10, cols=1, price0=0.0, price_bin=1.0, rows=1)
    count = 100_000
    weight = np.full(count, 0.1)
    weight[0] = 2.0**24  # a float32 sum would stand still from here on
    grid = build_grid(np.zeros(count, np.int64), np.full(count, 0.5), weight, spec, engine=engine)
    assert grid[0, 0] == pytest.approx(math.fsum(weight), rel=1e-6)


def test_an_engine_used_twice_remembers_nothing(engine):
    spec = GridSpec(**GOOD)
    first = grid_of([(10_000, 100.0, 5.0)], spec, engine)
    second = grid_of([(34_999, 102.49, 7.0)], spec, engine)
    assert (first.sum(), second.sum()) == (5, 7)
    assert (first[0, 0], second[4, 4]) == (5, 7)


def test_read_only_and_strided_input_is_taken(engine):
    ts_ms = np.repeat(np.arange(10_000, 35_000, 5_000), 2)[::2]
    price = np.full(5, 101.0)
    price.flags.writeable = False
    grid = build_grid(ts_ms, price, np.ones(10)[::2], GridSpec(**GOOD), engine=engine)
    np.testing.assert_array_equal(grid[2], np.ones(5))


@pytest.mark.parametrize("ts_ms", [np.array([10_000.5]), np.array([math.nan]), np.array(["2025-01-01"], "M8[ms]")])
def test_times_that_are_no_whole_numbers_are_refused(ts_ms):
    with pytest.raises(GridError, match="ts_ms"):
        build_grid(ts_ms, np.ones(1), np.ones(1), GridSpec(**GOOD))


def test_a_side_that_is_none_is_refused():
    with pytest.raises(GridError, match="sides"):
        build_grid(np.array([1]), np.ones(1), np.ones(1), GridSpec(**GOOD), sides="up", is_long=np.ones(1, bool))


def test_arrays_of_different_length_are_refused():
    with pytest.raises(GridError, match="equally long"):
        build_grid(np.zeros(2, np.int64), np.zeros(3), np.zeros(2), GridSpec(**GOOD))
