"""Size, place and docks of the window from one run to the next."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from PyQt6.QtCore import QByteArray

if TYPE_CHECKING:
    from PyQt6.QtCore import QSettings
    from PyQt6.QtWidgets import QMainWindow

log = logging.getLogger(__name__)

GEOMETRY_KEY: Final = "program/geometry"
STATE_KEY: Final = "program/docks"
VERSION: Final = 1  # of the docks and their names; a stored state of another one is left aside


def restore(window: QMainWindow, store: QSettings) -> None:
    """Give the window its stored size, place and docks; what is missing or damaged changes nothing.

    Qt brings a window that would be on no screen back to one. All docks must have been made.
    """
    for key, take in (
        (GEOMETRY_KEY, window.restoreGeometry),
        (STATE_KEY, lambda state: window.restoreState(state, VERSION)),
    ):
        stored = store.value(key)
        if stored is None:
            continue
        # Bytes are how it was stored before.
        state = stored if isinstance(stored, QByteArray) else QByteArray.fromBase64(str(stored).encode())
        if not take(state):
            log.warning("%s: %s cannot be read and is left aside", store.fileName(), key)


def save(window: QMainWindow, store: QSettings) -> None:
    """Store the window's size, place and docks, as text: bytes could look like an object; see `settings_file`."""
    for key, state in ((GEOMETRY_KEY, window.saveGeometry()), (STATE_KEY, window.saveState(VERSION))):
        store.setValue(key, state.toBase64().data().decode())
