"""Layer in front of the candles: rectangles and small pictures, drawn into the page's own picture.

`FrameSync` calls it after Qt has painted the page and before it composes the window. So what is drawn here is in the
same frame as the candles, over them and over the page's axes and lines; Qt widgets over the view (legend, tooltip) stay
above it.

To draw something, write an object with the method of `FrontPart` (front_part.py) and pass it to `FrontLayer.add`. The
layer asks it once for each picture of the page. Call `FrontLayer.update` when its data or settings change: Qt repaints
the page only when the page changes.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import moderngl
from PyQt6.QtCore import QObject, pyqtSignal
from PyQt6.QtGui import QOpenGLContext

from Heatmap.errors import GraphicsError
from Heatmap.ui.geometry.pixel_mapping import pane_of
from Heatmap.ui.gl.front_painter import FrontPainter
from Heatmap.ui.gl.gl_context import GlResources

if TYPE_CHECKING:
    from Heatmap.ui.geometry.frame_follower import Frame
    from Heatmap.ui.gl.front_part import FrontPart, FrontShapes

log = logging.getLogger(__name__)


class FrontLayer(QObject):
    """The parts in front of the candles of one view, in the order in which they were added: the last is on top."""

    update_wanted = pyqtSignal()  # the page's picture must be composed anew

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._parts: list[FrontPart] = []
        self._context: QOpenGLContext | None = None
        self._resources: GlResources[FrontPainter] | None = None
        self._painter: FrontPainter | None = None

    def add(self, part: FrontPart) -> None:
        """Draw a part from the next frame on."""
        self._parts.append(part)
        self.update()

    def remove(self, part: FrontPart) -> None:
        """Draw a part no longer. Harmless when it was never added."""
        if part in self._parts:
            self._parts.remove(part)
            self.update()

    def update(self) -> None:
        """Have the next frame painted soon, also if the page does not change. Several calls make one frame."""
        self.update_wanted.emit()

    def shapes(self, frame: Frame) -> list[FrontShapes]:
        """Return what all parts draw in this frame, the parts that are off left out; empty without bars."""
        if frame.axis is None:
            return []
        found = (part.shapes(frame.viewport, frame.axis) for part in self._parts)
        return [shapes for shapes in found if shapes]

    def paint(self, frame: Frame, shapes: list[FrontShapes], size_px: tuple[int, int]) -> None:
        """Draw into the bound frame buffer of this width and height; the current context's state is restored."""
        painter, pane = self._painter_of(QOpenGLContext.currentContext()), pane_of(frame.viewport, size_px)
        if painter is not None and pane is not None:
            painter.paint(frame.viewport, pane, shapes, size_px)

    def release(self) -> None:
        """Release all OpenGL objects; the next `paint` makes new ones."""
        if self._resources is not None:
            self._resources.release()
        self._context = self._resources = self._painter = None

    def _painter_of(self, context: QOpenGLContext | None) -> FrontPainter | None:
        """Return the painter for a context, None where it cannot paint."""
        if context is None or context is self._context:
            return self._painter
        self._context, self._resources, self._painter = context, None, None
        try:
            self._painter = FrontPainter(context)
        except (moderngl.Error, GraphicsError, ValueError, OSError):
            log.exception("nothing can be drawn in front of the candles")
            return None
        self._resources = GlResources(context, self._painter)
        return self._painter
