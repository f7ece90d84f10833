"""The program's toolbar: symbol, interval, and actions; what has no room is in a menu."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from PyQt6.QtCore import QPointF, Qt, pyqtSignal
from PyQt6.QtGui import QIcon, QPainter, QPen, QPixmap
from PyQt6.QtWidgets import QComboBox, QHBoxLayout, QToolBar, QToolButton, QWidget

from Heatmap.app.elided_label import ElidedLabel
from Heatmap.ui.widgets.text_action import plain_text

if TYPE_CHECKING:
    from PyQt6.QtGui import QAction, QColor
    from PyQt6.QtWidgets import QMainWindow

    from Heatmap.ui.translation import Translator
    from Heatmap.ui.widgets.symbol_box import SymbolBox

INTERVALS = ("1m", "3m", "5m", "15m", "30m", "1h", "4h", "1d")
MARGIN_PX = 3
ICON_PX = 16
EXTENSION = "qt_toolbar_ext_button"  # Qt's name of the button with the menu


class ChartToolbar(QWidget):
    """Symbol, interval, actions, the words about what is shown, and one action that always has room.

    The actions lie in a `QToolBar` that is no child of the main window: then Qt shows those without room in a menu,
    which is a window of its own. A tool bar of a main window would unfold over the chart, whose page covers it.
    """

    intervalRequested = pyqtSignal(str)

    def __init__(self, translator: Translator, symbols: SymbolBox, interval: str, window: QMainWindow) -> None:
        super().__init__(window)
        self.setObjectName("toolbar")
        self._window = window
        self._translator = translator
        self._symbols = symbols
        self._interval = QComboBox(self)
        self._interval.setObjectName("interval")
        # A click leaves the focus with the chart, whose keys go on working.
        self._interval.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self._interval.addItems(INTERVALS)
        self._interval.setCurrentText(interval)
        self._interval.currentTextChanged.connect(self.intervalRequested)
        self._tools = QToolBar(self)
        self._tools.setObjectName("tools")
        self._tools.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextOnly)
        self._honesty = ElidedLabel(self)
        self._honesty.setObjectName("honesty")
        self._honesty.setEnabled(False)
        self._last = QToolButton(self)
        self._last.setAutoRaise(True)
        self._last.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextOnly)
        row = QHBoxLayout(self)
        row.setContentsMargins(MARGIN_PX, 0, MARGIN_PX, 0)
        row.setSpacing(MARGIN_PX)
        for widget in (symbols, self._interval, self._tools):
            row.addWidget(widget)
        row.addWidget(self._honesty, 1)
        row.addWidget(self._last)
        self._end = self._tools.addSeparator()
        self._extension = self._tools.findChild(QToolButton, EXTENSION)
        if self._extension is not None:
            self._extension.setFocusPolicy(Qt.FocusPolicy.TabFocus)
            self._extension.setIcon(_more_icon(self.palette().buttonText().color()))
        translator.languageChanged.connect(self._set_texts)
        self._set_texts()
        window.setMenuWidget(self)

    @property
    def symbol(self) -> str:
        """The shown symbol."""
        return self._symbols.symbol

    @property
    def interval(self) -> str:
        """The chosen interval, one of `INTERVALS`."""
        return self._interval.currentText()

    def add_tool(self, action: QAction) -> None:
        """Put an action to the others; its shortcut works in its context, also while the action has no room."""
        self._insert(action, self._end)

    def add_separator(self) -> None:
        """Put a line after the actions added so far."""
        self._tools.insertSeparator(self._end)

    def add_at_end(self, action: QAction) -> None:
        """Put an action behind all that `add_tool` adds."""
        self._insert(action, None)

    def set_last(self, action: QAction) -> None:
        """Put an action at the right end, where it is never without room."""
        self._last.setDefaultAction(action)
        self._window.addAction(action)

    def _insert(self, action: QAction, before: QAction | None) -> None:
        self._tools.insertAction(before, action)
        if action.shortcutContext() is Qt.ShortcutContext.WindowShortcut:
            self._window.addAction(action)
        button = self._tools.widgetForAction(action)
        if button is not None:
            button.setFocusPolicy(Qt.FocusPolicy.TabFocus)  # a tool bar takes it away
        action.changed.connect(self._name_buttons)
        self._name_buttons()
        self._set_tab_order()

    def _name_buttons(self) -> None:
        """Give each button the whole text of its action as the name: its own may be a sign."""
        for action in self._tools.actions():
            button = self._tools.widgetForAction(action)
            if button is not None:
                button.setAccessibleName(plain_text(action))

    def _set_tab_order(self) -> None:
        """Let Tab go from the left to the right, in whatever order the parts were made."""
        buttons = map(self._tools.widgetForAction, self._tools.actions())
        parts = (self._symbols, self._interval, *buttons, self._extension, self._last)
        for before, after in pairwise(part for part in parts if part is not None):
            QWidget.setTabOrder(before, after)

    def _set_texts(self) -> None:
        text = self._translator.text
        self._interval.setAccessibleName(text("toolbar.interval"))
        self._interval.setToolTip(text("toolbar.interval_help"))
        self._tools.setAccessibleName(text("toolbar.tools"))
        zone = self._translator.zone_label()
        words = f"{text('badge.realised')} · {text('badge.lower_bound_short')} · {zone}"
        shorter = (f"{text('badge.lower_bound_short')} · {zone}", f"{text('badge.lower_bounds')} · {zone}")
        self._honesty.set_variants(words, *shorter)
        self._honesty.setToolTip(f"{words}\n{text('badge.lower_bound')}")
        if self._extension is not None:
            self._extension.setAccessibleName(text("toolbar.more"))
            self._extension.setToolTip(text("toolbar.more_help"))


def _more_icon(color: QColor) -> QIcon:
    """Return two arrow heads to the right; Qt's own are black on a dark bar, too."""
    pixmap = QPixmap(ICON_PX, ICON_PX)
    pixmap.fill(Qt.GlobalColor.transparent)
    painter = QPainter(pixmap)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(QPen(color, 2))
    middle = ICON_PX / 2
    for left in (middle - 5, middle):
        painter.drawPolyline(QPointF(left, middle - 4), QPointF(left + 4, middle), QPointF(left, middle + 4))
    painter.end()
    return QIcon(pixmap)
