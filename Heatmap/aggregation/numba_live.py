"""A grid that stays: what new events touch, and what leaves the window, is computed and painted again, nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from Heatmap.aggregation import kernel_live, kernel_select, kernel_walk
from Heatmap.aggregation.engine import LiveChange, RawCells
from Heatmap.aggregation.kernel_call import bin_arguments, event_arguments
from Heatmap.aggregation.normalization import BUCKET_SHIFT, clip_reference
from Heatmap.aggregation.numba_lane import Lane

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from Heatmap.aggregation.engine import PaintPlan
    from Heatmap.aggregation.event_batch import EventBatch
    from Heatmap.aggregation.grid import GridSpec
    from Heatmap.aggregation.image_buffer import Canvas
    from Heatmap.columns import EventColumns

# Called with parts of argument lists, which a type checker cannot put together.
_open_cells: Final[Any] = kernel_live.open_cells
_follow: Final[Any] = kernel_live.follow

# First and last column that changed, and the window's first event.
_CHANGED: Final = slice(
    kernel_walk.TALLY_STRIDE + kernel_live.FIRST_COL, kernel_walk.TALLY_STRIDE + kernel_live.FIRST_EVENT + 1
)

# More columns than this are painted by all threads.
_MOST_COLS: Final = 128


class NumbaLiveCells:
    """See `LiveCells`. Sums are kept in the order of the events: bit for bit those of a full walk.

    Parameters
    ----------
    batch
        The events to begin with.
    spec
        The grid, without padding.
    plan
        How it is painted, the scale included.
    percentile
        Of the occupied cells: where the scale comes from.
    level_table
        First bucket and levels of the plan's edges; see `LevelTable`.
    """

    def __init__(
        self,
        batch: EventBatch,
        spec: GridSpec,
        plan: PaintPlan,
        *,
        percentile: float,
        level_table: tuple[int, NDArray[np.uint8]],
    ) -> None:
        padded = spec.padded(plan.pad_cols, plan.pad_rows)
        room = padded.cols * batch.channels * padded.rows
        cells = np.zeros(room, np.float32)
        places = np.zeros((padded.cols, 3), np.int64)
        self._plan = plan
        self._percentile = percentile
        # Tally and counters side by side: looked at together after every change.
        self._numbers = np.zeros(kernel_walk.TALLY_STRIDE + kernel_live.COUNTERS, np.int64)
        self._tally = self._numbers[: kernel_walk.TALLY_SIZE]
        self._counters = self._numbers[kernel_walk.TALLY_STRIDE :]
        self._is_whole = True
        part = batch.between(padded.t0_ms, padded.end_ms)
        self._fixed = (
            batch.least,
            batch.short_channel,
            batch.long_channel,
            *bin_arguments(padded),
            plan.pad_cols,
            plan.pad_rows,
            padded.rows,
        )
        sums, last_ms = np.zeros(room), np.zeros(padded.cols, np.int64)
        _open_cells(
            *event_arguments(part)[:3],
            part.is_long.view(np.bool_),
            *self._fixed,
            sums,
            cells,
            places,
            last_ms,
            self._tally,
        )
        self._cells = RawCells(
            cells=cells,
            places=places,
            channels=batch.channels,
            rows=padded.rows,
            occupied=0,  # counted elsewhere
            inside=int(self._tally[kernel_walk.INSIDE]),
            found=int(self._tally[kernel_walk.FOUND]),
            kept=int(self._tally[kernel_walk.KEPT]),
            largest=np.empty(0, np.float32),
        )
        self._bounds = (np.float32(0), np.float32(np.inf))
        self._lane = lane = Lane()
        lane.for_painting(plan, padded.rows, spec.rows)
        self._state = (percentile, sums, cells, places, last_ms, self._tally, self._counters)
        self._rest: tuple[Any, ...] = ()
        first_bucket, levels = level_table
        self._paint = (
            plan.col_weights,
            plan.row_weights,
            plan.floors,
            plan.trail_factor,
            plan.trail_strength,
            np.float32(plan.trail_strength * plan.edges[-1]),
            lane.heat,
            first_bucket,
            BUCKET_SHIFT,
            levels,
            plan.colours,
            lane.spot,
            lane.value,
            lane.buckets,
            lane.shares,
            lane.block,
        )

    @property
    def cells(self) -> RawCells:
        """The cells; see `LiveCells.cells`."""
        return self._cells

    def watch(self, lower: float, upper: float, elsewhere: NDArray[np.float32] | None) -> None:
        """Count cells from now on; see `LiveCells.watch`."""
        self._bounds = (np.float32(lower), np.float32(upper))
        self._is_whole = elsewhere is None
        values = self._values() if elsewhere is None else elsewhere
        self._counters[kernel_live.OCCUPIED] = values.size
        self._counters[kernel_live.BELOW] = np.count_nonzero(values < self._bounds[0])
        self._counters[kernel_live.ABOVE] = np.count_nonzero(values > self._bounds[1])
        self._rest = (*self._fixed, *self._bounds, *self._state, *self._paint)

    def follow(
        self,
        columns: EventColumns,
        newer: EventColumns,
        window: tuple[int, int],
        canvas: Canvas,
        missed: tuple[int, int],
    ) -> LiveChange | None:
        """Take up newer events and let older ones go; see `LiveCells.follow`."""
        if self._plan.trail_factor > 0:
            self._lane.heat[:] = self._plan.trail_start
        outcome = _follow(
            columns.ts_ms,
            columns.price,
            columns.notional,
            columns.is_long,
            *window,
            newer.ts_ms,
            newer.price,
            newer.notional,
            newer.is_long,
            *self._rest,
            *missed,
            _MOST_COLS,
            canvas.spans,
            canvas.pixels,
        )
        if outcome == kernel_live.IMPOSSIBLE or (outcome == kernel_live.DOUBTFUL and not self._percentile_stays()):
            return None
        numbers = self._numbers.tolist()
        first_col, last_col, first = numbers[_CHANGED]
        return LiveChange(
            (first_col, last_col),
            first,
            outcome == kernel_live.PAINTED,
            numbers[kernel_walk.KEPT],
            numbers[kernel_walk.INSIDE],
        )

    def _percentile_stays(self) -> bool:
        """Return True if the percentile lies between the values watched, computed anew: counting did not tell."""
        if not self._is_whole or not self._counters[kernel_live.OCCUPIED]:
            return False
        lower, upper = self._bounds
        return bool(lower <= clip_reference(self._values(), self._percentile) <= upper)

    def _values(self) -> NDArray[np.float32]:
        """Return the occupied cells of the grid."""
        cells = self._cells
        # One more than there may be: an empty cell is written, too, and then overwritten.
        values = np.empty(cells.cells.size // cells.channels + 1, np.float32)
        return values[: kernel_select.collect_cells(cells.cells, cells.places, cells.channels, values)]
