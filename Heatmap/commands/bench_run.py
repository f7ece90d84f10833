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
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from Heatmap.aggregation.engine_choice import load_kernels
from Heatmap.clock import SYSTEM_CLOCK
from Heatmap.commands.bench_job import COLS, LINEAR, LOG, LOOK, ROWS, Contest, available_peers, market, ours

if TYPE_CHECKING:
    from collections.abc import Callable


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

    ``rows``: per count the peers, ours plain and in the default look, on one thread and on all, and filling an image
    with a constant. ``left_out``: the peers that cannot run here, and what each of them misses. ``machine``: CPU,
    versions, threads, memory bandwidth in bytes per ms, time to fill an image.
    """
    load_kernels()
    from Heatmap.aggregation.numba_engine import NumbaEngine, usable_threads  # noqa: PLC0415 - loads Numba

    threads = usable_threads()
    rows = []
    left_out: dict[str, str] = {}
    for count in counts:
        columns = market(count)
        peers, left_out = available_peers(Contest.of(columns))
        linear_peers, _ = available_peers(Contest.of(columns, linear=True))
        image = np.ones((ROWS, COLS), np.uint32)
        runs: dict[str, Callable[[], object]] = {
            **peers,
            "ours, 1 thread": ours(NumbaEngine(1), columns, LOG),
            "ours": ours(NumbaEngine(threads), columns, LOG),
            "ours, default look, 1 thread": ours(NumbaEngine(1), columns, LOOK),
            "ours, default look": ours(NumbaEngine(threads), columns, LOOK),
            "fill": partial(image.fill, 7),
        }
        linear: dict[str, Callable[[], object]] = {
            **linear_peers,
            "ours, 1 thread": ours(NumbaEngine(1), columns, LINEAR),
            "ours": ours(NumbaEngine(threads), columns, LINEAR),
        }
        turns = rounds if count < _MANY else max(3, rounds // 3)
        log_ms = interleaved_ms(runs, turns)
        fill_ms = log_ms.pop("fill")
        rows.append({"events": count, "fill_ms": fill_ms, "log_ms": log_ms, "linear_ms": interleaved_ms(linear, turns)})
    return {"machine": _machine(threads), "rows": rows, "left_out": left_out}


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


def main() -> None:
    """Measure what standard input asks for."""
    wanted = json.load(sys.stdin)
    json.dump(measure(wanted["counts"], wanted["rounds"]), sys.stdout)


if __name__ == "__main__":
    main()
