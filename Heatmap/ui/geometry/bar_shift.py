"""Guess by how much a host shifts the times of its bars, because the chart library has no time zones."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from Heatmap.ui.geometry.viewport import TimeAxis

_QUARTER_MS: Final = 900_000  # all time zones differ by whole quarters of an hour
_HOUR_MS: Final = 3_600_000
# So far ahead of the clock a bar may begin: the clock may be a little wrong.
_TOLERANCE_MS: Final = 600_000
# UTC-12 is the westernmost zone.
_FARTHEST_MS: Final = 12 * _HOUR_MS
# A bar comes with the exchange's clock, of which ours differs a little; and one may be missing.
_EARLY_MS: Final = 60_000
_PATIENCE_BARS: Final = 3


class BarShift:
    """By how much the bars of a chart are shifted, while it is followed.

    Bars in the past count only while new ones come, each later by the same: else it is a chart that has ended.
    """

    def __init__(self) -> None:
        self._axis: TimeAxis | None = None
        self._behind_ms = 0  # when the newest bar came
        self._is_live = False
        self._came_ms = 0

    def take(self, axis: TimeAxis | None, now_ms: int, newest_event_ms: int | None) -> None:
        """Take the bars that are in the chart now; see `bar_shift_ms`."""
        before = newest_bar_ms(self._axis) if self._axis is not None else (0, 0)
        self._axis = axis
        newest = newest_bar_ms(axis) if axis is not None else (0, 0)
        if axis is None or newest == before:  # history was put before it
            return
        step_ms = newest[1] - newest[0]
        behind_ms = min(bar_shift_ms(axis, now_ms + min(step_ms // 10, _EARLY_MS), newest_event_ms), 0)
        is_next = newest[0] > before[0] and step_ms == before[1] - before[0]
        self._is_live = is_next and behind_ms == self._behind_ms
        self._behind_ms, self._came_ms = behind_ms, now_ms

    def shift_ms(self, now_ms: int, newest_event_ms: int | None) -> int:
        """Return by how much the bars are ahead of the clock (> 0) or behind it (< 0); 0: nothing is known to be."""
        if self._axis is None:
            return 0
        step_ms = self._axis.segments[-1].step_ms
        is_live = self._is_live and now_ms - self._came_ms <= _PATIENCE_BARS * step_ms
        ahead_ms = max(bar_shift_ms(self._axis, now_ms, newest_event_ms), 0)
        return ahead_ms or (self._behind_ms if is_live else 0)


def newest_bar_ms(axis: TimeAxis) -> tuple[int, int]:
    """Return begin and end of the newest bar, ms since the epoch."""
    last = axis.segments[-1]
    return last.end_ms - last.step_ms, last.end_ms


def bar_shift_ms(axis: TimeAxis, now_ms: int, newest_event_ms: int | None) -> int:
    """Return by how much the bars are ahead of the clock (> 0) or behind it (< 0); 0: nothing is wrong with them.

    A bar in the future is always wrong. A newest bar in the past may be that of a chart which is not live, see
    `BarShift`: it counts only if liquidations came after it and the present is whole quarters of an hour later.
    ``newest_event_ms``: the newest liquidation of the record, None if there is none.
    """
    start_ms, end_ms = newest_bar_ms(axis)
    step_ms = end_ms - start_ms
    unit_ms = _QUARTER_MS if step_ms <= _QUARTER_MS else _HOUR_MS
    shift_ms = math.ceil((start_ms - now_ms) / unit_ms) * unit_ms
    if start_ms - now_ms > _TOLERANCE_MS:
        return shift_ms
    if newest_event_ms is None or newest_event_ms < end_ms + _QUARTER_MS or step_ms > _HOUR_MS:
        return 0
    # A feed may be a bar behind.
    is_whole = -_FARTHEST_MS <= shift_ms <= -2 * step_ms and shift_ms <= start_ms - now_ms + 2 * step_ms
    return shift_ms if is_whole else 0
