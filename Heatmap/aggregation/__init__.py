"""The pure heart: events to image. Knows no Qt, no socket, no SQL, and loads Numba only when told to.

The public names are loaded when first used; see `Heatmap.aggregation.grid` and its neighbours.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from Heatmap.aggregation.cell_detail import CellDetails, cell_details
    from Heatmap.aggregation.colouring import colorize
    from Heatmap.aggregation.grid import GridSpec
    from Heatmap.aggregation.grid_builder import build_grid
    from Heatmap.aggregation.image_builder import HeatmapImage, ImageBuilder
    from Heatmap.aggregation.options import Normalization, RenderOptions
    from Heatmap.aggregation.palettes import PALETTES, Palette, palette_names
    from Heatmap.aggregation.resolution import auto_spec, manual_spec, pixel_spec
    from Heatmap.aggregation.warmup import KernelWarmup

__all__ = [
    "PALETTES",
    "CellDetails",
    "GridSpec",
    "HeatmapImage",
    "ImageBuilder",
    "KernelWarmup",
    "Normalization",
    "Palette",
    "RenderOptions",
    "auto_spec",
    "build_grid",
    "cell_details",
    "colorize",
    "manual_spec",
    "palette_names",
    "pixel_spec",
]

_HOMES = {
    "PALETTES": "palettes",
    "CellDetails": "cell_detail",
    "GridSpec": "grid",
    "HeatmapImage": "image_builder",
    "ImageBuilder": "image_builder",
    "KernelWarmup": "warmup",
    "Normalization": "options",
    "Palette": "palettes",
    "RenderOptions": "options",
    "auto_spec": "resolution",
    "build_grid": "grid_builder",
    "cell_details": "cell_detail",
    "colorize": "colouring",
    "manual_spec": "resolution",
    "palette_names": "palettes",
    "pixel_spec": "resolution",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
