"""Actions of the program's window beside those of the plugin: chart by keyboard, symbol, reload, list of shortcuts."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from PyQt6.QtCore import QObject, Qt

from Heatmap.ui.widgets.shortcut_list import ShortcutList
from Heatmap.ui.widgets.text_action import TextAction

if TYPE_CHECKING:
    from collections.abc import Callable

    from PyQt6.QtWidgets import QMainWindow

    from Heatmap.app.chart_bridge import ChartBridge
    from Heatmap.app.chart_view import ChartView
    from Heatmap.ui.translation import Translator

RELOAD_KEY = "F5"
MOVE_SHARE = 0.1  # of the view's width
ZOOM_FACTOR = 1.25


class WindowActions(QObject):
    """The actions; those without a tool are added to the window or the chart, whose keys they are.

    Arrows, End, + and - belong to the chart: elsewhere they move through lists and change numbers.
    """

    def __init__(
        self,
        window: QMainWindow,
        view: ChartView,
        bridge: ChartBridge,
        translator: Translator,
        *,
        fit: Callable[[], None],
        find_symbol: Callable[[], None],
    ) -> None:
        super().__init__(window)
        self._window = window
        self._view = view
        self._translator = translator
        self.fit = self._made("toolbar.fit", (), fit)
        self.live = self._made("toolbar.live", ("End",), bridge.show_live)
        self.live.setDisabled(bridge.is_live)
        bridge.liveChanged.connect(self.live.setDisabled)
        self._give_to_chart(self.live)
        self.shortcuts = self._made("toolbar.shortcuts", ("?",), self._show_shortcuts, icon_text="?")
        # Not on the toolbar: the text above the chart names the key when it is needed.
        window.addAction(self._made("toolbar.reload", (RELOAD_KEY,), view.reload, name="reload_chart"))
        window.addAction(self._made("toolbar.find_symbol", ("Ctrl+K",), find_symbol))
        for key, keys, call in (
            ("toolbar.earlier", ("Left",), partial(bridge.move, -MOVE_SHARE)),
            ("toolbar.later", ("Right",), partial(bridge.move, MOVE_SHARE)),
            ("toolbar.zoom_in", ("+", "="), partial(bridge.zoom, 1 / ZOOM_FACTOR)),
            ("toolbar.zoom_out", ("-",), partial(bridge.zoom, ZOOM_FACTOR)),
        ):
            self._give_to_chart(self._made(key, keys, call))

    def _made(
        self, key: str, keys: tuple[str, ...], call: Callable[[], object], *, name: str = "", icon_text: str = ""
    ) -> TextAction:
        action = TextAction(
            key, self._translator, shortcuts=keys, on_trigger=call, icon_text=icon_text, parent=self._window
        )
        action.setObjectName(name or key.partition(".")[2])
        return action

    def _give_to_chart(self, action: TextAction) -> None:
        action.setShortcutContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
        self._view.addAction(action)

    def _show_shortcuts(self) -> None:
        ShortcutList((self._window, self._view), self._translator, self._window).show()
