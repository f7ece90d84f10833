"""Events to RGBA: our engines beside the best combination of peers, in one run on one machine.

Run with ``pytest tests/bench/test_kernel_bench.py --benchmark-enable --benchmark-group-by=group``. Without that each
case runs once, as a test that it still works. Ratios within a group are what counts, not milliseconds.
"""

from __future__ import annotations

import numpy as np
import pytest
from fast_histogram import histogram2d

from Heatmap.aggregation import PALETTES, GridSpec, ImageBuilder, RenderOptions
from Heatmap.aggregation.numba_engine import NumbaEngine
from Heatmap.aggregation.numpy_engine import NumpyEngine
from Heatmap.columns import EventColumns

ROWS, COLS, TIME_BIN_MS, PRICE_BIN = 380, 1700, 15_000, 4.0
SPEC = GridSpec(
    t0_ms=1_699_999_995_000, time_bin_ms=TIME_BIN_MS, cols=COLS, price0=99_240.0, price_bin=PRICE_BIN, rows=ROWS
)
WINDOW = {"now_ms": SPEC.end_ms, "window_start_ms": SPEC.t0_ms}
SHARP = RenderOptions(palette="fire", sigma_cols=0, sigma_rows=0)

counts = pytest.mark.parametrize("count", [1_000, 100_000, 1_000_000])


def market(count):
    """Events clustered around a wandering price."""
    rng = np.random.default_rng(count)
    ts_ms = np.sort(rng.integers(SPEC.t0_ms, SPEC.end_ms, count))
    path = 100_000 + 400 * np.sin(np.linspace(0, 9, count)) + rng.normal(0, 60, count)
    return EventColumns(ts_ms, path.round(1), np.exp(rng.normal(8, 2, count)), rng.random(count) < 0.5)


def fresh_image(engine, columns, options):
    """Everything from raw events on, as after a new event: no selection and no scale is remembered."""
    builder = ImageBuilder(engine)

    def build():
        renewed = EventColumns(columns.ts_ms, columns.price, columns.notional, columns.is_long)
        return builder.build(renewed, SPEC, options, **WINDOW)

    return build


@counts
def test_numba_whole_job(benchmark, count):
    benchmark.group = f"whole job {count}"
    image = benchmark(fresh_image(NumbaEngine(), market(count), SHARP))
    assert image.events + image.outside == count


@counts
def test_numpy_whole_job(benchmark, count):
    benchmark.group = f"whole job {count}"
    image = benchmark(fresh_image(NumpyEngine(), market(count), SHARP))
    assert image.events + image.outside == count


@counts
def test_numba_unchanged_events(benchmark, count):
    """Panning: the same events again."""
    benchmark.group = f"whole job {count}"
    columns, builder = market(count), ImageBuilder(NumbaEngine())
    image = benchmark(lambda: builder.build(columns, SPEC, SHARP, **WINDOW))
    assert image.events > 0


@counts
def test_numba_with_spots_and_trail(benchmark, count):
    """The default look: both sides, spots, trail."""
    benchmark.group = f"default look {count}"
    options = RenderOptions(trail_half_life_ms=1_200_000)
    image = benchmark(fresh_image(NumbaEngine(), market(count), options))
    assert image.events > 0


@counts
def test_peer_whole_job(benchmark, count):
    """fast-histogram, then NumPy's log, percentile and table look-up."""
    benchmark.group = f"whole job {count}"
    columns = market(count)
    ts_ms = columns.ts_ms.astype(float)
    table = PALETTES["fire"].tables[0]
    ranges = [[SPEC.price0, SPEC.price1], [SPEC.t0_ms, SPEC.end_ms]]

    def build():
        grid = histogram2d(columns.price, ts_ms, bins=[ROWS, COLS], range=ranges, weights=columns.notional)
        reference = np.percentile(grid[grid > 0], 99.5)
        share = np.log1p(np.minimum(grid / reference, 1) * 1000) / np.log1p(1000)
        return table[np.rint(share * 255).astype(np.uint8)][::-1]

    image = benchmark(build)
    ours = fresh_image(NumpyEngine(), columns, SHARP)().rgba
    # Ours lifts the faintest events; apart from them a level or two by rounding.
    strong = image[..., 3] > table[40, 3]
    assert np.abs(image[strong].astype(int) - ours[strong]).mean() < 2
