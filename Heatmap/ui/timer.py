"""Construction of Qt timers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PyQt6.QtCore import QTimer

if TYPE_CHECKING:
    from collections.abc import Callable

    from PyQt6.QtCore import QObject


def new_timer(parent: QObject, interval_ms: int, work: Callable[[], object], *, once: bool = True) -> QTimer:
    """Return a stopped timer; `start` of a running one begins its interval again."""
    timer = QTimer(parent)
    timer.setInterval(interval_ms)
    timer.setSingleShot(once)
    timer.timeout.connect(work)
    return timer
