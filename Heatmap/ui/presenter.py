"""The presenter: decides which image the build thread makes and what the underlay shows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PyQt6 import sip
from PyQt6.QtCore import QElapsedTimer, QObject, pyqtSignal, pyqtSlot
from PyQt6.QtGui import QColor

from Heatmap.heatmap_settings import FIELDS
from Heatmap.rendering.build_worker import BuildRequest
from Heatmap.rendering.event_window import NO_GAPS
from Heatmap.ui.geometry.background import Surface, opaque_colors
from Heatmap.ui.geometry.viewport import visible_range
from Heatmap.ui.gl.visibility import is_seen
from Heatmap.ui.timer import new_timer

if TYPE_CHECKING:
    from Heatmap.aggregation import HeatmapImage
    from Heatmap.heatmap_settings import HeatmapSettings
    from Heatmap.rendering.build_worker import BuildResult, BuildWorker
    from Heatmap.rendering.colour_axis import ColourAxis
    from Heatmap.rendering.image_change import ChangedColumns
    from Heatmap.rendering.view_sums import ViewSums
    from Heatmap.ui.build_signals import BuildSignals
    from Heatmap.ui.geometry.viewport import TimeAxis, Viewport
    from Heatmap.ui.gl.underlay import Underlay
    from Heatmap.ui.settings_model import SettingsModel

# A resize sends many sizes; the image is rebuilt at the new resolution when it has ended.
RESIZE_QUIET_MS = 300
# While the view moves the old image is transformed at once; a new one is requested at once and then at most this often.
MOVE_INTERVAL_MS = 33
# Each frame of a zoom moves the scale a little; the exact cells follow when no frame has come for so long, and for so
# many frames as painted lately: on a slow machine the next one may still come.
REST_MS = 50
REST_FRAMES = 3
_LONGEST_FRAME_MS = 100
_NOT_IN_THE_IMAGE = frozenset({"opacity", "smooth", "gaps", "language", "time_zone"})
DARK_BELOW_LIGHTNESS = 128
# Qt has no signal for a widget that is covered or uncovered.
VISIBILITY_CHECK_MS = 250


class HeatmapPresenter(QObject):
    """Turns chart range and settings into build requests, and results into what is on the screen."""

    imageChanged = pyqtSignal(object)  # HeatmapImage | None: the image on the screen
    viewportChanged = pyqtSignal(object)  # Viewport | None
    sumsChanged = pyqtSignal(object)  # ViewSums | None: of the view, if the settings show any
    gapsChanged = pyqtSignal(object)  # RecordGaps: the hatched times of the window
    groundChanged = pyqtSignal(QColor)  # `ground`
    largestChanged = pyqtSignal(object)  # LargestEvents | None: of the view that was last built
    windowChanged = pyqtSignal(object)  # int: beginning of the window, ms since the epoch, UTC

    def __init__(
        self,
        underlay: Underlay,
        worker: BuildWorker,
        signals: BuildSignals,
        *,
        settings: SettingsModel,
        symbol: str,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._underlay = underlay
        self._worker = worker
        self._settings = settings
        self._symbol = symbol
        self._as_of_ms: int | None = None
        self.viewport: Viewport | None = None  # as the chart last reported it
        self.time_axis: TimeAxis | None = None
        self.image: HeatmapImage | None = None  # the one on the screen
        self.served: BuildRequest | None = None  # answered by that image; the settings may have changed since
        self.colour_axis: ColourAxis | None = None  # of that image
        self.cut_ms: int | None = None  # see `BuildResult`, of that image
        self.ground: QColor | None = None  # what the heat lies on, the chart's own colour
        self._requested: BuildRequest | None = None
        self.sums: ViewSums | None = None
        self._gaps = NO_GAPS
        self._hatched = False
        self._window_start_ms: int | None = None
        self._dark = True
        self._seen = True
        self._stopped = False
        self._size_px: tuple[float, float] | None = None
        self._since_frame = QElapsedTimer()
        self._frame_ms = 0.0
        self._has_moved = False
        self._move_timer = new_timer(self, MOVE_INTERVAL_MS, self._end_pause)
        self._rest_timer = new_timer(self, REST_MS, self._request)
        self._resize_timer = new_timer(self, RESIZE_QUIET_MS, self._request)
        self._visibility_timer = new_timer(self, VISIBILITY_CHECK_MS, self._check_visibility, once=False)
        self._visibility_timer.start()
        signals.built.connect(self._take)
        underlay.seenChanged.connect(self.set_seen)
        settings.changed.connect(self._apply)
        self._paint_settings(settings.value)

    @property
    def is_current(self) -> bool:
        """True if the image on the screen answers the latest view and settings."""
        is_waiting = self._has_moved or self._rest_timer.isActive() or self._resize_timer.isActive()
        return not is_waiting and self._requested is not None and self.served is self._requested

    @property
    def visible_span_ms(self) -> tuple[int, int] | None:
        """Begin and end of the visible time, ms since the epoch, UTC; None without a chart."""
        if self.viewport is None or self.time_axis is None:
            return None
        view = visible_range(self.viewport, self.time_axis)
        return view.start_ms, view.end_ms

    @property
    def is_visible(self) -> bool:
        """True if there is an image on the screen that is not transparent."""
        return self.image is not None and self._settings.value.opacity > 0

    @property
    def is_dark(self) -> bool:
        """True if the chart's own colour is dark."""
        return self._dark

    def set_symbol(self, symbol: str) -> None:
        self._symbol = symbol
        self.largestChanged.emit(None)
        self._show(None)
        self._show_sums(None)
        self._request()

    def set_as_of(self, as_of_ms: int | None, *, moving: bool = False) -> None:
        """Show the record as it was at a time, ms since the epoch; None: as it is. ``moving``: another one follows."""
        if as_of_ms != self._as_of_ms:
            self._as_of_ms = as_of_ms
            self._request(moving=moving)

    @pyqtSlot(object)
    def set_viewport(self, viewport: Viewport | None) -> None:
        """Request an image that fits the chart's range; None: there is none."""
        self.viewport = viewport
        if viewport is None:
            self.viewportChanged.emit(None)
            self._request()
            return
        if self._since_frame.isValid():
            self._frame_ms += (min(self._since_frame.elapsed(), _LONGEST_FRAME_MS) - self._frame_ms) / 4
        self._since_frame.start()
        self.viewportChanged.emit(viewport)
        before_px, self._size_px = self._size_px, (viewport.width_px, viewport.height_px)
        if before_px is not None and self._size_px != before_px:
            self._resize_timer.start()
        elif not self._resize_timer.isActive():
            self._move(at_once=True)

    @pyqtSlot(object)
    def set_time_axis(self, axis: TimeAxis | None) -> None:
        self.time_axis = axis
        self._move(at_once=False)

    @pyqtSlot(object, object)
    def set_background(self, color: QColor, surfaces: tuple[Surface, ...] = ()) -> None:
        """Set the page's own colours, see `opaque_colors`; the chart's own, the last, decides on the palette's ramp."""
        self._underlay.set_background(color, surfaces)
        colors = opaque_colors((color.redF(), color.greenF(), color.blueF()), surfaces)
        ground = QColor.fromRgbF(*colors[-1]) if colors else color
        if ground != self.ground:
            self.ground = ground
            self.groundChanged.emit(ground)
        dark = ground.lightness() < DARK_BELOW_LIGHTNESS
        if dark != self._dark:
            self._dark = dark
            self._request()

    def set_seen(self, seen: bool) -> None:  # Qt's signature
        """Set whether the chart is on the screen; while it is not, nothing is built and painted."""
        if seen != self._seen and not self._stopped:
            self._seen = seen
            self._underlay.set_resting(resting=not seen)
            if seen:
                self._request()
            else:
                self._worker.request(None)

    def stop(self) -> None:
        """Stop for good: underlay, worker and even the settings may be deleted."""
        self._stopped = True
        for timer in (self._move_timer, self._rest_timer, self._resize_timer, self._visibility_timer):
            timer.stop()
        self._requested = self.image = None

    def _check_visibility(self) -> None:
        if not sip.isdeleted(self._underlay):
            self.set_seen(is_seen(self._underlay))

    @pyqtSlot(object, object)
    def _apply(self, settings: HeatmapSettings, previous: HeatmapSettings) -> None:
        if self._stopped:
            return
        self._paint_settings(settings)
        if settings.gaps != previous.gaps:
            self._show_gaps()
        if any(getattr(settings, key) != getattr(previous, key) for key in FIELDS if key not in _NOT_IN_THE_IMAGE):
            self._request()

    def _paint_settings(self, settings: HeatmapSettings) -> None:
        self._underlay.set_look(opacity=settings.opacity / 100.0, smooth=settings.smooth)

    def _move(self, *, at_once: bool) -> None:
        """Request an image for a view that moves, at most every `MOVE_INTERVAL_MS`; and one when it rests.

        Not ``at_once``: after the reports that came together with this one. A timer would be too late for a viewport:
        Qt paints the old image in its new place first.
        """
        is_pausing = self._move_timer.isActive() and self._move_timer.interval() > 0
        self._rest_timer.start(max(REST_MS, round(REST_FRAMES * self._frame_ms)))
        if at_once and not is_pausing:
            self._request(moving=True)
            return
        self._has_moved = True
        if not is_pausing:
            self._move_timer.start(0)

    def _end_pause(self) -> None:
        if self._has_moved:
            self._request(moving=True)

    def _request(self, *, moving: bool = False) -> None:
        self._has_moved = False
        self._move_timer.start(MOVE_INTERVAL_MS)
        settings = self._settings.value
        if not settings.enabled or self.viewport is None or self.time_axis is None:
            self._requested = None
            self._show(None)
            self._show_sums(None)
        else:
            view = visible_range(self.viewport, self.time_axis)
            self._requested = BuildRequest(
                self._symbol, view, settings, dark=self._dark, as_of_ms=self._as_of_ms, moving=moving
            )
        self._worker.request(self._requested if self._seen else None)

    @pyqtSlot(object)
    def _take(self, result: BuildResult) -> None:
        """Show a result, unless it answers a request of another symbol or source."""
        if self._stopped:
            return
        request, wanted, is_new = result.request, self._requested, False
        if (
            wanted is not None
            and request.symbol == self._symbol
            and request.settings.source == wanted.settings.source
            # The view has moved on: the old image stays until the next comes.
            and (result.image is not None or request is wanted)
        ):
            self.served, self.colour_axis, self.cut_ms = request, result.colour_axis, result.cut_ms
            is_new = result.image is not self.image
            self.largestChanged.emit(result.largest)
            self._show_sums(result.sums)
        if result.window_start_ms != self._window_start_ms:
            self._window_start_ms = result.window_start_ms
            self._underlay.set_window_start(result.window_start_ms)
            self.windowChanged.emit(result.window_start_ms)
        if result.gaps != self._gaps:
            self._gaps = result.gaps
            self._show_gaps()
        if is_new:  # last, for the host may answer `imageChanged` by ending it all
            self._show(result.image, result.changed)

    def _show_sums(self, sums: ViewSums | None) -> None:
        if sums is not self.sums:
            self.sums = sums
            self.sumsChanged.emit(sums)

    def set_hatched(self, *, hatched: bool) -> None:
        """Hatch the times without a record for now, whatever the settings say."""
        if hatched != self._hatched and not self._stopped:
            self._hatched = hatched
            self._show_gaps()

    def _show_gaps(self) -> None:
        gaps = self._gaps if self._settings.value.gaps or self._hatched else NO_GAPS
        self._underlay.set_gaps(*gaps)
        self.gapsChanged.emit(gaps)

    def _show(self, image: HeatmapImage | None, changed: ChangedColumns | None = None) -> None:
        if image is None and self.image is None:
            return
        self.image = image
        self._underlay.set_image(image, changed)
        self.imageChanged.emit(image)
