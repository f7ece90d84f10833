"""The legend over the chart: colours in dollars per cell, and the marks on the map."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final, Literal

import numpy as np
from PyQt6.QtCore import QPointF, QRectF, QSize, Qt, pyqtSlot
from PyQt6.QtGui import QColor, QFont, QFontMetricsF, QPainter, QPen

from Heatmap.aggregation.normalization import level_edges
from Heatmap.ui.gl.painter import HATCH_LINE_PX, HATCH_SPACING_PX
from Heatmap.ui.widgets.overlay_widget import FONT_PX, OverlayWidget, ink
from Heatmap.ui.widgets.palette_image import DARK_CHART, LIGHT_CHART, palette_bars
from Heatmap.vocabulary import Normalization

if TYPE_CHECKING:
    from PyQt6.QtGui import QImage
    from PyQt6.QtWidgets import QWidget

    from Heatmap.ui.translation import Translator
    from Heatmap.vocabulary import Sides

Swatch = Literal["hatching", "line"]

_PADDING_PX: Final = 6
_LINE_PX: Final = 13
_BAR_PX: Final = 9
_BAR_LENGTH_PX: Final = 216
_NAME_GAP_PX: Final = 6
_LABEL_GAP_PX: Final = 8
_MAX_LABELS: Final = 4
_SWATCH_PX: Final = 27
_GREY: Final = QColor(128, 128, 128)  # stronger than on the map, for a small swatch
_NONE_KEYS: Final = {"both": "legend.none", "long": "legend.none_long", "short": "legend.none_short"}
_LOWEST_POSITION: Final = 0.04  # further left the colour is hardly visible


def level_position(value_usd: float, normalization: Normalization, reference_usd: float) -> float:
    """Return a value's position on the colour bar: 0 is empty, 1 full colour.

    Not for `Normalization.RANK`, where it depends on all other cells.
    """
    edges = level_edges(normalization, reference_usd, np.empty(0, np.float32))
    return float(np.searchsorted(edges, np.float32(value_usd), side="right")) / edges.size


def round_values(normalization: Normalization, reference_usd: float) -> list[tuple[float, float]]:
    """Return positions and round amounts for labels, the best first.

    Powers of ten come first, then fives, then twos; larger before smaller. None without a reference and for
    `Normalization.RANK`.
    """
    if reference_usd <= 0 or normalization is Normalization.RANK:
        return []
    top = math.floor(math.log10(reference_usd))
    found: list[tuple[float, float]] = []
    for leading in (1, 5, 2):
        for exponent in range(top, top - 4, -1):
            value = leading * 10.0**exponent
            position = level_position(value, normalization, reference_usd)
            if value < reference_usd and position >= _LOWEST_POSITION:
                found.append((position, value))
    return found


class Legend(OverlayWidget):
    """Colour bars with amounts, and the explained marks: hatching and line at the window's beginning."""

    def __init__(self, translator: Translator, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("heatmap_legend")
        font = QFont(self.font())
        font.setPixelSize(FONT_PX)
        self.setFont(font)
        self._translator = translator
        self._palette = ""
        self._normalization = Normalization.LOG
        self._reference_usd = 0.0
        self._dark = True
        self._sides: Sides = "both"
        self._has_gaps = False
        self._window = ""
        self._bars: list[QImage] = []
        self._ground: QColor | None = None
        self._opacity = 1.0
        translator.languageChanged.connect(self.retranslate)
        self.retranslate()

    def set_scale(
        self, palette: str, normalization: str, reference_usd: float, *, dark: bool = True, sides: Sides = "both"
    ) -> None:
        """Set palette, normalisation, the value of a cell at full colour (0: no cell yet), and the sides shown."""
        scale = (palette, Normalization(normalization), reference_usd, dark, sides)
        if scale == (self._palette, self._normalization, self._reference_usd, self._dark, self._sides):
            return
        if (palette, dark) != (self._palette, self._dark):
            self._bars = palette_bars(palette, dark=dark)
        self._palette, self._normalization, self._reference_usd, self._dark, self._sides = scale
        self.retranslate()

    def set_ground(self, ground: QColor | None, opacity: float) -> None:
        """Set what the map lies on, None: the usual colour of a dark or light chart; and its opacity, 0 to 1."""
        if (ground, opacity) != (self._ground, self._opacity):
            self._ground, self._opacity = ground, opacity
            self.update()

    def explain(self, *, gaps: bool, window: str) -> None:
        """Explain the hatching or not, and the line at the beginning of a window, a choice of that setting, or ""."""
        if (gaps, window) != (self._has_gaps, self._window):
            self._has_gaps, self._window = gaps, window
            self.retranslate()

    @pyqtSlot()
    def retranslate(self) -> None:
        self.setFixedSize(self.sizeHint())
        self.update()

    def labels(self) -> list[tuple[float, str]]:
        """Return the labels under the bar: position of the middle, 0 to 1, and text.

        The label at 1 is full colour, "this much or more".
        """
        if self._reference_usd <= 0:
            return [(0.0, self._translator.text(_NONE_KEYS[self._sides]))]
        full = f"≥ {self._translator.format_usd(self._reference_usd)}"
        if self._normalization is Normalization.RANK:
            return [(0.0, self._translator.text("legend.few")), (1.0, full)]
        metrics = QFontMetricsF(self.font())
        chosen = [(1.0, full)]
        taken = [self.label_span(1.0, metrics.horizontalAdvance(full))]
        for position, value in round_values(self._normalization, self._reference_usd):
            text = self._translator.format_usd(value)
            left, right = self.label_span(position, metrics.horizontalAdvance(text))
            if all(right + _LABEL_GAP_PX <= begin or end + _LABEL_GAP_PX <= left for begin, end in taken):
                chosen.append((position, text))
                taken.append((left, right))
            if len(chosen) == _MAX_LABELS:
                break
        return sorted(chosen)

    def explanations(self) -> list[tuple[Swatch, str]]:
        """Return the explained marks and their texts, one line each."""
        lines: list[tuple[Swatch, str]] = []
        if self._window:
            length = self._translator.text(f"settings.window.choice.{self._window}")
            lines.append(("line", self._translator.text("legend.window", window=length)))
        if self._has_gaps:
            lines.append(("hatching", self._translator.text("legend.not_recorded")))
        return lines

    def size_with(self, lines: int) -> QSize:
        """Return the size with so many lines of explanations."""
        rows = 3 if len(self._bars) > 1 else 2
        height = 2 * _PADDING_PX + rows * _LINE_PX - (_LINE_PX - _BAR_PX) // 2
        if len(self._bars) <= 1:
            height += _BAR_PX
        return QSize(round(2 * _PADDING_PX + self._names_px() + _BAR_LENGTH_PX), height + _LINE_PX * lines)

    def sizeHint(self) -> QSize:
        return self.size_with(len(self.explanations()))

    def draw(self, painter: QPainter) -> None:
        border = ink(dark=self._dark)
        border.setAlpha(50)
        self.draw_panel(painter, border, dark=self._dark)
        painter.setPen(ink(dark=self._dark))
        bottom = self._paint_bars(painter, self._ground or (DARK_CHART if self._dark else LIGHT_CHART))
        self._paint_labels(painter, bottom)
        top = bottom + _LINE_PX
        for swatch, words in self.explanations():
            self._paint_explanation(painter, top, swatch, words)
            top += _LINE_PX

    def names(self) -> tuple[str, ...]:
        """Return the names of two bars, empty for one."""
        keys = ("legend.long", "legend.short") if len(self._bars) > 1 else ()
        return tuple(self._translator.text(key) for key in keys)

    def _names_px(self) -> float:
        metrics = QFontMetricsF(self.font())
        widths = [metrics.horizontalAdvance(name) for name in self.names()]
        return math.ceil(max(widths)) + _NAME_GAP_PX if widths else 0.0

    def _paint_bars(self, painter: QPainter, chart: QColor) -> float:
        """Paint names and bars, as the map on the same ground; return the y below them."""
        left, y = _PADDING_PX + self._names_px(), float(_PADDING_PX)
        names = self.names()
        middle = Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft
        if not names:
            title = QRectF(_PADDING_PX, y - 1, _BAR_LENGTH_PX, _LINE_PX)
            painter.drawText(title, middle, self._translator.text("legend.total"))
            y += _LINE_PX
        for index, bar in enumerate(self._bars):
            line_px = _LINE_PX if names else _BAR_PX
            place = QRectF(left, y + (line_px - _BAR_PX) / 2, _BAR_LENGTH_PX, _BAR_PX)
            painter.fillRect(place, chart)
            painter.setOpacity(self._opacity)
            painter.drawImage(place, bar)
            painter.setOpacity(1.0)
            if names:
                painter.drawText(QRectF(_PADDING_PX, y, left, line_px), middle, names[index])
            y += line_px
        return y

    def _paint_labels(self, painter: QPainter, top: float) -> None:
        metrics = QFontMetricsF(self.font())
        origin = _PADDING_PX + self._names_px()
        for position, text in self.labels():
            left, right = self.label_span(position, metrics.horizontalAdvance(text))
            place = QRectF(origin + left, top, right - left + 1, _LINE_PX)
            painter.drawText(place, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft, text)

    def _paint_explanation(self, painter: QPainter, top: float, swatch: Swatch, words: str) -> None:
        """Paint a swatch of the map and its meaning."""
        swatch_box = QRectF(_PADDING_PX, top + (_LINE_PX - _BAR_PX) / 2, _SWATCH_PX, _BAR_PX)
        painter.save()
        if swatch == "hatching":
            _paint_hatching(painter, swatch_box)
        else:
            painter.setPen(QPen(_GREY, 1))
            # In the middle of a pixel, or it is two pixels wide and half as strong.
            middle = math.floor(swatch_box.center().x()) + 0.5
            painter.drawLine(QPointF(middle, top + 0.5), QPointF(middle, top + _LINE_PX - 0.5))
        painter.restore()
        left = swatch_box.right() + _NAME_GAP_PX
        place = QRectF(left, top, self.width() - left, _LINE_PX)
        painter.drawText(place, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft, words)

    @staticmethod
    def label_span(position: float, width_px: float) -> tuple[float, float]:
        """Return where a label lies along the bar: around its position, but within the bar's ends."""
        left = min(max(0.0, position * _BAR_LENGTH_PX - width_px / 2), _BAR_LENGTH_PX - width_px)
        return left, left + width_px


def _paint_hatching(painter: QPainter, swatch_box: QRectF) -> None:
    painter.setClipRect(swatch_box)
    painter.setPen(QPen(_GREY, 1.5 * HATCH_LINE_PX))
    along = swatch_box.left()
    while along < swatch_box.right() + swatch_box.height():
        # Rising to the right, as on the map.
        painter.drawLine(QPointF(along, swatch_box.top()), QPointF(along - swatch_box.height(), swatch_box.bottom()))
        along += HATCH_SPACING_PX
