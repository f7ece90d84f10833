"""The bars that the program's own page is given: up to date also for a page that was loaded anew."""

from __future__ import annotations

import json

import pytest

from Heatmap.app.chart_bridge import ChartBridge
from Heatmap.candle import Candle

MINUTE_MS = 60_000


def candle(minute: int, close: float = 1.5, minutes: int = 1) -> Candle:
    return Candle(minute * MINUTE_MS, 1.0, 2.0, 0.5, close, 10.0, (minute + minutes) * MINUTE_MS - 1, closed=False)


def candles(first: int, last: int, minutes: int = 1) -> list[Candle]:
    return [candle(minute, minutes=minutes) for minute in range(first, last + 1, minutes)]


class Page:
    """What a page hears, and what it says of its view."""

    def __init__(self, bridge: ChartBridge) -> None:
        self._bridge = bridge
        self.older: list[dict] = []
        bridge.olderReady.connect(lambda text: self.older.append(json.loads(text)))
        self.histories: list[dict] = []
        self.bars: list[dict] = []
        self.formats: list[dict] = []
        self.ranges: list[dict] = []
        bridge.historyReady.connect(lambda text: self.histories.append(json.loads(text)))
        bridge.barReady.connect(lambda text: self.bars.append(json.loads(text)))
        bridge.priceFormatReady.connect(lambda text: self.formats.append(json.loads(text)))
        bridge.rangeRequested.connect(lambda text: self.ranges.append(json.loads(text)))

    @property
    def version(self) -> int:
        return max(message["version"] for message in self.histories + self.older)

    @property
    def view(self) -> tuple[float, float] | None:
        """The range that came with the last history."""
        view = self.histories[-1]["view"]
        return view and (view["from"], view["to"])

    def shows(self, left: float, right: float, *, version: int | None = None) -> None:
        message = {"from": left, "to": right, "bars": self._bridge.bar_count, "version": version or self.version}
        self._bridge.view_changed(json.dumps(message))


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
    assert [bar[0] for bar in page.histories[0]["bars"]] == [60]
    assert page.histories[0]["view"] == {"from": -0.5, "to": 4}
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
    assert [(bar[0], bar[-1]) for bar in page.histories[-1]["bars"]] == [
        (60, 1.5), (120, 1.7), (180, 1.5), (240, 1.5),
    ]  # fmt: skip
    assert page.histories[-1]["view"] == {"from": 1.5, "to": 7}


def test_the_newest_bars_are_those_of_now(bridge, page):
    bridge.set_history([candle(1), candle(2)], tick_size=0.1)
    bridge.page_ready()
    for minute in range(3, 63):
        bridge.update_bar(candle(minute))
    bridge.show_newest(10, 4)
    assert page.ranges == [{"from": 51.5, "to": 65}]
    assert bridge.shown_range == (51.5, 65)


def test_a_moment_comes_to_the_middle_at_the_present_zoom(bridge, page):
    bridge.show_time(0)  # nothing is shown yet
    bridge.set_history(candles(0, 199), tick_size=0.1)
    bridge.page_ready()
    bridge.show_newest(40, 4)
    bridge.show_time(100 * MINUTE_MS + MINUTE_MS // 2)
    assert page.ranges[-1] == {"from": 100 - 21.75, "to": 100 + 21.75}
    page.shows(90.0, 110.0)  # the user zooms
    bridge.show_time(50 * MINUTE_MS + MINUTE_MS // 2)
    assert page.ranges[-1] == {"from": 40.0, "to": 60.0}


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


def test_a_program_learns_when_the_newest_bar_leaves_and_comes_back(bridge, page):
    told, asked = [], []
    bridge.liveChanged.connect(told.append)
    bridge.newestRequested.connect(asked.append)
    bridge.show_live()
    assert asked == []  # there is no page
    bridge.set_history(candles(0, 99), tick_size=0.1)
    bridge.page_ready()
    for right in (103, 98, 97, 103):
        page.shows(50, right)
    assert told == [False, True]
    bridge.show_live()
    assert asked == [4]


def test_a_page_loaded_anew_shows_what_the_old_one_showed(bridge, page):
    bridge.set_history(candles(0, 99), tick_size=0.1)
    bridge.page_ready()
    page.shows(20.25, 28.0)
    bridge.page_ready()
    assert page.view == pytest.approx((20.25, 28.0))
    page.shows(90.5, 100.5)  # the newest bar is in view: it stays so
    bridge.update_bar(candle(100))
    bridge.page_ready()
    assert page.view == pytest.approx((91.5, 101.5))


def test_another_interval_or_symbol_keeps_the_time_and_the_way_back(bridge, page):
    bridge.set_history(candles(0, 599), tick_size=0.1)
    bridge.page_ready()
    page.shows(99.5, 399.5)  # minutes 100 to 400
    bridge.set_history(candles(0, 599, minutes=5), tick_size=0.1)
    assert page.view == pytest.approx((19.5, 79.5))
    page.shows(*page.view)
    # An hour is too long for five hours to be read; the trader did not change the view, and it comes back.
    bridge.set_history(candles(-6000, 599, minutes=60), tick_size=0.1)
    left, right = page.view
    assert (right - left, right) == pytest.approx((20, 100 + 400 / 60 - 0.5))
    page.shows(left, right)
    bridge.set_history((), tick_size=None)
    bridge.set_history(candles(0, 599), tick_size=0.1)
    assert page.view == pytest.approx((99.5, 399.5))


def test_another_interval_goes_on_following_the_newest_bar(bridge, page):
    bridge.set_history(candles(0, 599), tick_size=0.1)
    bridge.page_ready()
    bridge.show_newest(120, 4)
    page.shows(479.5, 603)
    bridge.set_history(candles(0, 599, minutes=5), tick_size=0.1)
    assert page.view == pytest.approx((119 - 119.5 / 5, 123))


def test_a_view_whose_bars_are_too_many_to_load_gives_the_newest(bridge, page):
    bridge.set_history(candles(0, 60 * 24 * 99, minutes=60), tick_size=0.1)
    bridge.page_ready()
    page.shows(10, 100)
    first = 60 * 24 * 97
    bridge.set_history(candles(first, first + 2880), tick_size=0.1)
    assert page.view == pytest.approx((880, 2880))


def test_older_bars_are_asked_for_near_the_first_and_leave_the_view(bridge, page):
    asked = []
    bridge.olderRequested.connect(asked.append)
    bridge.set_history(candles(1000, 1199), tick_size=0.1)
    bridge.page_ready()
    page.shows(100, 200)
    assert asked == []
    page.shows(40, 140)
    assert asked == [1000 * MINUTE_MS]
    bridge.add_older(candles(900, 1004), False)
    assert [bar[0] for bar in page.older[0]["bars"]] == [60 * minute for minute in range(900, 1000)]
    assert (bridge.bar_count, len(page.histories)) == (300, 1)
    # What the page says of the bars before means other bars now.
    page.shows(0, 100, version=page.histories[0]["version"])
    assert len(asked) == 1
    page.shows(140, 240)
    bridge.page_ready()
    assert page.view == pytest.approx((140, 240))
    bridge.add_older(candles(0, 895, minutes=5), False)  # of an interval that was left
    assert bridge.bar_count == 300


def test_a_view_before_the_first_candle_of_all_gives_way_to_the_newest(bridge, page):
    asked = []
    bridge.newestRequested.connect(asked.append)
    bridge.set_history(candles(1000, 1199), tick_size=0.1)
    bridge.page_ready()
    page.shows(-300, -100)
    bridge.add_older(candles(950, 999), False)
    bridge.add_older(candles(850, 949), True)
    assert asked == []  # some are in view
    page.shows(-300, -10)
    bridge.add_older((), True)
    assert asked == [4]


def test_no_more_bars_are_asked_for_than_the_page_can_bear(bridge, page):
    asked = []
    bridge.olderRequested.connect(asked.append)
    bridge.set_history(candles(0, 9_999), tick_size=0.1)
    bridge.page_ready()
    page.shows(-50, 50)
    assert asked == []


def test_a_reconnection_keeps_older_bars_and_lets_the_page_stay_where_it_is(bridge, page):
    bridge.set_history(candles(1000, 1199), tick_size=0.1)
    bridge.page_ready()
    page.shows(10, 60)
    bridge.add_older(candles(500, 999), False)
    page.shows(510, 560)
    bridge.set_history(candles(1010, 1210), tick_size=0.1)
    assert (page.histories[-1]["view"], len(page.histories[-1]["bars"])) == (None, 711)
    # After a long outage nothing adjoins; the time is kept.
    bridge.set_history(candles(3000, 3199), tick_size=0.1)
    assert len(page.histories[-1]["bars"]) == 200
    assert page.view == pytest.approx((1010 - 3000, 1060 - 3000))


def test_the_end_of_a_replay_is_that_of_a_whole_bar_of_whatever_length(bridge):
    ends = []
    bridge.endRequested.connect(lambda text: ends.append(json.loads(text)))
    bridge.page_ready()
    bridge.set_history(candles(0, 299, minutes=3), tick_size=0.1)
    bridge.end_at(100 * MINUTE_MS + 1)
    bridge.set_history(candles(0, 299, minutes=15), tick_size=0.1)
    bridge.set_history((), tick_size=None)  # another symbol
    bridge.set_history(candles(0, 299), tick_size=0.1)
    minutes = [end and end // 60 for end in ends]
    assert minutes == [None, 99, 90, 100]
    bridge.end_at(None)
    assert ends[-1] is None
