"""One OpenGL for page and underlay: what must be set before the application exists."""

from __future__ import annotations

import logging
from functools import cache

from PyQt6.QtCore import QCoreApplication, Qt
from PyQt6.QtGui import QOpenGLContext, QSurfaceFormat
from PyQt6.QtQuick import QQuickWindow, QSGRendererInterface

# Sharing contexts needs QtWebEngine's own start-up, which importing this module runs.
from PyQt6.QtWebEngineWidgets import QWebEngineView  # noqa: F401

from Heatmap.errors import GraphicsError

log = logging.getLogger(__name__)

# Mesa's three, Chromium's, and those of Windows.
_SOFTWARE_RENDERERS = ("llvmpipe", "softpipe", "software rasterizer", "swiftshader", "gdi generic", "basic render")


def configure_graphics() -> None:
    """Prepare Qt so that a native OpenGL layer can show through a web view. Call it before `QApplication` is made.

    Qt's scene graph is set to OpenGL (on Windows and macOS it would use Direct3D or Metal and the window could not
    compose), and all contexts share their resources. The default surface format asks for OpenGL 3.3 core, which shared
    contexts must agree on.

    Raises
    ------
    GraphicsError
        The application exists already.
    """
    if QCoreApplication.instance() is not None:
        raise GraphicsError(
            "configure_graphics() was called after QApplication was made",
            short="Call Heatmap.configure_graphics() before QApplication is created.",
        )
    QQuickWindow.setGraphicsApi(QSGRendererInterface.GraphicsApi.OpenGL)
    QCoreApplication.setAttribute(Qt.ApplicationAttribute.AA_ShareOpenGLContexts)
    surface = QSurfaceFormat.defaultFormat()
    surface.setVersion(3, 3)
    surface.setProfile(QSurfaceFormat.OpenGLContextProfile.CoreProfile)
    QSurfaceFormat.setDefaultFormat(surface)


def is_software(renderer: str) -> bool:
    """Return whether a driver of this name (``GL_RENDERER``) paints on the processor."""
    return any(name in renderer.lower() for name in _SOFTWARE_RENDERERS)


@cache
def has_opengl() -> bool:
    """Return whether Qt can create an OpenGL context. Call it after `QApplication` was made; asked once."""
    return QOpenGLContext().create()


def ensure_graphics() -> bool:
    """Let web views be seen where there is no OpenGL. Call it after `QApplication` and before the first web view.

    `configure_graphics` asks for OpenGL before anybody can know whether there is any; without it every web view would
    stay black. Here the page is given Qt's software renderer then: the chart stays usable, the heat cannot be drawn.

    Returns
    -------
    bool
        Whether there is OpenGL.
    """
    if has_opengl():
        return True
    QQuickWindow.setGraphicsApi(QSGRendererInterface.GraphicsApi.Software)
    log.error(
        "OpenGL is not available: the chart is drawn without it, and no heat behind it. Install or update the graphics"
        " driver, or software OpenGL (Debian: apt-get install libgl1-mesa-dri libegl1); `heatmap doctor` tells more"
    )
    return False
