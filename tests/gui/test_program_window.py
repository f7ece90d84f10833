"""The stand-alone window: recovery, navigation, what it says when something is wrong."""

from __future__ import annotations

import dataclasses
import os
import signal

import numpy as np
import pytest
from PyQt6.QtCore import QEvent, QObject, QUrl
from PyQt6.QtGui import QAction, QDesktopServices
from PyQt6.QtWidgets import QComboBox, QDockWidget, QLabel, QTabWidget, QWidget
from support.mouse import Mouse

from Heatmap.app.chart_view import CHART_PAGE, ChartPage
from Heatmap.candle import Candle
from Heatmap.ui.widgets.liquidation_list import LiquidationList
from Heatmap.ui.widgets.status import StatusPanel

pytestmark = [pytest.mark.gl]


class StoppedClock:
    """All happens within one moment, however slow the machine is."""

    def monotonic_s(self) -> float:
        return 1000.0


def child(stage, kind, name):
    return stage.window.findChild(kind, name)


def test_a_killed_web_process_is_replaced_and_the_heat_comes_back(open_stage):
    with open_stage() as stage:
        stage.wait_for_heat()
        stage.wait_for_candles()
        old = stage.view.page().renderProcessPid()
        os.kill(old, signal.SIGKILL)
        stage.wait(lambda: stage.view.page().renderProcessPid() not in (0, old))
        stage.wait_for_candles()
        stage.wait_for_heat()
        assert stage.plugin.is_attached


def test_a_web_process_that_keeps_dying_is_left_alone_and_recording_goes_on(open_stage, monkeypatch):
    with open_stage() as stage:
        view, tab = stage.view, child(stage, QTabWidget, "settings_tabs").widget(0)
        monkeypatch.setattr(view, "_clock", StoppedClock())
        trouble, notice = stage.window.findChild(QLabel, "trouble"), tab.findChild(QLabel, "heatmap_notice")
        for _ in range(3):
            stage.wait(lambda: stage.plugin.is_attached)
            os.kill(view.page().renderProcessPid(), signal.SIGKILL)
            stage.wait(lambda: not stage.plugin.is_attached)
            assert "being loaded again" in trouble.text()
        stage.wait(lambda: stage.plugin.is_attached)
        assert trouble.text() == ""
        loads = []
        view.page().loadStarted.connect(lambda: loads.append(view))
        os.kill(view.page().renderProcessPid(), signal.SIGKILL)
        stage.wait(lambda: "keeps ending" in trouble.text())
        stage.wait(lambda: "ended 4 times within a minute" in notice.text())
        heard_ms = stage.service.status().last_market_ms
        stage.wait(lambda: stage.service.status().last_market_ms > heard_ms)
        assert "keeps ending" in trouble.text()
        assert loads == []
        # The user may still want it back, and gets all of it.
        assert "Press F5" in trouble.text()
        stage.window.findChild(QAction, "reload_chart").trigger()
        stage.wait_for_candles()
        stage.wait_for_heat()
        assert (trouble.text(), notice.text()) == ("", "")


def test_the_line_of_prices_follows_the_crosshair_and_not_the_newest_bar(open_stage):
    with open_stage() as stage:
        stage.wait_for_candles()

        def line() -> str:
            return stage.evaluate("document.getElementById('bar').textContent")

        def opening(bar: str) -> str:
            return f"O {stage.evaluate(f'series.priceFormatter().format({bar}.open)')} "

        last, before = stage.evaluate("series.data().slice(-2).reverse()")
        x = stage.evaluate("chart.timeScale().logicalToCoordinate(series.data().length - 20)")
        pointed = f"series.dataByIndex(chart.timeScale().coordinateToLogical({x}))"
        mouse = Mouse(stage.view)
        mouse.move(x, 150)
        stage.wait(lambda: line().startswith(opening(pointed)))
        # The newest bar changes, then the next begins: the chart moves on beneath the mouse.
        price = last["high"] + 0.1
        newest = Candle(last["time"] * 1000, price, price, price, price, volume=1.0, close_ms=0, closed=False)
        words, bridge = f"O {price:,.1f} ", stage.window._bridge
        stage.window._feed.candleReady.disconnect(bridge.update_bar)
        bridge.update_bar(newest)
        stage.wait(lambda: opening("series.data().at(-1)") == words)
        assert line().startswith(opening(pointed))
        bridge.update_bar(dataclasses.replace(newest, open_ms=newest.open_ms + 1000 * (last["time"] - before["time"])))
        stage.wait(lambda: stage.evaluate("series.data().at(-1).time") > last["time"])
        assert line().startswith(opening(pointed))
        assert not line().startswith(words)
        mouse.leave()
        stage.wait(lambda: line().startswith(words))


# What a script that got into the page may try, each a promise of a word; "out" if it succeeds.
ATTACKS = {
    "read a file": "fetch('file:///etc/passwd').then(() => 'out')",
    "read a file by request": "new Promise((done) => { const get = new XMLHttpRequest(); get.open('GET',"
    " 'file:///etc/passwd'); get.onload = () => done('out'); get.onerror = () => done('in'); get.send(); })",
    "show a file": "new Promise((done) => { const frame = document.createElement('iframe'); frame.src ="
    " 'file:///etc/passwd'; frame.onload = () => done(frame.contentDocument && frame.contentDocument.body.innerText ?"
    " 'out' : 'in'); document.body.append(frame); setTimeout(() => done('in'), 300); })",
    "send an image": "new Promise((done) => { const image = new Image(); image.onload = () => done('out');"
    " image.onerror = () => done('in'); image.src = 'http://127.0.0.1:1/x.png'; })",
    "load a script": "new Promise((done) => { const script = document.createElement('script'); script.onload = () =>"
    " done('out'); script.onerror = () => done('in'); script.src = 'http://127.0.0.1:1/x.js';"
    " document.body.append(script); })",
    "run an inline script": "new Promise((done) => { const script = document.createElement('script');"
    " script.textContent = 'window.inlineRan = true'; document.body.append(script);"
    " setTimeout(() => done(window.inlineRan ? 'out' : 'in')); })",
    "run an attribute": "new Promise((done) => { document.body.insertAdjacentHTML('beforeend', '<img src=data:,x"
    " onerror=\"window.attributeRan = true\">'); setTimeout(() => done(window.attributeRan ? 'out' : 'in'), 300); })",
    "evaluate a text": "(async () => eval('1') && 'out')()",
    "make a function": "(async () => new Function('return 1')() && 'out')()",
    "start a worker": "new Promise((done) => { const worker = new Worker('data:text/javascript,postMessage(1)');"
    " worker.onmessage = () => done('out'); worker.onerror = () => done('in'); })",
    "open a socket": "new Promise((done) => { const socket = new WebSocket('ws://127.0.0.1:1/'); socket.onerror = () =>"
    " done('in'); socket.onopen = () => done('out'); })",
    "send a form": "(async () => { const form = document.createElement('form'); form.action = 'http://127.0.0.1:1/';"
    " form.method = 'post'; document.body.append(form); form.submit(); return 'in'; })()",
    "go away": "(async () => { location.href = 'http://127.0.0.1:1/'; return 'in'; })()",
    "go to a file": "(async () => { location.href = 'file:///etc/passwd'; return 'in'; })()",
    "go to data": "(async () => { location.href = 'data:text/html,x'; return 'in'; })()",
    "open windows": "(async () => { for (const address of ['file:///etc/passwd', 'https://example.com/',"
    " 'data:text/html,x', 'https://www.tradingview.com/x']) window.open(address); return 'in'; })()",
    "store something": "(async () => { localStorage.setItem('a', 'b'); return 'out'; })()",
    "delete the bridge": "(async () => { for (const object of ['candles', PLUGIN]) qt.webChannelTransport.send("
    "JSON.stringify({type: 6, object, method: 'deleteLater', args: [], id: 1e9})); return 'in'; })()",
}


def test_a_script_that_got_into_the_page_gets_nowhere(open_stage, monkeypatch):
    """Whoever runs code in the page has neither files nor network nor another page, and cannot break the program."""
    with open_stage() as stage:
        stage.wait_for_candles()
        page = stage.view.page()
        assert isinstance(page, ChartPage)
        kind = ChartPage.NavigationType.NavigationTypeLinkClicked
        beside = f"{CHART_PAGE}-evil/index.html"
        assert not page.acceptNavigationRequest(QUrl.fromLocalFile(beside), kind, True)
        for address in ("https://example.com/", "file:///etc/passwd", "data:text/html,x", "chrome://gpu"):
            assert not page.acceptNavigationRequest(QUrl(address), kind, True)
        assert page.acceptNavigationRequest(QUrl.fromLocalFile(str(CHART_PAGE / "index.html")), kind, True)
        address = page.url()
        opened = []
        monkeypatch.setattr(QDesktopServices, "openUrl", lambda url: opened.append(url.toString()))
        (plugin,) = {*page.webChannel().registeredObjects()} - {"candles"}
        words = ", ".join(f"Promise.resolve().then(() => {attack}).catch(() => 'in')" for attack in ATTACKS.values())
        collected = f"Promise.all([{words}]).then((words) => window.words = words)"
        page.runJavaScript(f"window.words = null; window.PLUGIN = {plugin!r}; {collected}")
        stage.wait(lambda: stage.evaluate("window.words") is not None)
        assert dict(zip(ATTACKS, stage.evaluate("window.words"), strict=True)) == dict.fromkeys(ATTACKS, "in")
        assert page.url() == address
        # All goes on: the bridge still sends bars, and there is heat.
        last = stage.evaluate("series.data().at(-1).close")
        stage.wait(lambda: stage.evaluate("series.data().at(-1).close") != last)
        stage.wait(lambda: stage.plugin.is_attached)
        # The library's licence requires a link, which the user's browser shows.
        stage.wait(lambda: opened == ["https://www.tradingview.com/x"])
        assert stage.window.findChild(QLabel, "trouble").text() == ""


def test_another_interval_keeps_the_heat_behind_the_candles(open_stage):
    with open_stage() as stage:
        stage.wait_for_heat()
        child(stage, QComboBox, "interval").setCurrentText("15m")
        step_s = "series.data().length > 2 && series.data()[1].time - series.data()[0].time"
        stage.wait(lambda: stage.evaluate(step_s) == 900)
        stage.wait_for_heat()
        stage.wait(lambda: stage.candle_pixels() > 500)


def test_a_lost_exchange_is_said_over_the_chart_and_the_word_goes_when_it_is_back(open_stage):
    with open_stage() as stage:
        stage.wait_for_candles()
        trouble = stage.window.findChild(QLabel, "trouble")
        assert not trouble.isVisible()
        stage.exchange.stop()
        stage.wait(trouble.isVisible)
        assert "candles" in trouble.text()
        stage.settings.update(language="de")
        assert "Kerzen" in trouble.text()
        # Nothing of the chart is drawn over the words.
        stage.wait(lambda: np.all(stage.pane(trouble)[2] == (0x5C, 0x1A, 0x18)))
        assert stage.candle_pixels(trouble) == 0


def test_the_status_bar_tells_connection_rates_and_times(open_stage):
    with open_stage() as stage:
        stage.wait_for_heat()
        stage.wait(lambda: "state=live" in stage.window.findChild(StatusPanel).figures_line())
        line = stage.window.findChild(StatusPanel).figures_line()
        for word in ("insert_rate_per_s=", "build_ms=", "fps=", "last_event_age_s="):
            assert word in line


def test_docks_stay_open_when_the_window_is_hidden_and_shown(open_stage):
    with open_stage() as stage:
        for name in ("settings", "list"):
            child(stage, QAction, f"{name}_toggle").trigger()
            stage.wait(child(stage, QDockWidget, f"{name}_dock").isVisible)
        stage.window.hide()
        stage.window.show()
        stage.wait(child(stage, QDockWidget, "list_dock").isVisible)
        assert child(stage, QAction, "list_toggle").isChecked()
        listing = stage.window.findChild(LiquidationList)
        stage.wait(lambda: listing.model.rowCount() > 100)
        stage.wait(lambda: stage.plugin.image is not None)
        stage.plugin.set_enabled(False)
        row = listing.model.row(100)
        listing.activated.emit(row.ts_ms, row.price)
        middle = "(({from, to}) => series.dataByIndex(Math.round((from + to) / 2)).time)"
        shown = f"{middle}(chart.timeScale().getVisibleLogicalRange())"
        stage.wait(lambda: 0 <= row.ts_ms // 1000 - stage.evaluate(shown) <= 180)
        assert "Show the heat" not in stage.window.findChild(QLabel, "list_count").text()
        # The settings lie behind the list; their tool brings them to the front.
        child(stage, QAction, "settings_toggle").trigger()
        stage.wait(child(stage, QAction, "settings_toggle").isChecked)
        tabs = child(stage, QTabWidget, "settings_tabs")
        assert "Alerts" in [tabs.tabText(number) for number in range(tabs.count())]
        for name in ("settings", "list"):
            child(stage, QDockWidget, f"{name}_dock").close()
            assert not child(stage, QAction, f"{name}_toggle").isChecked()


def test_another_symbol_empties_the_chart_until_its_own_candles_come(open_stage):
    with open_stage(symbols=("BTCUSDT", "ETHUSDT")) as stage:
        stage.wait_for_heat()
        stage.exchange.stop()
        child(stage, QComboBox, "symbol").choose("ETHUSDT")
        stage.wait(lambda: stage.evaluate("series.data().length") == 0)
        stage.wait(lambda: stage.candle_pixels() == 0)
        assert stage.plugin.image is None
        assert "ETHUSDT" in stage.window.windowTitle()


def test_a_settings_page_opened_later_shows_the_figures_of_the_map(open_stage):
    with open_stage() as stage:
        stage.wait_for_heat()
        first, later = child(stage, QTabWidget, "settings_tabs").widget(0), stage.plugin.settings_tab()
        figures = [tab.findChild(QLabel, "heatmap_statistics_events").text() for tab in (first, later)]
        assert figures[0] == figures[1] != ""


class Raises(QObject):
    """Counts how often the widgets it watches change their place among their siblings."""

    count = 0

    def eventFilter(self, _watched, event) -> bool:
        self.count += event.type() == QEvent.Type.ZOrderChange
        return False


def test_legend_and_badge_are_not_raised_and_repainted_in_every_frame(open_stage):
    with open_stage() as stage:
        stage.wait_for_heat()
        raises, places = Raises(), []
        for name in ("heatmap_legend", "heatmap_badge"):
            widget = stage.window.findChild(QWidget, name)
            assert widget.isVisible()
            widget.installEventFilter(raises)
        stage.presenter.viewportChanged.connect(places.append)
        stage.view.page().runJavaScript("chart.timeScale().scrollToPosition(-40, true)")
        stage.wait(lambda: len(places) >= 5)
        assert raises.count == 0
