"""The page's own arithmetic, run in a real page: bars of every kind of time become runs."""

from __future__ import annotations

import json

import pytest

from Heatmap.ui.page.bars import BarRuns
from Heatmap.ui.page.bridge import JAVASCRIPT

DAY_S = 86_400
# Two functions of the chart's series are all the script asks for.
SERIES = """
class FakeSeries {
  constructor(points) { this._points = new Map(points); }
  data() { return Array.from(this._points.values()); }
  dataByIndex(index, mismatch = 0) {
    const found = mismatch === -1 ? Math.max(...Array.from(this._points.keys()).filter((at) => at <= index)) : index;
    return this._points.get(found) ?? null;
  }
  update(index, time) { this._points.set(index, {time}); }
}
// Append all points but the first `known` one by one, and make of the changes what the program makes of them.
function appended(points, known) {
  const series = new FakeSeries(points.slice(0, known)), bars = new BarRuns(series);
  const runs = [...bars.changes().runs], sizes = [];
  let reads = 0;
  for (const [index, bar] of points.slice(known)) {
    series.update(index, bar.time);
    if (!bars.extend()) { bars.read(); reads++; }
    const changes = bars.changes();
    runs.splice(changes.keep, Infinity, ...changes.runs);
    sizes.push(changes.runs.length);
  }
  return {runs, all: new BarRuns(series).runs, most: Math.max(...sizes), reads};
}
"""


@pytest.fixture
def scripts(open_host):
    """Give a function that evaluates an expression of the page's arithmetic."""
    with open_host(events=[]) as host:
        with host.qtbot.waitSignal(host.view.loadFinished, timeout=10_000):
            host.view.setHtml("<p>bare</p>")
        host.run(f"{(JAVASCRIPT / 'time_segments.js').read_text()}\n{SERIES}")

        yield host.evaluate


def points_of(bars) -> list:
    points = [bar if isinstance(bar, list) else [number, bar] for number, bar in enumerate(bars)]
    return [[index, {"time": time}] for index, time in points]


@pytest.fixture
def runs_of(scripts):
    """Give a function from bars to runs: a bar is a time, or ``[index, time]`` if other series lie between."""
    return lambda bars: scripts(f"new BarRuns(new FakeSeries({points_of(bars)!r})).runs")


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
    (axis,) = BarRuns().take(json.dumps({"segments": runs_of(bars)}))
    assert axis is not None
    assert [axis.logical(time * 1000) for time in (0, 2970, 9000)] == [-0.5, 49.0, 49.5]


GROWING = {
    "a minute each": [60 * k for k in range(40)],
    "with a gap": [60 * k + 7200 * (k > 20) for k in range(40)],
    "a gap after each": [3600 * k + 60 * (k % 3) for k in range(40)],
    "beside finer points of another series": [[4 * k, 60 * k] for k in range(40)],
    "behind a hole": [[k + 30 * (k > 20), 60 * k] for k in range(40)],
    # Most are a minute apart, no two gaps are alike.
    "irregular": [60 * k + 997 * (k // 3) ** 2 for k in range(40)],
}


@pytest.mark.parametrize("kind", GROWING)
def test_an_appended_bar_changes_the_last_runs_only(scripts, kind):
    told = scripts(f"appended({points_of(GROWING[kind])!r}, 10)")
    assert told["runs"] == told["all"]
    assert told["most"] <= 3
    assert told["reads"] == 0


def test_bars_of_another_interval_are_read_again_when_they_are_the_usual_ones(scripts):
    bars = [60 * k for k in range(10)] + [600 + 300 * k for k in range(40)]
    told = scripts(f"appended({points_of(bars)!r}, 1)")
    assert told["runs"] == told["all"]
    assert told["reads"] <= 3


def test_bars_that_are_taken_away_or_moved_are_read_again(scripts):
    told = scripts(
        "(() => { const series = new FakeSeries([[0, {time: 0}], [1, {time: 60}], [2, {time: 120}]]);"
        "const bars = new BarRuns(series); bars.changes(); series._points.delete(2); const popped = bars.extend();"
        "bars.read(); const shorter = bars.changes(); const nothing = (bars.read(), bars.changes());"
        "series._points = new Map([[5, {time: 0}], [6, {time: 60}], [7, {time: 120}]]);"
        "return {popped, shorter, nothing, moved: bars.extend()}; })()"
    )
    assert told == {
        "popped": False,
        "shorter": {"keep": 0, "runs": [[0, 0, 60, 2]]},
        "nothing": None,
        "moved": False,
    }
