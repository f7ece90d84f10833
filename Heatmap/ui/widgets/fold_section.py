"""A section with a heading that folds and unfolds it, by mouse or keyboard."""

from __future__ import annotations

from PyQt6.QtCore import Qt, pyqtSignal
from PyQt6.QtWidgets import QSizePolicy, QToolButton, QVBoxLayout, QWidget


class FoldSection(QWidget):
    """A heading button above a body, which is shown while the section is open."""

    toggled = pyqtSignal(str, bool)  # name; opened (True) or folded by the user

    def __init__(self, name: str, body: QWidget, parent: QWidget | None = None, *, is_open: bool) -> None:
        super().__init__(parent)
        self._name = name
        self._body = body
        self._heading = QToolButton(self)
        self._heading.setObjectName(f"heatmap_section_{name}")
        self._heading.setCheckable(True)
        self._heading.setChecked(is_open)
        self._heading.setAutoRaise(True)
        self._heading.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self._heading.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self._heading.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._heading)
        layout.addWidget(body)
        self._show(is_open)
        self._heading.toggled.connect(self._toggle)

    @property
    def heading(self) -> QToolButton:
        """The button that opens and folds the section."""
        return self._heading

    def set_title(self, title: str, help_text: str) -> None:
        """Set the heading, and the sentence that says what opening and folding it does."""
        self._heading.setText(title)
        self._heading.setToolTip(help_text)
        self._heading.setAccessibleDescription(help_text)

    def _toggle(self, is_open: bool) -> None:  # Qt's signature
        self._show(is_open)
        self.toggled.emit(self._name, is_open)

    def _show(self, is_open: bool) -> None:  # as `_toggle`
        self._body.setVisible(is_open)
        self._heading.setArrowType(Qt.ArrowType.DownArrow if is_open else Qt.ArrowType.RightArrow)
