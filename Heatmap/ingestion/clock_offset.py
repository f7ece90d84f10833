"""Difference between the exchange's clock and this machine's, and the latency of messages.

Both are measured on the feed's own socket: each heartbeat carries the exchange's time, a ping gives the round trip.
Events are stored with the exchange's times; the offset makes receive times comparable.
"""

from __future__ import annotations

import statistics
from collections import deque
from typing import Final

from Heatmap.reports import ClockReading

RECORD_S: Final = 3600.0  # between two recorded readings while the offset stays
RECORD_AGAIN_S: Final = 60.0  # however the offset moves, unless the machine's clock was set

_MESSAGES: Final = 60
_FEWEST_MESSAGES: Final = 5
_ROUND_TRIPS: Final = 9


class ClockOffset:
    """Offset and latency from the newest messages and round trips of one feed."""

    def __init__(self) -> None:
        self._lags_ms: deque[int] = deque(maxlen=_MESSAGES)
        self._round_trips_ms: deque[float] = deque(maxlen=_ROUND_TRIPS)
        self._recorded: ClockReading | None = None
        self._recorded_s = 0.0

    def note_message(self, received_ms: int, event_ms: int) -> None:
        """Take the times at which a message was read here and pushed there, each by its own clock."""
        self._lags_ms.append(received_ms - event_ms)

    def note_round_trip(self, round_trip_ms: float) -> None:
        """Take the time from a ping to its pong, by the monotonic clock."""
        self._round_trips_ms.append(round_trip_ms)

    def clock_was_set(self) -> None:
        """Drop everything that this machine's wall clock was part of."""
        self._lags_ms.clear()
        self._recorded = None

    @property
    def latency_ms(self) -> float | None:
        """Half of the median round trip, in ms, or None; any thread."""
        # A copy in one step: the loop's thread goes on appending.
        round_trips_ms = list(self._round_trips_ms)
        return statistics.median(round_trips_ms) / 2 if round_trips_ms else None

    @property
    def uncertainty_ms(self) -> float | None:
        """Half of the shortest round trip, in ms, or None."""
        round_trips_ms = list(self._round_trips_ms)
        return min(round_trips_ms) / 2 if round_trips_ms else None

    @property
    def offset_ms(self) -> float | None:
        """How far the exchange's clock is ahead of this machine's (negative: behind), in ms, or None; any thread.

        From the quickest message and the quickest ping: others waited somewhere, perhaps for our own full store. What
        the exchange takes to push a message counts as offset: some ms.
        """
        lags_ms, way_ms = list(self._lags_ms), self.uncertainty_ms
        if way_ms is None or len(lags_ms) < _FEWEST_MESSAGES:
            return None
        return way_ms - min(lags_ms)

    def reading_to_record(self, source: str, now_ms: int, now_s: float) -> ClockReading | None:
        """Return a reading if one is due: the first, each hour, and when the offset moved by more than its uncertainty.

        ``now_ms`` is this machine's wall clock, ``now_s`` monotonic.
        """
        offset_ms, uncertainty_ms = self.offset_ms, self.uncertainty_ms
        if offset_ms is None or uncertainty_ms is None:
            return None
        last = self._recorded
        age_s = now_s - self._recorded_s
        if last is not None and age_s < RECORD_AGAIN_S:
            return None
        if last is not None and age_s < RECORD_S:
            tolerance_ms = 2 * max(last.uncertainty_ms, uncertainty_ms) + 10
            if abs(offset_ms - last.offset_ms) <= tolerance_ms:
                return None
        self._recorded, self._recorded_s = ClockReading(source, now_ms, offset_ms, uncertainty_ms), now_s
        return self._recorded
