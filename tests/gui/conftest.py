"""The real program in a real window on a real OpenGL context; a missing one fails, it never skips."""

from __future__ import annotations

import asyncio
import json
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
import pytest
import qasync
from PyQt6.QtCore import QSettings, QTimer
from PyQt6.QtGui import QImage
from PyQt6.QtWidgets import QApplication
from support.demo import SteeredExchange
from support.plugin_parts import PluginParts, UploadCounter

from Heatmap.app.main_window import MainWindow, Market
from Heatmap.clock import SYSTEM_CLOCK
from Heatmap.demo.market import SimulatedMarket
from Heatmap.events import Coverage, Source
from Heatmap.heatmap_service import HeatmapService
from Heatmap.storage.sqlite.bulk_insert import bulk_insert
from Heatmap.ui.settings_model import SettingsModel
from Heatmap.ui.translation import Translator

if TYPE_CHECKING:
    from pathlib import Path

HOUR_MS = 3_600_000
# One unit of patience for every wait, scaled on slow machines.
PATIENCE_MS = round(30_000 * float(os.environ.get("HEATMAP_PATIENCE", "1")))


def composed(widget) -> np.ndarray:
    """Return the widget as the screen shows it: uint8 (height, width, 3)."""
    picture = widget.screen().grabWindow(widget.window().winId()).toImage()
    picture = picture.convertToFormat(QImage.Format.Format_RGB888)
    rows = np.frombuffer(picture.constBits().asstring(picture.sizeInBytes()), np.uint8)
    rows = rows.reshape(picture.height(), picture.bytesPerLine())[:, : 3 * picture.width()]
    whole = rows.reshape(picture.height(), picture.width(), 3)
    corner = widget.mapTo(widget.window(), widget.rect().topLeft())
    return whole[corner.y() : corner.y() + widget.height(), corner.x() : corner.x() + widget.width()].copy()


def candles_of(picture: np.ndarray) -> np.ndarray:
    """Return where the picture has the colours of candles: bool (height, width)."""
    up, down = np.array([38, 166, 154]), np.array([239, 83, 80])
    return (np.abs(picture.astype(int) - up).max(axis=2) < 3) | (np.abs(picture.astype(int) - down).max(axis=2) < 3)


class Stage(PluginParts):
    """A running program with its exchange, to be looked at and to be operated."""

    def __init__(
        self,
        qtbot,
        folder: Path,
        *,
        history: bool = True,
        settings: dict | None = None,
        symbols=("BTCUSDT",),
        record=None,
        db=None,
    ) -> None:
        self.qtbot = qtbot
        self.market = SimulatedMarket()
        self.exchange = SteeredExchange(self.market)
        self.exchange.start()
        self.db_path = folder / "stage.sqlite3"
        now_ms = SYSTEM_CLOCK.now_ms()
        if record is not None:
            record(self.db_path, self.market, now_ms)
        elif history:
            # As the program itself does; from before the widest window, or the time without a record is hatched.
            covered = Coverage(Source.DEMO, "BTCUSDT", now_ms - 72 * HOUR_MS, now_ms)
            bulk_insert(self.db_path, self.market.liquidations(now_ms - 7 * HOUR_MS, now_ms), coverage=[covered])
        self.service = HeatmapService(
            db or self.db_path,
            symbols,
            ws_url=self.exchange.ws_url,
            rest_url=self.exchange.rest_url,
            source=Source.DEMO,
        )
        self.service.start()
        self.store = QSettings(str(folder / "settings.ini"), QSettings.Format.IniFormat)
        self.settings = SettingsModel(self.store, overrides={"source": "demo", "language": "en", **(settings or {})})
        # Already running: pytest-qt drives Qt's own loop, and qasync's tasks run inside it.
        self.loop = qasync.QEventLoop(QApplication.instance(), already_running=True)
        asyncio.set_event_loop(self.loop)
        self.window = MainWindow(
            self.service,
            self.settings,
            Translator("en"),
            store=self.store,
            market=Market(source=Source.DEMO),
            clock=SYSTEM_CLOCK,
        )
        self.window.show()
        self.window.start()
        self.uploads = None
        if self.plugin.is_enabled():
            self.wait(lambda: self.presenter is not None)
            self.uploads = UploadCounter(self.presenter, self.underlay)

    @property
    def plugin(self):
        return self.window.plugin

    @property
    def view(self):
        return self.window.view

    def wait(self, condition, timeout_ms: int = PATIENCE_MS) -> None:
        """Run the program until the condition holds."""
        self.qtbot.waitUntil(condition, timeout=timeout_ms)

    def evaluate(self, expression: str):
        """Return the value of a JavaScript expression of the page."""
        answers: list[str] = []
        self.view.page().runJavaScript(f"JSON.stringify({expression})", answers.append)
        self.wait(lambda: bool(answers))
        return json.loads(answers[0]) if answers[0] else None

    def wait_for_heat(self) -> None:
        """Wait until the chart shows the range the program asked for, and the image made for it is on the card."""
        self.wait(self.is_settled)

    def is_settled(self) -> bool:
        viewport, wanted = self.presenter.viewport, self.window._bridge.shown_range
        if viewport is None or wanted is None or self.plugin.image is None or not self.presenter.is_current:
            return False
        shown = viewport.logical(viewport.width_px) - viewport.logical(0.0)
        return abs(shown - (wanted[1] - wanted[0])) < 2 and self.uploads.uploads > 0

    def wait_for_candles(self) -> None:
        """Wait until the chart shows candles on the screen: their two colours are nowhere else on the page."""
        self.wait(lambda: self.candle_pixels() > 500)

    def candle_pixels(self, widget=None) -> int:
        """Return how many pixels of the chart, or of another widget, have the colours of candles."""
        return int(np.count_nonzero(candles_of(self.pane(widget))))

    def pane(self, widget=None) -> np.ndarray:
        """Return the chart, or another widget, as composed on the screen now.

        What was just asked for may come a few frames later.
        """
        return composed(widget or self.view)

    def close(self) -> None:
        """End everything in the order the program does."""
        stopping = self.loop.create_task(self.window.stop())
        self.wait(stopping.done)
        stopping.result()
        self.window.close()
        self.window.dispose()
        self.loop.stop()
        # That told Qt to leave its loop; until one has run again, no later one would start. `quit` would close windows
        # that a test has left, and Qt would leave each later loop at once, for the last window was closed.
        QTimer.singleShot(0, QApplication.exit)
        QApplication.exec()
        asyncio.events._set_running_loop(None)
        asyncio.set_event_loop(None)
        self.loop.close()
        self.service.stop()
        self.exchange.stop()


@pytest.fixture
def open_stage(qtbot, tmp_path):
    """Give a context manager that runs a demo for the length of a ``with`` block.

    It ends inside the test: pytest-qt closes windows between a test's phases, before fixtures could.
    """

    @contextmanager
    def opened(**options):
        running = Stage(qtbot, tmp_path, **options)
        try:
            yield running
        finally:
            running.close()

    return opened
