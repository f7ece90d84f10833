"""The one home of the system clocks; everything else takes a `Clock` and can be tested with a false one."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """Wall time for what is stored, monotonic time for what is measured."""

    def now_ms(self) -> int:
        """Return milliseconds since the Unix epoch, UTC."""
        ...

    def monotonic_s(self) -> float:
        """Return seconds of a clock that never steps."""
        ...


class SystemClock:
    """The real clocks of this machine."""

    def now_ms(self) -> int:
        """Return milliseconds since the Unix epoch, UTC."""
        return time.time_ns() // 1_000_000

    def monotonic_s(self) -> float:
        """Return seconds of a clock that never steps."""
        return time.monotonic()


SYSTEM_CLOCK = SystemClock()
