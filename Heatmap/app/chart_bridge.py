"""Web-channel object of the program's chart page: sends candles and ranges, receives what the page shows."""

from __future__ import annotations

import logging
import math
from bisect import bisect_left
from typing import TYPE_CHECKING

import msgspec
from PyQt6.QtCore import QObject, pyqtSignal, pyqtSlot

from Heatmap.app.candle_look import CandleLook, series_colours
from Heatmap.app.kept_view import BarTimes, LiveView, View
from Heatmap.app.visible_range import VisibleRange, parse_visible_range
from Heatmap.errors import BridgeError
from Heatmap.ui.page.channel_object import ChannelObject

if TYPE_CHECKING:
    from collections.abc import Sequence

    from Heatmap.candle import Candle

log = logging.getLogger(__name__)

Bar = tuple[int, float, float, float, float]

OBJECT_NAME = "candles"
# Room to the right of the newest bar.
RIGHT_MARGIN_BARS = 4
# Older candles are loaded up to this number, a week of minutes: the page needs 0.1 s to insert into so many.
MAX_LOADED_BARS = 10_000
# They are asked for when less than this share of the view's width is loaded to the left of it.
OLDER_WITHIN_VIEWS = 0.5


def bar_of(candle: Candle) -> Bar:
    """Return a candle as the page takes it: UTC seconds, open, high, low, close."""
    return candle.open_ms // 1000, candle.open, candle.high, candle.low, candle.close


def price_format(tick_size: float | None, price: float) -> tuple[int, float]:
    """Return ``(decimals, smallest step)`` of the price axis, by the tick size or else by the price."""
    step = tick_size or 10.0 ** (math.floor(math.log10(price)) - 4)
    decimals = max(-math.floor(math.log10(step) + 1e-9), 0)
    return min(decimals, 8), max(step, 10.0**-decimals) if tick_size is None else step


class ChartBridge(ChannelObject):
    """Keeps the chart's bars and its view, and sends both to the page, again after a reload.

    The view is kept as time: other candles are shown in the same, and while the newest bar is in view, it stays so.
    """

    lookReady = pyqtSignal(str)
    historyReady = pyqtSignal(str)
    olderReady = pyqtSignal(str)
    barReady = pyqtSignal(str)
    priceFormatReady = pyqtSignal(str)
    rangeRequested = pyqtSignal(str)
    endRequested = pyqtSignal(str)  # to the page: the time in s from which on no bar is drawn, or null
    newestRequested = pyqtSignal(int)  # to the page: the newest bar, with room for so many more, at the present zoom
    liveChanged = pyqtSignal(bool)  # whether the newest bar is in view
    olderRequested = pyqtSignal(object)  # int: the view reaches the first bar, which opens at this time in ms
    formatsReady = pyqtSignal(str)
    layoutReady = pyqtSignal(str)
    moveRequested = pyqtSignal(float)
    zoomRequested = pyqtSignal(float)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._ready = False
        self._look = series_colours(CandleLook(), heat_is_shown=False)
        self._bars: list[Bar] = []
        self._opens_ms: list[int] = []  # the bars' times
        self._interval_ms = 0
        self._version = 0  # of what bar 0 is
        self._layout = _json({"badge_width": 0, "badge_height": 0, "font_px": 12})
        self._tick_size: float | None = None
        self._view: View | None = None  # what the user wants to see
        self._asked: View | None = None  # what the page was asked to show for it: not always the same
        self._right = 0.0  # position of the pane's right edge, as the page said last
        self._is_live = True
        self._has_refused = False
        self._formats = {"locale": "en-US", "zone": "UTC"}
        self._end_ms: int | None = None  # see `end_at`
        self._end_s: int | None = None  # what the page was asked for it
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
        # A range of bars that were replaced meanwhile is followed by one of the new bars.
        if self._bars and shown.version == self._version:
            self._take_view(shown)

    @pyqtSlot()
    def page_ready(self) -> None:
        """Send everything; called by the page when it is loaded or reloaded."""
        self._ready = True
        self._send_formats()
        self.lookReady.emit(_json(self._look))
        self.layoutReady.emit(self._layout)
        self.endRequested.emit(_json(self._end_s))
        if self._bars:
            self._send_history(keeps_view=False)

    def page_left(self) -> None:
        """Stop sending until the next page is ready."""
        self._ready = False

    def set_look(self, look: CandleLook, *, heat_is_shown: bool) -> None:
        """Draw the candles so."""
        self._look = series_colours(look, heat_is_shown=heat_is_shown)
        if self._ready:
            self.lookReady.emit(_json(self._look))

    @property
    def span_ms(self) -> tuple[int, int] | None:
        """Begin of the first bar and end of the last one, ms since the epoch; None without bars."""
        return (self._opens_ms[0], self._opens_ms[-1] + self._interval_ms) if self._opens_ms else None

    def end_at(self, time_ms: int | None) -> None:
        """Draw only the bars that are complete at a time, ms since the epoch; None: all. Their places stay."""
        self._end_ms = time_ms
        self._set_end()

    def set_history(self, candles: Sequence[Candle], *, tick_size: float | None) -> None:
        """Replace all candles, or those from the first given on if they continue the others; none empties the chart."""
        interval_ms = _interval_ms(candles[0]) if candles else 0
        continues = (
            interval_ms == self._interval_ms
            and bool(candles and self._bars)
            and self._opens_ms[0] <= candles[0].open_ms <= self._opens_ms[-1] + interval_ms
        )
        older = bisect_left(self._opens_ms, candles[0].open_ms) if continues else 0
        self._interval_ms, self._tick_size = interval_ms, tick_size
        self._set_end()
        self._set_bars(self._bars[:older] + [bar_of(candle) for candle in candles])
        if self._ready:
            self._send_history(keeps_view=continues)

    def add_older(self, candles: Sequence[Candle], is_last: bool) -> None:  # a signal's arguments
        """Insert candles before the first; the view stays. Those of another interval are ignored.

        ``is_last``: there are none before them; a view of earlier time would stay empty, and gives way to the newest.
        """
        if not self._bars or (candles and _interval_ms(candles[0]) != self._interval_ms):
            return
        older = [bar_of(candle) for candle in candles if candle.open_ms < self._opens_ms[0]]
        if older:
            self._set_bars(older + self._bars)
            self._right += len(older)
            if self._ready:
                self.olderReady.emit(_json({"version": self._version, "bars": older}))
        if is_last and self._right < 0:
            self.show_live()

    def set_tick_size(self, tick_size: float) -> None:
        """Set the tick size, which may become known after the candles."""
        self._tick_size = tick_size
        if self._ready:
            self.priceFormatReady.emit(_json(self._price_format()))

    def update_bar(self, candle: Candle) -> None:
        """Change the last bar or append one; an older one is ignored, the next history contains it."""
        bar = bar_of(candle)
        newest_ms = self._opens_ms[-1] if self._opens_ms else 0
        if candle.open_ms < newest_ms:
            return
        if candle.open_ms == newest_ms:
            self._bars[-1] = bar
        else:
            self._bars.append(bar)
            self._opens_ms.append(candle.open_ms)
        if self._ready:
            self.barReady.emit(_json(bar))

    def show_newest(self, bars: int, margin: int) -> None:
        """Show the newest ``bars`` with room for ``margin`` more, and let the price axis scale itself."""
        self._view = LiveView((bars - 0.5) * self._interval_ms, margin, self._interval_ms)
        last = len(self._bars) - 1
        self.shown_range = (last - bars + 0.5, last + margin)
        self._asked = self._view
        if self._ready:
            self.rangeRequested.emit(_json(_range(self.shown_range)))

    def show_time(self, time_ms: int) -> None:
        """Bring a moment to the middle at the present zoom, and let the price axis scale itself."""
        if not self._bars or self._view is None:
            return
        times = BarTimes(self._opens_ms, self._interval_ms)
        left, right = times.positions_of(self._view, MAX_LOADED_BARS)
        middle, half = times.position_at(time_ms), (right - left) / 2
        self.shown_range = (middle - half, middle + half)
        self._view = self._asked = times.view_of(*self.shown_range)
        if self._ready:
            self.rangeRequested.emit(_json(_range(self.shown_range)))

    def set_formats(self, locale: str, zone: str) -> None:
        """Write numbers and times in a language (BCP 47) and a time zone: "UTC", "local" or an IANA name."""
        self._formats = {"locale": locale, "zone": zone}
        if self._ready:
            self._send_formats()

    def _send_formats(self) -> None:
        self.formatsReady.emit(_json(self._formats))

    def set_layout(self, badge_width_px: int, badge_height_px: int, font_px: int) -> None:
        """Set the room of the badge over the pane's upper left, 0 without one, and the size of the chart's letters."""
        self._layout = _json({"badge_width": badge_width_px, "badge_height": badge_height_px, "font_px": font_px})
        if self._ready:
            self.layoutReady.emit(self._layout)

    def move(self, share: float) -> None:
        """Move the view by a share of its width; positive is later."""
        if self._ready:
            self.moveRequested.emit(share)

    def zoom(self, factor: float) -> None:
        """Show ``factor`` times as much time; the newest bar keeps its place if it is in view, else the middle does."""
        if self._ready:
            self.zoomRequested.emit(factor)

    def _take_view(self, shown: VisibleRange) -> None:
        times = BarTimes(self._opens_ms, self._interval_ms)
        view = times.view_of(shown.from_, shown.to)
        if self._asked is None or not times.is_same(view, self._asked):
            self._view, self._asked = view, None
        self._right = shown.to
        if shown.has_newest != self._is_live:
            self._is_live = shown.has_newest
            self.liveChanged.emit(self._is_live)
        near = OLDER_WITHIN_VIEWS * (shown.to - shown.from_)
        if shown.from_ < near and len(self._bars) < MAX_LOADED_BARS:
            self.olderRequested.emit(self._opens_ms[0])

    def _set_end(self) -> None:
        end_s = None
        if self._end_ms is not None:
            # A bar that is not complete has prices from later than that.
            step_ms = self._interval_ms or 1
            end_s = self._end_ms // step_ms * step_ms // 1000
        if end_s != self._end_s:
            self._end_s = end_s
            if self._ready:
                self.endRequested.emit(_json(end_s))

    def _set_bars(self, bars: list[Bar]) -> None:
        self._bars = bars
        self._opens_ms = [bar[0] * 1000 for bar in bars]
        self._version += 1

    def _send_history(self, *, keeps_view: bool) -> None:
        view = None
        if self._bars and self._view is not None and not keeps_view:
            times = BarTimes(self._opens_ms, self._interval_ms)
            self.shown_range = times.positions_of(self._view, max(MAX_LOADED_BARS - len(self._bars), 0))
            self._asked = times.view_of(*self.shown_range)
            self._right = self.shown_range[1]
            view = _range(self.shown_range)
        message = {"version": self._version, "format": self._price_format(), "bars": self._bars, "view": view}
        self.historyReady.emit(_json(message))

    def _price_format(self) -> dict[str, float]:
        precision, min_move = price_format(self._tick_size, self._bars[-1][-1] if self._bars else 1.0)
        return {"precision": precision, "min_move": min_move}


def _interval_ms(candle: Candle) -> int:
    return candle.close_ms + 1 - candle.open_ms


def _range(positions: tuple[float, float]) -> dict[str, float]:
    return dict(zip(("from", "to"), positions, strict=True))


def _json(message: object) -> str:
    return msgspec.json.encode(message).decode()
