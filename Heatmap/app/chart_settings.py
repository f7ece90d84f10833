"""The program's own settings of its chart; those of the heat are the plugin's."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final, TypeVar

from PyQt6.QtCore import QObject, QSettings, pyqtSignal

from Heatmap.app.candle_look import CandleLook

if TYPE_CHECKING:
    from enum import StrEnum

log = logging.getLogger(__name__)

BODY_KEY: Final = "program/candle_body"
COLOURS_KEY: Final = "program/candle_colours"

_Choice = TypeVar("_Choice", bound="StrEnum")


class ChartSettings(QObject):
    """The look of the candles, stored when it changes; what cannot be read has its default and is logged."""

    changed = pyqtSignal(object)  # CandleLook

    def __init__(self, store: QSettings, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._store = store
        default = CandleLook()
        self._look = CandleLook(self._stored(BODY_KEY, default.body), self._stored(COLOURS_KEY, default.colours))

    @property
    def look(self) -> CandleLook:
        """The look in force."""
        return self._look

    def set_look(self, look: CandleLook) -> None:
        """Change and store the look."""
        if look == self._look:
            return
        self._look = look
        # A StrEnum member would be stored as a pickled object.
        self._store.setValue(BODY_KEY, str(look.body))
        self._store.setValue(COLOURS_KEY, str(look.colours))
        self.changed.emit(look)

    def _stored(self, key: str, default: _Choice) -> _Choice:
        word = self._store.value(key, str(default))
        try:
            return type(default)(word)
        except ValueError:
            choices = ", ".join(type(default))
            log.warning("%s: expected one of %s for %s, was %r", self._store.fileName(), choices, key, word)
            return default
