"""A program with light colours that has the heatmap in its own window, on the demo's market."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING
from urllib.request import urlopen

from examples.chart_page import LIBRARY, PAGE
from PyQt6.QtCore import QSettings, Qt, QTimer
from PyQt6.QtWebEngineWidgets import QWebEngineView
from PyQt6.QtWidgets import QApplication, QDockWidget, QMainWindow, QStatusBar, QToolBar

import Heatmap
from Heatmap.app.web_engine import prepare_web_engine
from Heatmap.clock import SYSTEM_CLOCK
from Heatmap.demo.exchange import DemoExchange
from Heatmap.demo.market import SimulatedMarket
from Heatmap.events import Coverage, Source
from Heatmap.storage.sqlite.bulk_insert import bulk_insert

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

HOUR_MS = 3_600_000
LIGHT = {"#10141a": "#ffffff", "#9aa4b2": "#3c4450", "#1c232d": "#eceff3"}


def page(rest_url: str) -> str:
    """Return the page of the examples in light colours, with eight hours of the demo's candles."""
    with urlopen(f"{rest_url}/fapi/v1/klines?symbol=BTCUSDT&interval=3m&limit=160") as answer:  # noqa: S310 - loopback
        rows = json.load(answer)
    names = "open", "high", "low", "close"
    candles = [{"time": row[0] // 1000} | dict(zip(names, map(float, row[1:5]), strict=True)) for row in rows]
    text: str = PAGE
    for dark, light in LIGHT.items():
        text = text.replace(dark, light)
    return text % (LIBRARY.read_text(encoding="utf-8"), json.dumps(candles))


class LightHost(QMainWindow):
    """A window with a tool bar, a status bar and a dock of its own, and the heatmap's controls in them."""

    def __init__(self, exchange: DemoExchange, service: Heatmap.HeatmapService, store: QSettings) -> None:
        super().__init__()
        self.view = QWebEngineView(self)
        self.view.setHtml(page(exchange.rest_url))
        self.setCentralWidget(self.view)
        self.plugin = Heatmap.HeatmapPlugin.attach(
            self.view, chart="chart", series="series", service=service, settings=store
        )
        bar = QToolBar("Chart", self)
        self.addToolBar(bar)
        bar.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        bar.addActions([self.plugin.toggle_action(), self.plugin.setting_action("profile")])
        bar.addActions(self.plugin.choice_actions("window").actions())
        status = QStatusBar(self)
        status.addWidget(self.plugin.status_widget(), 1)
        self.setStatusBar(status)
        dock = QDockWidget("Heatmap", self)
        dock.setWidget(self.plugin.settings_tab())
        self.addDockWidget(Qt.DockWidgetArea.RightDockWidgetArea, dock)


def run_light_host(db_path: Path, on_shown: Callable[[LightHost], object]) -> int:
    """Run the program; return its exit code."""
    prepare_web_engine()
    Heatmap.configure_graphics()
    app = QApplication(sys.argv[:1])
    app.setStyle("Fusion")
    market, now_ms = SimulatedMarket(), SYSTEM_CLOCK.now_ms()
    covered = Coverage(Source.DEMO, "BTCUSDT", now_ms - 48 * HOUR_MS, now_ms + 8000)
    bulk_insert(db_path, market.liquidations(covered.start_ms, covered.end_ms), coverage=[covered])
    with DemoExchange(market) as exchange:
        service = Heatmap.HeatmapService(
            db_path, ["BTCUSDT"], ws_url=exchange.ws_url, rest_url=exchange.rest_url, source=Source.DEMO
        )
        service.start()
        host = LightHost(exchange, service, QSettings(str(db_path.parent / "host.ini"), QSettings.Format.IniFormat))
        host.show()
        QTimer.singleShot(0, lambda: on_shown(host))
        code = app.exec()
        host.plugin.detach()
        service.stop()
    return code
