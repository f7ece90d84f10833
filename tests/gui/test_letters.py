"""Letters on the chart and the rows of the list follow the application's font, before and after they are made."""

from __future__ import annotations

import pytest
from PyQt6.QtGui import QFontInfo, QFontMetricsF
from PyQt6.QtWidgets import QApplication, QTableView

from Heatmap.clock import SYSTEM_CLOCK
from Heatmap.ui.translation import Translator
from Heatmap.ui.widgets.bubble_picture import BubbleLook, BubblePictures
from Heatmap.ui.widgets.legend import Legend, Marks
from Heatmap.ui.widgets.liquidation_list import LiquidationList
from Heatmap.ui.widgets.strips import text_image
from Heatmap.ui.widgets.tooltip import Tooltip


@pytest.fixture
def font(qapp):
    """The application's font, which is set back at the end."""
    before = qapp.font()
    yield before
    change_font(before)


def change_font(font) -> None:
    """Set the application's font and have Qt report it to the widgets."""
    QApplication.setFont(font)
    QApplication.processEvents()


def sizes(legend, tooltip, table) -> list[int]:
    """Return what should grow with the font: heights, in pixels."""
    pictures = BubblePictures(BubbleLook("long_short", dark=True, font=QApplication.font().toString()), 1.0)
    rows = table.findChild(QTableView).verticalHeader().defaultSectionSize()
    text = text_image(((None, "In view"),), 1.0, dark=True)
    return [legend.height(), tooltip.height(), rows, text.height(), round(pictures.text_size_px("$1M")[1])]


def has_room(legend) -> bool:
    """Return True if the lines of explanations are no wider than the legend."""
    metrics = QFontMetricsF(legend.drawn_font)
    return all(39 + metrics.horizontalAdvance(words) <= legend.width() - 6 for _, words in legend.explanations())


def made(qtbot) -> list:
    words = Translator("en")
    widgets = [Legend(words), Tooltip(words), LiquidationList(words, SYSTEM_CLOCK)]
    for widget in widgets:
        qtbot.addWidget(widget)
    widgets[0].set_scale("long_short", "log", None)
    widgets[0].explain(Marks(window="8h", gaps_of_some=True))
    widgets[1].set_lines("Title", [("Long", "$1M")])
    return widgets


def test_letters_on_the_chart_and_rows_of_the_list_follow_the_font(qtbot, font):
    widgets = made(qtbot)
    usual = sizes(*widgets)
    assert widgets[0].drawn_font.pixelSize() < QFontInfo(font).pixelSize()
    large = QApplication.font()
    large.setPointSizeF(1.6 * QFontInfo(font).pointSizeF())
    change_font(large)
    grown = sizes(*widgets)
    assert grown == sizes(*made(qtbot))
    assert all(new >= 1.3 * old for new, old in zip(grown[1:], usual[1:], strict=True))
    assert has_room(widgets[0])
    assert grown[0] > usual[0] + 10  # bars and histogram stay
    change_font(font)
    assert sizes(*widgets) == usual
