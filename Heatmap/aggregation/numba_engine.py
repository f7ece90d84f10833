"""The fast engine.

Importing this module loads Numba and the kernels from the on-disk cache, or compiles them for some seconds if they are
not there. A program with a window lets `KernelWarmup` do it.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from typing import TYPE_CHECKING, Final

import numpy as np

from Heatmap.aggregation import (
    kernel_frame,
    kernel_grid,
    kernel_paint,
    kernel_sample,
    kernel_select,
    kernel_sparse,
    kernel_walk,
)
from Heatmap.aggregation.column_ranges import block_borders, event_borders
from Heatmap.aggregation.crew import CREW, usable_threads
from Heatmap.aggregation.engine import Cells, Drawn, EngineName, PaintPlan, RawCells, TouchedCells, WantedScale
from Heatmap.aggregation.grid import SNAP, GridSpec, price_bins
from Heatmap.aggregation.kernel_call import (
    NO_BINS,
    NO_EVENTS,
    BinArguments,
    EventArguments,
    bin_arguments,
    event_arguments,
)
from Heatmap.aggregation.kernel_jit import IS_COMPILED
from Heatmap.aggregation.normalization import BUCKET_SHIFT, MAX_BUCKETS, LevelTable, between, rank_of
from Heatmap.aggregation.numba_lane import Lane, TouchScratch
from Heatmap.aggregation.numba_live import NumbaLiveCells
from Heatmap.aggregation.numpy_engine import NumpyEngine
from Heatmap.aggregation.paint_plan import FAINTEST_EVENT_LEVEL

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from Heatmap.aggregation.event_batch import EventBatch
    from Heatmap.aggregation.image_buffer import Canvas

# Rows between the lowest and the highest price of a window for which scratch is kept; past it a sort is cheaper.
_MAX_SCRATCH_ROWS: Final = 2_000_000

# Up to so many events their cells are kept one by one and the rest of the image is not looked at (measured).
TOUCHED_LIMIT: Final = 16_000

# A thread that helps costs the caller about 10 us; below, one thread is done sooner.
_MIN_EVENTS_PER_THREAD: Final = 5_000
_MIN_COLS_PER_THREAD: Final = 256

# Columns that are binned first to learn which cells are among the largest.
_SAMPLED_COLS: Final = 32
_MIN_SAMPLED_CELLS: Final = 256
# The largest cells are collected while they are in the first-level cache, with this margin against a bad sample.
_TAIL_MARGIN: Final = 2.5
_MAX_TAIL: Final = 0.1
# And with this one where the reference of an earlier picture is known: it moves little from one to the next.
_REFERENCE_MARGIN: Final = 0.8
_KEPT_REFERENCES: Final = 64
_SMALLEST: Final[np.float32] = np.nextafter(np.float32(0), np.float32(1))
# No sum reaches it, not even one too large for a float32.
_NOTHING: Final[np.float32] = np.float32(np.nan)

# Pause before another look at a thread that has lost its core.
_PAUSE_S: Final = 50e-6

_NO_RANGE: Final = np.zeros(1, np.int64)
_NO_SCALE: Final = -1.0


# A plan, rows of the image by block and its pixels, and the ranges of columns to paint.
Picture = tuple[PaintPlan, "NDArray[np.int32]", "NDArray[np.uint32]", "NDArray[np.int64]"]
_NO_CELLS: Final = np.empty(0, np.float32)
_NO_PICTURE: Final[Picture] = (
    PaintPlan.nothing(),
    np.zeros((1, 2), np.int32),
    np.zeros((1, 1), np.uint32),
    _NO_RANGE,
)


class NumbaEngine:
    """See `Engine`. Buffers are kept between calls, so that a steady stream of images touches no fresh memory.

    Parameters
    ----------
    threads
        How many threads may work on one image; by default as many as there are cores, at most four.
    """

    def __init__(self, threads: int | None = None) -> None:
        self._lanes = [Lane() for _ in range(threads or usable_threads())] if IS_COMPILED else [Lane()]
        self._touch = TouchScratch()
        self._world = TouchScratch()
        self._cells = np.empty(0, np.float32)
        self._places = np.empty((0, 3), np.int64)
        self._collected = np.empty((len(self._lanes), 0), np.float32)
        self._tallies = np.zeros((len(self._lanes), kernel_walk.TALLY_STRIDE), np.int64)
        self._reference = np.zeros(1)
        # Of the pictures before, by what they depend on.
        self._references: OrderedDict[tuple[object, ...], float] = OrderedDict()
        self._candidates = np.empty(0, np.float32)
        self._digits = np.empty(2048, np.int64)
        self._neighbours = np.empty(2, np.float32)
        # The edges that the level table was made of: an array is never changed once it is one's edges.
        self._edges: NDArray[np.float32] | None = None
        self._levels = np.zeros(MAX_BUCKETS + 1, np.uint8)
        self._level_range = np.zeros(2, np.int64)
        self._binnings = 0
        self._fallback = NumpyEngine()

    @property
    def name(self) -> EngineName:
        """Which engine this is."""
        return "numba"

    @property
    def binnings(self) -> int:
        """How often it has binned; see `Engine.binnings`."""
        return self._binnings

    def bin_events(self, batch: EventBatch, spec: GridSpec, *, pad_cols: int, pad_rows: int, tail: float) -> RawCells:
        """Sum the weights per cell; see `Engine.bin_events`."""
        padded = spec.padded(pad_cols, pad_rows)
        part = batch.between(padded.t0_ms, padded.end_ms)
        threshold = self._threshold(part, padded, None, tail)
        lanes = self._bin_lanes(part, padded, is_collecting=tail > 0)
        self._render(
            event_arguments(part),
            bin_arguments(padded),
            (pad_cols, pad_rows, padded.rows),
            event_borders(part, padded, lanes),
            threshold,
            lanes=lanes,
        )
        return self._raw_cells(batch.channels, padded.rows, lanes)

    def draw(
        self, batch: EventBatch, spec: GridSpec, plan: PaintPlan, canvas: Canvas, wanted: WantedScale | None
    ) -> Drawn:
        """Bin and paint at once; see `Engine.draw`."""
        padded = spec.padded(plan.pad_cols, plan.pad_rows)
        part = batch.between(padded.t0_ms, padded.end_ms)
        if len(part) <= TOUCHED_LIMIT and batch.channels == 1 and plan.is_sharp:
            return self._draw_touched(part, spec, plan, canvas, wanted)
        key = (padded.time_bin_ms, padded.price_bin, batch.channels, wanted.percentile) if wanted is not None else ()
        threshold = self._threshold(part, padded, self._references.get(key), wanted.tail if wanted is not None else 0.0)
        lanes = self._bin_lanes(part, padded, is_collecting=wanted is not None)
        if wanted is None:
            self._take_scale(plan)
        _erase_single_cells(canvas)
        status = self._render(
            event_arguments(part),
            bin_arguments(padded),
            (plan.pad_cols, plan.pad_rows, padded.rows),
            event_borders(part, padded, lanes),
            threshold,
            lanes=lanes,
            picture=(plan, canvas.spans, canvas.pixels, block_borders(0, spec.cols, lanes)),
            wanted=wanted,
        )
        cells = self._raw_cells(batch.channels, padded.rows, lanes)
        if status == kernel_frame.UNSCALED:
            self._references.pop(key, None)
            return Drawn(cells, None)
        if wanted is None:
            return Drawn(cells, 0.0)
        self._edges = plan.edges
        reference = float(self._reference[0])
        self._references[key] = reference
        if len(self._references) > _KEPT_REFERENCES:
            self._references.popitem(last=False)
        return Drawn(cells, reference)

    def _draw_touched(
        self, part: EventBatch, spec: GridSpec, plan: PaintPlan, canvas: Canvas, wanted: WantedScale | None
    ) -> Drawn:
        self._binnings += 1
        touch = self._touch
        touch.prepare(spec.rows, len(part))
        if wanted is None:
            self._take_scale(plan)
        is_painted = kernel_sparse.draw_touched(
            *event_arguments(part),
            *bin_arguments(spec),
            spec.rows,
            touch.scratch,
            touch.seen,
            touch.touched,
            touch.positions,
            touch.values,
            touch.tally,
            _NO_SCALE if wanted is None else wanted.percentile,
            plan.fading if wanted is None else wanted.fractions,
            FAINTEST_EVENT_LEVEL,
            plan.fading,
            BUCKET_SHIFT,
            MAX_BUCKETS,
            touch.candidates,
            self._digits,
            self._reference,
            plan.edges,
            plan.floors,
            self._levels,
            self._level_range,
            plan.colours,
            canvas.cells,
            canvas.spans,
            canvas.pixels,
        )
        kept, found, inside, count, _ = touch.tally.tolist()
        cells = TouchedCells(touch.positions[:count], touch.values[:count], inside=inside, found=found, kept=kept)
        if not is_painted:
            return Drawn(cells, None)
        self._edges = plan.edges
        canvas.cells = cells.positions.copy()
        return Drawn(cells, 0.0 if wanted is None else float(self._reference[0]))

    def bin_touched(self, batch: EventBatch, spec: GridSpec) -> TouchedCells | None:
        """Sum the weights of a few events per cell; see `Engine.bin_touched`."""
        part = batch.between(spec.t0_ms, spec.end_ms)
        if len(part) > TOUCHED_LIMIT or batch.channels > 1:
            return None
        self._binnings += 1
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
        first_bucket, levels = _level_table(edges)
        out = np.zeros(grid.shape, np.uint32)
        kernel_grid.paint_grid(np.ascontiguousarray(grid), first_bucket, BUCKET_SHIFT, levels, colours, out)
        return out

    def live_cells(self, batch: EventBatch, spec: GridSpec, plan: PaintPlan, *, percentile: float) -> NumbaLiveCells:
        """Return cells that can take up new events; see `Engine.live_cells`."""
        return NumbaLiveCells(batch, spec, plan, percentile=percentile, level_table=_level_table(plan.edges))

    def paint(self, cells: Cells, plan: PaintPlan, canvas: Canvas, cols: tuple[int, int] | None = None) -> None:
        """Fill the image; see `Engine.paint`."""
        self._take_scale(plan)
        out = canvas.pixels
        if isinstance(cells, TouchedCells):
            kernel_paint.clear(canvas.cells, canvas.spans, out)
            first_bucket, buckets = self._level_range.tolist()
            levels = self._levels[:buckets]
            kernel_paint.paint_cells(
                cells.positions, cells.values, plan.floors, first_bucket, BUCKET_SHIFT, levels, plan.colours, out
            )
            canvas.cells = cells.positions.copy()
            return
        _erase_single_cells(canvas)
        first_col, last_col = cols or (0, out.shape[1])
        lanes = max(1, min(len(self._lanes), (last_col - first_col) // _MIN_COLS_PER_THREAD))
        self._render(
            NO_EVENTS,
            NO_BINS,
            (plan.pad_cols, plan.pad_rows, cells.rows),
            _NO_RANGE,
            _NOTHING,
            lanes=lanes,
            picture=(plan, canvas.spans, out, block_borders(first_col, last_col, lanes)),
            binned=cells,
        )

    def _render(
        self,
        events: EventArguments,
        bins: BinArguments,
        padding: tuple[int, int, int],
        bin_borders: NDArray[np.int64],
        threshold: np.float32,
        *,
        lanes: int,
        picture: Picture | None = None,
        wanted: WantedScale | None = None,
        binned: RawCells | None = None,
    ) -> int:
        """Call `kernel_frame.render` on several threads; return what it returns.

        Parameters
        ----------
        events, bins
            What to bin.
        padding
            Columns and rows of padding, and how many rows there are with it.
        bin_borders
            See `kernel_frame.render`.
        threshold
            From which value on cells are collected.
        lanes
            How many threads may take part; their scratch is ready for binning.
        picture
            What to paint; None: nothing.
        wanted
            Which scale to find; None: it is known.
        binned
            Cells that are binned already.
        """
        plan, spans, pixels, paint_borders = picture if picture is not None else _NO_PICTURE
        board = np.zeros(kernel_frame.BOARD_SIZE, np.int64)
        if binned is not None:
            board[kernel_frame.PHASE] = kernel_frame.PAINTING
        if picture is not None:
            for lane in self._lanes[:lanes]:
                lane.for_painting(plan, padding[2], pixels.shape[0])
        head = (
            *events,
            *bins,
            *padding,
            bin_borders,
            paint_borders,
            threshold,
            wanted.percentile if wanted is not None else _NO_SCALE,
            wanted.fractions if wanted is not None else plan.fading,
            FAINTEST_EVENT_LEVEL,
            plan.fading,
            BUCKET_SHIFT,
            MAX_BUCKETS,
            binned.cells if binned is not None else self._cells,
            binned.places if binned is not None else self._places,
            self._collected[:lanes],
            self._tallies[:lanes],
            self._candidates,
            self._digits,
            self._reference,
            plan.edges,
            plan.floors,
            self._levels,
            self._level_range,
            plan.col_weights,
            plan.row_weights,
            plan.trail_factor,
            plan.trail_strength,
        )

        failures: list[BaseException] = []

        def work(number: int) -> int:
            lane = self._lanes[number]
            return kernel_frame.render(
                *head,
                lane.heat,
                plan.colours,
                number,
                lane.scratch,
                lane.index,
                lane.borders,
                lane.spot,
                lane.value,
                lane.buckets,
                lane.shares,
                lane.block,
                spans,
                pixels,
                board,
            )

        if lanes == 1:
            return work(0)

        def help_out(number: int) -> None:
            # Else the caller would wait for ever for the range that was taken.
            try:
                work(number)
            except BaseException as error:
                failures.append(error)
                raise

        with CREW.helping(help_out, lanes):
            while (status := work(0)) == kernel_frame.WAITING:
                if failures:
                    raise failures[0]
                time.sleep(_PAUSE_S)
        return status

    def _bin_lanes(self, part: EventBatch, padded: GridSpec, *, is_collecting: bool) -> int:
        """Have room for the cells of a padded grid; return how many threads are worth their while."""
        column = part.channels * padded.rows
        # As if every column were full: pages that are never written cost nothing.
        if self._cells.size < padded.cols * column:
            self._cells = np.empty(padded.cols * column, np.float32)
        if len(self._places) != padded.cols:
            self._places = np.zeros((padded.cols, 3), np.int64)
        listed = padded.cols * padded.rows
        if is_collecting and self._collected.shape[1] < listed:
            self._collected = np.empty((len(self._lanes), listed), np.float32)
            self._candidates = np.empty(listed, np.float32)
        lanes = max(1, min(len(self._lanes), len(part) // _MIN_EVENTS_PER_THREAD))
        for lane in self._lanes[:lanes]:
            lane.for_binning(column, padded.cols)
        self._tallies.fill(0)
        self._binnings += 1
        return lanes

    def _raw_cells(self, channels: int, rows: int, lanes: int) -> RawCells:
        """Return what has been binned."""
        tallies = self._tallies[:lanes].tolist()
        tally = tallies[0] if lanes == 1 else [sum(numbers) for numbers in zip(*tallies, strict=True)]
        counts = [numbers[kernel_walk.COLLECTED] for numbers in tallies]
        collected = [self._collected[lane, :count] for lane, count in enumerate(counts) if count]
        return RawCells(
            cells=self._cells,
            places=self._places,
            channels=channels,
            rows=rows,
            occupied=tally[kernel_walk.OCCUPIED],
            inside=tally[kernel_walk.INSIDE],
            found=tally[kernel_walk.FOUND],
            kept=tally[kernel_walk.KEPT],
            largest=collected[0] if len(collected) == 1 else np.concatenate([_NO_CELLS, *collected]),
        )

    def _take_scale(self, plan: PaintPlan) -> None:
        """Make the table of levels, unless it is there."""
        if self._edges is plan.edges:
            return
        first_bucket, buckets = LevelTable.bounds(plan.edges)
        self._level_range[:] = first_bucket, buckets
        if buckets == 1:
            self._levels[0] = 0
        else:
            kernel_paint.fill_levels(plan.edges, first_bucket, BUCKET_SHIFT, self._levels[:buckets])
        self._edges = plan.edges

    def _threshold(self, part: EventBatch, padded: GridSpec, reference: float | None, tail: float) -> np.float32:
        """Return a value that somewhat more than the wanted share of cells should reach."""
        if tail <= 0:
            return _NOTHING
        if reference is not None:
            return np.float32(reference * _REFERENCE_MARGIN)
        if tail >= _MAX_TAIL:
            return _SMALLEST
        self._bin_lanes(part, padded, is_collecting=True)
        lane, tally = self._lanes[0], self._tallies[0]
        kernel_sample.sample_columns(
            *event_arguments(part),
            *bin_arguments(padded),
            min(_SAMPLED_COLS, padded.cols),
            _SMALLEST,
            padded.rows,
            self._cells,
            self._places,
            lane.scratch,
            lane.index,
            lane.borders,
            self._collected[0],
            tally,
        )
        sample = self._collected[0, : tally[kernel_walk.COLLECTED]]
        if sample.size < _MIN_SAMPLED_CELLS:
            return _SMALLEST
        wanted = min(tail * _TAIL_MARGIN + 0.005, 1.0)
        return np.float32(self._neighbours_of(sample, int((1.0 - wanted) * (sample.size - 1)))[0])

    def _neighbours_of(self, values: NDArray[np.float32], rank: int) -> tuple[float, float]:
        if self._candidates.size < values.size:
            self._candidates = np.empty(max(values.size, 2 * self._candidates.size), np.float32)
        kernel_select.neighbours_of_rank(values, rank, self._candidates, self._digits, self._neighbours)
        return float(self._neighbours[0]), float(self._neighbours[1])


def _erase_single_cells(canvas: Canvas) -> None:
    """Make what was painted cell by cell transparent again."""
    if canvas.cells.size:
        kernel_paint.erase_cells(canvas.cells, canvas.pixels)
        canvas.cells = np.empty(0, np.int64)


def _level_table(edges: NDArray[np.float32]) -> tuple[int, NDArray[np.uint8]]:
    """Return the first bucket and the table of `LevelTable`."""
    first_bucket, buckets = LevelTable.bounds(edges)
    levels = np.zeros(buckets, np.uint8)
    if buckets > 1:
        kernel_paint.fill_levels(edges, first_bucket, BUCKET_SHIFT, levels)
    return first_bucket, levels
