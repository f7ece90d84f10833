"""Details of single cells, for tooltips: sums by side, number of events, the largest event."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from Heatmap.aggregation.event_batch import EventBatch
from Heatmap.aggregation.grid import GridSpec, price_bin_index, price_bins
from Heatmap.aggregation.options import require_sides

if TYPE_CHECKING:
    from numpy.typing import NDArray

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
class HitArea:
    """An ellipse around the mouse, for the hit test of cells; a spot may be larger than its cell.

    Attributes
    ----------
    time_ms, price
        The position of the mouse: ms since the epoch, UTC, and quote currency.
    start_ms, end_ms, price_low, price_high
        The extent of the ellipse; its halves may differ.
    """

    time_ms: float
    price: float
    start_ms: float
    end_ms: float
    price_low: float
    price_high: float

    def reaches(self, cell: GridSpec) -> bool:
        """Return True if a cell, as a grid of one cell, touches the ellipse."""
        only = np.zeros(1, np.intp)
        return bool(self.distances(cell, only, only)[0] <= 1.0)

    def distances(self, box: GridSpec, rows: NDArray[np.intp], cols: NDArray[np.intp]) -> NDArray[np.float64]:
        """Return the distances of cells of a grid, float64 (N,): 0 at the mouse, 1 at the border of the ellipse."""
        lefts = (box.t0_ms + cols * box.time_bin_ms).astype(np.float64)
        bottoms = (box.first_price_bin + rows).astype(np.float64) * box.price_bin
        across = _beyond(self.time_ms, lefts, lefts + box.time_bin_ms, (self.start_ms, self.end_ms))
        along = _beyond(self.price, bottoms, bottoms + box.price_bin, (self.price_low, self.price_high))
        return np.hypot(across, along)

    def cells_within(self, spec: GridSpec) -> GridSpec | None:
        """Return the cells of a grid in the rectangle around the ellipse; None if there are none."""
        first_col = max(int(self.start_ms // spec.time_bin_ms) - spec.first_time_bin, 0)
        last_col = min(int(self.end_ms // spec.time_bin_ms) - spec.first_time_bin, spec.cols - 1)
        first_row = max(price_bin_index(self.price_low, spec.price_bin) - spec.first_price_bin, 0)
        last_row = min(price_bin_index(self.price_high, spec.price_bin) - spec.first_price_bin, spec.rows - 1)
        if first_col > last_col or first_row > last_row:
            return None
        return _part(spec, (first_row, last_row), (first_col, last_col))


@dataclass(frozen=True, slots=True)
class CellFigures:
    """Figures of one cell, see `CellDetails`; ``cell`` is a grid of one cell and ``count`` at least 1."""

    cell: GridSpec
    count: int
    long_usd: float
    short_usd: float
    largest_usd: float


def figures_near(
    columns: EventColumns, spec: GridSpec, area: HitArea, *, sides: Sides = "both", min_notional: float = 0.0
) -> CellFigures | None:
    """Return the figures of the occupied cell nearest to the mouse, None if there is none in the area.

    Of equally near cells it is the one of the largest sum. ``spec`` is the grid of the image on the screen.
    """
    box = area.cells_within(spec)
    if box is None:
        return None
    found = cell_details(columns.between(box.t0_ms, box.end_ms), box, sides=sides, min_notional=min_notional)
    rows, cols = np.nonzero(found.count)
    distances = area.distances(box, rows, cols)
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
    """Return the distances from a point to the intervals ``[first, last]``, in units of its reach to that side."""
    # A reach of 0, at the edge of a gap, makes a distance infinite.
    with np.errstate(divide="ignore", invalid="ignore"):
        before = (first - at) / np.float64(reach[1] - at)
        behind = (at - last) / np.float64(at - reach[0])
    return np.fmax(np.fmax(before, behind), 0.0)
