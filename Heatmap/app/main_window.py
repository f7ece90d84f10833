"""Window of the stand-alone program: chart, toolbar, docks and status bar. It uses the plugin as any host."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from PyQt6 import sip
from PyQt6.QtCore import QEvent, QSettings, Qt, pyqtSignal
from PyQt6.QtGui import QCloseEvent, QKeyEvent, QKeySequence
from PyQt6.QtWidgets import QAbstractItemView, QApplication, QComboBox, QMainWindow

from Heatmap.app import window_state
from Heatmap.app.candle_feed import CandleFeed
from Heatmap.app.chart_area import ChartArea
from Heatmap.app.chart_bridge import RIGHT_MARGIN_BARS, ChartBridge
from Heatmap.app.chart_settings import ChartSettings
from Heatmap.app.chart_tab import ChartTab
from Heatmap.app.chart_toolbar import INTERVALS, ChartToolbar
from Heatmap.app.chart_view import ChartView
from Heatmap.app.docks import SETTINGS_WIDTH_PX, Dock, SettingsTabs
from Heatmap.app.first_steps import FirstSteps
from Heatmap.app.picture_actions import PictureActions
from Heatmap.app.recorded_symbols import store_symbols
from Heatmap.app.replay_action import ReplayAction
from Heatmap.app.trouble_bar import TroubleBar
from Heatmap.app.window_actions import RELOAD_KEY, WindowActions
from Heatmap.events import Source
from Heatmap.heatmap_settings import window_ms
from Heatmap.plugin import HeatmapPlugin
from Heatmap.ui.widgets.source_text import sources_text
from Heatmap.vocabulary import INTERVALS_MS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from Heatmap.candle import Candle
    from Heatmap.clock import Clock
    from Heatmap.heatmap_service import HeatmapService
    from Heatmap.heatmap_settings import HeatmapSettings
    from Heatmap.ui.settings_model import SettingsModel
    from Heatmap.ui.translation import Translator

START_SIZE_PX = (1060, 550)
# The first view shows the window, but never bars too narrow to read or so few that they fill the screen.
MIN_BARS, MAX_BARS = 60, 500
INTERVAL_FOR_WINDOW = {"2h": "1m", "8h": "3m", "2d": "15m"}
INTERVAL_KEY = "program/interval"
MESSAGE_MS = 8000
SETTINGS_SHORTCUT = "Ctrl+,"
HEAT_SHORTCUTS = ("H", "Ctrl+H")


@dataclass(frozen=True, slots=True)
class Market:
    """What the window shows: the source, and sentences to show once in the status bar (broken lines of a recording)."""

    source: str = Source.BINANCE
    notes: tuple[str, ...] = ()

    @property
    def is_real(self) -> bool:
        """True unless the market is simulated or replayed."""
        return self.source not in (Source.DEMO, Source.REPLAY)


class MainWindow(QMainWindow):
    """The program's window; the services are started and stopped by the caller, ``store`` keeps the chosen interval."""

    closing = pyqtSignal()

    def __init__(
        self,
        service: HeatmapService,
        settings: SettingsModel,
        translator: Translator,
        *,
        store: QSettings,
        market: Market,
        clock: Clock,
        others: Sequence[HeatmapService] = (),
    ) -> None:
        super().__init__()
        self._service = service
        self._settings = settings
        self._translator = translator
        self._store = store
        self._market = market
        self._fitted = False

        self._bridge = ChartBridge(self)
        self._view = ChartView(self._bridge, self, clock=clock)
        self._trouble = TroubleBar(service, translator, reload_key=RELOAD_KEY, parent=self)
        self._area = ChartArea(
            self._view, self._trouble, settings, translator, source=Source(market.source), parent=self
        )
        self._area.layoutChanged.connect(self._bridge.set_layout)
        self.setCentralWidget(self._area)
        self._feed = CandleFeed(
            service.ws_url,
            service.rest_url,
            tick_size=service.tick_size,
            clock=service.exchange_clock,
            source=service.source,
            parent=self,
        )
        self.plugin = HeatmapPlugin.attach(
            self._view,
            chart="chart",
            series="series",
            service=service,
            settings=settings,
            translator=translator,
            clock=clock,
        )
        for other in others:
            self.plugin.add_recorder(other)
        notice_bar = self.plugin.notice_bar(self, without=["page"])  # the trouble bar says that
        if market.is_real:
            first_steps = FirstSteps(service.database, translator, self)
            notice_bar.add_action(first_steps.show_demo, "first_event")
            notice_bar.add_action(first_steps.import_file, "first_event")
        self._area.add_bar(notice_bar)
        tabs = SettingsTabs(self.plugin.settings_tab(), translator, self)
        self._chart_settings = ChartSettings(store, self)
        tabs.add_page(ChartTab(self._chart_settings, translator, tabs), "candles.tab")
        tabs.add_page(self.plugin.alerts_tab(), "alerts.title")
        self._settings_dock = Dock(
            "settings", tabs, translator, text_key="toolbar.settings", window=self, shortcut=SETTINGS_SHORTCUT
        )
        self._settings_dock.setMinimumWidth(SETTINGS_WIDTH_PX)
        self._list_dock = self._new_list_dock()
        self._symbols = self.plugin.symbol_box(self)
        self._toolbar = ChartToolbar(translator, self._symbols, self._stored_interval(), self)
        self._actions = WindowActions(
            self, self._view, self._bridge, translator, fit=self.fit, find_symbol=self._symbols.setFocus
        )
        self._add_actions()
        bar = self.statusBar()
        if bar is not None:
            bar.setSizeGripEnabled(False)
            bar.addWidget(self.plugin.status_widget(self), 1)
        self.resize(*START_SIZE_PX)
        window_state.restore(self, store)

        self._connect_chart()
        self._show_look()
        translator.follow(settings)
        translator.languageChanged.connect(self._set_texts)
        self._set_texts()

    @property
    def view(self) -> ChartView:
        """The web view with the chart."""
        return self._view

    def start(self) -> None:
        """Load candles; needs the running qasync loop."""
        self._view.setFocus()
        self._feed.show(self._toolbar.symbol, self._toolbar.interval)
        bar = self.statusBar()
        if self._market.notes and bar is not None:
            bar.showMessage(" ".join(self._market.notes), MESSAGE_MS)  # the figures return by themselves

    async def stop(self) -> None:
        """End the candle feed and the plugin."""
        self._trouble.stop()
        await self._feed.close()
        self.plugin.detach()

    def dispose(self) -> None:
        """Delete the page and then the window, in the order that Qt requires."""
        self._view.dispose()
        sip.delete(self)

    def _connect_chart(self) -> None:
        """Connect candles, page and settings."""
        self._feed.historyReady.connect(self._show_history)
        self._feed.candleReady.connect(self._bridge.update_bar)
        self._feed.olderReady.connect(self._bridge.add_older)
        self._bridge.olderRequested.connect(self._feed.load_older)
        self._feed.tickSizeReady.connect(self._bridge.set_tick_size)
        self._feed.problemChanged.connect(self._trouble.set_candle_problem)
        self._feed.olderProblemChanged.connect(self._trouble.set_older_candle_problem)
        self._view.problemChanged.connect(self._trouble.set_page_problem)
        self._settings.changed.connect(self._fit_window)
        self._settings.changed.connect(self._show_look)
        self._settings.changed.connect(self._set_title)
        self._chart_settings.changed.connect(self._show_look)

    def _add_actions(self) -> None:
        """Put the actions into the toolbar, in the order of the keyboard, and connect the choices."""
        bar, plugin = self._toolbar, self.plugin
        for window in plugin.choice_actions("window").actions():
            bar.add_tool(window)
        bar.add_separator()
        heat = plugin.toggle_action()
        heat.setShortcuts([QKeySequence(keys) for keys in HEAT_SHORTCUTS])
        bar.add_tool(heat)
        bar.add_tool(plugin.setting_action("bubbles"))
        bar.add_tool(plugin.setting_action("profile"))
        bar.add_tool(self._actions.fit)
        bar.add_tool(self._actions.live)
        pictures = PictureActions(self.plugin, self._translator, lambda: bar.symbol, self)
        bar.add_tool(pictures.save)
        replay_bar = plugin.replay_bar(self)
        self._area.add_row(replay_bar)
        self._replay = ReplayAction(replay_bar, self._bridge, self._translator, self)
        bar.add_tool(self._replay)
        self.addAction(pictures.copy)
        bar.add_at_end(self._list_dock.toggle_action)
        bar.add_at_end(self._actions.shortcuts)
        bar.set_last(self._settings_dock.toggle_action)
        self._symbols.symbolRequested.connect(self._symbol_chosen)
        bar.intervalRequested.connect(self._interval_chosen)

    def _stored_interval(self) -> str:
        stored = str(self._store.value(INTERVAL_KEY, ""))
        return stored if stored in INTERVALS else INTERVAL_FOR_WINDOW[self._settings.value.window]

    def _set_texts(self) -> None:
        self._set_title()
        self._bridge.set_formats(self._translator.locale.bcp47Name(), self._settings.value.time_zone)

    def _set_title(self) -> None:
        title = self._translator.text("app.title", symbol=self._toolbar.symbol)
        names = ", ".join(self._area.source_text().splitlines())
        self.setWindowTitle(f"{title} – {names or sources_text(self._settings.value.sources, self._translator)}")

    def _symbol_chosen(self, symbol: str) -> None:
        store_symbols(self._store, symbol, self._service.symbols)
        self._view.setFocus()
        self.plugin.set_symbol(symbol)
        # The other symbol's candles must not be shown under this name until its own arrive.
        self._bridge.set_history((), tick_size=None)
        self._feed.show(symbol, self._toolbar.interval)
        self._set_title()

    def _interval_chosen(self, interval: str) -> None:
        self._store.setValue(INTERVAL_KEY, interval)
        self._feed.show(self._toolbar.symbol, interval)

    def _new_list_dock(self) -> Dock:
        listing = self.plugin.liquidation_list()

        def show_time(time_ms: int) -> None:
            # The plugin does it while it is attached to the chart.
            if not self.plugin.is_attached:
                self._bridge.show_time(time_ms)
                listing.set_hint("")

        listing.activated.connect(show_time)
        return Dock("list", listing, self._translator, text_key="toolbar.list", window=self)

    def fit(self) -> None:
        """Show the heatmap's window in the chart."""
        if not self._bridge.bar_count:
            return
        interval_ms = INTERVALS_MS[self._toolbar.interval]
        bars = min(max(window_ms(self._settings.value) // interval_ms, MIN_BARS), MAX_BARS, self._bridge.bar_count)
        self._bridge.show_newest(bars, RIGHT_MARGIN_BARS)

    def _show_look(self) -> None:
        self._bridge.set_look(self._chart_settings.look, heat_is_shown=self._settings.value.enabled)

    def _fit_window(self, new: HeatmapSettings, previous: HeatmapSettings) -> None:
        # Whoever looks at old time goes on doing so: the other window may be chosen for it.
        if new.window != previous.window and self._bridge.is_live:
            self.fit()

    def _show_history(self, candles: Sequence[Candle], tick_size: float | None) -> None:
        self._bridge.set_history(candles, tick_size=tick_size)
        if not self._fitted:
            self._fitted = True
            self.fit()
            if self._market.source == Source.REPLAY:
                self._replay.open_bar()

    def chart_absence(self) -> str | None:
        """Return why no chart is visible, as one English sentence; None if one is."""
        return self._trouble.chart_absence(has_bars=bool(self._bridge.bar_count))

    def closeEvent(self, event: QCloseEvent | None) -> None:
        """Store what is where and emit `closing`: the program then ends everything in order."""
        window_state.save(self, self._store)
        self.closing.emit()
        super().closeEvent(event)

    def event(self, event: QEvent | None) -> bool:
        """Leave letters and digits to a list that has the focus: they search in it."""
        if (
            isinstance(event, QKeyEvent)
            and event.type() == QEvent.Type.ShortcutOverride
            and event.modifiers() in (Qt.KeyboardModifier.NoModifier, Qt.KeyboardModifier.KeypadModifier)
            and isinstance(QApplication.focusWidget(), QComboBox | QAbstractItemView)
            and event.text().strip()
        ):
            event.accept()
        return super().event(event)
