"""The rows of a list of liquidations as a Qt model: new ones are inserted, so that a view keeps its place."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Any, Final

from PyQt6.QtCore import QAbstractTableModel, QDateTime, QModelIndex, Qt, QTimeZone
from PyQt6.QtGui import QColor

from Heatmap.clock import utc_text
from Heatmap.events import Source
from Heatmap.foreign_text import csv_cell
from Heatmap.time_zone import offset_text
from Heatmap.ui.geometry.chart_time import UTC_TIME, TimeOffset
from Heatmap.ui.widgets.tooltip import decimals_of, price_decimals, source_with_price

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from Heatmap.clock import Clock
    from Heatmap.rendering.liquidation_reader import LiquidationRows, ListedLiquidation
    from Heatmap.ui.translation import Translator

TIME, SIDE, PRICE, USD, AGE = range(5)
_HEADERS: Final = ("list.time", "list.side", "list.price", "list.usd", "list.age")
CSV_COLUMNS: Final = ("time_utc", "symbol", "side", "price", "notional_usd", "source")
# With more changes than this in the middle of the list it is replaced as a whole.
_MOST_RANGES: Final = 50
# Readable on light and on dark; the words say the same.
_LONG, _SHORT = QColor(0xE0, 0x6C, 0x1F), QColor(0x2F, 0x86, 0xD6)
_RIGHT: Final = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
_DAY_MS: Final = 86_400_000
# Of a price whose tick size is not known.
_DIGITS: Final = 6


class LiquidationModel(QAbstractTableModel):
    """Rows of `Heatmap.rendering.liquidation_reader.LiquidationRows`, with times of the chart. ``clock`` gives ages."""

    def __init__(self, translator: Translator, clock: Clock, chart_time: TimeOffset = UTC_TIME) -> None:
        super().__init__()
        self._translator = translator
        self._clock = clock
        self._chart_time = chart_time
        self._symbol = ""
        self._decimals = 2
        self._as_of_ms: int | None = None  # the time of a replay
        self._rows: list[ListedLiquidation] = []

    def set_rows(self, found: LiquidationRows) -> None:
        """Show other rows: those that stay keep their selection, and a view its place, as far as that can be."""
        if found.tick_size is not None:
            decimals = price_decimals(found.tick_size)
        else:
            dearest = max((row.price for row in found.rows), default=0.0)
            decimals = max(decimals_of(dearest, _DIGITS), self._decimals if found.request.symbol == self._symbol else 0)
        same_kind = found.request.symbol == self._symbol and decimals == self._decimals
        self._symbol, self._decimals, self._as_of_ms = found.request.symbol, decimals, found.request.as_of_ms
        if not (same_kind and self._change_ranges(found.rows)):
            self.beginResetModel()
            self._rows = list(found.rows)
            self.endResetModel()

    def row(self, number: int) -> ListedLiquidation:
        """Return one row."""
        return self._rows[number]

    def ages_changed(self) -> None:
        """Show the ages of now."""
        if self._rows:
            self.dataChanged.emit(
                self.index(0, AGE), self.index(len(self._rows) - 1, AGE), [Qt.ItemDataRole.DisplayRole]
            )

    def retranslate(self) -> None:
        """Show texts and numbers of the present language."""
        self.headerDataChanged.emit(Qt.Orientation.Horizontal, 0, AGE)
        if self._rows:
            self.dataChanged.emit(self.index(0, 0), self.index(len(self._rows) - 1, AGE))

    def csv(self, numbers: Iterable[int]) -> str:
        """Return rows as CSV with a header: times in ISO 8601, UTC; the side is what was liquidated."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(CSV_COLUMNS)
        for number in numbers:
            row = self._rows[number]
            time = f"{utc_text(row.ts_ms, '%Y-%m-%dT%H:%M:%S')}.{row.ts_ms % 1000:03}Z"
            values = (time, self._symbol, "long" if row.is_long else "short", row.price, row.notional, row.source)
            writer.writerow(map(csv_cell, values))
        return text.getvalue()

    def rowCount(self, parent: QModelIndex = QModelIndex()) -> int:  # noqa: B008 - Qt's signature
        return 0 if parent.isValid() else len(self._rows)

    def columnCount(self, parent: QModelIndex = QModelIndex()) -> int:  # noqa: B008 - Qt's signature
        return 0 if parent.isValid() else len(_HEADERS)

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if orientation is not Qt.Orientation.Horizontal:
            return None
        if role == Qt.ItemDataRole.DisplayRole:
            return self._translator.text(_HEADERS[section], zone=self._zone())
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return (
                _RIGHT if section in (PRICE, USD, AGE) else Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
            )
        return None

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if not index.isValid():
            return None
        row, column = self._rows[index.row()], index.column()
        if role == Qt.ItemDataRole.DisplayRole:
            return self._text(row, column)
        if role == Qt.ItemDataRole.ToolTipRole:
            return f"{self._text(row, column)}\n{source_with_price(Source(row.source), self._translator)}"
        if role == Qt.ItemDataRole.TextAlignmentRole and column in (PRICE, USD, AGE):
            return _RIGHT
        if role == Qt.ItemDataRole.ForegroundRole and column == SIDE:
            return _LONG if row.is_long else _SHORT
        return None

    def _text(self, row: ListedLiquidation, column: int) -> str:
        words = self._translator
        if column == TIME:
            return self._time_text(row.ts_ms)
        if column == SIDE:
            return words.text("list.long" if row.is_long else "list.short")
        if column == PRICE:
            return words.format_number(row.price, self._decimals)
        if column == USD:
            return words.format_usd(row.notional)
        return words.format_duration((self._now_ms() - row.ts_ms) / 1000)

    def _now_ms(self) -> int:
        return self._clock.now_ms() if self._as_of_ms is None else self._as_of_ms

    def _time_text(self, ts_ms: int) -> str:
        now_ms = self._now_ms()
        moment = self._moment(ts_ms)
        is_today = now_ms - ts_ms < _DAY_MS and moment.date() == self._moment(now_ms).date()
        # 24 hours in every locale, as on the chart.
        form = "HH:mm:ss" if is_today else self._translator.text("tooltip.moment", time="HH:mm:ss")
        return self._translator.locale.toString(moment, form)

    def _moment(self, time_ms: int) -> QDateTime:
        return QDateTime.fromMSecsSinceEpoch(time_ms + self._chart_time.offset_ms(time_ms), QTimeZone.utc())

    def _zone(self) -> str:
        return offset_text(self._chart_time.offset_ms(self._now_ms()))

    def _change_ranges(self, rows: Sequence[ListedLiquidation]) -> bool:
        """Change what differs, and return True; False where the order or too much differs."""
        before, after = {row.row_id for row in self._rows}, {row.row_id for row in rows}
        kept = before & after
        if not kept or [row for row in self._rows if row.row_id in kept] != [row for row in rows if row.row_id in kept]:
            return not rows and not self._rows
        gone = _ranges([number for number, row in enumerate(self._rows) if row.row_id not in kept])
        new = _ranges([number for number, row in enumerate(rows) if row.row_id not in kept])
        if len(gone) + len(new) > _MOST_RANGES:
            return False
        nothing = QModelIndex()
        for first, last in reversed(gone):
            self.beginRemoveRows(nothing, first, last)
            del self._rows[first : last + 1]
            self.endRemoveRows()
        for first, last in new:
            self.beginInsertRows(nothing, first, last)
            self._rows[first:first] = rows[first : last + 1]
            self.endInsertRows()
        return True


def _ranges(numbers: Sequence[int]) -> list[tuple[int, int]]:
    """Return ascending numbers as ``(first, last)`` of each unbroken run."""
    runs: list[tuple[int, int]] = []
    for number in numbers:
        if runs and runs[-1][1] == number - 1:
            runs[-1] = (runs[-1][0], number)
        else:
            runs.append((number, number))
    return runs
