"""How the cost grows: with the events and with the cells, and with nothing else.

Run with ``pytest tests/bench/test_kernel_sweep.py --benchmark-enable --benchmark-group-by=group``. In each group the
time per unit should become constant; where nothing of the unit changes, the time itself.
"""

from __future__ import annotations

import pytest

from Heatmap.aggregation import GridSpec, ImageBuilder
from Heatmap.aggregation.numba_engine import NumbaEngine
from Heatmap.commands.bench_run import LOG, SPEC, market
from Heatmap.event_columns import EventColumns


def fresh(spec, columns):
    builder = ImageBuilder(NumbaEngine(1))

    def build():
        renewed = EventColumns(columns.ts_ms, columns.price, columns.notional, columns.is_long)
        return builder.build(renewed, spec, LOG, now_ms=SPEC.end_ms, window_start_ms=SPEC.t0_ms)

    return build


@pytest.mark.parametrize("count", [250_000, 500_000, 1_000_000, 2_000_000])
def test_events(benchmark, count):
    benchmark.group = "events, 380 x 1700"
    assert benchmark(fresh(SPEC, market(count))).events == count


@pytest.mark.parametrize("count", [1_000, 2_000, 4_000, 8_000])
def test_few_events(benchmark, count):
    """Only the cells they touch are looked at."""
    benchmark.group = "few events, 380 x 1700"
    assert benchmark(fresh(SPEC, market(count))).events == count


@pytest.mark.parametrize("divisor", [4, 2, 1])
def test_cells(benchmark, divisor):
    """Finer columns over the same time and prices, the same events."""
    benchmark.group = "cells, 100,000 events"
    bin_ms = SPEC.time_bin_ms * divisor
    cols = -(-SPEC.cols // divisor) + 1
    spec = GridSpec(SPEC.t0_ms // bin_ms * bin_ms, bin_ms, cols, SPEC.price0, SPEC.price_bin, SPEC.rows)
    assert benchmark(fresh(spec, market(100_000))).events == 100_000


@pytest.mark.parametrize("rows", [380, 760, 1520])
def test_empty_cells_cost_nothing(benchmark, rows):
    """More rows above and below in which nothing happens."""
    benchmark.group = "empty rows, 100,000 events"
    price0 = SPEC.price0 - (rows - SPEC.rows) // 2 * SPEC.price_bin
    spec = GridSpec(SPEC.t0_ms, SPEC.time_bin_ms, SPEC.cols, price0, SPEC.price_bin, rows)
    assert benchmark(fresh(spec, market(100_000))).events == 100_000
