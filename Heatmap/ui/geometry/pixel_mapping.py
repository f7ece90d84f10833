"""Mapping from the pane's pixels to cells of an image.

Time depends on x alone and price on y alone, so columns and rows are mapped separately.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from Heatmap.aggregation.resampler import WHOLE

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from Heatmap.aggregation import GridSpec
    from Heatmap.rendering.event_window import Gaps
    from Heatmap.ui.geometry.viewport import TimeAxis, Viewport


class Pane(NamedTuple):
    """The pixels whose middles lie in the pane, in device pixels of the underlay, origin top left."""

    left: int
    top: int
    right: int
    bottom: int


class AxisSegment(NamedTuple):
    """Times, prices or cells of the pixels along one axis: at each pixel's beginning, middle and end; float64 (P,)."""

    begin: NDArray[np.float64]
    middle: NDArray[np.float64]
    end: NDArray[np.float64]

    @property
    def widest(self) -> float:
        """The most that one pixel covers."""
        return float(np.abs(self.end - self.begin).max())


def pane_of(viewport: Viewport, size_px: tuple[int, int]) -> Pane | None:
    """Return the pane's pixels within an underlay of this width and height; None if there are none."""
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


def times_across(viewport: Viewport, axis: TimeAxis, pane: Pane) -> tuple[AxisSegment, NDArray[np.float64]]:
    """Return the times of the pane's columns of pixels, in ms since the epoch, and the time that each column covers.

    The times ascend, but for bars that the page said overlap. They are too large to derive the second value, float64
    (P,), > 0, precisely.
    """
    pieces = np.array(axis.pieces(viewport.logical(0.0), viewport.logical(viewport.width_px)))
    piece_x = (
        viewport.left_px + viewport.x_from_px + (pieces[:, 0] - viewport.logical_from) * viewport.bar_spacing_px
    ) * (viewport.ratio)
    left_px = np.arange(pane.left, pane.right, dtype=np.float64)
    # The outermost pieces extend to pixels that rounding leaves beside them.
    number = np.searchsorted(piece_x[1:], left_px + 0.5, side="right")
    ms_per_px = (pieces[:, 4] / (viewport.bar_spacing_px * viewport.ratio))[number]
    from_px, from_ms = piece_x[number], pieces[number, 2]
    # In one piece a pixel's end is the next one's beginning to the last bit: no cell falls between them.
    edges = (from_ms + (left_px + step_px - from_px) * ms_per_px for step_px in (0.0, 0.5, 1.0))
    return AxisSegment(*edges), ms_per_px


def prices_down(viewport: Viewport, pane: Pane) -> AxisSegment:
    """Return the prices of the pane's rows of pixels, from the top."""
    # Beginning and middle of each pixel in turn.
    halves_px = np.arange(2 * pane.top, 2 * pane.bottom + 1, dtype=np.float64) / 2.0
    shares = (halves_px / viewport.ratio - viewport.top_px) / viewport.height_px
    top, bottom = viewport.price_top, viewport.price_bottom
    logs = math.log(bottom / top) if viewport.is_logarithmic else 0.0
    prices = top * np.exp(shares * logs) if viewport.is_logarithmic else top + shares * (bottom - top)
    return AxisSegment(prices[:-1:2], prices[1::2], prices[2::2])


def columns_at(times: AxisSegment, spec: GridSpec) -> AxisSegment:
    """Return the times as columns of the image: 0 is its left edge."""
    return AxisSegment(*((time - spec.t0_ms) / spec.time_bin_ms for time in times))


def rows_at(prices: AxisSegment, spec: GridSpec) -> AxisSegment:
    """Return the prices as rows of the image: 0 is its upper edge, the highest price."""
    return AxisSegment(*(spec.rows - (price - spec.price0) / spec.price_bin for price in prices))


def shown_cells(at: AxisSegment, count: int, *, smooth: bool) -> NDArray[np.int32]:
    """Return which of ``count`` cells each pixel shows.

    int32 (3, P): first cell, last cell (-1 and -2 outside the image) and a share. Smooth: the two cells whose middles
    are next to the pixel's, and the second one's share of `WHOLE`. Else the cell in which the pixel's middle lies; or,
    where cells are smaller than a pixel, all whose middles lie in the pixel: each cell belongs to one pixel, and none
    vanishes.
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


def gaps_across(
    times: AxisSegment, ms_per_px: NDArray[np.float64], gaps: Gaps
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the columns of pixels to hatch, and how far each column is to the right of its gap's beginning.

    int64 (n, 2): columns ``[first, last)`` whose middles lie in a gap. int64 (P,): whole pixels, >= 0; 0 outside.
    """
    along = np.zeros(len(times.middle), np.int64)
    spans = np.searchsorted(times.middle, np.array(gaps, np.float64).reshape(-1, 2)).astype(np.int64)
    in_sight = np.flatnonzero(spans[:, 0] < spans[:, 1])
    for number in in_sight:
        first, last = spans[number]
        exact = (times.middle[first:last] - gaps[number][0]) / ms_per_px[first:last]
        # From one column to the next, because a column alone may be rounded to either side.
        steps = np.rint(np.diff(exact, prepend=exact[0]))
        steps[0] = np.rint(exact[0])
        along[first:last] = np.cumsum(steps)
    # Where bars overlap, a pixel may lie before the gap's beginning.
    return spans[in_sight], np.maximum(along, 0)
