"""How often the web process ended lately. Pure."""

from __future__ import annotations

from collections import deque

WITHIN_S = 60.0


class CrashCount:
    """Counts what happened within the last `WITHIN_S` seconds."""

    def __init__(self) -> None:
        self._at_s: deque[float] = deque()

    @property
    def lately(self) -> int:
        """Return how many there were in the last `WITHIN_S` seconds when the last one came, that one with them."""
        return len(self._at_s)

    def add(self, now_s: float) -> None:
        """Count one more.

        Parameters
        ----------
        now_s
            Monotonic time, in seconds.
        """
        self._at_s.append(now_s)
        while now_s - self._at_s[0] >= WITHIN_S:
            self._at_s.popleft()
