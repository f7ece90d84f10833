"""Storing many events at once, without a thread: simulated history, imported files.

Each chunk is one transaction of about 30 ms under the write lock, and whoever calls makes the next chunk outside of
it: a collector beside a long import hardly waits.
"""

from __future__ import annotations

import contextlib
import sqlite3
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

from Heatmap.errors import LogRemovedError, MovedDatabaseError, StorageError
from Heatmap.storage import sql as statement
from Heatmap.storage.connection import RecordConnection, storage_error, write_transaction
from Heatmap.storage.migrations import open_database

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from types import TracebackType

    from Heatmap.events import Coverage, LiquidationEvent

CHUNK_ROWS: Final = 5000
"""Rows a transaction of made events."""

IMPORT_CHUNK_ROWS: Final = 2000
"""Rows a transaction of imported events, each of which is looked up first."""

# Coverage has no unique key, for stretches grow; what is known already is not written again.
_INSERT_UNKNOWN_COVERAGE: Final = """
    INSERT INTO coverage (source, symbol, start_ms, end_ms)
    SELECT :source, :symbol, :start_ms, :end_ms WHERE NOT EXISTS (
        SELECT 1 FROM coverage WHERE source = :source AND symbol = :symbol
                                 AND start_ms <= :start_ms AND end_ms >= :end_ms)
"""
# Some files lack the order's own price and quantity, which are part of the exchange's key. Where one of two rows does
# not know them, they do not tell the rows apart: the one that came first stays. The lookup runs over the key's index.
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
    """How many events were new, and how many the database already had."""

    inserted: int
    duplicates: int


def bulk_insert(
    db_path: str | Path, events: Iterable[LiquidationEvent], *, coverage: Iterable[Coverage] = ()
) -> BulkResult:
    """Store events and coverage; doing it twice changes nothing.

    Parameters
    ----------
    db_path
        The database; it and its folder are created when missing. A collector may be writing to it meanwhile.
    events
        Any number, in any order; taken in chunks, each one transaction.
    coverage
        Stretches for which ``events`` are all there is to know.

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
        while chunk := [statement.event_row(event) for event in islice(remaining, CHUNK_ROWS)]:
            with _transaction(connection, path):
                inserted += connection.executemany(statement.INSERT_EVENT, chunk).rowcount
            taken += len(chunk)
        with _transaction(connection, path):
            for stretch in coverage:
                connection.execute(
                    _INSERT_UNKNOWN_COVERAGE,
                    {
                        "source": str(stretch.source),
                        "symbol": stretch.symbol,
                        "start_ms": stretch.start_ms,
                        "end_ms": stretch.end_ms,
                    },
                )
        _settle(connection, path)
    return BulkResult(inserted, taken - inserted)


@dataclass(slots=True)
class ImportedFile:
    """A file being imported, as the table ``imports`` knows it.

    Attributes
    ----------
    name
        The file's name, without its folder.
    format
        What kind of file it is, in a stable word.
    imported_ms
        When, ms since the epoch.
    rows
        How many events it has brought so far.
    row_id
        Its row in ``imports``; None as long as it has brought nothing.
    """

    name: str
    format: str
    imported_ms: int
    rows: int = 0
    row_id: int | None = None


class ImportWriter:
    """Stores imported events; what the database has already is left as it is, and then nothing is written at all.

    A context manager; used only by the thread that made it.

    Parameters
    ----------
    db_path
        The database; it and its folder are created when missing. A collector may be writing to it meanwhile.

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
        """Store a chunk of events that a file holds, all or nothing.

        Parameters
        ----------
        file
            The file; its ``rows`` and ``row_id`` are brought up to date.
        events
            At most `IMPORT_CHUNK_ROWS`, for the write lock is held meanwhile.

        Returns
        -------
        int
            How many were new.

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
            rows = [(*statement.event_row(event), row_id) for event in events]
            inserted = connection.executemany(_INSERT_IMPORTED, rows).rowcount
            if inserted:
                connection.execute(_COUNT_IMPORTED, (file.rows + inserted, row_id))
            else:
                connection.execute("ROLLBACK")
        if inserted:
            file.rows, file.row_id = file.rows + inserted, row_id
        return inserted

    def settle(self) -> None:
        """Make sure of what was inserted, before anybody is told of it.

        Raises
        ------
        StorageError
            The disk fails, or another program moved or deleted the files: import once more.
        """
        _settle(self._connection, self._path)


@contextlib.contextmanager
def _transaction(connection: sqlite3.Connection, path: Path) -> Iterator[None]:
    try:
        with write_transaction(connection):
            yield
    except sqlite3.Error as error:
        raise storage_error(error, path) from error
    except (MovedDatabaseError, LogRemovedError) as error:
        raise _interrupted(error) from error
    except (OverflowError, UnicodeError) as error:
        raise StorageError(f"{path}: an event cannot be stored: {error}") from error


def _interrupted(error: StorageError) -> StorageError:
    """Return the error that says what to do; to store the same events once more is harmless."""
    return type(error)(str(error), short=f"{error.short} Do the same once more.")


def _settle(connection: RecordConnection, path: Path) -> None:
    """Bring the log into the file, waiting a while for those who are in the way, so that what is reported needs no log.

    Raises
    ------
    StorageError
        The disk fails, or the files were moved or deleted: then what was inserted may be lost.
    """
    try:
        connection.check_in_place()
        connection.execute("PRAGMA wal_checkpoint(FULL)").fetchall()
        connection.check_in_place()
    except (MovedDatabaseError, LogRemovedError) as error:
        raise _interrupted(error) from error
    except sqlite3.Error as error:
        raise storage_error(error, path) from error
