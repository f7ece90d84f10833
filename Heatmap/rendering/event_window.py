"""The events of one symbol's time window in memory: one query when it opens, then the tail by row id."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from Heatmap.aggregation.event_batch import EventBatch
from Heatmap.event_columns import EventColumns
from Heatmap.storage.sqlite_store import SqliteStore

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from numpy.typing import NDArray

    from Heatmap.aggregation import GridSpec, HeatmapImage
    from Heatmap.events import Coverage
    from Heatmap.heatmap_settings import HeatmapSettings

# Times without a record: ``(start, end)`` each in ms since the epoch, half-open, ascending.
Gaps = tuple[tuple[int, int], ...]

FAR_MS: Final = 2**62
# A running collector notes its coverage every 5 s, so the last seconds before now are no gap yet.
LIVE_EDGE_MS: Final = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class MapStatistics:
    """Figures of one window and of the image made from it; None: not known."""

    events: int | None = None  # of the window
    shown: int | None = None  # of these, those that pass side, minimum size and floor; the next three are sums of them
    long_usd: float | None = None  # notional of liquidated longs and shorts, lower bounds
    short_usd: float | None = None
    largest_usd: float | None = None  # the largest event
    hidden_usd: float | None = None  # notional of the events that are not shown
    spec: GridSpec | None = None  # the image's grid
    build_ms: float | None = None
    engine: str = ""


class EventWindow:
    """Cache of a window's events and coverage. For one thread."""

    def __init__(self, path: Path) -> None:
        self._store = SqliteStore(path)
        self._key: tuple[str, str, int] | None = None
        self._start_ms = 0
        self._version: int | None = None
        self._coverage: list[Coverage] = []
        self._coverage_key: tuple[object, ...] = ()
        self.columns = EventColumns.empty()  # oldest first; some may be older than the window
        self._cell_usd: tuple[EventColumns, tuple[object, ...], NDArray[np.float32]] | None = None

    def shows(self, symbol: str, source: str) -> bool:
        """Return True if the events in memory are those of this symbol and source."""
        return self._key is not None and self._key[:2] == (symbol, source)

    def refresh(self, symbol: str, source: str, start_ms: int) -> bool:
        """Bring the events up to date from ``start_ms`` on; return True if they changed.

        The window has no end: an event dated ahead of this machine's clock must be in it, because the tail continues
        after its row.
        """
        version = self._store.data_version()
        key = (symbol, source, self._store.generation)
        if self._key != key or start_ms < self._start_ms:
            self.columns = self._store.window(symbol, source, start_ms, FAR_MS)
            self._key, self._start_ms, self._version = key, start_ms, version
            return True
        changed = False
        if version != self._version:
            self._version = version
            newer = self._store.tail(symbol, source, self.columns.last_row_id)
            if len(newer):
                self.columns = self.columns.merged(newer.between(start_ms, FAR_MS))
                changed = True
        # Old events go when they are a tenth of all, so that a tail stays cheap.
        kept = self.columns.between(start_ms, FAR_MS)
        if len(self.columns) - len(kept) > len(self.columns) // 10:
            self.columns, self._start_ms = kept, start_ms
        return changed

    def coverage(self, symbol: str, source: str, start_ms: int) -> list[Coverage]:
        """Return what was recorded since ``start_ms``; read again only when the file has changed."""
        key = (symbol, source, self._store.generation, self._version, start_ms)
        if self._coverage_key != key:
            self._coverage = self._store.coverage(symbol, source, start_ms, FAR_MS)
            self._coverage_key = key
        return self._coverage

    def statistics(self, image: HeatmapImage | None, settings: HeatmapSettings, start_ms: int) -> MapStatistics:
        """Return the figures of the events since ``start_ms`` and of the image made from them."""
        columns = self.columns.between(start_ms, FAR_MS)
        batch = EventBatch.select(
            columns, first=0, sides=settings.sides, min_notional=settings.min_notional_usd, by_side=False
        )
        shown, longs, notional = batch.keeps(), columns.is_long, columns.notional
        if settings.floor_usd and image is not None:
            shown &= self._sums_of_cells(batch, image.spec) >= settings.floor_usd
        return MapStatistics(
            events=len(columns),
            shown=int(np.count_nonzero(shown)),
            long_usd=float(notional[shown & longs].sum()),
            short_usd=float(notional[shown & ~longs].sum()),
            largest_usd=float(notional[shown].max()) if shown.any() else None,
            hidden_usd=float(notional[~shown].sum()),
            spec=image.spec if image is not None else None,
            build_ms=image.build_ms if image is not None else None,
            engine=image.engine if image is not None else "",
        )

    def _sums_of_cells(self, batch: EventBatch, spec: GridSpec) -> NDArray[np.float32]:
        """Return the sum of the cell of each event; worked out again only when events or bins have changed."""
        key = (len(batch), batch.least, batch.short_channel, batch.long_channel, spec.time_bin_ms, spec.price_bin)
        kept = self._cell_usd
        if kept is None or kept[0] is not self.columns or kept[1] != key:
            kept = self.columns, key, batch.cell_usd(spec.time_bin_ms, spec.price_bin)
        self._cell_usd = kept
        return kept[2]

    def close(self) -> None:
        self._store.close()


def gaps_between(covered: Iterable[Coverage], start_ms: int, now_ms: int) -> Gaps:
    """Return the parts of ``[start_ms, now_ms)`` without coverage; ``covered`` is ascending and does not overlap."""
    gaps, at_ms = [], start_ms
    for interval in covered:
        if interval.start_ms > at_ms:
            gaps.append((at_ms, min(interval.start_ms, now_ms)))
        at_ms = max(at_ms, interval.end_ms)
        if at_ms >= now_ms:
            break
    if at_ms < now_ms - LIVE_EDGE_MS:
        gaps.append((at_ms, now_ms))
    return tuple(gaps)
