"""Chromium's options (a bound of the page's memory, no sandbox for root), and Qt's messages in the log."""

from __future__ import annotations

import logging
import os

from PyQt6.QtCore import QMessageLogContext, QtMsgType, qInstallMessageHandler

log = logging.getLogger(__name__)
qt_log = logging.getLogger("Heatmap.qt")

FLAGS = "QTWEBENGINE_CHROMIUM_FLAGS"
# The page uses about 10 MB. Without a bound V8 collects garbage only at over 700 MB (measured: it grows by 3 MB/s at
# four candle updates a second); with this one the whole process stays under 200 MB.
PAGE_HEAP_MB = 128
# Chromium writes to the terminal itself, past Qt: at every start that it finds no D-Bus, and that its GPU process was
# not ready at the first try. Only what ends it is of concern; errors of the page come by Qt.
LOG_FATAL_ONLY = "--log-level=3"

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
    "Sandboxing disabled by user",  # already said below
)


def prepare_web_engine() -> None:
    """Set Chromium's options before the application is made; what the user has set in the environment is kept."""
    flags = os.environ.get(FLAGS, "")
    if "--js-flags" not in flags:
        flags = f"{flags} --js-flags=--max-old-space-size={PAGE_HEAP_MB}"
    if "--log-level" not in flags and "--enable-logging" not in flags:
        flags = f"{flags} {LOG_FATAL_ONLY}"
    os.environ[FLAGS] = flags.strip()
    _allow_root()


def _allow_root() -> None:
    """Disable the sandbox for root, where Chromium does not start with it. The page is local and has no network."""
    if hasattr(os, "geteuid") and os.geteuid() == 0 and "QTWEBENGINE_DISABLE_SANDBOX" not in os.environ:
        os.environ["QTWEBENGINE_DISABLE_SANDBOX"] = "1"
        log.warning("running as root: the web page's sandbox is off; better run as an ordinary user")


def take_qt_messages() -> None:
    """Route Qt's messages into the log from now on."""
    qInstallMessageHandler(_log_qt_message)


def _log_qt_message(kind: QtMsgType, context: QMessageLogContext, message: str | None) -> None:
    text = message or ""
    level = logging.DEBUG if text.startswith(EXPECTED) else LEVELS.get(kind, logging.WARNING)
    qt_log.log(level, "%s: %s", context.category or "default", text)
