"""Conversion between UTC and the times of a chart, which has no time zones of its own."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from itertools import chain, pairwise
from typing import TYPE_CHECKING, Final, Protocol
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from Heatmap.errors import AttachError
from Heatmap.ui.geometry.viewport import BarSegment

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

# Where changes of a zone's offset are looked for; the first and the last offset found also apply beyond.
_FIRST_DAY: Final = datetime(2000, 1, 1, tzinfo=UTC)
_LAST_DAY: Final = datetime(2060, 1, 1, tzinfo=UTC)
# Shorter than any period between two changes: 12 days, in the zones of today's database.
_SEARCH_STEP: Final = timedelta(days=7)
_MS: Final = timedelta(milliseconds=1)
# Some islands left out a whole day.
_LONGEST_CHANGE_MS: Final = 86_400_000
# A bar before a change may be longer than the others by so much and still reach to the next one; more is a gap. The
# page makes the same distinction (time_segments.js).
_LONGEST_BAR: Final = 1.2


class TimeOffset(Protocol):
    """What is added to UTC where times are shown: that of a `ChartTime`, or of the user's time zone."""

    def offset_ms(self, utc_ms: int) -> int: ...


class ChartTime:
    """The clock of a chart's time axis: UTC plus the offset of a time zone at that moment. All times are in ms.

    The hour that is repeated when clocks are set back has the later offset: a chart cannot show two bars of the same
    time, and the later one replaces the earlier. Bars longer than that hour are recognised in `segments`. A time that
    is skipped when clocks are set forward stands for the moment of the change.

    ``zone`` is a `datetime.timezone` for a constant offset, else a zone of `zoneinfo` or the like.
    """

    def __init__(self, zone: tzinfo = UTC) -> None:
        changes = [] if isinstance(zone, timezone) else list(_changes(zone))
        # One offset more than changes: `_offsets_ms[n]` ends at `_changes_ms[n]`, in UTC.
        self._offsets_ms = (_offset_ms(zone, _FIRST_DAY), *(offset_ms for _, offset_ms in changes))
        self._changes_ms = tuple(change_ms for change_ms, _ in changes)
        # The chart's first time with the new offset.
        self._starts_ms = tuple(change_ms + offset_ms for change_ms, offset_ms in changes)

    @property
    def is_utc(self) -> bool:
        """True if the host shifts nothing."""
        return self._offsets_ms == (0,)

    def offset_ms(self, utc_ms: int) -> int:
        """Return what the host adds to UTC at a moment."""
        return self._offsets_ms[bisect_right(self._changes_ms, utc_ms)]

    def utc_ms(self, chart_ms: int) -> int:
        """Return the moment of one of the chart's times."""
        return self._utc_ms(chart_ms, bisect_right(self._starts_ms, chart_ms))

    def segments(self, runs: Sequence[BarSegment]) -> tuple[BarSegment, ...]:
        """Return runs of bars with their times in UTC; both are ascending. A run is cut where the offset changes."""
        return tuple(chain.from_iterable(self.cut(runs, self.usual_step_ms(runs, bars_by_step(runs)))))

    def usual_step_ms(self, runs: Sequence[BarSegment], bars: Counter[int]) -> int:
        """Return the step of most bars, on which it depends how runs are cut; 0 if the offset does not change."""
        if not runs or self._constant_ms(runs) is not None:
            return 0
        return min(bars, key=lambda step_ms: (-bars[step_ms], step_ms))

    def cut(self, runs: Sequence[BarSegment], usual_ms: int) -> list[list[BarSegment]]:
        """Return what becomes of each run in `segments`; of the last one it depends on the runs that follow.

        ``usual_ms`` is that of all runs, of which these are the last.
        """
        if not runs:
            return []
        offset_ms = self._constant_ms(runs)
        if offset_ms is not None:
            return [[replace(run, start_ms=run.start_ms - offset_ms)] for run in runs]
        parts = [(at, *part) for at, run in enumerate(runs) for part in self._cut(run, usual_ms)]
        cut: list[list[BarSegment]] = [[] for _ in runs]
        for (at, part, number), (_, following, next_number) in pairwise(parts):
            cut[at] += _until(part, following, usual_ms) if number != next_number else [part]
        cut[-1].append(parts[-1][1])
        return cut

    def _constant_ms(self, runs: Sequence[BarSegment]) -> int | None:
        """Return the offset of these runs, None if it changes within a day of them: no hour is repeated or skipped."""
        ends_ms = runs[0].start_ms - _LONGEST_CHANGE_MS, runs[-1].end_ms + _LONGEST_CHANGE_MS
        first, last = (bisect_right(self._starts_ms, end_ms) for end_ms in ends_ms)
        return self._offsets_ms[first] if first == last else None

    def _utc_ms(self, chart_ms: int, number: int) -> int:
        utc_ms = chart_ms - self._offsets_ms[number]
        return min(utc_ms, self._changes_ms[number]) if number < len(self._changes_ms) else utc_ms

    def _cut(self, run: BarSegment, usual_ms: int) -> Iterator[tuple[BarSegment, int]]:
        """Yield the parts of a run between two changes in UTC, each with the number of its offset."""
        done = 0
        while done < run.count:
            chart_ms = run.start_ms + done * run.step_ms
            number = self._number_of_bar(chart_ms, usual_ms)
            utc_ms, step_ms, count = self._utc_ms(chart_ms, number), run.step_ms, run.count - done
            if number < len(self._starts_ms):
                end_ms = self._starts_ms[number]
                if utc_ms < self._changes_ms[number]:
                    end_ms = min(end_ms, self._changes_ms[number] + self._offsets_ms[number])
                else:  # skipped times
                    step_ms = 1
                count = min(count, max(-(-(end_ms - chart_ms) // run.step_ms), 1))
            yield BarSegment(run.index + done, utc_ms, step_ms, count), number
            done += count

    def _number_of_bar(self, chart_ms: int, usual_ms: int) -> int:
        """Return the number of a bar's offset.

        Of bars longer than the repeated hour only one begins within it, and exchanges align them to UTC: that tells
        which of both offsets is meant.
        """
        number = bisect_right(self._starts_ms, chart_ms)
        if number == 0:
            return 0
        earlier_ms, later_ms = self._offsets_ms[number - 1], self._offsets_ms[number]
        is_repeated = chart_ms - earlier_ms < self._changes_ms[number - 1]
        is_earlier = (chart_ms - earlier_ms) % usual_ms == 0 and (chart_ms - later_ms) % usual_ms != 0
        return number - 1 if is_repeated and is_earlier else number


def bars_by_step(runs: Sequence[BarSegment]) -> Counter[int]:
    """Return the number of bars by their step in ms."""
    bars: Counter[int] = Counter()
    for run in runs:
        bars[run.step_ms] += run.count
    return bars


def chart_time(time_zone: str | tzinfo | None, time_offset_s: float = 0.0) -> ChartTime:
    """Return the clock of a host's chart; see `HeatmapPlugin.attach` for the arguments, of which one may be given.

    Raises
    ------
    AttachError
        Both are given; or there is no such zone; or the offset is a day or more, or no number.
    """
    if time_zone is None:
        try:
            return ChartTime(timezone(timedelta(seconds=time_offset_s)))
        except (TypeError, ValueError, OverflowError) as error:
            raise AttachError(f"expected time_offset_s in seconds, less than a day, was {time_offset_s!r}") from error
    if time_offset_s:
        raise AttachError(f"expected time_zone or time_offset_s, were {time_zone!r} and {time_offset_s!r}: give one")
    if isinstance(time_zone, str):
        try:
            time_zone = ZoneInfo(time_zone)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise AttachError(
                f"expected a time zone of the IANA database such as 'Europe/Berlin', was {time_zone!r}; on Windows the"
                " database is the package tzdata"
            ) from error
    if not isinstance(time_zone, tzinfo):
        raise AttachError(f"expected the name of a time zone or a tzinfo, was {time_zone!r}")
    return ChartTime(time_zone)


def _until(part: BarSegment, following: BarSegment, usual_ms: int) -> list[BarSegment]:
    """Return bars of which the last one ends where the next begins, unless a gap lies between."""
    last_ms = part.start_ms + (part.count - 1) * part.step_ms
    reach_ms = following.start_ms - last_ms
    is_next = following.index == part.index + part.count
    if not is_next or reach_ms == part.step_ms or not 0 < reach_ms <= max(_LONGEST_BAR * usual_ms, part.step_ms):
        return [part]
    last = BarSegment(part.index + part.count - 1, last_ms, reach_ms, 1)
    return [replace(part, count=part.count - 1), last] if part.count > 1 else [last]


def _changes(zone: tzinfo) -> Iterator[tuple[int, int]]:
    """Yield the changes of a zone's offset, ascending: the moment in UTC and the offset from then on, both in ms."""
    begin, offset_ms = _FIRST_DAY, _offset_ms(zone, _FIRST_DAY)
    while begin < _LAST_DAY:
        end = begin + _SEARCH_STEP
        if _offset_ms(zone, end) == offset_ms:
            begin = end
            continue
        while end - begin > timedelta(seconds=1):  # changes are at whole seconds
            middle = begin + (end - begin) // timedelta(seconds=2) * timedelta(seconds=1)
            begin, end = (middle, end) if _offset_ms(zone, middle) == offset_ms else (begin, middle)
        begin, offset_ms = end, _offset_ms(zone, end)
        yield (end - datetime.fromtimestamp(0, UTC)) // _MS, offset_ms


def _offset_ms(zone: tzinfo, moment: datetime) -> int:
    return (moment.astimezone(zone).utcoffset() or timedelta()) // _MS


UTC_TIME: Final = ChartTime()  # of a host that shifts nothing
