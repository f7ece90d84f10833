"""Chromium's sandbox and the root user."""

from __future__ import annotations

import logging
import os

log = logging.getLogger(__name__)


def allow_root() -> None:
    """Let the web engine start as root, where Chromium refuses its sandbox. Call it before the application is made.

    The program's page is local and has no network, so little is lost; it is logged all the same.
    """
    if hasattr(os, "geteuid") and os.geteuid() == 0 and "QTWEBENGINE_DISABLE_SANDBOX" not in os.environ:
        os.environ["QTWEBENGINE_DISABLE_SANDBOX"] = "1"
        log.warning("running as root: the web page's sandbox is off; better run as an ordinary user")
