"""Alerts from the socket to the sound; when there are none; their settings, their line and their notice."""

from __future__ import annotations

import asyncio
import threading
from contextlib import contextmanager
from datetime import datetime

import pytest
from PyQt6.QtCore import QSettings, Qt
from PyQt6.QtWidgets import QApplication, QCheckBox, QComboBox, QLabel, QListWidget, QPushButton, QSpinBox
from support.exchange import ScriptedExchange
from support.frames import encode, mark_price
from support.record import event
from support.service import RunningService
from support.waiting import until

from Heatmap.alert_rules import EVERY_SYMBOL, Alert, AlertSettings, SymbolRules
from Heatmap.clock import SYSTEM_CLOCK
from Heatmap.events import Source
from Heatmap.heatmap_service import HeatmapService
from Heatmap.storage.contract import ImportedFile
from Heatmap.storage.sqlite.bulk_insert import SqliteImportWriter, bulk_insert
from Heatmap.ui.translation import Translator
from Heatmap.ui.widgets import alert_output
from Heatmap.ui.widgets.alert_centre import AlertCentre, join_centre
from Heatmap.ui.widgets.alert_model import AlertModel
from Heatmap.ui.widgets.alert_notice import AlertNotice, CornerNotice
from Heatmap.ui.widgets.alert_output import AlertOutput
from Heatmap.ui.widgets.alert_sound import AlertSound, alert_wave
from Heatmap.ui.widgets.alert_tab import AlertTab
from Heatmap.ui.widgets.alert_text import alert_line

LARGE = {EVERY_SYMBOL: SymbolRules(size=True, size_usd=1000)}


class Output(AlertOutput):
    """Notes when and what it is asked to report."""

    def __init__(self):
        super().__init__(Translator("en"))
        self.reports = []

    def prepare(self):
        pass

    def report(self, line, *, sound, notification):
        self.reports.append((SYSTEM_CLOCK.monotonic_s(), line, sound, notification))


@contextmanager
def watching(service, rules=LARGE, clock=SYSTEM_CLOCK, **settings):
    output, model = Output(), AlertModel()
    model.update(rules=rules, **settings)
    centre = AlertCentre(service, model, Translator("en"), output, clock=clock)
    try:
        yield centre, output
    finally:
        centre.stop()
        service.stop()


class PacedExchange(ScriptedExchange):
    """Sends large liquidations one by one, each of another symbol, and notes when."""

    def __init__(self, symbols):
        super().__init__(known=symbols)
        self.sent_s = {}

    async def play(self, ws):
        await ws.send(mark_price(SYSTEM_CLOCK.now_ms()))
        for symbol in self.known:
            now_ms = SYSTEM_CLOCK.now_ms()
            self.sent_s[symbol] = SYSTEM_CLOCK.monotonic_s()
            await ws.send(encode(event(0, ts_ms=now_ms, symbol=symbol), combined=True))
            await asyncio.sleep(0.008)
        await ws.wait_closed()


def test_from_the_socket_to_the_sound(qtbot, tmp_path):
    symbols = tuple(f"S{number}USDT" for number in range(120))
    for attempt in range(3):  # another program may take the machine meanwhile
        with PacedExchange(symbols) as exchange:
            service = HeatmapService(tmp_path / f"{attempt}.sqlite3", symbols, **exchange.addresses)
            with watching(service) as (_, output), RunningService(service):
                qtbot.waitUntil(lambda output=output: len(output.reports) >= len(symbols), timeout=30_000)
                qtbot.wait(50)
        lines = [line.partition(":")[0] for _, line, _, _ in output.reports]
        assert lines == list(symbols)  # each once
        delays_s = sorted(
            at_s - exchange.sent_s[symbol] for (at_s, *_), symbol in zip(output.reports, lines, strict=True)
        )
        worst_s = delays_s[118]  # of 120: the 99th percentile
        if worst_s <= 0.15:
            return
    pytest.fail(f"p99 was {worst_s:.3f} s")


def now(number=0, **changes):
    now_ms = SYSTEM_CLOCK.now_ms()
    return event(0, ts_ms=now_ms + number, received_ms=now_ms, **changes)


def test_history_gives_no_alert_and_a_restart_goes_on(qtbot, tmp_path):
    path = tmp_path / "record.sqlite3"
    bulk_insert(path, [now()])
    service = HeatmapService(path, ("BTCUSDT", "ETHUSDT"), collect=False)
    with watching(service) as (centre, output):
        service.start()
        with SqliteImportWriter(path) as writer:
            writer.insert(ImportedFile("old.csv", "tardis", 1), [now(1)])
        bulk_insert(
            path, [event(5, received_ms=SYSTEM_CLOCK.now_ms()), now(2, symbol="XRPUSDT"), now(3, source="demo")]
        )
        bulk_insert(path, [now(4, symbol="ETHUSDT")])
        qtbot.waitUntil(lambda: bool(output.reports), timeout=10_000)
        assert [line for _, line, *_ in output.reports] == ["ETHUSDT: long liquidated, $21.3K at 85,000.50"]
        service.stop()  # ends subscriptions; from the next start on there are alerts again
        service.start()
        numbers = iter(range(10, 10_000))

        def comes():
            bulk_insert(path, [now(next(numbers), symbol="BTCUSDT")])
            return len(output.reports) > 1

        qtbot.waitUntil(comes, timeout=10_000)
        centre.model.update(rules={})
        # Nobody listens any more: what is stored now reaches nothing.
        until(lambda: "heatmap-events" not in [thread.name for thread in threading.enumerate()])


class FixedClock:
    def __init__(self, hour):
        self.at_ms = round(datetime(2026, 9, 21, hour, 30).timestamp() * 1000)  # noqa: DTZ001 - the local day

    def now_ms(self):
        return self.at_ms

    def monotonic_s(self):
        return SYSTEM_CLOCK.monotonic_s()


ALERT = Alert("size", "BTCUSDT", 0, True, 86_412.5, 1, 2_310_000.0, 2_310_000.0)
BURST = Alert("burst", "ETHUSDT", 0, False, 2500.0, 23, 4_600_000.0, 4_100_000.0, 60, 4)


@pytest.mark.parametrize(("hour", "count"), [(23, 0), (6, 0), (12, 1)])
def test_quiet_hours_are_of_the_local_day(tmp_path, hour, count):
    service = HeatmapService(tmp_path / "no.sqlite3", collect=False)
    with watching(service, rules={}, clock=FixedClock(hour), quiet=True, sound=False) as (centre, output):
        lines = []
        centre.raised.connect(lambda line, _: lines.append(line))
        centre._found.emit(ALERT)
        assert [(sound, notification) for *_, sound, notification in output.reports] == [(False, True)] * count
        assert len(lines) == count


def test_two_charts_of_a_service_report_once(qtbot, tmp_path):
    path = tmp_path / "record.sqlite3"
    service, translator = HeatmapService(path, collect=False), Translator("en")
    first, second = (join_centre(service, None, translator, SYSTEM_CLOCK) for _ in range(2))
    assert first is second
    first.model.update(rules=LARGE, sound=False, notification=False)
    lines = []
    first.raised.connect(lambda line, _: lines.append(line))
    first.leave()
    bulk_insert(path, [now()])
    qtbot.waitUntil(lambda: len(lines) == 1, timeout=10_000)
    second.leave()
    assert join_centre(service, None, translator, SYSTEM_CLOCK) is not second
    service.stop()


def test_a_replay_is_never_watched(tmp_path, monkeypatch):
    service = HeatmapService(tmp_path / "no.sqlite3", collect=False, source=Source.REPLAY)
    monkeypatch.setattr(service, "subscribe_events", lambda *_args, **_options: pytest.fail("it was"))
    with watching(service) as (centre, _):
        assert not centre.is_possible


@pytest.mark.parametrize(
    ("language", "source", "alert", "line"),
    [
        ("en", "binance", ALERT, "BTCUSDT: long liquidated, $2.31M at 86,412.50"),
        ("de", "demo", ALERT, "Simuliert: BTCUSDT: Long liquidiert, 2,31 Mio. $ bei 86.412,50"),
        (
            "en", "binance", BURST,
            "ETHUSDT: 23 liquidations, $4.6M in 60 s (long $4.1M, short $500K) (4 more since the last alert)",
        ),
    ],
)  # fmt: skip
def test_the_line(language, source, alert, line):
    assert alert_line(alert, Translator(language), source) == line


class Counter(AlertSound):
    plays = preparations = 0

    def prepare(self):
        self.preparations += 1

    def play(self):
        self.plays += 1


def test_many_alerts_make_one_sound_and_a_notice_that_counts_the_others(qtbot, monkeypatch):
    monkeypatch.setattr(alert_output, "NOTICE_GAP_MS", 100)
    monkeypatch.setattr(alert_output, "PREPARE_MS", 10)
    sound, shown = Counter(), []
    notice = AlertNotice()
    notice.show = lambda title, text: shown.append((title, text))
    output = AlertOutput(Translator("en"), sound=sound, notice=notice)
    output.prepare()
    assert sound.preparations == 0  # loading it would delay a window that is being opened
    qtbot.waitUntil(lambda: sound.preparations == 1)
    for number in range(5):
        output.report(f"line {number}", sound=True, notification=True)
    assert sound.plays == 1
    qtbot.waitUntil(lambda: len(shown) == 2, timeout=10_000)
    assert [text for _, text in shown] == ["line 0", "line 4 (other alerts: 3)"]
    output.remove()


def test_without_a_tray_the_notice_is_in_the_corner_of_the_window(qtbot):
    window = QLabel("host")
    qtbot.addWidget(window)
    window.resize(600, 300)
    with qtbot.waitExposed(window):
        window.show()
    notice = AlertNotice()
    notice.show("Alert", "BTCUSDT: long liquidated")
    (corner,) = [each for each in QApplication.topLevelWidgets() if isinstance(each, CornerNotice)]
    assert corner.text() == "BTCUSDT: long liquidated"
    assert corner.frameGeometry().right() <= window.frameGeometry().right()
    qtbot.mouseClick(corner, Qt.MouseButton.LeftButton)
    assert not corner.isVisible()
    notice.remove()


def test_the_sound_is_a_wave_and_something_sounds_without_an_output(monkeypatch):
    wave = alert_wave()
    assert wave[:4] == b"RIFF"
    assert len(wave) > 8_000
    beeps = []
    monkeypatch.setattr(QApplication, "beep", lambda: beeps.append("beep"))
    sound = AlertSound()
    sound._is_prepared = True  # as where nothing can be loaded
    sound.play()
    assert beeps == ["beep"]


def test_the_tab_sets_rules_for_all_and_for_one_symbol(qtbot, tmp_path):
    store = QSettings(str(tmp_path / "alerts.ini"), QSettings.Format.IniFormat)
    service = HeatmapService(tmp_path / "no.sqlite3", ("BTCUSDT", "ETHUSDT"), collect=False)
    model, output = AlertModel(store), Output()
    centre = AlertCentre(service, model, Translator("en"), output, clock=SYSTEM_CLOCK)
    tab = AlertTab(centre, service, Translator("en"))
    qtbot.addWidget(tab)
    tab.resize(340, 700)
    with qtbot.waitExposed(tab):
        tab.show()
    size, usd = tab.findChild(QCheckBox, "alert_size"), tab.findChild(QSpinBox, "alert_size_usd")
    symbol, own = tab.findChild(QComboBox, "alert_symbol"), tab.findChild(QCheckBox, "alert_own")
    assert not model.value.is_active  # all is off at first
    assert not usd.isVisible()
    size.click()
    assert usd.isVisible()
    usd.setValue(250_000)
    tab.findChild(QCheckBox, "alert_burst").click()
    tab.findChild(QComboBox, "alert_burst_by").setCurrentIndex(1)
    assert tab.findChild(QSpinBox, "alert_burst_least_count").isVisible()
    assert not tab.findChild(QSpinBox, "alert_burst_least_usd").isVisible()
    symbol.setCurrentText("ETHUSDT")
    assert (own.isChecked(), size.isEnabled(), usd.value()) == (False, False, 250_000)
    own.click()
    size.click()
    symbol.setCurrentIndex(0)
    assert size.isChecked()
    tab.findChild(QCheckBox, "alert_quiet").click()
    tab.findChild(QPushButton, "alert_try").click()
    assert [line for _, line, *_ in output.reports] == ["This is a trial."]
    centre.raised.emit("BTCUSDT: long liquidated", ALERT)
    assert tab.findChild(QListWidget, "alert_lines").item(0).text().endswith("BTCUSDT: long liquidated")
    for widget in tab.findChildren((QCheckBox, QPushButton)):
        assert widget.text()
    labels = {label.buddy(): label.text() for label in tab.findChildren(QLabel)}
    for widget in tab.findChildren((QSpinBox, QComboBox)):
        assert widget.accessibleName()
        assert labels[widget]
    store.sync()
    again = AlertModel(QSettings(store.fileName(), QSettings.Format.IniFormat)).value
    assert again == model.value
    assert again.rules_of("BTCUSDT").size_usd == 250_000
    assert (again.rules_of("BTCUSDT").size, again.rules_of("ETHUSDT").size, again.quiet) == (True, False, True)
    centre.stop()
    service.stop()


@pytest.mark.parametrize("damage", ["{damaged", '{"sound":true,"rules":{}}, "x"', ["{", "}"], 7])
def test_a_damaged_store_switches_alerts_off(tmp_path, caplog, damage):
    store = QSettings(str(tmp_path / "alerts.ini"), QSettings.Format.IniFormat)
    store.setValue("alerts/settings", damage)
    assert AlertModel(store).value == AlertSettings()
    assert "alerts are off" in caplog.text
