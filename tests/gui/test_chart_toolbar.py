"""Toolbar, list of shortcuts and window state of the program, without its page."""

from __future__ import annotations

import pytest
from PyQt6.QtCore import QByteArray, QSettings, Qt
from PyQt6.QtGui import QAction, QFont
from PyQt6.QtWidgets import QApplication, QComboBox, QDialog, QLabel, QMainWindow, QToolButton, QWidget

from Heatmap.app import window_state
from Heatmap.app.chart_toolbar import EXTENSION, ChartToolbar
from Heatmap.app.docks import Dock
from Heatmap.app.elided_label import ElidedLabel
from Heatmap.ui.translation import Translator
from Heatmap.ui.widgets.shortcut_list import ShortcutList, shortcuts_of
from Heatmap.ui.widgets.text_action import TextAction


class Symbols(QComboBox):
    """A symbol box without a service."""

    symbol = "BTCUSDT"


@pytest.fixture
def window(qtbot):
    """A window with toolbar and settings' dock, at 900 px."""
    made = QMainWindow()
    qtbot.addWidget(made)
    made.translator = Translator("en")
    made.setCentralWidget(QWidget())
    made.dock = Dock("settings", QLabel("x"), made.translator, text_key="toolbar.settings", window=made, shortcut="F9")
    symbols = Symbols()
    symbols.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    symbols.setMinimumContentsLength(9)
    made.bar = ChartToolbar(made.translator, symbols, "3m", made)
    made.tools = [QAction(f"&Tool {number}", made) for number in range(8)]
    for tool in made.tools:
        tool.setShortcut(tool.text()[-1])
        made.bar.add_tool(tool)
    made.bar.set_last(made.dock.toggle_action)
    made.resize(900, 300)
    made.show()
    made.activateWindow()
    qtbot.waitUntil(made.isActiveWindow)
    return made


def test_what_has_no_room_is_in_a_menu_and_the_last_tool_always_has_room(qtbot, window):
    extension = window.findChild(QToolButton, EXTENSION)
    last = next(
        button for button in window.findChildren(QToolButton) if button.defaultAction() is window.dock.toggle_action
    )
    assert not extension.isVisible()
    window.resize(420, 300)
    qtbot.waitUntil(extension.isVisible)
    for share in (1.0, 1.6):
        font = QFont(window.font())
        font.setPointSizeF(font.pointSizeF() * share)
        window.setFont(font)
        qtbot.waitUntil(lambda: window.width() == 420)
        menu = extension.menu()
        assert [action.text() for action in menu.actions() if action.text()][-1] == "&Tool 7"
        assert window.rect().contains(last.rect().translated(last.mapTo(window, last.rect().topLeft())))
        # Its key works all the same.
        with qtbot.waitSignal(window.tools[7].triggered):
            qtbot.keyClick(window.bar, "7")


def test_a_line_without_room_for_all_of_it_shows_its_shorter_text_whole(qtbot):
    label = ElidedLabel()
    qtbot.addWidget(label)
    texts = ("Realised liquidations · Sums are lower bounds · UTC", "Sums are lower bounds · UTC", "Lower bounds · UTC")
    label.set_variants(*texts)
    label.show()
    for text in texts:
        label.resize(label.fontMetrics().horizontalAdvance(text) + 1, 20)
        assert label.shown == text
    label.resize(label.width() - 4, 20)
    assert label.shown.startswith("Lower b")
    assert label.shown.endswith("…")
    label.resize(4, 20)
    assert label.shown == ""
    assert label.accessibleName() == texts[0]


def test_every_control_has_a_name_and_takes_the_focus_by_tab_in_the_order_of_sight(qtbot, window):
    window.bar.add_at_end(QAction("&Last", window, iconText="?"))
    window.bar.add_tool(QAction("Tool 8", window))
    window.resize(1300, 300)
    (newest,) = [button for button in window.findChildren(QToolButton) if button.text() == "?"]
    qtbot.waitUntil(newest.isVisible)
    symbols = window.bar.findChild(Symbols)
    symbols.setAccessibleName("Symbol")
    symbols.setFocus()
    seen, at = [], []
    for _ in range(13):
        focused = QApplication.focusWidget()
        seen.append(focused.accessibleName() or focused.text())
        at.append(focused.mapTo(window, focused.rect().topLeft()).x())
        window.focusNextChild()
    assert seen == ["Symbol", "Interval", *(f"Tool {number}" for number in range(9)), "Last", "&Settings"]
    assert at == sorted(at)


def test_docks_share_a_place_and_each_comes_to_the_front(qtbot, window):
    other = Dock("list", QLabel("y"), window.translator, text_key="toolbar.list", window=window)
    for dock, behind in ((window.dock, other), (other, window.dock), (window.dock, other)):
        dock.toggle_action.trigger()
        qtbot.waitUntil(dock.toggle_action.isChecked)
        qtbot.waitUntil(lambda behind=behind: not behind.toggle_action.isChecked())
    assert set(window.tabifiedDockWidgets(window.dock)) == {other}
    window.dock.toggle_action.trigger()
    qtbot.waitUntil(lambda: not window.dock.isVisible())


def test_shortcuts_are_listed_from_the_actions(qtbot, window):
    window.addAction(TextAction("toolbar.zoom_in", window.translator, shortcuts=("+", "="), parent=window))
    hidden = QAction("Hidden", window, shortcut="Ctrl+Q", visible=False)
    window.addAction(hidden)
    assert shortcuts_of((window, window))[-3:] == [("Tool 7", "7"), ("Settings", "F9"), ("Zoom in", "+, =")]
    shown = ShortcutList((window,), window.translator, window)
    assert "+, =" in [label.text() for label in shown.findChildren(QLabel)]
    shown.show()
    with qtbot.waitSignal(shown.destroyed):
        qtbot.keyClick(shown, Qt.Key.Key_Escape)
    assert window.findChild(QDialog, "shortcuts") is None


def test_size_and_docks_survive_and_damaged_values_are_harmless(qtbot, window, tmp_path, caplog):
    def stored() -> QSettings:
        return QSettings(str(tmp_path / "x.ini"), QSettings.Format.IniFormat)

    window.resize(700, 320)
    window.move(40, 50)
    window.dock.toggle_action.trigger()
    qtbot.waitUntil(lambda: window.geometry().size().width() == 700)
    store = stored()
    window_state.save(window, store)
    store.sync()
    window.dock.toggle_action.trigger()
    window.setGeometry(0, 0, 500, 250)
    window_state.restore(window, stored())
    qtbot.waitUntil(lambda: (window.width(), window.height()) == (700, 320))
    assert window.dock.isVisible()
    assert window.dock.toggle_action.isChecked()
    for wrong in ("text", QByteArray(b"\x01\xd9\xd0\xcb\x00"), QByteArray(), 5, ["a", "b"]):
        for key in (window_state.GEOMETRY_KEY, window_state.STATE_KEY):
            store.setValue(key, wrong)
        caplog.clear()
        window_state.restore(window, store)
        assert "cannot be read and is left aside" in caplog.text
        assert window.dock.isVisible()


def test_a_window_of_a_screen_that_is_gone_comes_back_to_one(qtbot, window, tmp_path):
    store = QSettings(str(tmp_path / "x.ini"), QSettings.Format.IniFormat)
    window.setGeometry(9000, 7000, 500, 250)
    qtbot.waitUntil(lambda: window.x() > 8000)
    window_state.save(window, store)
    window.setGeometry(0, 0, 400, 250)
    window_state.restore(window, store)
    screens = [screen.availableGeometry() for screen in QApplication.screens()]
    qtbot.waitUntil(lambda: any(screen.intersects(window.geometry()) for screen in screens))
