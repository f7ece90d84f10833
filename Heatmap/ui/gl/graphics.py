"""Set-up of OpenGL for page and underlay, which must run before the application exists."""

from __future__ import annotations

import logging
import os
import sys
from functools import cache
from typing import Final

from PyQt6.QtCore import QCoreApplication, Qt
from PyQt6.QtGui import QOpenGLContext, QSurfaceFormat
from PyQt6.QtQuick import QQuickWindow, QSGRendererInterface

from Heatmap.errors import GraphicsError

log = logging.getLogger(__name__)

# Mesa's three, Chromium's, and those of Windows.
_SOFTWARE_RENDERERS = ("llvmpipe", "softpipe", "software rasterizer", "swiftshader", "gdi generic", "basic render")

_FLAGS: Final = "QTWEBENGINE_CHROMIUM_FLAGS"
_WITHOUT_SHARED_MEMORY: Final = "--disable-dev-shm-usage"
_SHARED_MEMORY: Final = "/dev/shm"  # noqa: S108 - Chromium's own place
# Containers often have 64 MB or less; a chart on a large screen needs about 40, and Chromium crashes without a message.
_ENOUGH_BYTES: Final = 128 * 1024 * 1024

_SURFACE_VERSION: Final = (3, 3)


def configure_graphics(*, strict: bool = True) -> bool:
    """Prepare Qt so that a native OpenGL layer can show through a web view. Call it before `QApplication` is made.

    Qt's scene graph is set to OpenGL (on Windows and macOS its default is Direct3D or Metal, which cannot be composed
    with it), and all contexts share their resources, for which they all ask for OpenGL 3.3 core. With little shared
    memory (Linux) the web engine uses temporary files.

    Return True if Qt is prepared. False, with ``strict=False`` only: the `QApplication` was made without it. Then the
    heatmap may work all the same where Qt uses OpenGL by itself, as on most Linux desktops.

    Raises
    ------
    GraphicsError
        The `QApplication` was made without this call before it, and ``strict``.
    """
    if QCoreApplication.instance() is not None:
        if _is_configured():
            return True
        error = GraphicsError(
            "configure_graphics() was called after QApplication was made: call it before",
            short="Call Heatmap.configure_graphics() before QApplication is created.",
        )
        if strict:
            raise error
        log.warning("%s", error)
        return False
    # Sharing contexts needs QtWebEngine's own start-up, which importing it runs; after QApplication it raises.
    import PyQt6.QtWebEngineWidgets  # noqa: F401, PLC0415

    QQuickWindow.setGraphicsApi(QSGRendererInterface.GraphicsApi.OpenGL)
    QCoreApplication.setAttribute(Qt.ApplicationAttribute.AA_ShareOpenGLContexts)
    surface = QSurfaceFormat.defaultFormat()
    surface.setVersion(*_SURFACE_VERSION)
    surface.setProfile(QSurfaceFormat.OpenGLContextProfile.CoreProfile)
    QSurfaceFormat.setDefaultFormat(surface)
    spare_shared_memory()
    return True


def _is_configured() -> bool:
    surface = QSurfaceFormat.defaultFormat()
    return (
        QQuickWindow.graphicsApi() is QSGRendererInterface.GraphicsApi.OpenGL
        and QCoreApplication.testAttribute(Qt.ApplicationAttribute.AA_ShareOpenGLContexts)
        and surface.version() >= _SURFACE_VERSION
        and surface.profile() is QSurfaceFormat.OpenGLContextProfile.CoreProfile
    )


def spare_shared_memory() -> None:
    """Let the web engine use temporary files where `/dev/shm` is too small: pages would crash, or stay black."""
    flags = os.environ.get(_FLAGS, "")
    if sys.platform != "linux" or _WITHOUT_SHARED_MEMORY in flags:
        return
    try:
        found = os.statvfs(_SHARED_MEMORY)
    except OSError:
        free_bytes = 0
    else:
        free_bytes = found.f_bavail * found.f_frsize
    if free_bytes < _ENOUGH_BYTES:
        os.environ[_FLAGS] = f"{flags} {_WITHOUT_SHARED_MEMORY}".strip()
        log.warning(
            "%s has %.0f MB free: the web engine uses temporary files instead", _SHARED_MEMORY, free_bytes / 1e6
        )


def is_software(renderer: str) -> bool:
    """Return True if a driver of this name (``GL_RENDERER``) paints on the processor."""
    return any(name in renderer.lower() for name in _SOFTWARE_RENDERERS)


@cache
def has_opengl() -> bool:
    """Return True if Qt can create an OpenGL context; cached. Call it after `QApplication` was made."""
    return QOpenGLContext().create()


def ensure_graphics() -> bool:
    """Return True if there is OpenGL; else let Qt paint web views in software.

    Call it after `QApplication` and before the first web view. `configure_graphics` asks for OpenGL before it can be
    tested; where there is none, every web view would stay black. So the chart stays usable, without heat.
    """
    if has_opengl():
        return True
    QQuickWindow.setGraphicsApi(QSGRendererInterface.GraphicsApi.Software)
    log.error(
        "OpenGL is not available: the chart is drawn without it, and no heat behind it. Install or update the graphics"
        " driver, or software OpenGL (Debian: apt-get install libgl1-mesa-dri libegl1); `heatmap doctor` gives details"
    )
    return False
