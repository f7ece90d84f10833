"""Times of charts whose hosts shift them, against zoneinfo."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from functools import cache
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from Heatmap.errors import AttachError
from Heatmap.ui.geometry.chart_time import ChartTime, chart_time
from Heatmap.ui.geometry.viewport import BarSegment, TimeAxis
from Heatmap.ui.page.bars import BarRuns

HOUR_MS = 3_600_000
MINUTE_MS = 60_000
# Half an hour of summer time, a summer that is interrupted, both hemispheres, a day left out, none at all.
ZONES = (
    "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Africa/Casablanca", "America/Santiago",
    "Pacific/Apia", "Asia/Kolkata", "UTC",
)  # fmt: skip
zones = st.sampled_from(ZONES)
# Minutes from 2001 to 2059.
moments_ms = st.integers(978_307_200 // 60, 2_808_000_000 // 60).map(lambda minute: minute * MINUTE_MS)


@cache
def clock_of(zone: str) -> ChartTime:
    return chart_time(zone)


def wall_ms(zone: str, utc_ms: int) -> int:
    """Return what a host adds up: the zone's own time, as if it were UTC."""
    moment = datetime.fromtimestamp(utc_ms / 1000, ZoneInfo(zone))
    return round(moment.replace(tzinfo=UTC).timestamp() * 1000)


def utc_ms(year, month, day, hour=0, minute=0) -> int:
    return round(datetime(year, month, day, hour, minute, tzinfo=UTC).timestamp() * 1000)


@st.composite
def moments_near_a_change(draw) -> tuple[str, int]:
    zone = draw(zones)
    changes = clock_of(zone)._changes_ms
    moment_ms = draw(moments_ms)
    if changes and draw(st.booleans()):
        moment_ms = draw(st.sampled_from(changes)) + draw(st.integers(-180, 180)) * MINUTE_MS
    return zone, moment_ms


@given(moments_near_a_change())
def test_the_offset_is_that_of_zoneinfo(drawn):
    zone, moment_ms = drawn
    assert moment_ms + clock_of(zone).offset_ms(moment_ms) == wall_ms(zone, moment_ms)


@given(moments_near_a_change())
def test_a_time_of_the_chart_is_the_last_moment_that_is_shown_so(drawn):
    zone, moment_ms = drawn
    shown_ms = wall_ms(zone, moment_ms)
    later = datetime.fromtimestamp(shown_ms / 1000, UTC).replace(tzinfo=ZoneInfo(zone), fold=1)
    assert clock_of(zone).utc_ms(shown_ms) == round(later.timestamp() * 1000) >= moment_ms


@given(zones, moments_ms, st.integers(0, 5000))
def test_a_later_time_is_never_an_earlier_moment(zone, chart_ms, more):
    clock = clock_of(zone)
    assert clock.utc_ms(chart_ms) <= clock.utc_ms(chart_ms + more * MINUTE_MS)


def runs_of(times_ms: list[int]) -> tuple[BarSegment, ...]:
    """Return bars as the page reports them: `runsOf` in time_segments.js, for times that are the chart's."""
    steps = [after - before for before, after in pairwise(times_ms)]
    usual = max(steps, key=steps.count) if steps else MINUTE_MS
    runs: list[BarSegment] = []
    for index, time_ms in enumerate(times_ms):
        reach = steps[index] if index < len(steps) else usual
        step = reach if reach <= 1.2 * usual else usual
        if runs and runs[-1].end_ms == time_ms and runs[-1].step_ms == step:
            runs[-1] = BarSegment(runs[-1].index, runs[-1].start_ms, step, runs[-1].count + 1)
        else:
            runs.append(BarSegment(index, time_ms, step, 1))
    return tuple(runs)


def chart_bars(zone: str, times_ms: list[int]) -> dict[int, int]:
    """Return the chart's times with their moments: of two bars with the same time the later one is kept."""
    return dict(sorted((wall_ms(zone, moment_ms), moment_ms) for moment_ms in times_ms))


@given(
    zones,
    moments_ms,
    st.sampled_from((1, 5, 15, 30, 60, 120, 240, 360, 480, 720, 1440)),
    st.integers(20, 400),
    st.data(),
)
def test_every_bar_has_its_moment(zone, begin_ms, step_minutes, count, data):
    step_ms = step_minutes * MINUTE_MS
    changes = clock_of(zone)._changes_ms
    if changes and data.draw(st.booleans()):
        begin_ms = data.draw(st.sampled_from(changes)) - step_ms * data.draw(st.integers(0, count))
    begin_ms -= begin_ms % step_ms  # as exchanges do
    # A chart that begins or ends within the repeated hour shows one part of it only.
    end_ms = begin_ms + count * step_ms
    assume(all(abs(edge - change) > 3 * HOUR_MS for edge in (begin_ms, end_ms) for change in changes))
    bars = chart_bars(zone, list(range(begin_ms, end_ms, step_ms)))
    axis = TimeAxis(clock_of(zone).segments(runs_of(list(bars))))
    for index, moment_ms in enumerate(bars.values()):
        assert axis.time_ms(index - 0.5) == moment_ms
        assert axis.logical(moment_ms) == index - 0.5
    for before, after in pairwise(axis.segments):
        assert before.end_ms <= after.start_ms


@given(zones, st.lists(st.tuples(moments_ms, st.integers(1, 600), st.integers(1, 50)), min_size=1, max_size=5))
def test_no_run_of_bars_breaks_the_axis(zone, drawn):
    """Bars at skipped times, and of any length: what a page can report."""
    runs, index, end_ms = [], 0, 0
    for start_ms, step_minutes, count in sorted(drawn):
        run = BarSegment(index, max(start_ms, end_ms), step_minutes * MINUTE_MS, count)
        runs.append(run)
        index, end_ms = index + count, run.end_ms
    segments = clock_of(zone).segments(runs)
    assert sum(segment.count for segment in segments) == index
    assert [segment.index for segment in segments] == sorted({segment.index for segment in segments})
    assert all(before.start_ms <= after.start_ms for before, after in pairwise(segments))
    assert all(segment.step_ms > 0 for segment in segments)


@st.composite
def growing_runs(draw) -> tuple[str, list[tuple[int, list[list[int]]]]]:
    """Return a zone, and runs near one of its changes as the page sends them: those kept of the last ones, and all."""
    zone, begin_ms = draw(moments_near_a_change())
    steps_s = draw(st.lists(st.sampled_from((60, 1800, 3600, 14_400, 86_400)), min_size=1, max_size=3))
    runs: list[list[int]] = []
    states = []
    for _ in range(draw(st.integers(1, 5))):
        keep = draw(st.integers(0, len(runs)))
        runs = runs[:keep]
        for count, gap_s in draw(st.lists(st.tuples(st.integers(1, 6), st.sampled_from((0, 0, 3600))), max_size=3)):
            index, time_s, step_s, before = runs[-1] if runs else (0, begin_ms // 1000 - 20_000, 0, 0)
            begins_s = time_s + step_s * before + gap_s
            runs = [*runs, [index + before, begins_s, draw(st.sampled_from(steps_s)), count]]
        states.append((keep, runs))
    return zone, states


@given(growing_runs())
@settings(max_examples=500)
def test_runs_that_change_are_cut_as_all_are(drawn):
    zone, states = drawn
    bars = BarRuns(clock_of(zone))
    for keep, runs in states:
        taken = bars.take(json.dumps({"segments": runs[keep:], "keep": keep}))
        whole = clock_of(zone).segments([BarSegment(at, time * 1000, step * 1000, n) for at, time, step, n in runs])
        assert taken == (TimeAxis(whole) if whole else None,)


def test_a_bar_in_the_repeated_hour_stays_when_one_is_appended():
    # Berlin: the bar of 0:00 UTC is at 2:00 on the chart, the next one at 5:00, three hours later.
    first_s = utc_ms(2025, 10, 26, 2) // 1000 - 10 * 14_400
    runs = [[0, first_s, 14_400, 10], [10, first_s + 144_000, 10_800, 1], [11, first_s + 154_800, 14_400, 1]]
    bars = BarRuns(chart_time("Europe/Berlin"))
    bars.take(json.dumps({"segments": runs}))
    taken = bars.take(json.dumps({"segments": [[*runs[2][:3], 2]], "keep": 2}))
    assert taken is not None
    assert taken[0].time_ms(10 - 0.5) == utc_ms(2025, 10, 26, 0)


def test_the_repeated_hour_is_the_later_one_and_the_gap_is_where_the_earlier_one_was():
    # Berlin, 26 October 2025: at 01:00 UTC the clocks go back from 3:00 to 2:00.
    change_ms = utc_ms(2025, 10, 26, 1)
    bars = chart_bars("Europe/Berlin", [change_ms + minute * MINUTE_MS for minute in range(-120, 120)])
    axis = TimeAxis(chart_time("Europe/Berlin").segments(runs_of(list(bars))))
    assert axis.segments == (
        BarSegment(0, change_ms - 2 * HOUR_MS, MINUTE_MS, 60),
        BarSegment(60, change_ms, MINUTE_MS, 120),
    )


def test_the_skipped_hour_leaves_no_gap():
    change_ms = utc_ms(2025, 3, 30, 1)
    bars = chart_bars("Europe/Berlin", [change_ms + minute * MINUTE_MS for minute in range(-120, 120)])
    axis = TimeAxis(chart_time("Europe/Berlin").segments(runs_of(list(bars))))
    assert axis.segments[0].end_ms == axis.segments[1].start_ms == change_ms


def test_days_of_the_zone_are_23_and_25_hours_long():
    zone = ZoneInfo("Europe/Berlin")
    for month, day, hours in ((3, 30, 23), (10, 26, 25)):
        days = [datetime(2025, month, day, tzinfo=zone) + timedelta(days=number) for number in range(-3, 3)]
        midnights = [round(midnight.timestamp() * 1000) for midnight in days]
        shown = [wall_ms("Europe/Berlin", midnight) for midnight in midnights]
        segments = chart_time(zone).segments(runs_of(shown))
        assert BarSegment(3, midnights[3], hours * HOUR_MS, 1) in segments


def test_a_constant_offset_is_a_zone_without_changes():
    runs = (BarSegment(0, 7_200_000, MINUTE_MS, 100),)
    for clock in (chart_time(None, 7200), ChartTime(timezone(timedelta(hours=2)))):
        assert clock.segments(runs) == (BarSegment(0, 0, MINUTE_MS, 100),)
        assert clock.offset_ms(0) == 2 * HOUR_MS
        assert clock.utc_ms(0) == -2 * HOUR_MS
    assert chart_time(None).segments(()) == ()


@pytest.mark.parametrize(
    ("time_zone", "time_offset_s", "said"),
    [
        ("Berlin", 0.0, "such as 'Europe/Berlin', was 'Berlin'"),
        ("../etc/passwd", 0.0, "was '../etc/passwd'"),
        ("", 0.0, "was ''"),
        (2, 0.0, "the name of a time zone or a tzinfo, was 2"),
        ("UTC", 3600.0, "time_zone or time_offset_s"),
        (None, 86_400.0, "less than a day, was 86400.0"),
        (None, float("nan"), "was nan"),
        (None, "2 h", "was '2 h'"),
    ],
)
def test_a_wrong_zone_is_refused(time_zone, time_offset_s, said):
    with pytest.raises(AttachError, match=said.replace("(", r"\(")):
        chart_time(time_zone, time_offset_s)
