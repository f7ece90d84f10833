"""The stand-alone program's own door to its chart page: candles and ranges out, one message in."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING

from PyQt6.QtCore import QObject, pyqtSignal, pyqtSlot

if TYPE_CHECKING:
    from collections.abc import Sequence

    from Heatmap.candle import Candle

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
    """Holds the chart's bars and sends them to the page, all of them again to a page that was loaded anew."""

    historyReady = pyqtSignal(str)
    barReady = pyqtSignal(str)
    priceFormatReady = pyqtSignal(str)
    rangeRequested = pyqtSignal(str)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._ready = False
        self._bars: list[dict[str, float]] = []
        self._tick_size: float | None = None
        self._wanted: tuple[int, int] | None = None
        self._shown_range: tuple[float, float] | None = None

    @property
    def bar_count(self) -> int:
        """Return the number of bars in the chart."""
        return len(self._bars)

    @property
    def shown_range(self) -> tuple[float, float] | None:
        """Return the two logical positions the page was last told to show, None before that."""
        return self._shown_range

    @pyqtSlot()
    def page_ready(self) -> None:
        """Take the page's word that it listens (again, after a reload)."""
        self._ready = True
        if self._bars:
            self._send_history()
        if self._bars and self._wanted is not None:
            self._send_range(*self._wanted)

    def page_left(self) -> None:
        """Note that the page is gone and nothing listens."""
        self._ready = False

    def set_history(self, candles: Sequence[Candle], *, tick_size: float | None) -> None:
        """Show these candles instead of all before; none empties the chart."""
        self._bars = [bar_of(candle) for candle in candles]
        self._tick_size = tick_size
        if self._ready:
            self._send_history()

    def set_tick_size(self, tick_size: float) -> None:
        """Write prices by the exchange's tick, which may become known after the candles."""
        self._tick_size = tick_size
        if self._ready:
            self.priceFormatReady.emit(json.dumps(self._price_format()))

    def update_bar(self, candle: Candle) -> None:
        """Change the last bar or append one; an older one cannot be, the next history brings it."""
        bar = bar_of(candle)
        if self._bars and bar["time"] < self._bars[-1]["time"]:
            return
        if self._bars and bar["time"] == self._bars[-1]["time"]:
            self._bars[-1] = bar
        else:
            self._bars.append(bar)
        if self._ready:
            self.barReady.emit(json.dumps(bar))

    def show_newest(self, bars: int, margin: int) -> None:
        """Show so many of the newest bars, room for `margin` more beside them, and let the price axis scale itself."""
        self._wanted = (bars, margin)
        if self._ready:
            self._send_range(bars, margin)

    def _send_history(self) -> None:
        self.historyReady.emit(json.dumps({"format": self._price_format(), "bars": self._bars}))

    def _send_range(self, bars: int, margin: int) -> None:
        last = len(self._bars) - 1
        self._shown_range = (last - bars + 0.5, last + margin)
        self.rangeRequested.emit(json.dumps(dict(zip(("from", "to"), self._shown_range, strict=True))))

    def _price_format(self) -> dict[str, float]:
        precision, min_move = price_format(self._tick_size, self._bars[-1]["close"] if self._bars else 1.0)
        return {"precision": precision, "min_move": min_move}
