"""SQL statements for every database, and the values that they bind: standard SQL with SQLite's placeholders.

``INDEXED BY`` is a hint for SQLite; `Heatmap.storage.postgres` leaves it out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from Heatmap.events import LiquidationEvent, Side

if TYPE_CHECKING:
    from collections.abc import Sized

    from Heatmap.events import Coverage
    from Heatmap.reports import CollectorReport, RejectedFrame

LATEST_VERSION: Final = 2
"""The version of the tables, one numbering for every database."""
REPORTS_VERSION: Final = 2
"""First schema version with the tables of collectors, clock offsets, imports and rejected frames."""
QUARANTINE_ROWS: Final = 1000  # largest number of rejected frames kept
QUARANTINE_FRAME_BYTES: Final = 4096  # longest part kept of one of them

_LONGS: Final = ", ".join(f"'{side.value}'" for side in Side if side.liquidates_long)
IS_LONG: Final = f"side IN ({_LONGS})"  # 1 if a long was liquidated
SIGNED_NOTIONAL: Final = f"CASE WHEN {IS_LONG} THEN notional ELSE -notional END"  # positive if a long was liquidated

# The parameters of `INSERT_EVENT`, and the fields of `row_event`.
EVENT_COLUMNS: Final = (
    "ts_ms, symbol, side, price, qty, notional, source, raw_json, order_price, order_qty, event_ms, received_ms"
)
# ON CONFLICT applies to the unique key only; OR IGNORE would also drop rows that violate a CHECK, without an error.
INSERT_EVENT: Final = f"""
    INSERT INTO liq_events ({EVENT_COLUMNS})
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT DO NOTHING
"""  # noqa: S608 - names of this module
_ARRIVAL: Final = "coalesce(received_ms, ts_ms + ?1)"
# In the order of receipt; ?1 ms after the trade where that is not known, -1: these are left out.
BY_ARRIVAL: Final = f"""
    SELECT {EVENT_COLUMNS.replace("received_ms", f"{_ARRIVAL} AS arrival_ms")} FROM liq_events
    WHERE source = ?2 AND symbol = ?3 AND {_ARRIVAL} >= ?4 AND {_ARRIVAL} < ?5 AND (received_ms IS NOT NULL OR ?1 >= 0)
    ORDER BY arrival_ms, id
"""  # noqa: S608 - names of this module
COUNT_WITHOUT_ARRIVAL: Final = """
    SELECT count(*) FROM liq_events
    WHERE source = ? AND symbol = ? AND ts_ms >= ? AND ts_ms < ? AND received_ms IS NULL
"""
NEWEST_EVENT: Final = "SELECT max(ts_ms) FROM liq_events WHERE source = ? AND symbol = ?"
INSERT_COVERAGE: Final = "INSERT INTO coverage (source, symbol, start_ms, end_ms) VALUES (?, ?, ?, ?) RETURNING id"
# Coverage has no unique key, for intervals grow; what is covered already is not inserted again.
INSERT_UNKNOWN_COVERAGE: Final = """
    INSERT INTO coverage (source, symbol, start_ms, end_ms)
    SELECT ?1, ?2, ?3, ?4 WHERE NOT EXISTS (
        SELECT 1 FROM coverage WHERE source = ?1 AND symbol = ?2 AND start_ms <= ?3 AND end_ms >= ?4)
"""
CLAIMED_SUFFIX: Final = "-claimed"  # of the source of coverage that nobody recorded; see ``schema.sql``
IS_RECORDED: Final = f"source NOT LIKE '%{CLAIMED_SUFFIX}'"  # a row of ``coverage``
BACK_FILL_FORMAT: Final = "back-fill"  # ``imports.format`` of what the recorder requested itself to fill gaps
RECORD_FORMAT: Final = "record"  # ``imports.format`` of what another record of this program had recorded live
TICK_SIZE: Final = "SELECT tick_size FROM tick_sizes WHERE source = ? AND symbol = ?"
PUT_TICK_SIZE: Final = """
    INSERT INTO tick_sizes (source, symbol, tick_size, updated_ms) VALUES (?, ?, ?, ?)
    ON CONFLICT (source, symbol) DO UPDATE SET tick_size = excluded.tick_size, updated_ms = excluded.updated_ms
"""
INSERT_REJECTED: Final = """
    INSERT INTO quarantine (source, kind, note, received_ms, size_bytes, frame) VALUES (?, ?, ?, ?, ?, ?)
"""
TRIM_QUARANTINE: Final = f"DELETE FROM quarantine WHERE id <= (SELECT max(id) FROM quarantine) - {QUARANTINE_ROWS}"  # noqa: S608 - a constant of this module
INSERT_CLOCK_OFFSET: Final = """
    INSERT INTO clock_offsets (source, measured_ms, offset_ms, uncertainty_ms) VALUES (?, ?, ?, ?)
"""
NEWEST_CLOCK_OFFSET: Final = """
    SELECT source, measured_ms, offset_ms, uncertainty_ms FROM clock_offsets WHERE source = ? ORDER BY id DESC LIMIT 1
"""

STATUS_COLUMNS: Final = (
    "state", "reason", "detail", "since_ms", "retry_at_ms", "received", "stored", "duplicates", "undecodable",
    "reconnects", "latency_ms", "clock_offset_ms",
)  # fmt: skip
"""Columns of the table ``collector`` that are fields of `Heatmap.reports.ServiceStatus`."""

_COLLECTOR_COLUMNS: Final = f"source, symbols, run_id, host, pid, started_ms, heartbeat_ms, {', '.join(STATUS_COLUMNS)}"
_NEW_VALUES: Final = ", ".join(f"{name} = excluded.{name}" for name in _COLLECTOR_COLUMNS.split(", ")[1:])
PUT_COLLECTOR: Final = f"""
    INSERT INTO collector ({_COLLECTOR_COLUMNS}) VALUES ({", ".join("?" * 19)})
    ON CONFLICT (source) DO UPDATE SET {_NEW_VALUES}
"""  # noqa: S608 - names of this module
RECORDER_RUN: Final = "SELECT symbols, started_ms, heartbeat_ms FROM collector WHERE source = ?"
RUNNING_RECORDER: Final = """
    SELECT run_id, host, pid, symbols, started_ms, heartbeat_ms FROM collector
    WHERE source = ? AND state <> 'stopped'
"""
COLLECTORS: Final = f"SELECT {_COLLECTOR_COLUMNS} FROM collector ORDER BY source"  # noqa: S608 - names of this module


def rejected_row(rejected: RejectedFrame) -> tuple[str, str, str, int, int, bytes]:
    frame = rejected.frame[:QUARANTINE_FRAME_BYTES]
    return (rejected.source, rejected.kind, rejected.note, rejected.received_ms, rejected.size_bytes, frame)


def collector_row(report: CollectorReport, now_ms: int) -> tuple[str | int | float | None, ...]:
    """Return the values of `PUT_COLLECTOR` for a report made at ``now_ms``."""
    status = {name: getattr(report.status, name) for name in STATUS_COLUMNS}
    status["state"] = report.status.state.value
    if status["since_ms"] is None:
        status["since_ms"] = report.started_ms
    who = (report.source, " ".join(report.symbols), report.run_id, report.host, report.pid, report.started_ms)
    return (*who, now_ms, *status.values())


def places(values: Sized) -> str:
    """Return the placeholders of some values, for ``IN (...)``."""
    return ", ".join("?" * len(values))


def claimed_source(source: str) -> str:
    """Return the ``source`` of coverage that the owner of a file claims, and nobody recorded."""
    return f"{source}{CLAIMED_SUFFIX}"


def coverage_row(interval: Coverage) -> tuple[str, str, int, int]:
    return (str(interval.source), interval.symbol, interval.start_ms, interval.end_ms)


def event_row(event: LiquidationEvent) -> tuple[str | int | float | None, ...]:
    return (
        event.ts_ms, event.symbol, event.side.value, event.price, event.qty, event.notional, str(event.source),
        event.raw_json, event.order_price, event.order_qty, event.event_ms, event.received_ms,
    )  # fmt: skip


def row_event(row: tuple[Any, ...]) -> LiquidationEvent:
    """Return the event of a row of `EVENT_COLUMNS`."""
    ts_ms, symbol, side, price, qty, notional, source, raw_json, order_price, order_qty, event_ms, received_ms = row
    return LiquidationEvent(
        ts_ms, symbol, Side(side), price, qty, notional, source, order_price, order_qty, event_ms, received_ms, raw_json
    )
