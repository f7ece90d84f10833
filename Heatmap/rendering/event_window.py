"""The events of one symbol's time window in memory: one query when it opens, then the tail by row id.

Events that are older than the window are read for the view that shows them, and dropped when it does no longer.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from Heatmap.aggregation.event_batch import EventBatch
from Heatmap.event_columns import EventColumns
from Heatmap.events import Source
from Heatmap.source_choice import each_source
from Heatmap.storage.sqlite.sqlite_store import COMPLETE, SqliteStore

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from Heatmap.aggregation import GridSpec, HeatmapImage
    from Heatmap.events import Coverage
    from Heatmap.heatmap_settings import HeatmapSettings
    from Heatmap.hidden_sum import HiddenSum, NotEnough
    from Heatmap.source_choice import Sources

# Times without a record: ``(start, end)`` each in ms since the epoch, half-open, ascending.
Gaps = tuple[tuple[int, int], ...]

FAR_MS: Final = 2**62
# A running collector notes its coverage every 5 s, so the last seconds before now are no gap yet.
LIVE_EDGE_MS: Final = 20_000
# Most older events in memory: 7 MB, and 0.2 s to read. Of more, the newest of the view are read.
MAX_OLDER_EVENTS: Final = 200_000
# Older events are read so much further than needed on both sides, in lengths of the view, so that a pan reads seldom.
_AHEAD: Final = 0.25
# When a view needs far less, in such lengths, they are read again.
_MOST_AHEAD: Final = 8


@dataclass(frozen=True, slots=True)
class _OlderEvents:
    """Events ``[start_ms, end_ms)`` before the window; ``start_ms`` is ``asked_ms`` unless there are too many."""

    asked_ms: int
    start_ms: int
    end_ms: int
    columns: EventColumns


class RecorderRun(NamedTuple):
    """What a database says about who recorded a symbol; times in ms since the epoch."""

    first_ms: int | None = None  # beginning of the symbol's first coverage, None if there is none
    started_ms: int | None = None  # of the last recorder, None if none of the symbol is known
    seen_ms: int = 0  # last sign of life of that recorder


# What a source may still push is not covered yet: its `ConnectionPolicy.push_delay_ms`, if more than a few seconds.
_PUSH_DELAYS_MS: Final[dict[str, int]] = {Source.OKX: 60_000}


class RecordGaps(NamedTuple):
    """Times without a record of any chosen source, and those with a record of some but not of all."""

    none: Gaps
    some: Gaps


NO_GAPS: Final = RecordGaps((), ())


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
    hidden: HiddenSum | NotEnough | None = None  # what Binance left out of the window; None: not asked or not known


class EventWindow:
    """Cache of a window's events and coverage. For one thread."""

    def __init__(self, path: Path) -> None:
        self._store = SqliteStore(path)
        self._key: tuple[str, Sources, int] | None = None
        self._start_ms = 0
        self._history = COMPLETE
        self._version: int | None = None
        self._runs: tuple[RecorderRun, ...] = ()
        self._runs_key: tuple[object, ...] = ()
        self._gaps = NO_GAPS
        self._gaps_key: tuple[object, ...] = ()
        self._window = EventColumns.empty()
        self._older: _OlderEvents | None = None
        self._parts: tuple[EventColumns, _OlderEvents | None, int] = (self._window, None, 0)  # of `columns`
        self._end_ms = FAR_MS
        self.columns = self._window  # of the window and of the view, oldest first
        self.since_ms = 0  # from then on `columns` has all events that the view may show, ms since the epoch
        self._cell_usd: tuple[EventColumns, tuple[object, ...], NDArray[np.float32]] | None = None

    def shows(self, symbol: str, source: Sources) -> bool:
        """Return True if the events in memory are those of this symbol and these sources."""
        return self._key is not None and self._key[:2] == (symbol, source)

    @property
    def asked_ms(self) -> int:
        """`since_ms`, as it would be if there were not too many events."""
        return self.since_ms if self._older is None else self._older.asked_ms

    def refresh(
        self,
        symbol: str,
        source: Sources,
        start_ms: int,
        view_ms: tuple[int, int] = (FAR_MS, FAR_MS),
        *,
        end_ms: int = FAR_MS,
    ) -> bool:
        """Bring the events up to date from ``start_ms`` on; return True if they changed.

        The window has no end: an event dated ahead of this machine's clock must be in it, because the tail continues
        after its row. Older events are read from the beginning of ``view_ms`` to its end, at most `MAX_OLDER_EVENTS`.
        Events from ``end_ms`` on are kept from `columns` and `statistics`: a replay has not reached them.
        """
        self._refresh_window(symbol, source, start_ms)
        self._refresh_older(symbol, source, *view_ms)
        shows_older = view_ms[0] < min(view_ms[1], start_ms)
        self.since_ms = start_ms if not shows_older else self._start_ms if self._older is None else self._older.start_ms
        first = 0 if shows_older else int(self._window.ts_ms.searchsorted(start_ms))
        window, older, first_before = self._parts
        changed = window is not self._window or older is not self._older
        if changed or first != first_before or end_ms != self._end_ms:
            self._parts, self._end_ms = (self._window, self._older, first), end_ms
            part = self._window.between(start_ms if first else -FAR_MS, end_ms)
            self.columns = part if self._older is None else self._older.columns.between(-FAR_MS, end_ms).merged(part)
        return changed

    def _refresh_window(self, symbol: str, source: Sources, start_ms: int) -> None:
        version = self._store.data_version()
        key = (symbol, source, self._store.generation)
        history = (
            self._history if self._key == key and version == self._version else self._store.history(symbol, source)
        )
        before, self._history = self._history, history
        # Rows with lower ids came in, of the time before `before.from_ms`: the tail does not have them.
        is_fuller = history != before and (history.revision != before.revision or self._start_ms < before.from_ms)
        if self._key != key or start_ms < self._start_ms or is_fuller:
            self._window = self._store.window(symbol, source, start_ms, FAR_MS)
            self._key, self._start_ms, self._version = key, start_ms, version
            self._older = None
            return
        if history != before:
            self._older = None
        if version != self._version:
            self._version = version
            newer = self._store.tail(symbol, source, self._window.last_row_id)
            if len(newer):
                self._window = self._window.merged(newer.between(self._start_ms, FAR_MS))
                if newer.ts_ms[0] < self._start_ms:
                    self._older = None
        # Old events go when they are a tenth of all, so that a tail stays cheap.
        kept = self._window.between(start_ms, FAR_MS)
        if len(self._window) - len(kept) > len(self._window) // 10:
            self._window, self._start_ms = kept, start_ms

    def _refresh_older(self, symbol: str, source: Sources, start_ms: int, end_ms: int) -> None:
        older, ahead_ms = self._older, math.ceil(_AHEAD * (end_ms - start_ms))
        end_ms = min(end_ms, self._start_ms)
        if start_ms >= end_ms:
            self._older = None
            return
        if (
            older is not None
            and older.asked_ms <= start_ms <= older.asked_ms + _MOST_AHEAD * ahead_ms
            and end_ms <= older.end_ms <= self._start_ms
            # Of too many events, an earlier end would leave others.
            and (older.start_ms <= start_ms or older.end_ms - end_ms <= 2 * ahead_ms)
        ):
            return
        asked_ms, end_ms = start_ms - ahead_ms, min(end_ms + ahead_ms, self._start_ms)
        first_ms = self._store.start_of_newest(symbol, source, asked_ms, end_ms, MAX_OLDER_EVENTS)
        columns = self._store.window(symbol, source, first_ms, end_ms)
        # The tail goes on where the window ends: `columns` never continues it.
        self._older = _OlderEvents(asked_ms, first_ms, end_ms, replace(columns, last_row_id=0))

    def events_of(self, symbol: str, source: str, start_ms: int, end_ms: int) -> EventColumns:
        """Return the events of one source with ``start_ms <= ts_ms < end_ms`` that the map may show, from the file."""
        return self._store.window(symbol, source, max(start_ms, self.since_ms), min(end_ms, self._end_ms))

    def gaps(self, symbol: str, source: Sources, start_ms: int, now_ms: int) -> RecordGaps:
        """Return the times without a record in ``[start_ms, now_ms)``; read again only when the file has changed."""
        key = (symbol, source, self._store.generation, self._version, start_ms, now_ms)
        if self._gaps_key != key:
            gaps = [
                gaps_between(
                    self._store.coverage(symbol, each, start_ms, FAR_MS), start_ms, now_ms, edge_ms=live_edge_ms(each)
                )
                for each in each_source(source)
            ]
            self._gaps, self._gaps_key = combined_gaps(gaps), key
        return self._gaps

    def recorder_runs(self, symbol: str, source: Sources) -> tuple[RecorderRun, ...]:
        """Return what is known of the recorders of each source; read again only when the file has changed."""
        key = (symbol, source, self._store.generation, self._version)
        if self._runs_key != key:
            self._runs_key, self._runs = key, tuple(self._run_of(symbol, each) for each in each_source(source))
        return self._runs

    def _run_of(self, symbol: str, source: str) -> RecorderRun:
        run = self._store.recorder_run(symbol, source) or (None, 0)
        return RecorderRun(self._store.first_coverage_ms(symbol, source), *run)

    def statistics(self, image: HeatmapImage | None, settings: HeatmapSettings, start_ms: int) -> MapStatistics:
        """Return the figures of the events since ``start_ms`` and of the image made from them."""
        columns = self._window.between(start_ms, self._end_ms)
        batch = EventBatch.select(columns, sides=settings.sides, min_notional=settings.min_notional_usd, by_side=False)
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
        if kept is None or kept[0] is not self._window or kept[1] != key:
            kept = self._window, key, batch.cell_usd(spec.time_bin_ms, spec.price_bin)
        self._cell_usd = kept
        return kept[2]

    def close(self) -> None:
        self._store.close()


def live_edge_ms(source: str) -> int:
    """Return how old the newest coverage of a source may be while it is recorded."""
    return LIVE_EDGE_MS + _PUSH_DELAYS_MS.get(source, 0)


def gaps_between(covered: Iterable[Coverage], start_ms: int, now_ms: int, *, edge_ms: int = LIVE_EDGE_MS) -> Gaps:
    """Return the parts of ``[start_ms, now_ms)`` without coverage; ``covered`` is ascending and does not overlap.

    What is younger than ``edge_ms`` is no gap yet.
    """
    gaps, at_ms = [], start_ms
    for interval in covered:
        if interval.start_ms > at_ms:
            gaps.append((at_ms, min(interval.start_ms, now_ms)))
        at_ms = max(at_ms, interval.end_ms)
        if at_ms >= now_ms:
            break
    if at_ms < now_ms - edge_ms:
        gaps.append((at_ms, now_ms))
    return tuple(gaps)


def combined_gaps(gaps: Sequence[Gaps]) -> RecordGaps:
    """Return when there are gaps in all records, and when in some but not in all, from those of each."""
    if len(gaps) == 1:
        return RecordGaps(gaps[0], ())
    steps = sorted((moment, step) for one in gaps for span in one for moment, step in zip(span, (1, -1), strict=True))
    found: dict[bool, list[tuple[int, int]]] = {True: [], False: []}
    missing = 0
    for (begin, step), (end, _) in pairwise(steps):
        missing += step
        if begin == end or not missing:
            continue
        spans = found[missing == len(gaps)]
        touches = bool(spans) and spans[-1][1] == begin
        spans.append((spans.pop()[0] if touches else begin, end))
    return RecordGaps(tuple(found[True]), tuple(found[False]))
