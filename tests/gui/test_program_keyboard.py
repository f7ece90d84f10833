"""Keys, toolbar and window state of the program, with the focus in the page and in a text field."""

from __future__ import annotations

import re
from itertools import combinations
from pathlib import Path

import pytest
from PyQt6.QtCore import QRect, Qt
from PyQt6.QtGui import QAction, QFont
from PyQt6.QtTest import QTest
from PyQt6.QtWidgets import QApplication, QComboBox, QDockWidget, QSpinBox

from Heatmap.ui.widgets.legend import Legend
from Heatmap.ui.widgets.source_badge import SourceBadge

MIN_AXIS_PX = 60
DOCS = Path(__file__).resolve().parents[2] / "Heatmap" / "docs"
pytestmark = [pytest.mark.gl]


def press(keys, modifier=Qt.KeyboardModifier.NoModifier) -> None:
    """Press a key in the widget that has the focus, as the system delivers it."""
    QTest.keyClick(QApplication.focusWidget(), keys, modifier)


def visible(stage) -> tuple[float, float]:
    range_ = stage.evaluate("chart.timeScale().getVisibleLogicalRange()")
    return range_["from"], range_["to"]


def line_of_prices(stage) -> QRect:
    """Return where the page shows open, high, low and close, in pixels of the view."""
    box = stage.evaluate("document.getElementById('bar').getBoundingClientRect()")
    return QRect(*(round(box[edge]) for edge in ("left", "top", "width", "height")))


def check_small_window(stage) -> None:
    """At 420 px and after larger letters nothing lies over another, and no part is cut off."""
    window, view = stage.window, stage.view
    badge, legend = view.findChild(SourceBadge), view.findChild(Legend)

    def is_apart() -> bool:
        pane = view.rect().adjusted(0, 0, -MIN_AXIS_PX, 0)
        parts = [badge.geometry(), line_of_prices(stage)] + ([legend.geometry()] if legend.isVisible() else [])
        return all(pane.contains(part) for part in parts) and not any(
            one.intersects(other) for one, other in combinations(parts, 2)
        )

    stage.wait(is_apart)
    size, font = window.size(), QApplication.font()
    one_line = badge.height()
    try:
        window.resize(420, 400)
        stage.wait(lambda: view.width() == 420 and legend.isVisible() and is_apart())
        larger = QFont(font)
        larger.setPointSizeF(1.6 * font.pointSizeF())
        QApplication.setFont(larger)
        stage.wait(lambda: badge.height() > 1.6 * one_line and is_apart())
        assert window.width() == 420
    finally:
        QApplication.setFont(font)
        window.resize(size)
    stage.wait(lambda: view.width() > 1000 and is_apart())


def check_keys_of_the_chart(stage) -> None:
    """Moved by a tenth, then zoomed: an old view keeps its middle. End leads back at the same zoom."""
    before = visible(stage)
    width = before[1] - before[0]
    for _ in range(8):
        press(Qt.Key.Key_Left)
    stage.wait(lambda: visible(stage)[0] == pytest.approx(before[0] - 0.8 * width, abs=1))
    press("+")
    stage.wait(lambda: visible(stage)[1] - visible(stage)[0] == pytest.approx(width / 1.25, rel=0.01))
    middle = sum(visible(stage)) / 2
    press("-")
    stage.wait(lambda: visible(stage)[1] - visible(stage)[0] == pytest.approx(width, rel=0.01))
    assert sum(visible(stage)) / 2 == pytest.approx(middle, abs=0.5)
    live = stage.window.findChild(QAction, "live")
    stage.wait(live.isEnabled)
    press(Qt.Key.Key_End)
    stage.wait(lambda: visible(stage)[1] > stage.evaluate("series.data().length - 1"))
    assert visible(stage)[1] - visible(stage)[0] == pytest.approx(width, rel=0.01)
    stage.wait(lambda: not live.isEnabled())


def check_text_fields_and_lists(stage) -> None:
    """What is typed there is written, or searches, and is no shortcut."""
    window, settings = stage.window, stage.settings
    symbols = window.findChild(QComboBox, "symbol")
    symbols.setFocus(Qt.FocusReason.ShortcutFocusReason)
    press("H")
    press("1")
    assert symbols.currentText().upper() == "H1"
    press(Qt.Key.Key_Escape)
    assert symbols.currentText() == "BTCUSDT"
    interval = window.findChild(QComboBox, "interval")
    interval.setFocus()
    press("4")
    assert interval.currentText() == "4h"
    minimum = window.findChild(QSpinBox, "heatmap_min_notional_usd")
    minimum.setFocus()
    minimum.selectAll()
    press("2")
    assert (settings.value.enabled, settings.value.window) == (False, "8h")


def check_users_page(stage) -> None:
    """The page for users names each key."""
    rows = re.findall(r"^\| (.+?) \|", (DOCS / "window.md").read_text(encoding="utf-8"), re.MULTILINE)
    actions = {*stage.window.actions(), *stage.view.actions()}
    keys = {keys.toString() for action in actions for keys in action.shortcuts()}
    assert {key for key in keys if not any(key in row for row in rows)} == set()


def test_keys_work_in_the_page_and_are_left_to_text_fields_and_lists(open_stage):
    with open_stage() as stage:
        window, settings = stage.window, stage.settings
        stage.wait_for_heat()
        check_small_window(stage)
        check_users_page(stage)
        window.activateWindow()
        stage.wait(window.isActiveWindow)
        stage.view.setFocus()
        assert stage.view.isAncestorOf(QApplication.focusWidget())
        press("H")
        assert not settings.value.enabled
        for key, choice in (("1", "2h"), ("3", "2d"), ("2", "8h")):
            press(key)
            assert settings.value.window == choice
        check_keys_of_the_chart(stage)
        press(Qt.Key.Key_Comma, Qt.KeyboardModifier.ControlModifier)
        stage.wait(window.findChild(QDockWidget, "settings_dock").isVisible)
        check_text_fields_and_lists(stage)
