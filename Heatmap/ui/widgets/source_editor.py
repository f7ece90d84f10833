"""Editor of the sources that are shown together: a button with a menu of exchanges and of sources that stay alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PyQt6.QtCore import Qt
from PyQt6.QtGui import QAction, QKeyEvent, QMouseEvent
from PyQt6.QtWidgets import QMenu, QPushButton, QSizePolicy, QWidget

from Heatmap.source_choice import ALL, VENUES, choice_text, chosen_sources
from Heatmap.ui.widgets.field_editors import FieldEditor
from Heatmap.ui.widgets.source_text import sources_text

if TYPE_CHECKING:
    from collections.abc import Collection

    from Heatmap.heatmap_settings import FieldSpec, Value
    from Heatmap.ui.translation import Translator


class SourceEditor(FieldEditor):
    """The names of what is chosen; the menu stays open while exchanges are ticked. The last tick stays.

    Only sources ``available`` in this run can be chosen; all exchanges together, if they all are.
    """

    def __init__(
        self, spec: FieldSpec, translator: Translator, parent: QWidget | None = None, *, available: Collection[str]
    ) -> None:
        super().__init__(spec, translator, parent)
        self._available = frozenset(available) | ({ALL} if set(VENUES) <= set(available) else frozenset())
        self._value = str(spec.default)
        self.button = QPushButton(self)
        self.button.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self._menu = _StayingMenu(self.button)
        self._menu.setToolTipsVisible(True)
        self.button.setMenu(self._menu)
        self._adopt(self.button)
        self.actions_by_choice: dict[str, QAction] = {}
        for choice in spec.choices:
            action = QAction(self._menu)
            action.setCheckable(True)
            action.setEnabled(choice in self._available)
            action.setData(choice)
            self._menu.addAction(action)
            self.actions_by_choice[choice] = action
        self._menu.insertSeparator(self.actions_by_choice[spec.choices[1]])
        self._menu.insertSeparator(
            next(each for key, each in self.actions_by_choice.items() if key not in (ALL, *VENUES))
        )
        self._menu.triggered.connect(self._on_triggered)
        self.show_value(spec.default)

    def show_value(self, value: Value) -> None:
        self._value = str(value)
        sources = chosen_sources(self._value)
        for choice, action in self.actions_by_choice.items():
            action.setChecked(choice == self._value or choice in sources)
        text = self._translator.text
        chosen = text(self.spec.choice_key(ALL)) if self._value == ALL else sources_text(sources, self._translator)
        self.button.setText(chosen)
        self.button.setAccessibleName(f"{text(self.spec.label_key)}: {chosen}")

    def retranslate(self) -> None:
        super().retranslate()
        for choice, action in self.actions_by_choice.items():
            action.setText(self._translator.text(self.spec.choice_key(choice)))
            if choice not in self._available:
                action.setToolTip(self._translator.text("tab.choice_unavailable"))
        self.show_value(self._value)

    def _on_triggered(self, action: QAction) -> None:
        choice, is_on = str(action.data()), action.isChecked()
        before = set(chosen_sources(self._value)) & set(VENUES)
        if choice not in VENUES:
            value = choice if is_on else str(self.spec.default)
        else:
            wanted = before | {choice} if is_on else before - {choice}
            value = choice_text(tuple(venue for venue in VENUES if venue in wanted)) or self._value
        self.show_value(value)
        self._report(value)


class _StayingMenu(QMenu):
    """A menu that stays open when an entry is ticked by the mouse or by Space; Return ticks it and closes."""

    def mouseReleaseEvent(self, event: QMouseEvent | None) -> None:
        if not self._tick():
            super().mouseReleaseEvent(event)

    def keyPressEvent(self, event: QKeyEvent | None) -> None:
        if event is None or event.key() != Qt.Key.Key_Space or not self._tick():
            super().keyPressEvent(event)

    def _tick(self) -> bool:
        action = self.activeAction()
        if action is None or not action.isCheckable() or not action.isEnabled():
            return False
        action.trigger()
        return True
