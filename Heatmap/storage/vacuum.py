"""Rewriting a database without its free pages."""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path
from typing import NamedTuple

from Heatmap.errors import StorageError
from Heatmap.storage.connection import storage_errors
from Heatmap.storage.migrations import open_database

_BYTES_PER_MB = 1e6


class Compaction(NamedTuple):
    """Size of the file before and after, in bytes."""

    before_bytes: int
    after_bytes: int


def compact(db_path: str | Path) -> Compaction:
    """Rewrite a database without free pages, so that it returns them by itself from now on; a crash leaves the old one.

    A collector keeps new events in memory meanwhile. Raises StorageError without a database, or room for a second one.
    """
    path = Path(db_path)
    if not path.exists():
        raise StorageError(f"{path} does not exist", short=f"There is no database {path}.")
    with contextlib.closing(open_database(path)) as connection, storage_errors(path):
        # The log's content counts, too.
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
        # Elsewhere temporary tables are small; this one is the whole database.
        connection.execute("PRAGMA temp_store = FILE")
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
        connection.execute("VACUUM")
        connection.check_in_place()
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    return Compaction(before_bytes, path.stat().st_size)
