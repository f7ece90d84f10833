"""How far one picture has eased into the next. Pure."""

from __future__ import annotations

DURATION_S = 0.3


class Fade:
    """A change that takes `DURATION_S` seconds, with a soft beginning and end.

    A change that begins while another is under way goes on from there: what changes often must not start over and over.
    """

    def __init__(self) -> None:
        self._begun_s: float | None = None

    def start(self, now_s: float) -> None:
        """Begin, unless a change is under way."""
        if not self.is_running(now_s):
            self._begun_s = now_s

    def stop(self) -> None:
        """Be at the end."""
        self._begun_s = None

    def is_running(self, now_s: float) -> bool:
        """Return True while the picture changes."""
        return self._begun_s is not None and now_s - self._begun_s < DURATION_S

    def share(self, now_s: float) -> float:
        """Return how much of the new picture is seen, 0 to 1."""
        if self._begun_s is None:
            return 1.0
        passed = min(max((now_s - self._begun_s) / DURATION_S, 0.0), 1.0)
        return passed * passed * (3.0 - 2.0 * passed)
