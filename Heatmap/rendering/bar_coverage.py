"""How much of each bar was recorded: states for the coverage lane, from gaps in the record and the last recorder."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING, Final

import numpy as np

from Heatmap.rendering.event_window import FAR_MS, LIVE_EDGE_MS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from Heatmap.rendering.event_window import Gaps, RecorderRun, RecordGaps

# A bar without a record counts as one without a recorder if none ran for more than this share of it.
_IDLE_SHARE: Final = 0.5


class BarState(IntEnum):
    """What is on record of a bar's time within the window; bars outside the window have no state."""

    OUTSIDE = 0
    RECORDED = 1
    PARTLY = 2
    NOT_RECORDED = 3  # nothing was received, although a recorder may have run
    NOT_RUNNING = 4  # nothing was received, for no recorder of the symbol ran
    SOME_SOURCES = 5  # all of the time is recorded, but for some of it not from all chosen sources


def idle_times(gaps: Gaps, run: RecorderRun, now_ms: int) -> Gaps:
    """Return when no recorder ran, as far as the record says it: ``(start, end)``, ascending.

    That is before the first coverage, from the beginning of the gap in which the last recorder was started to its
    start, and since its last sign of life. Of earlier runs only their coverage is known.
    """
    begun_ms = min((moment for moment in run[:2] if moment is not None), default=FAR_MS)
    idle = [(-FAR_MS, min(begun_ms, now_ms))]
    if run.started_ms is not None:
        idle += [
            (max(start, begun_ms), run.started_ms)
            for start, end in gaps
            if max(start, begun_ms) < run.started_ms <= end
        ]
        if run.seen_ms < now_ms - LIVE_EDGE_MS:
            idle.append((max(run.seen_ms, begun_ms), now_ms))
    elif gaps and gaps[-1][1] >= now_ms:
        idle.append((max(gaps[-1][0], begun_ms), now_ms))
    return tuple((start, end) for start, end in idle if start < end)


def bar_states(
    starts_ms: NDArray[np.int64], ends_ms: NDArray[np.int64], gaps: RecordGaps, idle: Gaps, window_ms: tuple[int, int]
) -> NDArray[np.uint8]:
    """Return the `BarState` of each bar, uint8 (N,).

    Parameters
    ----------
    starts_ms, ends_ms
        int64 (N,), begin and end of each bar, ms since the epoch.
    gaps, idle
        Times without a record, and without a recorder, ascending and without overlap.
    window_ms
        Begin and end of the window; only what lies within it counts.
    """
    begin, end = np.maximum(starts_ms, window_ms[0]), np.minimum(ends_ms, window_ms[1])
    length = end - begin
    missing = _overlap(begin, end, gaps.none)
    states = np.full(len(starts_ms), BarState.PARTLY, np.uint8)
    states[missing <= 0] = BarState.RECORDED
    states[(missing <= 0) & (_overlap(begin, end, gaps.some) > 0)] = BarState.SOME_SOURCES
    none = missing >= length
    states[none] = BarState.NOT_RECORDED
    states[none & (_overlap(begin, end, idle) > _IDLE_SHARE * length)] = BarState.NOT_RUNNING
    states[length <= 0] = BarState.OUTSIDE
    return states


def _overlap(begin: NDArray[np.int64], end: NDArray[np.int64], spans: Gaps) -> NDArray[np.int64]:
    """Return how much of each interval lies in the spans, int64 (N,) in ms; negative for an empty interval."""
    if not spans:
        return np.zeros(len(begin), np.int64)
    edges = np.array(spans, np.int64)
    before = np.concatenate(([0], np.cumsum(edges[:, 1] - edges[:, 0])))

    def passed(moments: NDArray[np.int64]) -> NDArray[np.int64]:
        number = np.searchsorted(edges[:, 0], moments, side="right")
        inside = np.minimum(moments, edges[number - 1, 1]) - edges[number - 1, 0]
        return np.where(number > 0, before[number - 1] + inside, 0)

    return passed(end) - passed(begin)
