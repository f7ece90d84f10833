"""Which drivers paint on the processor; where there is little shared memory the web engine does without it."""

from __future__ import annotations

import os
import sys
from types import SimpleNamespace

import pytest

from Heatmap.ui.gl.graphics import is_software, spare_shared_memory

FLAGS = "QTWEBENGINE_CHROMIUM_FLAGS"
on_linux = pytest.mark.skipif(sys.platform != "linux", reason="a place of Linux")


@pytest.mark.parametrize(
    "renderer",
    [
        "llvmpipe (LLVM 15.0.6, 256 bits)",
        "softpipe",
        "Software Rasterizer",
        "Google SwiftShader",
        "GDI Generic",
        "D3D12 (Microsoft Basic Render Driver)",
        "ANGLE (Google, Vulkan 1.3.0 (SwiftShader Device (Subzero)), SwiftShader driver)",
    ],
)
def test_software(renderer):
    assert is_software(renderer)


@pytest.mark.parametrize(
    "renderer",
    [
        "NVIDIA GeForce RTX 4070/PCIe/SSE2",
        "Mesa Intel(R) UHD Graphics 620 (KBL GT2)",
        "AMD Radeon RX 7800 XT (radeonsi, navi32, LLVM 17.0.6, DRM 3.57)",
        "Apple M2",
        "zink Vulkan 1.3 (NVIDIA GeForce GTX 1080)",
        "D3D12 (NVIDIA GeForce RTX 3060)",
        "virgl",
        "",
    ],
)
def test_hardware(renderer):
    assert not is_software(renderer)


@on_linux
@pytest.mark.parametrize(("free_mb", "is_spared"), [(1, True), (64, True), (4096, False)])
def test_little_shared_memory_is_left_alone(monkeypatch, caplog, free_mb, is_spared):
    monkeypatch.setenv(FLAGS, "--mine")
    found = SimpleNamespace(f_bavail=free_mb * 256, f_frsize=4096)
    monkeypatch.setattr(os, "statvfs", lambda path: found if path == "/dev/shm" else None)  # noqa: S108
    spare_shared_memory()
    spare_shared_memory()
    assert os.environ[FLAGS] == ("--mine --disable-dev-shm-usage" if is_spared else "--mine")
    assert ("temporary files" in caplog.text) is is_spared


@on_linux
def test_no_shared_memory_at_all_is_little(monkeypatch):
    def missing(path):
        raise FileNotFoundError(path)

    monkeypatch.setenv(FLAGS, "")
    monkeypatch.setattr(os, "statvfs", missing)
    spare_shared_memory()
    assert os.environ[FLAGS] == "--disable-dev-shm-usage"
