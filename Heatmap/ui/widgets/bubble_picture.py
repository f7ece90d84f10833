"""Pictures of the bubbles and their labels, drawn once each and kept."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from PyQt6.QtCore import QPointF, QRectF, Qt
from PyQt6.QtGui import QColor, QFont, QFontMetricsF, QImage, QPainter, QPen

from Heatmap.aggregation.palettes import find_palette
from Heatmap.ui.widgets.overlay_widget import ink, letters
from Heatmap.ui.widgets.palette_image import DARK_CHART, LIGHT_CHART

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    import numpy as np
    from numpy.typing import NDArray

# Level of the palette's table: near its full colour, where hues differ most. Of a palette of sums, of longs and shorts.
_LEVEL: Final = 200
_SUM_LEVELS: Final = (225, 120)
_FILL: Final = 0.5  # opacity of a bubble; its candle shines through
_EDGE_PX: Final = 1.5
# Around letters lies a halo in the chart's colour: offsets in CSS pixels.
_HALO_PX: Final = 1.0
_HALO: Final = ((-_HALO_PX, -_HALO_PX), (_HALO_PX, -_HALO_PX), (-_HALO_PX, _HALO_PX), (_HALO_PX, _HALO_PX))
_KEPT: Final = 512


@dataclass(frozen=True, slots=True)
class BubbleLook:
    """Colours and font of all bubbles."""

    palette: str
    dark: bool
    font: str  # `QFont.toString`

    def colors(self) -> tuple[QColor, QColor]:
        """Return the colours of a liquidated long and a liquidated short."""
        palette = find_palette(self.palette)
        tables = palette.for_background(self.dark)
        long_level, short_level = (_LEVEL, _LEVEL) if palette.is_bivariate else _SUM_LEVELS
        return _color(tables[-1][long_level]), _color(tables[0][short_level])


class BubblePictures:
    """Cache of pictures in one look; lengths in CSS pixels, ``ratio`` device pixels each."""

    def __init__(self, look: BubbleLook, ratio: float) -> None:
        self.look, self.ratio = look, ratio
        self._font = QFont()
        self._font.fromString(look.font)
        self._font = letters(self._font)
        self._metrics = QFontMetricsF(self._font)
        self._long, self._short = look.colors()
        self._images: dict[Hashable, QImage] = {}
        self._sizes: dict[tuple[str, ...], tuple[float, float]] = {}

    def text_size_px(self, *lines: str) -> tuple[float, float]:
        """Return width and height of some lines of text."""
        if lines not in self._sizes:
            if len(self._sizes) >= _KEPT:
                self._sizes.clear()
            width = max(self._metrics.horizontalAdvance(line) for line in lines)
            self._sizes[lines] = (width, len(lines) * self._metrics.height())
        return self._sizes[lines]

    def label_size_px(self, text: str) -> tuple[float, float]:
        """Return width and height of a label: a line of text with its halo."""
        width, height = self.text_size_px(text)
        return width + 2.0 * _HALO_PX, height

    def bubble(self, radius_px: float, lines: tuple[str, ...], *, is_long: bool) -> QImage:
        """Return a circle with lines of text in its middle, which is the picture's middle."""
        return self._kept(("bubble", radius_px, lines, is_long), lambda: self._draw_bubble(radius_px, lines, is_long))

    def label(self, text: str) -> QImage:
        """Return a line of text, with the size of `label_size_px`."""
        return self._kept(("label", text), lambda: self._draw_label(text))

    def _kept(self, key: Hashable, draw: Callable[[], QImage]) -> QImage:
        image = self._images.get(key)
        if image is None:
            if len(self._images) >= _KEPT:
                self._images.clear()
            image = self._images[key] = draw()
        return image

    def _draw_bubble(self, radius_px: float, lines: tuple[str, ...], is_long: bool) -> QImage:
        side_px = 2.0 * radius_px + 2.0
        image, painter = self._blank(side_px, side_px)
        # Whole device pixels may be a little more.
        middle = QPointF(image.width(), image.height()) / (2.0 * self.ratio)
        edge = self._long if is_long else self._short
        fill = QColor(edge)
        fill.setAlphaF(_FILL)
        painter.setBrush(fill)
        painter.setPen(QPen(edge, _EDGE_PX))
        painter.drawEllipse(middle, radius_px - _EDGE_PX / 2.0, radius_px - _EDGE_PX / 2.0)
        height = self._metrics.height()
        for number, line in enumerate(lines):
            top = middle.y() + (number - len(lines) / 2.0) * height
            self._draw_text(painter, line, QRectF(0.0, top, 2.0 * middle.x(), height))
        painter.end()
        return image

    def _draw_label(self, text: str) -> QImage:
        width, height = self.label_size_px(text)
        image, painter = self._blank(width, height)
        self._draw_text(painter, text, QRectF(0.0, 0.0, width, height))
        painter.end()
        return image

    def _draw_text(self, painter: QPainter, text: str, box: QRectF) -> None:
        flags = Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextDontClip
        # Letters drawn all around are far cheaper than the outline of their paths.
        painter.setPen(DARK_CHART if self.look.dark else LIGHT_CHART)
        for across_px, down_px in _HALO:
            painter.drawText(box.translated(across_px, down_px), flags, text)
        painter.setPen(ink(dark=self.look.dark))
        painter.drawText(box, flags, text)

    def _blank(self, width_px: float, height_px: float) -> tuple[QImage, QPainter]:
        size = (math.ceil(width_px * self.ratio), math.ceil(height_px * self.ratio))
        image = QImage(*size, QImage.Format.Format_RGBA8888_Premultiplied)
        image.fill(Qt.GlobalColor.transparent)
        painter = QPainter(image)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setFont(self._font)
        painter.scale(self.ratio, self.ratio)
        return image, painter


def _color(pixel: NDArray[np.uint8]) -> QColor:
    """Return a premultiplied pixel, uint8 (4,), as an opaque colour."""
    red, green, blue, alpha = (int(channel) for channel in pixel)
    return QColor(*(min(255, round(255 * channel / alpha)) for channel in (red, green, blue)))
