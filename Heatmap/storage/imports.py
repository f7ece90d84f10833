"""Storing of imported events, the same on every database."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from Heatmap.errors import StorageError
from Heatmap.events import Source
from Heatmap.storage import sql
from Heatmap.storage.second_match import not_stored

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from Heatmap.events import Coverage, LiquidationEvent
    from Heatmap.storage.contract import ImportedFile
    from Heatmap.storage.sql_connection import Connection

CHUNK_ROWS: Final = 5000  # in one transaction of generated events
IMPORT_CHUNK_ROWS: Final = 2000  # in one transaction of imported events, each of which is looked up first

# Some files lack the order's own price and quantity, which are part of the exchange's key: of two rows that differ only
# by that, the first one stays. The lookup is by symbol and time; an index that begins with the source is ruled out, for
# PostgreSQL, which knows nothing of a new table's rows, would choose the one that has a whole series to read.
INSERT_IMPORTED: Final = """
    INSERT INTO liq_events
        (ts_ms, symbol, side, price, qty, notional, source, raw_json, order_price, order_qty, event_ms, received_ms,
         import_id)
    SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13
    WHERE NOT EXISTS (
        SELECT 1 FROM liq_events
        WHERE source || '' = ?7 AND symbol = ?2 AND ts_ms = ?1 AND side = ?3 AND price = ?4 AND qty = ?5
          AND (order_price = ?9 OR order_price IS NULL OR ?9 IS NULL)
          AND (order_qty = ?10 OR order_qty IS NULL OR ?10 IS NULL))
"""
INSERT_IMPORT: Final = "INSERT INTO imports (file, format, imported_ms, rows) VALUES (?, ?, ?, 1) RETURNING id"
COUNT_IMPORTED: Final = "UPDATE imports SET rows = ? WHERE id = ?"


def insert_imported(
    connection: Connection, file: ImportedFile, events: Sequence[LiquidationEvent], *, by_second: bool
) -> tuple[int, int]:
    """Insert events of a file in the open transaction; return how many were new, and the file's row id.

    Where none is new, the transaction is to be rolled back: the file has no row then.
    """
    if by_second:
        events = not_stored(connection, events)
    row_id = file.row_id
    if row_id is None:
        row_id = int(connection.execute(INSERT_IMPORT, (file.name, file.format, file.imported_ms)).fetchone()[0])
    inserted = 0
    for some in _of_different_keys(events):
        rows = [(*sql.event_row(event), row_id) for event in some]
        inserted += connection.executemany(INSERT_IMPORTED, rows).rowcount
    if inserted > 0:
        connection.execute(COUNT_IMPORTED, (file.rows + inserted, row_id))
    return inserted, row_id


def _of_different_keys(events: Sequence[LiquidationEvent]) -> list[list[LiquidationEvent]]:
    """Return the events in parts, mostly one, without two of one key: a server looks all of a part up at once."""
    parts: list[list[LiquidationEvent]] = []
    counts: Counter[tuple[object, ...]] = Counter()
    for event in events:
        key = (event.source, event.symbol, event.ts_ms, event.side, event.price, event.qty)
        if counts[key] == len(parts):
            parts.append([])
        parts[counts[key]].append(event)
        counts[key] += 1
    return parts


def insert_claims(connection: Connection, coverage: Iterable[Coverage]) -> None:
    """Insert intervals that the owner of a file claims as covered, in the open transaction."""
    rows = [(sql.claimed_source(each.source), *sql.coverage_row(each)[1:]) for each in coverage]
    if rows:
        connection.executemany(sql.INSERT_UNKNOWN_COVERAGE, rows)


def insert_recorded(connection: Connection, coverage: Iterable[Coverage]) -> None:
    """Insert intervals that another record of this program has recorded, in the open transaction."""
    rows = [sql.coverage_row(each) for each in coverage]
    if rows:
        connection.executemany(sql.INSERT_UNKNOWN_COVERAGE, rows)


def erase_generated(connection: Connection, source: str) -> int:
    """Delete the events and coverage of a source in the open transaction; return the number of events."""
    erased = connection.execute("DELETE FROM liq_events WHERE source = ?", (str(source),)).rowcount
    connection.execute("DELETE FROM coverage WHERE source = ?", (str(source),))
    return erased


def check_generated(source: str) -> None:
    """Raise `StorageError` unless the events of this source are generated and not recorded."""
    if source not in (Source.DEMO, Source.REPLAY):
        raise StorageError(f"expected a simulated or replayed source, was {source!r}: recorded events are never erased")
