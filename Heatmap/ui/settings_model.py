"""The current settings: one value, a signal when it changes, and its store."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from PyQt6.QtCore import QCoreApplication, QObject, QSettings, pyqtSignal, pyqtSlot

from Heatmap.heatmap_settings import FIELDS, HeatmapSettings
from Heatmap.ui.timer import new_timer

if TYPE_CHECKING:
    from collections.abc import Mapping

_LOG = logging.getLogger(__name__)
_PREFIX: Final = "heatmap/"
_SYNC_DELAY_MS: Final = 500
_STATUS_TEXTS: Final = {
    QSettings.Status.AccessError: "cannot be read or written",
    QSettings.Status.FormatError: "is damaged; what cannot be read has its default",
}


class SettingsModel(QObject):
    """The current `HeatmapSettings`, stored when the user changes them.

    The store keeps the values under ``heatmap/<key>``; None keeps nothing. A damaged or unwritable store is logged, and
    the defaults are used. Overrides are values for this run only, e.g. the window of a replay: they are not stored, and
    each is dropped when the user changes its field. A wrong override raises `SettingsError`.
    """

    changed = pyqtSignal(object, object)  # new, previous `HeatmapSettings`; emitted only when they differ

    def __init__(
        self,
        store: QSettings | None = None,
        *,
        overrides: Mapping[str, object] | None = None,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._store = store
        self._overrides = dict(overrides or {})
        self._reported_status = QSettings.Status.NoError
        self._value = self._read().replaced(**self._overrides)
        self._sync_timer = new_timer(self, _SYNC_DELAY_MS, self.flush)
        application = QCoreApplication.instance()
        if application is not None:
            application.aboutToQuit.connect(self.flush)

    @property
    def value(self) -> HeatmapSettings:
        """The settings in force."""
        return self._value

    @property
    def store(self) -> QSettings | None:
        """Where the values are kept, for what is stored beside them."""
        return self._store

    def update(self, **changes: object) -> None:
        """Change and store some fields; an unknown name or a wrong value raises `SettingsError`, changing none."""
        value = self._value.replaced(**changes)
        previous = self._value.as_mapping()
        for key, new in value.as_mapping().items():
            if new != previous[key]:
                self._overrides.pop(key, None)
                if self._store is not None:
                    # A StrEnum member would be stored as a pickled object.
                    self._store.setValue(_PREFIX + key, str(new) if isinstance(new, str) else new)
                    self._sync_timer.start()
        self._set(value)

    def reset(self) -> None:
        """Return every field to its default, or to its override."""
        if self._store is not None:
            for key in FIELDS:
                self._store.remove(_PREFIX + key)
            self._sync_timer.start()
        self._set(HeatmapSettings().replaced(**self._overrides))

    @pyqtSlot()
    def flush(self) -> None:
        """Write to disk now; else it happens half a second after the last change and at the program's end."""
        self._sync_timer.stop()
        if self._store is not None:
            self._store.sync()
            self._report_status(self._store)

    def _set(self, value: HeatmapSettings) -> None:
        previous, self._value = self._value, value
        if value != previous:
            self.changed.emit(value, previous)

    def _read(self) -> HeatmapSettings:
        if self._store is None:
            return HeatmapSettings()
        self._report_status(self._store)
        stored = {key: self._store.value(_PREFIX + key) for key in FIELDS if self._store.contains(_PREFIX + key)}
        settings, problems = HeatmapSettings.from_mapping(stored)
        for problem in problems:
            _LOG.warning("%s: %s", self._store.fileName(), problem)
        return settings

    def _report_status(self, store: QSettings) -> None:
        status = store.status()
        if status is QSettings.Status.NoError and not store.isWritable():
            status = QSettings.Status.AccessError
        if status is not self._reported_status and status in _STATUS_TEXTS:
            _LOG.warning("The settings file %s %s.", store.fileName(), _STATUS_TEXTS[status])
        self._reported_status = status
