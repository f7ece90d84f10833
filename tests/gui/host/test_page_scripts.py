"""The page's own arithmetic, run in a real page: bars of every kind of time become runs."""

from __future__ import annotations

import json

import pytest

from Heatmap.ui.page.bridge import JAVASCRIPT, parse_bars

DAY_S = 86_400
# Two functions of the chart's series are all the script asks for.
SERIES = """
class FakeSeries {
  constructor(points) { this._points = new Map(points); }
  data() { return Array.from(this._points.values()); }
  dataByIndex(index) { return this._points.get(index) ?? null; }
}
"""


@pytest.fixture
def runs_of(open_host):
    """Give a function from bars to runs: a bar is a time, or ``[index, time]`` if other series lie between."""
    with open_host(events=[]) as host:
        with host.qtbot.waitSignal(host.view.loadFinished, timeout=10_000):
            host.view.setHtml("<p>bare</p>")
        host.run(f"{(JAVASCRIPT / 'time_segments.js').read_text()}\n{SERIES}")

        def run(bars):
            points = [bar if isinstance(bar, list) else [number, bar] for number, bar in enumerate(bars)]
            points = [[index, {"time": time}] for index, time in points]
            return host.evaluate(f"runsOf(pointsOf(new FakeSeries({points!r})))")

        yield run


def test_runs_of_bars(runs_of):
    minute = [60 * k for k in range(5)]
    # An hour is missing: two runs.
    assert runs_of([*minute, 3600, 3660]) == [[0, 0, 60, 5], [5, 3600, 60, 2]]
    assert runs_of(minute) == [[0, 0, 60, 5]]
    # Nothing, one bar, two bars.
    assert runs_of([]) == []
    assert runs_of([3600]) == [[0, 3600, 60, 1]]
    assert runs_of([3600, 7200]) == [[0, 3600, 3600, 2]]
    # A bar that is shorter than the others reaches only to the next.
    assert runs_of([0, 60, 120, 150, 210, 270]) == [[0, 0, 60, 2], [2, 120, 30, 1], [3, 150, 60, 3]]


def test_points_of_other_series(runs_of):
    # Another series has two points before and one between, where this one misses a bar.
    assert runs_of([[2, 120], [3, 180], [5, 300], [6, 360]]) == [[2, 120, 60, 5]]
    # Three finer points between two bars each: a step of the index is a quarter of a bar.
    assert runs_of([[0, 0], [4, 60], [8, 120]]) == [[0, 0, 15, 9]]
    # Finer points only between the second and the third.
    assert runs_of([0, 60, [5, 120], [6, 180], [7, 240]]) == [[0, 0, 60, 1], [1, 60, 15, 4], [5, 120, 60, 3]]
    # A gap in which another series has a single point.
    assert runs_of([0, 60, 120, [4, 7200], [5, 7260]]) == [[0, 0, 60, 3], [4, 7200, 60, 2]]


def test_months_are_no_gaps(runs_of):
    # January to May 2024 by business-day objects: 31, 29, 31, 30 days, the last by what is usual.
    months = [{"year": 2024, "month": month, "day": 1} for month in range(1, 6)]
    january = 1_704_067_200
    runs = runs_of(months)
    assert [run[2] // DAY_S for run in runs for _ in range(run[3])] == [31, 29, 31, 30, 31]
    assert runs[0][:2] == [0, january]


def test_days_as_text_with_a_weekend(runs_of):
    friday = 1_704_412_800
    days = ["2024-01-04", "2024-01-05", "2024-01-08", "2024-01-09"]
    assert runs_of(days) == [[0, friday - DAY_S, DAY_S, 2], [2, friday + 3 * DAY_S, DAY_S, 2]]


def test_what_the_page_makes_the_bridge_takes(runs_of):
    bars = [60 * k for k in range(50)] + [9000 + 60 * k for k in range(50)]
    axis = parse_bars(json.dumps({"segments": runs_of(bars)}))
    assert axis is not None
    assert [axis.logical(time * 1000) for time in (0, 2970, 9000)] == [-0.5, 49.0, 49.5]
