"""The census that fails a test which leaves something behind."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import moderngl
import pytest
from PyQt6 import sip
from PyQt6.QtCore import QTimer
from PyQt6.QtWidgets import QApplication, QWidget
from support.leaks import left_since, present
from support.underlay import show_on_window

pytestmark = [pytest.mark.gl]


def test_everything_that_is_left_is_found_and_nothing_that_has_ended(qtbot, tmp_path):
    before = present()
    ended = threading.Event()
    thread = threading.Thread(target=ended.wait, name="left", daemon=True)
    thread.start()
    loop = asyncio.new_event_loop()
    task = loop.create_task(asyncio.sleep(3600), name="left")
    timer = QTimer(QApplication.instance(), objectName="left")
    timer.start(3_600_000)
    descriptor = (tmp_path / "left.txt").open("w")
    listener = socket.create_server(("127.0.0.1", 0))
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    file = Path(tempfile.mkdtemp(prefix="left-"))
    window, underlay = show_on_window(qtbot)
    underlay.makeCurrent()
    # What the underlay itself makes depends on whether this process has the kernels.
    buffer = moderngl.create_context(require=330).buffer(reserve=4)
    left = "\n".join(left_since(before, grace_s=0.0))
    for kind in (
        "thread left", "event loop", "task <Task pending name='left'", "timer left", "left.txt", "socket",
        "child process", "temporary file left-", "OpenGL object <moderngl.Buffer", "top-level widget QWidget",
    ):  # fmt: skip
        assert kind in left

    ended.set()
    thread.join()
    task.cancel()
    loop.run_until_complete(asyncio.wait([task]))
    loop.close()
    timer.stop()
    descriptor.close()
    listener.close()
    child.communicate()
    file.rmdir()
    underlay.makeCurrent()
    buffer.release()
    sip.delete(window)
    assert left_since(before) == []


@pytest.mark.usefixtures("qapp")
def test_garbage_and_what_is_about_to_be_deleted_are_no_leak():
    before = present()
    window = QWidget()
    window.itself = window
    del window
    QWidget().deleteLater()
    assert left_since(before) == []
