"""Places of the strips along the pane's edges: profile by price, sums by bar, coverage lane. CSS pixels of the pane."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from Heatmap.rendering.view_sums import BarSums, ViewSums
    from Heatmap.ui.geometry.viewport import TimeAxis, Viewport

LANE_PX: Final = 4.0
# Height of the bars and width of the profile: a share of the pane, but no more than so many pixels.
_BARS: Final = (0.12, 64.0)
_PROFILE: Final = (0.11, 130.0)
# Bars narrower than this are drawn together, or one would hide the other.
_LEAST_BAR_PX: Final = 2.0
# Share of a bar's room that it fills, as a candle's body does, if there is room for a gap.
_BODY: Final = 0.7
_LEAST_GAP_PX: Final = 4.0
_LONG, _SHORT = 0, 1


class Bands(NamedTuple):
    """Rooms of the strips: what is off has no height or width."""

    width_px: float  # of the pane
    profile_left_px: float  # it reaches to the pane's right edge
    bars_top_px: float
    lane_top_px: float  # where the bars and the profile end
    bottom_px: float  # of the pane


class Boxes(NamedTuple):
    """Rectangles of two colours or more.

    ``edges_px`` is float64 (n, 4): left, top, right, bottom. ``kinds`` is int64 (n,): 0 long and 1 short, or a
    `BarState`.
    """

    edges_px: NDArray[np.float64]
    kinds: NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class BarPlaces:
    """Bars on a chart's axis, independent of zoom and pan.

    Attributes
    ----------
    index
        int64 (N,), the logical index of each bar of `BarSums`; it fills ``[index - 0.5, index + 0.5)``.
    lane
        int64 (M, 3), runs of bars of equal state: first index, the one after the last, `BarState`. The worst come
        last, to be drawn over the others where these are smaller than a pixel.
    """

    index: NDArray[np.int64]
    lane: NDArray[np.int64]


class Hit(NamedTuple):
    """What of the strips lies under a point: a row of the profile, or bars ``[first, last)``; of them one at least."""

    kind: str  # "profile", "bars" or "lane"
    first: int
    last: int


NO_BOXES: Final = Boxes(np.empty((0, 4)), np.empty(0, np.int64))


def bands_of(viewport: Viewport, *, profile: bool, bars: bool, lane: bool) -> Bands:
    """Return the rooms of the strips that are on."""
    width_px, height_px = viewport.width_px, viewport.height_px
    lane_top_px = height_px - LANE_PX * lane
    return Bands(
        width_px,
        width_px - min(_PROFILE[0] * width_px, _PROFILE[1]) * profile,
        lane_top_px - min(_BARS[0] * height_px, _BARS[1]) * bars,
        lane_top_px,
        height_px,
    )


def bar_places(bars: BarSums, axis: TimeAxis) -> BarPlaces:
    """Return where bars are on an axis; the axis may have got more bars since they were summed."""
    starts = np.array([segment.start_ms for segment in axis.segments], np.int64)
    steps = np.array([segment.step_ms for segment in axis.segments], np.int64)
    indices = np.array([segment.index for segment in axis.segments], np.int64)
    at = np.maximum(np.searchsorted(starts, bars.starts_ms, side="right") - 1, 0)
    index = indices[at] + np.floor_divide(bars.starts_ms - starts[at], steps[at])
    if not len(index):
        return BarPlaces(index, np.empty((0, 3), np.int64))
    states = bars.states.astype(np.int64)
    is_first = np.concatenate(([True], (states[1:] != states[:-1]) | (np.diff(index) != 1)))
    first = np.flatnonzero(is_first)
    last = np.append(first[1:], len(index)) - 1
    lane = np.stack((index[first], index[last] + 1, states[first]), axis=1)
    lane = lane[lane[:, 2] > 0]
    return BarPlaces(index, lane[np.argsort(lane[:, 2], kind="stable")])


def profile_boxes(sums: ViewSums, viewport: Viewport, bands: Bands) -> Boxes:
    """Return the profile's rows in sight, from the right edge to the left: first the longs, then the shorts.

    The largest row in sight is as long as there is room.
    """
    top, bottom = _row_edges(sums, viewport, bands)
    totals = sums.rows_usd.sum(axis=1)
    seen = np.flatnonzero((top < bottom) & (totals > 0))
    if not len(seen):
        return NO_BOXES
    room_px = bands.width_px - bands.profile_left_px
    lengths = sums.rows_usd[seen] * (room_px / totals[seen].max())
    upper, lower = top[seen], bottom[seen]
    lower = np.where(lower - upper >= _LEAST_GAP_PX, lower - 1.0 / viewport.ratio, lower)
    right = np.full(len(seen), bands.width_px)
    middle = right - lengths[:, _LONG]
    left = middle - lengths[:, _SHORT]
    longs, shorts = np.stack((middle, upper, right, lower), 1), np.stack((left, upper, middle, lower), 1)
    return _of_sides(longs, shorts)


def bar_boxes(bars: BarSums, places: BarPlaces, viewport: Viewport, bands: Bands) -> Boxes:
    """Return the bars in sight, from their lower edge upwards: first the longs, then the shorts.

    The largest bar in sight is as high as there is room.
    """
    index, usd, number = _grouped(bars, places, viewport)
    left = viewport.x_px(0.0) + (index - 0.5) * viewport.bar_spacing_px
    room_px = viewport.bar_spacing_px * number
    totals = usd.sum(axis=1)
    seen = np.flatnonzero((left + room_px > 0) & (left < bands.width_px) & (totals > 0))
    if not len(seen):
        return NO_BOXES
    body_px = room_px * _BODY if room_px >= _LEAST_GAP_PX else room_px
    left = left[seen] + (room_px - body_px) / 2
    heights = usd[seen] * ((bands.lane_top_px - bands.bars_top_px) / totals[seen].max())
    lower = np.full(len(seen), bands.lane_top_px)
    middle = lower - heights[:, _LONG]
    upper = middle - heights[:, _SHORT]
    right = left + body_px
    return _of_sides(np.stack((left, middle, right, lower), 1), np.stack((left, upper, right, middle), 1))


def lane_boxes(places: BarPlaces, viewport: Viewport, bands: Bands) -> Boxes:
    """Return the parts of the lane in sight; their kinds are those of `BarState`."""
    if not len(places.lane):
        return NO_BOXES
    edges = viewport.x_px(0.0) + (places.lane[:, :2] - 0.5) * viewport.bar_spacing_px
    seen = (edges[:, 1] > 0) & (edges[:, 0] < bands.width_px)
    left, right = np.maximum(edges[seen, 0], 0.0), np.minimum(edges[seen, 1], bands.width_px)
    top, bottom = np.full(len(left), bands.lane_top_px), np.full(len(left), bands.bottom_px)
    return Boxes(np.stack((left, top, right, bottom), 1), places.lane[seen, 2])


def hit(sums: ViewSums, places: BarPlaces, viewport: Viewport, bands: Bands, at_px: tuple[float, float]) -> Hit | None:
    """Return what lies under a point of the pane, None if it is nothing of the strips."""
    x_px, y_px = at_px
    if not (0 <= x_px < bands.width_px and bands.bottom_px > y_px >= 0):
        return None
    if y_px >= bands.bars_top_px:
        number = _group_size(viewport)
        group = math.floor((viewport.logical(x_px) + 0.5) / number)
        first, last = np.searchsorted(places.index, (group * number, (group + 1) * number))
        if first < last and (y_px >= bands.lane_top_px or sums.bars.usd[first:last].any()):
            return Hit("lane" if y_px >= bands.lane_top_px else "bars", int(first), int(last))
        return None
    if x_px < bands.profile_left_px:
        return None
    top, bottom = _row_edges(sums, viewport, bands)
    totals = sums.rows_usd.sum(axis=1)
    seen = top < bottom
    rows = np.flatnonzero(seen & (top <= y_px) & (y_px < bottom) & (totals > 0))
    if not len(rows):
        return None
    length_px = totals[rows[0]] / totals[seen].max() * (bands.width_px - bands.profile_left_px)
    return Hit("profile", int(rows[0]), int(rows[0]) + 1) if x_px >= bands.width_px - max(length_px, 1.0) else None


def _row_edges(sums: ViewSums, viewport: Viewport, bands: Bands) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the upper and lower edge of each row of the profile, cut at the pane's and the bars' edges."""
    prices = (sums.first_row + np.arange(len(sums.rows_usd) + 1)) * sums.price_step
    if viewport.is_logarithmic:
        with np.errstate(divide="ignore"):
            shares = np.log(prices / viewport.price_top) / math.log(viewport.price_bottom / viewport.price_top)
    else:
        shares = (prices - viewport.price_top) / (viewport.price_bottom - viewport.price_top)
    edges = np.clip(shares * viewport.height_px, 0.0, bands.bars_top_px)
    return np.minimum(edges[:-1], edges[1:]), np.maximum(edges[:-1], edges[1:])


def _group_size(viewport: Viewport) -> int:
    """Return how many bars are drawn together."""
    return max(math.ceil(_LEAST_BAR_PX / viewport.bar_spacing_px), 1)


def _grouped(
    bars: BarSums, places: BarPlaces, viewport: Viewport
) -> tuple[NDArray[np.int64], NDArray[np.float64], int]:
    """Return the first index and the sums of each group of bars, and how many bars a group has."""
    number = _group_size(viewport)
    if number == 1 or not len(places.index):
        return places.index, bars.usd, number
    groups = np.floor_divide(places.index, number)
    first = np.flatnonzero(np.diff(groups, prepend=groups[0] - 1))
    return groups[first] * number, np.add.reduceat(bars.usd, first, axis=0), number


def _of_sides(longs: NDArray[np.float64], shorts: NDArray[np.float64]) -> Boxes:
    kinds = np.repeat([_LONG, _SHORT], len(longs))
    return Boxes(np.concatenate((longs, shorts)), kinds)
