"""List of the latest or the largest liquidations of the window: a table that a host puts where it likes."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from PyQt6.QtCore import QEvent, QModelIndex, QPoint, QSize, Qt, pyqtSignal, pyqtSlot
from PyQt6.QtGui import QAction, QGuiApplication, QKeySequence
from PyQt6.QtWidgets import QAbstractItemView, QHeaderView, QLabel, QMenu, QTabBar, QTableView, QVBoxLayout, QWidget

from Heatmap.ui.geometry.chart_time import UTC_TIME, TimeOffset
from Heatmap.ui.timer import new_timer
from Heatmap.ui.widgets.liquidation_model import TIME, USD, LiquidationModel

if TYPE_CHECKING:
    from PyQt6.QtGui import QHideEvent, QKeyEvent, QShowEvent

    from Heatmap.clock import Clock
    from Heatmap.rendering.liquidation_reader import LiquidationRows
    from Heatmap.ui.translation import Translator
    from Heatmap.vocabulary import ListOrder

_ORDERS: Final[tuple[ListOrder, ...]] = ("latest", "largest")
_AGE_MS: Final = 1000
_WIDTH_PX, _HEIGHT_PX = 420, 220
_ROW_SCALE: Final = 1.35


class LiquidationTable(QTableView):
    """The table; Enter and a click choose a row, Ctrl+C copies."""

    chosen = pyqtSignal(QModelIndex)
    copyRequested = pyqtSignal()

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setObjectName("liquidation_table")
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerItem)
        self.setWordWrap(False)
        self.setShowGrid(False)
        self.setAlternatingRowColors(True)
        self.setTabKeyNavigation(False)
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        rows, columns = self.verticalHeader(), self.horizontalHeader()
        if rows is not None and columns is not None:  # a table has both; Qt's types allow none
            rows.hide()
            rows.setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
            columns.setSectionResizeMode(QHeaderView.ResizeMode.Stretch)
            columns.setHighlightSections(False)
            columns.setResizeContentsPrecision(0)  # by the rows in sight
        self.clicked.connect(self._take_click)
        self._fit_rows()

    def changeEvent(self, event: QEvent | None) -> None:
        """Follow a font that is changed while the program runs."""
        super().changeEvent(event)
        if event is not None and event.type() == QEvent.Type.FontChange:
            self._fit_rows()

    def _fit_rows(self) -> None:
        rows = self.verticalHeader()
        if rows is not None:
            rows.setDefaultSectionSize(round(self.fontMetrics().height() * _ROW_SCALE))

    def fit_times(self) -> None:
        """Keep room for date and time of a row, and for its dollars; the other columns share the rest."""
        columns = self.horizontalHeader()
        if columns is not None:
            for column in (TIME, USD):
                columns.setSectionResizeMode(column, QHeaderView.ResizeMode.ResizeToContents)

    def keyPressEvent(self, event: QKeyEvent | None) -> None:
        if event is not None and event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            if self.currentIndex().isValid():
                self.chosen.emit(self.currentIndex())
            return
        if event is not None and event.matches(QKeySequence.StandardKey.Copy):  # Qt would copy one cell
            self.copyRequested.emit()
            return
        super().keyPressEvent(event)

    def _take_click(self, index: QModelIndex) -> None:
        # With Shift or Ctrl a click selects rows to copy.
        if QGuiApplication.keyboardModifiers() == Qt.KeyboardModifier.NoModifier:
            self.chosen.emit(index)


class LiquidationList(QWidget):
    """The latest and the largest liquidations of the window, at most 1,000, as set by symbol, sides and minimum size.

    It is filled by `HeatmapPlugin.liquidation_list` while it is visible, and keeps its place while the user has
    scrolled or selected. Times are those of the chart.
    """

    # Of the row chosen: time in ms since the epoch, UTC, for which Qt's int is too short, and price.
    activated = pyqtSignal("qlonglong", float)
    orderChanged = pyqtSignal(str)  # `order`
    shownChanged = pyqtSignal(bool)  # the widget became visible or hidden

    def __init__(
        self, translator: Translator, clock: Clock, parent: QWidget | None = None, *, chart_time: TimeOffset = UTC_TIME
    ) -> None:
        super().__init__(parent)
        self.setObjectName("liquidation_list")
        self._translator = translator
        self._found: LiquidationRows | None = None
        self._place: int | None = None  # of the scroll bar, while rows are inserted
        self._hint = ""
        self._problem = ""
        self.model = LiquidationModel(translator, clock, chart_time)
        self.model.setParent(self)
        self._orders = QTabBar(self)
        self._orders.setObjectName("list_order")
        self._orders.setDrawBase(False)
        self._orders.setExpanding(True)
        for _ in _ORDERS:
            self._orders.addTab("")
        self._table = LiquidationTable(self)
        self._table.setModel(self.model)
        self._table.fit_times()
        self._count = QLabel(self)
        self._count.setObjectName("list_count")
        self._count.setWordWrap(True)
        self._count.setTextFormat(Qt.TextFormat.PlainText)
        self._copy, self._copy_all = QAction(self), QAction(self)
        self._copy.setShortcut(QKeySequence(QKeySequence.StandardKey.Copy))
        self._copy.setShortcutContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
        self.addAction(self._copy)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(2)
        for widget, stretch in ((self._orders, 0), (self._table, 1), (self._count, 0)):
            column.addWidget(widget, stretch)
        self._ages = new_timer(self, _AGE_MS, self.model.ages_changed, once=False)
        self._table.chosen.connect(self._activate)
        self._table.copyRequested.connect(self.copy_selection)
        self._table.customContextMenuRequested.connect(self._show_menu)
        self._orders.currentChanged.connect(self._report_order)
        self._copy.triggered.connect(self.copy_selection)
        self._copy_all.triggered.connect(self.copy_all)
        self.model.rowsAboutToBeInserted.connect(self._note_place)
        self.model.rowsInserted.connect(self._keep_place)
        translator.languageChanged.connect(self.retranslate)
        self.retranslate()

    @property
    def order(self) -> ListOrder:
        """Which liquidations are shown: "latest" or "largest"."""
        return _ORDERS[self._orders.currentIndex()]

    def set_order(self, order: ListOrder) -> None:
        """Show the latest or the largest ones."""
        self._orders.setCurrentIndex(_ORDERS.index(order))

    def set_rows(self, found: LiquidationRows) -> None:
        """Show what was read from the record."""
        before = None if self._found is None else replace(self._found.request, as_of_ms=found.request.as_of_ms)
        is_other = before != found.request
        self._found = found
        self.model.set_rows(found)
        if is_other:
            self._table.clearSelection()
            self._table.scrollToTop()
        self._show_count()

    def set_hint(self, sentence: str) -> None:
        """Show a sentence instead of the count; "" shows the count again."""
        self._hint = sentence
        self._show_count()

    def set_problem(self, sentence: str) -> None:
        """Show why the record cannot be read; "" when it can."""
        self._problem = sentence
        self._show_count()

    def copy_selection(self) -> None:
        """Copy the selected rows as CSV, all if none is selected."""
        selection = self._table.selectionModel()
        numbers = sorted(index.row() for index in selection.selectedRows()) if selection is not None else []
        self._copy_rows(numbers or range(self.model.rowCount()))

    def copy_all(self) -> None:
        """Copy all rows as CSV."""
        self._copy_rows(range(self.model.rowCount()))

    @pyqtSlot()
    def retranslate(self) -> None:
        text = self._translator.text
        for number, key in enumerate(("list.latest", "list.largest")):
            self._orders.setTabText(number, text(key))
        for number, key in enumerate(("list.latest_help", "list.largest_help")):
            self._orders.setTabToolTip(number, text(key))
        self._orders.setAccessibleName(text("list.order"))
        self._table.setAccessibleName(text("list.title"))
        self._table.setToolTip(text("list.help"))
        self._copy.setText(text("list.copy"))
        self._copy_all.setText(text("list.copy_all"))
        self.model.retranslate()
        self._show_count()

    def sizeHint(self) -> QSize:
        return QSize(_WIDTH_PX, _HEIGHT_PX)

    def showEvent(self, event: QShowEvent | None) -> None:
        super().showEvent(event)
        self._ages.start()
        self.shownChanged.emit(True)

    def hideEvent(self, event: QHideEvent | None) -> None:
        super().hideEvent(event)
        self._ages.stop()
        self.shownChanged.emit(False)

    def _report_order(self) -> None:
        self.orderChanged.emit(self.order)

    def _activate(self, index: QModelIndex) -> None:
        row = self.model.row(index.row())
        self.activated.emit(row.ts_ms, row.price)

    def _note_place(self, _parent: QModelIndex, first: int, last: int) -> None:
        """Remember the row at the top of the view, unless the user follows the newest."""
        bar, selection = self._table.verticalScrollBar(), self._table.selectionModel()
        value = bar.value() if bar is not None else 0
        is_held = value > 0 or (selection is not None and selection.hasSelection())
        self._place = value + last - first + 1 if is_held and first <= value else None

    def _keep_place(self) -> None:
        bar = self._table.verticalScrollBar()
        if self._place is not None and bar is not None:
            self._table.updateGeometries()
            bar.setValue(self._place)

    def _copy_rows(self, numbers: range | list[int]) -> None:
        clipboard = QGuiApplication.clipboard()
        if clipboard is not None:
            clipboard.setText(self.model.csv(numbers))

    def _show_menu(self, at: QPoint) -> None:
        menu = QMenu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        menu.addActions((self._copy, self._copy_all))
        viewport = self._table.viewport()
        menu.popup((viewport or self._table).mapToGlobal(at))

    def _show_count(self) -> None:
        words, found = self._translator, self._found
        if self._problem:
            text = f"{words.text('list.problem')} {self._problem}"
        elif self._hint or found is None:
            text = self._hint
        elif not found.total:
            text = words.text("list.none")
        elif not found.passing:
            text = words.text("list.all_hidden", total=words.format_number(found.total))
        else:
            shown, total = words.format_number(len(found.rows)), words.format_number(found.total)
            text = words.text("list.count", shown=shown, total=total)
        self._count.setText(text)
        self._count.setVisible(bool(text))
