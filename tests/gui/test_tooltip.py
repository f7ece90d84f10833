"""The tooltip's words and figures in both languages; it paints, and never takes a mouse event."""

from __future__ import annotations

from dataclasses import replace

import pytest
from PyQt6.QtCore import Qt

from Heatmap.aggregation import GridSpec
from Heatmap.aggregation.painted_cell import CellFigures
from Heatmap.ui.geometry.chart_time import chart_time
from Heatmap.ui.settings_model import SettingsModel
from Heatmap.ui.translation import Translator
from Heatmap.ui.widgets.tooltip import Tooltip, price_decimals, span_text

# 2026-11-23 16:08:00 UTC
T0_MS = 1_795_450_080_000
HOUR_MS = 3_600_000


def cell(*, t0_ms: int = T0_MS, time_bin_ms: int = 15_000, price_bin: float = 7.5) -> GridSpec:
    return GridSpec(
        t0_ms=t0_ms, time_bin_ms=time_bin_ms, cols=1, price0=11_500 * price_bin, price_bin=price_bin, rows=1
    )


BOTH = CellFigures(cell(), count=1203, long_usd=1.2e6, short_usd=35_000.0, largest_usd=1e6)
ONE = CellFigures(cell(), count=1, long_usd=0.0, short_usd=35_000.0, largest_usd=35_000.0)


@pytest.fixture
def make_tooltip(qtbot):
    def make(language="en", translator=None, **options):
        made = Tooltip(translator or Translator(language), **options)
        qtbot.addWidget(made)
        return made

    return make


def test_what_it_says_in_english(make_tooltip):
    tooltip = make_tooltip()
    tooltip.set_figures(BOTH)
    assert tooltip.text().split("\n") == [
        "Nov 23, 16:08:00 – 16:08:15 UTC",
        "Price: 86,250.0 – 86,257.5",
        "Long liquidated: $1.2M",
        "Short liquidated: $35K",
        "Total: $1.24M",
        "Liquidations reported: 1,203",
        "Largest one: $1M",
    ]
    assert tooltip.accessibleName() == tooltip.text()


def test_what_it_says_in_german_and_when_the_language_changes(make_tooltip):
    translator = Translator("de")
    tooltip = make_tooltip(translator=translator, chart_time=chart_time(None, 3600))
    tooltip.set_figures(BOTH)
    assert tooltip.text().split("\n") == [
        "23. Nov. 17:08:00 – 17:08:15 UTC+1",
        "Preis: 86.250,0 – 86.257,5",
        "Long liquidiert: 1,2 Mio. $",
        "Short liquidiert: 35 Tsd. $",
        "Summe: 1,24 Mio. $",
        "Gemeldete Liquidationen: 1.203",
        "Größte: 1 Mio. $",
    ]
    german = tooltip.width()
    translator.set_language("en")
    assert "Largest one: $1M" in tooltip.text()
    assert tooltip.width() != german


def test_a_trail_names_its_event(make_tooltip):
    translator = Translator("en")
    tooltip = make_tooltip(translator=translator, chart_time=chart_time(None, 3600))
    tooltip.set_figures(replace(ONE, is_trail=True))
    assert tooltip.text().split("\n") == [
        "Trail of $35K, 17:08",
        "Time: Nov 23, 17:08:00 – 17:08:15 UTC+1",
        "Price: 86,250.0 – 86,257.5",
        "Short liquidated: $35K",
        "Liquidations reported: 1",
    ]
    translator.set_language("de")
    assert tooltip.text().startswith("Nachleuchten von 35 Tsd. $, 17:08\nZeit: 23. Nov. 17:08:00 – 17:08:15 UTC+1\n")


def test_a_chart_in_utc_is_shown_in_the_zone_of_the_settings_and_another_in_its_own(make_tooltip):
    model, translator = SettingsModel(), Translator("en")
    translator.follow(model)
    free, bound = (
        make_tooltip(translator=translator, chart_time=time) for time in (translator, chart_time("Europe/Berlin"))
    )
    for each in (free, bound):
        each.set_figures(replace(ONE, is_trail=True))
    model.update(time_zone="Asia/Tokyo")
    assert "01:08\nTime: Nov 24, 01:08:00 – 01:08:15 UTC+9" in free.text()
    assert "17:08\nTime: Nov 23, 17:08:00 – 17:08:15 UTC+1" in bound.text()


def test_the_offset_is_that_of_the_cell(make_tooltip):
    tooltip = make_tooltip(chart_time=chart_time("Europe/Berlin"))
    tooltip.set_figures(BOTH)
    assert "17:08:00 – 17:08:15 UTC+1" in tooltip.text()
    # 30 September 2026, 16:08 UTC: summer time.
    tooltip.set_figures(replace(BOTH, cell=cell(t0_ms=T0_MS - 54 * 24 * HOUR_MS)))
    assert "Sep 30, 18:08:00 – 18:08:15 UTC+2" in tooltip.text()


def test_of_a_single_liquidation_nothing_is_said_twice(make_tooltip):
    tooltip = make_tooltip()
    tooltip.set_figures(ONE)
    assert tooltip.text().split("\n")[2:] == ["Short liquidated: $35K", "Liquidations reported: 1"]


@pytest.mark.parametrize(
    ("time_bin_ms", "offset_ms", "expected"),
    [
        (5_000, 0, "Nov 23, 16:08:00 – 16:08:05 UTC"),
        (120_000, 0, "Nov 23, 16:08 – 16:10 UTC"),
        (120_000, -5 * HOUR_MS, "Nov 23, 11:08 – 11:10 UTC-5"),
        (120_000, 19_800_000, "Nov 23, 21:38 – 21:40 UTC+5:30"),
        (240_000, 472 * 60_000, "Nov 24, 00:00 – 00:04 UTC+7:52"),
        (240_000, 470 * 60_000, "Nov 23, 23:58 – Nov 24, 00:02 UTC+7:50"),
    ],
)
def test_times_are_those_of_the_charts_axis(time_bin_ms, offset_ms, expected):
    assert T0_MS % time_bin_ms == 0
    assert span_text(T0_MS, T0_MS + time_bin_ms, Translator("en"), offset_ms) == expected


@pytest.mark.parametrize(
    ("price_bin", "decimals"),
    [(100.0, 0), (7.0, 0), (7.5, 1), (0.1, 1), (0.30000000000000004, 1), (0.25, 2), (0.0001, 4), (1e-8, 8)],
)
def test_prices_have_as_many_decimals_as_their_borders_need(price_bin, decimals):
    assert price_decimals(price_bin) == decimals


@pytest.mark.parametrize(("dark", "ground"), [(True, "#0e1116"), (False, "#ffffff")])
def test_it_is_painted_opaque_in_the_colours_of_the_chart(make_tooltip, dark, ground):
    tooltip = make_tooltip()
    tooltip.set_figures(BOTH, dark=dark)
    tooltip.show()
    picture = tooltip.picture()
    inside = range(2, picture.width() - 2), range(2, picture.height() - 2)
    colours = [picture.pixelColor(x, y) for x in inside[0] for y in inside[1]]
    assert [colour.name() for colour in colours].count(ground) > len(colours) // 2
    # Letters with smooth edges.
    assert len({colour.name() for colour in colours}) > 10
    assert {colour.alpha() for colour in colours} == {255}


def test_the_mouse_goes_through(make_tooltip):
    assert make_tooltip().testAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
