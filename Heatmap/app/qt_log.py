"""Redirects Qt's messages into the program's log."""

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
# Messages of the web engine where there is no Vulkan or no known graphics card; it then uses OpenGL, as it should.
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
