"""Inserting many events without a thread: simulated history, imported files.

Each chunk is one transaction of about 30 ms under the write lock; the next chunk is prepared outside of it, so that a
collector hardly waits beside a long import.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

from Heatmap.errors import LogRemovedError, MovedDatabaseError, StorageError
from Heatmap.storage import sql
from Heatmap.storage.connection import RecordConnection, storage_errors, write_transaction
from Heatmap.storage.migrations import open_database

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Iterator, Sequence
    from types import TracebackType

    from Heatmap.events import Coverage, LiquidationEvent

CHUNK_ROWS: Final = 5000
"""Rows in one transaction of generated events."""

IMPORT_CHUNK_ROWS: Final = 2000
"""Rows in one transaction of imported events, each of which is looked up first."""

# Coverage has no unique key, for intervals grow; what is covered already is not inserted again.
_INSERT_UNKNOWN_COVERAGE: Final = """
    INSERT INTO coverage (source, symbol, start_ms, end_ms)
    SELECT ?1, ?2, ?3, ?4 WHERE NOT EXISTS (
        SELECT 1 FROM coverage WHERE source = ?1 AND symbol = ?2 AND start_ms <= ?3 AND end_ms >= ?4)
"""
# Some files lack the order's own price and quantity, which are part of the exchange's key. Two rows that differ only
# because one lacks them are the same event: the first one stays. The lookup uses the key's index.
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


@dataclass(frozen=True, slots=True)
class BulkResult:
    """Number of events that were new, and that were stored already."""

    inserted: int
    duplicates: int


def bulk_insert(
    db_path: str | Path, events: Iterable[LiquidationEvent], *, coverage: Iterable[Coverage] = ()
) -> BulkResult:
    """Insert events and coverage; doing it twice changes nothing.

    Parameters
    ----------
    db_path
        The database; it and its folder are created when missing. A collector may write to it meanwhile.
    events
        Any number, in any order; taken in chunks, each one transaction.
    coverage
        Intervals of which ``events`` are complete.

    Raises
    ------
    StorageError
        The database cannot be opened or written, or an event breaks the schema; the chunks before it are
        stored.
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


@dataclass(slots=True)
class ImportedFile:
    """A file being imported: its row in the table ``imports``.

    Attributes
    ----------
    name, format
        The file's name without its folder, and the stable word of its format.
    imported_ms
        Time of the import, ms since the epoch.
    rows
        Number of new events so far.
    row_id
        Its row; None while it has no new events.
    """

    name: str
    format: str
    imported_ms: int
    rows: int = 0
    row_id: int | None = None


class ImportWriter:
    """Inserts imported events; where all are stored already, nothing is written. Only for the thread that made it.

    A context manager.

    Parameters
    ----------
    db_path
        The database; it and its folder are created when missing. A collector may write to it meanwhile.

    Raises
    ------
    StorageError
        The database cannot be opened.
    """

    def __init__(self, db_path: str | Path) -> None:
        self._path = Path(db_path)
        self._connection = open_database(self._path)

    def __enter__(self) -> Self:
        """Return the writer; leaving the block closes it."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the database."""
        self._connection.close()

    def insert(self, file: ImportedFile, events: Sequence[LiquidationEvent]) -> int:
        """Insert a chunk of a file's events, all or nothing; return how many were new.

        Parameters
        ----------
        file
            The file; its ``rows`` and ``row_id`` are updated.
        events
            At most `IMPORT_CHUNK_ROWS`, for the write lock is held meanwhile.

        Raises
        ------
        StorageError
            The database cannot be written, or an event breaks the schema.
        """
        connection = self._connection
        row_id = file.row_id
        with _transaction(connection, self._path):
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

    def settle(self) -> None:
        """Write what was inserted into the file, before it is reported.

        Raises
        ------
        StorageError
            The disk fails, or another program moved or deleted the files: import once more.
        """
        _settle(self._connection, self._path)


@contextlib.contextmanager
def _transaction(connection: sqlite3.Connection, path: Path) -> Iterator[None]:
    try:
        with _errors(path), write_transaction(connection):
            yield
    except (OverflowError, UnicodeError) as error:
        raise StorageError(f"{path}: an event cannot be stored: {error}") from error


@contextlib.contextmanager
def _errors(path: Path) -> Iterator[None]:
    """Raise errors of a block as this package's; where files were moved or deleted, they say what to do."""
    try:
        with storage_errors(path):
            yield
    except (MovedDatabaseError, LogRemovedError) as error:
        # To store the same events once more is harmless.
        raise type(error)(str(error), short=f"{error.short} Do the same once more.") from error


def _settle(connection: RecordConnection, path: Path) -> None:
    """Write the log into the file, waiting a while for readers, so that what is reported needs no log."""
    with _errors(path):
        connection.check_in_place()
        connection.execute("PRAGMA wal_checkpoint(FULL)").fetchall()
        connection.check_in_place()
