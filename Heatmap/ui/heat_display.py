"""The heat on the screen and all that it needs: build thread, kernels, OpenGL layers, legend, tooltip."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from PyQt6 import sip
from PyQt6.QtCore import QObject, Qt, pyqtSignal, pyqtSlot

from Heatmap.aggregation.engine_choice import kernels_are_loaded
from Heatmap.aggregation.warmup import KernelWarmup
from Heatmap.rendering.build_worker import BuildWorker
from Heatmap.ui.gl.front_layer import FrontLayer
from Heatmap.ui.gl.underlay import Underlay
from Heatmap.ui.gl.visibility import is_seen
from Heatmap.ui.page.frame_sync import FrameSync
from Heatmap.ui.presenter import HeatmapPresenter
from Heatmap.ui.timer import new_timer
from Heatmap.ui.widgets.area_selection import AreaSelection
from Heatmap.ui.widgets.bubble_part import BubblePart
from Heatmap.ui.widgets.overlay import Overlay
from Heatmap.ui.widgets.raised_widget import RaisedWidget
from Heatmap.ui.widgets.strips import Strips
from Heatmap.ui.widgets.tooltip_controller import TooltipController

if TYPE_CHECKING:
    from PyQt6.QtWebEngineWidgets import QWebEngineView
    from PyQt6.QtWidgets import QWidget

    from Heatmap.aggregation import HeatmapImage
    from Heatmap.clock import Clock
    from Heatmap.heatmap_service import HeatmapService
    from Heatmap.ui.build_signals import BuildSignals
    from Heatmap.ui.geometry.chart_time import TimeOffset
    from Heatmap.ui.page.session import PageSession
    from Heatmap.ui.settings_model import SettingsModel
    from Heatmap.ui.translation import Translator
    from Heatmap.vocabulary import LegendPlace

log = logging.getLogger(__name__)

# A view that is not on the screen paints no frame.
COVER_PATIENCE_MS: Final = 300


class HeatDisplay(QObject):
    """Everything of a plugin that exists only while the heat is enabled. Needs OpenGL; `close` ends it.

    It lies beneath and above the page of ``view``, at the places that ``session`` reports. ``signals`` receives the
    reports of the build thread.
    """

    imageChanged = pyqtSignal(object)  # HeatmapImage | None: the image on the screen
    levelClicked = pyqtSignal(float)  # see `TooltipController`

    def __init__(
        self,
        view: QWebEngineView,
        session: PageSession,
        signals: BuildSignals,
        *,
        service: HeatmapService,
        settings: SettingsModel,
        translator: Translator,
        symbol: str,
        legend: LegendPlace,
        chart_time: TimeOffset,
        clock: Clock,
        parent: QObject,
    ) -> None:
        super().__init__(parent)
        self._view = view
        self.underlay = Underlay(view)
        self.front = FrontLayer(self)
        self.frame_sync = FrameSync(view, self.underlay, self.front, self)
        self._worker = BuildWorker(service.db_path, signals, tick_size=service.tick_size, clock=clock)
        self.presenter = HeatmapPresenter(
            self.underlay, self._worker, signals, settings=settings, symbol=symbol, parent=self
        )
        self._overlay = Overlay(view, self.presenter, settings, translator, legend=legend)
        self._strips = Strips(self.presenter, settings, translator, chart_time=chart_time, parent=self)
        self.front.add(self._strips)
        self._strips.changed.connect(self.front.update)
        self._bubbles = BubblePart(self.front, self.presenter, settings, translator, chart_time=chart_time, parent=self)
        self._tooltip = TooltipController(
            view,
            self.presenter,
            self._worker,
            signals,
            translator=translator,
            chart_time=chart_time,
            in_front=(self._bubbles, self._strips),
        )
        self._area = AreaSelection(
            view, self.front, self.presenter, self._worker, signals, translator=translator, chart_time=chart_time
        )
        self._area.began.connect(self._tooltip.end)
        self._raised: list[RaisedWidget] = []
        self._warmup = KernelWarmup(self._worker.use_numba, log.debug)  # it logs its report itself

        # Page → frame synchronisation and presenter → underlay; the order matters within one signal.
        session.viewportChanged.connect(self.frame_sync.set_viewport)
        session.viewportChanged.connect(self.presenter.set_viewport)
        session.timeAxisChanged.connect(self.frame_sync.set_time_axis)
        session.timeAxisChanged.connect(self.presenter.set_time_axis)
        session.surfacesChanged.connect(self.frame_sync.set_surfaces)
        session.backgroundChanged.connect(self.presenter.set_background)
        session.chartReady.connect(self._lay_beneath)
        self._cover_timer = new_timer(self, COVER_PATIENCE_MS, session.make_transparent)
        self.underlay.framePainted.connect(self._frame_painted)
        self._bare_timer = new_timer(self, 0, session.take_bare_picture)
        # Not inside the painting of the page: a host may answer `problemChanged` by a dialog, or end it all.
        queued = Qt.ConnectionType.QueuedConnection
        self.frame_sync.coveredChanged.connect(session.set_covered, queued)  # type: ignore[call-arg]  # missing in PyQt6
        self.frame_sync.stamp_gone.connect(self._bare_timer.start)
        # Database → build thread → presenter (connected there) → host.
        self._unsubscribe = service.subscribe(self._worker.data_changed)
        self.presenter.imageChanged.connect(self.imageChanged)
        self._tooltip.levelClicked.connect(self.levelClicked)
        self.underlay.failed.connect(session.drop_graphics)
        self.underlay.failed.connect(self.underlay.hide)

        self._worker.start()
        if not kernels_are_loaded():
            self._warmup.start()

    @property
    def image(self) -> HeatmapImage | None:
        """The image on the screen, None if there is none."""
        return self.presenter.image

    @property
    def is_in_sight(self) -> bool:
        """True if the chart shows bars and prices, and the view is not hidden."""
        return self.presenter.viewport is not None and is_seen(self._view)

    def set_symbol(self, symbol: str) -> None:
        self.presenter.set_symbol(symbol)

    def set_as_of(self, as_of_ms: int | None) -> None:
        """See `HeatmapPresenter.set_as_of`."""
        self.presenter.set_as_of(as_of_ms)

    def set_legend(self, place: LegendPlace) -> None:
        self._overlay.set_legend(place)

    def set_stale(self, sentence: str) -> None:
        """Mark the map as one of an earlier time by these words; "": it is up to date."""
        self._overlay.set_as_of(sentence)

    def set_area_sums(self, enabled: bool) -> None:  # as Qt's setters
        """See `AreaSelection.set_enabled`."""
        self._area.set_enabled(enabled)

    def keep_above(self, widget: QWidget) -> None:
        """Show a widget of the host above the page; nothing if it is a window of its own."""
        raised = RaisedWidget(widget)
        widget.destroyed.connect(raised.deleteLater)
        self._raised.append(raised)

    def close(self) -> None:
        """Remove everything and ask the threads to end; `wait` for them. The view may be deleted already."""
        self._unsubscribe()
        self._cover_timer.stop()
        self._bare_timer.stop()
        self.frame_sync.stop()
        self.presenter.stop()
        self._warmup.stop(timeout_s=0.0)
        self._worker.stop(timeout_s=0.0)
        if not sip.isdeleted(self._view):
            self._overlay.remove()
            self._tooltip.remove()
            self._area.remove()
            self.underlay.remove()
        for raised in self._raised:
            if not sip.isdeleted(raised):
                raised.remove()
        self.deleteLater()

    def wait(self) -> None:
        """Wait for the threads, which may be within a long build."""
        self._warmup.stop()
        self._worker.stop()

    @pyqtSlot()
    def _lay_beneath(self) -> None:
        """Paint the page's colours beneath it before it becomes transparent."""
        self._cover_timer.start()
        self.underlay.show()
        self.underlay.update()

    def _frame_painted(self) -> None:
        if self._cover_timer.isActive():
            self._cover_timer.start(0)
