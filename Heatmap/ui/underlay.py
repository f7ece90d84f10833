"""The transparent OpenGL layer beneath the chart: paints the page's background and the heat, and nothing else.

It is a child of the `QWebEngineView`, lowered beneath the `QQuickWidget` that shows the page, so the host's layout
stays as it is. It decides nothing: it is handed a viewport, a time axis and an image, and puts them on the screen.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Self, SupportsInt, cast

import moderngl
import numpy as np
from PyQt6.QtCore import QEvent, QObject, Qt, QTimer, pyqtSignal
from PyQt6.QtGui import QOpenGLContext, QSurfaceFormat
from PyQt6.QtOpenGLWidgets import QOpenGLWidget

from Heatmap.resources import SHADERS, read_text
from Heatmap.ui.strip_mesh import StripMesh, strip_mesh
from Heatmap.ui.surface import Rgb, Surface, opaque_colors

if TYPE_CHECKING:
    from PyQt6.QtGui import QColor, QShowEvent
    from PyQt6.QtWebEngineWidgets import QWebEngineView

    from Heatmap.aggregation import HeatmapImage
    from Heatmap.ui.frame_follower import Frame

log = logging.getLogger(__name__)

BYTES_PER_VERTEX = 16
GL_VERSION = (3, 3)
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


class Underlay(QOpenGLWidget):
    """Paints the heat behind a transparent web view.

    Parameters
    ----------
    view
        The web view to lie beneath; becomes the parent.
    """

    framePainted = pyqtSignal()
    failed = pyqtSignal(str)  # OpenGL is missing or broke: one sentence for the log

    def __init__(self, view: QWebEngineView) -> None:
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
        self._image_is_new = False
        self._background: Rgb = (1.0, 1.0, 1.0)
        self._surfaces: tuple[Surface, ...] = ()
        self._opacity = 1.0
        self._smooth = False
        self._gl: moderngl.Context | None = None
        self._texture: moderngl.Texture | None = None
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
    def frame(self) -> Frame | None:
        """Return the frame of the chart that is painted for."""
        return self._frame

    def set_frame(self, frame: Frame | None) -> None:
        """Move the heat to where the chart is in this frame; None: it is nowhere."""
        self._frame = frame
        self.update()

    def set_image(self, image: HeatmapImage | None) -> None:
        """Show another image (None: only the background). It is uploaded once, with the next frame."""
        if image is None and self._image is None:
            return
        self._image = image
        self._image_is_new = image is not None
        self.update()

    def set_background(self, color: QColor, surfaces: tuple[Surface, ...] = ()) -> None:
        """Set the colours that the page had: beneath it all, and of its parts, outermost first."""
        self._background = (color.redF(), color.greenF(), color.blueF())
        self._surfaces = surfaces
        self.update()

    def set_opacity(self, opacity: float) -> None:
        """Set how strong the heat is, 0 to 1."""
        self._opacity = opacity
        self.update()

    def set_smooth(self, *, smooth: bool) -> None:
        """Blend neighbouring cells (True) or show each as a sharp rectangle."""
        self._smooth = smooth
        self.update()

    # -- OpenGL ------------------------------------------------------------------------------------------------------

    def initializeGL(self) -> None:
        """Build the program; called by Qt with a current context, again after the context was lost."""
        context = self.context()
        if context is None:  # cannot happen inside initializeGL; keeps the types honest
            return
        self._texture = None
        self._image_is_new = self._image is not None
        try:
            self._gl = moderngl.create_context(require=330, context=cast("dict[str, Any]", _QtLoader(context)))
            self._program = self._gl.program(
                vertex_shader=read_text(SHADERS / "heatmap.vert"),
                fragment_shader=read_text(SHADERS / "heatmap.frag"),
            )
            self._vertices = self._gl.buffer(reserve=64 * BYTES_PER_VERTEX, dynamic=True)
            self._strips = self._bind_vertices()
        except (moderngl.Error, ValueError, OSError) as error:
            self._gl = None
            log.exception("the underlay cannot paint")
            self.failed.emit(str(error))
            return
        context.aboutToBeDestroyed.connect(self._release_gl)
        log.info("underlay paints with %s", self.gl_description)

    def paintGL(self) -> None:
        """Paint background and heat; called by Qt with the widget's framebuffer bound."""
        self._frames += 1
        if self._gl is None:
            return
        target = self._gl.detect_framebuffer(self.defaultFramebufferObject())
        target.use()
        self._paint_background(target)
        frame = self._frame
        if self._image is not None and frame is not None and frame.axis is not None:
            self._paint_heat(self._gl, target, self._image, strip_mesh(frame.viewport, frame.axis, self._image.spec))
        self.framePainted.emit()

    def _paint_background(self, target: moderngl.Framebuffer) -> None:
        target.clear(*self._background, 1.0)
        _, surface_height_px = self._surface_px()
        for surface, color in zip(self._surfaces, opaque_colors(self._background, self._surfaces), strict=True):
            left, top, width, height = surface.box_px
            if width > 0 and height > 0:
                target.clear(*color, 1.0, viewport=(left, surface_height_px - top - height, width, height))

    def _surface_px(self) -> tuple[int, int]:
        scale = self.devicePixelRatioF()
        return round(self.width() * scale), round(self.height() * scale)

    def _paint_heat(
        self, gl: moderngl.Context, target: moderngl.Framebuffer, image: HeatmapImage, mesh: StripMesh
    ) -> None:
        if not len(mesh.vertices):
            return
        texture = self._upload(gl, image)
        surface = self._surface_px()
        if mesh.vertices.nbytes > self._vertices.size:
            self._vertices.orphan(2 * mesh.vertices.nbytes)
            self._strips.release()
            self._strips = self._bind_vertices()
        self._vertices.write(mesh.vertices)
        wanted = moderngl.LINEAR if self._smooth else moderngl.NEAREST
        texture.filter = (wanted, wanted)
        texture.use(0)
        self._program["surface_px"] = surface
        self._program["opacity"] = self._opacity
        self._program["logarithmic"] = mesh.logarithmic
        self._program["edge_top"] = mesh.edge_top
        self._program["edge_bottom"] = mesh.edge_bottom
        self._program["log_scale"] = mesh.log_scale
        self._program["log_offset"] = mesh.log_offset
        left, top, width, height = mesh.scissor_px
        target.scissor = (left, surface[1] - top - height, width, height)
        gl.enable_only(moderngl.BLEND)
        gl.blend_func = moderngl.ONE, moderngl.ONE_MINUS_SRC_ALPHA
        self._strips.render(moderngl.TRIANGLES, vertices=len(mesh.vertices))
        target.scissor = (0, 0, *surface)

    def _bind_vertices(self) -> moderngl.VertexArray:
        if self._gl is None:
            raise RuntimeError("vertices are bound only with a context")
        return self._gl.vertex_array(
            self._program, [(self._vertices, "2f 1f 1f", "place", "time_share", "height_share")]
        )

    def _upload(self, gl: moderngl.Context, image: HeatmapImage) -> moderngl.Texture:
        rows, cols, channels = image.rgba.shape
        texture = self._texture
        if texture is None or texture.size != (cols, rows):
            if texture is not None:
                texture.release()
            texture = self._texture = gl.texture((cols, rows), channels)
            texture.repeat_x = texture.repeat_y = False
            self._image_is_new = True
        if self._image_is_new:
            texture.write(np.ascontiguousarray(image.rgba))
            self._image_is_new = False
            self.uploads += 1
        return texture

    def _release_gl(self) -> None:
        self.makeCurrent()
        for resource in (self._texture, self._strips, self._vertices, self._program):
            if resource is not None:
                resource.release()
        self._texture = None
        self._gl = None
        self.doneCurrent()

    def showEvent(self, event: QShowEvent | None) -> None:
        """Look soon whether Qt could make a context."""
        super().showEvent(event)
        QTimer.singleShot(CONTEXT_PATIENCE_MS, self._check_context)

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
        self._view.removeEventFilter(self)
        self.hide()
        self.deleteLater()
