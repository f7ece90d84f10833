"""A grid of sums to an image: the public, stateless form of normalisation and palette."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np

from Heatmap.aggregation.engine import totals
from Heatmap.aggregation.engine_choice import script_engine
from Heatmap.aggregation.normalization import LevelTable, level_edges
from Heatmap.aggregation.paint_plan import colours_of, sharp_plan
from Heatmap.aggregation.palettes import find_palette
from Heatmap.errors import GridError
from Heatmap.vocabulary import Normalization

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from Heatmap.aggregation.engine import Engine

_DIMENSIONS: Final = 2
_INFINITY_BITS: Final = 0x7F800000


def colorize(
    grid: NDArray[np.float32],
    *,
    normalization: Normalization | str = Normalization.LOG,
    palette: str = "fire",
    clip: float = 99.5,
    long_share: NDArray[np.float32] | None = None,
    dark_background: bool = True,
    engine: Engine | None = None,
) -> NDArray[np.uint8]:
    """Colour a grid.

    Parameters
    ----------
    grid
        float32 (rows, cols), finite, not negative, row 0 the lowest price; as from `build_grid`.
    normalization
        See `Normalization`.
    palette
        A name of `PALETTES`.
    clip
        Percentile in (0, 100] of the occupied cells of this grid whose value gets the full colour.
    long_share
        float32 (rows, cols) in 0..1: which part of each cell is longs. For bivariate palettes, and only for them.
    dark_background
        See `RenderOptions`.
    engine
        By default the fastest, see `engine_choice`.

    Returns
    -------
    uint8 (rows, cols, 4), C order, premultiplied alpha, row 0 the **highest** price, owned by the caller. Empty cells
    are (0, 0, 0, 0); every occupied cell has some colour.

    Raises
    ------
    GridError
        A name is unknown, a value is out of range, or ``long_share`` is missing, superfluous or misshapen.
    """
    grid = np.asarray(grid, np.float32)
    if grid.ndim != _DIMENSIONS:
        raise GridError(f"grid: expected two dimensions, was {grid.ndim}")
    engine = engine if engine is not None else script_engine()
    grid = np.ascontiguousarray(grid)
    # Other floats, and -0.0, are larger as whole numbers; the second test is false for NaN, too.
    if grid.size and grid.view(np.uint32).max() >= _INFINITY_BITS and not (grid.min() >= 0 and grid.max() < np.inf):
        raise GridError("grid: expected finite sums of zero or more")
    if not 0 < clip <= 100:  # noqa: PLR2004 - percent
        raise GridError(f"clip: expected above 0 up to 100, was {clip}")
    try:
        normalization = Normalization(normalization)
    except ValueError:
        raise GridError(f"normalization: unknown {normalization!r}") from None
    chosen = find_palette(palette)
    if chosen.is_bivariate and (long_share is None or long_share.shape != grid.shape):
        raise GridError(f"long_share: the palette {palette} needs one of the grid's shape {grid.shape}")
    if not chosen.is_bivariate and long_share is not None:
        raise GridError(f"long_share: the palette {palette} shows sums and does not tell the sides apart")
    image = np.empty((*grid.shape, 4), np.uint8)
    cells = engine.occupied(grid)
    values = totals(cells.values)
    edges = level_edges(normalization, engine.percentile(values, clip), values)
    shown = np.maximum(values, LevelTable.from_edges(edges).least())
    if long_share is not None:
        rows = np.repeat(np.arange(len(grid)), np.diff(cells.start))
        longs = shown * np.clip(long_share[rows, cells.row], 0.0, 1.0)
        shown = np.stack([shown - longs, longs])
    cells = replace(cells, values=np.ascontiguousarray(np.atleast_2d(shown).T, np.float32))
    plan = sharp_plan(edges, len(grid), colours_of(chosen, dark_background, "both"))
    # The rows of the grid are the columns of these cells.
    engine.paint(cells, plan, image.view(np.uint32)[::-1, :, 0].T[::-1])
    return image
