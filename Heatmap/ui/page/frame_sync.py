"""Synchronisation of the heat with the candles, frame by frame.

The page's picture comes from another process and is some frames older than its newest report. So its number is read
from the picture itself, just before Qt composes page and underlay (`frame_stamp`, `frame_follower`).
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from PyQt6 import sip
from PyQt6.QtCore import QElapsedTimer, QObject, pyqtSignal, pyqtSlot
from PyQt6.QtGui import QOpenGLContext
from PyQt6.QtQuick import QSGRendererInterface

from Heatmap.errors import GraphicsError
from Heatmap.ui.geometry.cover import is_opaque, probe_rows
from Heatmap.ui.geometry.frame_follower import Frame, FrameFollower, SyncMode
from Heatmap.ui.gl.gl_context import size_px
from Heatmap.ui.gl.stamp_reader import StampReader
from Heatmap.ui.page.page_widget import CHILD_EVENTS, page_widget
from Heatmap.ui.timer import new_timer

if TYPE_CHECKING:
    from PyQt6.QtCore import QEvent
    from PyQt6.QtQuick import QQuickWindow
    from PyQt6.QtQuickWidgets import QQuickWidget
    from PyQt6.QtWebEngineWidgets import QWebEngineView

    from Heatmap.ui.geometry.background import Surface
    from Heatmap.ui.geometry.frame_stamp import StampPlace
    from Heatmap.ui.geometry.viewport import TimeAxis, Viewport
    from Heatmap.ui.gl.front_layer import FrontLayer
    from Heatmap.ui.gl.underlay import Underlay

log = logging.getLogger(__name__)

# At rest no picture comes by itself; one whose stamp could not be read is painted once more after so long.
REPAINT_MS: Final = 100
# What changes in front of the candles waits so long for a picture of the page, which brings it at no cost.
FRONT_MS: Final = 40
# So often the pane is checked for being covered while pictures come, and once more after the last one.
PROBE_MS: Final = 500
# A page is opaque for a while after it was loaded, on a busy machine for more than a second.
COVERED_MS: Final = 2000


class FrameSync(QObject):
    """Sets the underlay's frame to the one of the page's picture, and has the front layer drawn into that picture."""

    coveredChanged = pyqtSignal(bool)  # something opaque lies over the pane, in the page
    stamp_gone = pyqtSignal()  # the chart shows nothing any more, and neither does the page's picture

    def __init__(
        self, view: QWebEngineView, underlay: Underlay, front: FrontLayer, parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self._view = view
        self._underlay = underlay
        self._front = front
        self._axis: TimeAxis | None = None
        self._surfaces: tuple[Surface, ...] | None = None
        self.follower = FrameFollower()
        self._widget: QQuickWidget | None = None
        self._window: QQuickWindow | None = None
        self._reader: StampReader | None = None
        self._reader_context: QOpenGLContext | None = None
        self._obstacle = ""
        self.is_covered = False
        self._opaque_for = QElapsedTimer()  # invalid: the last picture was transparent
        self._since_probe = QElapsedTimer()
        self._repaint_timer = new_timer(self, REPAINT_MS, self._repaint)
        self._left_places: list[StampPlace] = []  # of the last frames before the chart showed nothing
        view.installEventFilter(self)
        self._front_timer = new_timer(self, FRONT_MS, self._repaint)
        front.update_wanted.connect(self._want_front)
        self._find_window()

    @pyqtSlot(object)
    def set_time_axis(self, axis: TimeAxis | None) -> None:
        self._axis = axis

    @pyqtSlot(object)
    def set_surfaces(self, surfaces: tuple[Surface, ...]) -> None:
        self._surfaces = surfaces

    @pyqtSlot(object)
    def set_viewport(self, viewport: Viewport | None) -> None:
        """Take the page's report about a frame; None: the chart shows nothing."""
        before = self.follower.mode
        if viewport is None:
            self._left_places = self.follower.places()
            self.follower.forget()
            self._underlay.set_frame(None)
            self._set_opaque(opaque=False)
        else:
            self._left_places = []
            self._show(self.follower.report(Frame(viewport, self._axis, self._surfaces)))
        self._report_mode(before)

    def stop(self) -> None:
        self._repaint_timer.stop()
        self._front_timer.stop()
        if not sip.isdeleted(self._view):
            self._view.removeEventFilter(self)
        self._leave_window()

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        """Look for another inner widget of the view."""
        if watched is self._view and event is not None and event.type() in CHILD_EVENTS:
            self._find_window()
        return False

    def _find_window(self) -> None:
        widget = page_widget(self._view)
        window = widget.quickWindow() if widget is not None else None
        if window is self._window:
            return
        self._leave_window()
        self._widget, self._window = widget, window
        if window is not None:
            # Emitted on the GUI thread while the page is painted; later signals would be a frame too late.
            window.afterRenderPassRecording.connect(self._picture_painted)
            window.sceneGraphInvalidated.connect(self._forget_context)

    def _leave_window(self) -> None:
        if self._window is not None and not sip.isdeleted(self._window):
            self._window.afterRenderPassRecording.disconnect(self._picture_painted)
            self._window.sceneGraphInvalidated.disconnect(self._forget_context)
        self._widget = self._window = None
        self._forget_context()

    def _picture_painted(self) -> None:
        before = self.follower.mode
        window, widget = self._window, self._widget
        if window is None or widget is None:
            return
        picture_px = size_px(widget)
        places = self.follower.places() or self._left_places
        number = self._read(window, places, picture_px) if places else None
        self._show(self.follower.picture(number, picture_px))
        if number is None and self.follower.mode is SyncMode.STAMP:
            self._repaint_timer.start(REPAINT_MS)
        if self._left_places and number is None:
            self._left_places = []
            self.stamp_gone.emit()
        self._paint_front(window, picture_px)
        self._report_mode(before)

    def _paint_front(self, window: QQuickWindow, picture_px: tuple[int, int]) -> None:
        """Draw in front of the candles of the frame that the picture shows; never over what covers the pane."""
        self._front_timer.stop()
        frame = self.follower.shown
        if frame is None or self._opaque_for.isValid() or not _uses_opengl(window):
            return
        shapes = self._front.shapes(frame)
        if shapes:
            window.beginExternalCommands()
            try:
                self._front.paint(frame, shapes, picture_px)
            finally:
                window.endExternalCommands()

    def _read(self, window: QQuickWindow, places: list[StampPlace], picture_px: tuple[int, int]) -> int | None:
        if not _uses_opengl(window):
            self._obstacle = "the page is not painted with OpenGL"
            return None
        # Qt has only recorded the commands so far; this runs them.
        window.beginExternalCommands()
        try:
            reader = self._reader_for(QOpenGLContext.currentContext())
            if reader is None:
                return None
            reader.begin()
            expected = self.follower.expected()
            if expected is not None:
                self._underlay.prepare(expected)
            number = reader.read(places, picture_px)
            self._probe(reader, picture_px)
            return number
        finally:
            window.endExternalCommands()

    def _probe(self, reader: StampReader, picture_px: tuple[int, int]) -> None:
        """Check now and then whether the picture hides what lies beneath."""
        shown = self.follower.shown
        if shown is None:
            return
        if self._since_probe.isValid() and self._since_probe.elapsed() < PROBE_MS:
            if not self._repaint_timer.isActive():
                self._repaint_timer.start(PROBE_MS)
            return
        self._since_probe.start()
        rows = probe_rows(shown.viewport, picture_px)
        self._set_opaque(opaque=is_opaque([reader.alphas(row, picture_px[1]) for row in rows]))

    def _set_opaque(self, *, opaque: bool) -> None:
        """Take what a picture shows; only one that stays opaque is reported."""
        if not opaque:
            self._opaque_for.invalidate()
        elif not self._opaque_for.isValid():
            self._opaque_for.start()
        covered = opaque and self._opaque_for.elapsed() >= COVERED_MS
        if opaque and not covered:
            self._repaint_timer.start(PROBE_MS)
        if covered != self.is_covered:
            self.is_covered = covered
            self.coveredChanged.emit(covered)

    def _want_front(self) -> None:
        if not self._front_timer.isActive():
            self._front_timer.start()

    def _repaint(self) -> None:
        """Have the page's last picture composed once more."""
        if self._window is not None and not sip.isdeleted(self._window):
            self._window.update()

    def _reader_for(self, context: QOpenGLContext | None) -> StampReader | None:
        if context is None:
            self._obstacle = "the page has no OpenGL context"
            return None
        if context is not self._reader_context:
            self._reader_context, self._reader = context, None
            try:
                self._reader = StampReader(context)
                self._obstacle = ""
            except GraphicsError as error:
                self._obstacle = str(error)
        return self._reader

    def _forget_context(self) -> None:
        # Its fence goes with the context; deleting it here would need that one to be current.
        self._reader = self._reader_context = None
        self._front.release()

    def _show(self, frame: Frame | None) -> None:
        if frame is not None:
            self._underlay.set_frame(frame)

    def _report_mode(self, before: SyncMode) -> None:
        mode = self.follower.mode
        if mode is before:
            return
        if mode is SyncMode.MESSAGE:
            reason = self._obstacle or (
                "the stamp is hidden or unreadable" if self.follower.places() else "the chart has no room for a stamp"
            )
            log.warning("the heat follows the chart by messages and may lag while it moves: %s", reason)
        elif mode is SyncMode.STAMP:
            log.info("the heat follows the chart frame by frame")


def _uses_opengl(window: QQuickWindow) -> bool:
    interface = window.rendererInterface()
    return interface is not None and interface.graphicsApi() == QSGRendererInterface.GraphicsApi.OpenGL
