"""Runs stress scenarios, each in a process of its own, and prints one table of what they found.

Usage: ``python -P tests/stress/run.py [--long] [--server] [--markdown FILE] [NAME …]``. Exits with 1 if
one has a fault.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS), str(TESTS.parent)]

from stress.harness import Outcome, text_table, with_markdown_rows  # noqa: E402

# Where each is; one with True needs a screen.
SCENARIOS = {
    "two_days": ("stress.days", False),
    "flood": ("stress.feeds", False),
    "cascades": ("stress.feeds", False),
    "server_killed": ("stress.feeds", False),
    "clock_jumps": ("stress.feeds", False),
    "disk_slow": ("stress.disks", False),
    "disk_full": ("stress.disks", False),
    "read_only": ("stress.disks", False),
    "collector_killed": ("stress.disks", False),
    "gui_blocked": ("stress.screens", True),
    "page_reloaded": ("stress.screens", True),
    "attach_detach": ("stress.screens", True),
    "opened_closed": ("stress.screens", True),
}
# Those that can record into a server.
ON_SERVER = ("flood", "cascades", "server_killed", "clock_jumps", "collector_killed")
LONGEST_S = 3600
MARK = "outcome: "


def outcome_of(name, *, is_long, db=None):
    """Return what a scenario finds in a process, folder and, with one, on a screen of its own."""
    needs_screen = SCENARIOS[name][1]
    command = [sys.executable, "-P", str(Path(__file__)), "--child", name, *(["--long"] if is_long else [])]
    command += ["--db", db] if db else []
    if needs_screen:
        command = ["xvfb-run", "-a", "-s", "-screen 0 1920x1200x24", *command]
    with tempfile.TemporaryDirectory(prefix="heatmap-stress-") as folder:
        home = dict.fromkeys(("XDG_CONFIG_HOME", "XDG_DATA_HOME"), folder)
        graphics = {"QT_QPA_PLATFORM": "xcb", "QTWEBENGINE_DISABLE_SANDBOX": "1", "LC_ALL": "C.UTF-8"}
        done = subprocess.run(
            command, cwd=folder, env=os.environ | home | graphics, capture_output=True, text=True, check=False,
            timeout=LONGEST_S,
        )  # fmt: skip
    lines = [line for line in done.stdout.splitlines() if line.startswith(MARK)]
    if done.returncode or not lines:
        return Outcome(faults=[f"it ended with {done.returncode}: {(done.stderr or done.stdout).strip()[-1500:]}"])
    return Outcome(**json.loads(lines[-1].removeprefix(MARK)))


def run_here(name, *, is_long, db):
    """Run a scenario in this process and print its outcome as JSON."""
    folder = Path.cwd()
    scenario = getattr(importlib.import_module(SCENARIOS[name][0]), name)
    found = scenario(db or folder / "record.sqlite3", folder, is_long=is_long).judged()
    sys.stdout.write(f"{MARK}{json.dumps(asdict(found))}\n")


@contextlib.contextmanager
def _server(is_wanted):
    """Yield a function that returns the address of a new database of a private server, or None without one."""
    if not is_wanted:
        yield lambda _: None
        return
    from support.postgres import Cluster  # noqa: PLC0415 - needs an installed server

    cluster = Cluster()
    try:
        yield cluster.create
    finally:
        cluster.remove()


def main():
    parser = argparse.ArgumentParser(description="stress scenarios of the recorder and the map")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(SCENARIOS)}; all without one")
    parser.add_argument("--long", action="store_true", help="minutes instead of seconds")
    parser.add_argument("--server", action="store_true", help="record into a PostgreSQL server made for it")
    parser.add_argument("--db", help=argparse.SUPPRESS)
    parser.add_argument("--markdown", type=Path, help="put the rows into the table of this page")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    words = parser.parse_args()
    if words.child:
        run_here(words.child, is_long=words.long, db=words.db)
        return 0
    if unknown := set(words.names) - set(SCENARIOS):
        parser.error(f"unknown: {', '.join(sorted(unknown))}; there are {', '.join(SCENARIOS)}")
    names = words.names or (ON_SERVER if words.server else SCENARIOS)
    if words.server and (others := set(names) - set(ON_SERVER)):
        parser.error(f"not on a server: {', '.join(sorted(others))}")
    form, results = "long" if words.long else "short", []
    with _server(words.server) as new_database:
        for name in names:
            outcome = outcome_of(name, is_long=words.long, db=new_database(name))
            results.append((f"{name}, PostgreSQL" if words.server else name, form, outcome))
            sys.stdout.write(f"{text_table(results[-1:]).splitlines()[1]}\n")
            sys.stdout.flush()
    sys.stdout.write(f"\n{text_table(results)}\n")
    if words.markdown is not None:
        page = words.markdown.read_text(encoding="utf-8") if words.markdown.exists() else ""
        words.markdown.write_text(with_markdown_rows(page, results), encoding="utf-8")
    return int(any(outcome.faults for _, _, outcome in results))


if __name__ == "__main__":
    sys.exit(main())
