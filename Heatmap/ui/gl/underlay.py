"""The OpenGL widget beneath the chart: paints the page's background and the heat.

It is a child of the `QWebEngineView`, lowered beneath the `QQuickWidget` that shows the page, so the host's layout
stays as it is.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import moderngl
from PyQt6.QtCore import QEvent, QObject, Qt, QTimer, pyqtSignal
from PyQt6.QtGui import QSurfaceFormat
from PyQt6.QtOpenGLWidgets import QOpenGLWidget

from Heatmap.aggregation.engine_choice import kernels_are_loaded
from Heatmap.clock import SYSTEM_CLOCK
from Heatmap.errors import GraphicsError
from Heatmap.rendering.image_change import colors_differ
from Heatmap.ui.geometry.background import (
    BackgroundRect,
    Rgb,
    Surface,
    background_rects,
    older_px,
    window_start_line,
)
from Heatmap.ui.gl.gl_context import GlResources, moderngl_context, size_px
from Heatmap.ui.gl.graphics import is_software
from Heatmap.ui.gl.heat_painter import HeatPainter
from Heatmap.ui.gl.painter import Painter, Scene
from Heatmap.ui.gl.pixel_painter import PixelPainter
from Heatmap.ui.gl.visibility import is_seen

if TYPE_CHECKING:
    from PyQt6.QtGui import QColor, QHideEvent, QShowEvent
    from PyQt6.QtWidgets import QWidget

    from Heatmap.aggregation import HeatmapImage
    from Heatmap.clock import Clock
    from Heatmap.rendering.event_window import Gaps
    from Heatmap.rendering.image_change import ChangedColumns
    from Heatmap.ui.geometry.frame_follower import Frame

log = logging.getLogger(__name__)

GL_VERSION = (3, 3)
EASING_S = 0.3
EASING_STEP_MS = 16
# Qt makes the context while it shows the widget, and only logs a failure.
CONTEXT_PATIENCE_MS = 1000


class Easing:
    """Cross-fade of `EASING_S` seconds. One that starts during another changes nothing, so that it comes to an end."""

    def __init__(self) -> None:
        self._begun_s: float | None = None

    def start(self, now_s: float) -> None:
        if not self.is_running(now_s):
            self._begun_s = now_s

    def stop(self) -> None:
        self._begun_s = None

    def is_running(self, now_s: float) -> bool:
        return self._begun_s is not None and now_s - self._begun_s < EASING_S

    def share(self, now_s: float) -> float:
        """Return the share of the new picture, 0 to 1 (smoothstep)."""
        if self._begun_s is None:
            return 1.0
        passed = min(max((now_s - self._begun_s) / EASING_S, 0.0), 1.0)
        return passed * passed * (3.0 - 2.0 * passed)


class Underlay(QOpenGLWidget):
    """Paints the heat behind a transparent web view, which becomes the parent.

    ``shaders_only``: use a shader also where OpenGL is software and a kernel would be faster.
    """

    framePainted = pyqtSignal()
    seenChanged = pyqtSignal(bool)  # shown or hidden
    failed = pyqtSignal(str)  # OpenGL is missing or failed: one sentence for the log

    def __init__(self, view: QWidget, *, clock: Clock = SYSTEM_CLOCK, shaders_only: bool = False) -> None:
        super().__init__(view)
        surface = QSurfaceFormat(self.format())
        surface.setVersion(*GL_VERSION)
        surface.setProfile(QSurfaceFormat.OpenGLContextProfile.CoreProfile)
        self.setFormat(surface)
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self._view = view
        self._clock = clock
        self._shaders_only = shaders_only
        self.frame: Frame | None = None
        self._image: HeatmapImage | None = None
        self._dirty: tuple[int, int] | None = None  # columns to upload with the next frame
        self._easing = Easing()
        self._keep_before = False
        self._gaps: tuple[Gaps, Gaps] = ((), ())
        self._window_start_ms: int | None = None
        self._base: Rgb = (1.0, 1.0, 1.0)
        self._surfaces: tuple[Surface, ...] = ()
        self._opacity = 1.0
        self._smooth = False
        self._gl: moderngl.Context | None = None
        self._resources: GlResources[Painter] | None = None
        self._wants_kernel = False
        self._target: tuple[tuple[int, ...], moderngl.Framebuffer] | None = None
        self._resting = False
        view.installEventFilter(self)
        self._cover_view()

    @property
    def gl_description(self) -> str:
        """Renderer and version as the driver names them, "" before the first frame."""
        if self._gl is None:
            return ""
        return f"{self._gl.info['GL_RENDERER']}, OpenGL {self._gl.version_code / 100:.1f}"

    @property
    def painter(self) -> Painter | None:
        """The painter in use, None before the first frame and after the context has ended."""
        return self._resources.painter if self._resources is not None and not self._resources.released else None

    def set_resting(self, *, resting: bool) -> None:
        """Stop repainting while the widget cannot be seen; what is set meanwhile is painted afterwards."""
        if resting != self._resting:
            self._resting = resting
            self._repaint()

    def set_frame(self, frame: Frame | None) -> None:
        """Move the heat to where the chart is in this frame; None: paint no heat."""
        self.frame = frame
        self._repaint()

    def prepare(self, frame: Frame) -> None:
        """Start on the frame that most likely comes next, while the page's picture is still being painted."""
        now_s = self._clock.monotonic_s()
        # During an easing each moment is painted differently.
        if self.painter is None or self._dirty is not None or self._resting or self._easing.is_running(now_s):
            return
        scene, size = self._scene(frame, now_s), size_px(self)
        if scene is not None:
            self.painter.prepare(size, self._background(frame, size), scene)

    def set_image(self, image: HeatmapImage | None, changed: ChangedColumns | None = None) -> None:
        """Show another image (None: only the background). It is uploaded once, with the next frame.

        If its colours mean other sums than before, the previous image eases into it. ``changed`` is where it differs
        from an earlier image; only that is uploaded if the earlier one is the present one.
        """
        before, now_s = self._image, self._clock.monotonic_s()
        if image is None and before is None:
            return
        self._image = image
        everything = (0, image.spec.cols) if image is not None else None
        if image is None or before is None:
            self._easing.stop()
            self._dirty, self._keep_before = everything, False
        # During an easing each frame paints two images, so only for a visible change.
        elif not self._easing.is_running(now_s) and colors_differ(before, image):
            self._easing.start(now_s)
            self._dirty, self._keep_before = everything, True
        elif changed is not None and changed.base is before and image.rgba.shape == before.rgba.shape:
            if changed.first < changed.last:
                first, last = self._dirty or (changed.first, changed.last)
                self._dirty = (min(first, changed.first), max(last, changed.last))
        else:
            self._dirty = everything
        self._repaint()

    def set_gaps(self, gaps: Gaps, of_some: Gaps = ()) -> None:
        """Set the times without a record, hatched behind the heat, and those without one ``of_some``, lightly."""
        if (gaps, of_some) != self._gaps:
            self._gaps = (gaps, of_some)
            self._repaint()

    def set_window_start(self, start_ms: int) -> None:
        """Set the window's beginning, ms since the epoch, UTC: a line marks it, and heat before it is fainter."""
        if start_ms == self._window_start_ms:
            return
        frame, before_ms, self._window_start_ms = self.frame, self._window_start_ms, start_ms
        if frame is None or self._image is None:
            return
        if any(older_px(frame.viewport, frame.axis, time_ms) > 0 for time_ms in (before_ms, start_ms)):
            self._repaint()

    def set_background(self, color: QColor, surfaces: tuple[Surface, ...] = ()) -> None:
        """Set the page's own colours: beneath it all, and of its parts, for frames that bring no parts of their own."""
        self._base = (color.redF(), color.greenF(), color.blueF())
        self._surfaces = surfaces
        self._repaint()

    def set_look(self, *, opacity: float, smooth: bool) -> None:
        """Set the opacity of the heat, 0 to 1, and whether cells blend or are sharp rectangles."""
        self._opacity, self._smooth = opacity, smooth
        self._repaint()

    def _repaint(self) -> None:
        if not self._resting:
            self.update()

    def initializeGL(self) -> None:
        """Make the painter; called by Qt with a current context, again after the context was lost."""
        context = self.context()
        if context is None:  # never inside initializeGL; Qt's types allow it
            return
        self._upload_everything()
        self._target = None
        self._wants_kernel = not self._shaders_only
        try:
            self._gl = moderngl_context(context)
            self._resources = GlResources(context, HeatPainter(self._gl))
        except (moderngl.Error, GraphicsError, ValueError, OSError) as error:
            self._gl = None
            log.exception("the underlay cannot paint")
            self.failed.emit(str(error))
            return
        log.info("underlay paints with %s", self.gl_description)

    def paintGL(self) -> None:
        """Paint background and heat; called by Qt with the widget's framebuffer bound."""
        if self._resting and is_seen(self):  # Qt asked for this frame: a widget on top has gone
            self.seenChanged.emit(True)
        if self._gl is None or self._resources is None or self._resources.released:
            return
        target = self._frame_buffer(self._gl)
        target.use()
        frame, now_s = self.frame, self._clock.monotonic_s()
        if self._wants_kernel and kernels_are_loaded() and not self._easing.is_running(now_s):
            self._change_painter(self._gl, self._resources)
        painter = self._resources.painter
        scene = self._scene(frame, now_s)
        if scene is not None and self._image is not None and self._dirty is not None:
            painter.upload(self._image, self._dirty, keep=self._keep_before)
            self._dirty, self._keep_before = None, False
        painter.paint(target, self._background(frame, target.size), scene)
        if self._easing.is_running(now_s):
            QTimer.singleShot(EASING_STEP_MS, self._repaint)
        else:
            painter.forget_before()
        self.framePainted.emit()

    def _upload_everything(self) -> None:
        self._dirty = (0, self._image.spec.cols) if self._image is not None else None
        self._keep_before = False

    def _frame_buffer(self, gl: moderngl.Context) -> moderngl.Framebuffer:
        """Return the widget's frame buffer; cached, because moderngl keeps some memory at each detection."""
        key = (self.defaultFramebufferObject(), *size_px(self))
        if self._target is None or self._target[0] != key:
            self._target = (key, gl.detect_framebuffer(key[0]))
        return self._target[1]

    def _change_painter(self, gl: moderngl.Context, resources: GlResources[Painter]) -> None:
        """Paint with the kernel from now on, if OpenGL is software. Decided once for each context."""
        self._wants_kernel = False
        context = self.context()
        if context is None or not is_software(gl.info["GL_RENDERER"]):
            return
        try:
            painter = PixelPainter(gl, context)
        except GraphicsError as error:
            log.info("the heat is scaled by a shader, because %s", error)
            return
        resources.painter.release()
        resources.painter = painter
        self._upload_everything()
        # The painter fills everything; Qt need not clear colours, depth and stencil before.
        self.setUpdateBehavior(QOpenGLWidget.UpdateBehavior.PartialUpdate)
        log.info("OpenGL is software: the heat is scaled by a kernel")

    def _background(self, frame: Frame | None, size_px: tuple[int, int]) -> tuple[BackgroundRect, ...]:
        """Return the page's own colours, and over them the line where the window begins."""
        surfaces = self._surfaces if frame is None or frame.surfaces is None else frame.surfaces
        rects = background_rects(self._base, surfaces, size_px)
        if self._image is None or frame is None or frame.axis is None or self._window_start_ms is None:
            return rects
        return rects + window_start_line(frame.viewport, frame.axis, self._window_start_ms, rects)

    def _scene(self, frame: Frame | None, now_s: float) -> Scene | None:
        if self._image is None or frame is None or frame.axis is None:
            return None
        start_ms = self._window_start_ms
        return Scene(
            frame.viewport,
            frame.axis,
            self._gaps[0],
            self._opacity,
            smooth=self._smooth,
            fresh=self._easing.share(now_s),
            window_start_ms=start_ms if older_px(frame.viewport, frame.axis, start_ms) > 0 else None,
            gaps_of_some=self._gaps[1],
        )

    def showEvent(self, event: QShowEvent | None) -> None:
        """Report it, and check soon whether Qt could make a context."""
        super().showEvent(event)
        self.seenChanged.emit(True)
        QTimer.singleShot(CONTEXT_PATIENCE_MS, self._check_context)

    def hideEvent(self, event: QHideEvent | None) -> None:
        super().hideEvent(event)
        self.seenChanged.emit(False)

    def _check_context(self) -> None:
        if self.isVisible() and not self.size().isEmpty() and not self.isValid():
            self.failed.emit("Qt could not create an OpenGL context")

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        """Stay beneath the page and as large as the view, also when the view gets a new inner widget."""
        if event is not None and watched is self._view:
            if event.type() in (QEvent.Type.Resize, QEvent.Type.Show):
                self._cover_view()
            elif event.type() == QEvent.Type.ChildPolished:
                self.lower()
        return False

    def _cover_view(self) -> None:
        self.setGeometry(self._view.rect())
        self.lower()

    def remove(self) -> None:
        if self._resources is not None:
            self._resources.release()
        self._view.removeEventFilter(self)
        self.hide()
        self.deleteLater()
