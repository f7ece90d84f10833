"""One transaction of the writer: what it stores, and how."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple

from Heatmap.events import LiquidationEvent
from Heatmap.reports import ClockReading, RejectedFrame
from Heatmap.storage import sql

if TYPE_CHECKING:
    from Heatmap.storage.coverage_log import CoverageInterval
    from Heatmap.storage.sql_connection import Connection

_LOG = logging.getLogger(__name__)

_EXTEND_COVERAGE: Final = "UPDATE coverage SET end_ms = ? WHERE id = ?"


class TickSize(NamedTuple):
    """The tick size of a symbol, in quote currency, as known at ``updated_ms``."""

    source: str
    symbol: str
    tick_size: float
    updated_ms: int


class LivenessSpans(dict[tuple[str, str], list[int]]):
    """Times of uninterrupted delivery between two events: ``(source, symbol) -> [first_ms, last_ms]``."""


class FeedLost(NamedTuple):
    """Delivery of some symbols has ended; None: of all."""

    symbols: frozenset[str] | None


# What the writer's queue contains.
Item = LiquidationEvent | LivenessSpans | FeedLost | TickSize | RejectedFrame | ClockReading


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
    row_ids: list[int]  # of the intervals


def commit(
    connection: Connection,
    batch: Batch,
    intervals: list[CoverageInterval],
    collector_row: tuple[str | int | float | None, ...] | None = None,
) -> Committed:
    """Store a batch, coverage intervals and the collector's row (see `sql.collector_row`) in the open transaction."""
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


def _insert(connection: Connection, events: list[LiquidationEvent]) -> tuple[int, list[LiquidationEvent]]:
    if not events:
        return 0, []
    connection.execute("SAVEPOINT events")
    try:
        rows = [sql.event_row(event) for event in events]
        inserted = connection.executemany(sql.INSERT_EVENT, rows).rowcount
    except connection.row_errors:
        connection.execute("ROLLBACK TO events")
    else:
        connection.execute("RELEASE events")
        return inserted, events
    inserted, accepted = 0, []
    for event in events:
        try:
            inserted += connection.execute(sql.INSERT_EVENT, sql.event_row(event)).rowcount
        except connection.row_errors as error:
            connection.execute("ROLLBACK TO events")
            _LOG.error("an event is refused (%s): %r", error, event)
        else:
            accepted.append(event)
            # What is accepted stays when a later one is refused.
            connection.execute("RELEASE events")
            connection.execute("SAVEPOINT events")
    connection.execute("RELEASE events")
    return inserted, accepted


def _store_tick_size(connection: Connection, tick: TickSize) -> None:
    before = connection.execute(sql.TICK_SIZE, (tick.source, tick.symbol)).fetchone()
    if before is not None and before[0] != tick.tick_size:
        _LOG.warning("the tick size of %s changed from %s to %s", tick.symbol, before[0], tick.tick_size)
    connection.execute(sql.PUT_TICK_SIZE, tick)


def _store_interval(connection: Connection, interval: CoverageInterval) -> int:
    start_ms = interval.start_ms
    if interval.row_id is not None:
        if connection.execute(_EXTEND_COVERAGE, (interval.end_ms, interval.row_id)).rowcount:
            return interval.row_id
        # The row was deleted meanwhile, with the events of its time: only what came since is covered.
        start_ms = interval.stored_end_ms if interval.stored_end_ms is not None else interval.start_ms
    values = (interval.source, interval.symbol, start_ms, interval.end_ms)
    return int(connection.execute(sql.INSERT_COVERAGE, values).fetchone()[0])
