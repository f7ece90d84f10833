"""The measuring half of `heatmap bench`: runs in a process of its own, whose memory allocator is the regime.

Run as ``python -m Heatmap.commands.bench_run`` it reads one JSON object with the counts and the number of rounds from
standard input and writes one JSON object to standard output; see `measure`.
"""

from __future__ import annotations

import json
import os
import platform
import sys
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from Heatmap.aggregation.crew import usable_threads
from Heatmap.aggregation.event_batch import EventBatch
from Heatmap.aggregation.image_buffer import Canvas
from Heatmap.aggregation.image_builder import ImageBuilder
from Heatmap.aggregation.normalization import level_edges
from Heatmap.aggregation.paint_plan import paint_plan
from Heatmap.aggregation.palettes import find_palette
from Heatmap.aggregation.warmup import load_kernels
from Heatmap.clock import SYSTEM_CLOCK
from Heatmap.columns import EventColumns
from Heatmap.commands.bench_job import COLS, LINEAR, LOG, LOOK, ROWS, SPEC, Contest, available_peers, market, ours

if TYPE_CHECKING:
    from collections.abc import Callable

    from Heatmap.aggregation.engine import Engine

_BYTES_PER_EVENT: Final = 24
_LIBRARIES: Final = (
    "numpy",
    "numba",
    "fast-histogram",
    "boost-histogram",
    "datashader",
    "pandas",
    "pyqtgraph",
    "matplotlib",
)
# From so many events on a run takes so long that a third of the rounds says as much.
_MANY: Final = 1_000_000
_LIVE_REPEATS: Final = 200
# New events come in order, in the last columns of the map.
_LIVE_FROM_MS: Final = SPEC.end_ms - 40 * SPEC.time_bin_ms


def interleaved_ms(runs: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Return the median time of each in ms.

    All take turns, so that a slow phase of the machine hits all. In each turn one runs twice and the second time
    counts, as in a program that makes one picture after the other: what others left in the caches is not its cost.
    """
    times: dict[str, list[float]] = {name: [] for name in runs}
    for turn in range(rounds + 1):
        for name, run in runs.items():
            run()
            started_s = SYSTEM_CLOCK.monotonic_s()
            run()
            # The first turn compiles, loads and fills buffers.
            if turn:
                times[name].append((SYSTEM_CLOCK.monotonic_s() - started_s) * 1000.0)
    return {name: median(values) for name, values in times.items()}


def measure(counts: list[int], rounds: int) -> dict[str, Any]:
    """Return everything that is measured in one regime, times in ms.

    ``rows``: per count the peers, ours on one thread and on all, log and linear. ``left_out``: the peers that cannot
    run here, and what each of them misses. ``live``: new events on a map of 100,000. ``machine``: CPU, versions,
    threads, memory bandwidth in bytes per ms, time to fill an image.
    """
    load_kernels()
    from Heatmap.aggregation.numba_engine import NumbaEngine  # noqa: PLC0415 - loads Numba

    threads = usable_threads()
    rows = []
    left_out: dict[str, str] = {}
    for count in counts:
        columns = market(count)
        peers, left_out = available_peers(Contest.of(columns))
        linear_peers, _ = available_peers(Contest.of(columns, linear=True))
        runs: dict[str, Callable[[], object]] = {
            **peers,
            "ours, 1 thread": ours(NumbaEngine(1), columns, LOG),
            "ours": ours(NumbaEngine(threads), columns, LOG),
            "ours, default look": ours(NumbaEngine(threads), columns, LOOK),
        }
        linear: dict[str, Callable[[], object]] = {
            **linear_peers,
            "ours, 1 thread": ours(NumbaEngine(1), columns, LINEAR),
            "ours": ours(NumbaEngine(threads), columns, LINEAR),
        }
        turns = rounds if count < _MANY else max(3, rounds // 3)
        rows.append(
            {"events": count, "log_ms": interleaved_ms(runs, turns), "linear_ms": interleaved_ms(linear, turns)}
        )
    return {
        "machine": _machine(threads),
        "rows": rows,
        "left_out": left_out,
        "live": _live_ms(NumbaEngine(threads)),
    }


def _machine(threads: int) -> dict[str, Any]:
    versions = {}
    for name in _LIBRARIES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            versions[name] = "not installed"
    stream, image = np.ones(16_000_000), np.ones((ROWS, COLS), np.uint32)
    times = interleaved_ms({"read": stream.max, "fill": lambda: image.fill(7)}, 15)
    return {
        "cpu": _cpu_name(),
        "cores": os.cpu_count(),
        "threads": threads,
        "python": platform.python_version(),
        "versions": versions,
        "read_bytes_per_ms": stream.nbytes / times["read"],
        "fill_ms": times["fill"],
    }


def _cpu_name() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass  # not Linux: what Python knows must do
    return platform.processor() or platform.machine()


def _live_ms(engine: Engine) -> dict[str, float]:
    """Return the median ms of one and of 1,000 new events on a map of 100,000, and of painting that map anew."""
    found = {}
    for name, size in (("1 event", 1), ("1,000 events", 1000)):
        columns, rng = market(100_000).between(SPEC.t0_ms, _LIVE_FROM_MS), np.random.default_rng(size)
        builder = ImageBuilder(engine)
        build = partial(builder.build, now_ms=SPEC.end_ms, window_start_ms=SPEC.t0_ms)
        build(columns, SPEC, LOG)
        times = []
        moments = np.linspace(_LIVE_FROM_MS, SPEC.end_ms - 1, _LIVE_REPEATS + 1).astype(np.int64)
        for start_ms, end_ms in pairwise(moments.tolist()):
            newer = EventColumns(
                np.sort(rng.integers(start_ms, end_ms, size)),
                (100_160 + rng.normal(0, 60, size)).round(1),
                np.full(size, 1500.0),
                rng.integers(0, 2, size) > 0,
            )
            columns = columns.merged(newer)
            started_s = SYSTEM_CLOCK.monotonic_s()
            image = build(columns, SPEC, LOG, newer=newer)
            if image.dirty_cols is not None:
                times.append((SYSTEM_CLOCK.monotonic_s() - started_s) * 1000.0)
        # The first one opens the live grid.
        found[name] = median(times[1:])
    found["recolour"] = _recolour_ms(engine)
    return found


def _recolour_ms(engine: Engine) -> float:
    """Return the median ms of painting all of a map of 100,000 events whose cells are known."""
    batch = EventBatch.select(market(100_000), first=0, sides="both", min_notional=0.0, by_side=False)
    cells = engine.bin_events(batch, SPEC, pad_cols=0, pad_rows=0, tail=0.0)
    reference = engine.cell_percentile(cells, LOG.clip_percentile)
    edges = level_edges(LOG.normalization, reference, np.empty(0, np.float32))
    palette = find_palette(LOG.palette)
    plan = paint_plan(batch, SPEC, LOG, palette=palette, edges=edges, as_of_ms=SPEC.end_ms, fade=1.0)
    canvas = Canvas.empty(ROWS, COLS)
    return interleaved_ms({"paint": lambda: engine.paint(cells, plan, canvas)}, _LIVE_REPEATS)["paint"]


def main() -> None:
    """Measure what standard input asks for."""
    wanted = json.load(sys.stdin)
    json.dump(measure(wanted["counts"], wanted["rounds"]), sys.stdout)


if __name__ == "__main__":
    main()
