"""Performance figures: frames and builds, shown in the status bar and logged once a minute."""

from __future__ import annotations

import logging
from collections import deque
from typing import TYPE_CHECKING
from weakref import WeakSet

from PyQt6 import sip
from PyQt6.QtCore import QObject

from Heatmap.clock import SYSTEM_CLOCK
from Heatmap.ui.geometry.frame_follower import SyncMode
from Heatmap.ui.timer import new_timer

if TYPE_CHECKING:
    from Heatmap.clock import Clock
    from Heatmap.heatmap_service import HeatmapService
    from Heatmap.ui.gl.underlay import Underlay
    from Heatmap.ui.page.frame_sync import FrameSync
    from Heatmap.ui.presenter import HeatmapPresenter
    from Heatmap.ui.widgets.status import StatusPanel

log = logging.getLogger(__name__)

REFRESH_MS = 500
LOG_EVERY_S = 60.0


class FrameRate:
    """Frames per second between the first and the last frame of the window ``(now - window, now]``.

    A chart at rest paints nothing, which is no fault: then there is no rate.
    """

    def __init__(self, *, window_s: float = 2.0, clock: Clock = SYSTEM_CLOCK) -> None:
        self._window_s = window_s
        self._clock = clock
        self._frames_s: deque[float] = deque()

    def count(self) -> None:
        now_s = self._clock.monotonic_s()
        self._frames_s.append(now_s)
        self._forget(now_s)

    def value(self) -> float | None:
        """Return frames per second, None with fewer than two frames."""
        self._forget(self._clock.monotonic_s())
        gaps = len(self._frames_s) - 1
        if gaps < 1:
            return None
        span_s = self._frames_s[-1] - self._frames_s[0]
        return gaps / span_s if span_s > 0 else None

    def _forget(self, now_s: float) -> None:
        while self._frames_s and self._frames_s[0] <= now_s - self._window_s:
            self._frames_s.popleft()


class Performance(QObject):
    """Updates status panels; ``clock`` is the exchange's, for the age of the last event."""

    def __init__(
        self,
        service: HeatmapService,
        underlay: Underlay,
        presenter: HeatmapPresenter,
        frame_sync: FrameSync,
        clock: Clock,
        *,
        parent: QObject,
    ) -> None:
        super().__init__(parent)
        self._service = service
        self._clock = clock
        self._presenter = presenter
        self._frame_sync = frame_sync
        self._frame_rate = FrameRate(clock=clock)
        self._panels: WeakSet[StatusPanel] = WeakSet()
        self._logged_s = clock.monotonic_s()
        underlay.framePainted.connect(self._frame_rate.count)
        self._timer = new_timer(self, REFRESH_MS, self.refresh, once=False)
        self._timer.start()

    def add_panel(self, panel: StatusPanel) -> None:
        """Keep one more panel up to date until it is destroyed."""
        self._panels.add(panel)
        self.refresh()

    def stop(self) -> None:
        self._timer.stop()

    def refresh(self) -> None:
        status, now_ms, fps = self._service.status(), self._clock.now_ms(), self._frame_rate.value()
        image = self._presenter.image
        panels = [panel for panel in self._panels if not sip.isdeleted(panel)]
        for panel in panels:
            panel.set_service_status(status, now_ms)
            panel.set_fps(fps)
            panel.set_lagging(lags=self._frame_sync.follower.mode is SyncMode.MESSAGE)
            if image is not None:
                panel.set_build(image.build_ms, image.engine, image.events)
        now_s = self._clock.monotonic_s()
        if now_s - self._logged_s >= LOG_EVERY_S:
            self._logged_s = now_s
            for panel in panels[:1]:
                log.info("%s", panel.figures_line())
