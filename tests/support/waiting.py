"""Waiting for a condition of another thread or process."""

from __future__ import annotations

import time

PATIENCE_S = 60.0


def until(condition, patience_s=PATIENCE_S):
    """Return once ``condition()`` is true; fail after ``patience_s`` seconds."""
    deadline_s = time.monotonic() + patience_s
    while not condition():
        assert time.monotonic() < deadline_s, "the condition did not come true in time"
        time.sleep(0.01)
