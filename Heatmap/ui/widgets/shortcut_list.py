"""List of all shortcuts, made from the actions themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PyQt6.QtCore import Qt
from PyQt6.QtGui import QKeySequence
from PyQt6.QtWidgets import (
    QDialog,
    QDialogButtonBox,
    QFormLayout,
    QLabel,
    QScrollArea,
    QScrollBar,
    QVBoxLayout,
    QWidget,
)

from Heatmap.ui.widgets.text_action import plain_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from PyQt6.QtGui import QAction

    from Heatmap.ui.translation import Translator

_NATIVE = QKeySequence.SequenceFormat.NativeText


def shortcuts_of(widgets: Iterable[QWidget]) -> list[tuple[str, str]]:
    """Return text and keys of each action with a shortcut that these widgets have, in their order, each once."""
    actions = dict.fromkeys(action for widget in widgets for action in widget.actions())
    return [(plain_text(action), _keys(action)) for action in actions if action.isVisible() and action.shortcuts()]


class ShortcutList(QDialog):
    """A window with the shortcuts of some widgets' actions, and the one of the mouse; it is made anew each time."""

    def __init__(self, widgets: Sequence[QWidget], translator: Translator, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("shortcuts")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle(translator.text("shortcuts.title"))
        table = QWidget(self)
        rows = QFormLayout(table)
        by_mouse = (translator.text("shortcuts.area"), translator.text("shortcuts.area_keys"))
        for words, keys in [*shortcuts_of(widgets), by_mouse]:
            name = QLabel(keys, table)
            name.setAccessibleName(f"{words}: {keys}")
            rows.addRow(words, name)
        scroll = QScrollArea(self)
        scroll.setWidget(table)
        scroll.setWidgetResizable(True)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        bar_px = QScrollBar(Qt.Orientation.Vertical).sizeHint().width() + 2 * scroll.frameWidth()
        scroll.setMinimumWidth(table.sizeHint().width() + bar_px)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close, self)
        buttons.rejected.connect(self.reject)
        column = QVBoxLayout(self)
        column.addWidget(scroll)
        column.addWidget(buttons)


def _keys(action: QAction) -> str:
    return ", ".join(keys.toString(_NATIVE) for keys in action.shortcuts())
