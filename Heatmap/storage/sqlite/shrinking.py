"""Shrinking of a file while it is recorded into, and rewriting it as a whole."""

from __future__ import annotations

import contextlib
import shutil
from typing import TYPE_CHECKING, Final

from Heatmap.errors import StorageError
from Heatmap.storage.contract import Compaction
from Heatmap.storage.sqlite.connection import storage_errors
from Heatmap.storage.sqlite.migrations import open_database

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Generator
    from pathlib import Path

VACUUM_PAGES: Final = 64  # returned in one step: 256 KiB at SQLite's page size
SPARE_PAGES: Final = 1024  # free pages that stay in the file for new rows: 4 MiB


def shrink(connection: sqlite3.Connection) -> Generator[None]:
    """Return free pages to the file system and shorten the log, in steps between which others get the lock."""
    if connection.execute("PRAGMA auto_vacuum").fetchone()[0]:
        yield from _return_pages(connection)
    _shorten_log(connection)


def _return_pages(connection: sqlite3.Connection) -> Generator[None]:
    """Return free pages to the file system, apart from some spare ones."""
    (before,) = connection.execute("PRAGMA freelist_count").fetchone()
    while before > SPARE_PAGES:
        # `execute` would stop after the first page; a script runs to its end.
        connection.executescript(f"PRAGMA incremental_vacuum({min(VACUUM_PAGES, before - SPARE_PAGES)})")
        (free,) = connection.execute("PRAGMA freelist_count").fetchone()
        if free >= before:
            return
        before = free
        yield


def _shorten_log(connection: sqlite3.Connection) -> None:
    """Write the log into the file, and cut the log if no reader still needs it; waits for nobody."""
    # PASSIVE takes no write lock, and leaves next to nothing for TRUNCATE.
    _, frames, done = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
    if frames != done:
        return
    timeout_ms = connection.execute("PRAGMA busy_timeout").fetchone()[0]
    connection.execute("PRAGMA busy_timeout = 0")
    try:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    finally:
        connection.execute(f"PRAGMA busy_timeout = {timeout_ms}")


def compact(path: Path) -> Compaction:
    """Rewrite a database without free pages, so that it returns them by itself from now on; a crash leaves the old one.

    A collector keeps new events in memory meanwhile. Raises StorageError without a database, or room for a second one.
    """
    if not path.exists():
        raise StorageError(f"{path} does not exist", short=f"There is no database {path}.")
    with contextlib.closing(open_database(path)) as connection, storage_errors(path):
        # The log's content counts, too.
        connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
        before_bytes = path.stat().st_size
        # The new copy is written to a temporary file, and again into the log.
        free_bytes = shutil.disk_usage(path.absolute().parent).free
        if free_bytes < before_bytes:
            needed, free = (f"{size / 1e6:.0f} MB" for size in (before_bytes, free_bytes))
            raise StorageError(
                f"{path}: expected {before_bytes} bytes free beside it, were {free_bytes}",
                short=f"To rewrite {path} the disk needs {needed} more than it has free ({free}).",
            )
        # Elsewhere temporary tables are small; this one is the whole database.
        connection.execute("PRAGMA temp_store = FILE")
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
        connection.execute("VACUUM")
        connection.check_in_place()
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    return Compaction(before_bytes, path.stat().st_size)
