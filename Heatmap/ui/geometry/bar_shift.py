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


def newest_bar_ms(axis: TimeAxis) -> tuple[int, int]:
    """Return begin and end of the newest bar, ms since the epoch."""
    last = axis.segments[-1]
    return last.end_ms - last.step_ms, last.end_ms


def bar_shift_ms(axis: TimeAxis, now_ms: int, newest_event_ms: int | None) -> int:
    """Return by how much the bars are ahead of the clock (> 0) or behind it (< 0); 0: nothing is wrong with them.

    A bar in the future is always wrong. A newest bar in the past may be that of a chart which is not live: it counts
    only if liquidations came after it and the present is whole quarters of an hour later. ``newest_event_ms``: the
    newest liquidation of the record, None if there is none.
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
