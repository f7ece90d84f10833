"""How long the program and the package take to start, and how much memory a recorder needs; each in a new process.

    pytest tests/bench/test_start_bench.py --benchmark-enable --benchmark-json=figures.json

Without ``--benchmark-enable`` only the package is imported.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys

import psutil
import pytest

from Heatmap.demo.exchange import DemoExchange
from Heatmap.demo.market import SimulatedMarket

STARTS = 5
RECORDING_S = 20

# Prints when the window is painted first, and when the map has an image; both in ms since the process began.
PROGRAM = """
import json, sys, time
import psutil
from PyQt6.QtCore import QTimer
from Heatmap.app.main_window import MainWindow
from Heatmap.cli import main

begun_s, found = psutil.Process().create_time(), {}

class Timed(MainWindow):
    def paintEvent(self, event):
        super().paintEvent(event)
        if "window" not in found:
            found["window"] = time.time() - begun_s
            self.clock = QTimer(self, interval=10, timeout=self.look)
            self.clock.start()

    def look(self):
        if self.plugin is not None and self.plugin.image is not None:
            found["image"] = time.time() - begun_s
            print(json.dumps({name: round(1000 * at_s) for name, at_s in found.items()}), flush=True)
            self.clock.stop()
            self.close()

import Heatmap.app.program
Heatmap.app.program.MainWindow = Timed
sys.exit(main(["--demo", "--lang", "en", "--db", sys.argv[1]]))
"""


def run_python(*arguments: str) -> str:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, *arguments], env=environment, capture_output=True, text=True, check=False, timeout=100
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_importing_the_package(benchmark):
    """In a process that has Python's own modules; NumPy is not loaded, and neither is Qt."""
    timed = "import time; s = time.perf_counter(); import Heatmap; print(1000 * (time.perf_counter() - s))"
    found = [float(run_python("-c", timed)) for _ in range(1 if benchmark.disabled else 2 * STARTS)]
    benchmark.pedantic(lambda: run_python("-c", "pass"), rounds=1)
    benchmark.extra_info["import_ms"] = [round(ms, 1) for ms in found]
    assert min(found) > 0


@pytest.mark.gl
@pytest.mark.timeout(600)
def test_starting_the_program(benchmark, tmp_path):
    if benchmark.disabled:
        pytest.skip("tests/gui starts it already")
    lines = [run_python("-c", PROGRAM, str(tmp_path / f"{number}.sqlite3")) for number in range(STARTS + 1)]
    # The first one fills the caches of the system and of the web engine.
    found = [json.loads(line) for line in lines[1:]]
    benchmark.pedantic(lambda: None, rounds=1)
    benchmark.extra_info |= {name: [each[name] for each in found] for name in found[0]}


@pytest.mark.timeout(300)
def test_memory_of_a_recorder(benchmark, tmp_path):
    if benchmark.disabled:
        pytest.skip("tests/integration records already")
    with DemoExchange(SimulatedMarket()) as exchange:
        command = [sys.executable, "-P", "-m", "Heatmap", "collect", "--db", str(tmp_path / "record.sqlite3")]
        command += ["--ws-url", exchange.ws_url, "--rest-url", exchange.rest_url, "--duration", str(RECORDING_S)]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as child:
            process, most_bytes = psutil.Process(child.pid), []

            def watch() -> None:
                while child.poll() is None:
                    try:
                        most_bytes.append(process.memory_info().rss)
                        child.wait(0.5)
                    except (subprocess.TimeoutExpired, psutil.NoSuchProcess):
                        continue

            benchmark.pedantic(watch, rounds=1)
    benchmark.extra_info |= {"rss_mb": round(max(most_bytes) / 1e6, 1), "seconds": RECORDING_S}
    assert child.returncode == 0
