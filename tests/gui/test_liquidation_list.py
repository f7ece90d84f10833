"""The list of liquidations: what it says, its place while new ones come, keyboard, clipboard, size."""

from __future__ import annotations

import dataclasses
import random
import time

import pytest
from PyQt6.QtCore import QPoint, Qt
from PyQt6.QtGui import QGuiApplication
from PyQt6.QtWidgets import QLabel, QTabBar

from Heatmap.clock import SYSTEM_CLOCK
from Heatmap.rendering.liquidation_reader import MOST_ROWS, LiquidationRows, ListedLiquidation, ListRequest
from Heatmap.ui.geometry.chart_time import chart_time
from Heatmap.ui.translation import Translator
from Heatmap.ui.widgets.liquidation_list import LiquidationList, LiquidationTable
from Heatmap.ui.widgets.liquidation_model import TIME, USD

NOW_MS = 1_790_000_000_000  # 2026-09-21 14:13:20 UTC
LATEST = ListRequest("BTCUSDT", "binance", 8 * 3_600_000, "both", 0, "latest")


class StoppedClock:
    def now_ms(self):
        return NOW_MS

    def monotonic_s(self):
        return SYSTEM_CLOCK.monotonic_s()


def row(number, usd=1000.0):
    return ListedLiquidation(number, NOW_MS - 1_000_000 + 1000 * number, number % 2, 85_000.5, usd)


def found(numbers, request=LATEST, total=None):
    rows = [row(number) for number in numbers]
    return LiquidationRows(request, rows, len(rows), len(rows) if total is None else total, 0.1)


@pytest.fixture
def listing(qtbot):
    widget = LiquidationList(Translator("en"), StoppedClock(), chart_time=chart_time("Europe/Berlin"))
    qtbot.addWidget(widget)
    widget.resize(380, 260)
    with qtbot.waitExposed(widget):
        widget.show()
    return widget


def texts(listing, number):
    return [listing.model.index(number, column).data() for column in range(5)]


def test_what_it_says(listing):
    count, table = listing.findChild(QLabel, "list_count"), listing.findChild(LiquidationTable)
    listing.set_rows(found([998, 3]))
    assert texts(listing, 0) == ["16:13:18", "Short", "85,000.5", "$1K", "2 s"]
    assert texts(listing, 1) == ["15:56:43", "Long", "85,000.5", "$1K", "16 min"]
    assert listing.model.headerData(0, Qt.Orientation.Horizontal) == "Time (UTC+2)"
    assert count.text() == "2 of 2 in the window"
    listing.set_rows(found([], total=5))
    assert "hide everything in this window (5)" in count.text()
    listing.set_rows(found([]))
    assert count.text() == "No liquidations in this window yet."
    listing.set_problem("It is damaged.")
    assert count.text().endswith("It is damaged.")
    assert table.accessibleName() == "Liquidations"


def test_in_a_replay_ages_are_those_of_its_time_and_the_place_is_kept(listing):
    listing.resize(380, 200)
    listing.set_rows(found(range(99, -1, -1)))
    bar = listing.findChild(LiquidationTable).verticalScrollBar()
    bar.setValue(20)
    at = dataclasses.replace(LATEST, as_of_ms=NOW_MS - 900_000)
    listing.set_rows(found(range(99, -1, -1), at))
    assert bar.value() == 20
    assert texts(listing, 0)[4] == "1 s"


@pytest.mark.parametrize("language", ["en", "de"])
def test_date_time_and_dollars_have_room_at_the_preferred_width(qtbot, language):
    widget = LiquidationList(Translator(language), StoppedClock())
    qtbot.addWidget(widget)
    widget.resize(widget.sizeHint())
    yesterday = [ListedLiquidation(1, NOW_MS - 86_400_000, 1, 88_000.5, 28.8e6)]
    widget.set_rows(LiquidationRows(LATEST, yesterday, 1, 1, 0.1))
    with qtbot.waitExposed(widget):
        widget.show()
    table = widget.findChild(LiquidationTable)
    for column in (TIME, USD):
        wanted_px = table.fontMetrics().horizontalAdvance(widget.model.index(0, column).data())
        assert wanted_px < table.columnWidth(column) < wanted_px + 20


def test_a_price_is_not_rounded_by_the_tick_size_of_another_symbol(listing):
    listing.set_rows(found([998]))
    for symbol, price, text in (("DOGEUSDT", 0.12345, "0.123450"), ("ETHUSDT", 3003.25, "3,003.25")):
        only = ListedLiquidation(1, NOW_MS, 1, price, 1000.0)
        listing.set_rows(LiquidationRows(dataclasses.replace(LATEST, symbol=symbol), [only], 1, 1, None))
        assert texts(listing, 0)[2] == text


def test_it_follows_the_newest_until_the_user_scrolls_or_selects(listing):
    table = listing.findChild(LiquidationTable)
    bar = table.verticalScrollBar()
    listing.set_rows(found(range(99, -1, -1)))
    assert bar.value() == 0
    listing.set_rows(found(range(102, -1, -1)))
    assert (bar.value(), texts(listing, 0)) == (0, texts(listing, 0))  # the newest are in sight
    bar.setValue(30)
    top = listing.model.row(table.rowAt(2)).row_id
    listing.set_rows(found(range(109, 5, -1)))  # seven new ones, six old ones less
    assert listing.model.row(table.rowAt(2)).row_id == top
    bar.setValue(0)
    table.selectRow(2)
    chosen = listing.model.row(2).row_id
    y = table.rowViewportPosition(2)
    listing.set_rows(found(range(112, 5, -1)))
    (selected,) = table.selectionModel().selectedRows()
    assert listing.model.row(selected.row()).row_id == chosen
    assert table.rowViewportPosition(selected.row()) == y
    listing.set_rows(found(range(112, 5, -1), ListRequest("BTCUSDT", "binance", 1, "both", 0, "largest")))
    assert not table.selectionModel().hasSelection()
    assert bar.value() == 0


def test_any_change_of_rows_ends_with_those_that_were_read(listing):
    dice = random.Random(11)
    for _ in range(60):
        numbers = sorted(dice.sample(range(120), dice.randrange(0, 90)), reverse=True)
        listing.set_rows(found(numbers))
        assert [listing.model.row(n).row_id for n in range(listing.model.rowCount())] == numbers


def test_keyboard_mouse_and_clipboard(listing, qtbot):
    table, orders = listing.findChild(LiquidationTable), listing.findChild(QTabBar, "list_order")
    listing.set_rows(found(range(9, -1, -1)))
    place = QPoint(20, table.rowViewportPosition(1) + 4)
    with qtbot.waitSignal(listing.activated) as chosen:
        qtbot.mouseClick(table.viewport(), Qt.MouseButton.LeftButton, pos=place)
    assert chosen.args == [row(8).ts_ms, 85_000.5]  # more than a C int has
    qtbot.keyClick(table, Qt.Key.Key_Down)
    with qtbot.waitSignal(listing.activated) as chosen:
        qtbot.keyClick(table, Qt.Key.Key_Return)
    assert chosen.args == [row(7).ts_ms, 85_000.5]
    qtbot.keyClick(table, Qt.Key.Key_Down, Qt.KeyboardModifier.ShiftModifier)
    qtbot.keyClick(table, Qt.Key.Key_C, Qt.KeyboardModifier.ControlModifier)
    clipboard = QGuiApplication.clipboard()
    assert clipboard.text().splitlines() == [
        "time_utc,symbol,side,price,notional_usd,source",
        "2026-09-21T13:56:47.000Z,BTCUSDT,long,85000.5,1000.0,binance",
        "2026-09-21T13:56:46.000Z,BTCUSDT,short,85000.5,1000.0,binance",
    ]
    listing.copy_all()
    assert len(clipboard.text().splitlines()) == 11
    with qtbot.waitSignal(listing.orderChanged) as changed:
        qtbot.keyClick(orders, Qt.Key.Key_Right)
    assert changed.args == ["largest"]


def test_a_full_list_changes_within_a_frame(listing):
    listing.set_rows(found(range(MOST_ROWS, 0, -1)))
    took_s = []
    for newest in range(MOST_ROWS + 1, MOST_ROWS + 20):
        began_s = time.perf_counter()
        listing.set_rows(found(range(newest, newest - MOST_ROWS, -1)))
        listing.model.ages_changed()
        took_s.append(time.perf_counter() - began_s)
    assert sorted(took_s)[len(took_s) // 2] < 0.016
