"""Row of the settings tab in which a preset is chosen, saved and deleted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PyQt6.QtCore import QSignalBlocker, Qt, pyqtSlot
from PyQt6.QtGui import QAction
from PyQt6.QtWidgets import (
    QComboBox,
    QHBoxLayout,
    QInputDialog,
    QLabel,
    QMenu,
    QSizePolicy,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from Heatmap.errors import SettingsError
from Heatmap.ui.presets import MAX_NAME_LENGTH
from Heatmap.ui.widgets.field_editors import keep_wheel_for_scrolling, wrapping_tooltip

if TYPE_CHECKING:
    from Heatmap.ui.settings_model import SettingsModel
    from Heatmap.ui.translation import Translator


class PresetBar(QWidget):
    """Shows which preset the settings are, and changes them to another."""

    def __init__(self, model: SettingsModel, translator: Translator, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._model = model
        self._translator = translator
        self._name = QLabel(self)
        self._choice = QComboBox(self)
        self._choice.setObjectName("heatmap_preset")
        self._choice.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self._choice.setMinimumContentsLength(8)
        self._choice.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        keep_wheel_for_scrolling(self, [self._choice])
        self._name.setBuddy(self._choice)
        self._save, self._delete, self._undo = QAction(self), QAction(self), QAction(self)
        self._save.setObjectName("heatmap_preset_save")
        self._delete.setObjectName("heatmap_preset_delete")
        self._undo.setObjectName("heatmap_preset_undo")
        menu = QMenu(self)
        menu.addActions([self._save, self._delete, self._undo])
        self._menu = QToolButton(self)
        self._menu.setObjectName("heatmap_preset_menu")
        self._menu.setText("…")
        self._menu.setMenu(menu)
        self._menu.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self._note = QLabel(self)
        self._note.setObjectName("heatmap_preset_note")
        self._note.setWordWrap(True)
        self._note.setTextFormat(Qt.TextFormat.PlainText)
        self._note.hide()
        row = QHBoxLayout()
        row.addWidget(self._name)
        row.addWidget(self._choice, 1)
        row.addWidget(self._menu)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(row)
        layout.addWidget(self._note)
        self._choice.activated.connect(self._chosen)
        self._save.triggered.connect(self._ask_name)
        self._delete.triggered.connect(self._delete_chosen)
        self._undo.triggered.connect(model.undo)
        model.undoChanged.connect(self._show_undo)
        model.presets.changed.connect(self.retranslate)
        model.changed.connect(self._show)

    @property
    def controls(self) -> list[QWidget]:
        """What takes the keyboard, from left to right."""
        return [self._choice, self._menu]

    @pyqtSlot()
    def retranslate(self) -> None:
        text, presets = self._translator.text, self._model.presets
        self._name.setText(text("preset.label"))
        help_text = wrapping_tooltip(text("preset.help"))
        self._name.setToolTip(help_text)
        self._choice.setToolTip(help_text)
        self._choice.setPlaceholderText(text("preset.none"))
        self._menu.setAccessibleName(text("preset.menu"))
        self._menu.setToolTip(text("preset.menu"))
        self._save.setText(text("preset.save"))
        self._undo.setText(text("preset.undo"))
        with QSignalBlocker(self._choice):
            self._choice.clear()
            for name in presets.names():
                self._choice.addItem(text(f"preset.{name}") if presets.is_built_in(name) else name, name)
        self._show()

    @pyqtSlot()
    def _show(self) -> None:
        """Show the preset that the settings are now."""
        with QSignalBlocker(self._choice):
            self._choice.setCurrentIndex(self._choice.findData(self._model.presets.current()))
        self._say("")
        self._show_deletable()
        self._show_undo()

    @pyqtSlot()
    def _show_undo(self) -> None:
        self._undo.setEnabled(self._model.undoable == "preset")

    def _show_deletable(self) -> None:
        name = self._choice.currentData()
        can_delete = name is not None and not self._model.presets.is_built_in(name)
        self._delete.setEnabled(can_delete)
        self._delete.setText(
            self._translator.text("preset.delete", name=name.replace("&", "&&") if can_delete else "").strip()
        )

    def _chosen(self, _row: int) -> None:
        name = self._choice.currentData()
        try:
            problems = self._model.presets.apply(name)
        except SettingsError:
            self._say(self._translator.text("preset.unreadable", name=name))
            self._show_deletable()
            return
        self._show()
        if problems:
            self._say(self._translator.text("preset.damaged", name=name))

    def _say(self, sentence: str) -> None:
        self._note.setText(sentence)
        self._note.setVisible(bool(sentence))

    def _ask_name(self) -> None:
        """Ask in a dialog that leaves the event loop alone."""
        text, presets = self._translator.text, self._model.presets
        dialog = QInputDialog(self)
        dialog.setObjectName("heatmap_preset_dialog")
        dialog.setWindowTitle(text("preset.label").replace("&", ""))
        dialog.setLabelText(text("preset.name", most=MAX_NAME_LENGTH))
        name = presets.current()
        dialog.setTextValue(name if name is not None and not presets.is_built_in(name) else "")
        dialog.setOkButtonText(text("preset.ok"))
        dialog.setCancelButtonText(text("preset.cancel"))
        dialog.textValueSelected.connect(self._save_as)
        dialog.finished.connect(dialog.deleteLater)
        dialog.open()

    def _save_as(self, name: str) -> None:
        try:
            self._model.presets.save(name)
        except SettingsError:
            self._say(self._translator.text("preset.refused", most=MAX_NAME_LENGTH))

    def _delete_chosen(self) -> None:
        self._model.presets.delete(self._choice.currentData())
