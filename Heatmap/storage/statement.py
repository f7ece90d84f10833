"""How an event, a stretch of coverage and a tick size become rows: the statements that all writers share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from Heatmap.events import LiquidationEvent

EventRow = tuple[
    int, str, str, float, float, float, str, str | None, float | None, float | None, int | None, int | None
]

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
PUT_TICK_SIZE: Final = """
    INSERT INTO tick_sizes (source, symbol, tick_size, updated_ms) VALUES (?, ?, ?, ?)
    ON CONFLICT (source, symbol) DO UPDATE SET tick_size = excluded.tick_size, updated_ms =
    excluded.updated_ms
"""


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
