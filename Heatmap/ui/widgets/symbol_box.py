"""Choice of a symbol with search: the recorded ones first and marked, then all others that the exchange trades."""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING, Final

from PyQt6.QtCore import QSize, QSortFilterProxyModel, Qt, pyqtSignal, pyqtSlot
from PyQt6.QtGui import QColor, QIcon, QPainter, QPixmap, QStandardItem, QStandardItemModel
from PyQt6.QtWidgets import QComboBox, QCompleter, QMessageBox, QScrollBar

from Heatmap.errors import FeedError
from Heatmap.events import is_recorded
from Heatmap.reports import ConnectionState
from Heatmap.ui.widgets.field_editors import wrapping_tooltip

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PyQt6.QtGui import QFocusEvent, QKeyEvent, QWheelEvent
    from PyQt6.QtWidgets import QWidget

    from Heatmap.heatmap_service import HeatmapService
    from Heatmap.ui.translation import Translator

VISIBLE_ROWS: Final = 20
QUESTION: Final = "record_question"  # object name
_MIN_LETTERS: Final = 9
_MARK_PX: Final = 10
_LIST_MARGIN_PX: Final = 16  # of a row, around its text
_RECORDED: Final = QColor("#d9534f")
_KIND: Final = Qt.ItemDataRole.UserRole
_NAME, _STOP = "name", "stop"  # of a row
_ROW_KEYS: Final = frozenset({Qt.Key.Key_Up, Qt.Key.Key_Down, Qt.Key.Key_PageUp, Qt.Key.Key_PageDown})


class SymbolBox(QComboBox):
    """An editable list of symbols; what is typed filters it by any part of a name.

    The exchange is asked for its symbols when the list is used, on a thread. Choosing a symbol that is not recorded
    asks whether to record it, and says what that means.
    """

    symbolRequested = pyqtSignal(str)  # chosen by the user, and recorded by now
    _listed = pyqtSignal(object, str, str)  # symbols, or None with a reason word and an English sentence

    def __init__(self, service: HeatmapService, translator: Translator, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("symbol")
        self._service = service
        self._translator = translator
        self._symbol = service.symbols[0]
        self._others: tuple[str, ...] = ()
        self._shown: object = None  # what the rows were made of
        self._failure = ("", "")  # reason word and English sentence
        self._is_asking = False
        self._mark = _mark()
        self.setEditable(True)
        self.setInsertPolicy(QComboBox.InsertPolicy.NoInsert)
        self.setMaxVisibleItems(VISIBLE_ROWS)
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.setMinimumContentsLength(_MIN_LETTERS)
        self._rows = QStandardItemModel(self)
        self.setModel(self._rows)
        names = QSortFilterProxyModel(self)
        names.setSourceModel(self._rows)
        names.setFilterRole(_KIND)
        names.setFilterFixedString(_NAME)
        completer = QCompleter(names, self)
        completer.setFilterMode(Qt.MatchFlag.MatchContains)
        completer.setCaseSensitivity(Qt.CaseSensitivity.CaseInsensitive)
        completer.setMaxVisibleItems(VISIBLE_ROWS)
        self.setCompleter(completer)
        self.activated.connect(self._take_row)
        edit = self.lineEdit()
        if edit is not None:
            edit.returnPressed.connect(lambda: self._take_text(self.currentText()))  # of a part of a name, too
        self._listed.connect(self._take_listed)
        translator.languageChanged.connect(self.retranslate)
        self._fill()
        self.retranslate()

    @property
    def symbol(self) -> str:
        """The symbol that is shown."""
        return self._symbol

    def set_symbol(self, symbol: str) -> None:
        """Show a symbol as chosen, without a question and without a signal."""
        self._symbol = symbol
        self._fill()
        self._restore()

    def choose(self, symbol: str) -> None:
        """Choose a symbol as the user does; one that is not recorded is asked about."""
        if self._is_recorded(symbol):
            self._request(symbol)
        else:
            self._ask(symbol)

    @pyqtSlot()
    def retranslate(self) -> None:
        self.setAccessibleName(self._translator.text("toolbar.symbol"))
        self._show_help()
        self._fill()

    def _show_help(self) -> None:
        help_text = "\n".join(filter(None, (self._translator.text("toolbar.symbol_help"), self._failure_text())))
        self.setToolTip(wrapping_tooltip(help_text))

    def _failure_text(self) -> str:
        """Return why the exchange's symbols are not known, "" without a failure."""
        reason, detail = self._failure
        if not reason:
            return ""
        key = f"connection.reason.{reason}"
        words = self._translator.text(key) if self._translator.has(key) else detail
        return self._translator.text("symbols.no_list", reason=words)

    def minimumSizeHint(self) -> QSize:
        """Return the usual size: a part of a name is none. Qt's own one keeps that of the first font."""
        return self.sizeHint()

    def showPopup(self) -> None:  # noqa: N802 - Qt's name
        """Show the list; ask for the exchange's symbols if they are not known."""
        self._fill()
        self._load()
        view = self.view()
        if view is not None:
            # Names are wider than the box, and the list has a scroll bar.
            failure = self._translator.text("symbols.no_list_brief")
            longest = max((*self._service.symbols, self._stop_text(), failure), key=len)
            view.setMinimumWidth(
                self.fontMetrics().horizontalAdvance(longest) + _LIST_MARGIN_PX + QScrollBar().sizeHint().width()
            )
        super().showPopup()

    def focusInEvent(self, event: QFocusEvent | None) -> None:
        """Ask for the exchange's symbols before something is typed, and mark the name, so that typing replaces it."""
        self._load()
        super().focusInEvent(event)
        edit = self.lineEdit()
        if edit is not None and event is not None and event.reason() is not Qt.FocusReason.PopupFocusReason:
            edit.selectAll()

    def focusOutEvent(self, event: QFocusEvent | None) -> None:
        """Drop what was typed and not chosen, but not when the list of finds opens."""
        super().focusOutEvent(event)
        if event is not None and event.reason() is not Qt.FocusReason.PopupFocusReason:
            self._restore()

    def keyPressEvent(self, event: QKeyEvent | None) -> None:
        """Escape restores the name; the keys that go through rows open the list, where Enter chooses."""
        if event is not None and event.key() == Qt.Key.Key_Escape:
            self._restore()
            self.clearFocus()
        elif event is not None and event.key() in _ROW_KEYS:  # Qt would choose each row that they come to
            self.showPopup()
        else:
            super().keyPressEvent(event)

    def wheelEvent(self, event: QWheelEvent | None) -> None:
        """Ignore the wheel: Qt would choose each row that it comes to, and one of them ends the recording."""
        if event is not None:
            event.ignore()

    def _is_recorded(self, symbol: str) -> bool:
        return symbol in self._service.symbols

    def _take_text(self, text: str) -> None:
        """Take what was typed or picked: a listed name, or else the first one that contains it."""
        wanted = text.strip().upper()
        names = (*self._service.symbols, *self._others)
        found = wanted if wanted in names else next((name for name in names if wanted and wanted in name), "")
        completer = self.completer()
        popup = completer.popup() if completer is not None else None
        if popup is not None:
            popup.hide()
        if found and found != self._symbol:
            self.choose(found)
        else:
            self._restore()

    def _request(self, symbol: str) -> None:
        self.set_symbol(symbol)
        self.symbolRequested.emit(symbol)

    def _ask(self, symbol: str) -> None:
        """Ask whether to record a symbol; with all symbols recorded there is no question."""
        if is_recorded(symbol, self._service.recorded_symbols):
            self._record(symbol)
            return
        if self.findChild(QMessageBox, QUESTION) is not None:
            return  # Qt reports Enter twice for a whole name
        text = self._translator.text
        reads = self._service.status().state is ConnectionState.READING
        question = QMessageBox(
            QMessageBox.Icon.Question,
            text("symbols.record_title", symbol=symbol),
            text("symbols.record_question", symbol=symbol),
            parent=self,
        )
        question.setObjectName(QUESTION)
        question.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        question.setInformativeText(text("symbols.record_reading" if reads else "symbols.record_help", symbol=symbol))
        record = question.addButton(text("symbols.record", symbol=symbol), QMessageBox.ButtonRole.AcceptRole)
        question.addButton(QMessageBox.StandardButton.Cancel)
        question.setDefaultButton(record)
        question.accepted.connect(lambda: self._record(symbol))
        question.rejected.connect(self._restore)
        question.open()

    def _record(self, symbol: str) -> None:
        self._service.add_symbols([symbol])
        self._request(symbol)

    def _fill(self) -> None:
        """Make the rows anew if they have changed; what is being typed stays."""
        recorded = self._service.symbols
        shown = (recorded, self._others, self._failure, self._symbol, self._translator.language)
        if shown == self._shown:
            return
        self._shown = shown
        typed = self.currentText() if self.hasFocus() and self._rows.rowCount() else self._symbol
        edit = self.lineEdit()
        is_marked = edit is not None and edit.hasSelectedText()
        self._rows.clear()
        for symbol in recorded:
            row = QStandardItem(self._mark, symbol)
            words = self._translator.text("symbols.recorded", symbol=symbol)
            row.setToolTip(words)
            row.setData(words, Qt.ItemDataRole.AccessibleTextRole)
            row.setData(_NAME, _KIND)
            self._rows.appendRow(row)
        if len(recorded) > 1 and is_recorded(self._symbol, self._service.recorded_symbols):
            self._rows.appendRow(self._stop_row())
        others = [symbol for symbol in self._others if symbol not in recorded]
        if others:
            self.insertSeparator(self._rows.rowCount())
            for symbol in others:
                row = QStandardItem(symbol)
                row.setData(_NAME, _KIND)
                self._rows.appendRow(row)
        if self._failure[0]:
            row = QStandardItem(self._translator.text("symbols.no_list_brief"))
            row.setToolTip(wrapping_tooltip(self._failure_text()))
            row.setFlags(Qt.ItemFlag.NoItemFlags)
            self._rows.appendRow(row)
        self._restore()
        self.setEditText(typed)
        if edit is not None and is_marked:
            edit.selectAll()

    def _restore(self) -> None:
        """Show the symbol that is shown, whatever was typed or picked."""
        self.setCurrentIndex(self.findText(self._symbol))
        self.setEditText(self._symbol)

    def _stop_row(self) -> QStandardItem:
        row = QStandardItem(self._stop_text())
        row.setToolTip(self._translator.text("symbols.stop_help"))
        row.setData(_STOP, _KIND)
        return row

    def _stop_text(self) -> str:
        return self._translator.text("symbols.stop", symbol=self._symbol)

    def _take_row(self, index: int) -> None:
        if self.itemData(index, _KIND) == _STOP:
            self._service.remove_symbols([self._symbol])
            self._request(self._service.symbols[0])
        else:
            self._take_text(self.itemText(index))

    def _load(self) -> None:
        if self._is_asking:
            return
        self._is_asking = True
        threading.Thread(target=self._ask_exchange, name="heatmap-symbols", daemon=True).start()

    def _ask_exchange(self) -> None:
        """Ask the exchange; on a thread."""
        symbols: Sequence[str] | None = None
        reason = detail = ""
        try:
            symbols = self._service.listed_symbols()
        except FeedError as error:
            reason, detail = error.reason, error.short
        with contextlib.suppress(RuntimeError):  # the widget was deleted meanwhile
            self._listed.emit(symbols, reason, detail)

    def _take_listed(self, symbols: Sequence[str] | None, reason: str, detail: str) -> None:
        self._is_asking = False
        listed = self._others if symbols is None else tuple(symbols)
        if (listed, (reason, detail)) == (self._others, self._failure):
            return
        self._others, self._failure = listed, (reason, detail)
        is_open = self._is_open()
        if is_open:
            self.hidePopup()
        self.retranslate()
        completer = self.completer()
        if is_open:
            self.showPopup()  # in its new length
        elif completer is not None and self.hasFocus() and self.currentText() != self._symbol:
            completer.complete()

    def _is_open(self) -> bool:
        view = self.view()
        return view is not None and view.isVisible()


def _mark() -> QIcon:
    """Return the mark of a recorded symbol: a dot, as on a recorder."""
    pixmap = QPixmap(QSize(_MARK_PX, _MARK_PX))
    pixmap.fill(Qt.GlobalColor.transparent)
    painter = QPainter(pixmap)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(_RECORDED)
    painter.drawEllipse(1, 1, _MARK_PX - 2, _MARK_PX - 2)
    painter.end()
    return QIcon(pixmap)
