"""Both engines against a slow oracle that bins in exact decimals, and against NumPy's own histogram."""

from __future__ import annotations

import math
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from Heatmap.aggregation import GridSpec, ImageBuilder, RenderOptions, build_grid
from Heatmap.aggregation.engine import Cells, PaintPlan
from Heatmap.aggregation.event_batch import EventBatch
from Heatmap.aggregation.numba_engine import NumbaEngine
from Heatmap.aggregation.numpy_engine import NumpyEngine
from Heatmap.event_columns import EventColumns

ENGINES = pytest.mark.parametrize("engine_type", [NumpyEngine, NumbaEngine], ids=["numpy", "numba"])
TICKS = [Decimal("0.01"), Decimal("0.1"), Decimal("0.5"), Decimal(10)]
quick = settings(max_examples=120, deadline=None)


@st.composite
def specs(draw):
    tick = draw(st.sampled_from(TICKS))
    price_bin = tick * draw(st.integers(1, 70))
    time_bin_ms = draw(st.sampled_from([1, 250, 5_000, 180_000]))
    return GridSpec(
        t0_ms=time_bin_ms * draw(st.integers(-50, 10_000_000)),
        time_bin_ms=time_bin_ms,
        cols=draw(st.integers(1, 7)),
        price0=float(price_bin * draw(st.integers(-5, 20_000))),
        price_bin=float(price_bin),
        rows=draw(st.integers(1, 7)),
    )


@st.composite
def markets(draw):
    """A spec and events around it: prices are decimals on sub-ticks, many of them exactly on a border."""
    spec = draw(specs())
    price_bin = Decimal(repr(spec.price_bin))
    tenths = st.integers(-15, 10 * spec.rows + 15)
    events = draw(
        st.lists(
            st.tuples(
                st.integers(spec.t0_ms - 2 * spec.time_bin_ms, spec.end_ms + 2 * spec.time_bin_ms),
                st.one_of(tenths.map(lambda n: n - n % 10), tenths).map(
                    lambda tenth: float((spec.first_price_bin + Decimal(tenth) / 10) * price_bin)
                ),
                st.floats(0.001, 1e8),
            ),
            max_size=40,
        )
    )
    return spec, events


def oracle(spec, events):
    """Bin in exact arithmetic over the decimals that people write: floor, half-open."""
    price_bin = Fraction(repr(spec.price_bin))
    sums = [[[] for _ in range(spec.cols)] for _ in range(spec.rows)]
    for ts_ms, price, weight in events:
        row = math.floor(Fraction(repr(price)) / price_bin) - round(Fraction(repr(spec.price0)) / price_bin)
        col = (ts_ms - spec.t0_ms) // spec.time_bin_ms
        if 0 <= row < spec.rows and 0 <= col < spec.cols:
            sums[row][col].append(weight)
    return np.array([[math.fsum(cell) for cell in row] for row in sums])


def grid_of(events, spec, engine_type):
    array = np.array([event[1:] for event in events]).reshape(-1, 2)
    ts_ms = np.array([event[0] for event in events], np.int64)
    return build_grid(ts_ms, array[:, 0], array[:, 1], spec, engine=engine_type())


@ENGINES
@given(markets())
@quick
def test_equals_the_oracle(engine_type, market):
    spec, events = market
    np.testing.assert_allclose(grid_of(events, spec, engine_type), oracle(spec, events), rtol=1e-6)


@ENGINES
@pytest.mark.parametrize("tick", TICKS)
@pytest.mark.parametrize("level", [Decimal(0), Decimal("104273.4"), Decimal("0.07"), Decimal(-40)])
def test_all_rows_are_equally_high(engine_type, tick, level):
    """One event on every tick, from below to above the grid: each row takes as many, none is lost or counted twice."""
    ticks_per_row = 7
    first = int(level // tick) // ticks_per_row
    price_bin = tick * ticks_per_row
    spec = GridSpec(0, 1_000, 1, float(first * price_bin), float(price_bin), 200)
    ticks = range((first - 1) * ticks_per_row, (first + spec.rows + 1) * ticks_per_row)
    grid = grid_of([(500, float(number * tick), 1.0) for number in ticks], spec, engine_type)
    np.testing.assert_array_equal(grid, np.full((200, 1), ticks_per_row))


@pytest.mark.parametrize("share", ["0.000001", "0.5", "0.999999"])
def test_only_what_no_decimal_means_is_taken_for_a_border(share):
    """A millionth of a bin below a border is below it."""
    price_bin = Decimal("6.6")
    for number in (-3, 0, 1, 15_799):
        price = float((number + Decimal(share)) * price_bin)
        spec = GridSpec(0, 1, 1, float(number * price_bin), float(price_bin), 1)
        for engine_type in (NumpyEngine, NumbaEngine):
            assert grid_of([(0, price, 1.0)], spec, engine_type).tolist() == [[1.0]]


@ENGINES
@given(markets(), st.floats(0.01, 100))
@quick
def test_the_scale_of_an_image_is_the_percentile_of_the_cells_of_the_window(engine_type, market, percentile):
    """The window is wider than the view; the cells are those of the oracle, the percentile is NumPy's in float64."""
    spec, events = market
    options = RenderOptions(palette="fire", sigma_cols=0, sigma_rows=0, clip_percentile=percentile)
    ts_ms, price, weight = np.array(sorted(events), float).reshape(-1, 3).T
    columns = EventColumns(ts_ms.astype(np.int64), price.copy(), weight.copy(), np.zeros(len(events), bool))
    image = ImageBuilder(engine_type()).build(
        columns, spec, options, now_ms=spec.end_ms, window_start_ms=spec.t0_ms - 9 * spec.time_bin_ms
    )
    cells = oracle(spec.padded(cols=3, rows=3), events)
    cells = cells[cells > 0]
    expected = np.percentile(cells.astype(np.float32).astype(float), percentile) if cells.size else 0.0
    assert image.reference == pytest.approx(expected, rel=1e-6)
    inside = np.count_nonzero(oracle(spec, [(t, p, 1.0) for t, p, _ in events])) if events else 0
    assert np.count_nonzero(image.rgba[..., 3]) == inside
    assert image.events + image.outside == len(events)


@given(markets(), st.randoms(use_true_random=False))
@quick
def test_order_does_not_matter(market, random):
    spec, events = market
    ordered = sorted(events)
    shuffled = events.copy()
    random.shuffle(shuffled)
    np.testing.assert_allclose(grid_of(shuffled, spec, NumbaEngine), grid_of(ordered, spec, NumbaEngine), rtol=1e-6)


@given(markets())
@quick
def test_engines_agree_to_the_last_bit(market):
    spec, events = market
    np.testing.assert_array_equal(grid_of(events, spec, NumpyEngine), grid_of(events, spec, NumbaEngine))


@ENGINES
@given(markets())
@quick
def test_mass_is_conserved(engine_type, market):
    spec, events = market
    # Wide enough for everything that the strategy makes.
    wide = spec.padded(cols=3, rows=3)
    total = grid_of(events, wide, engine_type).astype(float).sum()
    assert total == pytest.approx(math.fsum(event[2] for event in events), rel=1e-6)


@ENGINES
@given(markets(), st.integers(0, 3), st.integers(0, 3))
@quick
def test_panning_by_whole_bins_shifts_the_grid_exactly(engine_type, market, cols, rows):
    spec, events = market
    wide = grid_of(events, spec.padded(cols=cols, rows=rows), engine_type)
    inner = wide[rows : rows + spec.rows, cols : cols + spec.cols]
    np.testing.assert_array_equal(inner, grid_of(events, spec, engine_type))


@given(markets())
@quick
def test_numpy_histogram2d_agrees(market):
    spec, events = market
    # Off the borders, where NumPy's closed last edge and wavering decimals cannot matter.
    middle = [(ts_ms, price + spec.price_bin * 0.037, weight) for ts_ms, price, weight in events]
    ts_ms, price, weight = np.array(middle, float).reshape(-1, 3).T
    price_edges = (spec.first_price_bin + np.arange(spec.rows + 1)) * spec.price_bin
    time_edges = spec.t0_ms + np.arange(spec.cols + 1) * float(spec.time_bin_ms)
    inside = ts_ms < spec.end_ms
    expected, _, _ = np.histogram2d(
        price[inside], ts_ms[inside], bins=[price_edges, time_edges], weights=weight[inside]
    )
    np.testing.assert_allclose(grid_of(middle, spec, NumbaEngine), expected, rtol=1e-6)


@given(markets())
@quick
def test_sums_are_the_cells_of_the_whole_world(market):
    spec, events = market
    everything = grid_of(events, spec.padded(cols=3, rows=3), NumpyEngine)
    ts_ms, price, weight = np.array(sorted(events), float).reshape(-1, 3).T
    batch = EventBatch.of_weights(ts_ms.astype(np.int64), price.copy(), weight.copy())
    for engine in (NumpyEngine(), NumbaEngine()):
        sums = engine.sums(batch, spec.time_bin_ms, spec.price_bin)
        np.testing.assert_allclose(np.sort(sums[:, 0]), np.sort(everything[everything > 0]), rtol=1e-6)


def plain_paint(sums, plan, rows, cols):
    """`PaintPlan`'s formula, cell by cell, in float64: the channels, and their sum if there are two."""
    channels, padded_cols, padded_rows = sums.shape
    pad_cols, pad_rows = plan.col_weights.size // 2, plan.row_weights.size // 2
    layers = [*sums.astype(float)]
    heats = [*plan.trail_start.astype(float)]
    if channels > 1:
        layers.append(layers[0] + layers[1])
        heats.append(heats[0] + heats[1])
    values = np.zeros((len(layers), rows, cols))
    for layer, (raw_cells, start) in enumerate(zip(layers, heats, strict=True)):
        heat = start
        for col in range(padded_cols - pad_cols):
            if col >= pad_cols:
                spot = float(plan.trail_strength) * np.minimum(heat, float(plan.edges[-1]))
                for k in range(-pad_cols, pad_cols + 1):
                    for r in range(padded_rows):
                        raw = raw_cells[col + k, r]
                        lifted = max(raw, float(plan.floors[col + k])) if raw > 0 else 0.0
                        spot[r] = max(spot[r], float(plan.col_weights[k + pad_cols]) * lifted)
                for r in range(rows):
                    values[layer, r, col - pad_cols] = max(
                        float(plan.row_weights[q]) * spot[r + q] for q in range(2 * pad_rows + 1)
                    )
            heat = (heat + raw_cells[col]) * float(plan.trail_factor)
    return values


@ENGINES
@given(
    st.integers(1, 2),
    st.integers(1, 5),
    st.integers(1, 60),
    st.integers(0, 2),
    st.integers(0, 2),
    st.sampled_from([0.0, 0.5, 0.97, 0.9999]),
    st.sampled_from([0.01, 0.2]),
    st.integers(0, 2**32 - 1),
)
@settings(max_examples=60, deadline=None)
def test_painting_follows_the_formula(engine_type, channels, rows, cols, pad_cols, pad_rows, factor, density, seed):
    rng = np.random.default_rng(seed)
    shape = (channels, cols + 2 * pad_cols, rows + 2 * pad_rows)
    sums = np.where(rng.random(shape) < density, rng.uniform(1, 100, shape), 0).astype(np.float32)
    cols_of, rows_of = np.nonzero((sums > 0).any(axis=0))
    cells = Cells(
        start=np.searchsorted(cols_of, np.arange(shape[1] + 1)),
        row=rows_of.astype(np.int32),
        values=np.ascontiguousarray(sums[:, cols_of, rows_of].T),
        rows=shape[2],
        kept=0,
        found=0,
        inside=0,
    )
    heat = rng.uniform(0, 9, (channels, shape[2])) * (factor > 0)
    edges = np.linspace(0.5, 120, 255).astype(np.float32)
    plan = PaintPlan(
        col_weights=np.exp(-0.3 * np.arange(-pad_cols, pad_cols + 1) ** 2).astype(np.float32),
        row_weights=np.exp(-0.5 * np.arange(-pad_rows, pad_rows + 1) ** 2).astype(np.float32),
        floors=rng.uniform(0, 20, shape[1]).astype(np.float32),
        trail_factor=np.float32(factor),
        trail_strength=np.float32(0.2),
        trail_start=heat.astype(np.float32),
        edges=edges,
        # The colour spells out share and level.
        colours=np.arange(17 if channels == 2 else 1, dtype=np.uint32)[:, None] * 1000
        + np.arange(256, dtype=np.uint32),
    )
    out = np.full((rows, cols), 99_999, np.uint32)
    engine_type().paint(cells, plan, out)
    values = plain_paint(sums, plan, rows, cols)
    total = values[-1][::-1]
    # A lookup is exact to a thousandth, a trail alone to half a step of its table.
    low = np.searchsorted(edges, total * 0.993, side="right")
    high = np.searchsorted(edges, total * 1.0075, side="right")
    levels = out % 1000
    assert ((low <= levels) & (levels <= high)).all()
    if channels == 2:
        shown = levels > 0
        share = (values[1] / np.maximum(values[0] + values[1], 1e-30))[::-1][shown] * 16
        assert (np.abs(out[shown] // 1000 - share) <= 0.501).all()
    else:
        assert (out < 256).all()
