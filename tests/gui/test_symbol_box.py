"""The choice of a symbol: list, search, question. Widgets only, no page and no network."""

from __future__ import annotations

import dataclasses
import html
import threading

import pytest
from PyQt6.QtCore import QPoint, QPointF, Qt
from PyQt6.QtGui import QWheelEvent
from PyQt6.QtTest import QTest
from PyQt6.QtWidgets import QApplication, QLineEdit, QMessageBox, QWidget

from Heatmap.errors import RestError
from Heatmap.reports import ConnectionState
from Heatmap.ui.translation import Translator
from Heatmap.ui.widgets.symbol_box import SymbolBox

STOP = "Stop recording ETHUSDT"
LISTED = ("BTCUSDT", "ETHUSDT", "SOLBUSD", "SOLUSDT")


@dataclasses.dataclass
class Status:
    state: ConnectionState


class RecordingService:
    """What the box uses of a service; the exchange answers when the test lets it."""

    def __init__(self) -> None:
        self.symbols = self.recorded_symbols = ("ETHUSDT", "BTCUSDT")
        self.state = ConnectionState.LIVE
        self.answer: tuple[str, ...] | Exception = LISTED
        self.may_answer = threading.Event()
        self.may_answer.set()

    def listed_symbols(self):
        self.may_answer.wait(10)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    def add_symbols(self, symbols):
        self.symbols = self.recorded_symbols = (*self.symbols, *symbols)
        return tuple(symbols)

    def remove_symbols(self, symbols):
        self.symbols = self.recorded_symbols = tuple(symbol for symbol in self.symbols if symbol not in symbols)

    def status(self):
        return Status(self.state)


@pytest.fixture
def box(qtbot):
    window = QWidget()
    qtbot.addWidget(window)
    other = QLineEdit(window)
    made = SymbolBox(RecordingService(), Translator("en"), window)
    made.service, made.requests, made.host = made._service, [], window
    made.symbolRequested.connect(made.requests.append)
    window.show()
    window.activateWindow()
    qtbot.waitUntil(window.isActiveWindow)
    other.setFocus()
    return made


def texts(box) -> list[str]:
    return [box.itemText(row) for row in range(box.count())]


def loaded(qtbot, box) -> SymbolBox:
    box.setFocus()
    qtbot.waitUntil(lambda: "SOLUSDT" in texts(box))
    return box


def question(box) -> QMessageBox:
    return box.findChild(QMessageBox, "record_question")


def test_recorded_symbols_come_first_and_are_marked(qtbot, box):
    assert texts(box) == ["ETHUSDT", "BTCUSDT", STOP]
    loaded(qtbot, box)
    assert texts(box) == ["ETHUSDT", "BTCUSDT", STOP, "", "SOLBUSD", "SOLUSDT"]
    assert [box.itemIcon(row).isNull() for row in (0, 1, 4, 5)] == [False, False, True, True]
    assert box.itemData(0, Qt.ItemDataRole.AccessibleTextRole) == "ETHUSDT, recorded"
    assert (box.symbol, box.currentText(), box.accessibleName()) == ("ETHUSDT", "ETHUSDT", "Symbol")


def test_a_list_that_is_open_grows_when_the_exchange_answers(qtbot, box):
    box.service.may_answer.clear()
    box.showPopup()
    assert (box.view().isVisible(), box.count()) == (True, 3)
    box.service.may_answer.set()
    qtbot.waitUntil(lambda: box.count() == 6)
    assert box.view().isVisible()
    box.hidePopup()


def test_any_part_of_a_name_filters_and_enter_takes_the_first(qtbot, box):
    loaded(qtbot, box)
    QTest.keyClicks(box, "usdt")  # replaces the name
    finds = box.completer().completionModel()
    assert [finds.index(row, 0).data() for row in range(finds.rowCount())] == ["ETHUSDT", "BTCUSDT", "SOLUSDT"]
    box.lineEdit().selectAll()
    QTest.keyClicks(box, "btc")
    QTest.keyClick(box, Qt.Key.Key_Return)
    assert (box.requests, box.currentText()) == (["BTCUSDT"], "BTCUSDT")
    box.lineEdit().selectAll()
    QTest.keyClicks(box, "nothing")
    QTest.keyClick(box, Qt.Key.Key_Return)
    assert (box.requests, box.currentText()) == (["BTCUSDT"], "BTCUSDT")


def test_a_new_symbol_is_recorded_after_one_click_that_says_what_it_means(qtbot, box):
    loaded(qtbot, box).choose("SOLUSDT")
    asked = question(box)
    assert "no history" in asked.informativeText()
    assert box.requests == []
    box.setCurrentIndex(box.findText("SOLUSDT"))  # as a click does
    asked.reject()
    qtbot.waitUntil(lambda: question(box) is None)
    assert box.currentIndex() == 0
    assert (box.requests, box.currentText(), box.service.symbols) == ([], "ETHUSDT", ("ETHUSDT", "BTCUSDT"))
    box.choose("SOLUSDT")
    asked = question(box)
    (record,) = [button for button in asked.buttons() if "Record" in button.text()]
    assert record is asked.defaultButton()
    record.click()
    assert (box.requests, box.service.symbols) == (["SOLUSDT"], ("ETHUSDT", "BTCUSDT", "SOLUSDT"))
    stop = STOP.replace("ETHUSDT", "SOLUSDT")
    assert texts(box) == ["ETHUSDT", "BTCUSDT", "SOLUSDT", stop, "", "SOLBUSD"]
    # The same list ends it; the last symbol stays.
    box.activated.emit(texts(box).index(stop))
    assert (box.service.symbols, box.symbol, box.requests) == (
        ("ETHUSDT", "BTCUSDT"),
        "ETHUSDT",
        ["SOLUSDT", "ETHUSDT"],
    )
    box.activated.emit(texts(box).index(STOP))
    assert texts(box)[:2] == ["BTCUSDT", ""]


def test_neither_wheel_nor_arrows_choose_a_row_that_was_only_passed(qtbot, box):
    loaded(qtbot, box)
    at, nothing = QPointF(box.rect().center()), QPoint()
    for _ in range(3):
        turn = QWheelEvent(
            at, box.mapToGlobal(at), nothing, QPoint(0, -120), Qt.MouseButton.NoButton, Qt.KeyboardModifier.NoModifier,
            Qt.ScrollPhase.NoScrollPhase, False,
        )  # fmt: skip
        QApplication.sendEvent(box, turn)
    assert not turn.isAccepted()
    for key in (Qt.Key.Key_Up, Qt.Key.Key_Down, Qt.Key.Key_PageUp, Qt.Key.Key_PageDown):
        QTest.keyClick(box, key)
        assert box.view().isVisible()
        QTest.keyClick(box.view(), Qt.Key.Key_Escape)
    assert (box.requests, box.service.symbols, box.currentText()) == ([], ("ETHUSDT", "BTCUSDT"), "ETHUSDT")
    QTest.keyClick(box, Qt.Key.Key_Down)
    QTest.keyClick(box.view(), Qt.Key.Key_Down)
    QTest.keyClick(box.view(), Qt.Key.Key_Return)
    assert box.requests == ["BTCUSDT"]


def test_a_program_that_only_reads_says_who_would_record(qtbot, box):
    box.service.state = ConnectionState.READING
    loaded(qtbot, box).choose("SOLUSDT")
    assert "Another program records" in question(box).informativeText()


def test_with_all_symbols_recorded_nothing_is_asked(qtbot, box):
    box.service.recorded_symbols = ("ALL",)
    loaded(qtbot, box).choose("SOLUSDT")
    assert (question(box), box.requests) == (None, ["SOLUSDT"])


def test_an_exchange_that_does_not_answer_is_said_and_asked_again(qtbot, box):
    box.service.answer = RestError("x", reason="dns", short="The name was not found.")
    box.setFocus()
    qtbot.waitUntil(lambda: "could not be loaded: The exchange's name was not found." in html.unescape(box.toolTip()))
    assert texts(box)[-1] == "Others: not loaded"
    assert not box.model().item(box.count() - 1).isEnabled()
    box.service.answer = LISTED
    box.clearFocus()
    loaded(qtbot, box)
    assert "could not be loaded" not in box.toolTip()
    assert texts(box)[-1] == "SOLUSDT"


def test_an_answer_after_the_end_of_the_window_is_dropped(qtbot, box):
    box.service.may_answer.clear()
    box.setFocus()
    (asking,) = [thread for thread in threading.enumerate() if thread.name == "heatmap-symbols"]
    service = box.service
    with qtbot.waitSignal(box.destroyed):
        box.deleteLater()
    service.may_answer.set()
    asking.join(10)
    assert not asking.is_alive()
