"""The icon of the heat: bands of warm and cold colours."""

from __future__ import annotations

from typing import Final

from PyQt6.QtCore import QRectF, Qt
from PyQt6.QtGui import QColor, QIcon, QPainter, QPixmap

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


def heat_icon() -> QIcon:
    """Return the icon in all sizes; needs a `QGuiApplication`."""
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
