"""All open lists of liquidations of a plugin: each is read from the record while it is visible."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from PyQt6 import sip
from PyQt6.QtCore import QObject, pyqtSignal

from Heatmap.heatmap_settings import window_ms
from Heatmap.rendering.liquidation_reader import LiquidationReader, ListRequest
from Heatmap.ui.timer import new_timer
from Heatmap.ui.widgets.liquidation_list import LiquidationList

if TYPE_CHECKING:
    from collections.abc import Callable

    from PyQt6.QtWidgets import QWidget

    from Heatmap.clock import Clock
    from Heatmap.heatmap_service import HeatmapService
    from Heatmap.ui.geometry.chart_time import TimeOffset
    from Heatmap.ui.settings_model import SettingsModel
    from Heatmap.ui.translation import Translator

# A replay moves on many times a second; the list follows it so often.
REPLAY_MS: Final = 500


class ListFeed(QObject):
    """One list and the thread that reads for it. `stop` ends the thread; the list stays as it is."""

    read = pyqtSignal(object)  # LiquidationRows
    problem = pyqtSignal(str)

    def __init__(
        self,
        widget: LiquidationList,
        service: HeatmapService,
        settings: SettingsModel,
        *,
        symbol: str,
        clock: Clock,
        parent: QObject,
    ) -> None:
        super().__init__(parent)
        self._widget = widget
        self._settings = settings
        self._symbol = symbol
        self._as_of_ms: int | None = None
        self._replay_timer = new_timer(self, REPLAY_MS, self.ask)
        # The thread emits signals, which Qt delivers on the GUI thread.
        self._reader = LiquidationReader(
            service.db_path,
            on_read=self.read.emit,
            on_problem=self.problem.emit,
            tick_size=service.tick_size,
            clock=clock,
        )
        self._unsubscribe = service.subscribe(self._reader.data_changed)
        self.read.connect(widget.set_rows)
        self.problem.connect(widget.set_problem)
        widget.shownChanged.connect(self.ask)
        widget.orderChanged.connect(self.ask)
        settings.changed.connect(self.ask)

    @property
    def is_alive(self) -> bool:
        """False when the host has deleted the list."""
        return not sip.isdeleted(self._widget)

    def set_symbol(self, symbol: str) -> None:
        self._symbol = symbol
        self.ask()

    def set_as_of(self, as_of_ms: int | None) -> None:
        """List nothing later than that, ms since the epoch; a running replay sets it many times a second."""
        self._as_of_ms = as_of_ms
        if as_of_ms is None:
            self.ask()
        elif not self._replay_timer.isActive():
            self._replay_timer.start()

    def set_hint(self, sentence: str) -> None:
        if self.is_alive:
            self._widget.set_hint(sentence)

    def ask(self) -> None:
        """Ask for what the list shows now; for nothing while it is hidden."""
        if not self.is_alive:
            return
        settings = self._settings.value
        self._widget.set_hint("")
        request = ListRequest(
            self._symbol,
            settings.sources,
            window_ms(settings),
            settings.sides,
            settings.min_notional_usd,
            self._widget.order,
            self._as_of_ms,
        )
        self._reader.request(request if self._widget.isVisible() else None)

    def stop(self) -> None:
        """End the thread and wait for it: it is within one query at most."""
        self._unsubscribe()
        if not sip.isdeleted(self):
            if not sip.isdeleted(self._settings):
                self._settings.changed.disconnect(self.ask)
            self.blockSignals(True)
        self._reader.stop()


class LiquidationLists(QObject):
    """Makes lists and keeps them up to date until they are destroyed or `stop` is called.

    ``show_place`` scrolls the chart to a time and a price, and returns False if it cannot.
    """

    def __init__(
        self,
        service: HeatmapService,
        settings: SettingsModel,
        translator: Translator,
        *,
        symbol: str,
        chart_time: TimeOffset,
        clock: Clock,
        show_place: Callable[[int, float], bool],
        parent: QObject,
    ) -> None:
        super().__init__(parent)
        self._show_place = show_place
        self._service = service
        self._settings = settings
        self._translator = translator
        self._symbol = symbol
        self._chart_time = chart_time
        self._clock = clock
        self._feeds: list[ListFeed] = []
        self._as_of_ms: int | None = None

    def new_list(self, parent: QWidget | None) -> LiquidationList:
        widget = LiquidationList(self._translator, self._clock, parent, chart_time=self._chart_time)
        feed = ListFeed(widget, self._service, self._settings, symbol=self._symbol, clock=self._clock, parent=self)
        feed.set_as_of(self._as_of_ms)
        self._feeds.append(feed)
        widget.activated.connect(partial(self._activate, feed))
        widget.destroyed.connect(self._forget_destroyed)
        return widget

    def set_symbol(self, symbol: str) -> None:
        self._symbol = symbol
        for feed in self._feeds:
            feed.set_symbol(symbol)

    def set_as_of(self, as_of_ms: int | None) -> None:
        """See `ListFeed.set_as_of`."""
        self._as_of_ms = as_of_ms
        for feed in self._feeds:
            feed.set_as_of(as_of_ms)

    def stop(self) -> None:
        """End all threads."""
        feeds, self._feeds = self._feeds, []
        for feed in feeds:
            feed.stop()

    def _activate(self, feed: ListFeed, time_ms: int, price: float) -> None:
        is_shown = self._show_place(time_ms, price)
        feed.set_hint("" if is_shown else self._translator.text("list.heat_off"))

    def _forget_destroyed(self) -> None:
        gone = [feed for feed in self._feeds if not feed.is_alive]
        self._feeds = [feed for feed in self._feeds if feed.is_alive]
        for feed in gone:
            feed.stop()
            feed.deleteLater()
