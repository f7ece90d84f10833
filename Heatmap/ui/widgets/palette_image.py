"""Palettes as small images, for the list in the settings and the legend's bars."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from PyQt6.QtCore import QRect, QSize
from PyQt6.QtGui import QColor, QIcon, QImage, QPainter, QPixmap

from Heatmap.aggregation.palettes import find_palette

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

DARK_CHART: Final = QColor(0x0E, 0x11, 0x16)
LIGHT_CHART: Final = QColor(0xFF, 0xFF, 0xFF)
_SWATCH_SIZE: Final = QSize(80, 24)  # twice the icon's size, for dense screens


def palette_bars(name: str, *, dark: bool) -> list[QImage]:
    """Return a palette's colours from empty to full as images of 256 x 1 pixels.

    One image for a palette of the sum; two for a bivariate one, long and short. An unknown name raises `GridError`.
    """
    palette = find_palette(name)
    tables = palette.for_background(dark)
    return [_image(table) for table in ((tables[-1], tables[0]) if palette.is_bivariate else (tables[0],))]


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


def _image(table: NDArray[np.uint8]) -> QImage:
    """Return uint8 (256, 4), premultiplied RGBA, as an image of one row that owns its pixels."""
    levels = len(table)
    image_format = QImage.Format.Format_RGBA8888_Premultiplied
    return QImage(table.tobytes(), levels, 1, 4 * levels, image_format).copy()
