"""Where shared memory is small the web engine is told so before it starts."""

from __future__ import annotations

import os
import sys
from types import SimpleNamespace

import pytest

from Heatmap.ui.gl import graphics

FLAGS = "QTWEBENGINE_CHROMIUM_FLAGS"
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="a place of Linux")


@pytest.mark.parametrize(("free_mb", "is_spared"), [(1, True), (64, True), (4096, False)])
def test_little_shared_memory_is_left_alone(monkeypatch, caplog, free_mb, is_spared):
    monkeypatch.setenv(FLAGS, "--mine")
    found = SimpleNamespace(f_bavail=free_mb * 256, f_frsize=4096)
    monkeypatch.setattr(os, "statvfs", lambda path: found if path == "/dev/shm" else None)  # noqa: S108
    graphics.spare_shared_memory()
    graphics.spare_shared_memory()
    assert os.environ[FLAGS] == ("--mine --disable-dev-shm-usage" if is_spared else "--mine")
    assert ("temporary files" in caplog.text) is is_spared


def test_no_shared_memory_at_all_is_little(monkeypatch):
    def missing(path):
        raise FileNotFoundError(path)

    monkeypatch.setenv(FLAGS, "")
    monkeypatch.setattr(os, "statvfs", missing)
    graphics.spare_shared_memory()
    assert os.environ[FLAGS] == "--disable-dev-shm-usage"
