"""Fills the gaps of a record with what the exchange publishes later, beside the feed and politely.

What is inserted is marked as imported and its time as claimed, not recorded (see `Heatmap.storage.contract`): it is
history, and never delivered as a new liquidation. One request is made at a time, with a pause after each.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Final, NoReturn

from Heatmap.clock import utc_text
from Heatmap.count_text import counted
from Heatmap.errors import FrameError, RestError, StorageError
from Heatmap.events import Coverage, LiquidationEvent
from Heatmap.ingestion import rest
from Heatmap.ingestion.backoff import Backoff
from Heatmap.ingestion.daemon_thread import run_in_daemon_thread
from Heatmap.reports import RejectedFrame
from Heatmap.storage import sql
from Heatmap.storage.contract import ImportedFile
from Heatmap.storage.coverage_gaps import coverage_gaps
from Heatmap.storage.coverage_log import without
from Heatmap.storage.retention import MS_PER_DAY

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

    from Heatmap.clock import Clock
    from Heatmap.ingestion.contracts import ContractSizes
    from Heatmap.ingestion.venue import BackFill, BackFillPage, Venue
    from Heatmap.storage.contract import Database
    from Heatmap.storage.writer import EventWriter

    Gaps = Mapping[str, Sequence[tuple[int, int]]]

_LOG = logging.getLogger(__name__)

REACH_MS: Final = MS_PER_DAY  # how far back a gap may lie
LOOK_S: Final = 15.0  # between two looks for gaps
PAUSE_S: Final = 1.0  # after each request
# From the end of a gap to its request: what the feed still delivers of it is stored by then.
SETTLE_MS: Final = 10_000
_DRAIN_POLL_S: Final = 0.05
_MS_PER_S: Final = 1000
# Answers after which the same request is of no use: the exchange does not have or does not give it.
_FINAL: Final = frozenset({HTTPStatus.BAD_REQUEST, HTTPStatus.NOT_FOUND, HTTPStatus.UNPROCESSABLE_ENTITY})


@dataclass(frozen=True, slots=True)
class Window:
    """The seconds ``[first_s, last_s]`` of one request."""

    first_s: int
    last_s: int

    def parts(self, gaps: Gaps) -> dict[str, list[tuple[int, int]]]:
        """Return the parts of gaps that lie in the window, by symbol, in ms."""
        start_ms, end_ms = self.first_s * _MS_PER_S, (self.last_s + 1) * _MS_PER_S
        cut = {
            symbol: [(max(a, start_ms), min(b, end_ms)) for a, b in intervals if a < end_ms and b > start_ms]
            for symbol, intervals in gaps.items()
        }
        return {symbol: intervals for symbol, intervals in cut.items() if intervals}

    def halves(self) -> tuple[Window, Window]:
        """Return the later and the earlier half of a window of two seconds or more."""
        middle_s = (self.first_s + self.last_s) // 2
        return Window(middle_s + 1, self.last_s), Window(self.first_s, middle_s)


def windows_of(gaps: Gaps, longest_s: int) -> Iterator[Window]:
    """Yield windows of at most ``longest_s`` that contain all gaps: as few as can be, the latest first."""
    spans: list[tuple[int, int]] = []
    for first_s, last_s in sorted(
        (start_ms // _MS_PER_S, (end_ms - 1) // _MS_PER_S)
        for intervals in gaps.values()
        for start_ms, end_ms in intervals
    ):
        if spans and first_s <= spans[-1][1] + 1:
            first_s, last_s = spans[-1][0], max(last_s, spans.pop()[1])  # noqa: PLW2901 - joined
        spans.append((first_s, last_s))
    while spans:
        end_s = spans[-1][1]
        begin_s = end_s - longest_s + 1
        window = Window(end_s, end_s)
        while spans and spans[-1][1] >= begin_s:
            first_s, last_s = spans.pop()
            window = Window(max(first_s, begin_s), end_s)
            if first_s < begin_s:
                spans.append((first_s, begin_s - 1))
        yield window


class GapFiller:
    """Fills the gaps of one source of the last `REACH_MS`, or of the retention ``keep_days`` (0: for ever) if shorter.

    ``symbols`` are those recorded, None for all; ``clock`` is the exchange's. ``writer`` stores what the feed delivers,
    and answers that do not decode. ``on_filled`` is called on the loop after liquidations or coverage were stored.
    """

    def __init__(
        self,
        venue: Venue,
        writer: EventWriter,
        *,
        rest_url: str,
        source: str,
        database: Database,
        symbols: Collection[str] | None,
        sizes: ContractSizes,
        keep_days: float,
        clock: Clock,
        on_filled: Callable[[], None],
    ) -> None:
        if venue.back_fill is None:
            raise ValueError(f"expected a venue with a history of liquidations, was {venue.name}")
        self._back_fill: BackFill = venue.back_fill
        self._venue = venue
        self._writer = writer
        self._rest_url = rest_url
        self._source = source
        self._database = database
        self._symbols = symbols
        self._sizes = sizes
        self._reach_ms = min(REACH_MS, round(keep_days * MS_PER_DAY)) if keep_days else REACH_MS
        self._clock = clock
        self._on_filled = on_filled
        self._backoff = Backoff(base_s=5.0, cap_s=900.0, attempts_per_min=60)
        self._given_up: dict[str, list[tuple[int, int]]] = {}  # time by symbol that the exchange does not give, in ms

    async def run(self) -> NoReturn:
        """Look for gaps and fill them, until cancelled."""
        await self._sizes.wait_until_known()
        while True:
            delay_s = LOOK_S
            try:
                await self._fill_all()
            except (RestError, FrameError) as error:
                wait_s = (error.retry_after_s if isinstance(error, RestError) else None) or 0.0
                delay_s = max(LOOK_S, self._backoff.next_delay_s(self._clock.monotonic_s(), at_least_s=wait_s))
                _LOG.warning("a gap of %s is not filled, next request in %.0f s: %s", self._source, delay_s, error)
            except StorageError as error:
                _LOG.warning("gaps of %s cannot be filled: %s", self._source, error)
            except Exception:  # noqa: BLE001 - a fault here must not end the feed beside it
                _LOG.exception("filling gaps of %s failed", self._source)
            await asyncio.sleep(delay_s)

    async def _fill_all(self) -> None:
        now_ms, gaps = await run_in_daemon_thread(self._look, name="heatmap-gaps")
        known = frozenset(self._sizes.symbols)
        settled = {
            symbol: [gap for gap in self._wanted(symbol, intervals) if gap[1] + SETTLE_MS <= now_ms]
            for symbol, intervals in gaps.items()
            if symbol in known
        }
        waiting = list(windows_of(settled, self._back_fill.window_s))[::-1]
        if waiting:
            await self._drained()
        file = ImportedFile(f"{self._venue.name} history", sql.BACK_FILL_FORMAT, now_ms)
        while waiting:
            window = waiting.pop()
            parts = window.parts(settled)
            if parts and not await self._fill(window, parts, file):
                waiting += reversed(window.halves())

    def _wanted(self, symbol: str, gaps: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
        intervals = [Coverage(self._source, symbol, *gap) for gap in gaps]
        return [(left.start_ms, left.end_ms) for left in without(intervals, self._given_up.get(symbol, []))]

    def _look(self) -> tuple[int, Gaps]:
        now_ms = self._clock.now_ms()
        with self._database.reader() as reader:
            return now_ms, coverage_gaps(reader, self._source, self._symbols, now_ms - self._reach_ms)

    async def _drained(self) -> None:
        """Wait until all that the feed has delivered before is stored."""
        while self._writer.stats().queued:  # noqa: ASYNC110 - the writer signals on another thread
            await asyncio.sleep(_DRAIN_POLL_S)

    async def _fill(self, window: Window, parts: Gaps, file: ImportedFile) -> bool:
        """Store what the exchange has of a window; return False if it must be asked for in two halves."""
        page = await self._request(window, parts)
        if page is None:
            self._give_up(parts)
            return True
        if not page.is_complete and window.last_s > window.first_s:
            return False
        is_whole = page.is_complete and not page.faults
        events = [event for event in page.events if _lies_in(event, parts.get(event.symbol, ()))]
        claims = [Coverage(self._source, symbol, *part) for symbol, each in parts.items() for part in each]
        inserted = await run_in_daemon_thread(
            lambda: self._store(file, events, claims if is_whole else ()), name="heatmap-gaps"
        )
        for fault in page.faults[:1]:
            frame = fault.excerpt.encode()
            rejected = RejectedFrame(self._source, fault.kind, str(fault), self._clock.now_ms(), len(frame), frame)
            self._writer.quarantine(rejected)
        if not is_whole:
            self._give_up(parts)
        span = f"{utc_text(window.first_s * _MS_PER_S)} to {utc_text(window.last_s * _MS_PER_S)}"
        _LOG.info("%s: %s from the history of %s", span, counted(inserted, "liquidation"), self._venue.name)
        self._on_filled()
        return True

    async def _request(self, window: Window, parts: Gaps) -> BackFillPage | None:
        """Return the decoded answer, None if the exchange does not give it."""
        symbol = next(iter(parts)) if len(parts) == 1 else None
        url = self._back_fill.url(self._rest_url, symbol, window.first_s, window.last_s)
        self._backoff.attempted(self._clock.monotonic_s())
        try:
            body = await rest.fetch_bytes(url, headers=self._venue.policy.headers)
        except RestError as error:
            if error.status not in _FINAL:
                raise
            _LOG.warning("a gap of %s is not filled: %s", self._source, error)
            await asyncio.sleep(PAUSE_S)
            return None
        page = self._back_fill.decode(body, parts.keys(), self._sizes, self._source)
        self._backoff.reset()
        await asyncio.sleep(max(PAUSE_S, self._backoff.held_back_s(self._clock.monotonic_s())))
        return page

    def _store(self, file: ImportedFile, events: Sequence[LiquidationEvent], claims: Sequence[Coverage]) -> int:
        with self._database.importer() as writer:
            inserted = writer.insert(file, events, by_second=True) if events else 0
            if claims:
                writer.claim(claims)
        return inserted

    def _give_up(self, parts: Gaps) -> None:
        for symbol, intervals in parts.items():
            self._given_up.setdefault(symbol, []).extend(intervals)


def _lies_in(event: LiquidationEvent, parts: Sequence[tuple[int, int]]) -> bool:
    """Return True if the second of an event overlaps one of the parts."""
    return any(event.ts_ms + _MS_PER_S > start_ms and event.ts_ms < end_ms for start_ms, end_ms in parts)
