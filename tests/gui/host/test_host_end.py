"""However a host ends while its heatmap is attached, its own exit code survives."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.gl, pytest.mark.timeout(300)]

PROGRAM = Path(__file__).with_name("ending_program.py")
RUNS = 2
CODES = {
    "forgotten": 5,
    "exception at the end": 1,
    "exception in a slot": 4,
    "exit in a slot": 3,
    "the view first": 5,
    "the service first": 5,
    "the plugin first": 5,
    "the application first": 5,
    "the window is closed": 5,
}

# PyQt's own clean-up runs after ours and before this handler; the filter is called while it deletes the window.
FILTERED = """
import atexit, sys
from PyQt6.QtCore import QCoreApplication, QEvent, QObject, QTimer
from PyQt6.QtWidgets import QApplication, QMainWindow

def look():
    calls.clear()
    QCoreApplication.sendEvent(window, QEvent(QEvent.Type.User))
    sys.stdout.write(f"{len(calls)} calls")

atexit.register(look)
import Heatmap.plugin

calls = []
class Filter(QObject):
    def eventFilter(self, watched, event):
        calls.append(watched)
        return False

application = QApplication(["host"])
watcher = Filter()
application.installEventFilter(watcher)
window = QMainWindow()
window.show()
QTimer.singleShot(0, application.quit)
application.exec()
assert calls
"""


@pytest.mark.parametrize("how", CODES)
def test_the_exit_code_survives(open_host, how):
    with open_host() as host:
        host.write_page()
        environment = {**os.environ, "QTWEBENGINE_DISABLE_SANDBOX": "1"}
        children = [
            subprocess.Popen(
                [sys.executable, str(PROGRAM), how, str(host.folder)],
                env=environment,
                stderr=subprocess.PIPE,
                text=True,
                errors="replace",
            )
            for _ in range(RUNS)
        ]
        outcomes = [(child.communicate(timeout=120)[1], child.returncode) for child in children]
        for problems, code in outcomes:
            assert code == CODES[how], problems[-3000:]
            traces = problems.count("Traceback (most recent call last)")
            assert traces == how.startswith("exception"), problems[-3000:]


def test_no_filter_in_python_is_called_when_pyqt_cleans_up():
    """It would make wrappers while PyQt goes through its table of them: a crash in a part of the runs."""
    environment = {**os.environ, "QT_QPA_PLATFORM": "offscreen"}
    done = subprocess.run([sys.executable, "-c", FILTERED], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == "0 calls"
