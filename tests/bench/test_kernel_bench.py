"""Events to RGBA: our engines beside the best combinations of peers, in one run on one machine.

Run with ``pytest tests/bench/test_kernel_bench.py --benchmark-enable --benchmark-group-by=group``; the fault-free
regime is the same under ``MALLOC_MMAP_THRESHOLD_=4294967296 MALLOC_TRIM_THRESHOLD_=4294967296``. Without
``--benchmark-enable`` each case runs once, as a test that it still works. Ratios within a group are what counts, not
milliseconds; pytest-benchmark records CPU and Python, ``extra_info`` the rest. The peers are in the dependency group
``bench``; those that are not installed are skipped.
"""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

import numpy as np
import pytest
from support.bench_peers import PEERS, Contest

from Heatmap.aggregation import ImageBuilder
from Heatmap.aggregation.engine import totals
from Heatmap.aggregation.event_batch import EventBatch
from Heatmap.aggregation.normalization import level_edges
from Heatmap.aggregation.numba_engine import NumbaEngine, usable_threads
from Heatmap.aggregation.numpy_engine import NumpyEngine
from Heatmap.aggregation.paint_plan import Decay, paint_plan
from Heatmap.commands.bench_run import COLS, LINEAR, LOG, LOOK, ROWS, SPEC, market, ours
from Heatmap.event_columns import EventColumns

WINDOW = {"now_ms": SPEC.end_ms, "window_start_ms": SPEC.t0_ms}

counts = pytest.mark.parametrize("count", [1_000, 10_000, 100_000, 1_000_000])
scales = pytest.mark.parametrize("options", [LOG, LINEAR], ids=["log", "linear"])


def installed(name):
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


VERSIONS = {
    name: installed(name)
    for name in ("numpy", "numba", "fast-histogram", "boost-histogram", "datashader", "pyqtgraph", "matplotlib")
}


def note(benchmark, group, threads=1):
    benchmark.group = group
    benchmark.extra_info |= {"threads": threads} | VERSIONS


@counts
@scales
@pytest.mark.parametrize("threads", sorted({1, usable_threads()}))
def test_ours(benchmark, count, options, threads):
    note(benchmark, f"{options.normalization} {count}", threads)
    image = benchmark(ours(NumbaEngine(threads), market(count), options))
    assert image[..., 3].any()


@counts
@scales
def test_ours_before_the_kernels_are_loaded(benchmark, count, options):
    note(benchmark, f"{options.normalization} {count}")
    image = benchmark(ours(NumpyEngine(), market(count), options))
    assert image[..., 3].any()


@counts
@scales
@pytest.mark.parametrize("peer", PEERS)
def test_peer(benchmark, count, options, peer):
    try:
        run = PEERS[peer](Contest.of(market(count), linear=options is LINEAR))
    except ImportError as error:
        pytest.skip(f"{error.name} is not installed")
    note(benchmark, f"{options.normalization} {count}")
    image = benchmark(run)
    assert image.shape == (ROWS, COLS, 4)
    assert image[..., 3].any()


@counts
def test_the_default_look(benchmark, count):
    """As the program shows it before anything is set."""
    note(benchmark, f"default look {count}", usable_threads())
    image = benchmark(ours(NumbaEngine(), market(count), LOOK))
    assert image[..., 3].any()


@counts
def test_unchanged_events(benchmark, count):
    """Panning: the same events again, the scale is known."""
    note(benchmark, f"{LOG.normalization} {count}", usable_threads())
    columns, builder = market(count), ImageBuilder(NumbaEngine())
    image = benchmark(lambda: builder.build(columns, SPEC, LOG, **WINDOW))
    assert image.events > 0


def test_new_events_on_a_map_of_100_000(benchmark):
    """As they come from an exchange: in order, in the last columns; the picture is made anew."""
    note(benchmark, "live", usable_threads())
    builder, rounds = ImageBuilder(NumbaEngine()), 60
    columns = [market(100_000)]
    builder.build(columns[0], SPEC, LOOK, **WINDOW)

    def more():
        newer = EventColumns(columns[0].ts_ms[-1:], np.array([100_160.5]), np.array([1500.0]), np.array([True]))
        columns[0] = columns[0].merged(newer)
        return (columns[0],), {}

    def add(all_of_them):
        return builder.build(all_of_them, SPEC, LOOK, **WINDOW)

    image = benchmark.pedantic(add, setup=more, rounds=rounds, warmup_rounds=2)
    assert image.events > 100_000


def test_painting_anew(benchmark):
    note(benchmark, "recolour", usable_threads())
    engine = NumbaEngine()
    batch = EventBatch.select(market(100_000), sides="both", min_notional=0.0, by_side=False)
    cells = engine.bin(batch, SPEC)
    edges = level_edges(LOG.normalization, engine.percentile(totals(cells.values), 99.5), np.empty(0, np.float32))
    plan = paint_plan(batch, SPEC, LOG, edges, Decay(SPEC.end_ms, 1.0))
    pixels = np.empty((ROWS, COLS), np.uint32)
    benchmark(lambda: engine.paint(cells, plan, pixels))
    assert pixels.any()


def test_filling_an_image_with_a_constant(benchmark):
    note(benchmark, "recolour")
    image = np.empty((ROWS, COLS), np.uint32)
    benchmark(lambda: image.fill(7))
