"""Inserting many events into a file without a thread, and deleting generated ones.

Each chunk inserted is one transaction of about 30 ms under the write lock, so that a collector hardly waits.
"""

from __future__ import annotations

import contextlib
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from Heatmap.errors import LogRemovedError, MovedDatabaseError, StorageError
from Heatmap.storage import sql
from Heatmap.storage.contract import BulkResult, ImportWriter
from Heatmap.storage.imports import (
    CHUNK_ROWS,
    check_generated,
    erase_generated,
    insert_claims,
    insert_imported,
    insert_recorded,
)
from Heatmap.storage.sqlite.connection import RecordConnection, storage_errors, write_transaction
from Heatmap.storage.sqlite.migrations import open_database

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Iterator, Sequence

    from Heatmap.events import Coverage, LiquidationEvent
    from Heatmap.storage.contract import ImportedFile


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
            connection.executemany(sql.INSERT_UNKNOWN_COVERAGE, map(sql.coverage_row, coverage))
        _settle(connection, path)
    return BulkResult(inserted, taken - inserted)


def erase_source(db_path: str | Path, source: str) -> int:
    """Delete all events and coverage of `Source.DEMO` or `Source.REPLAY`; return the number of events.

    Raises StorageError for recorded sources, and if an existing database cannot be written.
    """
    check_generated(source)
    path = Path(db_path)
    if not path.exists():
        return 0
    with storage_errors(path), contextlib.closing(open_database(path)) as connection, write_transaction(connection):
        return erase_generated(connection, source)


class SqliteImportWriter(ImportWriter):
    """Inserts imported events into a file; see `Heatmap.storage.contract.ImportWriter`."""

    def __init__(self, db_path: str | Path) -> None:
        self._path = Path(db_path)
        self._connection = open_database(self._path)

    def insert(self, file: ImportedFile, events: Sequence[LiquidationEvent], *, by_second: bool = False) -> int:
        """Insert up to `IMPORT_CHUNK_ROWS` events, all or nothing, and update ``file``; return how many were new."""
        with _transaction(self._connection, self._path):
            inserted, row_id = insert_imported(self._connection, file, events, by_second=by_second)
            if not inserted:
                self._connection.execute("ROLLBACK")
        if inserted:
            file.rows, file.row_id = file.rows + inserted, row_id
        return inserted

    def claim(self, coverage: Iterable[Coverage]) -> None:
        """Store intervals as covered because the owner of a file says so."""
        with _transaction(self._connection, self._path):
            insert_claims(self._connection, coverage)

    def cover(self, coverage: Iterable[Coverage]) -> None:
        """Store intervals as recorded, for another record of this program has them."""
        with _transaction(self._connection, self._path):
            insert_recorded(self._connection, coverage)

    def settle(self) -> None:
        """Write the log into the file, before what was inserted is reported."""
        _settle(self._connection, self._path)

    def close(self) -> None:
        """Close the file; harmless if called twice."""
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
