"""The plugin: puts a heatmap behind the chart of a PyQt6 program. Its parts are connected here."""

from __future__ import annotations

import atexit
import gc
import logging
from typing import TYPE_CHECKING, get_args

from PyQt6 import sip
from PyQt6.QtCore import QCoreApplication, QEvent, QObject, QSettings, pyqtSignal

from Heatmap.attach_arguments import check_arguments
from Heatmap.clock import SYSTEM_CLOCK, ExchangeClock
from Heatmap.errors import AttachError, SettingsError
from Heatmap.events import Source
from Heatmap.host_controls import HostControls
from Heatmap.ui.build_signals import BuildSignals
from Heatmap.ui.geometry.chart_time import chart_time
from Heatmap.ui.gl.graphics import configure_graphics, ensure_graphics, has_opengl
from Heatmap.ui.page.bridge import Bridge
from Heatmap.ui.page.chart_scroll import ChartScroll
from Heatmap.ui.page.session import PageSession
from Heatmap.ui.settings_file import own_settings
from Heatmap.ui.settings_model import SettingsModel
from Heatmap.ui.translation import Translator
from Heatmap.ui.widgets.liquidation_lists import LiquidationLists
from Heatmap.ui.widgets.notice_bar import NoticeBar
from Heatmap.ui.widgets.notices import Notices
from Heatmap.ui.widgets.picture_caption import picture_caption
from Heatmap.ui.widgets.replay_bar import ReplayBar
from Heatmap.ui.widgets.settings_tabs import SettingsTabs
from Heatmap.vocabulary import LegendPlace

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import tzinfo

    from PyQt6.QtGui import QImage
    from PyQt6.QtWebEngineWidgets import QWebEngineView
    from PyQt6.QtWidgets import QWidget

    from Heatmap.aggregation import HeatmapImage
    from Heatmap.clock import Clock
    from Heatmap.heatmap_service import HeatmapService
    from Heatmap.heatmap_settings import HeatmapSettings
    from Heatmap.ui.geometry.chart_time import ChartTime, TimeOffset
    from Heatmap.ui.heat_display import HeatDisplay
    from Heatmap.ui.widgets.heatmap_tab import HeatmapTab
    from Heatmap.ui.widgets.liquidation_list import LiquidationList
    from Heatmap.ui.widgets.tab_notice import NoticeTopic

__all__ = ["HeatmapPlugin", "configure_graphics", "ensure_graphics", "has_opengl"]

log = logging.getLogger(__name__)

SETTINGS_ORGANIZATION = SETTINGS_APPLICATION = "Heatmap"

# Keeps each plugin alive until it is detached or its view is gone, so that a host need not.
_attached: set[HeatmapPlugin] = set()


def _check_legend(place: object) -> None:
    if place not in get_args(LegendPlace):
        raise SettingsError(f"Legend: expected one of {', '.join(get_args(LegendPlace))}, was {place!r}.")


@atexit.register
def _end_before_qt() -> None:
    """Detach what the host has forgotten, and prepare for PyQt's own clean-up, which was registered earlier.

    It deletes objects while it goes through its table of wrappers. An event filter of the application that is written
    in Python would make new wrappers meanwhile, and PyQt would crash when the table grows. No event matters any more.
    """
    for plugin in tuple(_attached):
        plugin.detach()
    application = QCoreApplication.instance()
    if application is None:
        return
    QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete.value)
    for thing in gc.get_objects():
        kind = type(thing)
        if issubclass(kind, QObject) and kind.eventFilter is not QObject.eventFilter and not sip.isdeleted(thing):
            application.removeEventFilter(thing)


class HeatmapPlugin(HostControls):
    """A heatmap of recorded liquidations behind one chart. Make it with `attach`.

    The host's layout is not touched: the heat lies in a child of the web view, beneath the page, and the page's
    backgrounds are made transparent. `detach` restores everything.
    """

    imageChanged = pyqtSignal(object)  # HeatmapImage | None: the image on the screen
    attachedChanged = pyqtSignal(bool)  # the page reports its range: the heat can be placed
    levelClicked = pyqtSignal(float)  # the price in the middle of a cell with heat that was clicked
    detached = pyqtSignal()  # by `detach`, or because the view is gone
    problemChanged = pyqtSignal(str)  # `problem`

    def __init__(
        self,
        view: QWebEngineView,
        *,
        chart: str,
        series: str,
        service: HeatmapService,
        symbol: str,
        legend: LegendPlace,
        chart_time: ChartTime,
        settings: SettingsModel,
        translator: Translator,
        clock: Clock,
    ) -> None:
        super().__init__(service, settings, translator, clock)
        self._view = view
        self._view_alive = True
        self._clock = clock
        self._symbol = symbol
        self._legend = legend
        self._kept_above: list[QWidget] = []
        self._area_sums = True
        # What a chart in UTC shows its times in is the user's choice.
        self._shown_time: TimeOffset = translator if chart_time.is_utc else chart_time
        self._as_of_ms: int | None = None
        self._display: HeatDisplay | None = None  # None while the heat is disabled
        self._closed_display: HeatDisplay | None = None  # its threads may still run
        self._waits_for_page = False
        bridge = Bridge(chart_time, parent=self)
        self._session = PageSession(view, bridge, chart=chart, series=series, clock=clock, parent=self)
        self._signals = BuildSignals(self)
        self._notices = Notices(
            service, self._session, bridge, self._signals,
            settings=settings, translator=translator, clock=clock, chart_time=chart_time, parent=self,
        )  # fmt: skip
        self._problem = ""
        self._notices.changed.connect(self._report_problem)
        self._read_shown()
        self._tabs = SettingsTabs(
            service, self._notices, self._signals, settings, translator, chart_time=chart_time, parent=self
        )
        self._scroll = ChartScroll(self._session, bridge, self)
        self._lists = LiquidationLists(
            service, settings, translator,
            symbol=symbol, chart_time=self._shown_time, clock=clock, show_place=self._scroll.show_place, parent=self,
        )  # fmt: skip
        self._session.attachedChanged.connect(self.attachedChanged)
        self._session.restored.connect(self._page_restored)
        settings.changed.connect(self._settings_changed)
        view.destroyed.connect(self._view_destroyed)
        view.loadFinished.connect(self._page_loaded)
        if settings.value.enabled:
            self._show_heat()

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
        legend: LegendPlace = "auto",
        time_zone: str | tzinfo | None = None,
        settings: SettingsModel | QSettings | None = None,
        translator: Translator | None = None,
        clock: Clock = SYSTEM_CLOCK,
    ) -> HeatmapPlugin:
        """Put a heatmap behind a chart. It lives until `detach` is called or the view is destroyed.

        Parameters
        ----------
        view
            The web view that shows the chart. Its page may still be loading.
        chart, series
            JavaScript expressions for the chart and its main series, e.g. ``"chart"`` or ``"app.candles"``. They
            become part of a script: pass only what you wrote yourself.
        service
            Source of the events; started or not.
        symbol
            The symbol to show, in upper or lower case; the service's first one if not given.
        time_offset_s
            What your program adds to UTC before it passes times to the chart, in seconds.
        legend
            Where the legend lies on the pane: "auto", "off", "top-left", "top-right", "bottom-left" or "bottom-right".
            It is hidden where it would cover more than a quarter of the pane.
        time_zone
            Instead of a constant offset: the zone whose time your program passes to the chart as if it were UTC, by its
            IANA name (``"Europe/Berlin"``) or as a tzinfo. Of the hour that is repeated in autumn the chart shows the
            later one.
        settings
            Store of the user's choices; the user's own `QSettings` if not given.
        translator
            Texts in the host's choice of language; if not given, the heatmap follows its own language setting.
        clock
            Wall and monotonic time.

        Raises
        ------
        AttachError
            The view has a heatmap already, or no page; an argument is not what is expected; the service does not have
            the symbol; there is no `QApplication`, or this is not its thread.
        SettingsError
            There is no such place for the legend.
        """
        check_arguments(view, chart, series, service=service, settings=settings)
        _check_legend(legend)
        if any(plugin._view is view for plugin in _attached):  # noqa: SLF001  # the class's own objects
            raise AttachError(
                "expected a view without a heatmap, was one that another HeatmapPlugin is attached to",
                short="This chart already has a heatmap. Detach the first one before attaching another.",
            )
        if not isinstance(settings, SettingsModel):
            store = settings if settings is not None else own_settings(SETTINGS_ORGANIZATION, SETTINGS_APPLICATION)
            settings = SettingsModel(store, recorded=service.source)
        time = chart_time(time_zone, time_offset_s)
        if translator is None:
            translator = Translator(settings.value.language)
            translator.follow(settings, None if time.is_utc else time.offset_ms)
        plugin = cls(
            view,
            chart=chart,
            series=series,
            service=service,
            symbol=_symbol_of(service, symbol or service.symbols[0]),
            legend=legend,
            chart_time=time,
            settings=settings,
            translator=translator,
            # The map ends at the exchange's "now", by whose clock events are dated.
            clock=ExchangeClock(clock, service.known_exchange_time),
        )
        _attached.add(plugin)
        return plugin

    @property
    def is_attached(self) -> bool:
        """True while the page reports its range: the heat can be placed."""
        return self._session.is_attached

    @property
    def problem(self) -> str:
        """Why no heat can be seen, or may be wrong, and what to do: in the user's language; "" if all is well."""
        return self._notices.problem

    @property
    def is_visible(self) -> bool:
        """True if heat can reach the screen: enabled and attached, nothing opaque over it, and the chart in sight."""
        return (
            self.is_enabled()
            and self._view_alive
            and self._session.is_attached
            and not self._session.obstacle[0]
            and self._display is not None
            and self._display.is_in_sight
        )

    @property
    def image(self) -> HeatmapImage | None:
        """The image on the screen, None if there is none."""
        return self._display.image if self._display is not None else None

    def set_symbol(self, symbol: str) -> None:
        """Show the liquidations of another symbol of the service, in upper or lower case; else raise `AttachError`."""
        if self._detached:
            return
        self._symbol = _symbol_of(self._service, symbol)
        self._read_shown()
        self._lists.set_symbol(self._symbol)
        if self._display is not None:
            self._display.set_symbol(self._symbol)

    def show_as_of(self, time_ms: int | None) -> None:
        """Show the record as it was at a time, ms since the epoch, UTC: nothing later; None: as it is now.

        Recording goes on. The candles are the host's: `replay_bar` says by a signal which ones it should hide.
        """
        self._as_of_ms = time_ms
        self._lists.set_as_of(time_ms)
        if self._display is not None:
            self._display.set_as_of(time_ms)

    def replay_bar(self, parent: QWidget | None = None) -> ReplayBar:
        """Return a new bar with play, pause, speed and a time line; it calls `show_as_of`. See `ReplayBar`."""
        bar = ReplayBar(self._translator, self._shown_time, parent)
        bar.timeChanged.connect(self.show_as_of)
        bar.destroyed.connect(self._end_replay)
        self.detached.connect(bar.player.pause)
        return self._given(bar)

    def set_legend(self, place: LegendPlace) -> None:
        """Move or hide the legend; see `attach`. `SettingsError` if there is no such place."""
        _check_legend(place)
        self._legend = place
        if self._display is not None:
            self._display.set_legend(place)

    def set_area_sums(self, enabled: bool) -> None:  # as Qt's setters
        """Take Shift and drag on the chart for sums of a rectangle, which is so at first; or leave them to the page."""
        self._area_sums = enabled
        if self._display is not None:
            self._display.set_area_sums(enabled)

    def keep_above(self, widget: QWidget) -> None:
        """Show a widget of the host above the candles, which are composed over ordinary widgets while heat is shown.

        It stays so until it is destroyed or the plugin is detached. A window of its own needs no such call.
        """
        if widget not in self._kept_above:
            self._kept_above.append(widget)
            widget.destroyed.connect(self._forget_destroyed)
            if self._display is not None:
                self._display.keep_above(widget)

    def picture(self, *, caption: bool = False) -> QImage:
        """Return the view as the user sees it, with heat, page and legend: opaque, device pixels.

        With a ``caption`` a line below it names symbol, source and the visible time, and that sums are lower bounds.

        The window may be covered, or have ``WA_DontShowOnScreen``; a hidden view gives a null image. The page's own
        ``takeScreenshot`` has no heat, and is transparent while heat is shown.
        """
        from Heatmap.ui.widgets.view_picture import view_picture, with_caption  # noqa: PLC0415 - loads OpenGL's library

        picture = view_picture(self._view)
        if not caption or picture.isNull():
            return picture
        shown = self._display.presenter if self._display is not None else None
        span_ms = shown.visible_span_ms if shown is not None else None
        now_ms = self._clock.now_ms()
        texts = picture_caption(self._translator, self._symbol, self._settings.value.sources, span_ms, now_ms)
        return with_caption(picture, *texts, self._view.font())

    def settings_tab(self, parent: QWidget | None = None) -> HeatmapTab:
        """Return a new page for the host's settings."""
        return self._given(self._tabs.new_tab(parent))

    def notice_bar(self, parent: QWidget | None = None, *, without: Collection[NoticeTopic] = ()) -> NoticeBar:
        """Return a new bar for above the chart: why nothing is recorded or shown, with buttons; else it is hidden.

        ``bar.add_action(action, "first_event")`` adds a button to the notice that no liquidation has come yet, and
        ``"not_recording"`` to the one that the exchange is not reached. Notices on the topics ``without`` are left out:
        ``"page"`` is why no heat can be seen on the chart.
        """
        return self._given(NoticeBar(self._notices, self._translator, self._service.retry_now, parent, without=without))

    def liquidation_list(self, parent: QWidget | None = None) -> LiquidationList:
        """Return a new list of the window's latest and largest liquidations; a click shows the place in the chart."""
        return self._given(self._lists.new_list(parent))

    def show_place(self, time_ms: int, price: float) -> bool:
        """Scroll the chart so that a moment is in the middle and a price in sight; the zoom stays.

        The crosshair points there. The price scale is moved if the price is out of sight, the scale a normal one, and
        Lightweight Charts 5.0 or newer.

        Parameters
        ----------
        time_ms
            In ms since the epoch, UTC.
        price
            In quote currency.

        Returns
        -------
        False while the plugin is not attached to a chart with bars, e.g. because the heat is disabled.

        Raises
        ------
        BridgeError
            No chart can have that time or price.
        """
        return not self._detached and self._scroll.show_place(time_ms, price)

    def detach(self) -> None:
        """Restore the page and the view and end all threads; what the host was given is disabled.

        Harmless when called twice.
        """
        if self._detached:
            return
        _attached.discard(self)
        self._end_controls()
        self._notices.stop()
        self._lists.stop()
        if sip.isdeleted(self):  # the host has deleted its application, and PyQt all else: only threads are left
            self._closed_display = self._display or self._closed_display
            self._wait_for_threads()
            return
        if self._view_alive:
            self._view.destroyed.disconnect(self._view_destroyed)
        self._close_display()
        self._wait_for_threads()
        self._session.close(view_alive=self._view_alive)
        self.detached.emit()

    def _read_shown(self) -> None:
        """Have what is shown read from a server, if the record is kept on one."""
        sources = self._settings.value.sources
        # What Binance leaves out is estimated from Bybit's record.
        hidden = (Source.BYBIT,) if Source.BINANCE in sources else ()
        self._service.show(self._symbol, (*sources, *hidden))

    def _report_problem(self) -> None:
        if self._display is not None:
            self._display.set_stale(self._notices.stale)
        if self._notices.problem != self._problem:
            self._problem = self._notices.problem
            self.problemChanged.emit(self._problem)

    def _view_destroyed(self) -> None:
        self._view_alive = False
        self.detach()

    def _end_replay(self) -> None:
        self.show_as_of(None)

    def _forget_destroyed(self) -> None:
        self._kept_above = [widget for widget in self._kept_above if not sip.isdeleted(widget)]

    def _settings_changed(self, settings: HeatmapSettings, previous: HeatmapSettings) -> None:
        if settings.sources != previous.sources and not self._detached:
            self._read_shown()
        if settings.enabled == previous.enabled or self._detached:
            return
        if settings.enabled:
            self._show_heat()
        else:
            self._session.stop()

    def _show_heat(self) -> None:
        """Make the display, unless the last one still waits for the page to be restored, and attach to the page."""
        if not has_opengl():
            self._session.drop_graphics("Qt could not create an OpenGL context")
            return
        if self._display is None:
            # It takes a quarter of a second at the first time: a window that is being opened comes first.
            self._waits_for_page = self._session.is_loading
            if self._waits_for_page:
                return
            self._wait_for_threads()
            # Imported at the first use: a host that never enables the heat loads neither OpenGL's library nor NumPy.
            from Heatmap.ui.heat_display import HeatDisplay  # noqa: PLC0415

            self._display = HeatDisplay(
                self._view,
                self._session,
                self._signals,
                service=self._service,
                settings=self._settings,
                translator=self._translator,
                symbol=self._symbol,
                legend=self._legend,
                chart_time=self._shown_time,
                clock=self._clock,
                parent=self,
            )
            self._display.set_as_of(self._as_of_ms)
            self._display.set_area_sums(self._area_sums)
            self._display.set_stale(self._notices.stale)
            for widget in self._kept_above:
                self._display.keep_above(widget)
            self._display.imageChanged.connect(self.imageChanged)
            self._display.levelClicked.connect(self.levelClicked)
            self._performance.follow(self._display.underlay, self._display.presenter, self._display.frame_sync)
        self._session.start()

    def _page_loaded(self, ok: bool) -> None:  # Qt's signature
        if ok and self._waits_for_page and self._settings.value.enabled and not self._detached:
            self._show_heat()

    def _page_restored(self) -> None:
        """Remove the layer beneath the page, which hides it now."""
        if not self._settings.value.enabled:
            self._close_display()

    def _close_display(self) -> None:
        if self._display is not None:
            self._performance.forget()
            self._display.close()
            self._closed_display, self._display = self._display, None

    def _wait_for_threads(self) -> None:
        if self._closed_display is not None:
            self._closed_display.wait()
            self._closed_display = None


def _symbol_of(service: HeatmapService, symbol: str) -> str:
    """Return the service's spelling of a symbol, or raise `AttachError`."""
    for known in service.symbols:
        if known.casefold() == symbol.strip().casefold():
            return known
    names = ", ".join(service.symbols)
    raise AttachError(
        f"expected a symbol of the service ({names}), was {symbol!r}: name it when you make the HeatmapService",
        short=f"The heatmap has no liquidations of {symbol}, only of {names}.",
    )
