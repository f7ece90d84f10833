"""The fast engine.

Importing this module loads Numba and the kernels from the on-disk cache, or compiles them for some seconds if they are
not there. A program with a window lets `KernelWarmup` do it.
"""

from __future__ import annotations

import math
import os
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache, partial
from itertools import pairwise
from typing import TYPE_CHECKING, Final, TypeVar

import numpy as np

from Heatmap.aggregation.engine import Cells, EngineName, PaintPlan
from Heatmap.aggregation.grid import price_bins
from Heatmap.aggregation.kernel_bin import BLOCK_EVENTS, bin_columns, fill_grid, sum_cells
from Heatmap.aggregation.kernel_jit import IS_COMPILED
from Heatmap.aggregation.kernel_paint import paint_cells, paint_columns
from Heatmap.aggregation.kernel_scale import neighbours_of_rank, occupied_cells
from Heatmap.aggregation.normalization import LARGEST, LEVELS, LevelTable, between, rank_of
from Heatmap.aggregation.numpy_engine import NumpyEngine

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from Heatmap.aggregation.event_batch import EventBatch
    from Heatmap.aggregation.grid import GridSpec

_MOST_THREADS: Final = 4
# A thread that helps costs some 50 us; below, one thread is done sooner.
_MIN_COLS_PER_THREAD: Final = 256
_MIN_EVENTS_PER_THREAD: Final = 50_000
_MIN_CELLS_PER_THREAD: Final = 50_000

# What belongs to wider blocks leaves the cache; of narrower ones, more is computed twice.
_BLOCK_COLS: Final = 32
_MAX_BLOCK_CELLS: Final = 1 << 20

# Rows of a whole window up to which a column of it is kept: 32 MB.
_MAX_WINDOW_ROWS: Final = 2_000_000

_T = TypeVar("_T")


class _Pool:
    """The threads that help; a forked child, which inherits none of them, begins with new ones."""

    def __init__(self) -> None:
        self.renew()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self.renew)

    def renew(self) -> None:
        self.executor = ThreadPoolExecutor(_MOST_THREADS - 1, thread_name_prefix="heatmap-kernel")


_POOL: Final = _Pool()


def usable_threads() -> int:
    """Return how many threads may work on one picture: as many as there are cores for this process, at most four."""
    affinity = getattr(os, "sched_getaffinity", None)
    cores = len(affinity(0)) if affinity is not None else os.cpu_count() or 1
    return min(cores, _MOST_THREADS) if IS_COMPILED else 1


class NumbaEngine:
    """See `Engine`.

    Parameters
    ----------
    threads
        How many threads may work on one picture; by default `usable_threads`.
    """

    def __init__(self, threads: int | None = None) -> None:
        self._threads = threads or usable_threads()
        self._row = np.empty(0, np.int32)
        self._values = np.empty(0, np.float32)
        self._fallback = NumpyEngine()

    @property
    def name(self) -> EngineName:
        """The engine's name, ``"numba"``."""
        return "numba"

    def bin(self, batch: EventBatch, spec: GridSpec, *, pad_cols: int = 0, pad_rows: int = 0) -> Cells:
        """Sum the weights per cell; see `Engine.bin`."""
        padded = spec.padded(pad_cols, pad_rows)
        part = batch.between(padded.t0_ms, padded.end_ms)
        bins = (padded.t0_ms, padded.time_bin_ms, 1.0 / padded.price_bin, float(padded.first_price_bin))
        return self._bin(part, bins, (padded.rows, padded.cols), (pad_rows, pad_cols))

    def sums(self, batch: EventBatch, time_bin_ms: int, price_bin: float) -> NDArray[np.float32]:
        """Return the sums of every occupied cell; see `Engine.sums`."""
        finite = batch.price[np.isfinite(batch.price)]
        if not finite.size:
            return np.empty((0, batch.channels), np.float32)
        lowest, highest = price_bins(np.array([finite.min(), finite.max()]), price_bin)
        rows = highest - lowest + 1
        if not rows <= _MAX_WINDOW_ROWS:
            return self._fallback.sums(batch, time_bin_ms, price_bin)
        out = np.empty((len(batch), batch.channels), np.float32)
        count = sum_cells(
            _contiguous(batch),
            (batch.least, batch.short_channel, batch.long_channel),
            (int(batch.ts_ms[0]) // time_bin_ms * time_bin_ms, time_bin_ms, 1.0 / price_bin, float(lowest)),
            (int(rows), batch.channels),
            (np.zeros(int(rows) * batch.channels), np.empty(BLOCK_EVENTS, np.uint32)),
            out,
        )
        return out[:count]

    def grid(self, cells: Cells, channel: int) -> NDArray[np.float32]:
        """Return one channel as a grid; see `Engine.grid`."""
        grid = np.zeros((cells.rows, cells.start.size - 1), np.float32)
        fill_grid((cells.start, cells.row, cells.values), channel, grid)
        return grid

    def occupied(self, grid: NDArray[np.float32]) -> Cells:
        """Return the cells above 0; see `Engine.occupied`."""
        # Memory that is not written to costs nothing.
        cols, values = np.empty(grid.size + 1, np.int32), np.empty(grid.size + 1, np.float32)
        start = np.zeros(len(grid) + 1, np.int64)
        occupied_cells(grid, start[1:], cols, values)
        count = int(start[-1])
        return Cells(start, cols[:count], values[:count, np.newaxis], grid.shape[1], count, count, count)

    def percentile(self, values: NDArray[np.float32], percentile: float) -> float:
        """Return the exact percentile; see `Engine.percentile`."""
        if not values.size:
            return 0.0
        rank, fraction = rank_of(values.size, percentile)
        bits = neighbours_of_rank(np.ascontiguousarray(values).view(np.int32), rank)
        low, high = np.array(bits, np.int32).view(np.float32)
        return between(float(low), float(high), fraction)

    def paint(self, cells: Cells, plan: PaintPlan, pixels: NDArray[np.uint32]) -> None:
        """Fill the image; see `Engine.paint`."""
        pads, cols = (plan.col_weights.size // 2, plan.row_weights.size // 2), pixels.shape[1]
        ceiling = np.float32(min(plan.trail_strength * plan.edges[-1], LARGEST) if plan.trail_factor else LARGEST)
        table, fading = fading_tables(
            plan.edges.tobytes(), plan.colours.tobytes(), float(ceiling), float(plan.trail_factor)
        )
        arrays, look = (cells.start, cells.row, cells.values), (table.levels, table.first_bucket, plan.colours)
        if pads == (0, 0) and plan.trail_factor == 0:
            borders = _borders(cols, min(self._threads, len(cells.row) // _MIN_CELLS_PER_THREAD))
            pixels.fill(0)
            kernel, pixels = partial(paint_cells, arrays, plan.floors, look), pixels[::-1]
        else:
            borders = _borders(cols, min(self._threads, cols // _MIN_COLS_PER_THREAD))
            spots = (_by_distance(plan.col_weights), _by_distance(plan.row_weights), plan.floors, *pads)
            block_cols = max(1, min(cols, _BLOCK_COLS, _MAX_BLOCK_CELLS // cells.rows))
            powers = np.power(plan.trail_factor, np.arange(block_cols + 1), dtype=np.float32)
            trail = (plan.trail_start, powers, plan.trail_strength, ceiling)
            kernel = partial(paint_columns, arrays, spots, trail, fading, look)
        _share_out(lambda number: kernel(borders[number], borders[number + 1], pixels), len(borders) - 1)

    def _bin(
        self, part: EventBatch, bins: tuple[int, int, float, float], shape: tuple[int, int], padding: tuple[int, int]
    ) -> Cells:
        """Bin events, none of which lies before or after the grid.

        ``bins`` is as for `bin_columns`; ``shape``: rows and columns with padding; ``padding``: how many on each side
        are padding.
        """
        (rows, cols), (pad_rows, pad_cols), channels = shape, padding, part.channels
        borders = _borders(cols, min(self._threads, len(part) // _MIN_EVENTS_PER_THREAD))
        ts_ms, price, weight, is_long = _contiguous(part)
        firsts = part.ts_ms.searchsorted([bins[0] + col * bins[1] for col in borders]).tolist()
        # A range has no more cells than events; `_store` writes one more, which the next one replaces.
        room = len(part) + len(borders)
        if self._row.size < room:
            self._row, self._values = np.empty(room, np.int32), np.empty(2 * room, np.float32)
        values = self._values.reshape(-1, channels)
        start = np.zeros(cols + 1, np.int64)

        def bin_range(number: int) -> tuple[slice, tuple[int, int, int, int]]:
            first_col, last_col = borders[number], borders[number + 1]
            first, last = firsts[number], firsts[number + 1]
            at = first + number
            counts = bin_columns(
                (ts_ms[first:last], price[first:last], weight[first:last], is_long[first:last]),
                (part.least, part.short_channel, part.long_channel),
                bins,
                (first_col, last_col, rows, channels, pad_rows, pad_cols, cols - pad_cols),
                (np.zeros(channels * rows + 1), np.empty(BLOCK_EVENTS, np.uint32)),
                (start[first_col + 1 : last_col + 1], self._row[at:], values[at:]),
            )
            return slice(at, at + counts[0]), counts

        found = _share_out(bin_range, len(borders) - 1)
        stored = 0
        for (_, counts), (first_col, last_col) in zip(found, pairwise(borders), strict=True):
            start[first_col + 1 : last_col + 1] += stored
            stored += counts[0]
        _, kept, inside_grid, inside = (sum(numbers) for numbers in zip(*(counts for _, counts in found), strict=True))
        return Cells(
            start=start,
            row=np.concatenate([self._row[part] for part, _ in found]),
            values=np.concatenate([values[part] for part, _ in found]),
            rows=rows,
            kept=kept,
            found=inside_grid,
            inside=inside,
        )


def _by_distance(weights: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return symmetric weights from the middle on, with zeros behind them up to a multiple of three."""
    half = weights[weights.size // 2 :]
    return np.concatenate([half, np.zeros(-half.size % 3, np.float32)])


# Where nothing else is, a trail is drawn by the nearest of values that differ by so much: a third of a level of the log
# scale.
_STEP: Final = 0.01


@lru_cache(maxsize=4)
def fading_tables(
    edges: bytes, colours: bytes, ceiling: float, factor: float
) -> tuple[LevelTable, tuple[NDArray[np.int32], int, NDArray[np.uint32], int]]:
    """Return what is looked up while a picture is painted, from a `PaintPlan`; pictures of one scale share it.

    Returns
    -------
    The table of levels. Then for trails that fade with nothing in reach: where in its line a trail begins, by bucket;
    the first bucket; the colours from the strongest trail on, uint32 (shares, phases, n); how many columns each lasts.
    """
    table = LevelTable.from_edges(least := np.frombuffer(edges, np.float32))
    shares, lowest = np.frombuffer(colours, np.uint32).reshape(-1, LEVELS), float(least[0])
    if not 0 < lowest < ceiling < np.inf or factor == 0:
        return table, (np.zeros(1, np.int32), 0, np.zeros((len(shares), 1, 1), np.uint32), 1)
    fade = -math.log(factor)
    # Each column takes a step of several values, or each value lasts several columns.
    phases, repeat = max(1, round(fade / _STEP)), max(1, round(_STEP / fade))
    step = fade / phases * repeat
    count = math.ceil(math.log(ceiling / lowest) / step) + 1
    cols = count // phases + 1
    exponent = np.arange(phases)[:, np.newaxis] + np.arange(cols) * phases
    values = (ceiling * np.exp(exponent * -step)).astype(np.float32)
    middles = (ceiling * np.exp((np.arange(count)[::-1] + 0.5) * -step)).astype(np.float32)
    starts = LevelTable.from_edges(middles)
    number = count - starts.levels.astype(np.int32)
    begin = (number % phases) * cols + number // phases
    return table, (begin.astype(np.int32), starts.first_bucket, shares.take(table.lookup(values), axis=1), repeat)


def _contiguous(
    batch: EventBatch,
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64], NDArray[np.uint8]]:
    """Return the arrays of a batch as kernels take them; copies only what they would refuse."""
    ts_ms, price = np.ascontiguousarray(batch.ts_ms), np.ascontiguousarray(batch.price)
    return ts_ms, price, np.ascontiguousarray(batch.weight), np.ascontiguousarray(batch.is_long)


def _share_out(job: Callable[[int], _T], count: int) -> list[_T]:
    """Do a job for each number below ``count``, on a thread each; this one does the first."""
    try:
        others = [_POOL.executor.submit(job, number) for number in range(1, count)]
    except RuntimeError:
        # The interpreter is about to end, and a daemon thread still paints.
        return [job(number) for number in range(count)]
    first = job(0)
    return [first, *(other.result() for other in others)]


def _borders(cols: int, ranges: int) -> list[int]:
    """Return columns that share them out evenly."""
    inner = [cols * k // ranges for k in range(1, ranges)]
    return [0, *inner, cols]
