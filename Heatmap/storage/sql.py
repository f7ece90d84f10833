"""How an event, a stretch of coverage and a tick size become rows: the statements that all writers share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from Heatmap.events import LiquidationEvent
    from Heatmap.reports import CollectorReport, RejectedFrame

EventRow = tuple[
    int, str, str, float, float, float, str, str | None, float | None, float | None, int | None, int | None
]

QUARANTINE_ROWS: Final = 1000
"""Most frames kept that did not decode."""

QUARANTINE_FRAME_BYTES: Final = 4096
"""Most bytes kept of one of them."""

# ON CONFLICT concerns the unique key alone; OR IGNORE would drop a row that breaks a CHECK without a word.
INSERT_EVENT: Final = """
    INSERT INTO liq_events
        (ts_ms, symbol, side, price, qty, notional, source, raw_json, order_price, order_qty, event_ms, received_ms)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT DO NOTHING
"""
NEWEST_EVENT: Final = "SELECT max(ts_ms) FROM liq_events WHERE source = ? AND symbol = ?"
INSERT_COVERAGE: Final = "INSERT INTO coverage (source, symbol, start_ms, end_ms) VALUES (?, ?, ?, ?)"
EXTEND_COVERAGE: Final = "UPDATE coverage SET end_ms = ? WHERE id = ?"
TICK_SIZE: Final = "SELECT tick_size FROM tick_sizes WHERE source = ? AND symbol = ?"
PUT_TICK_SIZE: Final = """
    INSERT INTO tick_sizes (source, symbol, tick_size, updated_ms) VALUES (?, ?, ?, ?)
    ON CONFLICT (source, symbol) DO UPDATE SET tick_size = excluded.tick_size, updated_ms =
    excluded.updated_ms
"""
INSERT_REJECTED: Final = """
    INSERT INTO quarantine (source, kind, note, received_ms, size_bytes, frame) VALUES (?, ?, ?, ?, ?, ?)
"""
TRIM_QUARANTINE: Final = f"""
    DELETE FROM quarantine WHERE id <= (SELECT max(id) FROM quarantine) - {QUARANTINE_ROWS}
"""  # noqa: S608 - a constant of this module
INSERT_CLOCK_OFFSET: Final = """
    INSERT INTO clock_offsets (source, measured_ms, offset_ms, uncertainty_ms) VALUES (?, ?, ?, ?)
"""
NEWEST_CLOCK_OFFSET: Final = """
    SELECT source, measured_ms, offset_ms, uncertainty_ms FROM clock_offsets WHERE source = ? ORDER BY id DESC LIMIT 1
"""
PUT_COLLECTOR: Final = """
    INSERT OR REPLACE INTO collector
        (source, run_id, host, pid, symbols, started_ms, heartbeat_ms, state, reason, detail, since_ms, retry_at_ms,
         received, stored, duplicates, undecodable, reconnects, latency_ms, clock_offset_ms)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
# Hops from one symbol to the next within an index: as many steps as there are symbols, not rows.
SYMBOLS: Final = """
    WITH RECURSIVE known (symbol) AS (
        SELECT min(symbol) FROM liq_events WHERE source = ?1
        UNION ALL
        SELECT (SELECT min(symbol) FROM liq_events WHERE source = ?1 AND symbol > known.symbol)
        FROM known WHERE known.symbol IS NOT NULL
    )
    SELECT symbol FROM known WHERE symbol IS NOT NULL
"""
# A row without both was rebuilt from an index of a damaged file: where it came from is not known any more.
OLD_ROWS: Final = """
    SELECT id, ts_ms, import_id IS NULL AND received_ms IS NOT NULL FROM liq_events INDEXED BY idx_liq_events_window
    WHERE source = ? AND symbol = ? AND (ts_ms, id) > (?, ?) AND ts_ms < ? ORDER BY ts_ms, id LIMIT ?
"""
DELETE_EVENT: Final = "DELETE FROM liq_events WHERE id = ?"
FORGET_COVERAGE: Final = "DELETE FROM coverage WHERE source = ? AND end_ms < ?"
SHORTEN_COVERAGE: Final = "UPDATE coverage SET start_ms = ? WHERE source = ? AND start_ms < ?"
FORGET_CLOCK_OFFSETS: Final = "DELETE FROM clock_offsets WHERE source = ? AND measured_ms < ?"
FORGET_REJECTED: Final = "DELETE FROM quarantine WHERE source = ? AND received_ms < ?"
LEASE_ROW: Final = "SELECT run_id, host, pid, symbols, heartbeat_ms, state FROM collector WHERE source = ?"
BEAT_COLLECTOR: Final = "UPDATE collector SET heartbeat_ms = ? WHERE source = ? AND run_id = ?"


def rejected_row(rejected: RejectedFrame) -> tuple[str, str, str, int, int, bytes]:
    """Return the values of `INSERT_REJECTED` for one frame."""
    frame = rejected.frame[:QUARANTINE_FRAME_BYTES]
    return (rejected.source, rejected.kind, rejected.note, rejected.received_ms, rejected.size_bytes, frame)


def collector_row(report: CollectorReport, now_ms: int) -> tuple[str | int | float | None, ...]:
    """Return the values of `PUT_COLLECTOR` for a report made at ``now_ms``."""
    status = report.status
    return (
        report.source,
        report.run_id,
        report.host,
        report.pid,
        " ".join(report.symbols),
        report.started_ms,
        now_ms,
        status.state.value,
        status.reason,
        status.detail,
        status.since_ms if status.since_ms is not None else report.started_ms,
        status.retry_at_ms,
        status.received,
        status.stored,
        status.duplicates,
        status.undecodable,
        status.reconnects,
        status.latency_ms,
        status.clock_offset_ms,
    )


def event_row(event: LiquidationEvent) -> EventRow:
    """Return the values of `INSERT_EVENT` for one event."""
    return (
        event.ts_ms,
        event.symbol,
        event.side.value,
        event.price,
        event.qty,
        event.notional,
        str(event.source),
        event.raw_json,
        event.order_price,
        event.order_qty,
        event.event_ms,
        event.received_ms,
    )
