"""A visitor of the running program, who operates it and takes its picture; four exchanges to run it with."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from PyQt6.QtCore import QDeadlineTimer, QRect, Qt
from PyQt6.QtGui import QColor, QFont, QPainter, QPixmap
from PyQt6.QtTest import QTest
from support.plugin_parts import PluginParts
from support.trader import Trader

from Heatmap.clock import SYSTEM_CLOCK
from Heatmap.demo.market import SimulatedMarket
from Heatmap.demo.venues import DemoVenues
from Heatmap.events import Coverage, Source
from Heatmap.storage.sqlite.bulk_insert import bulk_insert

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

PATIENCE_MS: Final = 60_000
POLL_MS: Final = 50
SETTLED_MS: Final = 2500  # animations and the rate limit of builds have ended
HOUR_MS: Final = 3_600_000


def _run_for(time_ms: int) -> None:
    """Run the program for a while."""
    QTest.qWait(time_ms)  # type: ignore[call-arg, arg-type]  # static, but not in PyQt's stub


class Visitor(PluginParts):  # type: ignore[misc]  # tests are not typed
    """For a window with ``plugin`` and ``view``: what `Trader` needs, waiting without a test."""

    def __init__(self, window: Any, db_path: Path) -> None:
        self.window, self.plugin, self.view, self.db_path = window, window.plugin, window.view, db_path
        self.trader = Trader(self)

    @property
    def settings(self) -> Any:
        return self.plugin.settings

    def wait(self, condition: Callable[[], object], timeout_ms: int = PATIENCE_MS) -> None:
        """Run the program until the condition holds; `TimeoutError` after ``timeout_ms``."""
        deadline = QDeadlineTimer(timeout_ms)
        while not condition():
            if deadline.hasExpired():
                raise TimeoutError(f"expected the window to be ready within {timeout_ms} ms, and it was not")
            _run_for(POLL_MS)

    def settle(self) -> None:
        """Wait until the map of the view is painted, and the view stays for a moment."""
        self.wait(lambda: self.plugin.is_visible and self.plugin.image is not None)
        before = None
        while before != (before := self._view()):
            _run_for(SETTLED_MS)
            self.wait(lambda: self.presenter.is_current)

    def _view(self) -> tuple[Any, ...]:
        """Return what changes when the view or its map does; the present goes on by the minute."""
        start_ms, end_ms = self.presenter.visible_span_ms
        return (end_ms - start_ms) // HOUR_MS, self.view.width(), self.plugin.image.spec.time_bin_ms

    def wait_for_hours(self, hours: float) -> None:
        """Wait until the chart shows at least so many hours."""
        self.wait(lambda: (span := self.presenter.visible_span_ms) and span[1] - span[0] >= hours * HOUR_MS)

    def largest(self) -> tuple[int, float]:
        """Return time and price of the largest liquidation in the view's right half, where the legend does not lie."""
        start_ms, end_ms = self.presenter.visible_span_ms
        middle_ms, margin_ms = (start_ms + end_ms) / 2, (end_ms - start_ms) / 8
        query = "SELECT ts_ms, price, max(notional) FROM liq_events WHERE ts_ms > ? AND ts_ms < ?"
        time_ms, price, _ = self.trader.sql(query, middle_ms, end_ms - margin_ms)
        return time_ms, price

    def save(self, path: Path, *, mark: bool) -> None:
        """Save the window as composed on the screen; ``mark`` writes on it that the market is simulated."""
        picture = self.window.screen().grabWindow(self.window.winId())
        if mark:
            # The program was told that these exchanges are the real ones, so it does not say it itself.
            _mark(picture, QFont(self.window.font()))
        if not picture.save(str(path)):
            raise OSError(f"expected a picture at {path}, and it was not saved")


def _mark(picture: QPixmap, font: QFont) -> None:
    font.setBold(True)
    painter = QPainter(picture)
    painter.setFont(font)
    text = "SIMULATED market – no real data"
    box = QRect(8, 36, painter.fontMetrics().horizontalAdvance(text) + 24, 22)
    painter.fillRect(box, QColor("#ffc107"))
    painter.setPen(QColor("black"))
    painter.drawText(box, Qt.AlignmentFlag.AlignCenter, text)
    painter.end()


@contextmanager
def four_venues(db_path: Path, *, gap: bool) -> Iterator[dict[str, Any]]:
    """Give the options of a program that records four simulated exchanges, with two days of history; or with a gap."""
    now_ms = SYSTEM_CLOCK.now_ms()
    spans = [(now_ms - 48 * HOUR_MS, now_ms)]
    if gap:
        spans = [(now_ms - 48 * HOUR_MS, now_ms - 4 * HOUR_MS), (now_ms - round(2.5 * HOUR_MS), now_ms)]
    with DemoVenues(SimulatedMarket()) as venues:
        for source, market in venues.markets.items():
            events = [event for span in spans for event in market.liquidations(*span)]
            bulk_insert(db_path, events, coverage=[Coverage(Source(source), "BTCUSDT", *span) for span in spans])
        yield {
            "venues": tuple(venues.servers),
            "ws_url": [(source, server.ws_url) for source, server in venues.servers.items()],
            "rest_url": [(source, server.rest_url) for source, server in venues.servers.items()],
        }
