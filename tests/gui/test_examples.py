"""The examples run as their readers would run them, against the demo exchange; what has a window shows heat."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from PyQt6.QtGui import QImage

pytestmark = [pytest.mark.gl]

TESTS = Path(__file__).resolve().parents[1]
EXAMPLES = sorted(
    path for path in (TESTS / "examples").glob("*.py") if "QApplication" in path.read_text(encoding="utf-8")
)
MOST_LINES = 45  # of a screen


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_shows_heat_and_ends_in_order(example, tmp_path):
    picture = tmp_path / f"{example.stem}.png"
    command = [sys.executable, "-P", str(TESTS / "support" / "run_example.py"), str(example), str(picture)]
    environment = os.environ | {"XDG_DATA_HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path)}
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False, env=environment)
    assert (done.returncode, "Traceback" in done.stderr) == (0, False), done.stderr
    assert not QImage(str(picture)).isNull()
    folder = os.environ.get("HEATMAP_PICTURES")
    if folder:
        picture.rename(Path(folder) / picture.name)


@pytest.mark.parametrize("example", [*EXAMPLES, TESTS / "examples" / "chart_page.py"], ids=lambda path: path.stem)
def test_an_example_is_shorter_than_a_screen(example):
    assert len(example.read_text(encoding="utf-8").splitlines()) <= MOST_LINES
