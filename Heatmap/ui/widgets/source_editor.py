"""Editor of the sources that are shown together: check boxes of exchanges, and of sources that stay alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from PyQt6.QtCore import QSignalBlocker
from PyQt6.QtWidgets import QCheckBox, QGridLayout, QWidget

from Heatmap.source_choice import ALL, VENUES, choice_text, chosen_sources
from Heatmap.ui.widgets.field_editors import FieldEditor

if TYPE_CHECKING:
    from collections.abc import Collection

    from Heatmap.heatmap_settings import FieldSpec, Value
    from Heatmap.ui.translation import Translator

_COLUMNS: Final = 2


class SourceEditor(FieldEditor):
    """A check box for each source of this run, and one for all exchanges if they are ``available``.

    What is chosen and not available is shown, and cannot be chosen again. The last check mark stays.
    """

    def __init__(
        self, spec: FieldSpec, translator: Translator, parent: QWidget | None = None, *, available: Collection[str]
    ) -> None:
        super().__init__(spec, translator, parent)
        self._available = frozenset(available) | ({ALL} if set(VENUES) <= set(available) else frozenset())
        self._value = str(spec.default)
        self.setObjectName(f"heatmap_{spec.key}")
        self.boxes: dict[str, QCheckBox] = {}
        grid = QGridLayout()
        grid.setContentsMargins(0, 0, 0, 0)
        for number, choice in enumerate(spec.choices):
            box = QCheckBox(self)
            self._adopt(box, buddy=not number)
            box.setObjectName(f"heatmap_{spec.key}_{choice}")
            box.setEnabled(choice in self._available)
            box.clicked.connect(self._on_clicked)
            grid.addWidget(box, *divmod(number, _COLUMNS))
            self.boxes[choice] = box
        self._layout.addLayout(grid, 1)
        self.show_value(spec.default)

    def show_value(self, value: Value) -> None:
        self._value = str(value)
        chosen = {*chosen_sources(self._value), *([ALL] if self._value == ALL else [])}
        for choice, box in self.boxes.items():
            with QSignalBlocker(box):
                box.setChecked(choice in chosen)
            box.setVisible(choice in self._available or choice in chosen)

    def retranslate(self) -> None:
        super().retranslate()
        for choice, box in self.boxes.items():
            box.setText(self._translator.text(self.spec.choice_key(choice)))
            if choice not in self._available:
                box.setToolTip(self._translator.text("tab.choice_unavailable"))

    def _on_clicked(self, checked: bool) -> None:  # signature of the signal
        clicked = next(choice for choice, box in self.boxes.items() if box is self.sender())
        before = set(chosen_sources(self._value)) & set(VENUES)
        if clicked == ALL:
            after = ALL if checked else str(self.spec.default)
        elif clicked not in VENUES:
            after = clicked if checked else str(self.spec.default)
        else:
            wanted = before | {clicked} if checked else before - {clicked}
            after = choice_text(tuple(venue for venue in VENUES if venue in wanted)) or self._value
        self.show_value(after)
        self._report(after)
