"""The position of a replay in time: plays, pauses, seeks. No widgets."""

from __future__ import annotations

from typing import Final

from PyQt6.QtCore import QElapsedTimer, QObject, pyqtSignal

from Heatmap.ui.timer import new_timer

SPEEDS: Final = (1, 10, 30, 60, 120, 300, 600)
DEFAULT_SPEED: Final = 60
TICK_MS: Final = 50


class ReplayPlayer(QObject):
    """Moves through ``[start_ms, end_ms]``, ms since the epoch, at `speed` times the real time; stops at the end."""

    moved = pyqtSignal(object)  # int: the position; a Qt int has 32 bits
    playingChanged = pyqtSignal(bool)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.start_ms = self.end_ms = 0
        self.position_ms = 0
        self.speed: float = DEFAULT_SPEED
        self._since_tick = QElapsedTimer()
        self._timer = new_timer(self, TICK_MS, self._tick, once=False)

    @property
    def is_playing(self) -> bool:
        """True while time goes on."""
        return self._timer.isActive()

    def set_span(self, start_ms: int, end_ms: int) -> None:
        """Set the time that there is; a position outside of it moves to its nearest end."""
        self.start_ms, self.end_ms = start_ms, max(end_ms, start_ms)
        if not self.start_ms <= self.position_ms <= self.end_ms:
            self.seek(self.position_ms)

    def play(self) -> None:
        """Let time go on, from the beginning if it has reached the end."""
        if self.is_playing or self.start_ms == self.end_ms:
            return
        if self.position_ms >= self.end_ms:
            self.seek(self.start_ms)
        self._since_tick.start()
        self._timer.start()
        self.playingChanged.emit(True)

    def pause(self) -> None:
        """Stop where it is."""
        if self.is_playing:
            self._timer.stop()
            self.playingChanged.emit(False)

    def toggle(self) -> None:
        """Play or pause."""
        if self.is_playing:
            self.pause()
        else:
            self.play()

    def seek(self, position_ms: int) -> None:
        """Go to a time, or to the nearest end of the span."""
        position_ms = min(max(position_ms, self.start_ms), self.end_ms)
        if position_ms != self.position_ms:
            self.position_ms = position_ms
            self.moved.emit(position_ms)

    def _tick(self) -> None:
        # By the time that has passed: a busy machine ticks late.
        self.seek(self.position_ms + round(self._since_tick.restart() * self.speed))
        if self.position_ms >= self.end_ms:
            self.pause()
