"""The bars of the chart's series: runs that the page sends, and the time axis made of them.

An appended bar changes the last runs only, so the page sends these, with the number of runs before them that stay.
"""

from __future__ import annotations

from collections import Counter
from itertools import accumulate, chain
from typing import TYPE_CHECKING, Annotated, Final

import msgspec
from msgspec import Meta

from Heatmap.errors import BridgeError
from Heatmap.ui.geometry.chart_time import UTC_TIME, ChartTime, bars_by_step
from Heatmap.ui.geometry.viewport import BarSegment, TimeAxis
from Heatmap.ui.page.message import decode

if TYPE_CHECKING:
    from collections.abc import Sequence

# Runs in one message, and in all; a chart whose bars are never evenly spaced has as many runs as bars.
MAX_SEGMENTS: Final = 10_000
MAX_RUNS: Final = 5_000_000
MAX_TIME_S: Final = 1e11
# Nanoseconds of the year 5138, in which `MAX_TIME_S` ends.
MAX_UNIT_TIME: Final = 1e20
MAX_BARS: Final = 1_000_000_000
MIN_STEP_S: Final = 1e-3


class TimeUnitError(BridgeError):
    """The host passes times to its chart that are no seconds."""


class _BarsMessage(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    segments: Annotated[list[tuple[int, float, float, int]], Meta(max_length=MAX_SEGMENTS)]
    keep: Annotated[int, Meta(ge=0, le=MAX_RUNS)] = 0  # so many of the runs before stay
    more: bool = False  # the next message continues this one


class BarRuns:
    """The runs of one series, from its messages.

    A message is ``{"segments": [[first index, first time in s, step in s, count], …], "keep": runs, "more": bool}``,
    with times of the chart.
    """

    def __init__(self, chart_time: ChartTime = UTC_TIME) -> None:
        self._chart_time = chart_time
        self._runs: tuple[BarSegment, ...] = ()  # as the page sent them
        self._segments: tuple[BarSegment, ...] = ()  # in UTC
        self._until: list[int] = []  # number of segments of each run and all before it
        self._bars: Counter[int] = Counter()  # by step
        self._usual_ms = 0  # the step with which they were cut
        self._coming: list[BarSegment] = []
        self._kept: int | None = 0  # of `_segments`, while more messages come; None: one of them was refused

    def take(self, text: str) -> tuple[TimeAxis | None] | None:
        """Take a message; return the time axis (None: the series has no bar) in a tuple, or None while more comes.

        A malformed message, or runs that overlap or do not ascend, raise `BridgeError`. It changes nothing, and all
        that build upon it are refused until one comes that keeps no run.
        """
        try:
            return self._take(decode(text, _BarsMessage))
        except BridgeError:
            self._coming, self._kept = [], None
            raise

    def _take(self, message: _BarsMessage) -> tuple[TimeAxis | None] | None:
        if not message.keep or not self._coming:  # a new page may begin in the middle of the last one's messages
            self._coming = []
            if message.keep and (self._kept is None or message.keep > len(self._runs)):
                raise BridgeError(f"expected at most {len(self._runs)} runs to keep, was {message.keep}")
            self._kept = message.keep
        elif message.keep != len(self._coming) + (self._kept or 0):
            raise BridgeError(f"expected the runs after the first {len(self._coming)}, was {message.keep}")
        kept = self._kept or 0
        if kept + len(self._coming) + len(message.segments) > MAX_RUNS:
            raise BridgeError(f"expected at most {MAX_RUNS} runs of bars")
        before = self._coming[-1] if self._coming else self._runs[kept - 1] if kept else None
        self._coming += _segments(message.segments, before)
        if message.more:
            return None
        self._replace(kept)
        self._coming, self._kept = [], 0
        return (TimeAxis(self._segments) if self._segments else None,)

    def _replace(self, kept: int) -> None:
        """Put the runs that came behind the first ``kept``; the last of these may be cut at another place now."""
        self._bars.subtract(bars_by_step(self._runs[kept:]))
        self._bars.update(bars_by_step(self._coming))
        self._runs = (*self._runs[:kept], *self._coming)
        before_ms, self._usual_ms = self._usual_ms, self._chart_time.usual_step_ms(self._runs, self._bars)
        first = max(kept - 1, 0) if self._usual_ms == before_ms else 0
        cut = self._chart_time.cut(self._runs[first:], self._usual_ms)
        del self._until[first:]
        before = self._until[-1] if self._until else 0
        self._segments = (*self._segments[:before], *chain.from_iterable(cut))
        self._until += list(accumulate(map(len, cut), initial=before))[1:]


def _segments(runs: Sequence[tuple[int, float, float, int]], before: BarSegment | None) -> list[BarSegment]:
    """Return the runs as segments, or raise `BridgeError` for the first that no chart has."""
    segments = []
    for index, time_s, step_s, count in runs:
        if MAX_TIME_S < time_s < MAX_UNIT_TIME:
            unit = "milliseconds" if time_s < MAX_UNIT_TIME / 1e6 else "microseconds or nanoseconds"
            raise TimeUnitError(f"expected times in seconds, as the chart library does, was {time_s:.0f} ({unit})")
        if not (
            abs(time_s) <= MAX_TIME_S
            and MIN_STEP_S <= step_s <= MAX_TIME_S
            and 0 < count <= MAX_BARS
            and abs(index) <= MAX_BARS
        ):
            raise BridgeError(f"expected a run of bars, was {(index, time_s, step_s, count)}")
        segment = BarSegment(index, round(time_s * 1000), max(round(step_s * 1000), 1), count)
        if before and (segment.index < before.index + before.count or segment.start_ms < before.start_ms):
            raise BridgeError(f"expected ascending runs of bars, was {segment} after {before}")
        segments.append(segment)
        before = segment
    return segments
