"""What the strips write on the pane and say to the mouse, in both languages; no page is needed for it."""

from __future__ import annotations

import numpy as np
import pytest
from PyQt6.QtCore import QObject, pyqtSignal
from PyQt6.QtGui import QColor
from support.charts import MINUTE, PLAIN, viewport

from Heatmap.event_columns import EventColumns
from Heatmap.rendering.event_window import RecordGaps
from Heatmap.rendering.view_sums import shown_events, view_sums
from Heatmap.ui.geometry.chart_time import UTC_TIME, chart_time
from Heatmap.ui.geometry.strips import lane_boxes
from Heatmap.ui.geometry.viewport import visible_range
from Heatmap.ui.settings_model import SettingsModel
from Heatmap.ui.translation import Translator
from Heatmap.ui.widgets.strips import Strips, side_colors
from Heatmap.ui.widgets.tooltip import Lines
from Heatmap.vocabulary import PALETTE_NAMES

pytestmark = pytest.mark.usefixtures("qapp")

VIEW = viewport()
# Minute, price, dollars, and whether it was a long; the chart shows prices from 90 to 110.
EVENTS = [(5, 100.0, 400e3, True), (5.5, 100.4, 100e3, False), (7, 130.0, 2.1e6, True), (8, 50.0, 30e3, False)]
GAPS = ((20 * MINUTE, 22 * MINUTE + 1),)
ON = {"coverage_lane": True, "candle_sums": True, "profile": True}


class ShownView(QObject):
    """The part of a presenter that the strips read."""

    sumsChanged = pyqtSignal(object)
    groundChanged = pyqtSignal(QColor)

    def __init__(self) -> None:
        super().__init__()
        self.sums, self.is_dark = None, True
        self.viewport, self.time_axis = VIEW, PLAIN

    def show(self, settings, *, view=VIEW) -> None:
        """Sum the events as the build thread does."""
        minutes, price, usd, is_long = (np.array(column) for column in zip(*EVENTS, strict=True))
        events = shown_events(EventColumns((minutes * MINUTE).astype(np.int64), price, usd, is_long), settings.value, 0)
        self.viewport = view
        self.sums = view_sums(
            events,
            visible_range(view, PLAIN),
            settings.value,
            window_ms=(0, 100 * MINUTE),
            tick_size=0.1,
            gaps=RecordGaps(GAPS, ()),
            idle=((0, 21 * MINUTE),),
        )
        self.sumsChanged.emit(self.sums)


@pytest.fixture
def open_strips():
    """Give a function that makes strips which show the events under some settings."""

    def opened(language="en", *, view=VIEW, time=UTC_TIME, **changes):
        settings = SettingsModel(None, overrides={**ON, **changes})
        shown = ShownView()
        strips = Strips(shown, settings, Translator(language), chart_time=time, parent=shown)
        shown.show(settings, view=view)
        return strips

    return opened


def written(strips, *, view=VIEW) -> dict[str, str]:
    """Return the texts of a pane by their place."""
    shown = strips.parent()
    lane = lane_boxes(strips.places_on(shown.sums, PLAIN), view, strips.bands(view))
    return {place: " | ".join(words for _, words in text) for place, text in strips.texts(view, lane).items()}


def test_the_sums_of_the_view_and_what_lies_beyond_it_are_written(open_strips):
    assert written(open_strips()) == {
        "sums": "In view | long $2.5M | short $130K",
        "upper": "$2.1M above ↑",
        "lower": "$30K below ↓",
        "lane": "partly recorded | not recorded | no recorder ran",
    }
    assert written(open_strips("de"))["sums"] == "Im Bild | Long 2,5 Mio. $ | Short 130 Tsd. $"
    upside_down = viewport(price_top=90.0, price_bottom=110.0)
    texts = written(open_strips(view=upside_down), view=upside_down)
    assert (texts["upper"], texts["lower"]) == ("$30K below ↑", "$2.1M above ↓")


def test_filters_apply_and_are_named(open_strips):
    texts = written(open_strips(sides="long", min_notional_usd=50_000))
    assert texts["sums"] == "In view | long $2.5M | shorts hidden | only from $50K"
    assert "lower" not in texts
    assert written(open_strips(min_notional_usd=200_000))["sums"] == "In view | long $2.5M | short $0 | only from $200K"


def test_nothing_is_written_as_zero_only_where_all_is_on_record(open_strips):
    for first, expected in ((30.0, "In view | long $0 | short $0"), (10.0, None)):
        quiet = viewport(logical_from=first, logical_to=first + 15.0)
        assert written(open_strips(view=quiet), view=quiet).get("sums") == expected


def test_what_is_off_is_neither_drawn_nor_written(open_strips):
    lane_only = open_strips(candle_sums=False, profile=False)
    assert set(written(lane_only)) == {"lane"}
    boxes = np.asarray(lane_only.shapes(VIEW, PLAIN).boxes_px)
    assert boxes[:, 1].min() == 396.0
    without_lane = open_strips(coverage_lane=False)
    assert "lane" not in written(without_lane)
    assert len(without_lane.shapes(VIEW, PLAIN).boxes_px) > 0
    without_lane.parent().sums = None
    assert without_lane.shapes(VIEW, PLAIN) is None
    assert without_lane.lines_at((80.0, 380.0)) is None


def test_a_bar_a_row_and_the_lane_say_their_figures(open_strips):
    strips = open_strips(time=chart_time(None, 3600), min_notional_usd=20_000)
    both = (("Long liquidated", "$400K"), ("Short liquidated", "$100K"), ("Total", "$500K"), ("Minimum size", "$20K"))
    assert strips.lines_at((50.0, 380.0)) == Lines("Jan 1, 01:05 – 01:06 UTC+1", both)
    assert strips.lines_at((999.0, VIEW.y_px(100.2))) == Lines("100.0 – 100.5", both)
    assert strips.lines_at((200.0, 398.0)) == Lines(
        "Jan 1, 01:20 – 01:21 UTC+1", (("Record", "no recorder ran"),), is_coverage=True
    )
    assert strips.lines_at((210.0, 398.0)).rows == (("Record", "nothing received"),)
    assert strips.lines_at((220.0, 398.0)).rows == (("Record", "incomplete"),)
    assert strips.lines_at((230.0, 398.0)).rows == (("Record", "complete"),)
    assert strips.lines_at((500.0, 200.0)) is None


def test_bars_drawn_together_say_their_common_time(open_strips):
    # Of 13 bars each, so the last group ends with the window; its beginning is no multiple of its length.
    narrow = viewport(logical_to=6500.0)
    lines = open_strips(view=narrow).lines_at((narrow.x_px(95.0), 398.0))
    assert lines == Lines("Jan 1, 01:31 – 01:41 UTC", (("Record", "complete"),), is_coverage=True)


def test_texts_are_drawn_once_and_anew_when_their_words_change(open_strips):
    strips = open_strips()
    first, again = ([sprite.image for sprite in strips.shapes(VIEW, PLAIN).sprites] for _ in range(2))
    assert len(first) == 4
    assert all(old is new for old, new in zip(first, again, strict=True))
    strips.parent().is_dark = False
    strips.parent().groundChanged.emit(QColor("white"))
    light = [sprite.image for sprite in strips.shapes(VIEW, PLAIN).sprites]
    assert not any(old is new for old, new in zip(first, light, strict=True))


@pytest.mark.parametrize("palette", PALETTE_NAMES)
@pytest.mark.parametrize("dark", [True, False])
def test_the_sides_can_be_told_apart_in_every_palette(palette, dark):
    long, short = side_colors(palette, dark=dark)[:, :3].astype(int)
    assert np.abs(long - short).max() >= 60
    ground = 18 if dark else 255
    assert min(np.abs(long - ground).max(), np.abs(short - ground).max()) >= 60
