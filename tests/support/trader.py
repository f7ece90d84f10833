"""A trader at the program's window: operates it by keys and mouse, reads what it shows, and asks SQL for the same."""

from __future__ import annotations

from contextlib import closing

from PyQt6.QtCore import QPoint, Qt
from PyQt6.QtGui import QAction
from PyQt6.QtTest import QTest
from PyQt6.QtWidgets import (
    QApplication,
    QComboBox,
    QDockWidget,
    QLabel,
    QMenu,
    QSlider,
    QSpinBox,
    QStyle,
    QStyleOptionSlider,
    QTabBar,
    QToolButton,
)
from pytestqt.exceptions import TimeoutError as NotInTime

from Heatmap.storage.sqlite.connection import open_reader
from Heatmap.ui.geometry.strips import NO_BOXES
from Heatmap.ui.widgets.liquidation_list import LiquidationList, LiquidationTable
from Heatmap.ui.widgets.replay_bar import ReplayBar
from Heatmap.ui.widgets.strips import Strips
from Heatmap.ui.widgets.tooltip import Tooltip
from support.mouse import Mouse

NO_KEYS, LEFT = Qt.KeyboardModifier.NoModifier, Qt.MouseButton.LeftButton
# The market goes on while a question is answered.
ANSWER_MS = 8000


class Trader:
    """Operates the program and reads from it; counts the steps of a task."""

    def __init__(self, stage) -> None:
        self.stage = stage
        self.window = stage.window
        self.mouse = Mouse(stage.view)
        self.steps = 0

    # What a trader does.

    def press(self, key, modifier=NO_KEYS) -> None:
        self.steps += 1
        QTest.keyClick(QApplication.focusWidget(), key, modifier)

    def click_tool(self, name: str) -> None:
        self.steps += 1
        action = self.window.findChild(QAction, name)
        buttons = [each for each in self.window.findChildren(QToolButton) if each.defaultAction() is action]
        QTest.mouseClick(next(each for each in buttons if each.isVisible()), LEFT)

    def open_list(self) -> None:
        self.click_tool("list_toggle")
        self.stage.wait(lambda: self.listing.isVisible() and self.listing.model.rowCount() > 0)
        # The page has taken its new width.
        self.stage.wait(lambda: self.viewport is None or self.viewport.page_px[0] <= self.stage.view.width())

    def show_largest(self) -> None:
        self.steps += 1
        tabs = self.window.findChild(QTabBar, "list_order")
        QTest.mouseClick(tabs, LEFT, pos=tabs.tabRect(1).center())

    def open_settings(self) -> None:
        self.press(Qt.Key.Key_Comma, Qt.KeyboardModifier.ControlModifier)
        self.stage.wait(self.window.findChild(QDockWidget, "settings_dock").isVisible)

    def type_into(self, name: str, text: str) -> None:
        self.steps += 1
        field = self.window.findChild(QSpinBox, name)
        field.setFocus()
        field.selectAll()
        QTest.keyClicks(field, text)
        QTest.keyClick(field, Qt.Key.Key_Return)

    def choose(self, name: str, word: str) -> None:
        self.steps += 1
        box = self.window.findChild(QComboBox, name)
        box.setFocus()
        QTest.keyClicks(box, word)

    def choose_symbol(self, symbol: str) -> None:
        self.steps += 1
        box = self.window.findChild(QComboBox, "symbol")
        box.setFocus(Qt.FocusReason.ShortcutFocusReason)
        QTest.keyClicks(QApplication.focusWidget(), symbol)
        QTest.keyClick(QApplication.focusWidget(), Qt.Key.Key_Return)
        self.stage.wait(lambda: box.symbol == symbol)

    def click_row(self, at: int) -> None:
        self.steps += 1
        table = self.window.findChild(LiquidationTable)
        QTest.mouseClick(table.viewport(), LEFT, pos=table.visualRect(table.model().index(at, 0)).center())

    def copy_all(self) -> None:
        """Right click on the list, then *Copy all*."""
        self.steps += 2
        table = self.window.findChild(LiquidationTable)
        table.customContextMenuRequested.emit(QPoint(20, 20))
        menu = self.listing.findChild(QMenu)
        self.stage.wait(menu.isVisible)
        QTest.mouseClick(menu, LEFT, pos=menu.actionGeometry(menu.actions()[-1]).center())

    def drag_handle(self, handle, legend, wanted_usd: float) -> None:
        self.steps += 1
        across = legend.bars_box().left() + legend.bars_box().width() * legend.axis.position(wanted_usd)
        QTest.mousePress(handle, LEFT, NO_KEYS, handle.rect().center())
        at = handle.mapFromParent(QPoint(round(legend.x() + across), handle.geometry().center().y()))
        QTest.mouseMove(handle, at)
        QTest.mouseRelease(handle, LEFT, NO_KEYS, handle.mapFromParent(handle.geometry().center()))

    def drag_time_line(self, by_ms: int) -> None:
        """Drag the handle of the replay's time line."""
        self.steps += 1
        line = self.window.findChild(QSlider, "heatmap_replay_line")
        self.stage.wait(line.isVisible)
        look = QStyleOptionSlider()
        line.initStyleOption(look)
        style, part = line.style(), QStyle.ComplexControl.CC_Slider
        handle = style.subControlRect(part, look, QStyle.SubControl.SC_SliderHandle, line)
        share = by_ms / 1000 / (line.maximum() - line.minimum())
        QTest.mousePress(line, LEFT, NO_KEYS, handle.center())
        QTest.mouseMove(line, handle.center() + QPoint(round(share * (line.width() - handle.width())), 0))
        QTest.mouseRelease(line, LEFT)

    def rest_on(self, x_px: float, y_px: float) -> None:
        """Rest the mouse at a point of the pane, CSS pixels."""
        self.steps += 1
        pane = self.viewport
        self.mouse.move(x_px + pane.left_px, y_px + pane.top_px)

    def drag_area(self, first_px, last_px) -> None:
        self.steps += 1
        pane, mouse = self.viewport, self.mouse
        mouse.modifiers = Qt.KeyboardModifier.ShiftModifier
        mouse.move(first_px[0] + pane.left_px, first_px[1] + pane.top_px)
        mouse.press()
        mouse.move(last_px[0] + pane.left_px - 20, first_px[1] + pane.top_px + 20)
        mouse.move(last_px[0] + pane.left_px, last_px[1] + pane.top_px)
        mouse.release()
        mouse.modifiers = NO_KEYS

    # Where a trader looks.

    @property
    def viewport(self):
        return self.stage.presenter.viewport

    @property
    def listing(self) -> LiquidationList:
        return self.window.findChild(LiquidationList)

    def x_of(self, time_ms: float) -> float:
        return self.viewport.x_px(self.stage.presenter.time_axis.logical(time_ms))

    def row(self, at: int = 0) -> list[str]:
        """Return time, side, price and dollars of a row of the list."""
        model = self.listing.model
        return [model.index(at, column).data() for column in range(4)] if at < model.rowCount() else []

    def label(self, name: str) -> str:
        return self.window.findChild(QLabel, f"heatmap_statistics_{name}").text()

    def card(self, name: str = "heatmap_tooltip") -> str:
        card = self.stage.view.findChild(Tooltip, name)
        return card.text() if card is not None and card.isVisible() else ""

    def text_on_chart(self, place: str) -> str:
        """Return a text of the strips as it is drawn."""
        strips = self.stage.plugin.findChild(Strips)
        return " | ".join(words for _, words in strips.texts(self.viewport, NO_BOXES).get(place, ()))

    # What SQL says.

    def sql(self, query: str, *values):
        """Return the only row of a query, or its only value."""
        with closing(open_reader(self.stage.db_path)) as connection:
            rows = connection.execute(query, values).fetchall()
        assert len(rows) == 1
        return rows[0] if len(rows[0]) > 1 else rows[0][0]

    def shows(self, read, expect) -> None:
        """Wait until the window shows what SQL says; the market goes on meanwhile."""
        last = []

        def is_same() -> bool:
            last[:] = [read(), expect()]
            return last[0] == last[1]

        try:
            self.stage.wait(is_same, ANSWER_MS)
        except NotInTime:
            raise AssertionError(f"the window shows {last[0]!r}, SQL says {last[1]!r}") from None

    def tidy(self) -> None:
        """Go back to the program as it was opened; the symbol stays."""
        for dock in ("list_dock", "settings_dock"):
            self.window.findChild(QDockWidget, dock).close()
        self.window.findChild(ReplayBar).hide()
        self.mouse.modifiers = NO_KEYS
        self.mouse.leave()
        self.stage.settings.update(
            window="8h", sides="both", min_notional_usd=0, floor_usd=0, bubbles=True, profile=False
        )
        self.listing.set_order("latest")
        QTest.keyClick(self.mouse.page, Qt.Key.Key_Escape)
        self.stage.view.setFocus()
        self.stage.evaluate("chart.priceScale('right').applyOptions({autoScale: true})")
        self.stage.wait(self._is_as_opened)
        self.steps = 0

    def _is_as_opened(self) -> bool:
        """Fit the chart until it is: it keeps the width of its bars when the docks give it more room."""
        if self.window.width() != self.stage.view.width():
            return False
        if not self.stage.is_settled() and self.stage.presenter.is_current:
            self.window.fit()
        return self.stage.is_settled()
