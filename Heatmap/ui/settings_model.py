"""The current settings: one value, a signal when it changes, and its store."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from PyQt6.QtCore import QCoreApplication, QObject, QSettings, pyqtSignal, pyqtSlot

from Heatmap.events import Source
from Heatmap.heatmap_settings import FIELDS, HeatmapSettings
from Heatmap.ui.presets import Presets
from Heatmap.ui.timer import new_timer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from Heatmap.ui.presets import UndoStep

_LOG = logging.getLogger(__name__)
_PREFIX: Final = "heatmap/"
_FORM_PREFIX: Final = "heatmap/form/"
_FLAGS: Final = {"true": True, "false": False}
_SYNC_DELAY_MS: Final = 500
_STATUS_TEXTS: Final = {
    QSettings.Status.AccessError: "cannot be read or written",
    QSettings.Status.FormatError: "is damaged; what cannot be read has its default",
}


class SettingsModel(QObject):
    """The current `HeatmapSettings`, stored when the user changes them.

    The store keeps the values under ``heatmap/<key>``; None keeps nothing. A damaged or unwritable store is logged, and
    the defaults are used. Overrides are values for this run only, e.g. the window of a replay: they are not stored, and
    each is dropped when the user changes its field. A wrong override raises `SettingsError`. What a host has
    ``recorded``, if not Binance, is shown in this run unless it is part of the stored choice of sources.
    """

    changed = pyqtSignal(object, object)  # new, previous `HeatmapSettings`; emitted only when they differ
    undoChanged = pyqtSignal()  # `undoable`

    def __init__(
        self,
        store: QSettings | None = None,
        *,
        overrides: Mapping[str, object] | None = None,
        recorded: str = Source.BINANCE,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._store = store
        self._overrides = dict(overrides or {})
        self._reported_status = QSettings.Status.NoError
        stored = self._read()
        if recorded not in (Source.BINANCE, *stored.sources):
            self._overrides.setdefault("source", recorded)
        self._value = stored.replaced(**self._overrides)
        self._undo: tuple[UndoStep, HeatmapSettings] | None = None
        self.presets = Presets(self, store, self)
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
        if value != self._value:
            self._set_undo(None)
        self._set(value)

    def reset(self) -> None:
        """Return every field to its default, or to its override; `undo` takes it back."""
        previous = self._value
        if self._store is not None:
            for key in FIELDS:
                self._store.remove(_PREFIX + key)
            self._sync_timer.start()
        self._set(HeatmapSettings().replaced(**self._overrides))
        self.offer_undo(previous, "reset")

    @property
    def undoable(self) -> UndoStep | None:
        """What `undo` takes back: the last step, if it was a reset or a preset; None if it was anything else."""
        return None if self._undo is None else self._undo[0]

    def offer_undo(self, previous: HeatmapSettings, step: UndoStep) -> None:
        """Make `undo` return to these settings until the next change."""
        self._set_undo((step, previous) if previous != self._value else None)

    def undo(self) -> None:
        """Return to the settings before the last reset or preset; nothing if a field was changed since."""
        if self._undo is not None:
            self.update(**self._undo[1].as_mapping())

    def remembered(self, name: str, *, default: bool) -> bool:
        """Return what `remember` stored for a name, e.g. whether a section of the form is open."""
        raw = self._store.value(_FORM_PREFIX + name) if self._store is not None else None
        return _FLAGS.get(str(raw).lower(), default)

    def remember(self, name: str, *, value: bool) -> None:
        """Store a state of the form, which is none of the settings."""
        if self._store is not None:
            self._store.setValue(_FORM_PREFIX + name, value)

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

    def _set_undo(self, undo: tuple[UndoStep, HeatmapSettings] | None) -> None:
        if undo != self._undo:
            self._undo = undo
            self.undoChanged.emit()

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
