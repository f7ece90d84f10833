"""Which drivers paint on the processor."""

from __future__ import annotations

import pytest

from Heatmap.ui.gl.graphics import is_software


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
