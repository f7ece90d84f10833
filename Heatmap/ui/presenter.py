"""Brings chart, settings and images together: what the worker is asked for, what the underlay shows."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from PyQt6 import sip
from PyQt6.QtCore import QElapsedTimer, QObject, QTimer, pyqtSignal
from PyQt6.QtGui import QColor

from Heatmap.ui.build_worker import BuildRequest
from Heatmap.ui.geometry.background import Surface, opaque_colors
from Heatmap.ui.geometry.view_grid import View

if TYPE_CHECKING:
    from Heatmap.aggregation import HeatmapImage
    from Heatmap.heatmap_settings import HeatmapSettings
    from Heatmap.ui.build_worker import BuildWorker
    from Heatmap.ui.geometry.image_change import ChangedColumns
    from Heatmap.ui.geometry.viewport import TimeAxis, Viewport
    from Heatmap.ui.gl.underlay import Underlay
    from Heatmap.ui.widgets.settings_model import SettingsModel

log = logging.getLogger(__name__)

# A resize sends many sizes; the map is rebuilt at the new resolution when it has come to rest.
RESIZE_QUIET_MS = 300
# While the view moves the old image is transformed at once; a new one is asked for at once, too, and then at most this
# often.
MOVE_INTERVAL_MS = 33
# Each frame moves the scale of a zooming chart a little; the exact cells follow when it has come to rest: after so long
# and so many frames as it painted them lately, for on a slow machine the next one may still come.
REST_MS = 50
REST_FRAMES = 3
_LONGEST_FRAME_MS = 100
DARK_BELOW_LIGHTNESS = 128


class HeatmapPresenter(QObject):
    """Decides what is shown. Knows no GL and no SQL.

    Parameters
    ----------
    underlay
        The layer that paints.
    worker
        The thread that builds.
    settings
        The user's settings.
    symbol
        Exact symbol of the exchange.
    """

    imageChanged = pyqtSignal(object)  # HeatmapImage | None: what is on the screen now
    placeChanged = pyqtSignal(object)  # Viewport | None: where the pane is now
    gapsChanged = pyqtSignal(object)  # Gaps: the stretches of the window that are hatched
    windowChanged = pyqtSignal(object)  # int: the beginning of the window, ms since the epoch, UTC

    def __init__(
        self,
        underlay: Underlay,
        worker: BuildWorker,
        settings: SettingsModel,
        *,
        symbol: str,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._underlay = underlay
        self._worker = worker
        self._settings = settings
        self._symbol = symbol
        self._viewport: Viewport | None = None
        self._axis: TimeAxis | None = None
        self._image: HeatmapImage | None = None
        self._asked: BuildRequest | None = None
        self._served: BuildRequest | None = None
        self._dark = True
        self._seen = True
        self._size_px: tuple[float, float] | None = None
        self._since_frame = QElapsedTimer()
        self._frame_ms = 0.0
        self._moved = QTimer(self)
        self._moved.setSingleShot(True)
        self._since_asked = QElapsedTimer()
        self._moved.timeout.connect(self._ask_while_moving)
        self._rested = QTimer(self)
        self._rested.setSingleShot(True)
        self._rested.timeout.connect(self._ask)
        self._resized = QTimer(self)
        self._resized.setSingleShot(True)
        self._resized.setInterval(RESIZE_QUIET_MS)
        self._resized.timeout.connect(self._ask)
        worker.built.connect(self._take)
        worker.gapsChanged.connect(underlay.set_gaps)
        worker.gapsChanged.connect(self.gapsChanged)
        worker.windowChanged.connect(underlay.set_window_start)
        worker.windowChanged.connect(self.windowChanged)
        underlay.seenChanged.connect(self.set_seen)
        settings.changed.connect(self._apply)
        self._paint_settings(settings.value)

    @property
    def image(self) -> HeatmapImage | None:
        """Return the image on the screen, None if there is none."""
        return self._image

    @property
    def viewport(self) -> Viewport | None:
        """Return the chart's last reported range."""
        return self._viewport

    @property
    def time_axis(self) -> TimeAxis | None:
        """Return the series' bars as last reported."""
        return self._axis

    @property
    def is_current(self) -> bool:
        """Return True if what is on the screen answers the latest view and settings."""
        waiting = self._moved.isActive() or self._rested.isActive() or self._resized.isActive()
        return not waiting and self._asked is not None and self._served is self._asked

    @property
    def served(self) -> BuildRequest | None:
        """Return what the image on the screen was built for: the settings may have moved on since."""
        return self._served

    def set_symbol(self, symbol: str) -> None:
        """Show another symbol."""
        self._symbol = symbol
        self._show(None)
        self._ask()

    def set_viewport(self, viewport: Viewport | None) -> None:
        """Ask soon for an image that fits the chart's range; None: there is none."""
        if viewport is None:
            self._lose_viewport()
            return
        self._viewport = viewport
        if self._since_frame.isValid():
            self._frame_ms += (min(self._since_frame.elapsed(), _LONGEST_FRAME_MS) - self._frame_ms) / 4
        self._since_frame.start()
        self.placeChanged.emit(viewport)
        size_px = (viewport.width_px, viewport.height_px)
        if self._size_px is not None and size_px != self._size_px:
            self._resized.start()
        elif not self._resized.isActive():
            self._move()
            # At once if it is due: a timer would wait until the old image has been painted in its new place.
            if not self._wait_ms():
                self._ask_while_moving()
        self._size_px = size_px

    def set_time_axis(self, axis: TimeAxis | None) -> None:
        """Take the series' bars."""
        self._axis = axis
        self._move()

    def set_background(self, color: QColor, surfaces: tuple[Surface, ...] = ()) -> None:
        """Take the colours the page had, and choose the palette's ramp by the one behind the candles.

        Parameters
        ----------
        color
            What lies beneath the whole page.
        surfaces
            Painted parts of the page, outermost first; the last is the chart's own.
        """
        self._underlay.set_background(color, surfaces)
        seen = opaque_colors((color.redF(), color.greenF(), color.blueF()), surfaces)
        dark = (QColor.fromRgbF(*seen[-1]) if seen else color).lightness() < DARK_BELOW_LIGHTNESS
        if dark != self._dark:
            self._dark = dark
            self._ask()

    def set_seen(self, seen: bool) -> None:  # Qt's signature
        """Take the news that the chart is on the screen; while it is not, nothing is built and painted."""
        if seen != self._seen:
            self._seen = seen
            self._underlay.set_resting(resting=not seen)
            if seen:
                self._ask()
            else:
                self._worker.request(None)

    def stop(self) -> None:
        """Decide nothing any more: underlay and worker may be gone, at the program's end even the settings."""
        self._moved.stop()
        self._rested.stop()
        self._resized.stop()
        self._worker.built.disconnect(self._take)
        if not sip.isdeleted(self._underlay):
            self._worker.gapsChanged.disconnect(self._underlay.set_gaps)
            self._worker.windowChanged.disconnect(self._underlay.set_window_start)
            self._underlay.seenChanged.disconnect(self.set_seen)
        if not sip.isdeleted(self._settings):
            self._settings.changed.disconnect(self._apply)
        self._asked = self._image = None

    def _move(self) -> None:
        """Ask when what was reported together has been taken, but not too often; and once more when all rests."""
        if not self._moved.isActive():
            self._moved.start(self._wait_ms())
        self._rested.start(max(REST_MS, round(REST_FRAMES * self._frame_ms)))

    def _lose_viewport(self) -> None:
        self._viewport = None
        self.placeChanged.emit(None)
        self._ask()

    def _apply(self, settings: HeatmapSettings, previous: HeatmapSettings) -> None:
        self._paint_settings(settings)
        if settings.replaced(opacity=previous.opacity, smooth=previous.smooth) != previous:
            self._ask()

    def _paint_settings(self, settings: HeatmapSettings) -> None:
        self._underlay.set_opacity(settings.opacity / 100.0)
        self._underlay.set_smooth(smooth=settings.smooth)

    def _wait_ms(self) -> int:
        passed_ms = self._since_asked.elapsed() if self._since_asked.isValid() else MOVE_INTERVAL_MS
        return max(MOVE_INTERVAL_MS - passed_ms, 0)

    def _ask_while_moving(self) -> None:
        self._ask(moving=True)

    def _ask(self, *, moving: bool = False) -> None:
        self._moved.stop()
        self._since_asked.start()
        settings = self._settings.value
        if not settings.enabled or self._viewport is None or self._axis is None:
            self._asked = None
            self._show(None)
        else:
            self._asked = BuildRequest(
                symbol=self._symbol,
                view=View.of(self._viewport, self._axis),
                settings=settings,
                dark=self._dark,
                moving=moving,
            )
        self._worker.request(self._asked if self._seen else None)

    def _take(self, image: HeatmapImage | None, request: BuildRequest, changed: ChangedColumns | None) -> None:
        """Show what was built, unless it answers a question of the past."""
        if (
            self._asked is None
            or request.symbol != self._symbol
            or request.settings.source != self._asked.settings.source
        ):
            return
        if image is None and request is not self._asked:
            return  # the view moved on; the old image serves until the next comes
        self._served = request
        if image is not self._image:
            self._show(image, changed)

    def _show(self, image: HeatmapImage | None, changed: ChangedColumns | None = None) -> None:
        if image is None and self._image is None:
            return
        self._image = image
        self._underlay.set_image(image, changed)
        self.imageChanged.emit(image)
