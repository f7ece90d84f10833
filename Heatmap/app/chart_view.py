"""Web view of the program's own chart page; nothing else is ever loaded."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

from PyQt6 import sip
from PyQt6.QtCore import QTimer, QUrl, pyqtSignal
from PyQt6.QtGui import QColor, QDesktopServices
from PyQt6.QtWebChannel import QWebChannel
from PyQt6.QtWebEngineCore import QWebEnginePage, QWebEngineProfile, QWebEngineSettings
from PyQt6.QtWebEngineWidgets import QWebEngineView

from Heatmap.app.chart_bridge import OBJECT_NAME, ChartBridge
from Heatmap.clock import SYSTEM_CLOCK
from Heatmap.ui.page.bridge import OBJECT_NAME as PLUGIN_OBJECT
from Heatmap.ui.page.recent_count import WITHIN_S, RecentCount

if TYPE_CHECKING:
    from PyQt6.QtWidgets import QWidget

    from Heatmap.clock import Clock

Level = QWebEnginePage.JavaScriptConsoleMessageLevel

log = logging.getLogger(__name__)

CHART_PAGE = Path(__file__).parent / "page"
CHART_LIBRARY = CHART_PAGE / "vendor" / "lightweight-charts.js"
# More often within `WITHIN_S`, and a page that crashes at once would crash for ever.
MAX_RELOADS = 3
CHART_INDEX = CHART_PAGE / "index.html"
GOODBYE = f"Unhandled signal: {PLUGIN_OBJECT}"
PAGE_BACKGROUND = QColor("#0e1116")
RELOAD_AFTER_MS = 500
# The chart library's licence requires a link to its authors; it opens in the user's browser.
ALLOWED_LINK_HOST = "www.tradingview.com"


class ChartPage(QWebEnginePage):
    """Page that shows the program's own file only."""

    has_refused = False  # the last navigation; Qt reports it as a load that failed

    def acceptNavigationRequest(self, url: QUrl, *_: object) -> bool:  # noqa: N802 - Qt's name
        """Allow the chart page only."""
        # Compared as paths: Qt writes "/" on every system.
        is_ours = url.isLocalFile() and Path(url.toLocalFile()) == CHART_INDEX
        self.has_refused = not is_ours
        return is_ours

    def createWindow(self, *_: object) -> QWebEnginePage | None:  # noqa: N802 - Qt's name
        """Return a page that opens the link in the user's browser."""
        return _LinkPage(self.profile(), self)

    def javaScriptConsoleMessage(self, level: Level, message: str | None, *place: object) -> None:  # noqa: N802 - Qt's name
        """Log the page's console messages; ``place``: line and source."""
        # The last message of a plugin that was detached before its page script was loaded is none of concern.
        serious = level is not Level.InfoMessageLevel and not (message or "").startswith(GOODBYE)
        log.log(logging.WARNING if serious else logging.INFO, "page: %s (%s:%s)", message, *reversed(place))


class _LinkPage(QWebEnginePage):
    """Page for one link: opens it in the browser if it is allowed, then is deleted."""

    def acceptNavigationRequest(self, url: QUrl, *_: object) -> bool:  # noqa: N802 - Qt's name
        """Open an allowed link in the user's browser; load nothing here."""
        if url.scheme() == "https" and url.host() == ALLOWED_LINK_HOST:
            QDesktopServices.openUrl(url)
        self.deleteLater()
        return False


class ChartView(QWebEngineView):
    """Chart page that is reloaded when its process dies."""

    problemChanged = pyqtSignal(str)  # key of a text that says why there is no chart; "" when there is one

    def __init__(self, bridge: ChartBridge, parent: QWidget | None = None, *, clock: Clock = SYSTEM_CLOCK) -> None:
        super().__init__(parent)
        self._bridge = bridge
        self._clock = clock
        self._reloads = RecentCount()
        # An unnamed profile stores nothing on disk.
        self._profile = QWebEngineProfile(self)
        page = ChartPage(self._profile, self)
        settings = page.settings()
        if settings is not None:
            attribute = QWebEngineSettings.WebAttribute
            settings.setAttribute(attribute.LocalContentCanAccessRemoteUrls, False)
            settings.setAttribute(attribute.LocalStorageEnabled, False)
            settings.setAttribute(attribute.PluginsEnabled, False)
        self._channel = QWebChannel(self)
        self._channel.registerObject(OBJECT_NAME, bridge)
        page.setWebChannel(self._channel)
        page.setBackgroundColor(PAGE_BACKGROUND)
        page.loadStarted.connect(bridge.page_left)
        page.loadFinished.connect(self._loaded)
        page.renderProcessTerminated.connect(self._renderer_ended)
        self.setPage(page)
        self.setContextMenuPolicy(self.contextMenuPolicy().NoContextMenu)
        self.load(QUrl.fromLocalFile(str(CHART_INDEX)))

    def _loaded(self, ok: bool) -> None:  # Qt's signature
        page = self.page()
        if not ok and isinstance(page, ChartPage) and page.has_refused:
            # Something else was dropped onto the chart, for example; the page is there as before.
            self._bridge.page_ready()
            return
        # Qt also reports success when scripts are missing.
        missing = ", ".join(str(path) for path in (CHART_INDEX, CHART_LIBRARY) if not path.is_file())
        is_broken = not ok or bool(missing)
        if is_broken:
            log.error("the chart page %s could not be loaded; missing: %s", CHART_INDEX, missing or "nothing")
        self.problemChanged.emit("error.page_load" if is_broken else "")

    def _renderer_ended(self, status: QWebEnginePage.RenderProcessTerminationStatus, code: int) -> None:
        if status is QWebEnginePage.RenderProcessTerminationStatus.NormalTerminationStatus:
            return
        log.error("the chart's web process ended: %s, code %s", status.name, code)
        now_s = self._clock.monotonic_s()
        if self._reloads.count(now_s) < MAX_RELOADS:
            self._reloads.add(now_s)
            self.problemChanged.emit("error.renderer_crashed")
            QTimer.singleShot(RELOAD_AFTER_MS, self.reload)
        else:
            log.error("that was more than %d times in %.0f s: the chart is not loaded again", MAX_RELOADS, WITHIN_S)
            self.problemChanged.emit("error.renderer_keeps_crashing")

    def dispose(self) -> None:
        """Delete the page before its profile; Qt warns about the other order."""
        page = self.page()
        self.setPage(None)
        if page is not None:
            sip.delete(page)
