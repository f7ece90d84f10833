"""What the program's own page may say about its view."""

from __future__ import annotations

import json

import pytest

from Heatmap.app.chart_bridge import ChartBridge
from Heatmap.app.visible_range import parse_visible_range
from Heatmap.errors import BridgeError

GOOD = {"from": 10.5, "to": 24.0, "bars": 21, "version": 1}


@pytest.mark.parametrize(
    "change",
    [
        {"from": 24.0}, {"from": 30.0}, {"to": None}, {"to": "24"}, {"to": 1e12}, {"from": -1e12}, {"version": -1},
        {"version": 1.5}, {"bars": 0}, {"bars": 1e9}, {"more": 1},
    ],
)  # fmt: skip
def test_a_view_that_cannot_be_is_refused_and_changes_nothing(qapp, caplog, change):
    del qapp
    bridge, told = ChartBridge(), []
    bridge.liveChanged.connect(told.append)
    text = json.dumps(GOOD | change)
    with pytest.raises(BridgeError):
        parse_visible_range(text)
    bridge.view_changed(text)
    bridge.view_changed("{")
    assert (told, bridge.is_live, len(caplog.records)) == ([], True, 1)


def test_a_view_nested_without_end_is_refused():
    with pytest.raises(BridgeError):
        parse_visible_range('{"more":' * 20_000)


@pytest.mark.parametrize(("right", "live"), [(19.9, False), (20.0, True), (24.0, True)])
def test_the_chart_is_live_while_the_newest_bar_is_in_view(right, live):
    assert parse_visible_range(json.dumps(GOOD | {"to": right})).has_newest is live
