"""Window of the stand-alone program: chart, toolbar, settings dock and status bar. It uses the plugin as any host."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from PyQt6 import sip
from PyQt6.QtCore import QSettings, Qt, QTimer, pyqtSignal
from PyQt6.QtGui import QAction, QCloseEvent
from PyQt6.QtWidgets import (
    QComboBox,
    QDockWidget,
    QGridLayout,
    QLabel,
    QMainWindow,
    QSizePolicy,
    QTabWidget,
    QToolBar,
    QVBoxLayout,
    QWidget,
)

from Heatmap.app.candle_feed import CandleFeed
from Heatmap.app.chart_bridge import ChartBridge
from Heatmap.app.chart_view import ChartView
from Heatmap.events import Source
from Heatmap.heatmap_settings import window_ms
from Heatmap.message_catalogue import catalogue
from Heatmap.plugin import HeatmapPlugin, has_opengl
from Heatmap.vocabulary import INTERVALS_MS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from Heatmap.candle import Candle
    from Heatmap.clock import Clock
    from Heatmap.heatmap_service import HeatmapService
    from Heatmap.ui.settings_model import SettingsModel
    from Heatmap.ui.translation import Translator

log = logging.getLogger(__name__)

START_SIZE_PX = (1060, 550)
DOCK_WIDTH_PX = 330
# The first view shows the window, but never bars too narrow to read or so few that they fill the screen.
MIN_BARS, MAX_BARS = 60, 500
RIGHT_MARGIN_BARS = 4
INTERVAL_FOR_WINDOW = {"2h": "1m", "8h": "3m", "2d": "15m"}
INTERVALS = ("1m", "3m", "5m", "15m", "30m", "1h", "4h", "1d")
INTERVAL_KEY = "program/interval"
MESSAGE_MS = 8000
RELOAD_KEY = "F5"
STORAGE_WATCH_MS = 1000
BADGE_KEYS = {Source.DEMO: "badge.simulated", Source.REPLAY: "badge.replay"}
BADGE_STYLE = "color: #1b1300;background: #ffc107; font-weight: 600; border-radius: 4px; padding: 3px 12px; margin: 8px"
TROUBLE_STYLE = "QLabel { color: #ffd9d6; background: #5c1a18; border-bottom: 1px solid #d9534f; padding: 6px 12px; }"


@dataclass(frozen=True, slots=True)
class Market:
    """What the window shows: the source, and sentences to show once in the status bar (broken lines of a recording)."""

    source: str = Source.BINANCE
    notes: tuple[str, ...] = ()


class MainWindow(QMainWindow):
    """The program's window; the service is started and stopped by the caller, ``store`` keeps the chosen interval."""

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
    ) -> None:
        super().__init__()
        self._service = service
        self._settings = settings
        self._translator = translator
        self._store = store
        self._market = market
        self._fitted = False
        self._candle_trouble = ("", "")  # reason word and English sentence, see `CandleFeed.problemChanged`
        self._page_trouble = ""  # key of a text
        self._storage_trouble = ("", "")  # English sentences: what cannot be stored, and what was replaced

        self._bridge = ChartBridge(self)
        self._view = ChartView(self._bridge, self, clock=clock)
        self._trouble = _trouble_bar(self)
        central = QWidget(self)
        column = QVBoxLayout(central)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self._trouble)
        chart = QGridLayout()
        chart.addWidget(self._view, 0, 0)
        # While the heat is shown, the plugin marks the candles: the transparent page would cover this label.
        self._badge = _source_badge(central)
        chart.addWidget(self._badge, 0, 0, Qt.AlignmentFlag.AlignTop | Qt.AlignmentFlag.AlignLeft)
        column.addLayout(chart, 1)
        self._badge.raise_()
        self.setCentralWidget(central)
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

        self._build_toolbar()
        self._build_dock()
        bar = self.statusBar()
        if bar is not None:
            bar.setSizeGripEnabled(False)
            bar.addWidget(self.plugin.status_widget(self), 1)
        self.resize(*START_SIZE_PX)

        self._feed.historyReady.connect(self._show_history)
        self._feed.candleReady.connect(self._bridge.update_bar)
        self._feed.tickSizeReady.connect(self._bridge.set_tick_size)
        self._feed.problemChanged.connect(self._candle_problem)
        self._view.problemChanged.connect(self._page_problem)
        settings.changed.connect(self._show_badge)
        translator.follow(settings)
        translator.languageChanged.connect(self._set_texts)
        self._set_texts()
        self._storage_watch = QTimer(self)
        self._storage_watch.setInterval(STORAGE_WATCH_MS)
        self._storage_watch.timeout.connect(self._watch_storage)
        self._storage_watch.start()

    @property
    def view(self) -> ChartView:
        """The web view with the chart."""
        return self._view

    def start(self) -> None:
        """Load candles; needs the running qasync loop."""
        self._feed.show(self._symbol.currentText(), self._interval.currentText())
        bar = self.statusBar()
        if self._market.notes and bar is not None:
            bar.showMessage(" ".join(self._market.notes), MESSAGE_MS)  # the figures return by themselves

    async def stop(self) -> None:
        """End the candle feed and the plugin."""
        self._storage_watch.stop()
        await self._feed.close()
        self.plugin.detach()

    def dispose(self) -> None:
        """Delete the page and then the window, in the order that Qt requires."""
        self._view.dispose()
        sip.delete(self)

    def _build_toolbar(self) -> None:
        bar = QToolBar(self)
        bar.setObjectName("toolbar")
        bar.setMovable(False)
        bar.setContextMenuPolicy(Qt.ContextMenuPolicy.PreventContextMenu)
        bar.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextOnly)
        self._symbol = QComboBox(bar)
        self._symbol.setObjectName("symbol")
        self._symbol.addItems(list(self._service.symbols))
        self._symbol.currentTextChanged.connect(self._symbol_chosen)
        self._interval = QComboBox(bar)
        self._interval.setObjectName("interval")
        self._interval.addItems(INTERVALS)
        stored = str(self._store.value(INTERVAL_KEY, ""))
        default = INTERVAL_FOR_WINDOW[self._settings.value.window]
        self._interval.setCurrentText(stored if stored in INTERVALS else default)
        self._interval.currentTextChanged.connect(self._interval_chosen)
        self._fit = QAction(self)
        self._fit.triggered.connect(self.fit)
        # Not on the toolbar: the text above the chart names the key when it is needed.
        self._reload = QAction(self)
        self._reload.setObjectName("reload_chart")
        self._reload.setShortcut(RELOAD_KEY)
        self._reload.triggered.connect(self._view.reload)
        self.addAction(self._reload)
        self._show_settings = QAction(self)
        self._show_settings.setObjectName("settings_toggle")
        self._show_settings.setCheckable(True)
        bar.addWidget(self._symbol)
        bar.addWidget(self._interval)
        bar.addSeparator()
        bar.addAction(self.plugin.toggle_action())
        bar.addAction(self._fit)
        room = QWidget(bar)
        room.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        bar.addWidget(room)
        self._honesty = QLabel(bar)
        self._honesty.setObjectName("honesty")
        self._honesty.setEnabled(False)
        bar.addWidget(self._honesty)
        bar.addSeparator()
        bar.addAction(self._show_settings)
        self.addToolBar(bar)

    def _build_dock(self) -> None:
        self._tabs = QTabWidget(self)
        self._tabs.setObjectName("settings_tabs")
        self._tabs.addTab(self.plugin.settings_tab(), "")
        self._dock = QDockWidget(self)
        self._dock.setObjectName("settings_dock")
        self._dock.setWidget(self._tabs)
        self._dock.setFeatures(
            QDockWidget.DockWidgetFeature.DockWidgetClosable | QDockWidget.DockWidgetFeature.DockWidgetMovable
        )
        self._dock.setMinimumWidth(DOCK_WIDTH_PX)
        self.addDockWidget(Qt.DockWidgetArea.RightDockWidgetArea, self._dock)
        self._dock.hide()
        # Not `toggled`: hiding the window hides the dock, too, and must not close it.
        self._show_settings.triggered.connect(self._dock.setVisible)
        self._dock.visibilityChanged.connect(self._show_settings.setChecked)

    def _set_texts(self) -> None:
        text = self._translator.text
        title = text("app.title", symbol=self._symbol.currentText())
        badge = BADGE_KEYS.get(Source(self._market.source))
        lines = text(badge) if badge else ""
        self.setWindowTitle(f"{title} – {', '.join(lines.splitlines()) or 'Binance USD-M'}")
        self._badge.setText(lines)
        self._show_badge()
        self._symbol.setToolTip(text("toolbar.symbol_help"))
        self._interval.setToolTip(text("toolbar.interval_help"))
        for action, key in ((self._fit, "toolbar.fit"), (self._show_settings, "toolbar.settings")):
            action.setText(text(key))
            action.setToolTip(text(f"{key}_help"))
        self._honesty.setText(f"{text('badge.realised')} · {text('badge.lower_bound_short')} · UTC")
        self._honesty.setToolTip(text("badge.lower_bound"))
        self._tabs.setTabText(0, text("tab.title"))
        self._dock.setWindowTitle(text("toolbar.settings"))
        self._show_trouble()

    def _symbol_chosen(self, symbol: str) -> None:
        self._fitted = False
        self.plugin.set_symbol(symbol)
        # The other symbol's candles must not be shown under this name until its own arrive.
        self._bridge.set_history((), tick_size=None)
        self._feed.show(symbol, self._interval.currentText())
        self._set_texts()

    def _interval_chosen(self, interval: str) -> None:
        self._fitted = False
        self._store.setValue(INTERVAL_KEY, interval)
        self._feed.show(self._symbol.currentText(), interval)

    def _show_badge(self) -> None:
        self._badge.setVisible(bool(self._badge.text()) and not self._settings.value.enabled)

    def fit(self) -> None:
        """Show the heatmap's window in the chart."""
        if not self._bridge.bar_count:
            return
        interval_ms = INTERVALS_MS[self._interval.currentText()]
        bars = min(max(window_ms(self._settings.value) // interval_ms, MIN_BARS), MAX_BARS, self._bridge.bar_count)
        self._bridge.show_newest(bars, RIGHT_MARGIN_BARS)

    def _show_history(self, candles: Sequence[Candle], tick_size: float | None) -> None:
        self._bridge.set_history(candles, tick_size=tick_size)
        if not self._fitted:
            self._fitted = True
            self.fit()

    def _candle_problem(self, reason: str, detail: str) -> None:
        self._candle_trouble = (reason, detail)
        self._show_trouble()

    def _watch_storage(self) -> None:
        status = self._service.status()
        trouble = (status.storage_problem, status.storage_notice)
        if trouble != self._storage_trouble:
            self._storage_trouble = trouble
            self._show_trouble()

    def _show_trouble(self) -> None:
        """Show above the chart what does not work at the moment."""
        translator, sentences = self._translator, []
        problem, notice = self._storage_trouble
        if problem:
            sentences.append(translator.text("status.database_problem_help", problem=problem))
        if notice:
            sentences.append(notice)
        if not has_opengl():
            sentences.append(f"{translator.text('error.no_gl')} {translator.text('error.no_gl_cure')}")
        if self._page_trouble:
            sentences.append(translator.text(self._page_trouble, shortcut=RELOAD_KEY))
        reason, detail = self._candle_trouble
        if reason:
            key = f"connection.reason.{reason}"
            words = translator.text(key) if translator.has(key) else detail
            sentences.append(translator.text("error.candles", reason=words))
        text = "\n\n".join(sentences)
        self._trouble.setText(text)
        self._trouble.setVisible(bool(text))

    def chart_absence(self) -> str | None:
        """Return why no chart is visible, as one English sentence; None if one is."""
        if self._page_trouble:
            return catalogue("en")[self._page_trouble].format(shortcut=RELOAD_KEY)
        if not self._bridge.bar_count:
            _, detail = self._candle_trouble
            return detail or "No candles have come yet."
        return None

    def _page_problem(self, key: str) -> None:
        self._page_trouble = key
        self._show_trouble()

    def closeEvent(self, event: QCloseEvent | None) -> None:
        """Emit `closing`: the program then ends everything in order."""
        self.closing.emit()
        super().closeEvent(event)


def _source_badge(parent: QWidget) -> QLabel:
    """Return the mark of candles that are not real, above the chart while the heat is off."""
    badge = QLabel(parent)
    badge.setObjectName("source_badge")
    badge.setStyleSheet(BADGE_STYLE)
    badge.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
    badge.hide()
    return badge


def _trouble_bar(parent: QWidget) -> QLabel:
    """Return the line above the chart; over the chart the transparent page would cover it."""
    bar = QLabel(parent)
    bar.setObjectName("trouble")
    bar.setWordWrap(True)
    bar.setTextFormat(Qt.TextFormat.PlainText)
    bar.setStyleSheet(TROUBLE_STYLE)
    bar.hide()
    return bar
