"""Count of events within the last minute."""

from __future__ import annotations

from collections import deque
from typing import Final

WITHIN_S: Final = 60.0


class RecentCount:
    """Counts events of the last `WITHIN_S` seconds. All times are monotonic, in seconds."""

    def __init__(self) -> None:
        self._at_s: deque[float] = deque()

    def add(self, now_s: float) -> int:
        """Add an event and return the count."""
        self._at_s.append(now_s)
        return self.count(now_s)

    def count(self, now_s: float) -> int:
        while self._at_s and now_s - self._at_s[0] >= WITHIN_S:
            self._at_s.popleft()
        return len(self._at_s)
