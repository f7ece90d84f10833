"""Storing many events at once, without a thread: simulated history, later imported files."""

from __future__ import annotations

import contextlib
import sqlite3
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Final

from Heatmap.errors import StorageError
from Heatmap.storage import statement
from Heatmap.storage.connection import storage_error
from Heatmap.storage.migrations import open_database

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from Heatmap.events import Coverage, LiquidationEvent

# Rows a transaction: about 30 ms under the write lock, so that a collector beside it hardly waits.
_CHUNK_ROWS: Final = 5000
# Coverage has no unique key, for stretches grow; what is known already is not written again.
_INSERT_UNKNOWN_COVERAGE: Final = """
    INSERT INTO coverage (source, symbol, start_ms, end_ms)
    SELECT :source, :symbol, :start_ms, :end_ms WHERE NOT EXISTS (
        SELECT 1 FROM coverage WHERE source = :source AND symbol = :symbol
                                 AND start_ms <= :start_ms AND end_ms >= :end_ms)
"""


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
        while chunk := [statement.event_row(event) for event in islice(remaining, _CHUNK_ROWS)]:
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
    return BulkResult(inserted, taken - inserted)


@contextlib.contextmanager
def _transaction(connection: sqlite3.Connection, path: Path) -> Iterator[None]:
    try:
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            connection.execute("COMMIT")
        except BaseException:
            # The failure may have ended the transaction already; the first error is the one to tell.
            with contextlib.suppress(sqlite3.Error):
                connection.execute("ROLLBACK")
            raise
    except sqlite3.Error as error:
        raise storage_error(error, path) from error
    except (OverflowError, UnicodeError) as error:
        raise StorageError(f"{path}: an event cannot be stored: {error}") from error
