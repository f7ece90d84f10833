"""The view of a chart as times, so that other candles can be shown in it. Pure arithmetic.

Bar i of a chart covers the positions ``[i - 0.5, i + 0.5)`` and the times ``[open, open + interval)``. Beyond the bars,
time goes on at the interval.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

# With fewer bars nothing can be read in a chart, with more they are narrower than the library's half pixel.
MIN_BARS, MAX_BARS = 20.0, 2000.0


@dataclass(frozen=True, slots=True)
class LiveView:
    """The newest bar is in view, and the chart follows it.

    ``back_ms``: from the left edge to the middle of the newest bar; ``margin_bars``: from there to the right edge;
    ``bar_ms``: length of the bars it was chosen with.
    """

    back_ms: float
    margin_bars: float
    bar_ms: int


@dataclass(frozen=True, slots=True)
class PastView:
    """A range of past time ``[left_ms, right_ms)``, without the newest bar, chosen with bars of ``bar_ms``."""

    left_ms: float
    right_ms: float
    bar_ms: int


View = LiveView | PastView


@dataclass(frozen=True, slots=True)
class BarTimes:
    """Times of a chart's bars: ``opens_ms`` ascending, at least one; a bar's length ``interval_ms``."""

    opens_ms: Sequence[int]
    interval_ms: int

    def time_at(self, position: float) -> float:
        """Return the time at a position, in ms."""
        index = min(max(int(position + 0.5), 0), len(self.opens_ms) - 1)
        return self.opens_ms[index] + (position + 0.5 - index) * self.interval_ms

    def position_at(self, time_ms: float) -> float:
        """Return the position of a time; that of the next bar's left edge within a gap."""
        index = max(bisect_right(self.opens_ms, time_ms) - 1, 0)
        bars = (time_ms - self.opens_ms[index]) / self.interval_ms
        if index < len(self.opens_ms) - 1:
            bars = min(bars, 1.0)
        return index + bars - 0.5

    def view_of(self, left: float, right: float) -> View:
        """Return the view between two positions."""
        last = len(self.opens_ms) - 1
        if left <= last <= right:
            return LiveView((last - left) * self.interval_ms, right - last, self.interval_ms)
        return PastView(self.time_at(left), self.time_at(right), self.interval_ms)

    def positions_of(self, view: View, max_older: int) -> tuple[float, float]:
        """Return the positions that show a view, as far as bars of this length can.

        Of bars of another length, between `MIN_BARS` and `MAX_BARS` are shown, up to the view's right edge. A past view
        more than ``max_older`` bars before the first gives the newest bars.
        """
        last = len(self.opens_ms) - 1
        least, most = (0.0, math.inf) if view.bar_ms == self.interval_ms else (MIN_BARS, MAX_BARS)
        if isinstance(view, PastView):
            right = self.position_at(view.right_ms)
            if right >= -max_older:
                return right - min(max(right - self.position_at(view.left_ms), least), most), right
            view = LiveView(view.right_ms - view.left_ms, 0.0, view.bar_ms)
        back = min(max(view.back_ms / self.interval_ms, least), most)
        margin = view.margin_bars if view.bar_ms == self.interval_ms else min(view.margin_bars, back)
        return last - back, last + margin

    def is_same(self, one: View, other: View) -> bool:
        """True if two views differ by less than a bar."""
        if isinstance(one, LiveView) and isinstance(other, LiveView):
            return (
                abs(one.back_ms - other.back_ms) < self.interval_ms and abs(one.margin_bars - other.margin_bars) < 1.0
            )
        if isinstance(one, PastView) and isinstance(other, PastView):
            distance_ms = max(abs(one.left_ms - other.left_ms), abs(one.right_ms - other.right_ms))
            return distance_ms < self.interval_ms
        return False
