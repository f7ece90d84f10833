"""Charts of very many bars: the heat keeps its place, and a new bar costs the page no more than on a short chart."""

from __future__ import annotations

import json

import pytest

from Heatmap.ui.page.bars import BarRuns

pytestmark = [pytest.mark.gl]

EVENT_BAR = 120
# Before the usual 200 bars, so many more: a minute apart, or with a gap of another length after each.
MORE = {
    "regular": (86_400, "60"),
    "irregular": (60_000, "60 * (2 + k % 7) + k % 13"),
}
EARLIER = """
function earlier(count, step) {
  const bars = [];
  for (let k = 0, time = DATA[0].time; k < count; k++) {
    time -= step(k);
    bars.push({...DATA[0], time});
  }
  return bars.reverse();
}
"""


@pytest.fixture
def messages(monkeypatch):
    """Give the list of what the page says about its bars, as read from JSON."""
    said = []
    original = BarRuns.take
    monkeypatch.setattr(BarRuns, "take", lambda self, text: (said.append(json.loads(text)), original(self, text))[1])
    return said


def test_a_new_bar_of_a_long_chart_sends_what_is_new(open_host, messages):
    with open_host() as host:
        host.show(start=f"makeChart();{EARLIER}")
        host.wait_for_place()
        for name, (count, step) in MORE.items():
            # History is put before what is there, as hosts do it while the user scrolls back.
            host.run(f"series.setData([...earlier({count}, (k) => {step}), ...DATA])")
            host.wait_for_place(logical=count + EVENT_BAR)
            axis = host.presenter.time_axis
            assert sum(segment.count for segment in axis.segments) == count + 200
            messages.clear()
            host.run("for (let k = 1; k <= 30; k++) series.update({...DATA[199], time: DATA[199].time + 60 * k})")
            host.wait_for_place(logical=count + EVENT_BAR)
            host.wait(lambda: len(messages) == 30)
            assert max(len(message["segments"]) for message in messages) <= 3, name
            assert host.presenter.time_axis.segments[-1].end_ms > axis.segments[-1].end_ms
            # The newest bar changes, again and again: nothing about its time is new.
            messages.clear()
            host.run("for (let k = 1; k <= 30; k++) series.update({...DATA[199], time: DATA[199].time + 60 * 30})")
            host.run("chart.timeScale().scrollToPosition(-20, false)")
            host.wait_for_place(logical=count + EVENT_BAR)
            assert messages == []
        assert host.bridge.rejected == {}
        assert host.view.page().console == []
