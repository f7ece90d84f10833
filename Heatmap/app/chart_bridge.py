"""Web-channel object of the program's chart page: sends candles and ranges, receives what the page shows."""

from __future__ import annotations

import json
import logging
import math
from typing import TYPE_CHECKING

from PyQt6.QtCore import QObject, pyqtSignal, pyqtSlot

from Heatmap.app.visible_range import parse_visible_range
from Heatmap.errors import BridgeError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from Heatmap.candle import Candle

log = logging.getLogger(__name__)

OBJECT_NAME = "candles"
# Room to the right of the newest bar.
RIGHT_MARGIN_BARS = 4


def bar_of(candle: Candle) -> dict[str, float]:
    """Return a candle in the form of Lightweight Charts; times are UTC seconds."""
    return {
        "time": candle.open_ms // 1000, "open": candle.open, "high": candle.high, "low": candle.low,
        "close": candle.close,
    }  # fmt: skip


def price_format(tick_size: float | None, price: float) -> tuple[int, float]:
    """Return ``(decimals, smallest step)`` of the price axis, by the tick size or else by the price."""
    step = tick_size or 10.0 ** (math.floor(math.log10(price)) - 4)
    decimals = max(-math.floor(math.log10(step) + 1e-9), 0)
    return min(decimals, 8), max(step, 10.0**-decimals) if tick_size is None else step


class ChartBridge(QObject):
    """Keeps the chart's bars and sends them to the page, all of them again after a reload."""

    historyReady = pyqtSignal(str)
    barReady = pyqtSignal(str)
    priceFormatReady = pyqtSignal(str)
    rangeRequested = pyqtSignal(str)
    newestRequested = pyqtSignal(int)  # to the page: the newest bar, with room for so many more, at the present zoom
    liveChanged = pyqtSignal(bool)  # whether the newest bar is in view

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._ready = False
        self._bars: list[dict[str, float]] = []
        self._tick_size: float | None = None
        self._wanted: tuple[int, int] | None = None
        self._is_live = True
        self._has_refused = False
        self.shown_range: tuple[float, float] | None = None
        """The two logical positions that the page was last asked to show."""

    @property
    def bar_count(self) -> int:
        """Number of bars in the chart."""
        return len(self._bars)

    @property
    def is_live(self) -> bool:
        """True if the newest bar is in view, and before the first bar; then the chart follows it."""
        return self._is_live

    def show_live(self) -> None:
        """Scroll to the newest bar at the present zoom, whatever is shown; without a page, nothing happens."""
        if self._ready:
            self.newestRequested.emit(RIGHT_MARGIN_BARS)

    @pyqtSlot(str)
    def view_changed(self, text: str) -> None:
        """Take the visible range, as JSON, see `VisibleRange`; of malformed ones the first is logged."""
        try:
            shown = parse_visible_range(text)
        except BridgeError as error:
            if not self._has_refused:
                log.warning("refused a visible range of the chart page: %s", error)
            self._has_refused = True
            return
        if shown.has_newest != self._is_live:
            self._is_live = shown.has_newest
            self.liveChanged.emit(self._is_live)

    @pyqtSlot()
    def page_ready(self) -> None:
        """Send everything; called by the page when it is loaded or reloaded."""
        self._ready = True
        if self._bars:
            self._send_history()
            if self._wanted is not None:
                self._send_range(*self._wanted)

    def page_left(self) -> None:
        """Stop sending until the next page is ready."""
        self._ready = False

    def set_history(self, candles: Sequence[Candle], *, tick_size: float | None) -> None:
        """Replace all candles; an empty sequence empties the chart."""
        self._bars = [bar_of(candle) for candle in candles]
        self._tick_size = tick_size
        if self._ready:
            self._send_history()

    def set_tick_size(self, tick_size: float) -> None:
        """Set the tick size, which may become known after the candles."""
        self._tick_size = tick_size
        if self._ready:
            self.priceFormatReady.emit(json.dumps(self._price_format()))

    def update_bar(self, candle: Candle) -> None:
        """Change the last bar or append one; an older one is ignored, the next history contains it."""
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
        """Show the newest ``bars`` with room for ``margin`` more, and let the price axis scale itself."""
        self._wanted = (bars, margin)
        if self._ready:
            self._send_range(bars, margin)

    def _send_history(self) -> None:
        self.historyReady.emit(json.dumps({"format": self._price_format(), "bars": self._bars}))

    def _send_range(self, bars: int, margin: int) -> None:
        last = len(self._bars) - 1
        self.shown_range = (last - bars + 0.5, last + margin)
        self.rangeRequested.emit(json.dumps({"from": last - bars + 0.5, "to": last + margin}))

    def _price_format(self) -> dict[str, float]:
        precision, min_move = price_format(self._tick_size, self._bars[-1]["close"] if self._bars else 1.0)
        return {"precision": precision, "min_move": min_move}
