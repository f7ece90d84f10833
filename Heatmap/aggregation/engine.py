"""What an image is made with: the protocol of an engine, and the plan by which it paints.

Two engines exist, NumPy and Numba. They do the same arithmetic in the same order and give the same image.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from Heatmap.aggregation.event_batch import EventBatch
    from Heatmap.aggregation.grid import GridSpec
    from Heatmap.aggregation.image_buffer import Canvas
    from Heatmap.columns import EventColumns

EngineName = Literal["numpy", "numba"]


@dataclass(frozen=True, slots=True)
class RawCells:
    """Plain sums per cell of a padded grid, packed column by column: only the rows between the lowest and the highest
    occupied one are there. The arrays belong to the engine and hold until it bins again.

    Attributes
    ----------
    cells
        float32 (N,). A column's rows of channel 0, then those of channel 1 if there are two. Row 0 is the lowest price.
    places
        int64 (cols, 3): a column holds the rows ``[place 0, place 1)`` of each channel, from ``cells[place 2]`` on.
        An empty column holds no row.
    channels, rows
        How many there are; rows with padding.
    occupied
        How many cells are occupied by any channel.
    inside
        How many events lie in the grid itself, its padding not counted.
    found
        How many events lie in the padded grid.
    kept
        How many events in the time range of the padded grid count, whatever their price.
    largest
        float32 (K,): the largest of the occupied cells, summed over the channels, in any order; perhaps none.
    """

    cells: NDArray[np.float32]
    places: NDArray[np.int64]
    channels: int
    rows: int
    occupied: int
    inside: int
    found: int
    kept: int
    largest: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class TouchedCells:
    """The occupied cells of a sparse grid without padding, one by one. The arrays hold until the engine bins again.

    Attributes
    ----------
    positions
        int64 (K,): the pixel of each cell, counted through the image, whose row 0 is the highest price.
    values
        float32 (K,), the sum of each.
    inside, found, kept
        See `RawCells`.
    """

    positions: NDArray[np.int64]
    values: NDArray[np.float32]
    inside: int
    found: int
    kept: int


Cells = RawCells | TouchedCells


@dataclass(frozen=True, slots=True)
class PaintPlan:
    """How raw cells become pixels.

    With x the raw sums of one channel, padded by ``pad_cols`` and ``pad_rows`` on each side::

        heat[c]   = (heat[c - 1] + x[c - 1]) * trail_factor             heat of the first column: trail_start
        lifted[c] = max(x[c], floors[c]) where x[c] > 0, else 0
        trail[c]  = trail_strength * min(heat[c], the last edge)        even a giant's trail stays a trail
        spot[c]   = max(trail[c], max over k of col_weights[k] * lifted[c + k])
        value[r]  = max over q of row_weights[q] * spot[r + q]

    With two channels the same is done for both and for x their sum: that third value is the size, and the second one's
    part of the first two is the share. So where the flanks of opposite sides meet, nothing is added up.
    The colour is ``colours[share, level(size)]``, all in float32.

    Attributes
    ----------
    pad_cols, pad_rows
        Margin of the raw cells, so that what lies just outside the picture reaches in.
    col_weights, row_weights
        float32 (2 * pad + 1,), 1.0 in the middle.
    fading
        float64 (cols + 2 * pad_cols,): what is left, at this column, of the least strength of an occupied cell.
    floors
        float32 (cols + 2 * pad_cols,): an occupied cell of this column is shown at least so strongly.
    trail_factor
        What is left of the heat one column on, in [0, 1); 0 for no trail.
    trail_strength
        Share of the heat that is shown.
    trail_start
        float32 (channels, rows + 2 * pad_rows): heat that comes in from the left.
    edges
        float32 (255,), from `level_edges`; looked up as by `LevelTable`. Where the scale is not known yet,
        `Engine.draw` fills edges and floors.
    colours
        uint32 (shares, 256): four bytes RGBA each. One share per channel count 1; else by the share of channel 1.
    """

    pad_cols: int
    pad_rows: int
    col_weights: NDArray[np.float32]
    row_weights: NDArray[np.float32]
    fading: NDArray[np.float64]
    floors: NDArray[np.float32]
    trail_factor: np.float32
    trail_strength: np.float32
    trail_start: NDArray[np.float32]
    edges: NDArray[np.float32]
    colours: NDArray[np.uint32]

    @property
    def is_sharp(self) -> bool:
        """True if every event stays in its own cell."""
        return self.pad_cols == self.pad_rows == 0 and self.trail_factor == 0

    @classmethod
    def nothing(cls) -> PaintPlan:
        """Return a plan that stands for none."""
        ones, none = np.ones(1, np.float32), np.float32(0)
        return cls(
            pad_cols=0,
            pad_rows=0,
            col_weights=ones,
            row_weights=ones,
            fading=np.ones(1),
            floors=np.zeros(1, np.float32),
            trail_factor=none,
            trail_strength=none,
            trail_start=np.zeros((1, 1), np.float32),
            edges=np.zeros(1, np.float32),
            colours=np.zeros((1, 256), np.uint32),
        )


@dataclass(frozen=True, slots=True)
class WantedScale:
    """The scale to find while binning, in which all levels are shares of one reference.

    Attributes
    ----------
    percentile
        Of the occupied cells, in (0, 100]: the reference.
    tail
        Share of the occupied cells from the largest on that surely contains it; a hint.
    fractions
        float64 (255,): share of the reference at which each level begins.
    """

    percentile: float
    tail: float
    fractions: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Drawn:
    """What `Engine.draw` did.

    Attributes
    ----------
    cells
        What was binned.
    reference
        The reference found, in dollars a cell; 0.0 if none was wanted. None: nothing has been painted, because events
        lie outside the grid, or there are none, or the tail was too short.
    """

    cells: Cells
    reference: float | None


class LiveChange(NamedTuple):
    """What events that came and went changed.

    Attributes
    ----------
    dirty_cols
        The image differs from the one before in columns ``[dirty 0, dirty 1)`` alone.
    first
        Index of the window's first event.
    is_painted
        True if the canvas shows it.
    kept, inside
        Events that count in the time range of the padded grid, and events in the grid itself.
    """

    dirty_cols: tuple[int, int]
    first: int
    is_painted: bool
    kept: int
    inside: int


class LiveCells(Protocol):
    """A grid that takes up new events, and lets old ones go, at the cost of what they touch.

    It sums as `Engine.bin_events` does.
    """

    @property
    def cells(self) -> RawCells:
        """The cells, to be painted. Its counts are those of the beginning."""
        ...

    def watch(self, lower: float, upper: float, elsewhere: NDArray[np.float32] | None) -> None:
        """Count the occupied cells, and those below and above these values, from now on.

        ``elsewhere``: all cells of the window if they are not all in the grid, else None.
        """
        ...

    def follow(
        self,
        columns: EventColumns,
        newer: EventColumns,
        window: tuple[int, int],
        canvas: Canvas,
        missed: tuple[int, int],
    ) -> LiveChange | None:
        """Take up ``newer`` events, which are contained in ``columns``, and bring the canvas up to date.

        The window began with the event of index ``window[0]`` and begins now at ``window[1]`` ms since the epoch. The
        canvas lacks, besides, the columns ``[missed 0, missed 1)``; it is left as it is if there is much to paint.
        None if an event that counts and comes or goes lies outside the padded grid, if the window has become longer or
        empty, or if the percentile of the occupied cells has left the values watched: this grid is of no use then.
        """
        ...


class Engine(Protocol):
    """Does the work over all events and all cells. One engine serves one thread at a time: it owns its scratch."""

    @property
    def name(self) -> EngineName:
        """Which engine this is."""
        ...

    @property
    def binnings(self) -> int:
        """Counts what overwrites the cells it has returned before."""
        ...

    def bin_events(self, batch: EventBatch, spec: GridSpec, *, pad_cols: int, pad_rows: int, tail: float) -> RawCells:
        """Sum the weights per cell of the padded grid, in float64; what lies outside is left out, not folded in.

        ``tail`` is the share of the occupied cells that `cell_percentile` will ask for, from the largest on; a hint.
        """
        ...

    def draw(
        self, batch: EventBatch, spec: GridSpec, plan: PaintPlan, canvas: Canvas, wanted: WantedScale | None
    ) -> Drawn:
        """Bin and paint in one go: the same as `bin_events`, `cell_percentile`, `level_edges` and `paint`, but faster.

        ``wanted``: the scale to find; it is written into the plan. None: the plan has it.
        """
        ...

    def bin_touched(self, batch: EventBatch, spec: GridSpec) -> TouchedCells | None:
        """Sum the weights per cell as `bin_events` does, one channel only, where that is cheaper; else None."""
        ...

    def grid_of(self, cells: RawCells, channel: int) -> NDArray[np.float32]:
        """Return one channel as a new array, float32 (rows, cols), C order, row 0 the lowest price."""
        ...

    def cell_values(self, cells: Cells) -> NDArray[np.float32]:
        """Return all occupied cells, summed over the channels; float32 (K,), unordered."""
        ...

    def cell_percentile(self, cells: Cells, percentile: float) -> float:
        """Return the exact percentile of the occupied cells, as `clip_reference` defines it."""
        ...

    def percentile(self, values: NDArray[np.float32], percentile: float) -> float:
        """Return `clip_reference` of these values, all positive."""
        ...

    def occupied_sums(self, batch: EventBatch, time_bin_ms: int, price_bin: float) -> NDArray[np.float32]:
        """Return the sum over the channels of every occupied cell, wherever it lies; float32 (K,), unordered."""
        ...

    def count_kept(self, batch: EventBatch) -> int:
        """Return how many events count."""
        ...

    def paint(self, cells: Cells, plan: PaintPlan, canvas: Canvas, cols: tuple[int, int] | None = None) -> None:
        """Fill the canvas, or only its columns ``[cols 0, cols 1)``, which begin and end whole spans of the canvas."""
        ...

    def positive_values(self, grid: NDArray[np.float32]) -> NDArray[np.float32] | None:
        """Return all cells above 0 of any grid, unordered; None if one is negative or not finite."""
        ...

    def colour_grid(
        self, grid: NDArray[np.float32], edges: NDArray[np.float32], colours: NDArray[np.uint32]
    ) -> NDArray[np.uint32]:
        """Return the image of a grid (rows, cols), C order, row 0 the lowest price, turned upside down; a new array.

        ``colours`` (256,) by level; a cell above 0 has level 1 at least.
        """
        ...

    def live_cells(self, batch: EventBatch, spec: GridSpec, plan: PaintPlan, *, percentile: float) -> LiveCells | None:
        """Return cells that can take up new events, or None if this engine would not be faster by them.

        ``percentile`` of the occupied cells is where the scale of the plan comes from.
        """
        ...


_ready_engine: Callable[[], Engine] | None = None


def set_ready_engine(factory: Callable[[], Engine]) -> None:
    """Let `new_engine` use a faster engine from now on; called once its kernels are loaded in this process."""
    global _ready_engine  # noqa: PLW0603 - loaded kernels are a fact of the process, not of an object
    _ready_engine = factory


def kernels_are_loaded() -> bool:
    """Return True once kernels can be used in this process without compiling."""
    return _ready_engine is not None


def new_engine() -> Engine:
    """Return a fresh engine: the fastest that needs no compiling in this process."""
    if _ready_engine is not None:
        return _ready_engine()
    from Heatmap.aggregation.numpy_engine import NumpyEngine  # noqa: PLC0415 - it imports this module's types

    return NumpyEngine()
