"""The "Chart" tab: it shows and changes the candles' look, in both languages."""

from __future__ import annotations

import pytest
from PyQt6.QtCore import QSettings
from PyQt6.QtWidgets import QComboBox, QLabel

from Heatmap.app.candle_look import Body, CandleLook, Colours
from Heatmap.app.chart_settings import ChartSettings
from Heatmap.app.chart_tab import ChartTab
from Heatmap.ui.translation import Translator


@pytest.fixture
def settings(tmp_path):
    return ChartSettings(QSettings(str(tmp_path / "settings.ini"), QSettings.Format.IniFormat))


def test_a_choice_acts_at_once_and_a_change_from_elsewhere_is_shown(qtbot, settings):
    tab = ChartTab(settings, Translator("en"))
    qtbot.addWidget(tab)
    body, colours = (tab.findChild(QComboBox, name) for name in ("chart_body", "chart_colours"))
    assert (body.currentText(), colours.currentText()) == ("Hollow", "Green, red")
    body.setCurrentIndex(body.findText("Solid"))
    colours.setCurrentIndex(colours.findText("Blue, orange"))
    assert settings.look == CandleLook(Body.SOLID, Colours.BLUE_ORANGE)
    settings.set_look(CandleLook(Body.TRANSLUCENT))
    assert (body.currentText(), colours.currentText()) == ("Translucent", "Green, red")


def test_each_field_has_a_label_with_a_key_a_name_and_a_help_in_each_language(qtbot, settings):
    translator = Translator("en")
    tab = ChartTab(settings, translator)
    qtbot.addWidget(tab)
    fields = {label.text(): label.buddy() for label in tab.findChildren(QLabel) if label.buddy()}
    assert {text: field.accessibleName() for text, field in fields.items()} == {
        "Candle &bodies": "Candle bodies", "Candle &colours": "Candle colours",
    }  # fmt: skip
    assert all(field.toolTip() for field in fields.values())
    translator.set_language("de")
    assert {field.accessibleName() for field in fields.values()} == {"Kerzenkörper", "Kerzenfarben"}
