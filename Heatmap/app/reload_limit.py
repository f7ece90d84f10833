"""How often a page that crashes is loaded again. Pure."""

from __future__ import annotations

from collections import deque

MOST = 3
WITHIN_S = 60.0


class ReloadLimit:
    """Allows `MOST` reloads within `WITHIN_S` seconds: a page that crashes at once would crash for ever."""

    def __init__(self) -> None:
        self._allowed_s: deque[float] = deque(maxlen=MOST)

    def allows(self, now_s: float) -> bool:
        """Return True if one more reload may be done now, and count it.

        Parameters
        ----------
        now_s
            Monotonic time, in seconds.
        """
        if len(self._allowed_s) == MOST and now_s - self._allowed_s[0] < WITHIN_S:
            return False
        self._allowed_s.append(now_s)
        return True
