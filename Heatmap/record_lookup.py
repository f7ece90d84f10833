"""Values that the service reads from the database now and then: tick sizes, the exchange's time, who records."""

from __future__ import annotations

import logging
import math
import threading
from typing import TYPE_CHECKING, Final

from Heatmap.errors import StorageError
from Heatmap.reports import HEARTBEAT_MISSED_MS
from Heatmap.storage.sqlite.sqlite_store import SqliteStore

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from Heatmap.clock import Clock
    from Heatmap.reports import ClockReading, LockHolder

_LOG = logging.getLogger(__name__)

# Fewest seconds between two queries for the tick size of a symbol, and for the exchange's time.
TICK_LOOKUP_S: Final = 10.0
TIME_LOOKUP_S: Final = 5.0


class RecordLookup:
    """Cached queries of some symbols of one source; any thread."""

    def __init__(self, db_path: Path, source: str, symbols: Sequence[str], clock: Clock) -> None:
        self._db_path = db_path
        self._source = source
        self._symbols = symbols
        self._clock = clock
        self._lock = threading.Lock()
        self._ticks: dict[str, tuple[float | None, float]] = {}  # value, and monotonic seconds of the query
        self._time: tuple[ClockReading | None, int | None] = (None, None)  # newest reading and event
        self._recorder: tuple[LockHolder | None, int] = (None, 0)  # and its last sign of life
        self._time_asked_s = -math.inf

    def tick_size(self, symbol: str) -> float | None:
        """Return the stored tick size of a symbol in quote currency, or None."""
        now_s = self._clock.monotonic_s()
        with self._lock:
            tick, asked_s = self._ticks.get(symbol, (None, -math.inf))
        if now_s - asked_s < TICK_LOOKUP_S:
            return tick
        try:
            with SqliteStore(self._db_path) as store:
                tick = store.tick_size(symbol, self._source)
        except StorageError as error:
            _LOG.warning("no tick size from the database: %s", error)
        with self._lock:
            self._ticks[symbol] = (tick, now_s)
        return tick

    def offset_ms(self) -> float | None:
        """Return the newest recorded clock offset that is still valid, in ms, or None."""
        reading, _ = self._exchange_time()
        return reading.offset_ms if reading is not None and reading.is_valid_at(self._clock.now_ms()) else None

    def recorder(self) -> LockHolder | None:
        """Return who recorded the source some seconds ago, or None."""
        self._exchange_time()
        holder, heartbeat_ms = self._recorder
        return holder if self._clock.now_ms() - heartbeat_ms < HEARTBEAT_MISSED_MS + TIME_LOOKUP_S * 1000 else None

    def newest_ms(self) -> int | None:
        """Return the time of the newest stored event of the symbols, ms since the epoch, or None."""
        return self._exchange_time()[1]

    def _exchange_time(self) -> tuple[ClockReading | None, int | None]:
        now_s = self._clock.monotonic_s()
        with self._lock:
            if now_s - self._time_asked_s < TIME_LOOKUP_S:
                return self._time
            self._time_asked_s = now_s  # other threads use the old value meanwhile
        try:
            with SqliteStore(self._db_path) as store:
                self._time = store.clock_reading(self._source), store.newest_ms(self._symbols, self._source)
                self._recorder = store.recorder(self._source) or (None, 0)
        except StorageError as error:
            _LOG.warning("no exchange time from the database: %s", error)
        return self._time
