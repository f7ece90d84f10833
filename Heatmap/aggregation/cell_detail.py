"""What a cell holds besides its sum: how many events and the largest one. On request, for a tooltip."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from Heatmap.aggregation.event_batch import EventBatch
from Heatmap.aggregation.grid import GridSpec, price_bins
from Heatmap.aggregation.options import require_sides

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from Heatmap.aggregation.options import Sides
    from Heatmap.columns import EventColumns


@dataclass(frozen=True, slots=True)
class CellDetails:
    """Counts and largest events of a grid. Plain facts: without decay, spots or trails.

    Attributes
    ----------
    count
        int32 (rows, cols), events per cell, row 0 the **lowest** price.
    largest_usd
        float64 (rows, cols), dollars of the largest single event of the cell; 0.0 where there is none.
    outside
        How many events that the filter lets through lie outside the grid.
    spec
        The grid.
    """

    count: NDArray[np.int32]
    largest_usd: NDArray[np.float64]
    outside: int
    spec: GridSpec


def cell_details(
    columns: EventColumns, spec: GridSpec, *, sides: Sides = "both", min_notional: float = 0.0
) -> CellDetails:
    """Count the events per cell and find the largest of each.

    Parameters
    ----------
    columns
        Events, ascending in time.
    spec
        See `GridSpec`. For the cell under the mouse a grid of one row and one column will do.
    sides, min_notional
        See `RenderOptions`.

    Raises
    ------
    GridError
        ``sides`` is none of them.
    """
    require_sides(sides)
    every = EventBatch.select(columns, first=0, sides=sides, min_notional=min_notional, by_side=False)
    batch = every.between(spec.t0_ms, spec.end_ms).kept()
    rows = price_bins(batch.price, spec.price_bin) - spec.first_price_bin
    inside = (rows >= 0) & (rows < spec.rows)
    cols = (batch.ts_ms[inside] - spec.t0_ms) // spec.time_bin_ms
    cells = rows[inside].astype(np.int64) * spec.cols + cols
    size = spec.rows * spec.cols
    largest_usd = np.zeros(size)
    np.maximum.at(largest_usd, cells, batch.weight[inside])
    return CellDetails(
        count=np.bincount(cells, minlength=size).astype(np.int32).reshape(spec.rows, spec.cols),
        largest_usd=largest_usd.reshape(spec.rows, spec.cols),
        outside=int(np.count_nonzero(every.keeps())) - int(cells.size),
        spec=spec,
    )
