"""What an image is made with: the protocol of an engine, and the plan by which it paints.

Two engines exist, NumPy and Numba. They do the same arithmetic in the same order and give the same image.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

    from Heatmap.aggregation.event_batch import EventBatch
    from Heatmap.aggregation.grid import GridSpec
    from Heatmap.aggregation.normalization import LevelTable

EngineName = Literal["numpy", "numba"]


@dataclass(frozen=True, slots=True)
class RawCells:
    """Plain sums per cell of a padded grid. The arrays belong to the engine and hold until its next call.

    Attributes
    ----------
    sums
        float32 (channels, cols, rows), C order: a column of the picture is contiguous. Row 0 is the lowest price.
    extents
        int32 (channels, cols, 2): the occupied rows of a column lie in ``[extent 0, extent 1)``; empty: 0, 0.
    inside
        How many events lie in the grid itself, its padding not counted.
    """

    sums: NDArray[np.float32]
    extents: NDArray[np.int32]
    inside: int


@dataclass(frozen=True, slots=True)
class PaintPlan:
    """How raw cells become pixels.

    With x the raw sums of one channel, padded by ``pad_cols`` and ``pad_rows`` on each side::

        heat[c]   = (heat[c - 1] + x[c - 1]) * trail_factor             heat of the first column: trail_start
        lifted[c] = max(x[c], floors[c]) where x[c] > 0, else 0
        spot[c]   = max(trail_strength * heat[c], max over k of col_weights[k] * lifted[c + k])
        value[r]  = max over q of row_weights[q] * spot[r + q]

    The colour is ``colours[share, level(sum of the channels)]``, all in float32.

    Attributes
    ----------
    pad_cols, pad_rows
        Margin of the raw cells, so that what lies just outside the picture reaches in.
    col_weights, row_weights
        float32 (2 * pad + 1,), 1.0 in the middle.
    floors
        float32 (cols + 2 * pad_cols,): an occupied cell of this column is shown at least so strongly.
    trail_factor
        What is left of the heat one column on, in [0, 1); 0 for no trail.
    trail_strength
        Share of the heat that is shown.
    trail_start
        float32 (channels, rows + 2 * pad_rows): heat that comes in from the left.
    levels
        See `LevelTable`.
    colours
        uint32 (shares, 256): four bytes RGBA each. One share per channel count 1; else by the share of channel 1.
    """

    pad_cols: int
    pad_rows: int
    col_weights: NDArray[np.float32]
    row_weights: NDArray[np.float32]
    floors: NDArray[np.float32]
    trail_factor: np.float32
    trail_strength: np.float32
    trail_start: NDArray[np.float32]
    levels: LevelTable
    colours: NDArray[np.uint32]


class Engine(Protocol):
    """Does the work over all events and all cells. One engine serves one thread at a time: it owns its scratch."""

    @property
    def name(self) -> EngineName:
        """Which engine this is."""
        ...

    def bin_events(self, batch: EventBatch, spec: GridSpec, *, pad_cols: int, pad_rows: int) -> RawCells:
        """Sum the weights per cell of the padded grid, in float64; what lies outside is left out, not folded in."""
        ...

    def occupied_sums(self, batch: EventBatch, time_bin_ms: int, price_bin: float) -> NDArray[np.float32]:
        """Return the sum of every occupied cell, over all channels and wherever it lies; float32 (K,), unordered."""
        ...

    def paint(self, cells: RawCells, plan: PaintPlan, out: NDArray[np.uint32]) -> None:
        """Fill ``out``, uint32 (rows, cols), C order, row 0 the highest price."""
        ...


_ready_engine: Callable[[], Engine] | None = None


def set_ready_engine(factory: Callable[[], Engine]) -> None:
    """Let `new_engine` use a faster engine from now on; called once its kernels are loaded in this process."""
    global _ready_engine  # noqa: PLW0603 - loaded kernels are a fact of the process, not of an object
    _ready_engine = factory


def new_engine() -> Engine:
    """Return a fresh engine: the fastest that needs no compiling in this process."""
    if _ready_engine is not None:
        return _ready_engine()
    from Heatmap.aggregation.numpy_engine import NumpyEngine  # noqa: PLC0415 - it imports this module's types

    return NumpyEngine()
