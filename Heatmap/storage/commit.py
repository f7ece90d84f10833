"""One transaction of the writer: what it stores, in which order, and who may store what."""

from __future__ import annotations

import logging
import sqlite3
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from Heatmap.storage import sql as statement
from Heatmap.storage.connection import write_transaction

if TYPE_CHECKING:
    from Heatmap.events import LiquidationEvent
    from Heatmap.reports import CollectorReport
    from Heatmap.storage.coverage_log import Stretch
    from Heatmap.storage.lease import Lease, LeaseHolder
    from Heatmap.storage.write_items import Batch, Tick

_LOG = logging.getLogger(__name__)

# What one unacceptable row raises; everything else concerns the database as a whole.
_ROW_FAULTS = (
    sqlite3.IntegrityError,
    sqlite3.InterfaceError,
    sqlite3.ProgrammingError,
    OverflowError,
    UnicodeError,
)


@dataclass(frozen=True, slots=True)
class Committed:
    """What one transaction has stored.

    Attributes
    ----------
    inserted
        Rows newly stored.
    accepted
        The events that the schema accepts: these rows, and those the database had already.
    row_ids
        Where each stretch is stored, in the order given; empty if `successor` is not None.
    successor
        Who records instead of this run; coverage and the report were then left out.
    """

    inserted: int
    accepted: list[LiquidationEvent]
    row_ids: list[int | None] = field(default_factory=list)
    successor: LeaseHolder | None = None


def commit(
    connection: sqlite3.Connection,
    batch: Batch,
    stretches: list[Stretch],
    report: CollectorReport | None = None,
    lease: Lease | None = None,
) -> Committed:
    """Store a batch, some stretches and the heartbeat, all or nothing.

    Parameters
    ----------
    connection
        To write by; no transaction may be open.
    batch, stretches
        What is stored; see `Heatmap.storage.coverage_log.Stretch`.
    report, lease
        The heartbeat and what it renews; both or none. Without a report no stretch of a leased source may be given.

    Raises
    ------
    sqlite3.Error
        Nothing is stored.
    """
    with write_transaction(connection):
        inserted, accepted = _insert(connection, batch.events)
        for tick in batch.ticks:
            _store_tick(connection, tick)
        if batch.rejected:
            rows = [statement.rejected_row(rejected) for rejected in batch.rejected]
            connection.executemany(statement.INSERT_REJECTED, rows)
            connection.execute(statement.TRIM_QUARANTINE)
        for reading in batch.readings:
            values = (reading.source, reading.measured_ms, reading.offset_ms, reading.uncertainty_ms)
            connection.execute(statement.INSERT_CLOCK_OFFSET, values)
        if lease is not None and report is not None:
            # Last, for a refused event gives up the lock for a moment.
            successor = lease.renew(connection, report)
            if successor is not None:
                return Committed(inserted, accepted, successor=successor)
        return Committed(inserted, accepted, [_store_stretch(connection, stretch) for stretch in stretches])


def _insert(connection: sqlite3.Connection, events: list[LiquidationEvent]) -> tuple[int, list[LiquidationEvent]]:
    """Insert into the open transaction; return how many were new, and the events that the schema accepts."""
    if not events:
        return 0, []
    try:
        rows = [statement.event_row(event) for event in events]
        return connection.executemany(statement.INSERT_EVENT, rows).rowcount, events
    except _ROW_FAULTS:
        connection.execute("ROLLBACK")
        connection.execute("BEGIN IMMEDIATE")
    # One row is unacceptable. It must not hold up the others, nor go unnoticed.
    inserted = 0
    accepted: list[LiquidationEvent] = []
    for event in events:
        try:
            inserted += connection.execute(statement.INSERT_EVENT, statement.event_row(event)).rowcount
        except _ROW_FAULTS as error:
            _LOG.error("an event is refused (%s): %r", error, event)
        else:
            accepted.append(event)
    return inserted, accepted


def _store_tick(connection: sqlite3.Connection, tick: Tick) -> None:
    before = connection.execute(statement.TICK_SIZE, (tick.source, tick.symbol)).fetchone()
    if before is not None and before[0] != tick.tick_size:
        _LOG.warning("the tick size of %s changed from %s to %s", tick.symbol, before[0], tick.tick_size)
    connection.execute(statement.PUT_TICK_SIZE, (tick.source, tick.symbol, tick.tick_size, tick.updated_ms))


def _store_stretch(connection: sqlite3.Connection, stretch: Stretch) -> int | None:
    start_ms = stretch.start_ms
    if stretch.row_id is not None:
        if connection.execute(statement.EXTEND_COVERAGE, (stretch.end_ms, stretch.row_id)).rowcount:
            return stretch.row_id
        # Somebody has erased this series meanwhile: only what came since is covered by rows.
        start_ms = stretch.stored_end_ms if stretch.stored_end_ms is not None else stretch.start_ms
    values = (stretch.source, stretch.symbol, start_ms, stretch.end_ms)
    return connection.execute(statement.INSERT_COVERAGE, values).lastrowid
