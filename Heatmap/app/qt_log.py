"""Qt's own messages go where the program's log goes."""

from __future__ import annotations

import logging

from PyQt6.QtCore import QMessageLogContext, QtMsgType, qInstallMessageHandler

log = logging.getLogger("Heatmap.qt")

LEVELS = {
    QtMsgType.QtDebugMsg: logging.DEBUG,
    QtMsgType.QtInfoMsg: logging.INFO,
    QtMsgType.QtWarningMsg: logging.WARNING,
    QtMsgType.QtCriticalMsg: logging.ERROR,
    QtMsgType.QtFatalMsg: logging.CRITICAL,
}
# At its start the web engine looks for Vulkan and for a known graphics card, and says so when there is none. It then
# uses OpenGL, which is what the program asked for.
EXPECTED = (
    "Failed to load vulkan",
    "initInstance: No Vulkan library available",
    "Failed to create platform Vulkan instance",
    "Failed to create Vulkan instance",
    "Unable to detect GPU vendor",
    "Sandboxing disabled by user",  # already said by Heatmap.app.web_engine
)


def take_qt_messages() -> None:
    """Route Qt's messages into the log from now on."""
    qInstallMessageHandler(_handle)


def _handle(kind: QtMsgType, context: QMessageLogContext, message: str | None) -> None:
    text = message or ""
    level = logging.DEBUG if text.startswith(EXPECTED) else LEVELS.get(kind, logging.WARNING)
    log.log(level, "%s: %s", context.category or "default", text)
