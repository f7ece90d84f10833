"""Inserting many events without a thread (simulated history, imported files), and deleting simulated ones.

Each chunk inserted is one transaction of about 30 ms under the write lock, so that a collector hardly waits.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from Heatmap.errors import LogRemovedError, MovedDatabaseError, StorageError
from Heatmap.events import Source
from Heatmap.storage import sql
from Heatmap.storage.connection import Closing, RecordConnection, storage_errors, write_transaction
from Heatmap.storage.migrations import open_database
from Heatmap.storage.second_match import not_stored

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Iterator, Sequence

    from Heatmap.events import Coverage, LiquidationEvent

CHUNK_ROWS: Final = 5000  # in one transaction of generated events
IMPORT_CHUNK_ROWS: Final = 2000  # in one transaction of imported events, each of which is looked up first

# Coverage has no unique key, for intervals grow; what is covered already is not inserted again.
_INSERT_UNKNOWN_COVERAGE: Final = """
    INSERT INTO coverage (source, symbol, start_ms, end_ms)
    SELECT ?1, ?2, ?3, ?4 WHERE NOT EXISTS (
        SELECT 1 FROM coverage WHERE source = ?1 AND symbol = ?2 AND start_ms <= ?3 AND end_ms >= ?4)
"""
# Some files lack the order's own price and quantity, which are part of the exchange's key: of two rows that differ only
# by that, the first one stays. The lookup uses the key's index.
_INSERT_IMPORTED: Final = """
    INSERT INTO liq_events
        (ts_ms, symbol, side, price, qty, notional, source, raw_json, order_price, order_qty, event_ms, received_ms,
         import_id)
    SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13
    WHERE NOT EXISTS (
        SELECT 1 FROM liq_events
        WHERE source = ?7 AND symbol = ?2 AND ts_ms = ?1 AND side = ?3 AND price = ?4 AND qty = ?5
          AND (order_price = ?9 OR order_price IS NULL OR ?9 IS NULL)
          AND (order_qty = ?10 OR order_qty IS NULL OR ?10 IS NULL))
"""
_INSERT_IMPORT: Final = "INSERT INTO imports (file, format, imported_ms, rows) VALUES (?, ?, ?, 1)"
_COUNT_IMPORTED: Final = "UPDATE imports SET rows = ? WHERE id = ?"


class BulkResult(NamedTuple):
    """Number of events that were new, and that were stored already."""

    inserted: int
    duplicates: int


def bulk_insert(
    db_path: str | Path, events: Iterable[LiquidationEvent], *, coverage: Iterable[Coverage] = ()
) -> BulkResult:
    """Insert events, in any number and order, and the intervals that they cover; doing it twice changes nothing.

    The database is created when missing. On a StorageError the chunks before it are stored.
    """
    path = Path(db_path)
    inserted = taken = 0
    remaining = iter(events)
    with contextlib.closing(open_database(path)) as connection:
        while chunk := [sql.event_row(event) for event in islice(remaining, CHUNK_ROWS)]:
            with _transaction(connection, path):
                inserted += connection.executemany(sql.INSERT_EVENT, chunk).rowcount
            taken += len(chunk)
        with _transaction(connection, path):
            connection.executemany(_INSERT_UNKNOWN_COVERAGE, map(sql.coverage_row, coverage))
        _settle(connection, path)
    return BulkResult(inserted, taken - inserted)


def erase_source(db_path: str | Path, source: str) -> int:
    """Delete all events and coverage of `Source.DEMO` or `Source.REPLAY`; return the number of events.

    Raises StorageError for recorded sources, and if an existing database cannot be written.
    """
    if source not in (Source.DEMO, Source.REPLAY):
        raise StorageError(f"expected a simulated or replayed source, was {source!r}: recorded events are never erased")
    path = Path(db_path)
    if not path.exists():
        return 0
    with storage_errors(path), contextlib.closing(open_database(path)) as connection, write_transaction(connection):
        erased = connection.execute("DELETE FROM liq_events WHERE source = ?", (str(source),)).rowcount
        connection.execute("DELETE FROM coverage WHERE source = ?", (str(source),))
    return erased


@dataclass(slots=True)
class ImportedFile:
    """A file being imported."""

    name: str  # without the folder
    format: str
    imported_ms: int  # since the epoch
    rows: int = 0  # number of new events so far
    row_id: int | None = None  # in the table ``imports``; None without new events


class ImportWriter(Closing):
    """Inserts imported events; where all are stored already, nothing is written. Only for the thread that made it.

    The database is created when missing. All methods raise `Heatmap.errors.StorageError`.
    """

    def __init__(self, db_path: str | Path) -> None:
        self._path = Path(db_path)
        self._connection = open_database(self._path)

    def insert(self, file: ImportedFile, events: Sequence[LiquidationEvent], *, by_second: bool = False) -> int:
        """Insert up to `IMPORT_CHUNK_ROWS` events, all or nothing, and update ``file``; return how many were new.

        With ``by_second`` the events have no milliseconds, and are compared with stored ones that have: see
        `Heatmap.storage.second_match`.
        """
        connection, row_id = self._connection, file.row_id
        with _transaction(connection, self._path):
            if by_second:
                events = not_stored(connection, events)
            if row_id is None:
                row_id = connection.execute(_INSERT_IMPORT, (file.name, file.format, file.imported_ms)).lastrowid
            rows = [(*sql.event_row(event), row_id) for event in events]
            inserted = connection.executemany(_INSERT_IMPORTED, rows).rowcount
            if inserted:
                connection.execute(_COUNT_IMPORTED, (file.rows + inserted, row_id))
            else:
                connection.execute("ROLLBACK")
        if inserted:
            file.rows, file.row_id = file.rows + inserted, row_id
        return inserted

    def claim(self, coverage: Iterable[Coverage]) -> None:
        """Store intervals as covered because the owner of a file says so; they stay apart from recorded coverage."""
        rows = [(sql.claimed_source(each.source), *sql.coverage_row(each)[1:]) for each in coverage]
        with _transaction(self._connection, self._path):
            self._connection.executemany(_INSERT_UNKNOWN_COVERAGE, rows)

    def settle(self) -> None:
        """Write the log into the file, before what was inserted is reported."""
        _settle(self._connection, self._path)

    def close(self) -> None:
        self._connection.close()


@contextlib.contextmanager
def _transaction(connection: sqlite3.Connection, path: Path) -> Iterator[None]:
    try:
        with _errors(path), write_transaction(connection):
            yield
    except (OverflowError, UnicodeError) as error:
        raise StorageError(f"{path}: an event cannot be stored: {error}") from error


@contextlib.contextmanager
def _errors(path: Path) -> Iterator[None]:
    try:
        with storage_errors(path):
            yield
    except (MovedDatabaseError, LogRemovedError) as error:
        # To store the same events once more is harmless.
        raise type(error)(str(error), short=f"{error.short} Do the same once more.") from error


def _settle(connection: RecordConnection, path: Path) -> None:
    """Write the log into the file, waiting a while for readers."""
    with _errors(path):
        connection.check_in_place()
        connection.execute("PRAGMA wal_checkpoint(FULL)").fetchall()
        connection.check_in_place()
