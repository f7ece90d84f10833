"""The handles on the legend: mouse, keyboard, accessible value; all else goes to the page."""

from __future__ import annotations

import pytest
from PyQt6.QtCore import QPoint, Qt
from PyQt6.QtGui import QKeySequence, QShortcut
from PyQt6.QtTest import QTest
from PyQt6.QtWidgets import QSlider, QWidget
from support.colour_axes import axis

from Heatmap.ui.settings_model import SettingsModel
from Heatmap.ui.translation import Translator
from Heatmap.ui.widgets.legend import Legend
from Heatmap.ui.widgets.legend_range import LegendRange, RangeHandle, rounded_usd

LEFT, NO_KEYS = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier


class Stage:
    """A legend with its handles on a plain window."""

    def __init__(self, qtbot) -> None:
        self.window = QWidget()
        qtbot.addWidget(self.window)
        self.window.resize(500, 300)
        self.settings, self.translator = SettingsModel(), Translator("en")
        self.legend = Legend(self.translator, self.window)
        self.legend.hide()
        self.range = LegendRange(self.legend, self.settings, self.translator)
        self.legend.move(40, 100)
        self.show_axis()
        self.window.show()
        self.window.activateWindow()
        qtbot.waitUntil(self.window.isActiveWindow)
        self.legend.show()

    def show_axis(self, top_usd=1e6, **options) -> None:
        self.legend.set_scale("long_short", "log", axis(top_usd, palette="long_short", **options))
        self.range.follow()

    def handle(self, name: str) -> RangeHandle:
        return self.window.findChild(RangeHandle, f"heatmap_legend_{name}")

    def x_of(self, usd: float) -> float:
        """Return where an amount lies in the window."""
        return self.legend.x() + self.legend.bars_box().left() + 216 * self.legend.axis.position(usd)

    def drag(self, name: str, x: float) -> None:
        handle = self.handle(name)
        QTest.mousePress(handle, LEFT, NO_KEYS, handle.rect().center())
        for part in (0.3, 0.6, 1.0):
            middle = handle.geometry().center().x()
            QTest.mouseMove(handle, handle.mapFromParent(QPoint(round(middle + part * (x - middle)), 120)))
        QTest.mouseRelease(handle, LEFT, NO_KEYS, handle.rect().center())


@pytest.fixture
def stage(qtbot):
    return Stage(qtbot)


def test_the_handles_lie_on_floor_and_ceiling_and_take_nothing_else(stage):
    for floor, ceiling in ((0, 0), (5_000, 0), (5_000, 90_000)):
        stage.settings.update(floor_usd=floor, ceiling_usd=ceiling)
        for name, usd in (("floor", floor), ("ceiling", ceiling or 1e6)):
            assert stage.handle(name).geometry().center().x() == pytest.approx(stage.x_of(usd), abs=1.5)
    taken = {
        (x, y)
        for x in range(0, 500, 3)
        for y in range(0, 300, 3)
        if (child := stage.window.childAt(x, y)) is not None and child is not stage.legend
    }
    assert all(40 < x < 40 + stage.legend.width() and 100 < y < 100 + stage.legend.height() for x, y in taken)
    assert 0 < len(taken) * 9 < 2 * 16 * 60
    stage.legend.hide()
    assert not stage.handle("floor").isVisible()


def test_dragging_sets_an_amount_and_a_double_click_takes_it_away(stage, qtbot):
    stage.drag("floor", stage.x_of(20_000))
    qtbot.waitUntil(lambda: stage.settings.value.floor_usd == pytest.approx(20_000, rel=0.05))
    stage.drag("ceiling", stage.x_of(300_000))
    qtbot.waitUntil(lambda: stage.settings.value.ceiling_usd == pytest.approx(300_000, rel=0.05))
    # Not past each other.
    stage.drag("floor", stage.x_of(900_000))
    qtbot.waitUntil(lambda: stage.settings.value.floor_usd == pytest.approx(300_000, rel=0.05))
    stage.drag("ceiling", stage.x_of(10))
    qtbot.waitUntil(lambda: stage.settings.value.ceiling_usd == pytest.approx(300_000, rel=0.05))
    for name in ("floor", "ceiling"):
        QTest.mouseDClick(stage.handle(name), LEFT)
    qtbot.waitUntil(lambda: (stage.settings.value.floor_usd, stage.settings.value.ceiling_usd) == (0, 0))
    # Above the automatic full colour, too.
    stage.drag("ceiling", stage.x_of(1.9e6))
    qtbot.waitUntil(lambda: stage.settings.value.ceiling_usd == pytest.approx(1.9e6, rel=0.05))


def test_the_keyboard_does_all_that_the_mouse_does(stage, qtbot):
    pressed = []
    shortcuts = [
        QShortcut(QKeySequence(key), stage.window, lambda key=key: pressed.append(key)) for key in ("Left", "B")
    ]
    floor, ceiling, value = stage.handle("floor"), stage.handle("ceiling"), stage.settings
    floor.setFocus()
    QTest.keyClick(floor, Qt.Key.Key_Right)
    qtbot.waitUntil(lambda: value.value.floor_usd > 0)
    first = value.value.floor_usd
    QTest.keyClick(floor, Qt.Key.Key_PageUp)
    qtbot.waitUntil(lambda: value.value.floor_usd > first)
    higher = value.value.floor_usd
    QTest.keyClick(floor, Qt.Key.Key_Left)
    qtbot.waitUntil(lambda: first < value.value.floor_usd < higher)
    QTest.keyClick(floor, Qt.Key.Key_End)
    qtbot.waitUntil(lambda: value.value.floor_usd == 1_000_000)
    QTest.keyClick(floor, Qt.Key.Key_Home)
    qtbot.waitUntil(lambda: value.value.floor_usd == 0)
    # Back and forth: the next handle by Tab; a key held down counts every time.
    QTest.keyClick(floor, Qt.Key.Key_Tab)
    assert ceiling.hasFocus()
    for _ in range(20):
        QTest.keyClick(ceiling, Qt.Key.Key_Left)
    qtbot.waitUntil(lambda: 0 < value.value.ceiling_usd < 600_000)
    assert stage.legend.axis.position(value.value.ceiling_usd) == pytest.approx(
        stage.legend.axis.position(1e6) - 20 / 216, abs=2 / 216
    )
    QTest.keyClick(ceiling, Qt.Key.Key_Delete)
    qtbot.waitUntil(lambda: value.value.ceiling_usd == 0)
    # The window's shortcuts get the other keys, and none of these.
    QTest.keyClick(ceiling, Qt.Key.Key_B)
    assert pressed == ["B"]
    assert len(shortcuts) == 2


def test_a_screen_reader_gets_name_value_and_help(stage):
    stage.settings.update(floor_usd=20_000)
    for name, words, usd in (("floor", "Hide cells below", 20_000), ("ceiling", "Full colour from", 1_000_000)):
        handle = stage.handle(name)
        # Qt gives every QSlider the role and the value of one; PyQt6 has no class to ask for them.
        assert isinstance(handle, QSlider)
        assert (handle.accessibleName(), handle.value()) == (words, usd)
        assert handle.focusPolicy() == Qt.FocusPolicy.StrongFocus
        assert stage.translator.format_usd(usd) in handle.accessibleDescription()
        assert handle.accessibleDescription() in handle.toolTip()
    stage.translator.set_language("de")
    assert stage.handle("floor").accessibleName() == "Zellen ausblenden unter"


def test_many_moves_are_few_changes_and_the_latest_wins(stage, qtbot):
    changes = []
    stage.settings.changed.connect(lambda value, _previous: changes.append(value.floor_usd))
    handle = stage.handle("floor")
    for x in range(300):
        handle.dragged.emit("floor", stage.x_of(0) + x / 2)
    wanted = rounded_usd(stage.legend.axis.amount(149.5 / 216))
    qtbot.waitUntil(lambda: stage.settings.value.floor_usd == wanted)
    assert len(changes) < 30


def test_without_cells_there_is_nothing_to_set(stage):
    stage.settings.update(floor_usd=20_000)
    stage.legend.set_scale("long_short", "log", None)
    stage.range.follow()
    assert not stage.handle("floor").isVisible()
    stage.handle("floor").stepped.emit("floor", 1)
    stage.handle("floor").dragged.emit("floor", 200.0)
    assert stage.legend.labels() == [(0.0, "No liquidations yet")]


@pytest.mark.parametrize(("usd", "rounded"), [(0.4, 0), (7.4, 7), (123, 123), (1234, 1230), (987_654, 988_000)])
def test_amounts_have_three_digits(usd, rounded):
    assert rounded_usd(usd) == rounded


def test_colours_that_reach_beyond_what_a_slider_or_the_setting_can_hold(stage, qtbot):
    stage.show_axis(5e9)  # Qt's integers end at 2.1e9, the setting at 1e9
    assert stage.handle("ceiling").value() == stage.handle("ceiling").maximum() == 1_000_000_000
    assert "5B" in stage.handle("ceiling").toolTip().replace(".0", "").replace(" ", "")
    for name in ("ceiling", "floor"):
        stage.drag(name, stage.x_of(4e9))
        qtbot.waitUntil(lambda name=name: getattr(stage.settings.value, f"{name}_usd") == 1_000_000_000)
