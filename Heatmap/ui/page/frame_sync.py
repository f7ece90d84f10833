"""Keeps the heat glued to the candles: learns which frame of the page is about to be composed, and paints for that one.

The page's picture comes from another process and is some frames older than its newest report. So its number is read
out of the picture itself, in the moment before Qt composes page and underlay (`frame_stamp`, `frame_follower`).
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Final

from PyQt6 import sip
from PyQt6.QtCore import QEvent, QObject, Qt, pyqtSignal
from PyQt6.QtGui import QOpenGLContext
from PyQt6.QtQuick import QSGRendererInterface
from PyQt6.QtQuickWidgets import QQuickWidget

from Heatmap.errors import GraphicsError
from Heatmap.ui.geometry.frame_follower import Frame, FrameFollower, SyncMode
from Heatmap.ui.gl.device_pixels import size_px
from Heatmap.ui.gl.stamp_reader import StampReader

if TYPE_CHECKING:
    from PyQt6.QtQuick import QQuickWindow
    from PyQt6.QtWebEngineWidgets import QWebEngineView

    from Heatmap.ui.geometry.background import Surface
    from Heatmap.ui.geometry.frame_stamp import StampPlace
    from Heatmap.ui.geometry.viewport import TimeAxis, Viewport
    from Heatmap.ui.gl.underlay import Underlay

log = logging.getLogger(__name__)

_CHILD_EVENTS: Final = (QEvent.Type.ChildAdded, QEvent.Type.ChildPolished)


class FrameSync(QObject):
    """Hands the underlay the frame that its picture belongs to.

    Parameters
    ----------
    view
        The web view; its inner widget is followed when Qt replaces it.
    underlay
        What is kept in step.
    """

    modeChanged = pyqtSignal(object)  # SyncMode

    def __init__(self, view: QWebEngineView, underlay: Underlay, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._view = view
        self._underlay = underlay
        self._axis: TimeAxis | None = None
        self._surfaces: tuple[Surface, ...] | None = None
        self._follower = FrameFollower()
        self._widget: QQuickWidget | None = None
        self._window: QQuickWindow | None = None
        self._reader: StampReader | None = None
        self._reader_context: QOpenGLContext | None = None
        self._obstacle = ""
        self.last_read_s = 0.0
        view.installEventFilter(self)
        self._find_window()

    @property
    def follower(self) -> FrameFollower:
        """Return the bookkeeping of reports and stamps."""
        return self._follower

    @property
    def mode(self) -> SyncMode:
        """Return how the heat is kept in step at present."""
        return self._follower.mode

    def set_time_axis(self, axis: TimeAxis | None) -> None:
        """Take the series' bars; they belong to the reports that follow."""
        self._axis = axis

    def set_surfaces(self, surfaces: tuple[Surface, ...]) -> None:
        """Take the page's painted parts; they belong to the reports that follow."""
        self._surfaces = surfaces

    def set_viewport(self, viewport: Viewport | None) -> None:
        """Take the page's report about a frame; None: the chart shows nothing."""
        before = self.mode
        if viewport is None:
            self._follower.forget()
            self._underlay.set_frame(None)
        else:
            self._show(self._follower.report(Frame(viewport, self._axis, self._surfaces)))
        self._tell(before)

    def stop(self) -> None:
        """Follow the page no more."""
        if not sip.isdeleted(self._view):
            self._view.removeEventFilter(self)
        self._leave_window()

    # -- the page's window -------------------------------------------------------------------------------------------

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        """Notice that the view gets another inner widget, as it does after its web process died."""
        if watched is self._view and event is not None and event.type() in _CHILD_EVENTS:
            self._find_window()
        return False

    def _find_window(self) -> None:
        found = self._view.findChildren(QQuickWidget, "", Qt.FindChildOption.FindDirectChildrenOnly)
        widget = found[-1] if found else None
        window = widget.quickWindow() if widget is not None else None
        if window is self._window:
            return
        self._leave_window()
        self._widget, self._window = widget, window
        if window is not None:
            # On the GUI thread, in the middle of the page's painting: later would be a frame too late.
            window.afterRenderPassRecording.connect(self._picture_painted)
            window.sceneGraphInvalidated.connect(self._forget_reader)

    def _leave_window(self) -> None:
        if self._window is not None and not sip.isdeleted(self._window):
            self._window.afterRenderPassRecording.disconnect(self._picture_painted)
            self._window.sceneGraphInvalidated.disconnect(self._forget_reader)
        self._widget = self._window = None
        self._forget_reader()

    # -- the picture -------------------------------------------------------------------------------------------------

    def _picture_painted(self) -> None:
        before = self.mode
        window, widget = self._window, self._widget
        if window is None or widget is None:
            return
        picture_px = size_px(widget)
        places = self._follower.places()
        begun_s = time.perf_counter()
        number = self._read(window, places, picture_px) if places else None
        self.last_read_s = time.perf_counter() - begun_s
        self._show(self._follower.picture(number, picture_px))
        self._tell(before)

    def _read(self, window: QQuickWindow, places: list[StampPlace], picture_px: tuple[int, int]) -> int | None:
        interface = window.rendererInterface()
        if interface is None or interface.graphicsApi() != QSGRendererInterface.GraphicsApi.OpenGL:
            self._obstacle = "the page is not painted with OpenGL"
            return None
        # Qt has only noted the commands so far; this runs them.
        window.beginExternalCommands()
        try:
            reader = self._reader_for(QOpenGLContext.currentContext())
            if reader is None:
                return None
            reader.begin()
            expected = self._follower.expected()
            if expected is not None:
                self._underlay.prepare(expected)
            return reader.read(places, picture_px)
        finally:
            window.endExternalCommands()

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

    def _forget_reader(self) -> None:
        # The pixel buffer goes with its context; deleting it here would need that one to be current.
        self._reader = self._reader_context = None

    def _show(self, frame: Frame | None) -> None:
        if frame is not None:
            self._underlay.set_frame(frame)

    def _tell(self, before: SyncMode) -> None:
        mode = self.mode
        if mode is before:
            return
        if mode is SyncMode.MESSAGE:
            reason = self._obstacle or (
                "the stamp is hidden or unreadable" if self._follower.places() else "the chart has no room for a stamp"
            )
            log.warning("the heat follows the chart by messages and may lag while it moves: %s", reason)
        elif mode is SyncMode.STAMP:
            log.info("the heat follows the chart frame by frame")
        self.modeChanged.emit(mode)
