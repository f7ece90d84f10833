"""The life of a web page under a plugin: web channel, script, transparency, reloads and crashes."""

from __future__ import annotations

import itertools
import logging
from functools import partial
from typing import TYPE_CHECKING, Final

from PyQt6 import sip
from PyQt6.QtCore import QLoggingCategory, QObject, QtMsgType, pyqtSignal, pyqtSlot
from PyQt6.QtWebChannel import QWebChannel
from PyQt6.QtWebEngineCore import QWebEnginePage

from Heatmap.errors import AttachError
from Heatmap.foreign_text import one_line
from Heatmap.message_catalogue import catalogue
from Heatmap.ui.page.bridge import (
    COVER_SCRIPT,
    DETACH_SCRIPT,
    IS_RUNNING_SCRIPT,
    MISSING_SCRIPT,
    OBJECT_NAME,
    Bridge,
    page_scripts,
)
from Heatmap.ui.page.page_transparency import PageTransparency
from Heatmap.ui.page.recent_count import WITHIN_S, RecentCount
from Heatmap.ui.timer import new_timer

if TYPE_CHECKING:
    from PyQt6.QtWebEngineWidgets import QWebEngineView

    from Heatmap.clock import Clock
    from Heatmap.ui.geometry.background import Surface

log = logging.getLogger(__name__)

# Qt has no signal for a channel that the page gets later.
CHANNEL_CHECK_MS: Final = 250
# A loaded page shows its chart within a second or two; after this long the host's developer gets a warning.
CHART_PATIENCE_MS: Final = 5000
# A page whose stamps cannot be read paints the next frame or two within this time.
FRAME_PATIENCE_MS: Final = 150
# A page that is not on the screen paints no frames, and one that hangs runs no script.
RESTORE_PATIENCE_MS: Final = 1000
# A host that reloads its page after a crash does so at once; after this long only the user can.
RELOAD_PATIENCE_MS: Final = 5000
# Of what the page says about itself, for log and notice.
_PAGE_WORDS: Final = 500

# What keeps the heat of a chart from being seen, by the keys of their texts, the most serious first.
TURNED: Final = "notice.turned"
WRONG_TIMES: Final = "notice.wrong_times"
COVERED: Final = "notice.covered"

_numbers = itertools.count(1)


class PageSession(QObject):
    """Attaches a bridge to the chart in each document of a page; see `HeatmapPlugin.attach` for the expressions.

    It does so from `start` to `stop`, any number of times. Otherwise the page is as without a heatmap.
    """

    viewportChanged = pyqtSignal(object)  # Viewport | None: the chart shows nothing
    timeAxisChanged = pyqtSignal(object)  # TimeAxis | None
    surfacesChanged = pyqtSignal(object)  # tuple[Surface, ...]
    backgroundChanged = pyqtSignal(object, object)  # QColor beneath the page, tuple[Surface, ...]
    chartReady = pyqtSignal()  # the page's colours must now be painted beneath it: then call `make_transparent`
    attachedChanged = pyqtSignal(bool)  # the page is transparent and reports its range
    restored = pyqtSignal()  # after `stop`: the page shows its own background
    obstacleChanged = pyqtSignal()  # `has_graphics` or `obstacle`

    def __init__(
        self, view: QWebEngineView, bridge: Bridge, *, chart: str, series: str, clock: Clock, parent: QObject
    ) -> None:
        super().__init__(parent)
        page = view.page()
        if page is None:  # a view without a page cannot exist; Qt's types allow it
            raise AttachError("expected a web view with a page, was one without")
        self._view = view
        self._page = page
        self._bridge = bridge
        self._clock = clock
        self.has_graphics = True  # False: nothing can be painted beneath the page, so it is left alone
        # A name of its own: a host may share one channel between several views.
        self._object_name = f"{OBJECT_NAME}{next(_numbers)}"
        self._expressions = f"chart={chart!r}, series={series!r}"
        self._scripts = page_scripts(chart, series, self._object_name)
        self._channel: QWebChannel | None = None
        self._own_channel: QWebChannel | None = None
        self.is_attached = False  # the page is transparent and reports its range
        self._started = False
        self._surfaces: tuple[Surface, ...] = ()
        # Why there is no chart: the key of a text, and details in English; both "" if there is one.
        self.missing = ("", "")
        self._faults: dict[str, str] = {}  # of a chart that is there: details in English by the key of a text
        self._crashes = RecentCount()
        self.crash_count = 0  # of the web process, within the minute before the last one, that one included
        self._transparency = self._new_transparency(page)
        self._channel_timer = new_timer(self, CHANNEL_CHECK_MS, self._check_channel, once=False)
        self._chart_timer = new_timer(self, CHART_PATIENCE_MS, self._ask_for_chart)
        self._reload_timer = new_timer(self, RELOAD_PATIENCE_MS, self._give_up_reload)
        self._restore_timer = new_timer(self, RESTORE_PATIENCE_MS, self._restore_unasked)
        self._frame_timer = new_timer(self, FRAME_PATIENCE_MS, self.take_bare_picture)
        bridge.chartReady.connect(self.chartReady)
        bridge.viewportChanged.connect(self.viewportChanged)
        bridge.timeAxisChanged.connect(self.timeAxisChanged)
        bridge.surfacesChanged.connect(self._set_surfaces)
        bridge.attachedChanged.connect(self._page_answered)
        bridge.turnedChanged.connect(self._set_turned)
        bridge.wrongTimesChanged.connect(self._set_wrong_times)
        self._listen(page)

    @property
    def obstacle(self) -> tuple[str, str]:
        """Why no heat can be seen: the key of a text, and details in English; both "" if nothing is in the way."""
        if self.missing[0]:
            return self.missing
        faults = (key for key in (TURNED, WRONG_TIMES, COVERED) if key in self._faults)
        return next(((key, self._faults[key]) for key in faults), ("", ""))

    @property
    def is_loading(self) -> bool:
        """True while a document is loaded; also before Qt has begun to load the first one that was asked for."""
        page = self._view.page()
        return page is not None and (page.isLoading() or (page.url().isEmpty() and not page.requestedUrl().isEmpty()))

    @pyqtSlot(bool)
    def set_covered(self, covered: bool) -> None:  # Qt's signature
        """Take whether something opaque in the page lies over the chart."""
        covered = covered and self.is_attached  # it may have left since
        self._set_fault(COVERED, covered)
        if covered and not sip.isdeleted(self._page):
            self._page.runJavaScript(COVER_SCRIPT, self._name_cover)

    def start(self) -> None:
        """Attach to the present document, if it is loaded, and to all that follow."""
        if self._started:
            return
        self._follow_view()
        self._started = self.has_graphics = True
        self._restore_timer.stop()
        self._frame_timer.stop()
        self._bridge.blockSignals(False)
        self._join_channel()
        self._channel_timer.start()
        self._report_background()
        if not self._page.isLoading() and not self._page.url().isEmpty():
            self._page_loaded(ok=True)

    def stop(self) -> None:
        """Restore the page until the next `start`; `restored` follows when it shows its own background."""
        if not self._started:
            return
        self._rest()
        self.viewportChanged.emit(None)
        self._set_attached(attached=False)
        self._restore_timer.start()
        if not sip.isdeleted(self._page):
            self._page.runJavaScript(DETACH_SCRIPT, self._script_has_restored)

    def make_transparent(self) -> None:
        """Let the page show what is painted beneath; then its script makes its own parts transparent."""
        if self._started:
            self._transparency.hold()

    def take_bare_picture(self) -> None:
        """Give the page its colour back after `stop`: its own parts are no longer transparent.

        Before, the colour of the page itself would flash up in their place.
        """
        if not self._started and self._restore_timer.isActive():
            self._frame_timer.stop()
            self._transparency.give_back()

    def close(self, *, view_alive: bool) -> None:
        """Restore the page as it was, for good."""
        self._rest()
        self._restore_timer.stop()
        self._frame_timer.stop()
        if not view_alive or sip.isdeleted(self._page):
            self._leave_channel()
        else:
            self._unlisten(self._page)
            if self._page.lifecycleState() is QWebEnginePage.LifecycleState.Discarded:  # at the end of the program
                self._leave_channel()
            elif self._own_channel is None:
                # The object stays until the script has run, even if the host drops the plugin before: Qt warns of each
                # message that has no receiver.
                self._page.runJavaScript(DETACH_SCRIPT, partial(self._script_has_run, self.parent()))
            else:
                self._page.runJavaScript(DETACH_SCRIPT)
                self._leave_channel()
        if view_alive:
            self._transparency.give_back()
        self._set_attached(attached=False)

    def _rest(self) -> None:
        self._started = False
        for timer in (self._channel_timer, self._chart_timer, self._reload_timer):
            timer.stop()
        self._bridge.blockSignals(True)  # the page's last messages are not wanted
        self._set_missing()
        self._forget_faults()

    def _script_has_restored(self, _result: object) -> None:
        if not sip.isdeleted(self) and not self._started and self._restore_timer.isActive():
            self._frame_timer.start()

    def _restore_unasked(self) -> None:
        self._transparency.give_back()
        self._report_restored()

    def _report_restored(self) -> None:
        self._restore_timer.stop()
        self._frame_timer.stop()
        if not self._started:
            self._surfaces = ()
            self.restored.emit()

    def drop_graphics(self, reason: str) -> None:
        """Give the page its own background back: nothing can be painted beneath it."""
        log.error("OpenGL 3.3 is not available: %s", reason)
        self.has_graphics = False
        self.stop()
        self.obstacleChanged.emit()

    def _join_channel(self) -> bool:
        """Register the bridge on the page's present channel; return True if that has changed."""
        channel = self._page.webChannel()
        if channel is not None and channel is self._channel:
            return False
        self._leave_channel()
        if channel is None:
            channel = self._own_channel = QWebChannel(self)
            self._page.setWebChannel(channel)
        # Qt warns that clients which are there already will not know the object. Ours comes later.
        category = QLoggingCategory.defaultCategory()
        is_enabled = category is not None and category.isWarningEnabled()
        if category is not None and is_enabled:
            category.setEnabled(QtMsgType.QtWarningMsg, False)
        channel.registerObject(self._object_name, self._bridge)
        if category is not None and is_enabled:
            category.setEnabled(QtMsgType.QtWarningMsg, True)
        self._channel = channel
        return True

    def _leave_channel(self) -> None:
        if self._channel is not None and not sip.isdeleted(self._channel) and not sip.isdeleted(self._bridge):
            self._channel.deregisterObject(self._bridge)
        if self._own_channel is not None:
            if not sip.isdeleted(self._page) and self._page.webChannel() is self._own_channel:
                self._page.setWebChannel(None)
            self._own_channel.deleteLater()
        self._channel = self._own_channel = None

    def _script_has_run(self, _plugin: QObject | None, _result: object) -> None:
        self._leave_channel()

    def _check_channel(self) -> None:
        self._follow_view()
        if not sip.isdeleted(self._page) and self._join_channel() and not self._page.isLoading():
            self._page_loaded(ok=True)

    def _new_transparency(self, page: QWebEnginePage) -> PageTransparency:
        transparency = PageTransparency(self._view, page, self)
        transparency.baseColorChanged.connect(self._report_background)
        transparency.prepared.connect(self._bridge.prepared)
        transparency.restored.connect(self._report_restored)
        return transparency

    def _listen(self, page: QWebEnginePage) -> None:
        page.loadFinished.connect(self._page_loaded)
        page.loadStarted.connect(self._page_starts)
        page.renderProcessTerminated.connect(self._page_crashed)

    def _unlisten(self, page: QWebEnginePage) -> None:
        page.loadFinished.disconnect(self._page_loaded)
        page.loadStarted.disconnect(self._page_starts)
        page.renderProcessTerminated.disconnect(self._page_crashed)

    def _follow_view(self) -> None:
        """Leave the page if the host has given its view another one, for which Qt has no signal."""
        page = self._view.page() if not sip.isdeleted(self._view) else None
        if page is None or page is self._page:
            return
        log.info("the view shows another page now; the heatmap moves there")
        if not sip.isdeleted(self._page):
            self._unlisten(self._page)
            self._page.runJavaScript(DETACH_SCRIPT)
        self._leave_channel()
        self._transparency.give_back()
        self._transparency.deleteLater()
        self._transparency = self._new_transparency(page)
        self._page = page
        self._listen(page)
        self._page_leaves()
        if not page.isLoading() and not page.url().isEmpty():
            self._page_loaded(ok=True)

    def _page_starts(self) -> None:
        if not self._started:
            return
        self._chart_timer.stop()
        self._reload_timer.stop()
        self._set_missing()
        self._join_channel()
        self._page_leaves()

    def _page_loaded(self, ok: bool) -> None:  # Qt's signature
        if ok and self._started:
            self._attach_to_document()
        elif self._started:
            # A navigation that the host refuses counts as a load that failed, and leaves the document as it is.
            self._page.runJavaScript(IS_RUNNING_SCRIPT, self._go_on_with_document)

    def _go_on_with_document(self, is_running: object) -> None:
        if is_running is True and not sip.isdeleted(self) and self._started and not sip.isdeleted(self._page):
            self._attach_to_document()

    def _attach_to_document(self) -> None:
        self._join_channel()
        for script in self._scripts:
            self._page.runJavaScript(script)
        self._chart_timer.start()

    def _page_answered(self, attached: bool) -> None:  # Qt's signature
        if not attached:
            self._page_leaves()
        elif self._started:
            self._transparency.hold()
            self._chart_timer.stop()
            self._set_missing()
            self._set_attached(attached=True)

    def _page_leaves(self) -> None:
        """Show the bare page: the next document may have no chart, and must not have heat behind its text.

        The page stays transparent and its background is painted beneath it: Chromium does not take another colour
        while it changes the document.
        """
        self._transparency.pause()
        self._forget_faults()
        self.viewportChanged.emit(None)
        self._set_surfaces(())
        self._set_attached(attached=False)

    def _page_crashed(self, status: QWebEnginePage.RenderProcessTerminationStatus) -> None:
        if self._started and status is not QWebEnginePage.RenderProcessTerminationStatus.NormalTerminationStatus:
            self._chart_timer.stop()
            self._page_leaves()
            self.crash_count = self._crashes.add(self._clock.monotonic_s())
            self._set_missing("notice.page_crashed")
            self._reload_timer.start()

    def _give_up_reload(self) -> None:
        log.warning(
            "the chart's web process ended, %d times within %.0f s, and the page was not loaded again within %.0f s",
            self.crash_count,
            WITHIN_S,
            RELOAD_PATIENCE_MS / 1000,
        )
        self._set_missing("notice.page_given_up" if self.crash_count > 1 else "notice.page_not_reloaded")

    def _ask_for_chart(self) -> None:
        if not sip.isdeleted(self._page):
            self._page.runJavaScript(MISSING_SCRIPT, self._report_missing)

    def _report_missing(self, reason: object) -> None:
        """Warn the host's developer of wrong expressions."""
        if sip.isdeleted(self) or sip.isdeleted(self._page):  # Qt answers for a page that is deleted
            return
        if reason is None:  # not even this script has run
            reason = "the page runs no scripts: the attribute JavascriptEnabled of its settings is off"
        if reason and self._started and not self.is_attached:
            reason = one_line(f"{reason} (attach: {self._expressions})", most=_PAGE_WORDS)
            log.warning("no chart was found %.0f s after its page had loaded: %s", CHART_PATIENCE_MS / 1000, reason)
            self._set_missing("notice.no_chart", reason)

    def _forget_faults(self) -> None:
        if self._faults:
            self._faults.clear()
            self.obstacleChanged.emit()

    @pyqtSlot(bool)
    def _set_turned(self, turned: bool) -> None:  # Qt's signature
        self._set_fault(TURNED, turned)

    @pyqtSlot(bool)
    def _set_wrong_times(self, wrong: bool) -> None:  # Qt's signature
        self._set_fault(WRONG_TIMES, wrong)

    def _name_cover(self, name: object) -> None:
        if COVERED in self._faults and isinstance(name, str) and name:
            self._set_fault(COVERED, True, one_line(name, most=_PAGE_WORDS))

    def _set_fault(self, key: str, present: bool, detail: str = "") -> None:
        before = self.obstacle
        if present:
            level = logging.DEBUG if key in self._faults else logging.WARNING
            log.log(level, "no heat is shown: %s %s", catalogue("en")[key], detail)
            self._faults[key] = detail
        else:
            self._faults.pop(key, None)
        if self.obstacle != before:
            self.obstacleChanged.emit()

    def _set_missing(self, key: str = "", detail: str = "") -> None:
        if (key, detail) != self.missing:
            self.missing = (key, detail)
            self.obstacleChanged.emit()

    def _set_attached(self, *, attached: bool) -> None:
        if attached != self.is_attached:
            self.is_attached = attached
            self.attachedChanged.emit(attached)

    def _set_surfaces(self, surfaces: tuple[Surface, ...]) -> None:
        self._surfaces = surfaces
        self.surfacesChanged.emit(surfaces)
        self._report_background()

    def _report_background(self) -> None:
        base = self._transparency.base_color
        if base.alpha() == 0:  # the host shows its own window through the page
            base = self._view.palette().window().color()
        self.backgroundChanged.emit(base, self._surfaces)
