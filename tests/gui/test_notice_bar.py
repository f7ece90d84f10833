"""The bar above the chart: what is wrong or why the map is empty, and buttons for what one can do about it."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from PyQt6 import sip
from PyQt6.QtCore import QObject, Qt, pyqtSignal
from PyQt6.QtGui import QAction
from PyQt6.QtWidgets import QFileDialog, QLabel, QMessageBox, QToolButton, QWidget

from Heatmap.app.first_steps import FirstSteps
from Heatmap.storage.database import database_of
from Heatmap.storage.sqlite.sqlite_store import SqliteStore
from Heatmap.ui.translation import Translator
from Heatmap.ui.widgets.notice_bar import NoticeBar
from Heatmap.ui.widgets.tab_notice import Notice

RECORDED = Path(__file__).parents[1] / "data" / "btcusdt_liquidations_recorded.jsonl"


class Notices(QObject):
    changed = pyqtSignal()
    notice = Notice()

    def say(self, *notice) -> None:
        self.notice = Notice(*notice)
        self.changed.emit()


@pytest.fixture
def host(qtbot):
    window = QWidget()
    qtbot.addWidget(window)
    return window


def shown(bar) -> tuple[str, list[str]]:
    """Return the bar's text and its buttons; "" if it is hidden."""
    buttons = [button for button in bar.findChildren(QToolButton) if not button.isHidden()]
    text = "" if bar.isHidden() else bar.findChild(QLabel).text()
    return text, [button.text().replace("&", "") for button in buttons]


def test_each_notice_comes_with_what_one_can_do(host):
    notices, retries = Notices(), []
    bar = NoticeBar(notices, Translator("en"), lambda: retries.append("now"), host, without=["page"])
    demo = QAction("Show demo", host)
    bar.add_action(demo, "first_event")
    assert shown(bar)[0] == ""
    notices.say("Not recording.", "problem", "not_recording")
    assert shown(bar) == ("Not recording.", ["Try now"])
    bar.findChild(QAction, "heatmap_retry").trigger()
    assert retries == ["now"]
    notices.say("Recording since 18:42.", "info", "first_event")
    assert shown(bar) == ("Recording since 18:42.", ["What is this?", "Show demo"])
    notices.say("The page has no chart.", "warning", "page")
    assert shown(bar)[0] == ""
    notices.say("Nothing in this window.", "info", "other")
    assert shown(bar) == ("Nothing in this window.", [])
    notices.say()
    assert shown(bar)[0] == ""


def test_the_explanation_opens_in_the_users_language(host):
    translator = Translator("en")
    bar = NoticeBar(Notices(), translator, lambda: None, host)
    translator.set_language("de")
    bar.findChild(QAction, "heatmap_about").trigger()
    box = bar.findChild(QMessageBox)
    assert box.windowTitle() == "Was die Heatmap zeigt"
    assert "Untergrenzen" in box.text()
    box.reject()


def imported(qtbot, host, monkeypatch, tmp_path, file) -> QMessageBox:
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: (str(file), ""))
    steps = FirstSteps(database_of(tmp_path / "record.sqlite3"), Translator("en"), host)
    steps.import_file.trigger()
    assert not steps.import_file.isEnabled()
    qtbot.waitUntil(steps.import_file.isEnabled)
    return host.findChild(QMessageBox)


def test_a_file_is_imported_and_its_result_shown(qtbot, host, monkeypatch, tmp_path):
    box = imported(qtbot, host, monkeypatch, tmp_path, RECORDED)
    assert box.icon() is QMessageBox.Icon.Information
    store = SqliteStore(tmp_path / "record.sqlite3")
    stored = len(store.window("BTCUSDT", "binance", 0, 2**62))
    store.close()
    assert stored > 0
    assert f"new: {stored}, refused: 0." in box.text()


def test_a_file_that_is_no_record_is_refused_in_words(qtbot, host, monkeypatch, tmp_path):
    (tmp_path / "shopping.txt").write_text("milk\neggs\n")
    box = imported(qtbot, host, monkeypatch, tmp_path, tmp_path / "shopping.txt")
    assert box.icon() is QMessageBox.Icon.Warning
    assert "shopping.txt" in box.text()
    # A file or a member of an archive may be called as it likes: its name is no mark-up.
    assert box.textFormat() is Qt.TextFormat.PlainText
    box = imported(qtbot, QWidget(), monkeypatch, tmp_path, tmp_path / "gone.csv")
    assert box.icon() is QMessageBox.Icon.Warning


def test_a_window_that_is_deleted_during_an_import_does_no_harm(qtbot, monkeypatch, tmp_path):
    window = QWidget()
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: (str(RECORDED), ""))
    FirstSteps(database_of(tmp_path / "record.sqlite3"), Translator("en"), window).import_file.trigger()
    sip.delete(window)
    # What a thread does not catch fails the test.
    qtbot.waitUntil(lambda: all(thread.name != "heatmap-import" for thread in threading.enumerate()), timeout=30_000)
