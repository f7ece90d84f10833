"""How fast frames follow each other, counted against an injected clock. No Qt."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from Heatmap.clock import SYSTEM_CLOCK

if TYPE_CHECKING:
    from Heatmap.clock import Clock


class FrameRate:
    """Says how fast frames follow each other while something is painted.

    A chart at rest paints nothing, which is no fault; so the rate is taken between the first and the last
    frame of the window, and is None when fewer than two frames were painted in it.

    Parameters
    ----------
    window_s
        How far back frames are looked at; positive.
    clock
        Whose monotonic time is used.
    """

    def __init__(self, *, window_s: float = 2.0, clock: Clock = SYSTEM_CLOCK) -> None:
        self._window_s = window_s
        self._clock = clock
        self._frames_s: deque[float] = deque()

    def count(self) -> None:
        """Take note of a frame painted now."""
        now_s = self._clock.monotonic_s()
        self._frames_s.append(now_s)
        self._forget(now_s)

    def value(self) -> float | None:
        """Return frames per second, None if nothing moves."""
        self._forget(self._clock.monotonic_s())
        gaps = len(self._frames_s) - 1
        if gaps < 1:
            return None
        span_s = self._frames_s[-1] - self._frames_s[0]
        return gaps / span_s if span_s > 0 else None

    def _forget(self, now_s: float) -> None:
        """Drop what is older than the half-open window ``(now - window, now]``."""
        while self._frames_s and self._frames_s[0] <= now_s - self._window_s:
            self._frames_s.popleft()
