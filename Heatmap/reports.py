"""What the layers promise each other: connection states and the collector's report. Plain data, no I/O."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

READING_VALID_MS: Final = 2 * 3_600_000
"""Age up to which a recorded difference of the clocks is believed, in ms."""


class ConnectionState(StrEnum):
    """How the feed is doing, judged by market data and never by the handshake."""

    STOPPED = "stopped"
    CONNECTING = "connecting"
    LIVE = "live"  # market data flows and a liquidation came lately
    QUIET = "quiet"  # market data flows, no liquidation for a while: a calm market
    SILENT = "silent"  # the socket is open but no market data comes: dead, reconnecting
    DOWN = "down"  # cannot connect; `ServiceStatus.reason` says why
    READING = "reading"  # this process does not collect, it only reads the database


@dataclass(frozen=True, slots=True)
class ServiceStatus:
    """A snapshot of the collector, safe to pass between threads.

    Attributes
    ----------
    state
        See `ConnectionState`.
    reason
        A stable word for why the feed is down or silent (``"dns"``, ``"refused"``, ``"region"`` …), "" otherwise.
    detail
        One sentence for people, "" if there is nothing to say.
    last_event_ms
        Exchange time of the newest liquidation stored of the service's symbols and source, by this run or an earlier
        one; ms since the epoch, or None. Always None while `READING`.
    last_market_ms
        Receive time of the newest market data, ms since the epoch, or None.
    received
        forceOrder frames decoded since start.
    stored
        Rows newly inserted since start.
    duplicates
        Events the store already had.
    undecodable
        Frames that did not decode.
    reconnects
        Connections opened after the first.
    insert_rate_per_s
        Rows inserted a second, mean over the last 10 s.
    queued
        Events waiting for the writer.
    is_recorder
        True if this run may record; False while it reads, or another program records.
    storage_problem
        One sentence if the database cannot be written at the moment, "" otherwise.
    storage_notice
        One sentence about a damaged database, or one whose log was deleted, that was replaced; "" otherwise.
    since_ms
        When the present state began, ms since the epoch, or None before the first.
    retry_at_ms
        When the next attempt to connect is made, ms since the epoch, or None while none is waited for.
    latency_ms
        From the exchange to here: half of the usual round trip, in ms, or None.
    clock_offset_ms
        How far the exchange's clock is ahead of this machine's, in ms (negative: behind), or None if not measured.
    """

    state: ConnectionState = ConnectionState.STOPPED
    reason: str = ""
    detail: str = ""
    last_event_ms: int | None = None
    last_market_ms: int | None = None
    received: int = 0
    stored: int = 0
    duplicates: int = 0
    undecodable: int = 0
    reconnects: int = 0
    insert_rate_per_s: float = 0.0
    queued: int = 0
    is_recorder: bool = False
    storage_problem: str = ""
    storage_notice: str = ""
    since_ms: int | None = None
    retry_at_ms: int | None = None
    latency_ms: float | None = None
    clock_offset_ms: float | None = None


@dataclass(frozen=True, slots=True)
class CollectorReport:
    """What a collector writes about itself, for programs that read the same database.

    Attributes
    ----------
    source, symbols
        What it records.
    run_id
        A word of its own for each run.
    host, pid
        Where it runs.
    started_ms
        When it began, ms since the epoch.
    status
        How it goes.
    """

    source: str
    symbols: tuple[str, ...]
    run_id: str
    host: str
    pid: int
    started_ms: int
    status: ServiceStatus


@dataclass(frozen=True, slots=True)
class RejectedFrame:
    """A frame that did not decode.

    Attributes
    ----------
    source
        Where it came from; see `Heatmap.events.Source`.
    kind, note
        What is wrong: one stable word, and what was expected and what was there.
    received_ms
        When it was read, ms since the epoch.
    size_bytes
        Size of the whole frame.
    frame
        The frame, or its beginning.
    """

    source: str
    kind: str
    note: str
    received_ms: int
    size_bytes: int
    frame: bytes


@dataclass(frozen=True, slots=True)
class ClockReading:
    """How far the exchange's clock was ahead of this machine's.

    Attributes
    ----------
    source
        Whose clock.
    measured_ms
        When, by this machine's clock, ms since the epoch.
    offset_ms
        Exchange minus machine, in ms.
    uncertainty_ms
        Half of the request's round trip, in ms: the true offset lies within ``offset_ms ± uncertainty_ms``.
    """

    source: str
    measured_ms: int
    offset_ms: float
    uncertainty_ms: float

    def is_valid_at(self, machine_ms: int) -> bool:
        """Return True if the reading is young enough to hold still; a clock that was set since makes it too old.

        A living recorder takes one at least once an hour, and within a minute when the difference changes.
        """
        return 0 <= machine_ms - self.measured_ms <= READING_VALID_MS
