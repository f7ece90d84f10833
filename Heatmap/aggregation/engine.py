"""What a picture is made with: cells, the plan by which they are painted, and the protocol of an engine.

Two engines exist, NumPy and Numba. They do the same arithmetic and give the same picture.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

import numpy as np

from Heatmap.aggregation.normalization import LARGEST

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from Heatmap.aggregation.event_batch import EventBatch
    from Heatmap.aggregation.grid import GridSpec

    CellArrays = tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.float32]]
    SpotArrays = tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32], int, int]
    TrailArrays = tuple[NDArray[np.float32], NDArray[np.float32], np.float32, np.float32]
    FadingArrays = tuple[NDArray[np.int32], int, NDArray[np.uint32], int]
    LookArrays = tuple[NDArray[np.uint8], int, NDArray[np.uint32]]

EngineName = Literal["numpy", "numba"]


@dataclass(frozen=True, slots=True)
class Cells:
    """Plain sums of the occupied cells of a grid, one column after the other (compressed sparse columns).

    Attributes
    ----------
    start
        int64 (cols + 1,): column ``c`` has the cells ``[start[c], start[c + 1])``.
    row
        int32 (K,): the row of each, ascending within a column; row 0 is the lowest price.
    values
        float32 (K, channels), summed in float64.
    rows
        How many rows the grid has.
    kept
        How many events in the time range of the grid count, whatever their price.
    found
        How many of them lie in the grid.
    inside
        How many of them do not lie in its padding.
    """

    start: NDArray[np.int64]
    row: NDArray[np.int32]
    values: NDArray[np.float32]
    rows: int
    kept: int
    found: int
    inside: int


def totals(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the sums over the channels (K, channels) of all cells above 0, at most `LARGEST`, float32 (K,)."""
    with np.errstate(over="ignore"):
        total = values[:, 0] if values.shape[1] == 1 else values[:, 0] + values[:, 1]
    total = np.minimum(total, LARGEST)
    positive: NDArray[np.float32] = total if (total > 0).all() else total[total > 0]
    return positive


@dataclass(frozen=True, slots=True)
class PaintPlan:
    """How cells become pixels.

    With x the sums of one channel, padded by half the weights on each side::

        heat[c]   = (heat[c - 1] + x[c - 1]) * trail_factor             begins with trail_start, 0 below `FAINTEST_HEAT`
        lifted[c] = max(x[c], floors[c]) where x[c] > 0, else 0
        trail[c]  = trail_strength * min(heat[c], the last edge)        even a giant's trail stays a trail
        spot[c]   = max(trail[c], max over k of col_weights[k] * lifted[c + k])
        value[r]  = max over q of row_weights[q] * spot[r + q]

    With two channels the same is done for both and for x their sum: that third value is the size, and the second one's
    part of the first two is the share. So where the flanks of opposite sides meet, nothing is added up.
    The colour is ``colours[share, level(size)]``, all in float32. Where nothing but a trail is, which is no longer at
    its ceiling, the Numba engine takes the nearest of values that are about 1 % apart, a third of a level of the log
    scale, and lets it fade from there.

    Attributes
    ----------
    col_weights, row_weights
        float32 (2 * pad + 1,), symmetric, 1.0 in the middle. ``pad`` is the margin of the cells: what lies just outside
        the picture reaches in.
    floors
        float32 (cols + 2 * pad,): an occupied cell of this column is shown at least so strongly.
    trail_factor
        What is left of the heat one column on, in [0, 1); 0 for no trail.
    trail_strength
        Share of the heat that is shown.
    trail_start
        float32 (channels, rows + 2 * pad): heat that comes in from the left.
    edges
        float32 (255,), from `level_edges`; looked up as by `LevelTable`.
    colours
        uint32 (shares, 256): four bytes RGBA each. One share per channel count 1; else by the share of channel 1.
    """

    col_weights: NDArray[np.float32]
    row_weights: NDArray[np.float32]
    floors: NDArray[np.float32]
    trail_factor: np.float32
    trail_strength: np.float32
    trail_start: NDArray[np.float32]
    edges: NDArray[np.float32]
    colours: NDArray[np.uint32]


class Engine(Protocol):
    """Does the work over all events and all cells. One engine serves one thread at a time: it owns its scratch."""

    @property
    def name(self) -> EngineName:
        """Which engine this is."""
        ...

    def bin(self, batch: EventBatch, spec: GridSpec, *, pad_cols: int = 0, pad_rows: int = 0) -> Cells:
        """Sum the weights per cell of the padded grid, in float64; what lies outside is left out, not folded in."""
        ...

    def sums(self, batch: EventBatch, time_bin_ms: int, price_bin: float) -> NDArray[np.float32]:
        """Return the sums of every occupied cell, wherever it lies; float32 (K, channels), unordered."""
        ...

    def grid(self, cells: Cells, channel: int) -> NDArray[np.float32]:
        """Return one channel of cells as a new array, float32 (rows, cols), C order, row 0 the lowest price."""
        ...

    def occupied(self, grid: NDArray[np.float32]) -> Cells:
        """Return the cells above 0 of a grid in C order, whose rows are their columns, of one channel."""
        ...

    def percentile(self, values: NDArray[np.float32], percentile: float) -> float:
        """Return the linearly interpolated percentile of float32 (K,), all positive; 0.0 if K is 0."""
        ...

    def paint(self, cells: Cells, plan: PaintPlan, pixels: NDArray[np.uint32]) -> None:
        """Write every pixel, (rows, cols), row 0 the highest price; the four bytes of each are those of the colours.

        Without spots and trails ``pixels`` may have any order in memory, else C order.
        """
        ...
