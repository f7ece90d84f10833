"""The plugin: puts a heatmap behind the chart of any PyQt6 program. This is where all parts are joined."""

from __future__ import annotations

import itertools
import logging
from typing import TYPE_CHECKING
from weakref import WeakSet

from PyQt6 import sip
from PyQt6.QtCore import QObject, QSettings, QTimer, pyqtSignal
from PyQt6.QtWebChannel import QWebChannel
from PyQt6.QtWebEngineCore import QWebEnginePage
from PyQt6.QtWidgets import QWidget

from Heatmap.aggregation.engine_choice import new_engine
from Heatmap.aggregation.warmup import KernelWarmup
from Heatmap.clock import SYSTEM_CLOCK, ExchangeClock
from Heatmap.errors import AttachError
from Heatmap.events import Source
from Heatmap.ui.build_worker import BuildWorker
from Heatmap.ui.gl.graphics import configure_graphics, ensure_graphics, has_opengl
from Heatmap.ui.gl.underlay import Underlay
from Heatmap.ui.gl.visibility import is_seen
from Heatmap.ui.page.bridge import OBJECT_NAME, Bridge, detach_script, missing_script, page_script
from Heatmap.ui.page.crash_count import WITHIN_S, CrashCount
from Heatmap.ui.page.frame_sync import FrameSync
from Heatmap.ui.page.page_transparency import PageTransparency
from Heatmap.ui.presenter import HeatmapPresenter
from Heatmap.ui.widgets.heatmap_tab import HeatmapTab
from Heatmap.ui.widgets.overlay import Overlay
from Heatmap.ui.widgets.performance import Performance
from Heatmap.ui.widgets.settings_model import SettingsModel
from Heatmap.ui.widgets.statistics_box import MapStatistics
from Heatmap.ui.widgets.status import StatusPanel
from Heatmap.ui.widgets.tab_notice import notice_of
from Heatmap.ui.widgets.tooltip_controller import Inspector
from Heatmap.ui.widgets.translation import Translator

if TYPE_CHECKING:
    from collections.abc import Callable

    from PyQt6.QtWebEngineWidgets import QWebEngineView

    from Heatmap.aggregation import HeatmapImage
    from Heatmap.clock import Clock
    from Heatmap.heatmap_service import HeatmapService
    from Heatmap.ui.geometry.background import Surface
    from Heatmap.ui.geometry.viewport import Viewport

__all__ = ["HeatmapPlugin", "configure_graphics", "ensure_graphics", "has_opengl"]

log = logging.getLogger(__name__)

SETTINGS_ORGANIZATION = "Heatmap"
SETTINGS_APPLICATION = "Heatmap"
WATCH_MS = 250
# A page that has loaded shows its chart within a second or two; after this long the host's developer is told.
CHART_PATIENCE_MS = 5000
# A host that brings its page back after a crash does so at once; after this long nobody will but the user.
RELOAD_PATIENCE_MS = 5000

_numbers = itertools.count(1)
# Keeps each plugin alive until it is detached or its view is gone: a host need not hold it.
_attached: set[HeatmapPlugin] = set()


class HeatmapPlugin(QObject):
    """A heatmap of recorded liquidations behind one chart. Make it with `attach`.

    The host's layout is not touched: the heat lies in a child of the web view, beneath the page, and the page's
    backgrounds are made transparent. `detach` puts everything back.
    """

    imageChanged = pyqtSignal(object)  # HeatmapImage | None: what is on the screen now
    attachedChanged = pyqtSignal(bool)  # the page reports its range: the heat can be placed

    def __init__(  # the parts are joined here and nowhere else
        self,
        view: QWebEngineView,
        *,
        chart: str,
        series: str,
        service: HeatmapService,
        symbol: str,
        time_offset_s: float,
        settings: SettingsModel,
        translator: Translator,
        clock: Clock,
    ) -> None:
        super().__init__()
        self._view = view
        self._view_alive = True
        self._service = service
        self._settings = settings
        self._translator = translator
        self._clock = clock
        # A name of its own: a host may share one channel between several views.
        self._object_name = f"{OBJECT_NAME}{next(_numbers)}"
        self._expressions = f"chart={chart!r}, series={series!r}"
        self._script = page_script(chart, series, self._object_name)
        self._channel: QWebChannel | None = None
        self._own_channel: QWebChannel | None = None
        self._attached = False
        self._surfaces: tuple[Surface, ...] = ()
        self._detached = False
        self._has_graphics = has_opengl()
        # A window with an OpenGL widget in it stays black where there is no OpenGL: then they live in no window.
        self._stage = view if self._has_graphics else QWidget()

        self._bridge = Bridge(time_offset_s=time_offset_s, parent=self)
        self._underlay = Underlay(self._stage)
        self._frame_sync = FrameSync(view, self._underlay, self)
        # The map's "now" is the exchange's, by whose clock events are dated.
        self._worker = BuildWorker(service.db_path, tick_size=service.tick_size, clock=clock, parent=self)
        self._presenter = HeatmapPresenter(self._underlay, self._worker, settings, symbol=symbol, parent=self)
        self._overlay = Overlay(self._stage, self._presenter, settings, translator)
        self._inspector = Inspector(self._stage, self._presenter, self._worker, translator, time_offset_s=time_offset_s)
        self._performance = Performance(
            service, self._underlay, self._presenter, self._frame_sync, clock=clock, parent=self
        )
        self._tabs: WeakSet[HeatmapTab] = WeakSet()
        self._problem = ("", "")
        self._missing = ("", "")
        self._crashes = CrashCount()
        self._statistics = MapStatistics()

        self._bridge.viewportChanged.connect(self._set_viewport)
        self._bridge.timeAxisChanged.connect(self._frame_sync.set_time_axis)
        self._bridge.timeAxisChanged.connect(self._presenter.set_time_axis)
        self._bridge.surfacesChanged.connect(self._set_surfaces)
        self._bridge.attachedChanged.connect(self._page_answered)
        self._presenter.imageChanged.connect(self.imageChanged)
        self._underlay.failed.connect(self._no_graphics)
        self._worker.problem.connect(self._take_problem)
        self._worker.counted.connect(self._take_statistics)
        settings.changed.connect(self._show_notice)
        translator.languageChanged.connect(self._show_notice)
        self._unsubscribe: Callable[[], None] = service.subscribe(self._worker.data_changed)

        self._watch_timer = self._new_timer(WATCH_MS, self._watch)
        self._chart_timer = self._new_timer(CHART_PATIENCE_MS, self._ask_for_chart, once=True)
        self._reload_timer = self._new_timer(RELOAD_PATIENCE_MS, self._tell_given_up, once=True)

        self._warmup = KernelWarmup(self._worker.use_numba, lambda report: log.info("kernels: %s", report))
        self._join_page()
        self._worker.start()
        # Kernels that an earlier heatmap of this process has loaded serve this one, too.
        if new_engine().name != "numba":
            self._warmup.start()

    @classmethod
    def attach(
        cls,
        view: QWebEngineView,
        chart: str = "chart",
        series: str = "series",
        *,
        service: HeatmapService,
        symbol: str | None = None,
        time_offset_s: float = 0.0,
        settings: SettingsModel | QSettings | None = None,
        translator: Translator | None = None,
        clock: Clock = SYSTEM_CLOCK,
    ) -> HeatmapPlugin:
        """Put a heatmap behind a chart.

        Parameters
        ----------
        view
            The web view that shows the chart. Its page may still be loading.
        chart, series
            JavaScript expressions for the chart and its main series, e.g. ``"chart"`` or ``"app.candles"``. They
            become part of a script: pass only what you wrote yourself.
        service
            Where the events come from; started or not.
        symbol
            The symbol to show, the service's first one if not given.
        time_offset_s
            What your program adds to UTC before it gives times to the chart, in seconds.
        settings
            Where the user's choices are kept; a `QSettings` of the user's own if not given.
        translator
            Texts in the host's choice of language; if not given, the heatmap follows its own language setting.

        Returns
        -------
        HeatmapPlugin
            Lives until `detach` is called or the view is destroyed.

        Raises
        ------
        AttachError
            The view has a heatmap already, or no page.
        """
        if any(plugin._view is view for plugin in _attached):  # noqa: SLF001  # the class's own objects
            raise AttachError(
                "expected a view without a heatmap, was one that another HeatmapPlugin is attached to",
                short="This chart already has a heatmap. Detach the first one before attaching another.",
            )
        if not isinstance(settings, SettingsModel):
            store = settings or QSettings(SETTINGS_ORGANIZATION, SETTINGS_APPLICATION)
            overrides = {} if service.source == Source.BINANCE else {"source": service.source}
            settings = SettingsModel(store, overrides=overrides)
        if translator is None:
            translator = Translator(settings.value.language)
            translator.follow(settings)
        plugin = cls(
            view,
            chart=chart,
            series=series,
            service=service,
            symbol=symbol or service.symbols[0],
            time_offset_s=time_offset_s,
            settings=settings,
            translator=translator,
            # The map's "now" is the exchange's, by whose clock events are dated.
            clock=ExchangeClock(clock, service.known_exchange_time),
        )
        _attached.add(plugin)
        return plugin

    # -- what hosts use ----------------------------------------------------------------------------------------------

    @property
    def settings(self) -> SettingsModel:
        """The user's settings; ``settings.update(palette="ice")`` acts at once."""
        return self._settings

    @property
    def is_attached(self) -> bool:
        """True once the page has reported back: the heat can be placed."""
        return self._attached

    @property
    def image(self) -> HeatmapImage | None:
        """The image on the screen, None if there is none."""
        return self._presenter.image

    @property
    def viewport(self) -> Viewport | None:
        """The chart's visible range as last reported, None before the page is attached."""
        return self._presenter.viewport

    @property
    def is_current(self) -> bool:
        """True if the heat on the screen was built for the present view and settings."""
        return self._presenter.is_current

    @property
    def frame_sync(self) -> FrameSync:
        """What keeps the heat in step with the chart, and how well that goes."""
        return self._frame_sync

    @property
    def underlay(self) -> Underlay:
        """The layer beneath the page."""
        return self._underlay

    def set_enabled(self, enabled: bool) -> None:  # a fixed public name
        """Show or hide the heat. Recording is not affected."""
        self._settings.update(enabled=enabled)

    def is_enabled(self) -> bool:
        """Return whether the heat is shown."""
        return self._settings.value.enabled

    def set_symbol(self, symbol: str) -> None:
        """Show the liquidations of another symbol of the service."""
        self._presenter.set_symbol(symbol)

    def settings_tab(self, parent: QWidget | None = None) -> HeatmapTab:
        """Return a new settings page, to be put into a tab of the host's settings."""
        # Imported COIN-M liquidations lie in the same record, and are marked on the map.
        own = Source(self._service.source)
        sources = (own, Source.COIN_M) if own is Source.BINANCE else (own,)
        tab = HeatmapTab(self._settings, self._translator, parent, sources=sources)
        tab.set_statistics(self._statistics)
        self._tabs.add(tab)
        self._show_notice()
        return tab

    def status_panel(self, parent: QWidget | None = None) -> StatusPanel:
        """Return a new row of figures for a status bar: connection, last event, rates, build time, frames."""
        panel = StatusPanel(self._translator, parent, source=self._service.source)
        self._performance.add_panel(panel)
        return panel

    def detach(self) -> None:
        """Give the page and the view back as they were and end all threads. Harmless when called twice."""
        if self._detached:
            return
        self._detached = True
        _attached.discard(self)
        self._unsubscribe()
        self._watch_timer.stop()
        self._chart_timer.stop()
        self._reload_timer.stop()
        self._performance.stop()
        self._frame_sync.stop()
        self._presenter.stop()
        self._warmup.stop()
        self._worker.stop()
        self._bridge.blockSignals(True)  # what the page still has to say comes too late
        if self._view_alive:
            self._leave_page()
        else:
            self._leave_channel()
        self._set_attached(attached=False)
        if self._stage is not self._view:
            self._stage.deleteLater()

    # -- page --------------------------------------------------------------------------------------------------------

    def _new_timer(self, interval_ms: int, work: Callable[[], None], *, once: bool = False) -> QTimer:
        timer = QTimer(self)
        timer.setInterval(interval_ms)
        timer.setSingleShot(once)
        timer.timeout.connect(work)
        return timer

    def _join_page(self) -> None:
        page = self._view.page()
        if page is None:  # a view without a page cannot exist; Qt's types allow it
            raise AttachError("expected a web view with a page, was one without")
        self._page = page
        self._transparency = PageTransparency(self._view, page, self)
        self._transparency.baseColorChanged.connect(self._paint_background)
        self._join_channel()
        page.loadFinished.connect(self._page_loaded)
        page.loadStarted.connect(self._page_starts)
        page.renderProcessTerminated.connect(self._page_crashed)
        self._view.destroyed.connect(self._view_destroyed)
        self._watch_timer.start()
        if not page.isLoading() and not page.url().isEmpty():
            self._page_loaded(ok=True)

    def _join_channel(self) -> bool:
        """Register the bridge on the channel the page has now; return True if that was another one until now."""
        channel = self._page.webChannel()
        if channel is not None and channel is self._channel:
            return False
        self._leave_channel()
        if channel is None:
            channel = self._own_channel = QWebChannel(self)
            self._page.setWebChannel(channel)
        channel.registerObject(self._object_name, self._bridge)
        self._channel = channel
        return True

    def _leave_channel(self) -> None:
        if self._channel is not None and not sip.isdeleted(self._channel):
            self._channel.deregisterObject(self._bridge)
        if self._own_channel is not None:
            if not sip.isdeleted(self._page) and self._page.webChannel() is self._own_channel:
                self._page.setWebChannel(None)
            self._own_channel.deleteLater()
        self._channel = self._own_channel = None

    def _watch(self) -> None:
        """Notice what Qt has no signal for: a chart out of sight, and a channel that the page got later."""
        if self._view_alive:
            self._presenter.set_seen(is_seen(self._underlay))
        if not sip.isdeleted(self._page) and self._join_channel() and not self._page.isLoading():
            self._page_loaded(ok=True)

    def _leave_page(self) -> None:
        self._view.destroyed.disconnect(self._view_destroyed)
        if not sip.isdeleted(self._page):
            self._page.loadFinished.disconnect(self._page_loaded)
            self._page.loadStarted.disconnect(self._page_starts)
            self._page.renderProcessTerminated.disconnect(self._page_crashed)
            if self._own_channel is None:
                # Until then messages are on their way, and Qt warns of each that finds nobody.
                self._page.runJavaScript(detach_script(), lambda _: self._leave_channel())
            else:
                self._page.runJavaScript(detach_script())
                self._leave_channel()
        self._transparency.give_back()
        self._overlay.remove()
        self._inspector.remove()
        self._underlay.remove()

    def _page_loaded(self, ok: bool) -> None:  # Qt's signature
        if ok and self._has_graphics:
            self._join_channel()
            self._page.runJavaScript(self._script)
            self._chart_timer.start()

    def _ask_for_chart(self) -> None:
        if not sip.isdeleted(self._page):
            self._page.runJavaScript(missing_script(), self._tell_missing)

    def _tell_missing(self, reason: object) -> None:
        """Tell the host's developer soon what is wrong with the two expressions."""
        if reason and not self._attached and not self._detached:
            reason = f"{reason} (attach: {self._expressions})"
            log.warning("no chart was found %.0f s after its page had loaded: %s", CHART_PATIENCE_MS / 1000, reason)
            self._set_missing("notice.no_chart", reason)

    def _set_missing(self, key: str = "", detail: str = "") -> None:
        if (key, detail) != self._missing:
            self._missing = (key, detail)
            self._show_notice()

    def _page_crashed(self, status: QWebEnginePage.RenderProcessTerminationStatus) -> None:
        if status is not QWebEnginePage.RenderProcessTerminationStatus.NormalTerminationStatus:
            self._chart_timer.stop()
            self._page_leaves()
            self._crashes.add(self._clock.monotonic_s())
            self._set_missing("notice.page_crashed")
            self._reload_timer.start()

    def _tell_given_up(self) -> None:
        """Say that the host does not bring its page back: only the user can now."""
        log.warning(
            "the chart's web process ended, %d times within %.0f s, and %.0f s later nobody had loaded the page again",
            self._crashes.lately,
            WITHIN_S,
            RELOAD_PATIENCE_MS / 1000,
        )
        self._set_missing("notice.page_given_up" if self._crashes.lately > 1 else "notice.page_not_reloaded")

    def _page_starts(self) -> None:
        self._chart_timer.stop()
        self._reload_timer.stop()
        self._set_missing()
        self._join_channel()
        self._page_leaves()

    def _page_leaves(self) -> None:
        """Show the bare page: what comes next may have no chart, and must not have heat behind its text.

        The page stays transparent and its background is painted beneath it: Chromium, in the midst of changing the
        document, would not take another colour.
        """
        self._transparency.pause()
        self._set_viewport(None)
        self._set_surfaces(())
        self._set_attached(attached=False)

    def _page_answered(self, attached: bool) -> None:  # Qt's signature
        if not attached:
            self._page_leaves()
        elif self._has_graphics:
            self._transparency.hold()
            self._underlay.show()
            self._set_attached(attached=True)

    def _set_viewport(self, viewport: Viewport | None) -> None:
        self._frame_sync.set_viewport(viewport)
        self._presenter.set_viewport(viewport)

    def _set_surfaces(self, surfaces: tuple[Surface, ...]) -> None:
        self._surfaces = surfaces
        self._frame_sync.set_surfaces(surfaces)
        self._paint_background()

    def _paint_background(self) -> None:
        base = self._transparency.base_color
        if base.alpha() == 0:  # the host shows its own window through the page
            base = self._view.palette().window().color()
        self._presenter.set_background(base, self._surfaces)

    def _set_attached(self, *, attached: bool) -> None:
        if attached:
            self._chart_timer.stop()
            self._set_missing()
        if attached != self._attached:
            self._attached = attached
            self.attachedChanged.emit(attached)

    def _view_destroyed(self) -> None:
        self._view_alive = False
        self.detach()

    # -- news --------------------------------------------------------------------------------------------------------

    def _no_graphics(self, reason: str) -> None:
        """Give the page its own background back: nothing can be painted beneath it."""
        log.error("OpenGL 3.3 is not available: %s", reason)
        self._has_graphics = False
        if not self._detached and not sip.isdeleted(self._page):
            self._page.runJavaScript(detach_script())
            self._transparency.give_back()
            self._underlay.hide()
            self._set_viewport(None)
            self._set_attached(attached=False)
        self._show_notice()

    def _take_problem(self, key: str, detail: str) -> None:
        self._problem = (key, detail)
        self._show_notice()

    def _take_statistics(self, statistics: MapStatistics) -> None:
        self._statistics = statistics
        for tab in self._living_tabs():
            tab.set_statistics(statistics)
        self._show_notice()

    def _show_notice(self) -> None:
        notice = notice_of(
            self._translator.text,
            has_graphics=self._has_graphics,
            problem=self._problem,
            missing=self._missing,
            crashes=self._crashes.lately,
            events=self._statistics.events if self.is_enabled() else None,
            status=self._service.status(),
        )
        for tab in self._living_tabs():
            tab.set_notice(notice.text, notice.kind)

    def _living_tabs(self) -> list[HeatmapTab]:
        return [tab for tab in self._tabs if not sip.isdeleted(tab)]
