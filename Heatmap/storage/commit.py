"""One transaction of the writer: what it stores, and how."""

from __future__ import annotations

import logging
import sqlite3
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple

from Heatmap.storage import sql
from Heatmap.storage.connection import write_transaction

if TYPE_CHECKING:
    from Heatmap.events import LiquidationEvent
    from Heatmap.reports import ClockReading, RejectedFrame
    from Heatmap.storage.coverage_log import CoverageInterval

_LOG = logging.getLogger(__name__)

# Errors of one unacceptable row; all others concern the whole database.
_ROW_ERRORS: Final = (
    sqlite3.IntegrityError, sqlite3.InterfaceError, sqlite3.ProgrammingError, OverflowError, UnicodeError,
)  # fmt: skip
_EXTEND_COVERAGE: Final = "UPDATE coverage SET end_ms = ? WHERE id = ?"


class TickSize(NamedTuple):
    """The tick size of a symbol, in quote currency, as known at ``updated_ms``."""

    source: str
    symbol: str
    tick_size: float
    updated_ms: int


@dataclass(slots=True)
class Batch:
    """What one transaction stores, apart from coverage."""

    events: list[LiquidationEvent] = field(default_factory=list)
    ticks: list[TickSize] = field(default_factory=list)
    rejected: list[RejectedFrame] = field(default_factory=list)
    readings: list[ClockReading] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.events or self.ticks or self.rejected or self.readings)


class Committed(NamedTuple):
    inserted: int  # number of new rows
    accepted: list[LiquidationEvent]  # by the schema, whether new or stored before
    row_ids: list[int | None]  # of the intervals


def commit(
    connection: sqlite3.Connection,
    batch: Batch,
    intervals: list[CoverageInterval],
    collector_row: tuple[str | int | float | None, ...] | None = None,
) -> Committed:
    """Store a batch, coverage intervals and the collector's row (see `sql.collector_row`), all or nothing."""
    with write_transaction(connection):
        inserted, accepted = _insert(connection, batch.events)
        for tick in batch.ticks:
            _store_tick_size(connection, tick)
        if batch.rejected:
            connection.executemany(sql.INSERT_REJECTED, map(sql.rejected_row, batch.rejected))
            connection.execute(sql.TRIM_QUARANTINE)
        for reading in batch.readings:
            values = (reading.source, reading.measured_ms, reading.offset_ms, reading.uncertainty_ms)
            connection.execute(sql.INSERT_CLOCK_OFFSET, values)
        if collector_row is not None:
            connection.execute(sql.PUT_COLLECTOR, collector_row)
        return Committed(inserted, accepted, [_store_interval(connection, interval) for interval in intervals])


def _insert(connection: sqlite3.Connection, events: list[LiquidationEvent]) -> tuple[int, list[LiquidationEvent]]:
    if not events:
        return 0, []
    connection.execute("SAVEPOINT events")
    try:
        rows = [sql.event_row(event) for event in events]
        return connection.executemany(sql.INSERT_EVENT, rows).rowcount, events
    except _ROW_ERRORS:
        connection.execute("ROLLBACK TO events")
    inserted, accepted = 0, []
    for event in events:
        try:
            inserted += connection.execute(sql.INSERT_EVENT, sql.event_row(event)).rowcount
        except _ROW_ERRORS as error:
            _LOG.error("an event is refused (%s): %r", error, event)
        else:
            accepted.append(event)
    return inserted, accepted


def _store_tick_size(connection: sqlite3.Connection, tick: TickSize) -> None:
    before = connection.execute(sql.TICK_SIZE, (tick.source, tick.symbol)).fetchone()
    if before is not None and before[0] != tick.tick_size:
        _LOG.warning("the tick size of %s changed from %s to %s", tick.symbol, before[0], tick.tick_size)
    connection.execute(sql.PUT_TICK_SIZE, tick)


def _store_interval(connection: sqlite3.Connection, interval: CoverageInterval) -> int | None:
    start_ms = interval.start_ms
    if interval.row_id is not None:
        if connection.execute(_EXTEND_COVERAGE, (interval.end_ms, interval.row_id)).rowcount:
            return interval.row_id
        # The row was deleted meanwhile, with the events of its time: only what came since is covered.
        start_ms = interval.stored_end_ms if interval.stored_end_ms is not None else interval.start_ms
    values = (interval.source, interval.symbol, start_ms, interval.end_ms)
    return connection.execute(sql.INSERT_COVERAGE, values).lastrowid
