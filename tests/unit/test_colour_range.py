"""Floor and ceiling of the colours: what is hidden, what keeps its meaning, and the legend's axis."""

from __future__ import annotations

import dataclasses
from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from Heatmap.aggregation import PALETTES, GridSpec, ImageBuilder, Normalization, RenderOptions
from Heatmap.aggregation.numba_engine import NumbaEngine
from Heatmap.aggregation.numpy_engine import NumpyEngine
from Heatmap.aggregation.painted_cell import HitPoint, figures_at
from Heatmap.errors import GridError
from Heatmap.event_columns import EventColumns
from Heatmap.rendering.colour_axis import BINS, STEPS, colour_axis

SPEC = GridSpec(t0_ms=100_000, time_bin_ms=1_000, cols=20, price0=100.0, price_bin=1.0, rows=10)
SHARP = RenderOptions(palette="fire", sigma_cols=0, sigma_rows=0, clip_percentile=100)
LOOK = RenderOptions(trail_half_life_ms=3_000)
WINDOW = {"now_ms": 120_000, "window_start_ms": 0}
ENGINES = pytest.mark.parametrize("engine", [NumpyEngine, NumbaEngine], ids=["numpy", "numba"])


def columns_of(*events):
    """Events as (ts_ms, price, notional, is_long), in order of time."""
    ts_ms, price, notional, is_long = zip(*sorted(events), strict=True) if events else ((), (), (), ())
    return EventColumns(
        np.array(ts_ms, np.int64), np.array(price, float), np.array(notional, float), np.array(is_long, bool)
    )


def random_columns(count, seed=0):
    rng = np.random.default_rng(seed)
    usd = np.exp(rng.normal(8, 2, count)).round()
    ts_ms, price, is_long = rng.integers(60_000, 140_000, count), rng.uniform(95, 115, count), rng.random(count) < 0.5
    return columns_of(*zip(ts_ms, price, usd, is_long, strict=True))


def cells_of(columns):
    """The oracle: the sum of each cell of `SPEC`'s bins, wherever it lies."""
    sums = defaultdict(float)
    for ts_ms, price, usd in zip(columns.ts_ms, columns.price, columns.notional, strict=True):
        sums[int(ts_ms) // 1_000, int(np.floor(price))] += usd
    return sums


def build(engine, columns, options):
    return ImageBuilder(engine()).build(columns, SPEC, options, **WINDOW)


EVENTS = st.lists(
    st.tuples(st.integers(95_000, 125_000), st.integers(97, 113), st.integers(1, 50), st.booleans()), max_size=60
)


@ENGINES
@given(EVENTS, st.integers(1, 120), st.sampled_from([SHARP, LOOK, dataclasses.replace(LOOK, half_life_ms=9_000)]))
@settings(max_examples=60, deadline=None)
def test_a_floor_paints_what_the_other_cells_would_paint_alone(engine, events, floor, options):
    events = [(ts_ms, price + 0.5, usd, is_long) for ts_ms, price, usd, is_long in events]
    columns = columns_of(*events)
    sums = cells_of(columns)
    alone = columns_of(*(event for event in events if sums[event[0] // 1_000, int(event[1])] >= floor))
    found = build(engine, columns, dataclasses.replace(options, floor_usd=floor))
    whole = build(engine, columns, options)
    assert found.reference == whole.reference  # full colour does not jump
    np.testing.assert_array_equal(found.level_edges, whole.level_edges)
    expected = build(engine, alone, dataclasses.replace(options, ceiling_usd=whole.reference))
    np.testing.assert_array_equal(found.rgba, expected.rgba)
    assert (found.events, found.outside) == (expected.events, expected.outside)


@ENGINES
def test_a_ceiling_moves_full_colour_and_hides_nothing(engine):
    columns = columns_of((105_500, 102.5, 1_000.0, True), (107_500, 104.5, 4_000.0, True))
    tables = PALETTES["fire"].tables[0]
    for ceiling in (1_000, 4_000, 10_000, 1e6):
        image = build(engine, columns, dataclasses.replace(SHARP, ceiling_usd=ceiling, normalization="log"))
        painted = [image.rgba[7, 5], image.rgba[5, 7]]
        expected = [round(255 * np.log1p(1000 * min(usd / ceiling, 1)) / np.log1p(1000)) for usd in (1_000, 4_000)]
        for pixel, level in zip(painted, expected, strict=True):
            near = tables[max(32, level - 1) : max(32, level) + 2].astype(int)
            assert np.abs(near - pixel).max(axis=1).min() == 0
        assert image.reference == ceiling
        assert image.automatic.reference == 4_000


@ENGINES
@pytest.mark.parametrize("normalization", list(Normalization))
def test_full_colour_begins_at_the_ceiling_on_every_scale(engine, normalization):
    columns = random_columns(500)
    for ceiling in (50.0, 5_000.0, 1e9):
        image = build(engine, columns, dataclasses.replace(SHARP, normalization=normalization, ceiling_usd=ceiling))
        assert image.level_edges[-1] <= np.float32(ceiling)
        assert image.level_edges[-1] >= np.float32(0.98 * ceiling)
        assert (np.diff(image.level_edges) >= 0).all()


def test_without_cells_a_ceiling_shows_nothing():
    for normalization in Normalization:
        image = build(
            NumpyEngine, columns_of(), RenderOptions(ceiling_usd=1e6, floor_usd=10, normalization=normalization)
        )
        assert not image.rgba.any()
        assert colour_axis(image, 10) is None


@pytest.mark.parametrize("name", ["floor_usd", "ceiling_usd"])
@pytest.mark.parametrize("value", [-1, np.nan, np.inf])
def test_an_impossible_amount_is_refused(name, value):
    with pytest.raises(GridError, match=f"{name}: expected zero or more dollars"):
        RenderOptions(**{name: value})


@given(EVENTS, st.integers(1, 120), st.sampled_from([SHARP, LOOK]), st.integers(0, 2**32 - 1))
@settings(max_examples=60, deadline=None)
def test_the_tooltip_never_names_a_hidden_cell(events, floor, options, seed):
    columns = columns_of(*((ts_ms, price + 0.5, usd, is_long) for ts_ms, price, usd, is_long in events))
    options = dataclasses.replace(options, floor_usd=floor)
    image, rng = build(NumpyEngine, columns, options), np.random.default_rng(seed)
    for time_ms, price in zip(rng.uniform(100_000, 120_000, 30), rng.uniform(100, 110, 30), strict=True):
        point = HitPoint(time_ms, price)
        figures = figures_at(columns, SPEC, point, options, edges=image.level_edges, now_ms=120_000)
        if figures is not None:
            assert figures.long_usd + figures.short_usd >= floor
        pixel = image.rgba[9 - int(price - 100), int(time_ms - 100_000) // 1_000]
        assert (figures is None) == (not pixel.any())


def test_it_hides_by_the_same_dollars_while_events_decay():
    """A cell is hidden by what was liquidated there, not by what its colour has faded to."""
    columns = columns_of((105_500, 102.5, 1_000.0, True))
    options = dataclasses.replace(SHARP, half_life_ms=1_000, floor_usd=900)
    assert build(NumpyEngine, columns, options).rgba.any()
    assert not build(NumpyEngine, columns, dataclasses.replace(options, floor_usd=1_001)).rgba.any()


def test_the_scale_is_not_worked_out_again_for_another_floor(monkeypatch):
    calls = []
    sums = NumpyEngine.sums
    monkeypatch.setattr(NumpyEngine, "sums", lambda *args: calls.append(1) or sums(*args))
    builder, columns = ImageBuilder(NumpyEngine()), random_columns(200)
    for floor in (0, 10, 100, 1_000, 0):
        builder.build(columns, SPEC, dataclasses.replace(SHARP, floor_usd=floor), **WINDOW)
    assert len(calls) == 1


def axis_of(columns, **options):
    image = build(NumpyEngine, columns, dataclasses.replace(LOOK, **options))
    return image, colour_axis(image, options.get("floor_usd", 0))


@pytest.mark.parametrize("normalization", list(Normalization))
@pytest.mark.parametrize("palette", ["fire", "long_short"])
def test_the_histogram_counts_every_cell_of_the_window_once(normalization, palette):
    columns = random_columns(700, 3)
    sums = cells_of(columns)
    image, axis = axis_of(columns, normalization=normalization, palette=palette, floor_usd=2_000)
    assert axis.usd.shape == (STEPS + 1,)
    assert axis.usd[0] == 0
    assert (np.diff(axis.usd) >= 0).all()
    assert axis.usd[-1] >= max(sums.values()) * 0.999
    assert axis.counts.shape == (2 if palette == "long_short" else 1, BINS)
    assert axis.counts.sum() == len(sums)
    assert axis.hidden == sum(usd < 2_000 for usd in sums.values())
    # Cells stand over their own amount, to one bin.
    width = STEPS // BINS
    for share in (0.2, 0.5, 0.8):
        border = round(share * BINS)
        left = int(axis.counts[:, :border].sum())
        low, high = axis.usd[max(0, border - 1) * width], axis.usd[(border + 1) * width]
        assert sum(usd < low for usd in sums.values()) <= left <= sum(usd <= high for usd in sums.values())
    assert image.automatic.cells.shape[0] == len(sums)


def test_a_cell_counts_for_the_side_with_more_dollars():
    columns = columns_of((105_100, 102.5, 900.0, True), (105_200, 102.5, 100.0, False), (107_000, 105.5, 50.0, False))
    _, axis = axis_of(columns)
    assert axis.counts.sum(axis=1).tolist() == [1, 1]


def test_a_minimum_size_takes_its_cells_out_of_the_histogram_and_leaves_the_axis():
    columns = random_columns(700, 3)
    _, axis = axis_of(columns)
    image, filtered = axis_of(columns, min_notional=5_000)
    np.testing.assert_array_equal(filtered.usd[:150], axis.usd[:150])
    assert 0 < filtered.counts.sum() < axis.counts.sum()
    assert image.reference == image.automatic.reference


@pytest.mark.parametrize("normalization", list(Normalization))
def test_the_axis_has_the_colours_of_the_image(normalization):
    for options in ({}, {"floor_usd": 3_000}, {"ceiling_usd": 9_000, "floor_usd": 40}, {"ceiling_usd": 10**8}):
        image, axis = axis_of(random_columns(700, 3), normalization=normalization, **options)
        floor = options.get("floor_usd", 0)
        for step in range(0, STEPS, 7):
            usd = (axis.usd[step] + axis.usd[step + 1]) / 2
            level = int(np.searchsorted(image.level_edges, usd, side="right")) if usd >= floor else 0
            assert axis.levels[step] == level
        assert axis.position(image.reference) <= 1
        if image.reference <= axis.usd[-2]:
            assert axis.levels[-1] == 255


def test_positions_and_amounts_are_each_others_inverse_and_stay_where_they_are():
    columns = random_columns(700, 3)
    _, axis = axis_of(columns)
    for position in np.linspace(0, 1, 50):
        assert axis.position(axis.amount(position)) == pytest.approx(position, abs=1e-6)
    # The handles of a legend stay under the mouse: the axis depends on neither floor nor ceiling.
    for options in ({"floor_usd": 3_000}, {"ceiling_usd": 9_000}):
        np.testing.assert_array_equal(axis_of(columns, **options)[1].usd, axis.usd)


def test_the_same_axis_is_the_same_object():
    columns = random_columns(700, 3)
    image, axis = axis_of(columns)
    assert colour_axis(image, 0, axis) is axis
    assert colour_axis(image, 5_000, axis) is not axis
