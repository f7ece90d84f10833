"""The program's toolbar: symbol, interval, and actions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PyQt6.QtCore import Qt, pyqtSignal
from PyQt6.QtGui import QAction
from PyQt6.QtWidgets import QComboBox, QLabel, QSizePolicy, QToolBar, QWidget

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PyQt6.QtWidgets import QMainWindow

    from Heatmap.ui.translation import Translator

INTERVALS = ("1m", "3m", "5m", "15m", "30m", "1h", "4h", "1d")


class ChartToolbar(QToolBar):
    """Symbol and interval, then actions from the left, the words about what is shown, and actions at the right end."""

    symbolRequested = pyqtSignal(str)
    intervalRequested = pyqtSignal(str)

    def __init__(self, translator: Translator, symbols: Sequence[str], interval: str, window: QMainWindow) -> None:
        super().__init__(window)
        self._translator = translator
        self.setObjectName("toolbar")
        self.setMovable(False)
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.PreventContextMenu)
        self.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextOnly)
        self._symbol = QComboBox(self)
        self._symbol.setObjectName("symbol")
        self._symbol.addItems(list(symbols))
        self._symbol.currentTextChanged.connect(self.symbolRequested)
        self._interval = QComboBox(self)
        self._interval.setObjectName("interval")
        self._interval.addItems(INTERVALS)
        self._interval.setCurrentText(interval)
        self._interval.currentTextChanged.connect(self.intervalRequested)
        self.fit = QAction(self)
        room = QWidget(self)
        room.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        self._honesty = QLabel(self)
        self._honesty.setObjectName("honesty")
        self._honesty.setEnabled(False)
        self.addWidget(self._symbol)
        self.addWidget(self._interval)
        self.addSeparator()
        self.addAction(self.fit)
        self._room = self.addWidget(room)
        self.addWidget(self._honesty)
        self.addSeparator()
        translator.languageChanged.connect(self._set_texts)
        self._set_texts()
        window.addToolBar(self)

    @property
    def symbol(self) -> str:
        """The chosen symbol."""
        return self._symbol.currentText()

    @property
    def interval(self) -> str:
        """The chosen interval, one of `INTERVALS`."""
        return self._interval.currentText()

    def add_tool(self, action: QAction) -> None:
        """Put an action to the others on the left."""
        self.insertAction(self._room, action)

    def add_at_end(self, action: QAction) -> None:
        """Put an action at the right end."""
        self.addAction(action)

    def _set_texts(self) -> None:
        text = self._translator.text
        self._symbol.setToolTip(text("toolbar.symbol_help"))
        self._interval.setToolTip(text("toolbar.interval_help"))
        self.fit.setText(text("toolbar.fit"))
        self.fit.setToolTip(text("toolbar.fit_help"))
        self._honesty.setText(
            f"{text('badge.realised')} · {text('badge.lower_bound_short')} · {self._translator.zone_label()}"
        )
        self._honesty.setToolTip(text("badge.lower_bound"))
