"""Chromium's options: a bound of the chart page's memory, and no sandbox for root."""

from __future__ import annotations

import logging
import os

log = logging.getLogger(__name__)

FLAGS = "QTWEBENGINE_CHROMIUM_FLAGS"
# The page uses about 10 MB. Without a bound V8 collects garbage only at over 700 MB (measured: it grows by 3 MB/s at
# four candle updates a second); with this one the whole process stays under 200 MB.
PAGE_HEAP_MB = 128


def prepare_web_engine() -> None:
    """Set Chromium's options before the application is made; what the user has set in the environment is kept."""
    flags = os.environ.get(FLAGS, "")
    if "--js-flags" not in flags:
        os.environ[FLAGS] = f"{flags} --js-flags=--max-old-space-size={PAGE_HEAP_MB}".strip()
    _allow_root()


def _allow_root() -> None:
    """Disable the sandbox for root, where Chromium does not start with it. The page is local and has no network."""
    if hasattr(os, "geteuid") and os.geteuid() == 0 and "QTWEBENGINE_DISABLE_SANDBOX" not in os.environ:
        os.environ["QTWEBENGINE_DISABLE_SANDBOX"] = "1"
        log.warning("running as root: the web page's sandbox is off; better run as an ordinary user")
