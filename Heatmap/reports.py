"""Data classes that cross layers: connection states and reports of the collector. No I/O."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

READING_VALID_MS: Final = 2 * 3_600_000
"""Longest age of a valid clock reading, in ms."""


class ConnectionState(StrEnum):
    """State of the feed, judged by market data and never by the handshake."""

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
        A stable word for a feed that is down or silent (``"dns"``, ``"refused"``, ``"region"`` …), "" otherwise.
    detail
        One sentence for people, or "".
    last_event_ms
        Trade time of the newest stored liquidation of the service's symbols and source, ms since the epoch, or None.
        Always None while `READING`.
    last_market_ms
        Receive time of the newest market data, ms since the epoch, or None.
    received, undecodable
        Liquidations, and frames that did not decode, since start.
    stored, duplicates
        Rows inserted since start, and events that the store already had.
    reconnects
        Connections opened after the first.
    insert_rate_per_s
        Rows inserted a second, mean over the last 10 s.
    queued
        Events waiting for the writer.
    is_recorder
        True while this run may record.
    storage_problem
        One sentence if the database cannot be written at the moment, "" otherwise.
    storage_notice
        One sentence about a database that was damaged, or lost its log, and was replaced; "" otherwise.
    since_ms
        When the present state began, ms since the epoch, or None before the first.
    retry_at_ms
        When the next attempt to connect is made, ms since the epoch, or None.
    latency_ms
        Half of the median round trip, in ms, or None.
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
    """A frame that did not decode.

    Attributes
    ----------
    source
        See `Heatmap.events.Source`.
    kind, note
        One stable word, and what was expected and what was there.
    received_ms
        When it was read, ms since the epoch.
    size_bytes, frame
        Size of the whole frame; the frame, or its beginning.
    """

    source: str
    kind: str
    note: str
    received_ms: int
    size_bytes: int
    frame: bytes


@dataclass(frozen=True, slots=True)
class ClockReading:
    """A measurement of the exchange's clock.

    Attributes
    ----------
    source, measured_ms
        Whose clock; when by this machine's clock, ms since the epoch.
    offset_ms, uncertainty_ms
        Exchange minus machine, in ms; the true offset lies within ``offset_ms ± uncertainty_ms``.
    """

    source: str
    measured_ms: int
    offset_ms: float
    uncertainty_ms: float

    def is_valid_at(self, machine_ms: int) -> bool:
        """Return True if the reading is not too old; recorders take one an hour, and when the offset changes."""
        return 0 <= machine_ms - self.measured_ms <= READING_VALID_MS
