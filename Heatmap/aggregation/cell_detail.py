"""Details of single cells: sums by side, number of events, the largest event."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from Heatmap.aggregation.event_batch import EventBatch
from Heatmap.aggregation.grid import price_bins
from Heatmap.aggregation.options import require_sides

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from Heatmap.aggregation.grid import GridSpec
    from Heatmap.event_columns import EventColumns
    from Heatmap.vocabulary import Sides


@dataclass(frozen=True, slots=True)
class CellDetails:
    """Sums, counts and largest events of a grid, without decay, spots and trails.

    Attributes
    ----------
    count
        int32 (rows, cols), events per cell, row 0 the **lowest** price.
    largest_usd
        float64 (rows, cols), dollars of the largest event of the cell; 0.0 where there is none.
    long_usd, short_usd
        float64 (rows, cols), dollars of the liquidated longs and shorts of the cell.
    outside
        Number of events that pass the filter and lie outside the grid.
    spec
        The grid.
    """

    count: NDArray[np.int32]
    largest_usd: NDArray[np.float64]
    long_usd: NDArray[np.float64]
    short_usd: NDArray[np.float64]
    outside: int
    spec: GridSpec


def cell_details(
    columns: EventColumns, spec: GridSpec, *, sides: Sides = "both", min_notional: float = 0.0
) -> CellDetails:
    """Sum and count the events per cell and find the largest of each.

    Parameters
    ----------
    columns
        Events, ascending in time.
    spec
        See `GridSpec`.
    sides, min_notional
        See `RenderOptions`.

    Raises
    ------
    GridError
        ``sides`` is unknown.
    """
    require_sides(sides)
    every = EventBatch.select(columns, sides=sides, min_notional=min_notional, by_side=False)
    batch = every.between(spec.t0_ms, spec.end_ms).kept()
    rows = price_bins(batch.price, spec.price_bin) - spec.first_price_bin
    inside = (rows >= 0) & (rows < spec.rows)
    cols = (batch.ts_ms[inside] - spec.t0_ms) // spec.time_bin_ms
    cells = rows[inside].astype(np.int64) * spec.cols + cols
    weight, is_long = batch.weight[inside], batch.is_long[inside] != 0
    size, shape = spec.rows * spec.cols, (spec.rows, spec.cols)
    largest_usd = np.zeros(size)
    np.maximum.at(largest_usd, cells, weight)
    return CellDetails(
        count=np.bincount(cells, minlength=size).astype(np.int32).reshape(shape),
        largest_usd=largest_usd.reshape(shape),
        long_usd=np.bincount(cells[is_long], weight[is_long], size).astype(np.float64).reshape(shape),
        short_usd=np.bincount(cells[~is_long], weight[~is_long], size).astype(np.float64).reshape(shape),
        outside=int(np.count_nonzero(every.keeps())) - int(cells.size),
        spec=spec,
    )
