"""The symbols that a venue trades, asked for when they are wanted and kept for an hour."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Final

from Heatmap.ingestion.tick_refresher import fetch_instruments

if TYPE_CHECKING:
    from Heatmap.clock import Clock
    from Heatmap.ingestion.venue import Venue

KEEP_S: Final = 3600.0


class SymbolListing:
    """A venue's list of traded symbols; ``rest_url`` has no route."""

    def __init__(self, venue: Venue, rest_url: str, clock: Clock) -> None:
        self._venue = venue
        self._rest_url = rest_url
        self._clock = clock
        self._lock = threading.Lock()
        self._symbols: tuple[str, ...] = ()
        self._asked_s = 0.0

    def symbols(self) -> tuple[str, ...]:
        """Return the symbols, sorted; wait for the venue unless it has answered within `KEEP_S`.

        Any thread without a running asyncio loop. Raises `FeedError`: there is no answer, or none with symbols.
        """
        with self._lock:
            now_s = self._clock.monotonic_s()
            if not self._symbols or now_s - self._asked_s >= KEEP_S:
                instruments = asyncio.run(fetch_instruments(self._venue, self._rest_url, clock=self._clock))
                self._symbols = tuple(sorted(instruments.traded or instruments.tick_sizes))
                self._asked_s = now_s
            return self._symbols
