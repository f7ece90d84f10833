"""The pure heart: events to image. Knows no Qt, no socket, no SQL, and loads Numba only when it may.

One way leads from events to a picture, for the first one, a zoom, a live update, an export and the public functions::

    columns ──► event_batch ──► bin ──► Cells ──► scale ──► Scale ──► paint ──► pixels
               (the filter)    (sums)           (percentile)  (edges)  (by a PaintPlan)

What an event passes from row to pixel, in this order:

1. ``Heatmap.event_columns``: the events as arrays, ascending in time.
2. `event_batch`: which of them count, and for which channel; decay.
3. `grid`: which cell an event lies in. `resolution` chooses the grid.
4. `image_builder`: the three phases, and what is remembered between pictures.
5. `engine`: `Cells`, `PaintPlan`, and the protocol of an engine.
6. `kernel_bin`: the sums per cell.
7. `kernel_scale`, `normalization`: the percentile, and at which value each level of colour begins.
8. `paint_plan`: the look as numbers: spots, trail, colours from `palettes`.
9. `kernel_paint`, `kernel_block`: the pixels.

`numba_engine` calls the kernels. `numpy_engine` does the same in NumPy: the first picture, the fallback, and the oracle
of the tests. Imports, also those within functions, go from a higher floor to a lower one only:

7. `image_builder`, `grid_builder`, `colouring`, `warmup`
6. `engine_choice`
5. `numba_engine`
4. `kernel_paint`
3. `paint_plan`, `numpy_engine`, `kernel_block`, `resampler`
2. `engine`, `palettes`, `cell_detail`, `kernel_bin`, `kernel_scale`, `kernel_resample`
1. `normalization`, `event_batch`, `resolution`, `kernel_jit`
0. `options`, `grid`, `colour_space`, `colour_maps`, `kernel_cache`, `compile_guard`

Beside that way: `engine_choice` and `warmup` load the kernels (`kernel_jit` declares them, `kernel_cache` keeps them on
disk, `compile_guard` refuses to compile), `cell_detail` answers what a cell holds, `resampler` stretches a picture for
machines without a graphics card. The public names are loaded when first used.
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
