"""One line on a terminal that tells how far a long job is; nothing where nobody is looking."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Final, Self, TextIO

from Heatmap.clock import SYSTEM_CLOCK, Clock

if TYPE_CHECKING:
    from types import TracebackType

_EVERY_S: Final = 0.1
_BAR_CELLS: Final = 24
_LEAST_SHARE: Final = 0.01
_SECONDS_PER_MINUTE: Final = 60


class ProgressBar:
    """A bar that redraws itself at most ten times a second and leaves an empty line behind.

    Parameters
    ----------
    stream
        Where to; if it is no terminal, nothing is written at all.
    clock
        Monotonic time for rate and remaining time.
    """

    def __init__(self, stream: TextIO, *, clock: Clock = SYSTEM_CLOCK) -> None:
        self._stream = stream
        self._clock = clock
        self._is_shown = stream.isatty()
        self._name = ""
        self._started_s = self._drawn_s = 0.0

    def __enter__(self) -> Self:
        """Return the bar; leaving the block wipes it."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Wipe the line."""
        self.wipe()

    def update(self, name: str, fraction: float, rows: int) -> None:
        """Show that ``fraction`` (0 to 1) of the work called ``name`` is done, ``rows`` so far."""
        now_s = self._clock.monotonic_s()
        if name != self._name:
            self._name, self._started_s = name, now_s
        if self._is_shown and now_s - self._drawn_s >= _EVERY_S:
            self._drawn_s = now_s
            self._stream.write(f"\r\x1b[K{self.line(name, fraction, rows, now_s - self._started_s)}")
            self._stream.flush()

    def wipe(self) -> None:
        """Take the line away, so that something else can be written."""
        if self._is_shown:
            self._stream.write("\r\x1b[K")
            self._stream.flush()

    @staticmethod
    def line(name: str, fraction: float, rows: int, elapsed_s: float) -> str:
        """Return the text of the bar, no longer than the terminal is wide."""
        filled = round(fraction * _BAR_CELLS)
        bar = "█" * filled + "░" * (_BAR_CELLS - filled)
        parts = [f"{bar} {fraction:4.0%}", f"{rows:,} rows"]
        if elapsed_s > 0:
            parts.append(f"{rows / elapsed_s:,.0f}/s")
        if fraction >= _LEAST_SHARE:
            left_s = round(elapsed_s * (1 - fraction) / fraction)
            parts.append(f"{left_s // _SECONDS_PER_MINUTE}:{left_s % _SECONDS_PER_MINUTE:02} left")
        return "  ".join([*parts, name])[: shutil.get_terminal_size().columns - 1]
