"""What a cell holds: its sums, how many events, the largest one. On request, for a tooltip."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from Heatmap.aggregation.event_batch import EventBatch
from Heatmap.aggregation.grid import GridSpec, price_bin_index, price_bins
from Heatmap.aggregation.options import require_sides

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from Heatmap.aggregation.options import Sides
    from Heatmap.event_columns import EventColumns


@dataclass(frozen=True, slots=True)
class CellDetails:
    """Sums, counts and largest events of a grid. Plain facts: without decay, spots or trails.

    Attributes
    ----------
    count
        int32 (rows, cols), events per cell, row 0 the **lowest** price.
    largest_usd
        float64 (rows, cols), dollars of the largest single event of the cell; 0.0 where there is none.
    long_usd, short_usd
        float64 (rows, cols), dollars of the liquidated longs and shorts of the cell.
    outside
        How many events that the filter lets through lie outside the grid.
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
        See `GridSpec`. For the cells around the mouse a grid of these few will do.
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


@dataclass(frozen=True, slots=True)
class Place:
    """A point of the chart, and how far around it a spot of heat counts as pointed at.

    An event is painted as a spot that may be larger than its cell: who points at the spot means the event.

    Attributes
    ----------
    time_ms, price
        The point: ms since the epoch, UTC, and quote currency.
    start_ms, end_ms
        The reach in time; the point lies within.
    price_low, price_high
        The reach in price; the point lies within.
    """

    time_ms: float
    price: float
    start_ms: float
    end_ms: float
    price_low: float
    price_high: float

    def reaches(self, cell: GridSpec) -> bool:
        """Return True if a cell, as a grid of itself alone, is within reach."""
        only = np.zeros(1, np.intp)
        return bool(self.distances(cell, only, only)[0] <= 1.0)

    def distances(self, box: GridSpec, rows: NDArray[np.intp], cols: NDArray[np.intp]) -> NDArray[np.float64]:
        """Return how far cells of a grid are from the point: 0 for the one that holds it, 1 at the end of the reach."""
        lefts = (box.t0_ms + cols * box.time_bin_ms).astype(np.float64)
        bottoms = (box.first_price_bin + rows).astype(np.float64) * box.price_bin
        across = _beyond(self.time_ms, lefts, lefts + box.time_bin_ms, (self.start_ms, self.end_ms))
        along = _beyond(self.price, bottoms, bottoms + box.price_bin, (self.price_low, self.price_high))
        return np.hypot(across, along)

    def cells_within(self, spec: GridSpec) -> GridSpec | None:
        """Return the part of a grid that is in reach, in whole cells; None if there is none."""
        first_col = max(int(self.start_ms // spec.time_bin_ms) - spec.first_time_bin, 0)
        last_col = min(int(self.end_ms // spec.time_bin_ms) - spec.first_time_bin, spec.cols - 1)
        first_row = max(price_bin_index(self.price_low, spec.price_bin) - spec.first_price_bin, 0)
        last_row = min(price_bin_index(self.price_high, spec.price_bin) - spec.first_price_bin, spec.rows - 1)
        if first_col > last_col or first_row > last_row:
            return None
        return _part(spec, (first_row, last_row), (first_col, last_col))


@dataclass(frozen=True, slots=True)
class CellFigures:
    """One cell in numbers: plain facts, without decay, spots or trails.

    Attributes
    ----------
    cell
        A grid of this cell alone.
    count
        How many events, at least 1.
    long_usd, short_usd
        Dollars of the liquidated longs and shorts.
    largest_usd
        Dollars of the largest single event.
    """

    cell: GridSpec
    count: int
    long_usd: float
    short_usd: float
    largest_usd: float


def figures_near(
    columns: EventColumns, spec: GridSpec, place: Place, *, sides: Sides = "both", min_notional: float = 0.0
) -> CellFigures | None:
    """Return what the nearest occupied cell within reach of a place holds, None if all are empty.

    The cell that holds the place is the nearest. Of equally near ones the larger sum is taken, whose spot is the
    brighter. Costs two searches in time and some steps for each event of the few columns in reach.

    Parameters
    ----------
    columns
        Events, ascending in time.
    spec
        The grid whose cells are meant, usually that of the image on the screen.
    place
        Where, and what is within reach.
    sides, min_notional
        See `RenderOptions`.
    """
    box = place.cells_within(spec)
    if box is None:
        return None
    found = cell_details(columns.between(box.t0_ms, box.end_ms), box, sides=sides, min_notional=min_notional)
    rows, cols = np.nonzero(found.count)
    distances = place.distances(box, rows, cols)
    sums = found.long_usd[rows, cols] + found.short_usd[rows, cols]
    order = np.lexsort((-sums, distances))
    if not order.size or distances[order[0]] > 1.0:
        return None
    row, col = int(rows[order[0]]), int(cols[order[0]])
    return CellFigures(
        cell=_part(box, (row, row), (col, col)),
        count=int(found.count[row, col]),
        long_usd=float(found.long_usd[row, col]),
        short_usd=float(found.short_usd[row, col]),
        largest_usd=float(found.largest_usd[row, col]),
    )


def _part(spec: GridSpec, rows: tuple[int, int], cols: tuple[int, int]) -> GridSpec:
    """Return a part of a grid: first and last row, first and last column."""
    return GridSpec(
        t0_ms=spec.t0_ms + cols[0] * spec.time_bin_ms,
        time_bin_ms=spec.time_bin_ms,
        cols=cols[1] - cols[0] + 1,
        price0=(spec.first_price_bin + rows[0]) * spec.price_bin,
        price_bin=spec.price_bin,
        rows=rows[1] - rows[0] + 1,
    )


def _beyond(
    at: float, first: NDArray[np.float64], last: NDArray[np.float64], reach: tuple[float, float]
) -> NDArray[np.float64]:
    """Return how far outside of ``[first, last]`` a point lies, as a share of its reach to that side."""
    # A reach of nothing, at the edge of a gap, makes everything beyond infinitely far.
    with np.errstate(divide="ignore", invalid="ignore"):
        before = (first - at) / np.float64(reach[1] - at)
        behind = (at - last) / np.float64(at - reach[0])
    return np.fmax(np.fmax(before, behind), 0.0)
