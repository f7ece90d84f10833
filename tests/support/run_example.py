"""Runs an example as its reader would, against the demo exchange; a window is closed when it has shown heat.

Usage: ``python run_example.py EXAMPLE PICTURE``. Exits with the example's code; 3 if no heat has come in time.
"""

from __future__ import annotations

import os
import runpy
import sys
import time
import urllib.request
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
from PyQt6.QtCore import QTimer
from PyQt6.QtGui import QImage
from PyQt6.QtWebEngineWidgets import QWebEngineView  # noqa: F401  # must be loaded before an application is made
from PyQt6.QtWidgets import QApplication

from Heatmap.clock import SYSTEM_CLOCK
from Heatmap.demo.exchange import DemoExchange
from Heatmap.demo.market import SimulatedMarket
from Heatmap.events import Coverage, Source
from Heatmap.ingestion.binance import endpoints
from Heatmap.ingestion.venues import VENUES
from Heatmap.storage.location import default_db_path
from Heatmap.storage.sqlite.bulk_insert import bulk_insert

PATIENCE_S = 40 * float(os.environ.get("HEATMAP_PATIENCE", "1"))
BINANCE = "https://fapi.binance.com"
HOUR_MS = 3_600_000
NO_HEAT = 3

_names: dict[str, object] = {}


def heat_pixels(picture: np.ndarray) -> int:
    """Return how many pixels are amber, as liquidated longs are; candles are red, green or blue."""
    red, green, blue = (picture[..., channel].astype(int) for channel in range(3))
    return int(np.count_nonzero((red - blue > 50) & (green - blue > 20)))


def watch(picture_path: Path) -> None:
    """Let the next `QApplication.exec` close all windows once one of them has heat."""
    run = QApplication.exec
    deadline_s = time.monotonic() + PATIENCE_S
    seen = []

    def look() -> None:
        for window in QApplication.topLevelWidgets():
            if window.isVisible() and window.isWindow():
                image = window.screen().grabWindow(window.winId()).toImage()
                image = image.convertToFormat(QImage.Format.Format_RGB888)
                rows = np.frombuffer(image.constBits().asstring(image.sizeInBytes()), np.uint8)
                pixels = rows.reshape(image.height(), image.bytesPerLine())[:, : 3 * image.width()]
                seen.append(heat_pixels(pixels.reshape(image.height(), image.width(), 3)))
                if seen[-1] > 300 and len(seen) > 10 and min(seen[-5:]) > 300:
                    image.save(str(picture_path))
                    QApplication.closeAllWindows()
                    return
        if time.monotonic() > deadline_s:
            sys.stderr.write(f"no heat within {PATIENCE_S:.0f} s; amber pixels: {seen[-5:]}\n")
            os._exit(NO_HEAT)
        QTimer.singleShot(100, look)

    def watched(*_: object) -> int:
        QTimer.singleShot(100, look)
        return run()

    QApplication.exec = watched


def main(example: Path, picture_path: Path) -> None:
    market = SimulatedMarket()
    now_ms = SYSTEM_CLOCK.now_ms()
    events = market.liquidations(now_ms - 7 * HOUR_MS, now_ms)
    covered = Coverage(Source.BINANCE, "BTCUSDT", now_ms - 72 * HOUR_MS, now_ms)
    stored = [msgspec.structs.replace(event, source=Source.BINANCE) for event in events]
    bulk_insert(default_db_path(), stored, coverage=[covered])
    exchange = DemoExchange(market)
    exchange.start()
    addresses = exchange.ws_url, exchange.rest_url
    VENUES[Source.BINANCE] = replace(VENUES[Source.BINANCE], base_urls=lambda *_: endpoints.base_urls(*addresses))
    real = urllib.request.urlopen  # noqa: S310
    urllib.request.urlopen = lambda url: real(url.replace(BINANCE, exchange.rest_url))
    watch(picture_path)
    sys.path.insert(0, str(example.parent))
    sys.argv = [str(example)]
    # A script's names live until Python ends. Dropped earlier they are garbage, which any thread may collect, and an
    # application that is deleted on another thread than its own aborts.
    global _names  # noqa: PLW0603
    _names = runpy.run_path(str(example), run_name="__main__")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
