"""The performance figures: frames and builds are counted, shown in the status bar and logged once a minute."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING
from weakref import WeakSet

from PyQt6 import sip
from PyQt6.QtCore import QObject, QTimer

from Heatmap.ui.geometry.frame_follower import SyncMode
from Heatmap.ui.widgets.frame_rate import FrameRate

if TYPE_CHECKING:
    from Heatmap.aggregation import HeatmapImage
    from Heatmap.clock import Clock
    from Heatmap.heatmap_service import HeatmapService
    from Heatmap.ui.gl.underlay import Underlay
    from Heatmap.ui.page.frame_sync import FrameSync
    from Heatmap.ui.presenter import HeatmapPresenter
    from Heatmap.ui.widgets.status import StatusPanel

log = logging.getLogger(__name__)

REFRESH_MS = 500
LOG_EVERY_S = 60.0


class Performance(QObject):
    """Feeds status panels with what the service, the builder and the underlay do.

    Parameters
    ----------
    service
        Asked for its status twice a second.
    underlay
        Its painted frames are counted.
    presenter
        Its images carry their build time.
    frame_sync
        Knows how the heat keeps in step with the chart.
    clock
        The exchange's clock for the age of the last event, monotonic clock for rates.
    """

    def __init__(
        self,
        service: HeatmapService,
        underlay: Underlay,
        presenter: HeatmapPresenter,
        frame_sync: FrameSync,
        *,
        clock: Clock,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._service = service
        self._clock = clock
        self._frame_sync = frame_sync
        self._frame_rate = FrameRate(clock=clock)
        self._image: HeatmapImage | None = None
        self._panels: WeakSet[StatusPanel] = WeakSet()
        self._logged_s = clock.monotonic_s()
        underlay.framePainted.connect(self._frame_rate.count)
        presenter.imageChanged.connect(self._take_image)
        self._timer = QTimer(self)
        self._timer.setInterval(REFRESH_MS)
        self._timer.timeout.connect(self._refresh)
        self._timer.start()

    def add_panel(self, panel: StatusPanel) -> None:
        """Keep one more panel up to date until it is destroyed."""
        self._panels.add(panel)
        self._refresh()

    def stop(self) -> None:
        """Stop refreshing."""
        self._timer.stop()

    def _take_image(self, image: HeatmapImage | None) -> None:
        self._image = image

    def _refresh(self) -> None:
        status, now_ms, fps = self._service.status(), self._clock.now_ms(), self._frame_rate.value()
        panels = [panel for panel in self._panels if not sip.isdeleted(panel)]
        for panel in panels:
            panel.set_service_status(status, now_ms)
            panel.set_fps(fps)
            panel.set_lagging(lags=self._frame_sync.mode is SyncMode.MESSAGE)
            if self._image is not None:
                panel.set_build(self._image.build_ms, self._image.engine, self._image.events)
        now_s = self._clock.monotonic_s()
        if now_s - self._logged_s >= LOG_EVERY_S:
            self._logged_s = now_s
            for panel in panels[:1]:
                log.info("%s", panel.figures_line())
