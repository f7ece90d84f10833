"""A grid that stays and takes up new events: only the columns they lie in are binned again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from Heatmap.aggregation import kernel, kernel_select, kernel_walk
from Heatmap.aggregation.engine import RawCells
from Heatmap.aggregation.kernel_call import bin_arguments, event_arguments
from Heatmap.aggregation.normalization import clip_reference, rank_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from Heatmap.aggregation.event_batch import EventBatch
    from Heatmap.aggregation.grid import GridSpec
    from Heatmap.columns import EventColumns

_OCCUPIED, _BELOW, _ABOVE, _FIRST_COL, _LAST_COL = range(5)


class NumbaLiveCells:
    """See `LiveCells`. Sums are made anew per column, from its events in order: bit for bit those of a full walk.

    Parameters
    ----------
    batch
        The events to begin with.
    spec
        The grid, without padding.
    pad_cols, pad_rows
        Its padding.
    """

    def __init__(self, batch: EventBatch, spec: GridSpec, *, pad_cols: int, pad_rows: int) -> None:
        padded = spec.padded(pad_cols, pad_rows)
        channels = batch.channels
        column = channels * padded.rows
        self._tally = np.zeros(kernel_walk.TALLY_SIZE, np.int64)
        self._counters = np.zeros(5, np.int64)
        bins = bin_arguments(padded)
        self._constants = (batch.least, batch.short_channel, batch.long_channel, *bins, pad_cols, pad_rows, padded.rows)
        self._bounds = (np.float32(0), np.float32(np.inf))
        self._is_whole = True
        cells = np.empty(padded.cols * column, np.float32)
        places = np.zeros((padded.cols, 3), np.int64)
        self._scratch = np.zeros(column + 1)
        self._index = np.zeros(kernel_walk.BLOCK_EVENTS, np.uint32)
        self._borders = np.empty(padded.cols + 2 * kernel_walk.SIDE_BY_SIDE, np.int64)
        part = batch.between(padded.t0_ms, padded.end_ms)
        kernel.bin_columns(
            *event_arguments(part),
            *bins,
            pad_cols,
            pad_rows,
            0,
            padded.cols,
            np.float32(np.inf),
            False,  # each column at the beginning of its own room, so that it can grow
            padded.rows,
            cells,
            places,
            self._scratch,
            self._index,
            self._borders,
            np.empty(0, np.float32),
            self._tally,
        )
        kept, found, inside, occupied, _ = self._tally.tolist()
        self._cells = RawCells(
            cells=cells,
            places=places,
            channels=channels,
            rows=padded.rows,
            occupied=occupied,
            inside=inside,
            found=found,
            kept=kept,
            largest=np.empty(0, np.float32),
        )

    @property
    def cells(self) -> RawCells:
        """The cells; see `LiveCells.cells`."""
        return self._cells

    @property
    def counts(self) -> tuple[int, int]:
        """Events that count, and events in the grid; see `LiveCells.counts`."""
        return int(self._tally[kernel_walk.KEPT]), int(self._tally[kernel_walk.INSIDE])

    def watch(self, lower: float, upper: float, elsewhere: NDArray[np.float32] | None) -> None:
        """Count cells from now on; see `LiveCells.watch`."""
        self._bounds = (np.float32(lower), np.float32(upper))
        self._is_whole = elsewhere is None
        values = self._values(self._cells.occupied) if elsewhere is None else elsewhere
        self._counters[_OCCUPIED] = values.size
        self._counters[_BELOW] = np.count_nonzero(values < self._bounds[0])
        self._counters[_ABOVE] = np.count_nonzero(values > self._bounds[1])

    def percentile_stays(self, percentile: float) -> bool:
        """Return True if the percentile lies between the bounds; see `LiveCells.percentile_stays`."""
        occupied, below, above, _, _ = self._counters.tolist()
        if not occupied:
            return False
        rank, _ = rank_of(occupied, percentile)
        # It lies between the values at this rank and at the next: mostly, counting is enough.
        if below <= rank and min(rank + 1, occupied - 1) < occupied - above:
            return True
        return self._is_whole and bool(
            self._bounds[0] <= clip_reference(self._values(occupied), percentile) <= self._bounds[1]
        )

    def update(self, columns: EventColumns, first: int, newer: EventColumns) -> tuple[int, int] | None:
        """Take up newer events; see `LiveCells.update`."""
        fits = kernel.update_columns(
            columns.ts_ms[first:],
            columns.price[first:],
            columns.notional[first:],
            columns.is_long[first:].view(np.uint8),
            newer.ts_ms,
            newer.price,
            newer.notional,
            newer.is_long.view(np.uint8),
            *self._constants,
            *self._bounds,
            self._cells.cells,
            self._cells.places,
            self._scratch,
            self._index,
            self._borders,
            self._tally,
            self._counters,
        )
        if not fits:
            return None
        return int(self._counters[_FIRST_COL]), int(self._counters[_LAST_COL])

    def _values(self, occupied: int) -> NDArray[np.float32]:
        """Return the occupied cells of the grid."""
        listed = np.empty(occupied + 1, np.float32)
        return listed[
            : kernel_select.collect_cells(self._cells.cells, self._cells.places, self._cells.channels, listed)
        ]
