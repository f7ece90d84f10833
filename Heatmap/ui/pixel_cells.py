"""Which cells of an image each pixel of the pane shows. Pure arithmetic, tested without GL.

Time depends on x alone and price on y alone, so this is said of columns and of rows.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from Heatmap.aggregation import GridSpec
    from Heatmap.ui.gap_mesh import Gaps
    from Heatmap.ui.viewport import TimeAxis, Viewport

WHOLE: Final = 256
"""Shares of two cells count from 0 to this."""


class Pane(NamedTuple):
    """The pixels whose middles lie in the pane, in device pixels of the underlay, origin top left."""

    left: int
    top: int
    right: int
    bottom: int


class Stretch(NamedTuple):
    """Times or prices, or cells, of the pixels along one axis: at a pixel's beginning, middle and end; float64 (P,)."""

    begin: NDArray[np.float64]
    middle: NDArray[np.float64]
    end: NDArray[np.float64]

    @property
    def widest(self) -> float:
        """Return how much one pixel covers at most."""
        return float(np.abs(self.end - self.begin).max())


def pane_of(viewport: Viewport, size_px: tuple[int, int]) -> Pane | None:
    """Return the pane's pixels within an underlay of this size; None if there are none."""
    ratio = viewport.ratio
    left, top = viewport.left_px * ratio, viewport.top_px * ratio
    right, bottom = left + viewport.width_px * ratio, top + viewport.height_px * ratio
    pane = Pane(
        max(math.ceil(left - 0.5), 0),
        max(math.ceil(top - 0.5), 0),
        min(math.ceil(right - 0.5), size_px[0]),
        min(math.ceil(bottom - 0.5), size_px[1]),
    )
    return pane if pane.left < pane.right and pane.top < pane.bottom else None


def times_across(viewport: Viewport, axis: TimeAxis, pane: Pane) -> Stretch:
    """Return the times of the pane's columns of pixels, ms since the epoch."""
    pieces = np.array(axis.pieces(viewport.logical(0.0), viewport.logical(viewport.width_px)))
    x = (viewport.left_px + viewport.x_from_px + (pieces[:, :2] - viewport.logical_from) * viewport.bar_spacing_px) * (
        viewport.ratio
    )
    ms_per_px = (pieces[:, 3] - pieces[:, 2]) / (x[:, 1] - x[:, 0])
    middle_px = np.arange(pane.left, pane.right) + 0.5
    # The outermost pieces go on where rounding leaves a pixel beside them.
    number = np.searchsorted(x[:-1, 1], middle_px, side="right")
    middle = pieces[number, 2] + (middle_px - x[number, 0]) * ms_per_px[number]
    half = 0.5 * ms_per_px[number]
    return Stretch(middle - half, middle, middle + half)


def prices_down(viewport: Viewport, pane: Pane) -> Stretch:
    """Return the prices of the pane's rows of pixels, from the top."""
    # Beginning and middle of each pixel in turn.
    halves_px = np.arange(2 * pane.top, 2 * pane.bottom + 1, dtype=np.float64) / 2.0
    shares = (halves_px / viewport.ratio - viewport.top_px) / viewport.height_px
    top, bottom = viewport.price_top, viewport.price_bottom
    logs = math.log(bottom / top) if viewport.is_logarithmic else 0.0
    prices = top * np.exp(shares * logs) if viewport.is_logarithmic else top + shares * (bottom - top)
    return Stretch(prices[:-1:2], prices[1::2], prices[2::2])


def columns_at(times: Stretch, spec: GridSpec) -> Stretch:
    """Return where in the image's columns these times lie: 0 its left edge."""
    return Stretch(*((time - spec.t0_ms) / spec.time_bin_ms for time in times))


def rows_at(prices: Stretch, spec: GridSpec) -> Stretch:
    """Return where in the image's rows these prices lie: 0 its upper edge, the highest price."""
    return Stretch(*(spec.rows - (price - spec.price0) / spec.price_bin for price in prices))


def shown_cells(at: Stretch, count: int, *, smooth: bool) -> NDArray[np.int32]:
    """Return which of ``count`` cells each pixel shows.

    Returns
    -------
    int32 (3, P): the first and the last cell, -1 and -2 outside the image, and a share. Smooth: the two cells whose
    middles are next to the pixel's, and how much of `WHOLE` is the second one's. Else the cell in which its middle
    lies; or, where cells are smaller than a pixel, all whose middles it holds: each cell belongs to one pixel, and none
    vanishes. What is inside has no gaps.
    """
    middle = at.middle
    is_inside = (middle >= 0) & (middle < count)
    share = np.zeros_like(middle)
    if smooth:
        lower = np.floor(middle - 0.5)
        share = np.rint((middle - 0.5 - lower) * WHOLE)
        first, last = np.clip(lower, 0, count - 1), np.clip(lower + 1, 0, count - 1)
    else:
        low, high = np.minimum(at.begin, at.end), np.maximum(at.begin, at.end)
        first, last = np.clip(np.ceil(low - 0.5), 0, count), np.clip(np.ceil(high - 0.5), 0, count) - 1
        is_large = (high - low <= 1.0) | (last < first)
        first = np.where(is_large, np.floor(middle), first)
        last = np.where(is_large, first, last)
        is_inside |= ~is_large
    cells = np.stack((first, last, share))
    cells[:, ~is_inside] = [[-1], [-2], [0]]
    return cells.astype(np.int32)


def gaps_across(times: Stretch, gaps: Gaps) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return which columns of pixels are hatched.

    Returns
    -------
    spans
        int64 (n, 2): from which column to which middles lie in a gap.
    along_px
        float32 (P,): how far right of its gap's beginning each column lies; 0 outside.
    """
    spans, along = [], np.zeros(len(times.middle), np.float32)
    px_per_ms = 1.0 / (times.end - times.begin)
    for start_ms, end_ms in gaps:
        first, last = np.searchsorted(times.middle, (start_ms, end_ms))
        if first < last:
            along[first:last] = (times.middle[first:last] - start_ms) * px_per_ms[first:last]
            spans.append((first, last))
    return np.array(spans, np.int64).reshape(-1, 2), along
