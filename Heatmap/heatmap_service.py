"""The recorder as a service: starts, stops and reports a socket thread and a writer thread. No Qt."""

from __future__ import annotations

import asyncio
import logging
import os
import platform
import secrets
import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from Heatmap.chosen_symbols import check_number, normalised
from Heatmap.clock import SYSTEM_CLOCK, Clock, ExchangeClock
from Heatmap.errors import SettingsError
from Heatmap.event_delivery import EventDelivery
from Heatmap.events import ALL_SYMBOLS, DEFAULT_SYMBOL, Source, is_recorded
from Heatmap.gap_filler import GapFiller
from Heatmap.ingestion.addresses import is_encrypted_or_local
from Heatmap.ingestion.collector import FeedState
from Heatmap.ingestion.contracts import ContractSizes
from Heatmap.ingestion.feed_group import FeedGroup
from Heatmap.ingestion.frame_handler import FeedCounts
from Heatmap.ingestion.loop_thread import LoopThread
from Heatmap.ingestion.symbol_listing import SymbolListing
from Heatmap.ingestion.tick_refresher import refresh_tick_sizes
from Heatmap.ingestion.venue import ROTATE_AFTER_S
from Heatmap.ingestion.venues import venue_of
from Heatmap.record_lookup import RecordLookup
from Heatmap.reports import FLOWING, CollectorReport, ConnectionState, ServiceStatus
from Heatmap.shown_record import ShownRecord
from Heatmap.storage.database import database_of
from Heatmap.storage.retention import DEFAULT_DAYS, Housekeeper
from Heatmap.storage.sqlite.event_tail import EventTail
from Heatmap.storage.writer import EventWriter
from Heatmap.storage.writer_statistics import WriterStats
from Heatmap.who_records import who_records

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from Heatmap.errors import FeedError
    from Heatmap.events import LiquidationEvent
    from Heatmap.reports import LockHolder
    from Heatmap.storage.database import Address

_LOG = logging.getLogger(__name__)

_STOP_S: Final = 10.0
_WRITER_SHARE: Final = 0.5  # of the time to stop
_MAX_DAYS: Final = 36_500


class HeatmapService:
    """The recorder and its database, with or without a screen.

    No failure of the network or the disk raises out of this class: `status` reports it, and it is tried again. Of all
    programs that collect one source into one database only one does so at a time; the others read, report who records,
    and take over within a second when that program ends (see `Heatmap.storage.sqlite.recorder_lock`).

    Parameters
    ----------
    db
        The database: a path, or ``postgresql://user@host/name``; None for the file in the user's data folder.
    symbols
        Symbols of the exchange, in upper or lower case. With ``"ALL"`` among them everything that the exchange lists
        is recorded; the others are then those that a chart offers.
    ws_url, rest_url
        Base addresses without a route; None for the real exchange.
    collect
        False to read only, while another process collects.
    source
        What the events are marked as, and which exchange; see `Heatmap.events.Source`.
    keep_raw
        Store each frame beside its event.
    retention_days
        How long liquidations are kept, in days; 0: for ever. See `Heatmap.storage.retention`.
    rotate_after_s
        Age at which a connection is replaced by the next one, in seconds.
    clock
        Wall and monotonic time.
    db_path
        Another name of ``db``.

    Attributes
    ----------
    database
        Where the record is kept; ``str(service.database)`` is for people, without a password.
    db_path
        The file that the map reads: the database, or this machine's copy of a server's.
    source, ws_url, rest_url
        As given or by default; addresses are normalised.
    symbols, recorded_symbols
        The symbols in the exchange's spelling, and what is recorded: these or `Heatmap.events.ALL_SYMBOLS` alone.
    is_running
        True between `start` and `stop`.
    exchange_clock
        The exchange's clock, by which events and coverage are dated; any thread.

    Raises
    ------
    SettingsError
        A symbol or an address cannot be one, or there is no symbol, or more than
        `Heatmap.chosen_symbols.MAX_SYMBOLS`; or the retention is negative or no number.
    """

    def __init__(
        self,
        db: Address | None = None,
        symbols: Sequence[str] = ("BTCUSDT",),
        *,
        ws_url: str | None = None,
        rest_url: str | None = None,
        collect: bool = True,
        source: str = Source.BINANCE,
        keep_raw: bool = False,
        retention_days: float = DEFAULT_DAYS,
        rotate_after_s: float = ROTATE_AFTER_S,
        clock: Clock = SYSTEM_CLOCK,
        db_path: Address | None = None,
    ) -> None:
        self.database = database_of(db if db is not None else db_path)
        self.db_path = self.database.local_path
        self.source = str(source)
        venue = venue_of(self.source)
        wanted = (symbols,) if isinstance(symbols, str) else symbols
        # A dict keeps the order and drops duplicates.
        named = dict.fromkeys(normalised(venue, symbol) for symbol in wanted)
        self._records_all = ALL_SYMBOLS in named
        named.pop(ALL_SYMBOLS, None)
        self.symbols = tuple(named) or ((DEFAULT_SYMBOL,) if self._records_all else ())
        self.recorded_symbols = (ALL_SYMBOLS,) if self._records_all else self.symbols
        check_number(self.symbols)
        if not 0 <= retention_days <= _MAX_DAYS:
            message = f"expected a retention of 0 to {_MAX_DAYS} days, was {retention_days}"
            raise SettingsError(message, short=f"Keep liquidations 0 (for ever) to {_MAX_DAYS} days.")
        self.ws_url, self.rest_url = venue.base_urls(ws_url, rest_url)
        for url in (self.ws_url, self.rest_url):
            if not is_encrypted_or_local(url):
                _LOG.warning("The connection to %s is not encrypted: whoever is on the way can change what comes.", url)
        self._venue = replace(venue, policy=replace(venue.policy, rotate_after_s=rotate_after_s))
        self._listing = SymbolListing(self._venue, self.rest_url, clock)
        self._collect = collect
        self._keep_raw = keep_raw
        self._retention_days = retention_days
        self._clock = clock
        self._lifecycle = threading.RLock()
        # Of the symbols alone: a restart, which has the other one, may take seconds.
        self._change = threading.Lock()
        self.is_running = False
        self._writer: EventWriter | None = None
        self._collector: FeedGroup | None = None
        self._feed: LoopThread | None = None
        self._lookup = RecordLookup(self.db_path, self.source, self.symbols, clock)
        self._shown = ShownRecord(self.database, clock, self._notify)
        # Everything below is guarded by the lock; listeners are called without it.
        self._lock = threading.Lock()
        self._state = FeedState(ConnectionState.STOPPED)
        self._since_ms = clock.now_ms()
        self._recording_since_ms: int | None = None
        self._interrupted_since_ms: int | None = None
        self._unrecorded: tuple[str, ...] = ()
        self._may_record = False
        self._run_id = ""
        self._started_ms = 0
        self._unknown_symbols: dict[str, str] = {}
        self._tick_sizes: dict[str, float] = {}
        self._listeners: list[Callable[[], None]] = []
        self._has_measured_clock = False
        self._prompt_receivers = 0
        self.exchange_clock = ExchangeClock(clock, self.known_exchange_time)
        self._delivery = EventDelivery(self.subscribe, clock)

    def start(self) -> None:
        """Start collecting and return at once; harmless if it runs."""
        with self._lifecycle:
            if self.is_running:
                return
            self.is_running = True
            self._shown.start()
            if not self._collect:
                self._shown.want(self.source, self.recorded_symbols)
                self._set_state(FeedState(ConnectionState.READING))
                return
            writer = EventWriter(
                self.database,
                clock=self._clock,
                series=[(self.source, symbol) for symbol in self.symbols],
                report=self._report,
                on_role=self._take_role,
                housekeeper=Housekeeper(
                    self.source, self._retention_days, self._clock, fills_gaps=self._venue.back_fill is not None
                ),
                on_change=self._notify,
            )
            with self._lock:
                self._writer, self._collector = writer, None
                writer.commit_promptly(promptly=self._prompt_receivers > 0)
            self._feed = LoopThread(lambda: self._record(writer), name="heatmap-feed")
            self._unknown_symbols = {}
            self._run_id, self._started_ms = secrets.token_hex(8), self._clock.now_ms()
            self._set_state(FeedState(ConnectionState.CONNECTING))
            writer.start()
            self._feed.start()

    def stop(self, timeout_s: float = _STOP_S) -> int:
        """Close the socket, store the queue, deliver what is stored and end all threads; harmless if nothing runs.

        Subscriptions to events end, too. Return how many events could not be stored within ``timeout_s``: 0 when all is
        well.
        """
        began_s = self._clock.monotonic_s()
        lost = self._stop_recording(timeout_s)
        # Outside of the lock, for a receiver may call this. What is stored is in the file then.
        self._shown.stop()
        self._delivery.end(timeout_s - (self._clock.monotonic_s() - began_s))
        return lost

    def _stop_recording(self, timeout_s: float) -> int:
        with self._lifecycle:
            if not self.is_running:
                return 0
            self.is_running = False
            lost = 0
            # The socket first: the writer takes what it still delivers, in its share of the time.
            if self._feed is not None and not self._feed.stop(timeout_s * (1 - _WRITER_SHARE)):
                _LOG.error("the socket thread did not end in time")
            self._feed = None
            # The writer's last word about this run.
            self._set_state(FeedState(ConnectionState.STOPPED))
            if self._writer is not None:
                self._writer.close_coverage()
                lost = self._writer.stop(timeout_s * _WRITER_SHARE)
            return lost

    def add_symbols(self, symbols: Sequence[str]) -> tuple[str, ...]:
        """Record more symbols; return all the given ones in the exchange's spelling, also those known before.

        Returns at once. A running feed is started again on another thread: a gap of about a second in the coverage.
        Subscriptions to events go on, with the symbols they had. `SettingsError` as for the class.
        """
        named = tuple(normalised(self._venue, symbol) for symbol in symbols)
        if ALL_SYMBOLS in named:
            raise SettingsError(f"expected symbols, was {ALL_SYMBOLS}: name it when the service is made")
        with self._change:
            self._change_symbols(tuple(dict.fromkeys((*self.symbols, *named))))
        return named

    def remove_symbols(self, symbols: Sequence[str]) -> None:
        """Stop recording some symbols; what is stored of them stays. Unknown ones are ignored.

        Returns at once, with the gap of `add_symbols` for the others. `SettingsError` if none would be left.
        """
        named = {self._venue.normalise_symbol(symbol) for symbol in symbols}
        with self._change:
            self._change_symbols(tuple(symbol for symbol in self.symbols if symbol not in named))

    def _change_symbols(self, symbols: tuple[str, ...]) -> None:
        check_number(symbols)
        if symbols == self.symbols:
            return
        self.symbols = symbols
        self._lookup = RecordLookup(self.db_path, self.source, symbols, self._clock)
        if not self._records_all:
            self.recorded_symbols = symbols
            if self._shown.is_wanted:
                self._shown.want(self.source, symbols)
            if self._collect:
                threading.Thread(target=self._restart, name="heatmap-restart", daemon=True).start()

    def show(self, symbol: str, sources: Sequence[str]) -> None:
        """Have the liquidations of a symbol in `db_path` from now on, those of some sources; any thread.

        That file is the record itself, which has them anyway, or else a copy of a server's, which is kept up to date
        from here on until `stop`. A plugin calls this for what it shows.
        """
        for source in sources:
            self._shown.want(source, (symbol,))

    def listed_symbols(self) -> tuple[str, ...]:
        """Return all symbols that the exchange trades at present, sorted.

        Waits for the exchange, but for an answer of the last hour; any thread. Raises `FeedError` without an answer.
        """
        return self._listing.symbols()

    def _restart(self) -> None:
        with self._lifecycle:
            if self.is_running:
                # Not `stop`: subscriptions to events go on.
                self._stop_recording(_STOP_S)
                self.start()

    def retry_now(self) -> None:
        """Connect at once instead of after the wait, where the exchange's limits allow it; any thread."""
        feed, collector = self._feed, self._collector
        if feed is not None and collector is not None:
            feed.call(collector.retry_now)

    async def _record(self, writer: EventWriter) -> None:
        """Collect until cancelled; on the feed's loop, while this program may record."""
        symbols = None if self._records_all else self.symbols
        sizes = ContractSizes()
        self._collector = collector = FeedGroup(
            self._venue, symbols, writer, self._take_feed_state, ws_url=self.ws_url, source=self.source,
            keep_raw=self._keep_raw, clock=self._clock, sizes=sizes,
        )  # fmt: skip

        def take_failure(error: FeedError, delay_s: float) -> None:
            if self._venue.counts_contracts and not sizes.are_known:
                retry_at_ms = self._clock.now_ms() + round(delay_s * 1000)
                detail = f"Without its contract sizes nothing can be recorded. {error.short}"
                self._take_feed_state(FeedState(ConnectionState.DOWN, error.reason, detail, retry_at_ms))

        ticks = refresh_tick_sizes(
            self._venue, self.rest_url, symbols, on_tick=self._take_tick_size, on_unknown=self._take_unknown_symbol,
            on_instruments=lambda listed: sizes.update(listed.contract_sizes), on_failure=take_failure,
            clock=self._clock,
        )  # fmt: skip
        try:
            # A group waits until both have ended; gather would not.
            async with asyncio.TaskGroup() as group:
                group.create_task(collector.run())
                group.create_task(ticks)
                if self._venue.back_fill is not None:
                    filler = GapFiller(
                        self._venue, writer, rest_url=self.rest_url, source=self.source, database=self.database,
                        symbols=symbols, sizes=sizes, keep_days=self._retention_days, clock=self.exchange_clock,
                        on_filled=self._notify,
                    )  # fmt: skip
                    group.create_task(filler.run())
        except* Exception:
            # No fault is expected here, but an ended feed must not be reported as live.
            fault = "The feed ended because of a fault; see the log."
            self._set_state(FeedState(ConnectionState.DOWN, "internal", fault))
            raise
        finally:
            writer.close_coverage()

    def status(self) -> ServiceStatus:
        """Return a snapshot; any thread.

        Frames are counted since this program began to record, rows since the last `start`.
        """
        writer, collector = self._writer, self._collector
        stats = writer.stats() if writer is not None else WriterStats()
        counts = collector.counts if collector is not None else FeedCounts()
        with self._lock:
            feed, since_ms = self._state, self._since_ms
            recording_since_ms, interrupted_since_ms = self._recording_since_ms, self._interrupted_since_ms
            unrecorded = self._unrecorded
            unknown = dict(self._unknown_symbols)
            is_recorder = self._may_record
        copy = self._shown.state()
        state, reason, detail = feed.state, feed.reason, feed.detail
        if state is ConnectionState.READING:
            # The writer's value is from when it opened the file; readers ask the database.
            stats = replace(stats, last_event_ms=None)
            # The copy has its own word for a server that is away; nothing of this program waits to be written.
            if (self._shown.is_copying or stats.refusal) and not stats.queued:
                stats = replace(stats, problem="")
            if stats.refusal or not self._collect:
                recorder = who_records(self._lookup.recorder(), takes_over=False)
                detail = " ".join(filter(None, (stats.refusal, recorder)))
        if stats.notice and state is not ConnectionState.STOPPED:
            detail = " ".join(filter(None, (detail, stats.notice)))
        if unknown and state is not ConnectionState.STOPPED:
            detail = " ".join(filter(None, (*unknown.values(), detail)))
            if len(unknown) == len(self.symbols) and state is ConnectionState.SILENT:
                # Nothing comes because nothing was asked for.
                reason, detail = "unknown-symbol", " ".join(unknown.values())
        return ServiceStatus(
            state=state,
            reason=reason,
            detail=detail,
            last_event_ms=stats.last_event_ms,
            last_market_ms=counts.last_market_ms,
            received=counts.received,
            stored=stats.inserted,
            duplicates=stats.duplicates,
            undecodable=counts.undecodable,
            reconnects=max(0, counts.connections - 1),
            insert_rate_per_s=stats.insert_rate_per_s,
            queued=stats.queued,
            is_recorder=is_recorder,
            storage_problem=stats.problem,
            storage_notice=stats.notice,
            since_ms=since_ms,
            recording_since_ms=recording_since_ms,
            interrupted_since_ms=interrupted_since_ms,
            unrecorded=unrecorded,
            retry_at_ms=feed.retry_at_ms,
            latency_ms=counts.latency_ms,
            server_problem="" if copy.is_current else copy.problem,
            as_of_ms=None if copy.is_current else copy.as_of_ms,
            clock_offset_ms=self._lookup.offset_ms() if state is ConnectionState.READING else counts.clock_offset_ms,
        )

    def known_exchange_time(self) -> tuple[float | None, int | None]:
        """Return how far the exchange's clock is ahead, in ms, and the time of its newest event, in ms since the epoch.

        None for what is unknown; any thread. See `Heatmap.clock.ExchangeClock`.
        """
        writer, collector = self._writer, self._collector
        with self._lock:
            records = self._may_record
        offset_ms = collector.counts.clock_offset_ms if records and collector is not None else None
        newest_ms = writer.stats().last_event_ms if records and writer is not None else None
        if offset_ms is not None:
            self._has_measured_clock = True
        elif not (records and self._has_measured_clock):
            # Another program records, or this one has just begun to. A recorder whose clock was set has no offset at
            # all until it is measured again.
            offset_ms = self._lookup.offset_ms()
        return offset_ms, newest_ms if newest_ms is not None else self._lookup.newest_ms()

    def tick_size(self, symbol: str) -> float | None:
        """Return the tick size of a symbol in quote currency; any thread, without waiting for the network.

        From the exchange's answer, else from the database, else None.
        """
        with self._lock:
            tick = self._tick_sizes.get(symbol)
        if tick is not None:
            return tick
        stored = self._lookup.tick_size(symbol)
        with self._lock:
            return self._tick_sizes.get(symbol, stored)  # the exchange may have answered meanwhile

    def subscribe(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Call ``listener`` after each commit and each change of the state, on a thread of the collector.

        Return a function that ends the subscription; harmless if called twice.
        """
        with self._lock:
            self._listeners.append(listener)

        def unsubscribe() -> None:
            with self._lock:
                if listener in self._listeners:
                    self._listeners.remove(listener)

        return unsubscribe

    def subscribe_events(
        self,
        callback: Callable[[LiquidationEvent], None],
        *,
        prompt: bool = False,
        on_end: Callable[[], None] | None = None,
    ) -> Callable[[], None]:
        """Call ``callback`` with each liquidation of `recorded_symbols` that is stored from now on, once.

        They come in the order of ``received_ms`` (unless the machine's clock was set back), as
        `Heatmap.record.Record.replay` yields them, whichever process records: half a second after the exchange's push,
        a second if another process records. Imported files are not delivered; `Heatmap.open_record` has all.

        Parameters
        ----------
        callback
            Called with a `Heatmap.events.LiquidationEvent`, on a thread of its own, one call at a time. It may be slow:
            recording goes on, nothing is dropped, the file keeps what comes meanwhile (for as long as the retention;
            what is deleted before is logged as an error). An exception is logged, and the next event follows.
        prompt
            Store each event a hundredth of a second after it came instead of a quarter while this subscription lasts:
            for alerts. It has no effect on what another process records.
        on_end
            Called last, on the same thread, when the subscription has ended, whatever ended it.

        Returns
        -------
        A function that ends the subscription; harmless if called twice. A call under way goes on. `stop` ends it, too,
        after what is stored by then was delivered.

        Raises
        ------
        StorageError
            The database exists and cannot be read. Later failures are logged, and reading is tried again.
        """
        tail = self._event_tail()

        def ended() -> None:
            if prompt:
                self._count_prompt(-1)
            if on_end is not None:
                on_end()

        if prompt:
            self._count_prompt(1)
        return self._delivery.call(callback, tail, on_end=ended)

    def events(self) -> AsyncIterator[LiquidationEvent]:
        """Return an asynchronous iterator over what `subscribe_events` delivers, for one event loop.

        ::

            async for event in service.events():
                ...

        The events are those stored after this call. It ends after `stop`, when what is stored by then was delivered.

        Raises
        ------
        StorageError
            As for `subscribe_events`.
        """
        return self._delivery.iterate(self._event_tail())

    def _count_prompt(self, step: int) -> None:
        with self._lock:
            self._prompt_receivers += step
            if self._writer is not None:
                self._writer.commit_promptly(promptly=self._prompt_receivers > 0)

    def _event_tail(self) -> EventTail:
        symbols = None if self._records_all else self.symbols
        self._shown.want(self.source, self.recorded_symbols)
        return EventTail(self.db_path, self.source, symbols, self._clock, is_current=self._shown.is_current)

    def _take_role(self, may_record: bool, holder: LockHolder | None) -> None:
        """Start or stop the feed when the right to record changed; on the writer's thread."""
        feed = self._feed
        others = holder.symbols if holder is not None else self.symbols
        with self._lock:
            self._may_record = may_record
            self._unknown_symbols = {}
            self._unrecorded = tuple(name for name in self.symbols if not may_record and not is_recorded(name, others))
            self._recording_since_ms = None if may_record or holder is None else holder.started_ms
            self._interrupted_since_ms = self._clock.now_ms() if may_record else None
        if feed is None:
            return  # the service is being stopped
        if may_record:
            self._set_state(FeedState(ConnectionState.CONNECTING))
            feed.turn_on()
        else:
            feed.turn_off()
            refusal = self._writer.stats().refusal if self._writer is not None else ""
            who = refusal or who_records(holder, self._unrecorded, takes_over=True)
            self._set_state(FeedState(ConnectionState.READING, "", who))
            is_silent = holder is not None and holder.is_silent
            _LOG.log(logging.WARNING if is_silent else logging.INFO, "this program only reads: %s", who)

    def _take_feed_state(self, feed: FeedState) -> None:
        with self._lock:
            if not self._may_record:
                return  # the socket is being closed
        self._set_state(feed)

    def _set_state(self, feed: FeedState) -> None:
        with self._lock:
            if feed.state is not self._state.state:
                self._since_ms = self._clock.now_ms()
            self._state = feed
            if feed.state in FLOWING:
                self._recording_since_ms = self._recording_since_ms or self._clock.now_ms()
                self._interrupted_since_ms = None
            elif feed.state is ConnectionState.STOPPED:
                self._recording_since_ms = self._interrupted_since_ms = None
            elif self._may_record and self._interrupted_since_ms is None:
                self._interrupted_since_ms = self._clock.now_ms()
        if self._writer is not None:
            self._writer.report_changed()
        self._notify()

    def _report(self) -> CollectorReport:
        run = self._run_id, platform.node(), os.getpid(), self._started_ms
        return CollectorReport(self.source, self.recorded_symbols, *run, self.status())

    def _take_tick_size(self, symbol: str, tick_size: float) -> None:
        with self._lock:
            self._tick_sizes[symbol] = tick_size
            self._unknown_symbols.pop(symbol, None)
        if self._writer is not None:
            self._writer.set_tick_size(self.source, symbol, tick_size)
        self._notify()

    def _take_unknown_symbol(self, symbol: str, sentence: str) -> None:
        with self._lock:
            self._unknown_symbols[symbol] = sentence
        self._notify()

    def _notify(self) -> None:
        with self._lock:
            listeners = tuple(self._listeners)
        for listener in listeners:
            try:
                listener()
            except Exception:  # noqa: BLE001 - a listener's fault must end neither the feed nor the writer
                _LOG.exception("a listener of the service failed")
