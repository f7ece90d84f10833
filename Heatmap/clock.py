"""The system clocks, and the exchange's. Everything else takes a `Clock`, so that tests can use a false one."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

# A stored event further in the future than this counts as a mistake and does not move the present.
TRUSTED_LEAD_MS: Final = 24 * 3_600_000
# How long the exchange's time is continued by the monotonic clock; a sleeping machine stops that one.
ANCHOR_VALID_S: Final = 60.0


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
        return time.time_ns() // 1_000_000

    def monotonic_s(self) -> float:
        return time.monotonic()


SYSTEM_CLOCK = SystemClock()


def utc_text(time_ms: int, form: str = "%Y-%m-%d %H:%M:%S UTC") -> str:
    """Return a time in ms since the epoch as text in UTC; ``form`` as for `datetime.strftime`."""
    return datetime.fromtimestamp(time_ms / 1000, UTC).strftime(form)


def exchange_now_ms(machine_ms: int, offset_ms: float | None, newest_ms: int | None) -> int:
    """Return the present by the exchange's clock, by which events and coverage are dated; ms since the epoch.

    The exchange's clock is ``offset_ms`` ahead of this machine's, None if that was not measured. The present does not
    lie before ``newest_ms``, the trade time of the newest event, None if there is none.
    """
    now_ms = machine_ms + round(offset_ms or 0.0)
    if newest_ms is not None and now_ms < newest_ms <= now_ms + TRUSTED_LEAD_MS:
        return newest_ms
    return now_ms


class ExchangeClock:
    """The exchange's clock: the present at which the map ends.

    While the offset is measured again, because this machine's clock was set, the monotonic clock continues it.

    ``known`` returns ``(offset_ms, newest_ms)``, see `exchange_now_ms`, on any thread.
    """

    def __init__(self, machine: Clock, known: Callable[[], tuple[float | None, int | None]]) -> None:
        self._machine = machine
        self._known = known
        # The exchange's time and the monotonic one of the last call with a measured offset; replaced as a whole.
        self._anchor: tuple[int, float] | None = None

    def now_ms(self) -> int:
        """Return the present by the exchange's clock, in ms since the epoch; any thread."""
        offset_ms, newest_ms = self._known()
        machine_ms, now_s, anchor = self._machine.now_ms(), self._machine.monotonic_s(), self._anchor
        if offset_ms is not None:
            self._anchor = (machine_ms + round(offset_ms), now_s)
        elif anchor is not None and now_s - anchor[1] <= ANCHOR_VALID_S:
            return exchange_now_ms(anchor[0] + round((now_s - anchor[1]) * 1000), None, newest_ms)
        return exchange_now_ms(machine_ms, offset_ms, newest_ms)

    def monotonic_s(self) -> float:
        return self._machine.monotonic_s()
