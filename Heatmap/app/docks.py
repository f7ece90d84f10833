"""Docks of the program's window, each with the action that opens and closes it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PyQt6.QtCore import Qt
from PyQt6.QtWidgets import QDockWidget, QTabWidget

from Heatmap.ui.widgets.text_action import TextAction

if TYPE_CHECKING:
    from PyQt6.QtWidgets import QMainWindow, QWidget

    from Heatmap.ui.translation import Translator

SETTINGS_WIDTH_PX = 330


class Dock(QDockWidget):
    """A dock beside or under the chart, closed at first.

    ``name`` gives the object names: ``NAME_dock``, and ``NAME_toggle`` of its action. ``text_key`` gives the title and
    the action's text, ``text_key`` with ``_help`` its tooltip.
    """

    def __init__(
        self,
        name: str,
        content: QWidget,
        translator: Translator,
        *,
        text_key: str,
        window: QMainWindow,
        area: Qt.DockWidgetArea = Qt.DockWidgetArea.RightDockWidgetArea,
        shortcut: str = "",
    ) -> None:
        super().__init__(window)
        self._translator = translator
        self._text_key = text_key
        self.setObjectName(f"{name}_dock")
        self.setWidget(content)
        self.setFeatures(
            QDockWidget.DockWidgetFeature.DockWidgetClosable | QDockWidget.DockWidgetFeature.DockWidgetMovable
        )
        shortcuts = (shortcut,) if shortcut else ()
        self.toggle_action = TextAction(text_key, translator, shortcuts=shortcuts, parent=window)
        self.toggle_action.setObjectName(f"{name}_toggle")
        self.toggle_action.setCheckable(True)
        others = [dock for dock in window.findChildren(QDockWidget) if dock is not self]
        window.addDockWidget(area, self)
        for other in others:
            if window.dockWidgetArea(other) == area:
                window.tabifyDockWidget(other, self)  # side by side they leave no room for the chart
        self.hide()
        # Not `toggled`: hiding the window hides the dock, too, and must not close it.
        self.toggle_action.triggered.connect(self._open)
        self.visibilityChanged.connect(self.toggle_action.setChecked)
        translator.languageChanged.connect(self._set_texts)
        self._set_texts()

    def _open(self, is_open: bool) -> None:  # a signal's argument
        self.setVisible(is_open)
        if is_open:
            self.raise_()  # from behind another tab, where it counts as closed

    def _set_texts(self) -> None:
        self.setWindowTitle(self._translator.text(self._text_key).replace("&", ""))


class SettingsTabs(QTabWidget):
    """The pages of the settings' dock: the plugin's, and those that are added."""

    def __init__(self, tab: QWidget, translator: Translator, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("settings_tabs")
        self._translator = translator
        self._text_keys: list[str] = []
        self.add_page(tab, "tab.title")
        translator.languageChanged.connect(self._set_texts)

    def add_page(self, page: QWidget, text_key: str) -> None:
        """Add a page behind the others; ``text_key`` gives the text on its tab."""
        self._text_keys.append(text_key)
        self.addTab(page, self._translator.text(text_key))

    def _set_texts(self) -> None:
        for index, key in enumerate(self._text_keys):
            self.setTabText(index, self._translator.text(key))
