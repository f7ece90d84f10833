"""Data classes that cross layers: connection states and reports of the collector. No I/O."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

HEARTBEAT_MISSED_MS: Final = 15_000
"""Time without a report after which a recorder does not count as recording: three are missing."""
READING_VALID_MS: Final = 2 * 3_600_000  # longest age of a valid clock reading


class ConnectionState(StrEnum):
    """State of the feed, judged by market data and never by the handshake."""

    STOPPED = "stopped"
    CONNECTING = "connecting"
    LIVE = "live"  # market data flows and a liquidation came lately
    QUIET = "quiet"  # market data flows, no liquidation for a while: a calm market
    SILENT = "silent"  # the socket is open but no market data comes: dead, reconnecting
    DOWN = "down"  # cannot connect; `ServiceStatus.reason` says why
    READING = "reading"  # this process does not collect, it only reads the database


FLOWING: Final = frozenset({ConnectionState.LIVE, ConnectionState.QUIET})  # market data arrives


@dataclass(frozen=True, slots=True)
class ServiceStatus:
    """A snapshot of the collector, safe to pass between threads; times are ms since the epoch."""

    state: ConnectionState = ConnectionState.STOPPED
    reason: str = ""  # a stable word for a feed that is down or silent ("dns", "refused", "region" …)
    detail: str = ""  # one sentence for people
    last_event_ms: int | None = None  # trade time of the newest event stored of its symbols; None while READING
    last_market_ms: int | None = None  # receive time of the newest market data
    received: int = 0  # liquidations since the start
    stored: int = 0  # rows inserted since the start
    duplicates: int = 0  # events that the store already had
    undecodable: int = 0  # frames that did not decode, since the start
    reconnects: int = 0  # connections opened after the first
    insert_rate_per_s: float = 0.0  # rows inserted a second, mean over the last 10 s
    queued: int = 0  # events waiting for the writer
    is_recorder: bool = False  # True while this run may record
    storage_problem: str = ""  # one sentence if the database cannot be written at the moment
    server_problem: str = ""  # one sentence if a server's record cannot be read at the moment
    as_of_ms: int | None = None  # what is shown of a server's record was complete then; None: it is, or never was
    storage_notice: str = ""  # one sentence about a database that was damaged, or lost its log, and was replaced
    since_ms: int | None = None  # beginning of the present state
    recording_since_ms: int | None = None  # first market data of this run, or the start of the program that records
    interrupted_since_ms: int | None = None  # beginning of the time without market data; None while it arrives
    unrecorded: tuple[str, ...] = ()  # symbols that nobody records, while another program records others
    retry_at_ms: int | None = None  # time of the next attempt to connect
    latency_ms: float | None = None  # half of the median round trip
    clock_offset_ms: float | None = None  # the exchange's clock minus this machine's, None if not measured


@dataclass(frozen=True, slots=True)
class CollectorReport:
    """A collector's entry in the database: what it records, the run, where it runs, since when (ms), and its status."""

    source: str
    symbols: tuple[str, ...]
    run_id: str
    host: str
    pid: int
    started_ms: int
    status: ServiceStatus


@dataclass(frozen=True, slots=True)
class RejectedFrame:
    """A frame that did not decode."""

    source: str
    kind: str  # a stable word
    note: str  # what was expected and what was there
    received_ms: int  # ms since the epoch
    size_bytes: int
    frame: bytes  # the frame, or its beginning


@dataclass(frozen=True, slots=True)
class ClockReading:
    """A measurement of the exchange's clock; the true offset lies within ``offset_ms ± uncertainty_ms``."""

    source: str
    measured_ms: int  # by this machine's clock, ms since the epoch
    offset_ms: float  # exchange minus machine
    uncertainty_ms: float

    def is_valid_at(self, machine_ms: int) -> bool:
        """Return True if the reading is not too old; recorders take one an hour, and when the offset changes."""
        return 0 <= machine_ms - self.measured_ms <= READING_VALID_MS


@dataclass(frozen=True, slots=True)
class LockHolder:
    """The recorder that holds a lock, by its row in ``collector``; ``started_ms`` in ms since the epoch."""

    run_id: str
    host: str
    pid: int
    symbols: tuple[str, ...]
    started_ms: int
    is_silent: bool = False  # it has not reported for `HEARTBEAT_MISSED_MS`
