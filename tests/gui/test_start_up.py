"""What the program loads before its window is shown: nothing that can wait."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

pytestmark = [pytest.mark.gl]

PROGRAM = """
import gc, json, os, sys
from Heatmap import cli

def loaded():
    from Heatmap.app.main_window import MainWindow

    def show(window):
        print(json.dumps([gc.isenabled(), window.plugin.is_enabled(), sorted(sys.modules)]), flush=True)
        os._exit(0)

    MainWindow.show = show

cli.configure_logging = lambda **_: loaded()
cli.main(sys.argv[1:])
"""
# The map's layers and kernels, what few sessions use, and what only another market needs.
LATER = {
    "Heatmap.ui.heat_display", "Heatmap.rendering.build_worker", "Heatmap.aggregation.image_builder", "moderngl",
    "numba", "Heatmap.importing", "Heatmap.exporting", "Heatmap.demo", "Heatmap.app.simulation", "PyQt6.QtMultimedia",
    "PIL", "psycopg", "pyarrow", "tqdm",
}  # fmt: skip


def test_the_window_is_shown_before_the_heat_is_loaded(tmp_path):
    addresses = ["--ws-url", "ws://127.0.0.1:9", "--rest-url", "http://127.0.0.1:9"]
    command = [sys.executable, "-P", "-c", PROGRAM, "--db", str(tmp_path / "record.sqlite3"), *addresses]
    answer = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout
    looks_for_garbage, has_heat, modules = json.loads(answer)
    assert has_heat
    assert not looks_for_garbage
    assert {"Heatmap.app.main_window", "PyQt6.QtWebEngineWidgets"} <= set(modules)
    assert sorted(LATER & set(modules)) == []
