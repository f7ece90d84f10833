"""``heatmap bench``: the time to make a map on this machine; in a checkout beside combinations of other libraries.

Peers spend much of their time on fresh memory; the program's own path keeps its buffers. So all is measured twice, each
time in a process of its own: *as installed*, and *fault-free*, with an allocator that keeps its memory (glibc's
thresholds set high): the peers' best case. A lead counts only where it holds in the second.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from Heatmap.child_process import module_command, module_environment
from Heatmap.errors import HeatmapError
from Heatmap.exit_code import ExitCode

if TYPE_CHECKING:
    import argparse

_COUNTS: Final = (1_000, 20_000, 100_000, 1_000_000, 10_000_000)
# A window of two days has 172,800 events of a symbol at most; what is more shows the curve.
_WINDOW_EVENTS: Final = 200_000
_ROUNDS: Final = 60
_MAX_EVENTS: Final = 50_000_000
_HUGE: Final = str(1 << 32)
REGIMES: Final = {"as installed": {}, "fault-free": {"MALLOC_MMAP_THRESHOLD_": _HUGE, "MALLOC_TRIM_THRESHOLD_": _HUGE}}
_INSTALL_PEERS: Final = (
    "pip install boost-histogram datashader fast-histogram matplotlib pandas pyqtgraph  (or pip install --group bench)"
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "--events", type=event_count, nargs="+", default=_COUNTS, metavar="N", help="how many events (several)"
    )
    parser.add_argument("--rounds", type=round_count, default=_ROUNDS, metavar="N", help="runs of each (default 60)")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--json", action="store_true", help="print one JSON object instead of tables")
    what.add_argument(
        "--report",
        type=Path,
        metavar="PAGE.md",
        help="in a checkout: measure the whole program, 10 min, and write a page",
    )
    parser.add_argument("--server", metavar="URL", help="for --report: postgresql://user@host/name to store on, too")


def event_count(text: str) -> int:
    """Return a number of events given on the command line; argparse names this function in its error."""
    if not 1 <= int(text) <= _MAX_EVENTS:
        raise ValueError
    return int(text)


def round_count(text: str) -> int:
    """Return a number of rounds given on the command line; argparse names this function in its error."""
    if int(text) < 1:
        raise ValueError
    return int(text)


def run(args: argparse.Namespace) -> int:
    """Measure, print the tables and return 0."""
    if args.report is not None:
        from Heatmap.commands.bench_report import require_checkout, write_report  # noqa: PLC0415 - loads Pillow

        require_checkout()
    found = {name: _measure(environment, list(args.events), args.rounds) for name, environment in REGIMES.items()}
    if args.report is not None:
        write_report(args.report, found, server=args.server)
        return ExitCode.OK
    if args.json:
        sys.stdout.write(json.dumps(found, indent=1) + "\n")
        return ExitCode.OK
    lines = [*_machine_lines(found["as installed"]["machine"]), *left_out_lines(found["as installed"]["left_out"])]
    for regime, result in found.items():
        look = f"{regime}: the look of the default settings beside the peers' plain pictures; median ms"
        plain = f"{regime}: plain pictures, 380 x 1700, log, exact P99.5; median ms"
        lines += ["", look, *look_table(result), "", plain, *table(result)]
    sys.stdout.write("\n".join(lines) + "\n")
    return ExitCode.OK


def _measure(environment: dict[str, str], counts: list[int], rounds: int) -> dict[str, Any]:
    done = subprocess.run(  # noqa: S603 - this interpreter, a module of this package
        module_command("Heatmap.commands.bench_run"),
        input=json.dumps({"counts": counts, "rounds": rounds}),
        env={**module_environment(), **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise HeatmapError(
            f"the measuring process ended with {done.returncode}:\n{done.stderr}",
            short="Measuring failed; --verbose shows the details.",
        )
    return dict(json.loads(done.stdout))


def look_table(result: dict[str, Any]) -> list[str]:
    """Return the table of the default look in one regime, as lines: the events of a window."""
    threads, peers = result["machine"]["threads"], _peers(result)
    lines = [["events", "fill", *peers, "1 thread", f"{threads} threads", "x fill", "ratio 1", f"ratio {threads}"]]
    for row in [row for row in result["rows"] if row["events"] <= _WINDOW_EVENTS] or result["rows"]:
        log, fill_ms = row["log_ms"], row["fill_ms"]
        one, many = log["ours, default look, 1 thread"], log["ours, default look"]
        times = [f"{one:.2f}", f"{many:.2f}", f"{many / fill_ms:.1f}"]
        ratios = [_ratio(one, log, peers), _ratio(many, log, peers)]
        lines.append([*_first_cells(row, fill_ms, peers), *times, *ratios])
    return _aligned(lines)


def table(result: dict[str, Any]) -> list[str]:
    """Return the table of plain pictures in one regime, as lines."""
    machine, peers = result["machine"], _peers(result)
    threads = machine["threads"]
    lines = [
        [
            "events",
            "limit",
            *peers,
            "1 thread",
            f"{threads} threads",
            "ratio 1",
            f"ratio {threads}",
            "linear",
            "functions",
        ]
    ]
    for row in result["rows"]:
        log, linear = row["log_ms"], row["linear_ms"]
        # Reading 24 bytes an event once and writing the image once is the least any program can do.
        limit_ms = row["events"] * 24 / machine["read_bytes_per_ms"] + machine["fill_ms"]
        one, many = log["ours, 1 thread"], log["ours"]
        ratios = [_ratio(one, log, peers), _ratio(many, log, peers), _ratio(linear["ours"], linear, peers)]
        ratios.append(_ratio(log["ours, public functions"], log, peers))
        lines.append([*_first_cells(row, limit_ms, peers), f"{one:.3f}", f"{many:.3f}", *ratios])
    return _aligned(lines)


def _first_cells(row: dict[str, Any], least_ms: float, peers: list[str]) -> list[str]:
    count = f"{row['events']:.0e}".replace("e+0", "e")
    return [count, f"{least_ms:.3f}", *(f"{row['log_ms'][peer]:.2f}" for peer in peers)]


def _ratio(own_ms: float, times_ms: dict[str, float], peers: list[str]) -> str:
    """Return our time divided by the best peer's."""
    return f"{own_ms / min(times_ms[peer] for peer in peers):.3f}" if peers else "-"


def _peers(result: dict[str, Any]) -> list[str]:
    return [name for name in result["rows"][0]["log_ms"] if not name.startswith("ours")]


def _aligned(lines: list[list[str]]) -> list[str]:
    widths = [max(len(line[col]) for line in lines) for col in range(len(lines[0]))]
    return ["  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)) for line in lines]


def left_out_lines(left_out: dict[str, str] | None) -> list[str]:
    """Return what to print about the peers that did not run, nothing if all did; None: there are no peers here."""
    if left_out is None:
        return ["other libraries are compared in a checkout of the source only (tests/support/bench_peers.py)"]
    if not left_out:
        return []
    names = "; ".join(f"{peer} ({module} is not installed)" for peer, module in left_out.items())
    return [f"left out: {names}", "A ratio is to the best peer that ran, or '-'.", f"For all of them: {_INSTALL_PEERS}"]


def _machine_lines(machine: dict[str, Any]) -> list[str]:
    versions = ", ".join(f"{name} {number}" for name, number in machine["versions"].items())
    return [
        f"{machine['cpu']}, {machine['cores']} cores, {machine['threads']} threads used",
        f"Python {machine['python']}, {versions}",
        f"memory read {machine['read_bytes_per_ms'] / 1e6:.1f} GB/s on one thread",
        "ratio: ours to the best peer; fill: writing the image once with a constant; limit: that and memory read once",
        "functions: ratio of build_grid and colorize, each call with new arrays; linear: ratio of the linear scale",
    ]
