"""The stand-alone program's own door to its chart page: candles and ranges out, one message in."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING

from PyQt6.QtCore import QObject, pyqtSignal, pyqtSlot

if TYPE_CHECKING:
    from collections.abc import Sequence

    from Heatmap.ingestion.kline import Candle

OBJECT_NAME = "candles"


def bar_of(candle: Candle) -> dict[str, float]:
    """Return a candle as Lightweight Charts wants it; times are UTC seconds."""
    return {
        "time": candle.open_ms // 1000,
        "open": candle.open,
        "high": candle.high,
        "low": candle.low,
        "close": candle.close,
    }


def price_format(tick_size: float | None, price: float) -> tuple[int, float]:
    """Return ``(decimals, smallest step)`` for the price axis: the tick size, or a guess from the price."""
    step = tick_size or 10.0 ** (math.floor(math.log10(price)) - 4)
    decimals = max(-math.floor(math.log10(step) + 1e-9), 0)
    return min(decimals, 8), max(step, 10.0**-decimals) if tick_size is None else step


class ChartBridge(QObject):
    """Sends candles to the page. What comes before the page is ready is kept and sent then."""

    historyReady = pyqtSignal(str)
    barReady = pyqtSignal(str)
    rangeRequested = pyqtSignal(str)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._ready = False
        self._history = ""
        self._range = ""

    @pyqtSlot()
    def page_ready(self) -> None:
        """Take the page's word that it listens (again, after a reload)."""
        self._ready = True
        if self._history:
            self.historyReady.emit(self._history)
        if self._range:
            self.rangeRequested.emit(self._range)

    def page_left(self) -> None:
        """Note that the page is gone and nothing listens."""
        self._ready = False

    def set_history(self, candles: Sequence[Candle], *, tick_size: float | None) -> None:
        """Show these candles instead of all before."""
        precision, min_move = price_format(tick_size, candles[-1].close if candles else 1.0)
        self._history = json.dumps(
            {"precision": precision, "min_move": min_move, "bars": [bar_of(candle) for candle in candles]}
        )
        if self._ready:
            self.historyReady.emit(self._history)

    def update_bar(self, candle: Candle) -> None:
        """Change the last candle or append one. A page that is not there gets it with the next history."""
        if self._ready:
            self.barReady.emit(json.dumps(bar_of(candle)))

    def show_range(self, first: float, last: float) -> None:
        """Show the bars between two logical positions and let the price axis scale itself."""
        self._range = json.dumps({"from": first, "to": last})
        if self._ready:
            self.rangeRequested.emit(self._range)
