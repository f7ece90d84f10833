"""Mapping between time and price and the chart's pixels.

Lightweight Charts spaces bars evenly by *logical index* and collapses the gaps between them, so time maps to x
piecewise over the bars and never linearly. A bar with open time ``t`` and interval ``s`` stands for ``[t, t + s)``
and is drawn around its index ``i``; so that time fills ``[i - 0.5, i + 0.5)``.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass, replace
from enum import IntEnum
from itertools import pairwise
from typing import TYPE_CHECKING, Final, NamedTuple

from Heatmap.rendering.view_grid import BarRun, View

if TYPE_CHECKING:
    from Heatmap.ui.geometry.frame_stamp import StampPlace


# Share of the pane's width beyond each edge for which `visible_range` also has bars: a pan shows them at once.
BARS_BEYOND: Final = 0.15


class PriceScaleMode(IntEnum):
    """How price maps to y; the numbers are those of Lightweight Charts' ``PriceScaleMode``."""

    NORMAL = 0
    LOGARITHMIC = 1
    PERCENTAGE = 2
    INDEXED_TO_100 = 3


@dataclass(frozen=True, slots=True)
class BarSegment:
    """Evenly spaced bars: logical index and open time (ms since the epoch, UTC) of the first, interval and number."""

    index: int
    start_ms: int
    step_ms: int
    count: int

    @property
    def end_ms(self) -> int:
        """End of the last bar's interval (exclusive)."""
        return self.start_ms + self.step_ms * self.count


class Piece(NamedTuple):
    """A range of logical positions on which time is linear; it may be too narrow to contain any time.

    Its ends are a < b, the times there a <= b; ``step_ms`` > 0 is the time from one bar to the next.
    """

    logical_a: float
    logical_b: float
    time_a_ms: float
    time_b_ms: float
    step_ms: int


@dataclass(frozen=True, slots=True)
class TimeAxis:
    """Time ↔ logical index over runs of bars, extrapolated at both ends by the interval there."""

    segments: tuple[BarSegment, ...]  # ascending in index and in time, not overlapping, at least one

    def logical(self, time_ms: float) -> float:
        """Return the logical position of a time; times inside a gap fall on the edge of the next bar."""
        at = max(bisect_right(self.segments, time_ms, key=lambda segment: segment.start_ms) - 1, 0)
        segment = self.segments[at]
        if time_ms >= segment.end_ms and at + 1 < len(self.segments):
            return self.segments[at + 1].index - 0.5
        return segment.index + (time_ms - segment.start_ms) / segment.step_ms - 0.5

    def time_ms(self, logical: float) -> float:
        """Return the time at a logical position; the inverse of `logical` outside gaps."""
        at = self._number_at(logical)
        segment = self.segments[at]
        time_ms = segment.start_ms + (logical - segment.index + 0.5) * segment.step_ms
        if at + 1 < len(self.segments):
            return min(time_ms, self.segments[at + 1].start_ms)
        return time_ms

    def pieces(self, first: float, last: float) -> list[Piece]:
        """Cut the logical range ``[first, last]`` into pieces on which time is linear.

        Ascending, without gaps between the logical positions; a collapsed gap in time lies between two pieces.
        """
        pieces: list[Piece] = []
        # Only the segments in sight: a chart whose bars are never evenly spaced has as many of them as bars.
        for number in range(self._number_at(first), self._number_at(last) + 1):
            segment = self.segments[number]
            begin = segment.index - 0.5 if number else -math.inf
            end = self.segments[number + 1].index - 0.5 if number + 1 < len(self.segments) else math.inf
            a, b = max(first, begin), min(last, end)
            if a >= b:
                continue
            time_a = segment.start_ms + (a - segment.index + 0.5) * segment.step_ms
            time_b = segment.start_ms + (b - segment.index + 0.5) * segment.step_ms
            pieces.append(Piece(a, b, time_a, time_b, segment.step_ms))
        return pieces

    def bars(self, first: float, last: float) -> tuple[BarRun, ...]:
        """Return the bars in the logical range ``[first, last)``, extrapolated ones too; none begins in a later run."""
        runs: list[BarRun] = []
        for number in range(self._number_at(first), self._number_at(last) + 1):
            segment = self.segments[number]
            begin, end = math.floor(first + 0.5), math.ceil(last + 0.5)
            if number:
                begin = max(begin, segment.index)
            if number + 1 < len(self.segments):
                following = self.segments[number + 1]
                room = -((segment.start_ms - following.start_ms) // segment.step_ms)
                end = min(end, following.index, segment.index + room)
            if begin < end:
                start_ms = segment.start_ms + (begin - segment.index) * segment.step_ms
                runs.append(BarRun(start_ms, segment.step_ms, end - begin))
        return tuple(runs)

    def _number_at(self, logical: float) -> int:
        """Return the number of the segment at a logical position; the first one also covers all before it."""
        return max(bisect_right(self.segments, logical, key=lambda segment: segment.index - 0.5) - 1, 0)


@dataclass(frozen=True, slots=True)
class Viewport:
    """Visible range of the chart in one frame, as the page reported it."""

    left_px: float  # the pane's rectangle in CSS pixels of the page
    top_px: float
    width_px: float
    height_px: float
    ratio: float  # CSS pixel → device pixel: screen scale times page zoom
    logical_from: float  # two logical positions …
    logical_to: float
    x_from_px: float  # … and their x inside the pane, CSS pixels
    x_to_px: float
    price_top: float  # at the pane's upper edge; less than at the lower one when the scale is inverted
    price_bottom: float
    mode: PriceScaleMode = PriceScaleMode.NORMAL  # all but `LOGARITHMIC` are linear in price
    frame: int = 0  # the page's running frame number
    stamps: tuple[StampPlace, ...] = ()  # where that number is in the frame; empty if there was no room for it
    page_px: tuple[int, int] = (0, 0)  # width and height of the page in device pixels

    @property
    def bar_spacing_px(self) -> float:
        """Distance between two bars in CSS pixels."""
        return (self.x_to_px - self.x_from_px) / (self.logical_to - self.logical_from)

    def x_px(self, logical: float) -> float:
        """Return the x of a logical position inside the pane, CSS pixels."""
        return self.x_from_px + (logical - self.logical_from) * self.bar_spacing_px

    def logical(self, x_px: float) -> float:
        """Return the logical position at an x inside the pane."""
        return self.logical_from + (x_px - self.x_from_px) / self.bar_spacing_px

    @property
    def is_logarithmic(self) -> bool:
        """True if y is linear in the logarithm of the price."""
        return self.mode is PriceScaleMode.LOGARITHMIC and min(self.price_top, self.price_bottom) > 0

    def y_px(self, price: float) -> float:
        """Return the y of a price inside the pane, CSS pixels, downwards."""
        if self.is_logarithmic:
            share = math.log(price / self.price_top) / math.log(self.price_bottom / self.price_top)
        else:
            share = (price - self.price_top) / (self.price_bottom - self.price_top)
        return share * self.height_px

    def price(self, y_px: float) -> float:
        """Return the price at a y inside the pane."""
        share = y_px / self.height_px
        if self.is_logarithmic:
            return self.price_top * math.exp(share * math.log(self.price_bottom / self.price_top))
        return self.price_top + share * (self.price_bottom - self.price_top)

    def resized(self, page_px: tuple[int, int]) -> Viewport:
        """Return the viewport of a chart that fills its page after a resize of the page.

        Lightweight Charts keeps the distance between bars, the last bar's distance from the right edge, and the prices
        at the upper and lower edge.
        """
        wider_px = (page_px[0] - self.page_px[0]) / self.ratio
        higher_px = (page_px[1] - self.page_px[1]) / self.ratio
        return replace(
            self,
            width_px=max(self.width_px + wider_px, 1.0),
            height_px=max(self.height_px + higher_px, 1.0),
            x_from_px=self.x_from_px + wider_px,
            x_to_px=self.x_to_px + wider_px,
            page_px=page_px,
        )

    @property
    def price_low(self) -> float:
        return min(self.price_top, self.price_bottom)

    @property
    def price_high(self) -> float:
        return max(self.price_top, self.price_bottom)


def visible_range(viewport: Viewport, axis: TimeAxis) -> View:
    """Return what a viewport shows in units of the data."""
    pieces = axis.pieces(viewport.logical(0.0), viewport.logical(viewport.width_px))
    gaps_ms = tuple(
        (math.ceil(left[3]), math.floor(right[2])) for left, right in pairwise(pieces) if right[2] - left[3] >= 1.0
    )
    beyond_px = BARS_BEYOND * viewport.width_px
    return View(
        start_ms=math.floor(pieces[0][2]),
        end_ms=math.ceil(pieces[-1][3]),
        price_low=viewport.price_low,
        price_high=viewport.price_high,
        width_px=max(round(viewport.width_px), 1),
        height_px=max(round(viewport.height_px), 1),
        gaps_ms=gaps_ms,
        bars=axis.bars(viewport.logical(-beyond_px), viewport.logical(viewport.width_px + beyond_px)),
    )
