"""Actions that follow one setting and set it, for a host's menu or tool bar."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from PyQt6.QtCore import pyqtSlot
from PyQt6.QtGui import QAction, QActionGroup, QKeySequence

from Heatmap.errors import SettingsError
from Heatmap.heatmap_settings import FIELDS, Kind
from Heatmap.ui.widgets.heat_icon import heat_icon
from Heatmap.ui.widgets.text_action import tooltip

if TYPE_CHECKING:
    from PyQt6.QtCore import QObject

    from Heatmap.heatmap_settings import FieldSpec, HeatmapSettings
    from Heatmap.ui.settings_model import SettingsModel
    from Heatmap.ui.translation import Translator

# By the key of the setting; of a choice one for each word, in their order.
SHORTCUTS: Final = {"enabled": ("Ctrl+H",), "bubbles": ("B",), "profile": ("P",), "window": ("1", "2", "3")}
_OBJECT_NAMES: Final = {"enabled": "heatmap_toggle"}


class SettingAction(QAction):
    """A checkable action for one setting: a flag, or one word of a choice.

    Its text is ``toolbar.KEY`` of the catalogue, or else the setting's label; the tooltip ``toolbar.KEY_help``, or else
    the setting's help, with the shortcut. Raises `SettingsError` if there is no such flag.
    """

    def __init__(
        self, key: str, settings: SettingsModel, translator: Translator, *, choice: str = "", parent: QObject
    ) -> None:
        super().__init__(parent)
        self._spec = _spec(key, Kind.CHOICE if choice else Kind.FLAG)
        self._choice = choice
        self._settings = settings
        self._translator = translator
        self.setObjectName(_OBJECT_NAMES.get(key, f"heatmap_{key}{'_' if choice else ''}{choice}"))
        self.setCheckable(True)
        shortcuts = SHORTCUTS.get(key, ())
        index = self._spec.choices.index(choice) if choice else 0
        if index < len(shortcuts):
            self.setShortcut(QKeySequence(shortcuts[index]))
        if key == "enabled":
            self.setIcon(heat_icon())
        self._follow(settings.value)
        self.triggered.connect(self._set)
        settings.changed.connect(self._follow)
        translator.languageChanged.connect(self.retranslate)
        self.changed.connect(self._show_shortcut)
        self.retranslate()

    @pyqtSlot()
    def retranslate(self) -> None:
        key, spec, text = f"toolbar.{self._spec.key}", self._spec, self._translator.text
        if self._choice:
            self.setText(f"{text(spec.label_key)}: {text(spec.choice_key(self._choice))}")
            self.setIconText(self._choice)
        else:
            self.setText(text(key if self._translator.has(key) else spec.label_key))
        self._show_shortcut()

    @pyqtSlot()
    def _show_shortcut(self) -> None:
        """Name the present shortcut, which the host may have changed."""
        key = f"toolbar.{self._spec.key}_help"
        words = self._translator.text(key if self._translator.has(key) else self._spec.help_key)
        self.setToolTip(tooltip(words, self.shortcut()))

    def _set(self, checked: bool) -> None:  # Qt's signature
        self._settings.update(**{self._spec.key: self._choice or checked})
        # A click unchecks a chosen word; the setting has it still.
        self._follow(self._settings.value)

    def _follow(self, settings: HeatmapSettings, *_previous: HeatmapSettings) -> None:
        value = getattr(settings, self._spec.key)
        self.setChecked(value == self._choice if self._choice else value)


def choice_actions(key: str, settings: SettingsModel, translator: Translator, *, parent: QObject) -> QActionGroup:
    """Return one action for each word of a choice; raises `SettingsError` if there is no such choice."""
    group = QActionGroup(parent)
    for choice in _spec(key, Kind.CHOICE).choices:
        group.addAction(SettingAction(key, settings, translator, choice=choice, parent=group))
    return group


def _spec(key: str, kind: Kind) -> FieldSpec:
    spec = FIELDS.get(key)
    if spec is None or spec.kind is not kind:
        names = ", ".join(name for name, each in FIELDS.items() if each.kind is kind)
        raise SettingsError(f"An action of a setting: expected one of {names}, was {key!r}.")
    return spec
