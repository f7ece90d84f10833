"""The tooltip over the chart: the figures of one cell."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final, NamedTuple

from PyQt6.QtCore import QDateTime, QRectF, QSize, Qt, QTimeZone, pyqtSlot
from PyQt6.QtGui import QColor, QFontMetricsF, QPainter

from Heatmap.events import Source
from Heatmap.time_zone import offset_text
from Heatmap.ui.geometry.chart_time import UTC_TIME, TimeOffset
from Heatmap.ui.widgets.overlay_widget import LetteredWidget, ink
from Heatmap.ui.widgets.source_text import sources_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PyQt6.QtWidgets import QWidget

    from Heatmap.aggregation.painted_cell import CellFigures
    from Heatmap.ui.translation import Translator

_PADDING_PX: Final = 8
_LINE_PX: Final = 15
_COLUMN_GAP_PX: Final = 18
_MINUTE_MS: Final = 60_000
_MOST_DECIMALS: Final = 8
# By `Source.reports_fills`.
_PRICE_KEYS: Final = {True: "tooltip.price_fill", False: "tooltip.price_bankruptcy"}
_SOURCE_KEYS: Final = {True: "tooltip.source_fill", False: "tooltip.source_bankruptcy"}


def price_decimals(price_bin: float) -> int:
    """Return the number of decimals of a price bin, so that cell borders are written exactly."""
    for decimals in range(_MOST_DECIMALS):
        if math.isclose(round(price_bin, decimals), price_bin, rel_tol=1e-6):
            return decimals
    return _MOST_DECIMALS


def decimals_of(price: float, digits: int) -> int:
    """Return the number of decimals with which a price has so many digits, at most eight."""
    if not price > 0.0:
        return 0
    return min(max(digits - 1 - math.floor(math.log10(price)), 0), _MOST_DECIMALS)


def span_text(start_ms: int, end_ms: int, translator: Translator, offset_ms: int = 0) -> str:
    """Return beginning and end as times of the chart, with their offset from UTC."""
    begin, end = (QDateTime.fromMSecsSinceEpoch(time_ms + offset_ms, QTimeZone.utc()) for time_ms in (start_ms, end_ms))
    # 24 hours in every locale, as on the chart.
    time = "HH:mm:ss" if start_ms % _MINUTE_MS or end_ms % _MINUTE_MS else "HH:mm"
    moment, locale = translator.text("tooltip.moment", time=time), translator.locale
    parts = [locale.toString(begin, moment), locale.toString(end, time if end.date() == begin.date() else moment)]
    return f"{' – '.join(parts)} {offset_text(offset_ms)}"


def moment_text(time_ms: int, translator: Translator, offset_ms: int = 0) -> str:
    """Return a moment to the second as a time of the chart, with its offset from UTC."""
    moment = QDateTime.fromMSecsSinceEpoch(time_ms + offset_ms, QTimeZone.utc())
    text = translator.locale.toString(moment, translator.text("tooltip.moment", time="HH:mm:ss"))
    return f"{text} {offset_text(offset_ms)}"


class Lines(NamedTuple):
    """What a tooltip says: a title, and names with their values."""

    title: str
    rows: tuple[tuple[str, str], ...]
    is_coverage: bool = False  # about the record: the times without one are hatched meanwhile


def price_name(sources: Sequence[Source], words: Translator) -> str:
    """Return the name of a price that may be of any of some sources, with its kind if that is the same for all."""
    kinds = {source.reports_fills for source in sources}
    return words.text(_PRICE_KEYS[kinds.pop()] if len(kinds) == 1 else "tooltip.price")


def source_with_price(source: Source, words: Translator) -> str:
    """Return the name of a source, and what kind of prices it reports."""
    return words.text(_SOURCE_KEYS[source.reports_fills], source=sources_text([source], words))


def _price_names(figures: CellFigures, words: Translator) -> list[str]:
    """Return the name of the price and those of the sources, of which one says what kind of price it is.

    The sources are left out if there is only one.
    """
    sources = [Source(source) for source, _ in figures.by_source]
    name = price_name(sources, words)
    if len(sources) < 2:  # noqa: PLR2004 - nothing to tell apart
        return [name]
    if len({source.reports_fills for source in sources}) == 1:
        return [name, *(sources_text([source], words) for source in sources)]
    return [name, *(source_with_price(source, words) for source in sources)]


class Tooltip(LetteredWidget):
    """A panel with the figures of one cell, whose times are those of the chart."""

    def __init__(
        self, translator: Translator, *, chart_time: TimeOffset = UTC_TIME, parent: QWidget | None = None
    ) -> None:
        super().__init__(_LINE_PX, parent)
        self.setObjectName("heatmap_tooltip")
        self._translator = translator
        self._chart_time = chart_time
        self._figures: CellFigures | None = None
        self._dark = True
        self._title = ""
        self._rows: list[tuple[str, str]] = []
        translator.languageChanged.connect(self.retranslate)

    def set_figures(self, figures: CellFigures, *, dark: bool = True) -> None:
        """Show this cell, in the colours of a dark or light chart."""
        if (figures, dark) != (self._figures, self._dark):
            self._figures, self._dark = figures, dark
            self.retranslate()

    def set_lines(self, title: str, rows: Sequence[tuple[str, str]], *, dark: bool = True) -> None:
        """Show a title, and names with their values, in the language in which they are."""
        if (title, list(rows), dark) != (self._title, self._rows, self._dark):
            self._figures, self._dark, self._title, self._rows = None, dark, title, list(rows)
            self.fit()

    @pyqtSlot()
    def retranslate(self) -> None:
        if self._figures is None:
            return
        cell = self._figures.cell
        offset_ms = self._chart_time.offset_ms(cell.t0_ms)
        self._title = span_text(cell.t0_ms, cell.end_ms, self._translator, offset_ms)
        self._rows = self._rows_of(self._figures)
        if self._figures.is_trail:
            # The mouse is to the right of this time.
            self._rows.insert(0, (self._translator.text("tooltip.time"), self._title))
            usd = self._translator.format_usd(self._figures.long_usd + self._figures.short_usd)
            begin = QDateTime.fromMSecsSinceEpoch(cell.t0_ms + offset_ms, QTimeZone.utc()).toString("HH:mm")
            self._title = self._translator.text("tooltip.trail", usd=usd, time=begin)
        self.fit()

    def fit(self) -> None:
        self.setAccessibleName(self.text())
        self.setFixedSize(self.sizeHint())
        self.update()

    def text(self) -> str:
        return "\n".join([self._title, *(f"{name}: {value}" for name, value in self._rows)])

    def _rows_of(self, figures: CellFigures) -> list[tuple[str, str]]:
        words, cell = self._translator, figures.cell
        decimals = price_decimals(cell.price_bin)
        low, high = (words.format_number(price, decimals) for price in (cell.price0, cell.price1))
        names = _price_names(figures, words)
        rows = [(names.pop(0), f"{low} – {high}")]
        sides = ("tooltip.long", figures.long_usd), ("tooltip.short", figures.short_usd)
        parts = [(words.text(key), words.format_usd(usd)) for key, usd in sides if usd > 0]
        rows += parts
        # The sum of one side, and the largest of one event, would repeat a figure.
        if len(parts) > 1:
            rows.append((words.text("tooltip.total"), words.format_usd(figures.long_usd + figures.short_usd)))
        rows.append((words.text("tooltip.count"), words.format_number(figures.count)))
        if figures.count > 1:
            rows.append((words.text("tooltip.largest"), words.format_usd(figures.largest_usd)))
        rows += [(name, words.format_usd(usd)) for name, (_, usd) in zip(names, figures.by_source, strict=bool(names))]
        return rows

    def sizeHint(self) -> QSize:
        metrics = QFontMetricsF(self.drawn_font)
        names = max((metrics.horizontalAdvance(name) for name, _ in self._rows), default=0.0)
        values = max((metrics.horizontalAdvance(value) for _, value in self._rows), default=0.0)
        width = max(metrics.horizontalAdvance(self._title), names + _COLUMN_GAP_PX + values)
        return QSize(math.ceil(width) + 2 * _PADDING_PX, (len(self._rows) + 1) * self._line_px + 2 * _PADDING_PX)

    def draw(self, painter: QPainter) -> None:
        dim = QColor(0x8B, 0x93, 0xA1) if self._dark else QColor(0x6A, 0x72, 0x80)
        self.draw_panel(painter, dim, dark=self._dark)
        middle, left, right = Qt.AlignmentFlag.AlignVCenter, Qt.AlignmentFlag.AlignLeft, Qt.AlignmentFlag.AlignRight
        line = QRectF(_PADDING_PX, _PADDING_PX, self.width() - 2 * _PADDING_PX, self._line_px)
        painter.setPen(ink(dark=self._dark))
        painter.drawText(line, middle | left, self._title)
        for name, value in self._rows:
            line.translate(0, self._line_px)
            painter.setPen(dim)
            painter.drawText(line, middle | left, name)
            painter.setPen(ink(dark=self._dark))
            painter.drawText(line, middle | right, value)
