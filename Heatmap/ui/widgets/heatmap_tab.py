"""The "Heatmap" tab: a switch, presets, a form of the declared settings, figures."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Final

from PyQt6.QtCore import QEvent, QSize, Qt, pyqtSlot
from PyQt6.QtWidgets import QCheckBox, QFrame, QLabel, QPushButton, QScrollArea, QVBoxLayout, QWidget

from Heatmap.events import Source
from Heatmap.heatmap_settings import FIELDS, FieldSpec, Group, Kind
from Heatmap.ui.widgets.field_editors import ChoiceEditor, FieldEditor, FlagEditor, NumberEditor, wrapping_tooltip
from Heatmap.ui.widgets.field_form import FieldForm
from Heatmap.ui.widgets.figure_list import DETAILS, SUMS, FigureList, hidden_text
from Heatmap.ui.widgets.fold_section import FoldSection
from Heatmap.ui.widgets.notice_bar import NOTICE_COLOURS
from Heatmap.ui.widgets.palette_image import palette_swatch
from Heatmap.ui.widgets.preset_bar import PresetBar
from Heatmap.ui.widgets.source_editor import SourceEditor

if TYPE_CHECKING:
    from collections.abc import Collection

    from Heatmap.heatmap_settings import HeatmapSettings
    from Heatmap.hidden_sum import HiddenSum, NotEnough
    from Heatmap.rendering.event_window import MapStatistics
    from Heatmap.ui.settings_model import SettingsModel
    from Heatmap.ui.translation import Translator
    from Heatmap.ui.widgets.tab_notice import NoticeKind

# What a trader changes most, above the sections of the other fields.
ESSENTIALS: Final = ("window", "opacity", "palette", "min_notional_usd", "clip_percentile")
_OPEN_AT_FIRST: Final = frozenset({Group.DISPLAY, Group.COLOUR, Group.DATA, Group.GENERAL})
_STATISTICS: Final = "statistics"
_SWITCH_SCALE: Final = 1.25
_MARGIN_PX: Final = 8
_WIDTH_PX: Final = 300


class HeatmapTab(QWidget):
    """The settings as a page for a tab widget or a dock, at least 300 px wide. Every change acts at once.

    Switch, presets and the sums of the window are always in sight, the form between them scrolls. Only ``sources`` can
    be selected in this run; the others are disabled. ``left_out`` are keys of fields that have no effect in this run.
    """

    def __init__(
        self,
        model: SettingsModel,
        translator: Translator,
        parent: QWidget | None = None,
        *,
        sources: Collection[str] = (Source.BINANCE,),
        left_out: Collection[str] = (),
    ) -> None:
        super().__init__(parent)
        self._model = model
        self._translator = translator
        self._sources = frozenset(sources)
        self._left_out = frozenset(left_out) | (frozenset({"source"}) if len(self._sources) == 1 else frozenset())
        self._editors = {key: self._make_editor(spec) for key, spec in FIELDS.items()}
        self._forms: list[FieldForm] = []
        self._sections: dict[str, FoldSection] = {}
        self._presets = PresetBar(model, translator, self)
        self._notice = QLabel(self)
        self._notice_kind: NoticeKind = "info"
        self._notice.setObjectName("heatmap_notice")
        self._notice.setWordWrap(True)
        self._notice.setTextFormat(Qt.TextFormat.PlainText)
        self._notice.hide()
        self._hidden: HiddenSum | NotEnough | None = None
        self._sums = FigureList(SUMS, translator, self)
        self._sums.setObjectName("heatmap_sums")
        self._details = FigureList(DETAILS, translator, self)
        self._bound = QLabel(self)
        self._bound.setWordWrap(True)
        self._reset = QPushButton(self)
        self._reset.setObjectName("heatmap_reset")
        self._lay_out()
        for editor in self._editors.values():
            editor.edited.connect(self._update)
        self._reset.clicked.connect(self._reset_or_undo)
        model.changed.connect(self._show)
        model.undoChanged.connect(self._name_reset)
        translator.languageChanged.connect(self.retranslate)
        self.retranslate()

    def set_notice(self, text: str, kind: NoticeKind = "info") -> None:
        """Show a sentence above the form; "" hides it."""
        self._notice.setText(text)
        self._notice.setVisible(bool(text))
        self._notice_kind = kind
        self._style_notice()

    def changeEvent(self, event: QEvent | None) -> None:
        """Follow the host's colours and font, which Qt does not give to a label and a switch with their own."""
        super().changeEvent(event)
        if event is not None and event.type() == QEvent.Type.PaletteChange:
            self._style_notice()
        if event is not None and event.type() == QEvent.Type.FontChange:
            self._enlarge_switch()

    def _style_notice(self) -> None:
        colour = NOTICE_COLOURS[self._notice_kind]
        # Translucent, for dark and light themes.
        self._notice.setStyleSheet(
            f"QLabel {{ background: rgba({colour}, 50); border: 1px solid rgba({colour}, 160);"
            " border-radius: 4px; padding: 6px; }"
        )

    def set_statistics(self, statistics: MapStatistics) -> None:
        self._sums.set_statistics(statistics)
        self._details.set_statistics(statistics)
        if statistics.hidden != self._hidden:
            self._hidden = statistics.hidden
            self._explain_sums()

    def _explain_sums(self) -> None:
        sentences = [self._translator.text("badge.lower_bound"), hidden_text(self._hidden, self._translator)]
        self._sums.setToolTip(wrapping_tooltip("\n".join(filter(None, sentences))))
        self._sums.setAccessibleDescription("\n".join(filter(None, sentences)))

    @pyqtSlot()
    def retranslate(self) -> None:
        text = self._translator.text
        for editor in self._editors.values():
            editor.retranslate()
        for name, section in self._sections.items():
            section.set_title(text(f"group.{name}"), text("tab.fold_help"))
        self._presets.retranslate()
        self._sums.setAccessibleName(text("tab.sums"))
        self._explain_sums()
        self._bound.setText(text("badge.lower_bound"))
        self._sums.retranslate()
        self._details.retranslate()
        self._name_reset()
        # A new locale or suffix may have changed the number fields.
        self._show(self._model.value)

    def sizeHint(self) -> QSize:
        """Ask for the width that every text needs: a dock gives what is asked for, and a scroll area asks for less."""
        return super().sizeHint().expandedTo(QSize(_WIDTH_PX, 0))

    def _make_editor(self, spec: FieldSpec) -> FieldEditor:
        if spec.kind is Kind.FLAG:
            return FlagEditor(spec, self._translator, self)
        if spec.kind is Kind.SOURCES:
            return SourceEditor(spec, self._translator, self, available=self._sources)
        if spec.kind is not Kind.CHOICE:
            return NumberEditor(spec, self._translator, self)
        return ChoiceEditor(spec, self._translator, self, icon=palette_swatch if spec.key == "palette" else None)

    def _lay_out(self) -> None:
        page = QWidget(self)
        column = QVBoxLayout(page)
        column.setContentsMargins(_MARGIN_PX, 0, _MARGIN_PX, _MARGIN_PX)
        column.addWidget(self._notice)
        essentials = self._make_form([self._editors[key] for key in ESSENTIALS])
        column.addWidget(essentials)
        controls = [*self._editors["enabled"].controls, *self._presets.controls, *essentials.controls]
        for group in Group:
            if group is not Group.SWITCH:
                controls += self._add_section(group, column)
        details = QWidget(self)
        lines = QVBoxLayout(details)
        lines.setContentsMargins(0, 0, 0, 0)
        lines.addWidget(self._details)
        lines.addWidget(self._bound)
        statistics = self._make_section(_STATISTICS, details)
        column.addWidget(statistics)
        column.addWidget(self._reset)
        column.addStretch(1)
        area = QScrollArea(self)
        area.setWidgetResizable(True)
        area.setFrameShape(QFrame.Shape.NoFrame)
        area.setWidget(page)
        head = QVBoxLayout()
        head.setContentsMargins(_MARGIN_PX, _MARGIN_PX, _MARGIN_PX, 0)
        head.addWidget(self._editors["enabled"])
        head.addWidget(self._presets)
        foot = QVBoxLayout()
        foot.setContentsMargins(_MARGIN_PX, 0, _MARGIN_PX, _MARGIN_PX)
        foot.addWidget(self._sums)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(head)
        layout.addWidget(_line(self))
        layout.addWidget(area, 1)
        layout.addWidget(_line(self))
        layout.addLayout(foot)
        self._enlarge_switch()
        for before, after in pairwise([*controls, statistics.heading, self._reset]):
            self.setTabOrder(before, after)

    def _add_section(self, group: Group, column: QVBoxLayout) -> list[QWidget]:
        """Add a group's section, unless it has no field in this run; return its controls from top to bottom."""
        editors = [each for each in self._editors.values() if each.spec.group is group]
        form = self._make_form([each for each in editors if each.spec.key not in ESSENTIALS])
        if form.is_empty:
            form.hide()
            return []
        section = self._make_section(group, form)
        column.addWidget(section)
        return [section.heading, *form.controls]

    def _make_section(self, name: str, body: QWidget) -> FoldSection:
        is_open = self._model.remembered(f"open_{name}", default=name in _OPEN_AT_FIRST)
        section = FoldSection(name, body, self, is_open=is_open)
        section.toggled.connect(self._remember_section)
        self._sections[name] = section
        return section

    def _remember_section(self, name: str, is_open: bool) -> None:  # signature of the signal
        self._model.remember(f"open_{name}", value=is_open)

    def _make_form(self, editors: list[FieldEditor]) -> FieldForm:
        form = FieldForm(editors, self, left_out=self._left_out)
        self._forms.append(form)
        return form

    def _enlarge_switch(self) -> None:
        box = self._editors["enabled"].findChild(QCheckBox)
        if box is not None:
            font = self.font()
            font.setBold(True)
            if font.pixelSize() > 0:  # a host may give sizes in pixels
                font.setPixelSize(round(font.pixelSize() * _SWITCH_SCALE))
            else:
                font.setPointSizeF(font.pointSizeF() * _SWITCH_SCALE)
            box.setFont(font)

    def _reset_or_undo(self) -> None:
        if self._model.undoable == "reset":
            self._model.undo()
        else:
            self._model.reset()

    @pyqtSlot()
    def _name_reset(self) -> None:
        text, can_undo = self._translator.text, self._model.undoable == "reset"
        self._reset.setText(text("tab.undo_reset" if can_undo else "tab.reset"))
        self._reset.setToolTip(wrapping_tooltip(text("tab.undo_reset_help" if can_undo else "tab.reset_help")))

    def _update(self, key: str, value: object) -> None:
        self._model.update(**{key: value})

    @pyqtSlot(object, object)
    def _show(self, settings: HeatmapSettings, _previous: HeatmapSettings | None = None) -> None:
        for key, editor in self._editors.items():
            editor.show_value(getattr(settings, key))
        for form in self._forms:
            form.show_effective(settings)


def _line(parent: QWidget) -> QFrame:
    line = QFrame(parent)
    line.setFrameShape(QFrame.Shape.HLine)
    line.setFrameShadow(QFrame.Shadow.Sunken)
    return line
