"""Rows of setting editors with their names, beside or above them as the width allows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PyQt6.QtCore import QEvent, QSize
from PyQt6.QtWidgets import QFormLayout, QWidget

from Heatmap.heatmap_settings import Kind

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from PyQt6.QtGui import QResizeEvent

    from Heatmap.heatmap_settings import HeatmapSettings
    from Heatmap.ui.widgets.field_editors import FieldEditor


class FieldForm(QWidget):
    """A form whose names stand above the editors where both do not fit side by side, e.g. with a large font.

    Fields without effect have no row; ``left_out`` are keys of fields that have none in this run.
    """

    def __init__(
        self, editors: Sequence[FieldEditor], parent: QWidget | None = None, *, left_out: Collection[str] = ()
    ) -> None:
        super().__init__(parent)
        self._editors = [editor for editor in editors if editor.spec.key not in left_out]
        self._form = QFormLayout(self)
        self._form.setContentsMargins(0, 0, 0, 0)
        self._form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        for editor in editors:
            if editor.spec.key in left_out:
                editor.hide()
                editor.label.hide()
            elif editor.spec.kind is Kind.FLAG:
                self._form.addRow(editor)
            else:
                self._form.addRow(editor.label, editor)

    @property
    def controls(self) -> list[QWidget]:
        """What takes the keyboard, from top to bottom."""
        return [control for editor in self._editors for control in editor.controls]

    @property
    def is_empty(self) -> bool:
        """True if no field of the form has an effect in this run."""
        return not self._editors

    def show_effective(self, settings: HeatmapSettings) -> None:
        """Show the rows of the fields that have an effect under these settings, and no others."""
        for editor in self._editors:
            visible = editor.spec.is_effective(settings)
            if self._form.isRowVisible(editor) != visible:
                self._form.setRowVisible(editor, visible)
        self._wrap()

    def minimumSizeHint(self) -> QSize:
        """Ask for the widest name or editor only: the names can stand above."""
        names, fields, flags = self._widths()
        return QSize(max(names, fields, flags), super().minimumSizeHint().height())

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        super().resizeEvent(event)
        self._wrap()

    def event(self, event: QEvent | None) -> bool:
        """Follow a new font, language or unit: the texts have other widths."""
        if event is not None and event.type() in (QEvent.Type.LayoutRequest, QEvent.Type.FontChange):
            self._wrap()
        return super().event(event)

    def _wrap(self) -> None:
        names, fields, _ = self._widths()
        fits = names + max(self._form.horizontalSpacing(), 0) + fields <= self.width()
        policy = QFormLayout.RowWrapPolicy.DontWrapRows if fits else QFormLayout.RowWrapPolicy.WrapAllRows
        if policy is not self._form.rowWrapPolicy():
            self._form.setRowWrapPolicy(policy)

    def _widths(self) -> tuple[int, int, int]:
        """Return the widths that the widest name, the widest editor and the widest check box need, in pixels."""
        shown = [editor for editor in self._editors if self._form.isRowVisible(editor)]
        named = [editor for editor in shown if editor.spec.kind is not Kind.FLAG]
        names = max((editor.label.sizeHint().width() for editor in named), default=0)
        fields = max((editor.sizeHint().width() for editor in named), default=0)
        flags = max((editor.sizeHint().width() for editor in shown if editor not in named), default=0)
        return names, fields, flags
