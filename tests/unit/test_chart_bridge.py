"""The bars that the program's own page is given: up to date also for a page that was loaded anew."""

from __future__ import annotations

import json

import pytest

from Heatmap.app.chart_bridge import ChartBridge
from Heatmap.candle import Candle

MINUTE_MS = 60_000


def candle(minute: int, close: float = 1.5) -> Candle:
    return Candle(minute * MINUTE_MS, 1.0, 2.0, 0.5, close, 10.0, (minute + 1) * MINUTE_MS - 1, closed=False)


class Page:
    """What a page hears."""

    def __init__(self, bridge: ChartBridge) -> None:
        self.histories: list[dict] = []
        self.bars: list[dict] = []
        self.formats: list[dict] = []
        self.ranges: list[dict] = []
        bridge.historyReady.connect(lambda text: self.histories.append(json.loads(text)))
        bridge.barReady.connect(lambda text: self.bars.append(json.loads(text)))
        bridge.priceFormatReady.connect(lambda text: self.formats.append(json.loads(text)))
        bridge.rangeRequested.connect(lambda text: self.ranges.append(json.loads(text)))


@pytest.fixture
def bridge(qapp):
    del qapp
    return ChartBridge()


@pytest.fixture
def page(bridge):
    return Page(bridge)


def test_what_comes_before_the_page_is_ready_is_sent_then(bridge, page):
    bridge.set_history([candle(1)], tick_size=0.1)
    bridge.show_newest(1, 4)
    assert not page.histories
    bridge.page_ready()
    assert [bar["time"] for bar in page.histories[0]["bars"]] == [60]
    assert page.ranges == [{"from": -0.5, "to": 4}]
    bridge.page_left()
    bridge.update_bar(candle(1))
    assert not page.bars


def test_a_page_loaded_anew_gets_the_bars_that_came_since_the_history(bridge, page):
    bridge.set_history([candle(1), candle(2)], tick_size=0.1)
    bridge.show_newest(2, 4)
    bridge.page_ready()
    bridge.update_bar(candle(2, close=1.7))
    bridge.update_bar(candle(3))
    bridge.page_left()
    bridge.update_bar(candle(4))
    bridge.page_ready()
    assert [(bar["time"], bar["close"]) for bar in page.histories[-1]["bars"]] == [
        (60, 1.5), (120, 1.7), (180, 1.5), (240, 1.5),
    ]  # fmt: skip
    assert page.ranges[-1] == {"from": 1.5, "to": 7}


def test_the_newest_bars_are_those_of_now(bridge, page):
    bridge.set_history([candle(1), candle(2)], tick_size=0.1)
    bridge.page_ready()
    for minute in range(3, 63):
        bridge.update_bar(candle(minute))
    bridge.show_newest(10, 4)
    assert page.ranges == [{"from": 51.5, "to": 65}]
    assert bridge.shown_range == (51.5, 65)


def test_an_older_bar_is_left_to_the_next_history(bridge, page):
    bridge.set_history([candle(5)], tick_size=0.1)
    bridge.page_ready()
    bridge.update_bar(candle(4))
    assert not page.bars
    assert bridge.bar_count == 1


def test_a_tick_size_that_comes_late_changes_the_price_format_alone(bridge, page):
    bridge.set_history([candle(1, close=90_000.0)], tick_size=None)
    bridge.page_ready()
    assert page.histories[0]["format"] == {"precision": 0, "min_move": 1.0}
    bridge.set_tick_size(0.1)
    assert page.formats == [{"precision": 1, "min_move": 0.1}]
    bridge.page_ready()
    assert page.histories[-1]["format"] == {"precision": 1, "min_move": 0.1}


def test_the_chart_can_be_emptied(bridge, page):
    bridge.set_history([candle(1)], tick_size=0.1)
    bridge.page_ready()
    bridge.set_history((), tick_size=None)
    assert page.histories[-1]["bars"] == []
    assert bridge.bar_count == 0
