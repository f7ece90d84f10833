"""The current settings of alerts: one value, a signal when it changes, and its store."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from PyQt6.QtCore import QObject, pyqtSignal

from Heatmap.alert_rules import AlertSettings
from Heatmap.errors import SettingsError

if TYPE_CHECKING:
    from PyQt6.QtCore import QSettings

_LOG = logging.getLogger(__name__)
_KEY: Final = "alerts/settings"


class AlertModel(QObject):
    """The current `AlertSettings`, stored as JSON when they change; a damaged store is logged, and nothing is on."""

    changed = pyqtSignal(object)  # AlertSettings

    def __init__(self, store: QSettings | None = None, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._store = store
        self._value = self._read()

    @property
    def value(self) -> AlertSettings:
        """The settings in force."""
        return self._value

    def update(self, **changes: object) -> None:
        """Change and store some fields; an impossible value raises `SettingsError` and changes none."""
        value = self._value.replaced(**changes)
        if value != self._value:
            self._value = value
            if self._store is not None:
                self._store.setValue(_KEY, value.to_text())
            self.changed.emit(value)

    def _read(self) -> AlertSettings:
        text = self._store.value(_KEY) if self._store is not None else None
        if text is None:
            return AlertSettings()
        try:
            return AlertSettings.from_text(text if isinstance(text, str) else repr(text))
        except SettingsError as error:
            _LOG.warning("The alerts are off, because their settings cannot be read: %s", error)
            return AlertSettings()
