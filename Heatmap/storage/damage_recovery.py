"""Damaged databases: detection, and a new file with all that can be read; see `Heatmap.storage.recovery`."""

from __future__ import annotations

import contextlib
import logging
import sqlite3
from typing import TYPE_CHECKING, Final

from Heatmap.errors import DamagedDatabaseError, StorageError
from Heatmap.storage.connection import open_reader, storage_error, storage_errors
from Heatmap.storage.file_guard import header_of
from Heatmap.storage.migrations import APPLICATION_ID, finish_interrupted, move_database, rescued_path
from Heatmap.storage.recovery import RecoveredRows, build_and_swap, copy_readable, unused_name

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from Heatmap.clock import Clock

_LOG = logging.getLogger(__name__)

# About 1 ms of checking between two calls of `goes_on`.
_CHECK_STEPS: Final = 100_000
_APPLICATION_ID_AT: Final = 68
_HEADER_BYTES: Final = 100


def check(connection: sqlite3.Connection, path: Path, *, goes_on: Callable[[], bool] = lambda: True) -> None:
    """Check an open database for damage: half a second for a million liquidations.

    Parameters
    ----------
    connection, path
        The database.
    goes_on
        Called about every millisecond; False ends the check without a result.

    Raises
    ------
    DamagedDatabaseError
        The file is damaged; the message is SQLite's first finding.
    StorageError
        It cannot be read.
    """
    connection.set_progress_handler(lambda: not goes_on(), _CHECK_STEPS)
    try:
        finding = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    except sqlite3.Error as error:
        if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_INTERRUPT:
            return
        raise storage_error(error, path) from error
    finally:
        connection.set_progress_handler(None, 0)
    if finding != "ok":
        raise DamagedDatabaseError(f"{path}: quick_check: {finding}", short=f"The database {path} is damaged.")


def is_damaged_record(path: Path) -> bool:
    """Return True if a file that SQLite does not accept as a database has our application id."""
    try:
        header = header_of(path, _HEADER_BYTES)
    except OSError:
        return False
    mark = APPLICATION_ID.to_bytes(4, "big")
    return header[_APPLICATION_ID_AT : _APPLICATION_ID_AT + len(mark)] == mark


def rescue(path: Path, clock: Clock) -> RecoveredRows | None:
    """Replace a damaged database by a new one with all that can be read of it.

    Call only for a file that `check` found damaged, or `is_damaged_record`; close all connections to it first.

    Returns
    -------
    RecoveredRows or None
        None if another program was faster and the file is another one already.

    Raises
    ------
    StorageError
        Another program is recovering, or the disk fails; the damaged file is where it was.
    """
    # A symbolic link stays; its target is replaced.
    path = path.resolve()
    recovered = RecoveredRows(unused_name(path, "damaged", clock), cause="was damaged")

    def fill(target: sqlite3.Connection) -> None:
        try:
            source = open_reader(path)
        except StorageError as error:
            _LOG.error("nothing can be read of %s: %s", path, error)
            return
        with contextlib.closing(source):
            copy_readable(target, source, recovered)

    def swap() -> None:
        move_database(path, recovered.kept_as)

    _LOG.error("%s is damaged; what can be read of it is carried into a new file", path)
    with storage_errors(rescued_path(path)):
        done = build_and_swap(path, recovered, fill, swap, discard=False)
    finish_interrupted(path)
    return done
