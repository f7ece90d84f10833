"""Palettes as small images, for the list in the settings and the legend's bars."""

from __future__ import annotations

from typing import Final

from PyQt6.QtCore import QRect, QSize
from PyQt6.QtGui import QColor, QIcon, QImage, QPainter, QPixmap

from Heatmap.aggregation.palettes import find_palette

DARK_CHART: Final = QColor(0x0E, 0x11, 0x16)
LIGHT_CHART: Final = QColor(0xFF, 0xFF, 0xFF)
_SWATCH_SIZE: Final = QSize(80, 24)  # twice the icon's size, for dense screens


def palette_bars(name: str, *, dark: bool) -> list[QImage]:
    """Return a palette's colours from empty to full as images of 256 x 1 pixels.

    One image for a palette of the sum; two for a bivariate one, long and short. An unknown name raises `GridError`.
    """
    palette = find_palette(name)
    tables = palette.for_background(dark)  # uint8 (256, 4), premultiplied RGBA
    bars = (tables[-1], tables[0]) if palette.is_bivariate else (tables[0],)
    image_format = QImage.Format.Format_RGBA8888_Premultiplied
    # The copy owns its pixels.
    return [QImage(bar.tobytes(), len(bar), 1, 4 * len(bar), image_format).copy() for bar in bars]


def palette_swatch(name: str) -> QIcon:
    """Return a palette's colours on a dark chart as an icon, long above short where it has both."""
    pixmap = QPixmap(_SWATCH_SIZE)
    pixmap.fill(DARK_CHART)
    bars = palette_bars(name, dark=True)
    height = _SWATCH_SIZE.height() // len(bars)
    painter = QPainter(pixmap)
    for index, bar in enumerate(bars):
        painter.drawImage(QRect(0, index * height, _SWATCH_SIZE.width(), height), bar)
    painter.end()
    return QIcon(pixmap)
