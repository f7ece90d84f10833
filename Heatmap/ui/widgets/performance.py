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

    def __init__(self, service: HeatmapService, clock: Clock, *, parent: QObject) -> None:
        super().__init__(parent)
        self._service = service
        self._others: list[HeatmapService] = []
        self._clock = clock
        self._display: tuple[HeatmapPresenter, FrameSync] | None = None
        self._frame_rate = FrameRate(clock=clock)
        self._panels: WeakSet[StatusPanel] = WeakSet()
        self._logged_s = clock.monotonic_s()
        self._timer = new_timer(self, REFRESH_MS, self.refresh, once=False)

    def follow(self, underlay: Underlay, presenter: HeatmapPresenter, frame_sync: FrameSync) -> None:
        """Show the frames and builds of this display from now on."""
        self._display = (presenter, frame_sync)
        underlay.framePainted.connect(self._frame_rate.count)

    def forget(self) -> None:
        """Show no frames and builds: there is no display."""
        self._display = None
        self._frame_rate = FrameRate(clock=self._clock)
        self.refresh()

    def add_recorder(self, service: HeatmapService) -> None:
        """Show the state of one more recorder, of another source, in all panels."""
        self._others.append(service)
        self.refresh()

    def add_panel(self, panel: StatusPanel) -> None:
        """Keep one more panel up to date until it is destroyed."""
        self._panels.add(panel)
        self._timer.start()
        self.refresh()

    def stop(self) -> None:
        self._timer.stop()

    def refresh(self) -> None:
        panels = [panel for panel in self._panels if not sip.isdeleted(panel)]
        if not panels:
            self._timer.stop()
            return
        status, now_ms, fps = self._service.status(), self._clock.now_ms(), self._frame_rate.value()
        others = {service.source: service.status() for service in self._others}
        for panel in panels:
            panel.set_others(others)
            panel.set_service_status(status, now_ms)
            panel.set_fps(fps)
            if self._display is None:
                panel.set_build(None)
                panel.set_lagging(lags=False)
                continue
            presenter, frame_sync = self._display
            panel.set_lagging(lags=frame_sync.follower.mode is SyncMode.MESSAGE)
            if presenter.image is not None:
                image = presenter.image
                panel.set_build((image.build_ms, image.engine, image.events))
        now_s = self._clock.monotonic_s()
        if now_s - self._logged_s >= LOG_EVERY_S:
            self._logged_s = now_s
            log.info("%s", panels[0].figures_line())
