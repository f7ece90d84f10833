"""The legend over the chart: colours in dollars per cell, a histogram of the cells, and the marks on the map."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

import numpy as np
from PyQt6.QtCore import QPointF, QRectF, QSize, Qt, pyqtSlot
from PyQt6.QtGui import QColor, QFontMetricsF, QImage, QPainter, QPen

from Heatmap.rendering.colour_axis import BINS, STEPS
from Heatmap.ui.gl.painter import HATCH_LINE_PX, HATCH_SPACING_PX, HATCH_STRENGTH, LIGHT_HATCH_STRENGTH, OLDER_SHARE
from Heatmap.ui.widgets.overlay_widget import LetteredWidget, ink
from Heatmap.ui.widgets.palette_image import DARK_CHART, LIGHT_CHART, palette_bars
from Heatmap.vocabulary import Normalization

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PyQt6.QtWidgets import QWidget

    from Heatmap.rendering.colour_axis import ColourAxis
    from Heatmap.ui.translation import Translator
    from Heatmap.vocabulary import Sides

Swatch = Literal["line", "older", "cut", "hatching", "light", "trail"]
Handle = Literal["floor", "ceiling"]

_PADDING_PX: Final = 6
_LINE_PX: Final = 13
_BAR_PX: Final = 9
_HISTOGRAM_PX: Final = 12
_GRIP_PX: Final = 5
_FOCUS: Final = QColor(59, 130, 246)
_MANY_CELLS: Final = 8_888
_NAME_GAP_PX: Final = 6
_LABEL_GAP_PX: Final = 6
_MAX_LABELS: Final = 4
_SWATCH_PX: Final = 27
_GREY: Final = QColor(128, 128, 128)  # stronger than on the map, for a small swatch
_LIGHT_GREY: Final = QColor(128, 128, 128, round(255 * LIGHT_HATCH_STRENGTH / HATCH_STRENGTH))
_NONE_KEYS: Final = {"both": "legend.none", "long": "legend.none_long", "short": "legend.none_short"}
_LOWEST_POSITION: Final = 0.04  # further left the colour is hardly visible


def round_values(axis: ColourAxis) -> list[tuple[float, float]]:
    """Return positions and round amounts for labels, the best first.

    Powers of ten come first, then fives, then twos; larger before smaller.
    """
    top = math.floor(math.log10(axis.usd[-1]))
    found: list[tuple[float, float]] = []
    for leading in (1, 5, 2):
        for exponent in range(top, top - 4, -1):
            value = leading * 10.0**exponent
            position = axis.position(value)
            if value < axis.usd[-1] and position >= _LOWEST_POSITION:
                found.append((position, value))
    return found


@dataclass(frozen=True, slots=True)
class Marks:
    """What is on the map and needs an explanation."""

    window: str = ""  # line at the beginning of a window, a choice of that setting
    older: bool = False  # heat before the window
    cut: bool = False  # a time whose events were too many to be read
    gaps: bool = False  # hatching
    gaps_of_some: bool = False  # light hatching
    trail: bool = False

    @property
    def count(self) -> int:
        """Number of lines that explain them."""
        return sum(map(bool, (self.window, self.older, self.cut, self.gaps, self.gaps_of_some, self.trail)))


class Legend(LetteredWidget):
    """Colour bars with amounts, histogram and range, and the explained marks.

    It only paints; `LegendRange` takes mouse and keyboard.
    """

    def __init__(self, translator: Translator, parent: QWidget | None = None) -> None:
        super().__init__(_LINE_PX, parent)
        self.setObjectName("heatmap_legend")
        self._translator = translator
        self._palette = ""
        self._normalization = Normalization.LOG
        self._axis: ColourAxis | None = None
        self._range_usd = (0, 0)
        self._active: Handle | None = None
        self._is_compact = False
        self._dark = True
        self._sides: Sides = "both"
        self._marks = Marks()
        self._bars: list[QImage] = []
        self._names_px = 0.0
        self._ground: QColor | None = None
        self._opacity = 1.0
        translator.languageChanged.connect(self.retranslate)
        self.retranslate()

    @property
    def axis(self) -> ColourAxis | None:
        """The axis of the bars, None while there are no cells."""
        return self._axis

    def set_scale(
        self, palette: str, normalization: str, axis: ColourAxis | None, *, dark: bool = True, sides: Sides = "both"
    ) -> None:
        """Set palette, normalisation, the axis (None: no cell yet), and the sides shown."""
        scale = (palette, Normalization(normalization), axis, dark, sides)
        if scale == (self._palette, self._normalization, self._axis, self._dark, self._sides):
            return
        if (palette, dark) != (self._palette, self._dark):
            self._bars = palette_bars(palette, dark=dark)
        self._palette, self._normalization, self._axis, self._dark, self._sides = scale
        self.retranslate()

    def set_range(self, floor_usd: int, ceiling_usd: int, active: Handle | None) -> None:
        """Set where the handles are, see `HeatmapSettings`, and which one has the focus."""
        if (floor_usd, ceiling_usd, active) != (*self._range_usd, self._active):
            self._range_usd, self._active = (floor_usd, ceiling_usd), active
            self.update()

    def set_compact(self, is_compact: bool) -> None:  # as Qt's setters
        """Leave out the histogram, or show it."""
        if is_compact != self._is_compact:
            self._is_compact = is_compact
            self.retranslate()

    def set_ground(self, ground: QColor | None, opacity: float) -> None:
        """Set what the map lies on, None: the usual colour of a dark or light chart; and its opacity, 0 to 1."""
        if (ground, opacity) != (self._ground, self._opacity):
            self._ground, self._opacity = ground, opacity
            self.update()

    def explain(self, marks: Marks) -> None:
        """Explain these marks and no others."""
        if marks != self._marks:
            self._marks = marks
            self.retranslate()

    @pyqtSlot()
    def retranslate(self) -> None:
        self.fit()

    def fit(self) -> None:
        self._names_px = self._measure_names()
        self.setFixedSize(self.sizeHint())
        self.update()

    def labels(self) -> list[tuple[float, str]]:
        """Return the labels under the bar: position of the middle, 0 to 1, and text.

        The one of full colour means "this much or more". The least amount that is painted has one, too.
        """
        axis, words = self._axis, self._translator
        if axis is None:
            return [(0.0, words.text(_NONE_KEYS[self._sides]))]
        wanted = [(axis.position(axis.full_usd), f"≥ {words.format_usd(axis.full_usd)}")]
        if axis.floor_usd > 0:
            wanted.append((axis.position(axis.floor_usd), words.format_usd(axis.floor_usd)))
        if self._normalization is Normalization.RANK:
            wanted.append((0.0, words.text("legend.few")))
        else:
            wanted += [(position, words.format_usd(value)) for position, value in round_values(axis)]
        metrics = QFontMetricsF(self.drawn_font)
        chosen: list[tuple[float, str]] = []
        taken: list[tuple[float, float]] = []
        for position, text in wanted:
            left, right = self.label_span(position, metrics.horizontalAdvance(text))
            if all(right + _LABEL_GAP_PX <= begin or end + _LABEL_GAP_PX <= left for begin, end in taken):
                chosen.append((position, text))
                taken.append((left, right))
            if len(chosen) == _MAX_LABELS:
                break
        return sorted(chosen)

    def hidden(self) -> str:
        """Return how many cells the floor hides, "" without a floor."""
        if self._axis is None or self._axis.floor_usd <= 0:
            return ""
        return self._hidden_text(self._axis.hidden)

    def handle_px(self, handle: Handle) -> float | None:
        """Return the middle of a handle, pixels from the left; None without cells."""
        if self._axis is None:
            return None
        floor_usd, ceiling_usd = self._range_usd
        usd = floor_usd if handle == "floor" else ceiling_usd or self._axis.automatic_usd
        return self.bars_box().left() + self._axis.position(usd) * STEPS

    def bars_box(self) -> QRectF:
        """Return the rectangle of histogram and bars."""
        rows = self._rows()
        return QRectF(_PADDING_PX + self._names_px, rows[0].top(), STEPS, rows[-1].bottom() - rows[0].top())

    def bar_boxes(self) -> list[QRectF]:
        """Return the rectangle of each colour bar, long first if there are two."""
        boxes, left = self._rows(), _PADDING_PX + self._names_px
        bars = boxes[1:-1] if len(self._bars) > 1 else boxes[1:]
        return [QRectF(left, box.center().y() - _BAR_PX / 2, STEPS, _BAR_PX) for box in bars]

    def _rows(self) -> list[QRectF]:
        """Return the rows from the first histogram on: histogram and bar, or histogram, two bars and histogram."""
        tall = 0 if self._is_compact else _HISTOGRAM_PX
        heights = (tall, self._line_px, self._line_px, tall) if len(self._bars) > 1 else (tall, _BAR_PX)
        y, boxes = float(_PADDING_PX if len(self._bars) > 1 else _PADDING_PX + self._line_px), []
        for height in heights:
            boxes.append(QRectF(0, y, self.width(), height))
            y += height
        return boxes

    def _hidden_text(self, count: int) -> str:
        return self._translator.text("legend.hidden", count=self._translator.format_number(count))

    def explanations(self) -> list[tuple[Swatch, str]]:
        """Return the explained marks and their texts, one line each."""
        text, marks = self._translator.text, self._marks
        length = text(f"settings.window.choice.{marks.window}") if marks.window else ""
        lines: list[tuple[Swatch, str, object]] = [
            ("line", text("legend.window", window=length), marks.window),
            ("older", text("legend.older"), marks.older),
            ("cut", text("legend.cut"), marks.cut),
            ("hatching", text("legend.not_recorded"), marks.gaps),
            ("light", text("legend.some_not_recorded"), marks.gaps_of_some),
            ("trail", text("legend.trail"), marks.trail),
        ]
        return [(swatch, words) for swatch, words, is_there in lines if is_there]

    def size_with(self, lines: int, *, is_compact: bool = False) -> QSize:
        """Return the size with so many lines of explanations, without the histogram if ``is_compact``."""
        has_two = len(self._bars) > 1
        height = 3 * self._line_px if has_two else 2 * self._line_px + _BAR_PX
        if not is_compact:
            height += (2 if has_two else 1) * _HISTOGRAM_PX
        height += 2 * _PADDING_PX - (self._line_px - _BAR_PX) // 2 + self._line_px * lines
        metrics = QFontMetricsF(self.drawn_font)
        widths = [_SWATCH_PX + _NAME_GAP_PX + metrics.horizontalAdvance(words) for _, words in self.explanations()]
        return QSize(math.ceil(2 * _PADDING_PX + max(self._names_px + STEPS, *widths, 0.0)), height)

    def sizeHint(self) -> QSize:
        return self.size_with(len(self.explanations()), is_compact=self._is_compact)

    def draw(self, painter: QPainter) -> None:
        border = ink(dark=self._dark)
        border.setAlpha(50)
        self.draw_panel(painter, border, dark=self._dark)
        painter.setPen(ink(dark=self._dark))
        self._paint_bars(painter, self._ground or (DARK_CHART if self._dark else LIGHT_CHART))
        self._paint_histograms(painter)
        for handle in ("floor", "ceiling"):
            self._paint_handle(painter, handle)
        painter.setPen(ink(dark=self._dark))
        bottom = self.bars_box().bottom()
        self._paint_labels(painter, bottom)
        top = bottom + self._line_px
        for swatch, words in self.explanations():
            self._paint_explanation(painter, top, swatch, words)
            top += self._line_px

    def names(self) -> tuple[str, ...]:
        """Return the names of two bars, empty for one."""
        keys = ("legend.long", "legend.short") if len(self._bars) > 1 else ()
        return tuple(self._translator.text(key) for key in keys)

    def _measure_names(self) -> float:
        """Return the room left of the bars."""
        metrics = QFontMetricsF(self.drawn_font)
        names = self.names()
        if not names:
            return 0.0
        # Always room for the number of hidden cells: while a handle is dragged, the bars must not move.
        widths = [metrics.horizontalAdvance(name) for name in (*names, self._hidden_text(_MANY_CELLS))]
        return math.ceil(max(widths)) + _NAME_GAP_PX

    def _paint_bars(self, painter: QPainter, chart: QColor) -> None:
        """Paint names and bars, as the map on the same ground; what the floor hides is the ground alone."""
        names = self.names()
        middle = Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft
        if not names:
            title = QRectF(_PADDING_PX, _PADDING_PX - 1, STEPS, self._line_px)
            painter.drawText(title, middle, self._translator.text("legend.total"))
        for index, (bar, place) in enumerate(zip(self._bars, self.bar_boxes(), strict=True)):
            painter.fillRect(place, chart)
            painter.setOpacity(self._opacity)
            painter.drawImage(place, bar if self._axis is None else _bar_of_levels(bar, self._axis.levels))
            painter.setOpacity(1.0)
            if names:
                line = QRectF(_PADDING_PX, place.center().y() - self._line_px / 2, place.left(), self._line_px)
                painter.drawText(line, middle, names[index])

    def _paint_histograms(self, painter: QPainter) -> None:
        """Paint the square root of the number of cells by amount: of longs upwards, of shorts downwards."""
        if self._axis is None or self._is_compact:
            return
        rows, counts = self._rows(), self._axis.counts
        most = math.sqrt(max(1, int(counts.max())))
        shown, hidden = ink(dark=self._dark), ink(dark=self._dark)
        shown.setAlpha(150)
        hidden.setAlpha(50)
        left, wide = self.bars_box().left(), STEPS / BINS
        first_shown = self._axis.position(self._axis.floor_usd) * BINS
        for row, of_bar in zip(rows if len(self._bars) < 2 else (rows[0], rows[-1]), self._counts(), strict=False):  # noqa: PLR2004
            for number in np.flatnonzero(of_bar):
                tall = max(1.0, (row.height() - 1) * math.sqrt(int(of_bar[number])) / most)
                top = row.bottom() - tall if row is rows[0] else row.top()
                column = QRectF(left + int(number) * wide, top, wide - 1, tall)
                painter.fillRect(column, shown if number + 1 > first_shown else hidden)

    def _counts(self) -> list[NDArray[np.int64]]:
        """Return the histogram of each bar."""
        counts = self._axis.counts if self._axis is not None else np.zeros((1, BINS), np.int64)
        if len(self._bars) == 1:
            return [counts[0]]
        if len(counts) > 1:
            return [counts[1], counts[0]]
        none = np.zeros_like(counts[0])
        return [none, counts[0]] if self._sides == "short" else [counts[0], none]

    def _paint_handle(self, painter: QPainter, handle: Handle) -> None:
        """Paint an upright line with a grip on the bars."""
        middle = self.handle_px(handle)
        if middle is None:
            return
        box, bars = self.bars_box(), self.bar_boxes()
        colour, ground = ink(dark=self._dark), DARK_CHART if self._dark else LIGHT_CHART
        if handle == self._active:
            colour = _FOCUS
        painter.setPen(QPen(colour, 1))
        across = math.floor(middle) + 0.5
        painter.drawLine(QPointF(across, box.top()), QPointF(across, box.bottom()))
        painter.setPen(QPen(ground, 1))
        painter.setBrush(colour)
        tall = bars[-1].bottom() - bars[0].top()
        painter.drawRoundedRect(QRectF(across - _GRIP_PX / 2, bars[0].top(), _GRIP_PX, tall), 2, 2)

    def _paint_labels(self, painter: QPainter, top: float) -> None:
        metrics = QFontMetricsF(self.drawn_font)
        origin = _PADDING_PX + self._names_px
        if hidden := self.hidden():
            row = QRectF(_PADDING_PX, top, origin, self._line_px)
            if not self.names():
                row = QRectF(_PADDING_PX, _PADDING_PX - 1, STEPS, self._line_px)
            side = Qt.AlignmentFlag.AlignLeft if self.names() else Qt.AlignmentFlag.AlignRight
            painter.drawText(row, Qt.AlignmentFlag.AlignVCenter | side, hidden)
        for position, text in self.labels():
            left, right = self.label_span(position, metrics.horizontalAdvance(text))
            place = QRectF(origin + left, top, right - left + 1, self._line_px)
            painter.drawText(place, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft, text)

    def _paint_explanation(self, painter: QPainter, top: float, swatch: Swatch, words: str) -> None:
        """Paint a swatch of the map and its meaning."""
        swatch_box = QRectF(_PADDING_PX, top + (self._line_px - _BAR_PX) / 2, _SWATCH_PX, _BAR_PX)
        painter.save()
        if swatch in ("hatching", "light"):
            _paint_hatching(painter, swatch_box, _GREY if swatch == "hatching" else _LIGHT_GREY)
        elif swatch in ("older", "trail"):
            painter.fillRect(swatch_box, self._ground or (DARK_CHART if self._dark else LIGHT_CHART))
            painter.setOpacity(self._opacity * (OLDER_SHARE if swatch == "older" else 1.0))
            if swatch == "trail":  # from full to faint
                painter.translate(2 * swatch_box.center().x(), 0.0)
                painter.scale(-1.0, 1.0)
            painter.drawImage(swatch_box, self._bars[0])
        elif swatch == "line":
            painter.setPen(QPen(_GREY, 1))
            # In the middle of a pixel, or it is two pixels wide and half as strong.
            middle = math.floor(swatch_box.center().x()) + 0.5
            painter.drawLine(QPointF(middle, top + 0.5), QPointF(middle, top + self._line_px - 0.5))
        painter.restore()
        left = swatch_box.right() + _NAME_GAP_PX
        place = QRectF(left, top, self.width() - left, self._line_px)
        painter.drawText(place, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft, words)

    @staticmethod
    def label_span(position: float, width_px: float) -> tuple[float, float]:
        """Return where a label lies along the bar: around its position, but within the bar's ends."""
        left = min(max(0.0, position * STEPS - width_px / 2), STEPS - width_px)
        return left, left + width_px


def _paint_hatching(painter: QPainter, swatch_box: QRectF, colour: QColor) -> None:
    painter.setClipRect(swatch_box)
    painter.setPen(QPen(colour, 1.5 * HATCH_LINE_PX))
    along = swatch_box.left()
    while along < swatch_box.right() + swatch_box.height():
        # Rising to the right, as on the map.
        painter.drawLine(QPointF(along, swatch_box.top()), QPointF(along - swatch_box.height(), swatch_box.bottom()))
        along += HATCH_SPACING_PX


def _bar_of_levels(bar: QImage, levels: NDArray[np.uint8]) -> QImage:
    """Return an image of one pixel a position, with the colours that ``bar`` has by level."""
    colours = np.frombuffer(bar.constBits().asstring(bar.sizeInBytes()), np.uint32)[levels]
    return QImage(colours.tobytes(), len(colours), 1, 4 * len(colours), bar.format()).copy()
