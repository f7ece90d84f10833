"""The measurements of `heatmap bench`, in a process of their own with its own setting of the memory allocator.

The job: events to an RGBA image of 380 x 1700 cells, each event in its own cell, log scale clipped at the exact 99.5th
percentile of the occupied cells, or linear up to the maximum; and the look of the default settings in a chart of the
size for which they choose this grid. Every run starts from the raw events: no selection and no scale is reused.

``python -m Heatmap.commands.bench_run`` reads one JSON object (``counts``, ``rounds``) from standard input and writes
what `measure` returns to standard output.
"""

from __future__ import annotations

import json
import os
import platform
import sys
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from Heatmap.aggregation.colouring import colorize
from Heatmap.aggregation.engine_choice import load_kernels
from Heatmap.aggregation.grid import GridSpec
from Heatmap.aggregation.grid_builder import build_grid
from Heatmap.aggregation.image_builder import ImageBuilder
from Heatmap.aggregation.options import RenderOptions
from Heatmap.aggregation.resolution import PX_PER_COL, PX_PER_ROW
from Heatmap.clock import SYSTEM_CLOCK
from Heatmap.event_columns import EventColumns
from Heatmap.heatmap_settings import HeatmapSettings
from Heatmap.rendering.render_options import render_options
from Heatmap.rendering.view_grid import View
from Heatmap.vocabulary import Normalization

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from Heatmap.aggregation.engine import Engine

ROWS: Final = 380
COLS: Final = 1700
SPEC: Final = GridSpec(
    t0_ms=1_699_999_995_000, time_bin_ms=15_000, cols=COLS, price0=99_240.0, price_bin=4.0, rows=ROWS
)
LOG: Final = RenderOptions(palette="fire", sigma_cols=0, sigma_rows=0)
LINEAR: Final = RenderOptions(
    palette="fire", sigma_cols=0, sigma_rows=0, normalization=Normalization.LINEAR, clip_percentile=100
)
# The chart that has this grid without margins.
VIEW: Final = View(
    start_ms=SPEC.t0_ms,
    end_ms=SPEC.end_ms,
    price_low=SPEC.price0,
    price_high=SPEC.price1,
    width_px=round(COLS * PX_PER_COL),
    height_px=round(ROWS * PX_PER_ROW),
)
LOOK: Final = render_options(HeatmapSettings(), VIEW, SPEC, dark=True)

_LIBRARIES: Final = (
    "numpy", "numba", "fast-histogram", "boost-histogram", "datashader", "pandas", "pyqtgraph", "matplotlib",
)  # fmt: skip
# From so many events on a run takes so long that a third of the rounds is enough.
_MANY: Final = 1_000_000
CHECKOUT: Final = Path(__file__).resolve().parents[2]


def market(count: int) -> EventColumns:
    """Return ``count`` events, sorted by time and clustered around a wandering price; the same for the same count."""
    rng = np.random.default_rng(count)
    ts_ms = np.sort(rng.integers(SPEC.t0_ms, SPEC.end_ms, count))
    path = 100_000 + 400 * np.sin(np.linspace(0, 9, count)) + rng.normal(0, 60, count)
    return EventColumns(ts_ms, path.round(1), np.exp(rng.normal(8, 2, count)), rng.integers(0, 2, count) > 0)


def ours(engine: Engine, columns: EventColumns, options: RenderOptions) -> Callable[[], NDArray[np.uint8]]:
    """Return the program's own path: one builder that keeps its buffers, and all events new in each run."""
    builder = ImageBuilder(engine)

    def build() -> NDArray[np.uint8]:
        renewed = EventColumns(columns.ts_ms, columns.price, columns.notional, columns.is_long)
        return builder.build(renewed, SPEC, options, now_ms=SPEC.end_ms, window_start_ms=SPEC.t0_ms).rgba

    return build


def public_functions(columns: EventColumns) -> NDArray[np.uint8]:
    """Return the plain picture by `build_grid` and `colorize`, as a script makes it."""
    return colorize(build_grid(columns.ts_ms, columns.price, columns.notional, SPEC))


def interleaved_ms(runs: dict[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    """Return the times of each in ms.

    All take turns, so that a slow phase of the machine affects all. In each turn one runs twice and the second time
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
    return times


def medians(times_ms: dict[str, list[float]]) -> dict[str, float]:
    """Return the median of each."""
    return {name: median(values) for name, values in times_ms.items()}


def measure(counts: list[int], rounds: int) -> dict[str, Any]:
    """Return everything that is measured in one regime, times in ms.

    ``rows``: per count the peers, ours plain, in the default look and by the public functions, and filling an image
    with a constant: medians, and ``best_ms``, the shortest times. ``left_out``: the peers that cannot run here, and
    what each of them misses; None outside of a checkout, where there are no peers. ``machine``: CPU, versions, threads,
    memory bandwidth in bytes per ms, time to fill an image.
    """
    load_kernels()
    from Heatmap.aggregation.numba_engine import NumbaEngine, usable_threads  # noqa: PLC0415 - loads Numba

    threads = usable_threads()
    available_peers = _available_peers()
    rows = []
    left_out: dict[str, str] | None = None
    for count in counts:
        columns = market(count)
        runs: dict[str, Callable[[], object]] = {}
        linear: dict[str, Callable[[], object]] = {}
        if available_peers is not None:
            peers, left_out = available_peers(columns, linear=False)
            runs |= peers
            linear |= available_peers(columns, linear=True)[0]
        for name, used in (("ours, 1 thread", 1), ("ours", threads)):
            runs[name] = ours(NumbaEngine(used), columns, LOG)
            linear[name] = ours(NumbaEngine(used), columns, LINEAR)
        runs["ours, default look, 1 thread"] = ours(NumbaEngine(1), columns, LOOK)
        runs["ours, default look"] = ours(NumbaEngine(threads), columns, LOOK)
        runs["ours, public functions"] = partial(public_functions, columns)
        runs["fill"] = partial(np.ones((ROWS, COLS), np.uint32).fill, 7)
        turns = rounds if count < _MANY else max(3, rounds // 3)
        times_ms = interleaved_ms(runs, turns)
        log_ms = medians(times_ms)
        row = {"events": count, "fill_ms": log_ms.pop("fill"), "log_ms": log_ms}
        row["linear_ms"] = medians(interleaved_ms(linear, turns))
        row["best_ms"] = {name: min(values) for name, values in times_ms.items()}
        rows.append(row)
    return {"machine": _machine(threads), "rows": rows, "left_out": left_out}


def _available_peers() -> Callable[..., Any] | None:
    """Return `available_peers` of the peers' module, None where there is no checkout: the wheel has no peers."""
    path = CHECKOUT / "tests" / "support" / "bench_peers.py"
    if not (CHECKOUT / "pyproject.toml").is_file() or not path.is_file():
        return None
    spec = spec_from_file_location("bench_peers", path)
    if spec is None or spec.loader is None:
        return None
    module = sys.modules[spec.name] = module_from_spec(spec)
    spec.loader.exec_module(module)
    found: Callable[..., Any] = module.available_peers
    return found


def _machine(threads: int) -> dict[str, Any]:
    versions = {}
    for name in _LIBRARIES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            versions[name] = "not installed"
    stream, image = np.ones(16_000_000), np.ones((ROWS, COLS), np.uint32)
    times = medians(interleaved_ms({"read": stream.max, "fill": lambda: image.fill(7)}, 15))
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
        pass  # not Linux
    return platform.processor() or platform.machine()


if __name__ == "__main__":
    wanted = json.load(sys.stdin)
    json.dump(measure(wanted["counts"], wanted["rounds"]), sys.stdout)
