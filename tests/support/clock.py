"""Clocks of tests."""

from __future__ import annotations

import time


class FastClock:
    """A clock that starts at a chosen moment and runs faster than the real one."""

    def __init__(self, start_ms, speed):
        self._start_ms, self._speed, self._begun_s = start_ms, speed, time.monotonic()

    def now_ms(self):
        return self._start_ms + int((time.monotonic() - self._begun_s) * 1_000 * self._speed)

    def monotonic_s(self):
        return time.monotonic()
