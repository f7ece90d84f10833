"""The transparent OpenGL layer beneath the chart: paints the page's background and the heat, and nothing else.

It is a child of the `QWebEngineView`, lowered beneath the `QQuickWidget` that shows the page, so the host's layout
stays as it is. It decides nothing: it is handed a viewport, a time axis and an image, and puts them on the screen.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Self, SupportsInt, cast

import moderngl
from PyQt6 import sip
from PyQt6.QtCore import QEvent, QObject, Qt, QTimer, pyqtSignal
from PyQt6.QtGui import QOffscreenSurface, QOpenGLContext, QSurfaceFormat
from PyQt6.QtOpenGLWidgets import QOpenGLWidget

from Heatmap.aggregation.engine_choice import kernels_are_loaded
from Heatmap.clock import SYSTEM_CLOCK
from Heatmap.errors import GraphicsError
from Heatmap.ui.geometry.background import Patch, Rgb, Surface, patches
from Heatmap.ui.geometry.easing import Fade
from Heatmap.ui.geometry.image_change import colors_differ
from Heatmap.ui.geometry.window_start_line import begins_in_sight, window_mark
from Heatmap.ui.gl.device_pixels import size_px
from Heatmap.ui.gl.graphics import is_software
from Heatmap.ui.gl.heat_painter import HeatPainter
from Heatmap.ui.gl.painter import Look, Painter, Scene
from Heatmap.ui.gl.pixel_painter import PixelPainter
from Heatmap.ui.gl.visibility import is_seen

if TYPE_CHECKING:
    from PyQt6.QtGui import QColor, QHideEvent, QShowEvent
    from PyQt6.QtWidgets import QWidget

    from Heatmap.aggregation import HeatmapImage
    from Heatmap.clock import Clock
    from Heatmap.ui.geometry.frame_follower import Frame
    from Heatmap.ui.geometry.gap_mesh import Gaps
    from Heatmap.ui.geometry.image_change import ChangedColumns

log = logging.getLogger(__name__)

GL_VERSION = (3, 3)
FADE_STEP_MS = 16
# Qt makes the context while it shows the widget, and only writes into its log when it cannot.
CONTEXT_PATIENCE_MS = 1000


class _QtLoader:
    """Lets moderngl find OpenGL through Qt's context, on GLX, EGL, WGL and Cocoa alike."""

    def __init__(self, context: QOpenGLContext) -> None:
        self._context = context

    def load_opengl_function(self, name: str) -> int:
        """Return the address of an OpenGL function, 0 if there is none."""
        address: SupportsInt | None = self._context.getProcAddress(name.encode())
        return int(address) if address is not None else 0

    def load(self, name: str) -> int:
        """Return the address of an OpenGL function (moderngl's older name for it)."""
        return self.load_opengl_function(name)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        """Nothing was made current, so there is nothing to give back."""

    def release(self) -> None:
        """Leave the context alone: it belongs to Qt."""


class _Possessions:
    """What the underlay has on the graphics card.

    All of Qt's contexts share their textures, so these do not go with the context that made them.
    """

    def __init__(self, context: QOpenGLContext, painter: Painter) -> None:
        self._context, self.painter = context, painter
        # The widget's own surface may be gone when its context ends.
        self._surface = QOffscreenSurface()
        self._surface.setFormat(context.format())
        self._surface.create()
        self.released = False

    def release(self) -> None:
        """Give it back. Harmless when called twice."""
        if self.released or sip.isdeleted(self._context) or not self._context.makeCurrent(self._surface):
            return
        self.released = True
        self.painter.release()
        self._context.doneCurrent()


class Underlay(QOpenGLWidget):
    """Paints the heat behind a transparent web view.

    Parameters
    ----------
    view
        The web view to lie beneath; becomes the parent.
    clock
        Times the easing from one scale of colours to another.
    largest_texture_px
        Most columns or rows of one texture; the device's limit if not given.
    shaders_only
        Stretch the image by a shader also where OpenGL is software and a kernel would be faster.
    """

    framePainted = pyqtSignal()
    seenChanged = pyqtSignal(bool)  # it is on a visible page now, or not any more
    failed = pyqtSignal(str)  # OpenGL is missing or broke: one sentence for the log

    def __init__(
        self,
        view: QWidget,
        *,
        clock: Clock = SYSTEM_CLOCK,
        largest_texture_px: int | None = None,
        shaders_only: bool = False,
    ) -> None:
        super().__init__(view)
        surface = QSurfaceFormat(self.format())
        surface.setVersion(*GL_VERSION)
        surface.setProfile(QSurfaceFormat.OpenGLContextProfile.CoreProfile)
        self.setFormat(surface)
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self._view = view
        self._frame: Frame | None = None
        self._image: HeatmapImage | None = None
        self._dirty: tuple[int, int] | None = None
        self._fade = Fade()
        self._fading_in = False
        self._clock = clock
        self._largest_texture_px = largest_texture_px
        self._shaders_only = shaders_only
        self._wants_kernel = False
        self._gaps: Gaps = ()
        self._window_start_ms: int | None = None
        self._background: Rgb = (1.0, 1.0, 1.0)
        self._surfaces: tuple[Surface, ...] = ()
        self._opacity = 1.0
        self._smooth = False
        self._gl: moderngl.Context | None = None
        self._painter: Painter | None = None
        self._possessions: _Possessions | None = None
        self._target: tuple[tuple[int, ...], moderngl.Framebuffer] | None = None
        self._resting = False
        self._frames = 0
        self.uploads = 0
        view.installEventFilter(self)
        self._follow()

    # -- what to show ------------------------------------------------------------------------------------------------

    @property
    def frames(self) -> int:
        """Return the number of frames painted since the start."""
        return self._frames

    @property
    def gl_description(self) -> str:
        """Return renderer and version as the driver names them, "" before the first frame."""
        if self._gl is None:
            return ""
        return f"{self._gl.info['GL_RENDERER']}, OpenGL {self._gl.version_code / 100:.1f}"

    @property
    def tiles(self) -> int:
        """Return how many textures the present image takes, 0 before it is painted."""
        return self._painter.tiles if self._painter is not None else 0

    @property
    def textures(self) -> int:
        """Return how many images are on the graphics card: two while one eases into the other."""
        return self._painter.textures if self._painter is not None else 0

    @property
    def frame(self) -> Frame | None:
        """Return the frame of the chart that is painted for."""
        return self._frame

    def set_resting(self, *, resting: bool) -> None:
        """Paint nothing while nobody can see it (True); what is set meanwhile is painted afterwards."""
        if resting != self._resting:
            self._resting = resting
            self._repaint()

    def _repaint(self) -> None:
        if not self._resting:
            self.update()

    def set_frame(self, frame: Frame | None) -> None:
        """Move the heat to where the chart is in this frame; None: it is nowhere."""
        self._frame = frame
        self._repaint()

    def prepare(self, frame: Frame) -> None:
        """Begin with the frame that most likely comes next, while the page's picture is still being painted."""
        now_s = self._clock.monotonic_s()
        # While one image eases into another, each moment is painted differently.
        if self._painter is None or self._dirty is not None or self._resting or self._fade.is_running(now_s):
            return
        scene, size = self._scene(frame, now_s), size_px(self)
        if scene is not None:
            self._painter.prepare(size, self._ground(frame, size), scene)

    def set_image(self, image: HeatmapImage | None, changed: ChangedColumns | None = None) -> None:
        """Show another image (None: only the background). It is uploaded once, with the next frame.

        Parameters
        ----------
        image
            The image. Where its colours mean other sums than before, the old ones ease into the new.
        changed
            What alone differs from an earlier image; only that is uploaded if the earlier one is what is shown.
        """
        before = self._image
        if image is None and before is None:
            return
        self._image = image
        if image is None or before is None:
            self._fade.stop()
            self._dirty = (0, image.spec.cols) if image is not None else None
            self._fading_in = False
        # An easing paints two images in each frame, so only for what is seen.
        elif not self._fade.is_running(self._clock.monotonic_s()) and colors_differ(before, image):
            self._dirty = (0, image.spec.cols)
            self._fade.start(self._clock.monotonic_s())
            self._fading_in = True
        elif changed is not None and changed.base is before and image.rgba.shape == before.rgba.shape:
            if changed.first < changed.last:
                first, last = self._dirty or (changed.first, changed.last)
                self._dirty = (min(first, changed.first), max(last, changed.last))
        else:
            self._dirty = (0, image.spec.cols)
        self._repaint()

    def set_gaps(self, gaps: Gaps) -> None:
        """Take the stretches of time that nobody recorded; they are hatched behind the heat."""
        if gaps != self._gaps:
            self._gaps = gaps
            self._repaint()

    def set_window_start(self, start_ms: int) -> None:
        """Take the window's beginning, ms since the epoch, UTC; a line marks it while there is heat."""
        if start_ms == self._window_start_ms:
            return
        frame, before_ms, self._window_start_ms = self._frame, self._window_start_ms, start_ms
        if frame is None or self._image is None:
            return
        if any(begins_in_sight(frame.viewport, frame.axis, time_ms) for time_ms in (before_ms, start_ms)):
            self._repaint()

    def set_background(self, color: QColor, surfaces: tuple[Surface, ...] = ()) -> None:
        """Set the colours that the page had: beneath it all, and of its parts, outermost first.

        The parts are painted where no frame brings its own.
        """
        self._background = (color.redF(), color.greenF(), color.blueF())
        self._surfaces = surfaces
        self._repaint()

    def set_opacity(self, opacity: float) -> None:
        """Set how strong the heat is, 0 to 1."""
        self._opacity = opacity
        self._repaint()

    def set_smooth(self, *, smooth: bool) -> None:
        """Blend neighbouring cells (True) or show each as a sharp rectangle."""
        self._smooth = smooth
        self._repaint()

    # -- OpenGL ------------------------------------------------------------------------------------------------------

    def initializeGL(self) -> None:
        """Build the program; called by Qt with a current context, again after the context was lost."""
        context = self.context()
        if context is None:  # cannot happen inside initializeGL; keeps the types honest
            return
        self._dirty = (0, self._image.spec.cols) if self._image is not None else None
        self._fading_in = False
        self._target = None
        self._wants_kernel = not self._shaders_only
        try:
            self._gl = moderngl.create_context(require=330, context=cast("dict[str, Any]", _QtLoader(context)))
            self._painter = HeatPainter(self._gl, largest_px=self._largest_texture_px)
        except (moderngl.Error, ValueError, OSError) as error:
            self._gl = None
            log.exception("the underlay cannot paint")
            self.failed.emit(str(error))
            return
        self._possessions = _Possessions(context, self._painter)
        # Not a method of this widget: Qt ends the context in the widget's destructor, when Python's part is gone.
        context.aboutToBeDestroyed.connect(self._possessions.release)
        log.info("underlay paints with %s", self.gl_description)

    def paintGL(self) -> None:
        """Paint background and heat; called by Qt with the widget's framebuffer bound."""
        self._frames += 1
        if self._resting and is_seen(self):  # it was Qt that wanted this: something that lay on top has gone
            self.seenChanged.emit(True)
        if self._gl is None or self._painter is None or self._possessions is None or self._possessions.released:
            return
        target = self._frame_buffer(self._gl)
        target.use()
        frame, now_s = self._frame, self._clock.monotonic_s()
        if self._wants_kernel and kernels_are_loaded() and not self._fade.is_running(now_s):
            self._change_painter(self._gl, self._possessions)
        painter, ground = self._painter, self._ground(frame, target.size)
        scene = self._scene(frame, now_s)
        if scene is not None and self._image is not None and self._dirty is not None:
            painter.upload(self._image, self._dirty, keep=self._fading_in)
            self._dirty, self._fading_in = None, False
            self.uploads += 1
        painter.paint(target, ground, scene)
        if self._fade.is_running(now_s):
            QTimer.singleShot(FADE_STEP_MS, self._repaint)
        else:
            painter.forget_before()
        self.framePainted.emit()

    def _frame_buffer(self, gl: moderngl.Context) -> moderngl.Framebuffer:
        """Return the widget's frame buffer; found once, for moderngl keeps some memory each time it looks for it."""
        key = (self.defaultFramebufferObject(), *size_px(self))
        if self._target is None or self._target[0] != key:
            self._target = (key, gl.detect_framebuffer(key[0]))
        return self._target[1]

    def _change_painter(self, gl: moderngl.Context, possessions: _Possessions) -> None:
        """Let a kernel stretch the image from now on, if OpenGL is software. Decided once for each context."""
        self._wants_kernel = False
        context = self.context()
        if context is None or not is_software(gl.info["GL_RENDERER"]):
            return
        try:
            painter = PixelPainter(gl, context)
        except GraphicsError as error:
            log.info("the heat is stretched by a shader, because %s", error)
            return
        possessions.painter.release()
        self._painter = possessions.painter = painter
        self._dirty = (0, self._image.spec.cols) if self._image is not None else None
        # All of it is filled each time; Qt need not clear colours, depth and stencil before.
        self.setUpdateBehavior(QOpenGLWidget.UpdateBehavior.PartialUpdate)
        log.info("OpenGL is software: the heat is stretched by a kernel")

    def _ground(self, frame: Frame | None, size_px: tuple[int, int]) -> tuple[Patch, ...]:
        """Return the page's own colours, and over them the line where the window begins."""
        surfaces = self._surfaces if frame is None or frame.surfaces is None else frame.surfaces
        ground = patches(self._background, surfaces, size_px)
        if self._image is None or frame is None or frame.axis is None or self._window_start_ms is None:
            return ground
        return ground + window_mark(frame.viewport, frame.axis, self._window_start_ms, ground)

    def _scene(self, frame: Frame | None, now_s: float) -> Scene | None:
        """Return what to paint over the page's colours."""
        if self._image is None or frame is None or frame.axis is None:
            return None
        look = Look(self._opacity, self._smooth, self._fade.share(now_s))
        return Scene(frame.viewport, frame.axis, self._gaps, look)

    def showEvent(self, event: QShowEvent | None) -> None:
        """Look soon whether Qt could make a context."""
        super().showEvent(event)
        self.seenChanged.emit(True)
        QTimer.singleShot(CONTEXT_PATIENCE_MS, self._check_context)

    def hideEvent(self, event: QHideEvent | None) -> None:
        """Tell that nobody looks."""
        super().hideEvent(event)
        self.seenChanged.emit(False)

    def _check_context(self) -> None:
        if self.isVisible() and not self.size().isEmpty() and not self.isValid():
            self.failed.emit("Qt could not create an OpenGL context")

    # -- geometry ----------------------------------------------------------------------------------------------------

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        """Keep beneath the page and as large as the view, also when the view gets a new inner widget."""
        if event is not None and watched is self._view:
            if event.type() in (QEvent.Type.Resize, QEvent.Type.Show):
                self._follow()
            elif event.type() == QEvent.Type.ChildPolished:
                self.lower()
        return False

    def _follow(self) -> None:
        self.setGeometry(self._view.rect())
        self.lower()

    def remove(self) -> None:
        """Leave the view for good."""
        if self._possessions is not None:
            self._possessions.release()
        self._view.removeEventFilter(self)
        self.hide()
        self.deleteLater()
