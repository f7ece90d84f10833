"""The candles' look: what the chart library is given."""

from __future__ import annotations

import json

import pytest
from PyQt6.QtCore import QSettings

from Heatmap.app.candle_look import Body, CandleLook, Colours, series_colours
from Heatmap.app.chart_bridge import ChartBridge
from Heatmap.app.chart_settings import BODY_KEY, ChartSettings


def alphas(options) -> tuple[set[int], set[int]]:
    """Return the alphas of bodies, and those of borders and wicks."""
    bodies = {int(value[7:], 16) for key, value in options.items() if key in {"upColor", "downColor"}}
    return bodies, {int(value[7:], 16) for key, value in options.items() if key not in {"upColor", "downColor"}}


def test_a_body_lets_the_heat_through_and_its_border_is_clear():
    assert alphas(series_colours(CandleLook(Body.HOLLOW), heat_is_shown=True).wide) == ({0}, {255})
    bodies, lines = alphas(series_colours(CandleLook(Body.TRANSLUCENT), heat_is_shown=True).wide)
    assert (0 < max(bodies) < 128, lines) == (True, {255})


@pytest.mark.parametrize("body", [Body.HOLLOW, Body.TRANSLUCENT])
def test_a_candle_that_is_all_border_lets_the_heat_through_too(body):
    bodies, lines = alphas(series_colours(CandleLook(body), heat_is_shown=True).narrow)
    assert bodies == lines
    assert max(lines) < 200


@pytest.mark.parametrize("body", Body)
def test_without_heat_candles_are_solid(body):
    colours = series_colours(CandleLook(body, Colours.BLUE_ORANGE), heat_is_shown=False)
    assert alphas(colours.wide) == alphas(colours.narrow) == ({255}, {255})
    assert {value[:7] for value in colours.wide.values()} == {colours.up, colours.down}


def test_the_look_is_stored_and_a_damaged_one_is_the_default(tmp_path, qapp, caplog):
    del qapp
    path = str(tmp_path / "settings.ini")
    store = QSettings(path, QSettings.Format.IniFormat)
    settings, told = ChartSettings(store), []
    settings.changed.connect(told.append)
    look = CandleLook(Body.TRANSLUCENT, Colours.BLUE_ORANGE)
    settings.set_look(look)
    settings.set_look(look)
    store.sync()
    assert told == [look]
    again = QSettings(path, QSettings.Format.IniFormat)
    assert ChartSettings(again).look == look
    assert not caplog.records
    again.setValue(BODY_KEY, "fluid")
    assert ChartSettings(again).look == CandleLook(CandleLook().body, Colours.BLUE_ORANGE)
    assert "expected one of hollow, translucent, solid for program/candle_body, was 'fluid'" in caplog.text


def test_a_page_gets_the_look_before_the_bars_and_again_after_a_reload(qapp):
    del qapp
    bridge, told = ChartBridge(), []
    bridge.lookReady.connect(lambda text: told.append(json.loads(text)))
    bridge.historyReady.connect(lambda _: told.append("history"))
    bridge.page_ready()
    assert told.pop()["wide"]["upColor"].endswith("ff")
    bridge.set_look(CandleLook(), heat_is_shown=True)
    bridge.page_ready()
    assert [each["wide"]["upColor"][-2:] for each in told] == ["00", "00"]
