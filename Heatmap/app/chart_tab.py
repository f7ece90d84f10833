"""The "Chart" tab: how the program draws its candles."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from PyQt6.QtCore import QSignalBlocker
from PyQt6.QtGui import QColor, QIcon, QPainter, QPixmap
from PyQt6.QtWidgets import QComboBox, QFormLayout, QLabel, QSizePolicy, QWidget

from Heatmap.app.candle_look import COLOURS, Body, Colours
from Heatmap.ui.widgets.field_editors import wrapping_tooltip

if TYPE_CHECKING:
    from collections.abc import Sequence

    from Heatmap.app.chart_settings import ChartSettings
    from Heatmap.ui.translation import Translator

BODY_TEXTS: Final = {
    Body.HOLLOW: "candles.hollow", Body.TRANSLUCENT: "candles.translucent", Body.SOLID: "candles.solid",
}  # fmt: skip
COLOUR_TEXTS: Final = {Colours.GREEN_RED: "candles.green_red", Colours.BLUE_ORANGE: "candles.blue_orange"}
_SWATCH_PX: Final = 12


class ChartTab(QWidget):
    """The chart's settings as a page for a tab widget; a change acts at once."""

    def __init__(self, settings: ChartSettings, translator: Translator, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._settings = settings
        self._translator = translator
        self._body = _choice("chart_body", tuple(BODY_TEXTS), self)
        self._colours = _choice("chart_colours", tuple(COLOUR_TEXTS), self)
        for row, colours in enumerate(COLOUR_TEXTS):
            self._colours.setItemIcon(row, _swatch(COLOURS[colours]))
        self._body_label, self._colours_label = QLabel(self), QLabel(self)
        form = QFormLayout(self)
        for label, combo in ((self._body_label, self._body), (self._colours_label, self._colours)):
            label.setBuddy(combo)
            form.addRow(label, combo)
        self._body.currentIndexChanged.connect(self._choose)
        self._colours.currentIndexChanged.connect(self._choose)
        settings.changed.connect(self._show)
        translator.languageChanged.connect(self._set_texts)
        self._set_texts()
        self._show()

    def _set_texts(self) -> None:
        text = self._translator.text
        self._body_label.setText(text("candles.body"))
        self._colours_label.setText(text("candles.colours"))
        for label, combo, help_text, choices in (
            (self._body_label, self._body, text("candles.body_help"), BODY_TEXTS),
            (self._colours_label, self._colours, text("candles.colours_help"), COLOUR_TEXTS),
        ):
            combo.setAccessibleName(label.text().replace("&", ""))
            for widget in (label, combo):
                widget.setToolTip(wrapping_tooltip(help_text))
            for row, key in enumerate(choices.values()):
                combo.setItemText(row, text(key))

    def _show(self) -> None:
        look = self._settings.look
        for combo, value in ((self._body, look.body), (self._colours, look.colours)):
            with QSignalBlocker(combo):
                combo.setCurrentIndex(combo.findData(value))

    def _choose(self) -> None:
        look = replace(self._settings.look, body=self._body.currentData(), colours=self._colours.currentData())
        self._settings.set_look(look)


def _choice(name: str, choices: Sequence[str], parent: QWidget) -> QComboBox:
    combo = QComboBox(parent)
    combo.setObjectName(name)
    combo.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
    for choice in choices:
        combo.addItem("", choice)
    return combo


def _swatch(colours: Sequence[str]) -> QIcon:
    """Return the colours side by side."""
    picture = QPixmap(_SWATCH_PX * len(colours), _SWATCH_PX)
    painter = QPainter(picture)
    for column, colour in enumerate(colours):
        painter.fillRect(column * _SWATCH_PX, 0, _SWATCH_PX, _SWATCH_PX, QColor(colour))
    painter.end()
    return QIcon(picture)
