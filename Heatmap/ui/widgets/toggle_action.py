"""The action that shows and hides the heat, for a host's menu or tool bar."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from PyQt6.QtCore import QObject, QRectF, Qt
from PyQt6.QtGui import QAction, QColor, QIcon, QKeySequence, QPainter, QPixmap

if TYPE_CHECKING:
    from Heatmap.heatmap_settings import HeatmapSettings
    from Heatmap.ui.settings_model import SettingsModel
    from Heatmap.ui.translation import Translator

SHORTCUT: Final = "Ctrl+H"
_SIZES_PX: Final = (16, 24, 32, 48, 64)
# Bands of heat in a square of 16 units: left, top, width, colour; seen on light and on dark tool bars.
_BANDS: Final = (
    (5, 1, 10, "#d98a1f"),
    (1, 4, 14, "#f2b84b"),
    (8, 7, 7, "#b46a12"),
    (3, 10, 12, "#4f7fd6"),
    (7, 13, 8, "#7fa6ea"),
)
_BAND_HEIGHT: Final = 2
_GRID: Final = 16


class ToggleAction(QAction):
    """A checkable action that follows the setting ``enabled``, and sets it; icon, shortcut, text in every language."""

    def __init__(self, settings: SettingsModel, translator: Translator, *, parent: QObject) -> None:
        super().__init__(parent)
        self.setObjectName("heatmap_toggle")
        self._translator = translator
        self._settings = settings
        self.setCheckable(True)
        self.setChecked(settings.value.enabled)
        self.setShortcut(QKeySequence(SHORTCUT))
        self.setIcon(_icon())
        self.toggled.connect(self._set_enabled)
        settings.changed.connect(self._follow)
        translator.languageChanged.connect(self.retranslate)
        self.retranslate()

    def retranslate(self) -> None:
        text = self._translator.text
        self.setText(text("toolbar.heatmap"))
        self.setToolTip(f"{text('toolbar.heatmap_help')} ({self.shortcut().toString(_NATIVE)})")

    def _set_enabled(self, enabled: bool) -> None:  # Qt's signature
        self._settings.update(enabled=enabled)

    def _follow(self, settings: HeatmapSettings, _previous: HeatmapSettings) -> None:
        self.setChecked(settings.enabled)


_NATIVE: Final = QKeySequence.SequenceFormat.NativeText


def _icon() -> QIcon:
    icon = QIcon()
    for size_px in _SIZES_PX:
        pixmap = QPixmap(size_px, size_px)
        pixmap.fill(Qt.GlobalColor.transparent)
        painter = QPainter(pixmap)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.scale(size_px / _GRID, size_px / _GRID)
        for left, top, width, color in _BANDS:
            painter.fillRect(QRectF(left, top, width, _BAND_HEIGHT), QColor(color))
        painter.end()
        icon.addPixmap(pixmap)
    return icon
