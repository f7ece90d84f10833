"""The fast engine.

Importing this module loads Numba and the kernels from the on-disk cache, or compiles them for some seconds if they are
not there. A program with a window lets `KernelWarmup` do it.
"""

from __future__ import annotations

from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Final

import numpy as np

from Heatmap.aggregation import kernel, kernel_grid, kernel_paint, kernel_select, kernel_sparse, kernel_walk
from Heatmap.aggregation.crew import CREW, usable_threads
from Heatmap.aggregation.engine import Cells, EngineName, PaintPlan, RawCells, TouchedCells
from Heatmap.aggregation.grid import SNAP, GridSpec, price_bins
from Heatmap.aggregation.kernel_call import BinArguments, EventArguments, bin_arguments, event_arguments
from Heatmap.aggregation.normalization import BUCKET_SHIFT, LevelTable, between, rank_of
from Heatmap.aggregation.numba_live import NumbaLiveCells
from Heatmap.aggregation.numpy_engine import NumpyEngine

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from Heatmap.aggregation.event_batch import EventBatch
    from Heatmap.aggregation.image_buffer import Canvas

# Rows between the lowest and the highest price of a window for which scratch is kept; past it a sort is cheaper.
_MAX_SCRATCH_ROWS: Final = 2_000_000

# Up to so many events their cells are kept one by one and the rest of the image is not looked at (measured).
TOUCHED_LIMIT: Final = 20_000

# Handing a task to another thread and waiting for it costs about 30 us; below, one thread is done sooner.
_MIN_EVENTS_PER_THREAD: Final = 20_000
_MIN_COLS_PER_THREAD: Final = 256

# More tasks than threads, so that a thread that comes late does less.
_PIECES_PER_LANE: Final = 3

# Columns that are binned first to learn which cells are among the largest.
_SAMPLED_COLS: Final = 32
_MIN_SAMPLED_CELLS: Final = 256
# The largest cells are collected while they are in the first-level cache, with this margin against a bad sample.
_TAIL_MARGIN: Final = 2.5
_MAX_TAIL: Final = 0.1
_SMALLEST: Final[np.float32] = np.nextafter(np.float32(0), np.float32(1))


class _Lane:
    """Scratch of one thread."""

    def __init__(self) -> None:
        self.index = np.zeros(kernel_walk.BLOCK_EVENTS, np.uint32)
        self.tally = np.zeros(kernel_walk.TALLY_SIZE, np.int64)
        self.scratch = np.zeros(0)
        self.collected = np.empty(0, np.float32)
        self.spot = np.empty((0, 0), np.float32)
        self.value = np.empty((0, 0), np.float32)
        self.buckets = np.empty(0, np.int32)
        self.shares = np.empty(0, np.int32)
        self.block = np.empty(0, np.uint16)
        self.borders = np.empty(0, np.int64)

    def for_binning(self, cells: int, cols: int, capacity: int) -> None:
        """Have room for sums of one column, borders of columns and a list of ``capacity`` cells; start to count anew."""
        if self.borders.size < cols + 2 * kernel_walk.SIDE_BY_SIDE:
            self.borders = np.empty(cols + 2 * kernel_walk.SIDE_BY_SIDE, np.int64)
        if self.scratch.size != cells + 1:
            self.scratch = np.zeros(cells + 1)
        if self.collected.size < capacity:
            self.collected = np.empty(capacity, np.float32)
        self.tally.fill(0)

    def for_painting(self, layers: int, padded_rows: int, rows: int) -> None:
        """Have room for one column of each layer."""
        if self.spot.shape != (layers, padded_rows) or self.value.shape != (layers, rows):
            self.spot = np.zeros((layers, padded_rows), np.float32)
            self.value = np.zeros((layers, rows), np.float32)
        if self.buckets.size != rows:
            self.buckets = np.zeros(rows, np.int32)
            self.shares = np.zeros(rows, np.int32)
            self.block = np.zeros(rows * kernel_paint.BLOCK_COLS, np.uint16)

    @property
    def largest(self) -> NDArray[np.float32]:
        """What was collected."""
        return self.collected[: self.tally[kernel_walk.COLLECTED]]


class _Touch:
    """Scratch for cells that are kept one by one."""

    def __init__(self) -> None:
        self.scratch = np.zeros(0)
        self.seen = np.zeros(0, np.uint8)
        self.touched = np.empty(0, np.int64)
        self.positions = np.empty(0, np.int64)
        self.values = np.empty(0, np.float32)
        self.tally = np.zeros(kernel_walk.TALLY_SIZE, np.int64)

    def prepare(self, rows: int, events: int) -> None:
        """Have room for a column of ``rows`` and a cell an event; start to count anew."""
        if self.seen.size < rows:
            self.scratch = np.zeros(2 * rows)
            self.seen = np.zeros(rows, np.uint8)
            self.touched = np.empty(rows, np.int64)
        if self.values.size < events:
            self.positions = np.empty(events, np.int64)
            self.values = np.empty(events, np.float32)
        self.tally.fill(0)


class NumbaEngine:
    """See `Engine`. Buffers are kept between calls, so that a steady stream of images touches no fresh memory.

    Parameters
    ----------
    threads
        How many threads may work on one image; by default as many as there are cores, at most four.
    """

    def __init__(self, threads: int | None = None) -> None:
        self._lanes = [_Lane() for _ in range(threads if threads is not None else usable_threads())]
        self._touch = _Touch()
        self._world = _Touch()
        self._cells = np.empty(0, np.float32)
        self._places = np.empty((0, 3), np.int64)
        self._candidates = np.empty(0, np.float32)
        self._digits = np.empty(2048, np.int64)
        self._neighbours = np.empty(2, np.float32)
        # The edges that the level table was made of: an array is never changed once it is one's edges.
        self._edges: NDArray[np.float32] | None = None
        self._levels = np.empty(0, np.uint8)
        self._first_bucket = 0
        self._fallback = NumpyEngine()

    @property
    def name(self) -> EngineName:
        """Which engine this is."""
        return "numba"

    def bin_events(self, batch: EventBatch, spec: GridSpec, *, pad_cols: int, pad_rows: int, tail: float) -> RawCells:
        """Sum the weights per cell; see `Engine.bin_events`."""
        spec = spec.padded(pad_cols, pad_rows)
        column = batch.channels * spec.rows
        # As if every column were full: pages that are never written cost nothing.
        capacity = spec.cols * column
        if self._cells.size < capacity:
            self._cells = np.empty(capacity, np.float32)
        if len(self._places) != spec.cols:
            self._places = np.zeros((spec.cols, 3), np.int64)
        part = batch.between(spec.t0_ms, spec.end_ms)
        events, bins = event_arguments(part), bin_arguments(spec)
        listed = spec.cols * spec.rows if tail > 0 else 0
        threshold = np.float32(np.inf) if tail <= 0 else _SMALLEST
        if 0 < tail < _MAX_TAIL:
            self._lanes[0].for_binning(column, spec.cols, listed)
            threshold = self._threshold(events, bins, spec.rows, tail)
        lanes = self._lanes[: max(1, min(len(self._lanes), len(part) // _MIN_EVENTS_PER_THREAD))]
        for lane in lanes:
            lane.for_binning(column, spec.cols, listed)
        borders = _event_borders(part, spec, len(lanes))

        def bin_range(number: int, *, first_col: int, last_col: int) -> None:
            lane = lanes[number]
            kernel.bin_columns(
                *events,
                *bins,
                pad_cols,
                pad_rows,
                first_col,
                last_col,
                threshold,
                True,
                spec.rows,
                self._cells,
                self._places,
                lane.scratch,
                lane.index,
                lane.borders,
                lane.collected,
                lane.tally,
            )

        _share_out(bin_range, borders, len(lanes))
        tally = sum((lane.tally for lane in lanes[1:]), lanes[0].tally)
        largest = lanes[0].largest if len(lanes) == 1 else np.concatenate([lane.largest for lane in lanes])
        return RawCells(
            cells=self._cells,
            places=self._places,
            channels=batch.channels,
            rows=spec.rows,
            occupied=int(tally[kernel_walk.OCCUPIED]),
            inside=int(tally[kernel_walk.INSIDE]),
            found=int(tally[kernel_walk.FOUND]),
            kept=int(tally[kernel_walk.KEPT]),
            largest=largest,
        )

    def bin_touched(self, batch: EventBatch, spec: GridSpec) -> TouchedCells | None:
        """Sum the weights of a few events per cell; see `Engine.bin_touched`."""
        part = batch.between(spec.t0_ms, spec.end_ms)
        if len(part) > TOUCHED_LIMIT or batch.channels > 1:
            return None
        touch = self._touch
        touch.prepare(spec.rows, len(part))
        # Row 0 of the picture is the highest price.
        steps = ((spec.rows - 1) * spec.cols, -spec.cols, 1)
        kernel_sparse.bin_touched(
            *event_arguments(part),
            *bin_arguments(spec),
            spec.rows,
            *steps,
            touch.scratch,
            touch.seen,
            touch.touched,
            touch.positions,
            touch.values,
            touch.tally,
        )
        kept, found, inside, count, _ = touch.tally.tolist()
        return TouchedCells(touch.positions[:count], touch.values[:count], inside=inside, found=found, kept=kept)

    def grid_of(self, cells: RawCells, channel: int) -> NDArray[np.float32]:
        """Return one channel as a new array; see `Engine.grid_of`."""
        grid = np.zeros((cells.rows, len(cells.places)), np.float32)
        kernel_select.spread_grid(cells.cells, cells.places, channel, grid)
        return grid

    def cell_values(self, cells: Cells) -> NDArray[np.float32]:
        """Return all occupied cells; see `Engine.cell_values`."""
        if isinstance(cells, TouchedCells):
            return cells.values
        if cells.largest.size == cells.occupied:
            return cells.largest
        # One more than there are: an empty cell is written, too, and then overwritten.
        values = np.empty(cells.occupied + 1, np.float32)
        return values[: kernel_select.collect_cells(cells.cells, cells.places, cells.channels, values)]

    def cell_percentile(self, cells: Cells, percentile: float) -> float:
        """Return the exact percentile of the occupied cells; see `Engine.cell_percentile`."""
        if isinstance(cells, TouchedCells):
            return self.percentile(cells.values, percentile)
        if not cells.occupied:
            return 0.0
        rank, fraction = rank_of(cells.occupied, percentile)
        below = cells.occupied - cells.largest.size
        if rank < below:
            return self.percentile(self.cell_values(cells), percentile)
        return between(*self._neighbours_of(cells.largest, rank - below), fraction)

    def percentile(self, values: NDArray[np.float32], percentile: float) -> float:
        """Return the exact percentile; see `Engine.percentile`."""
        if not values.size:
            return 0.0
        rank, fraction = rank_of(values.size, percentile)
        return between(*self._neighbours_of(values, rank), fraction)

    def occupied_sums(self, batch: EventBatch, time_bin_ms: int, price_bin: float) -> NDArray[np.float32]:
        """Return the sum of every occupied cell; see `Engine.occupied_sums`."""
        if not len(batch):
            return np.empty(0, np.float32)
        finite = batch.price if np.isfinite(batch.price.sum()) else batch.price[np.isfinite(batch.price)]
        if not finite.size:
            return np.empty(0, np.float32)
        lowest, highest = price_bins(np.array([finite.min(), finite.max()]), price_bin)
        if highest - lowest >= _MAX_SCRATCH_ROWS:
            return self._fallback.occupied_sums(batch, time_bin_ms, price_bin)
        rows = int(highest - lowest) + 1
        world = self._world
        world.prepare(rows, len(batch))
        start_ms = int(batch.ts_ms[0]) // time_bin_ms * time_bin_ms
        kernel_sparse.bin_touched(
            *event_arguments(batch),
            start_ms,
            time_bin_ms,
            1.0 / price_bin,
            SNAP,
            float(lowest),
            rows,
            0,
            0,
            0,
            world.scratch,
            world.seen,
            world.touched,
            world.positions,
            world.values,
            world.tally,
        )
        return world.values[: world.tally[kernel_walk.OCCUPIED]]

    def count_kept(self, batch: EventBatch) -> int:
        """Return how many events count; see `Engine.count_kept`."""
        return kernel_sparse.count_kept(*event_arguments(batch)[1:]) if len(batch) else 0

    def positive_values(self, grid: NDArray[np.float32]) -> NDArray[np.float32] | None:
        """Return all cells above 0; see `Engine.positive_values`."""
        values = np.empty(grid.size + 1, np.float32)
        count = kernel_grid.collect_positive(np.ascontiguousarray(grid).reshape(-1), values)
        return None if count < 0 else values[:count]

    def colour_grid(
        self, grid: NDArray[np.float32], edges: NDArray[np.float32], colours: NDArray[np.uint32]
    ) -> NDArray[np.uint32]:
        """Return the image of a grid; see `Engine.colour_grid`."""
        first_bucket, levels = _level_table(edges, np.empty(0, np.uint8))
        out = np.zeros(grid.shape, np.uint32)
        kernel_grid.paint_grid(np.ascontiguousarray(grid), first_bucket, BUCKET_SHIFT, levels, colours, out)
        return out

    def live_cells(self, batch: EventBatch, spec: GridSpec, *, pad_cols: int, pad_rows: int) -> NumbaLiveCells:
        """Return cells that can take up new events; see `Engine.live_cells`."""
        return NumbaLiveCells(batch, spec, pad_cols=pad_cols, pad_rows=pad_rows)

    def paint(self, cells: Cells, plan: PaintPlan, canvas: Canvas, cols: tuple[int, int] | None = None) -> None:
        """Fill the image; see `Engine.paint`."""
        out = canvas.pixels
        rows, width = out.shape
        if canvas.cells.size:
            kernel_paint.erase_cells(canvas.cells, out.reshape(-1))
            canvas.cells = np.empty(0, np.int64)
        if self._edges is not plan.edges:
            self._first_bucket, self._levels = _level_table(plan.edges, self._levels)
            self._edges = plan.edges
        first_bucket, levels = self._first_bucket, self._levels
        if isinstance(cells, TouchedCells):
            if canvas.spans.any():
                out.fill(0)
                canvas.spans.fill(0)
            kernel_paint.paint_cells(
                cells.positions,
                cells.values,
                plan.floors[0],
                first_bucket,
                BUCKET_SHIFT,
                levels,
                plan.colours,
                out.reshape(-1),
            )
            canvas.cells = cells.positions.copy()
            return
        first_col, last_col = cols or (0, width)
        lanes = self._lanes[: max(1, min(len(self._lanes), (last_col - first_col) // _MIN_COLS_PER_THREAD))]
        for lane in lanes:
            lane.for_painting(1 if cells.channels == 1 else 3, cells.rows, rows)

        def paint_range(number: int, *, first_col: int, last_col: int) -> None:
            lane = lanes[number]
            kernel_paint.paint_columns(
                cells.cells,
                cells.places,
                plan.col_weights,
                plan.row_weights,
                plan.floors,
                plan.trail_factor,
                plan.trail_strength,
                plan.trail_start.copy(),
                first_bucket,
                BUCKET_SHIFT,
                levels,
                plan.colours,
                first_col,
                last_col,
                lane.spot,
                lane.value,
                lane.buckets,
                lane.shares,
                lane.block,
                canvas.spans,
                out,
            )

        _share_out(paint_range, _block_borders(first_col, last_col, len(lanes)), len(lanes))

    def _threshold(self, events: EventArguments, bins: BinArguments, rows: int, tail: float) -> np.float32:
        """Return a value that somewhat more than the wanted share of cells should reach, judged by a sample."""
        lane = self._lanes[0]
        samples = min(_SAMPLED_COLS, len(self._places))
        kernel.sample_columns(
            *events,
            *bins,
            samples,
            _SMALLEST,
            rows,
            self._cells,
            self._places,
            lane.scratch,
            lane.index,
            lane.borders,
            lane.collected,
            lane.tally,
        )
        sample = lane.largest
        if sample.size < _MIN_SAMPLED_CELLS:
            return _SMALLEST
        wanted = min(tail * _TAIL_MARGIN + 0.005, 1.0)
        return np.float32(self._neighbours_of(sample, int((1.0 - wanted) * (sample.size - 1)))[0])

    def _neighbours_of(self, values: NDArray[np.float32], rank: int) -> tuple[float, float]:
        if self._candidates.size < values.size:
            self._candidates = np.empty(max(values.size, 2 * self._candidates.size), np.float32)
        kernel_select.neighbours_of_rank(values, rank, self._candidates, self._digits, self._neighbours)
        return float(self._neighbours[0]), float(self._neighbours[1])


def _share_out(work: Callable[..., None], borders: Sequence[int], lanes: int) -> None:
    """Do the work on every range of columns between two borders."""
    if lanes == 1:
        work(0, first_col=borders[0], last_col=borders[-1])
        return
    ranges = pairwise(borders)
    CREW.run([partial(work, first_col=first, last_col=last) for first, last in ranges if first < last], lanes)


def _event_borders(part: EventBatch, spec: GridSpec, lanes: int) -> list[int]:
    """Return columns between which about the same number of events lies."""
    pieces = lanes * _PIECES_PER_LANE if lanes > 1 else 1
    inner = [
        (int(part.ts_ms[len(part) * piece // pieces]) - spec.t0_ms) // spec.time_bin_ms for piece in range(1, pieces)
    ]
    return [0, *inner, spec.cols]


def _block_borders(first_col: int, last_col: int, lanes: int) -> list[int]:
    """Return columns that begin whole blocks, about evenly spaced."""
    pieces = lanes * _PIECES_PER_LANE if lanes > 1 else 1
    block = kernel_paint.BLOCK_COLS
    return [
        *(first_col + (last_col - first_col) * piece // pieces // block * block for piece in range(pieces)),
        last_col,
    ]


def _level_table(edges: NDArray[np.float32], memory: NDArray[np.uint8]) -> tuple[int, NDArray[np.uint8]]:
    """Return the first bucket and the table of `LevelTable`, in the memory given if that has the right size."""
    first_bucket, buckets = LevelTable.bounds(edges)
    levels = memory if memory.size == buckets else np.empty(buckets, np.uint8)
    if buckets == 1:
        levels.fill(0)
    else:
        kernel_paint.fill_levels(edges, first_bucket, BUCKET_SHIFT, levels)
    return first_bucket, levels
