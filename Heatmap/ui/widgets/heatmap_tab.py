"""The "Heatmap" tab: a switch, a form of the declared settings, figures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from PyQt6.QtCore import QEvent, QSize, Qt, pyqtSlot
from PyQt6.QtWidgets import (
    QCheckBox,
    QFormLayout,
    QFrame,
    QGroupBox,
    QLabel,
    QPushButton,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from Heatmap.events import Source
from Heatmap.heatmap_settings import FIELDS, FieldSpec, Group, Kind
from Heatmap.ui.widgets.field_editors import ChoiceEditor, FieldEditor, FlagEditor, NumberEditor
from Heatmap.ui.widgets.notice_bar import NOTICE_COLOURS
from Heatmap.ui.widgets.palette_image import palette_swatch
from Heatmap.ui.widgets.statistics_box import StatisticsBox

if TYPE_CHECKING:
    from collections.abc import Collection

    from Heatmap.heatmap_settings import HeatmapSettings
    from Heatmap.rendering.event_window import MapStatistics
    from Heatmap.ui.settings_model import SettingsModel
    from Heatmap.ui.translation import Translator
    from Heatmap.ui.widgets.tab_notice import NoticeKind

_SWITCH_SCALE: Final = 1.25
_MARGIN_PX: Final = 8
_WIDTH_PX: Final = 300


class HeatmapTab(QWidget):
    """The settings as a page for a tab widget or a dock, at least 300 px wide. Every change acts at once.

    Only ``sources`` can be selected in this run; the others are disabled.
    """

    def __init__(
        self,
        model: SettingsModel,
        translator: Translator,
        parent: QWidget | None = None,
        *,
        sources: Collection[str] = (Source.BINANCE,),
    ) -> None:
        super().__init__(parent)
        self._model = model
        self._translator = translator
        self._sources = frozenset(sources)
        self._groups: dict[Group, QGroupBox] = {}
        self._editors = {key: self._make_editor(spec) for key, spec in FIELDS.items()}
        self._notice = QLabel(self)
        self._notice_kind: NoticeKind = "info"
        self._notice.setObjectName("heatmap_notice")
        self._notice.setWordWrap(True)
        self._notice.setTextFormat(Qt.TextFormat.PlainText)
        self._notice.hide()
        self._statistics = StatisticsBox(translator, self)
        self._reset = QPushButton(self)
        self._reset.setObjectName("heatmap_reset")
        self._lay_out()
        for editor in self._editors.values():
            editor.edited.connect(self._update)
        self._reset.clicked.connect(model.reset)
        model.changed.connect(self._show)
        translator.languageChanged.connect(self.retranslate)
        self.retranslate()
        self._show(model.value)

    def set_notice(self, text: str, kind: NoticeKind = "info") -> None:
        """Show a sentence above the form; "" hides it."""
        self._notice.setText(text)
        self._notice.setVisible(bool(text))
        self._notice_kind = kind
        self._style_notice()

    def changeEvent(self, event: QEvent | None) -> None:
        """Follow the host's colours: Qt keeps those of a styled label."""
        super().changeEvent(event)
        if event is not None and event.type() == QEvent.Type.PaletteChange:
            self._style_notice()

    def _style_notice(self) -> None:
        colour = NOTICE_COLOURS[self._notice_kind]
        # Translucent, for dark and light themes.
        self._notice.setStyleSheet(
            f"QLabel {{ background: rgba({colour}, 50); border: 1px solid rgba({colour}, 160);"
            " border-radius: 4px; padding: 6px; }"
        )

    def set_statistics(self, statistics: MapStatistics) -> None:
        self._statistics.set_statistics(statistics)

    @pyqtSlot()
    def retranslate(self) -> None:
        for editor in self._editors.values():
            editor.retranslate()
        for group, box in self._groups.items():
            box.setTitle(self._translator.text(f"group.{group}"))
        self._reset.setText(self._translator.text("tab.reset"))
        self._reset.setToolTip(self._translator.text("tab.reset_help"))
        self._statistics.retranslate()
        # A new locale or suffix may have changed the number fields.
        self._show(self._model.value)

    def sizeHint(self) -> QSize:
        """Ask for the width that every text needs: a dock gives what is asked for, and a scroll area asks for less."""
        return super().sizeHint().expandedTo(QSize(_WIDTH_PX, 0))

    def _make_editor(self, spec: FieldSpec) -> FieldEditor:
        if spec.kind is Kind.FLAG:
            return FlagEditor(spec, self._translator, self)
        if spec.kind is not Kind.CHOICE:
            return NumberEditor(spec, self._translator, self)
        icon = palette_swatch if spec.key == "palette" else None
        available = self._sources if spec.key == "source" else None
        return ChoiceEditor(spec, self._translator, self, icon=icon, available=available)

    def _lay_out(self) -> None:
        page = QWidget(self)
        column = QVBoxLayout(page)
        column.setContentsMargins(_MARGIN_PX, 0, _MARGIN_PX, _MARGIN_PX)
        for group in Group:
            if group is not Group.SWITCH:
                column.addWidget(self._make_group(group))
        column.addWidget(self._statistics)
        column.addWidget(self._reset)
        column.addStretch(1)
        area = QScrollArea(self)
        area.setWidgetResizable(True)
        area.setFrameShape(QFrame.Shape.NoFrame)
        area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        area.setWidget(page)
        head = QVBoxLayout()
        head.setContentsMargins(_MARGIN_PX, _MARGIN_PX, _MARGIN_PX, 0)
        switch = self._editors["enabled"]
        _enlarge(switch.findChild(QCheckBox))
        head.addWidget(switch)
        head.addWidget(self._notice)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(head)
        layout.addWidget(area, 1)

    def _make_group(self, group: Group) -> QGroupBox:
        box = QGroupBox(self)
        form = QFormLayout(box)
        form.setRowWrapPolicy(QFormLayout.RowWrapPolicy.WrapLongRows)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        for editor in self._editors.values():
            if editor.spec.group is group:
                form.addRow(editor.label, editor)
        self._groups[group] = box
        return box

    def _update(self, key: str, value: object) -> None:
        self._model.update(**{key: value})

    @pyqtSlot(object, object)
    def _show(self, settings: HeatmapSettings, _previous: HeatmapSettings | None = None) -> None:
        for key, editor in self._editors.items():
            editor.show_value(getattr(settings, key))
            effective = editor.spec.is_effective(settings)
            editor.setEnabled(effective)
            editor.label.setEnabled(effective)


def _enlarge(box: QCheckBox | None) -> None:
    if box is None:
        return
    font = box.font()
    font.setBold(True)
    font.setPointSizeF(font.pointSizeF() * _SWITCH_SCALE)
    box.setFont(font)
