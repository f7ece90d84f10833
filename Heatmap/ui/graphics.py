"""One OpenGL for page and underlay: what must be set before the application exists."""

from __future__ import annotations

from PyQt6.QtCore import QCoreApplication, Qt
from PyQt6.QtGui import QOpenGLContext, QSurfaceFormat
from PyQt6.QtQuick import QQuickWindow, QSGRendererInterface

# Sharing contexts needs QtWebEngine's own start-up, which importing this module runs.
from PyQt6.QtWebEngineWidgets import QWebEngineView  # noqa: F401

from Heatmap.errors import GraphicsError


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


def require_opengl() -> None:
    """Make sure that a window can be composed at all. Call it after `QApplication` was made.

    Raises
    ------
    GraphicsError
        Qt can create no OpenGL context: every window with a web view in it would stay black.
    """
    if not QOpenGLContext().create():
        raise GraphicsError(
            "Qt could create no OpenGL context",
            short="The window cannot be drawn: OpenGL is not available. Install or update the graphics driver, or "
            "software OpenGL (Debian: apt-get install libgl1-mesa-dri libegl1). `heatmap collect` records without a "
            "window, `heatmap doctor` tells more.",
        )
