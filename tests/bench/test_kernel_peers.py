"""Others agree: the same events in the same bins, summed by libraries that know nothing of ours."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from support.bench_peers import PEERS

from Heatmap.aggregation import GridSpec, build_grid
from Heatmap.aggregation.numba_engine import NumbaEngine
from Heatmap.commands.bench_run import COLS, ROWS, SPEC, market

RANGES = [[SPEC.price0, SPEC.price1], [SPEC.t0_ms, SPEC.end_ms]]
# Off the borders of all bins: floats that scale by another formula may fall on the other side there.
COLUMNS = market(50_000)
PRICE = COLUMNS.price + 0.03
TS = COLUMNS.ts_ms + 0.5


@pytest.fixture(scope="module")
def grid():
    return build_grid(COLUMNS.ts_ms, PRICE, COLUMNS.notional, SPEC, engine=NumbaEngine())


def test_numpy_agrees(grid):
    theirs, _, _ = np.histogram2d(PRICE, TS, bins=[ROWS, COLS], range=RANGES, weights=COLUMNS.notional)
    np.testing.assert_allclose(grid, theirs, rtol=1e-6)


def test_fast_histogram_agrees(grid):
    fast_histogram = pytest.importorskip("fast_histogram")
    theirs = fast_histogram.histogram2d(PRICE, TS, bins=[ROWS, COLS], range=RANGES, weights=COLUMNS.notional)
    np.testing.assert_allclose(grid, theirs, rtol=1e-6)


def test_boost_histogram_agrees(grid):
    bh = pytest.importorskip("boost_histogram")
    axes = (bh.axis.Regular(ROWS, *RANGES[0]), bh.axis.Regular(COLS, *RANGES[1]))
    theirs = bh.Histogram(*axes, storage=bh.storage.Double()).fill(PRICE, TS, weight=COLUMNS.notional)
    np.testing.assert_allclose(grid, theirs.view(), rtol=1e-6)


def test_datashader_agrees(grid):
    datashader = pytest.importorskip("datashader")
    pandas = pytest.importorskip("pandas")
    canvas = datashader.Canvas(plot_width=COLS, plot_height=ROWS, x_range=RANGES[1], y_range=RANGES[0])
    frame = pandas.DataFrame({"ts": TS, "price": PRICE, "usd": COLUMNS.notional})
    theirs = np.nan_to_num(canvas.points(frame, "ts", "price", datashader.sum("usd")).data)
    np.testing.assert_allclose(grid, theirs, rtol=1e-6)


def test_what_datashader_once_summed_agrees():
    """Its answer, recorded: it takes half a minute to install and is in no lock. Times were half a ms later for it."""
    recorded = json.loads((Path(__file__).parent / "datashader_sums.json").read_text(encoding="utf-8"))
    ts_ms, price, usd = zip(*recorded["ts_ms_price_usd"], strict=True)
    rows, cols = recorded["shape"]
    (start_ms, end_ms), (low, high) = recorded["x_range_ms"], recorded["y_range"]
    spec = GridSpec(start_ms, (end_ms - start_ms) // cols, cols, low, (high - low) / rows, rows)
    theirs = np.zeros((rows, cols))
    for row, col, total in recorded["row_col_sum"]:
        theirs[row, col] = total
    found = build_grid(np.array(ts_ms), np.array(price), np.array(usd), spec, engine=NumbaEngine())
    np.testing.assert_allclose(found, theirs, rtol=1e-6)
    assert len(usd) > np.count_nonzero(theirs) > 100


def test_the_command_measures_in_both_regimes():
    done = subprocess.run(
        [sys.executable, "-m", "Heatmap", "bench", "--events", "500", "--rounds", "1", "--json"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
        timeout=110,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert list(found) == ["as installed", "fault-free"]
    for result in found.values():
        assert result["rows"][0]["events"] == 500
        assert result["rows"][0]["log_ms"]["ours"] > 0
        assert {*result["rows"][0]["log_ms"], *result["left_out"]} >= set(PEERS)
        assert result["machine"]["versions"]["numba"]
        assert result["rows"][0]["log_ms"]["ours, default look"] > 0
        assert result["rows"][0]["log_ms"]["ours, default look, 1 thread"] > 0
        assert result["rows"][0]["fill_ms"] > 0
        assert result["machine"]["fill_ms"] > 0
