"""Aggregation: from liquidation events to an image, without Qt, sockets and SQL. Importing it does not load Numba.

All images are made in the same way, whether first, zoomed, live, exported, or by the public functions::

    columns ──► event_batch ──► bin ──► Cells ──► scale ──► Scale ──► paint ──► pixels
               (the filter)    (sums)           (percentile)  (edges)  (by a PaintPlan)

The modules in the order in which an event passes them:

1. ``Heatmap.event_columns``: the events as arrays, ascending in time.
2. `event_batch`: filter by side and size, channel of each side, decay.
3. `grid`: bins of time and price. `resolution` chooses the grid.
4. `image_builder`: the three phases, and caches between images.
5. `engine`: `Cells`, `PaintPlan`, and the protocol of an engine.
6. `kernel_bin`: the sums per cell.
7. `kernel_scale`, `normalization`: the percentile, and the least value of each colour level.
8. `paint_plan`: the parameters of spots and trails, colours from `palettes`.
9. `kernel_paint`, `kernel_block`: the pixels.

`numba_engine` calls the kernels. `numpy_engine` does the same in NumPy: for the first image, as a fallback, and as the
oracle of the tests. Imports, also those within functions, go from a higher floor to a lower one only:

7. `image_builder`, `grid_builder`, `colouring`, `warmup`
6. `engine_choice`
5. `numba_engine`
4. `kernel_paint`, `painted_cell`
3. `paint_plan`, `numpy_engine`, `kernel_bin`, `kernel_block`, `resampler`
2. `engine`, `palettes`, `cell_detail`, `kernel_scale`, `kernel_resample`
1. `normalization`, `event_batch`, `resolution`, `kernel_jit`
0. `options`, `grid`, `colour_space`, `colour_maps`, `kernel_cache`

`engine_choice` and `warmup` load the kernels, `kernel_jit` declares and `kernel_cache` saves them. `cell_detail` has
the sums of single cells and `painted_cell` finds the cell of a pixel, for tooltips. `resampler` scales images where
OpenGL runs on the processor. The public names are loaded when first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

_NAMES = {
    "cell_detail": ("CellDetails", "cell_details"),
    "colouring": ("colorize",),
    "grid": ("GridSpec",),
    "grid_builder": ("build_grid",),
    "image_builder": ("HeatmapImage", "ImageBuilder"),
    "options": ("Normalization", "RenderOptions"),
    "palettes": ("PALETTES", "Palette", "palette_names"),
    "resolution": ("auto_spec", "manual_spec", "pixel_spec"),
    "warmup": ("KernelWarmup",),
}
_HOMES = {name: module for module, names in _NAMES.items() for name in names}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return [*globals(), *_HOMES]


if TYPE_CHECKING:
    from Heatmap.aggregation.cell_detail import CellDetails as CellDetails
    from Heatmap.aggregation.cell_detail import cell_details as cell_details
    from Heatmap.aggregation.colouring import colorize as colorize
    from Heatmap.aggregation.grid import GridSpec as GridSpec
    from Heatmap.aggregation.grid_builder import build_grid as build_grid
    from Heatmap.aggregation.image_builder import HeatmapImage as HeatmapImage
    from Heatmap.aggregation.image_builder import ImageBuilder as ImageBuilder
    from Heatmap.aggregation.options import RenderOptions as RenderOptions
    from Heatmap.aggregation.palettes import PALETTES as PALETTES
    from Heatmap.aggregation.palettes import Palette as Palette
    from Heatmap.aggregation.palettes import palette_names as palette_names
    from Heatmap.aggregation.resolution import auto_spec as auto_spec
    from Heatmap.aggregation.resolution import manual_spec as manual_spec
    from Heatmap.aggregation.resolution import pixel_spec as pixel_spec
    from Heatmap.aggregation.warmup import KernelWarmup as KernelWarmup
    from Heatmap.vocabulary import Normalization as Normalization
