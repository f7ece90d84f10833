"""The parts of ``heatmap bench --report`` that are measured by tests of a checkout: one run of pytest each."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from Heatmap.child_process import module_environment

if TYPE_CHECKING:
    from collections.abc import Callable

SERVER_VARIABLE: Final = "HEATMAP_BENCH_DATABASE"

PARTS: Final = {
    "decode": ("tests/bench/test_codec_bench.py",),
    "store": ("tests/bench/test_writer_bench.py",),
    "start": ("tests/bench/test_start_bench.py",),
    "view": ("tests/bench/test_view_bench.py",),
    "live": ("tests/gui/test_live_speed.py",),
    "frames": ("tests/bench/test_frames_bench.py", "-k", "against_without"),
    "motion": ("tests/gui/host/test_motion.py", "-k", "stays_on_its_candle and 5.2"),
}
"""Arguments of pytest by the name of a part."""


def measured_parts(checkout: Path, *, server: str | None, say: Callable[[str], None]) -> dict[str, dict[str, Any]]:
    """Return the figures of all parts; what a part could not measure is missing, and ``problem`` says why.

    ``server`` is the address of a database server, ``say`` takes a line on the progress. By name of a test: its
    ``best_s`` and what it noted; and ``load``, the processes that were ready to run in the minute before.
    """
    found = {}
    for name, arguments in PARTS.items():
        say(f"measuring: {name} ({arguments[0]})")
        load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
        found[name] = {"load": load, **_measured(checkout, arguments, server)}
    return found


def _measured(checkout: Path, arguments: tuple[str, ...], server: str | None) -> dict[str, Any]:
    environment = {**module_environment(), **({SERVER_VARIABLE: server} if server else {})}
    with tempfile.TemporaryDirectory(prefix="heatmap-bench-") as folder:
        path = Path(folder) / "figures.json"
        done = subprocess.run(  # noqa: S603 - this interpreter, tests of this checkout
            [sys.executable, "-m", "pytest", *arguments, "-q", "--benchmark-enable", f"--benchmark-json={path}",
             "-W", "ignore:Not saving anything"],
            cwd=checkout, env={"LC_ALL": "C.UTF-8", **environment}, capture_output=True, text=True, check=False,
        )  # fmt: skip
        found = _figures(path)
    if done.returncode:
        failed = [line for line in done.stdout.splitlines() if line.startswith(("FAILED", "ERROR "))]
        found["problem"] = "; ".join(failed) or f"pytest ended with {done.returncode}"
    return found


def _figures(path: Path) -> dict[str, Any]:
    """Return what pytest-benchmark wrote: by test its best round and its notes."""
    if not path.is_file() or not path.stat().st_size:
        return {}
    return {
        each["name"]: {"best_s": each["stats"]["min"], **each["extra_info"]}
        for each in json.loads(path.read_text(encoding="utf-8"))["benchmarks"]
    }
