"""What Chromium is told before it starts: the root user's sandbox, and how much memory the chart page may hoard."""

from __future__ import annotations

import logging
import os

log = logging.getLogger(__name__)

FLAGS = "QTWEBENGINE_CHROMIUM_FLAGS"
# The page lives on about 10 MB. Left alone, V8 lets the garbage of a live chart grow to over 700 MB before it collects
# (measured: 3 MB/s at four candle updates a second); with this bound the whole process stays under 200 MB.
PAGE_HEAP_MB = 128


def prepare_web_engine() -> None:
    """Set Chromium's options. Call it before the application is made.

    What the user has set in the environment is kept.
    """
    flags = os.environ.get(FLAGS, "")
    if "--js-flags" not in flags:
        os.environ[FLAGS] = f"{flags} --js-flags=--max-old-space-size={PAGE_HEAP_MB}".strip()
    _allow_root()


def _allow_root() -> None:
    """Let the web engine start as root, where Chromium refuses its sandbox.

    The program's page is local and has no network, so little is lost; it is logged all the same.
    """
    if hasattr(os, "geteuid") and os.geteuid() == 0 and "QTWEBENGINE_DISABLE_SANDBOX" not in os.environ:
        os.environ["QTWEBENGINE_DISABLE_SANDBOX"] = "1"
        log.warning("running as root: the web page's sandbox is off; better run as an ordinary user")
