"""Rewriting a database without its empty pages."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
from dataclasses import dataclass
from pathlib import Path

from Heatmap.errors import StorageError
from Heatmap.storage.connection import storage_error
from Heatmap.storage.migrations import open_database

_BYTES_PER_MB = 1e6


@dataclass(frozen=True, slots=True)
class Compaction:
    """Size of the file before and after, in bytes."""

    before_bytes: int
    after_bytes: int


def compact(db_path: str | Path) -> Compaction:
    """Rewrite a database in order and without empty pages; a crash leaves the old one.

    From then on it can give freed pages back by itself, which files made before version 2 cannot. A collector that
    is at work meanwhile keeps what comes in memory, and stores it afterwards.

    Raises
    ------
    StorageError
        There is no database, it cannot be rewritten, or the disk has no room for a second one beside it.
    """
    path = Path(db_path)
    if not path.exists():
        raise StorageError(f"{path} does not exist", short=f"There is no database {path}.")
    with contextlib.closing(open_database(path)) as connection:
        try:
            # The log's content counts too, and is brought into the file first.
            connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
            before_bytes = path.stat().st_size
            # The new copy is written to a temporary file, and again into the log.
            free_bytes = shutil.disk_usage(path.absolute().parent).free
            if free_bytes < before_bytes:
                raise StorageError(
                    f"{path}: expected {before_bytes} bytes free beside it, were {free_bytes}",
                    short=f"To rewrite {path} the disk needs {before_bytes / _BYTES_PER_MB:.0f} MB more than it has"
                    f" free ({free_bytes / _BYTES_PER_MB:.0f} MB).",
                )
            # Elsewhere temporary tables are small; this one is the whole record.
            connection.execute("PRAGMA temp_store = FILE")
            connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
            connection.execute("VACUUM")
            connection.check_in_place()
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        except sqlite3.Error as error:
            raise storage_error(error, path) from error
    return Compaction(before_bytes, path.stat().st_size)
