"""Checking a database's path and content, and replacing a damaged one by a new file with all that can be read.

The new file is built as ``NAME.rescued``, in one transaction, and takes the name when it is complete. The old file is
kept as ``NAME.damaged-YYYYMMDD-HHMMSS``. A crash on the way loses nothing: the next start begins again, or renames the
complete file (`Heatmap.storage.migrations.finish_interrupted`). Two programs cannot both replace a file: the one being
built is locked by SQLite. Where rows could not be read, coverage is cut as well: that time is unknown, not empty.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sqlite3
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import chain, count
from typing import TYPE_CHECKING, Any, Final

from Heatmap.errors import DamagedDatabaseError, NotADatabaseError, StorageError, UnusableDatabaseError
from Heatmap.events import Coverage
from Heatmap.storage import sql
from Heatmap.storage.connection import (
    RecordConnection,
    closed_on_error,
    open_reader,
    open_writer,
    storage_error,
    storage_errors,
    write_transaction,
)
from Heatmap.storage.coverage_log import without
from Heatmap.storage.damaged_table_reader import DamagedTableReader
from Heatmap.storage.file_guard import Identity, file_identity, header_of
from Heatmap.storage.migrations import (
    APPLICATION_ID,
    finish_interrupted,
    move_database,
    open_database,
    rescued_path,
    take_step,
    version_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from Heatmap.clock import Clock

_LOG = logging.getLogger(__name__)

# About 1 ms of checking between two calls of `goes_on`.
_CHECK_STEPS: Final = 100_000
_APPLICATION_ID_AT: Final = 68
_HEADER_BYTES: Final = 100
_OUR_TABLES: Final = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
# Those that the file's version lacks are skipped.
TABLES: Final = ("imports", "liq_events", "coverage", "quarantine", "clock_offsets", "tick_sizes", "collector")


@dataclass(slots=True)
class RecoveredRows:
    kept_as: Path  # where the old file is now
    cause: str  # why it was replaced, as part of a sentence
    rows: int = 0  # number of liquidations
    holes: list[tuple[int, int]] = field(default_factory=list)  # unreadable times ``(from_ms, to_ms)``

    def sentence(self, path: Path) -> str:
        missing = "; the time of those that could not be read counts as not recorded" if self.holes else ""
        return (
            f"The database {path} {self.cause}. It is kept as {self.kept_as.name}; a new one was begun with the"
            f" {self.rows} liquidations that could be read{missing}."
        )


def open_checked(
    path: Path, clock: Clock, *, wants_check: Callable[[], bool], goes_on: Callable[[], bool]
) -> tuple[RecordConnection, bool, str]:
    """Open a database for writing, creating it if it is missing and replacing it if it is damaged.

    ``wants_check`` is called once the file is open; for ``goes_on`` see `check`. Returns the connection, whether the
    file was checked, and a sentence about a damaged file that was replaced, or "".
    """
    try:
        connection = open_database(path)
    except NotADatabaseError:
        if not is_damaged_record(path):
            raise
    except DamagedDatabaseError:
        pass  # the schema itself cannot be read
    else:
        with contextlib.suppress(DamagedDatabaseError), closed_on_error(connection):
            is_checked = wants_check()
            if is_checked:
                check(connection, path, goes_on=goes_on)
            return connection, is_checked, ""
    recovered = recover_damaged(path, clock)
    return open_database(path), True, "" if recovered is None else recovered.sentence(path)


def check_db_path(path: Path) -> None:
    """Raise UnusableDatabaseError unless the path names a database of ours, or one can be created there.

    Changes nothing. What may pass (a lock, a full disk) and what can be repaired (damage) is accepted.
    """
    if not path.exists():
        _check_folder(path)
        return
    if path.is_dir():
        raise UnusableDatabaseError(
            f"expected a file, was a folder: {path}", short=f"{path} is a folder, not a database."
        )
    if not os.access(path, os.W_OK):
        raise UnusableDatabaseError(
            f"no right to write {path}", short=f"The database {path} may not be written by this user."
        )
    # Damage in the first page is found here too; the recorder repairs it.
    with contextlib.suppress(DamagedDatabaseError):
        try:
            with contextlib.closing(open_reader(path)) as connection:
                version_of(connection, path)
        except NotADatabaseError:
            if not is_damaged_record(path):
                raise


def _check_folder(path: Path) -> None:
    # Broken links and names that are too long count as missing here; creating them fails later.
    nearest = next((folder for folder in path.absolute().parents if folder.exists()), None)
    if nearest is None or not nearest.is_dir():
        raise UnusableDatabaseError(
            f"expected a folder, was a file: {nearest}", short=f"{nearest} is a file; there is no folder for {path}."
        )
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise UnusableDatabaseError(
            f"no right to write into {nearest}", short=f"This user may not make {path}: the folder is protected."
        )


def check(connection: sqlite3.Connection, path: Path, *, goes_on: Callable[[], bool] = lambda: True) -> None:
    """Raise DamagedDatabaseError if an open database is damaged: half a second for a million liquidations.

    ``goes_on`` is called about every millisecond; False ends the check without a result.
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


def recover_damaged(path: Path, clock: Clock) -> RecoveredRows | None:
    """Replace a damaged database by a new one with all that can be read of it; None if another program was faster.

    Close all connections to it first. On a StorageError the damaged file is where it was.
    """
    path = path.resolve()  # a symbolic link stays
    identity = file_identity(path)
    recovered = RecoveredRows(unused_name(path, "damaged", clock), cause="was damaged")

    def fill(target: sqlite3.Connection) -> None:
        try:
            source = open_reader(path)
        except StorageError as error:
            _LOG.error("nothing can be read of %s: %s", path, error)
            return
        with contextlib.closing(source):
            copy_readable(target, source, recovered)

    _LOG.error("%s is damaged; what can be read of it is carried into a new file", path)
    with storage_errors(rescued_path(path)):
        result = build_and_swap(
            path, identity, recovered, fill, lambda: move_database(path, recovered.kept_as), discard=False
        )
    finish_interrupted(path)
    return result


def build_and_swap(
    path: Path,
    identity: Identity,
    recovered: RecoveredRows,
    fill: Callable[[sqlite3.Connection], None],
    swap: Callable[[], None],
    *,
    discard: bool,
) -> RecoveredRows | None:
    """Build a new database by ``fill``, and ``swap`` it with the old one at ``path`` under the new one's lock.

    Returns None if another program was faster: the file has another ``identity`` already. ``discard`` deletes the new
    file then.
    """
    rescued = rescued_path(path)
    with contextlib.closing(open_writer(rescued)) as target:
        target.execute("PRAGMA auto_vacuum = INCREMENTAL")
        # One transaction: whenever the lock is free, the file is either complete or empty.
        with write_transaction(target, alone=True):
            if file_identity(path) != identity:
                return None
            # Without what an interrupted recovery has left.
            for (table,) in target.execute(_OUR_TABLES).fetchall():
                target.execute(f"DROP TABLE {table}")
            take_step(target, rescued, 0)
            fill(target)
            _cut_coverage(target, recovered.holes)
            recovered.rows = target.execute("SELECT count(*) FROM liq_events").fetchone()[0]
        # Programs that open the new file under its new name wait until the old log is renamed.
        with write_transaction(target, alone=True):
            if file_identity(path) != identity:
                if discard:
                    # A complete file of this name would replace the database if that were deleted one day.
                    rescued.unlink(missing_ok=True)
                return None
            swap()
    _LOG.error("%s", recovered.sentence(path))
    return recovered


def unused_name(path: Path, word: str, clock: Clock) -> Path:
    """Return ``NAME.WORD-YYYYMMDD-HHMMSS`` in UTC, with a number appended if there is such a file."""
    stamp = datetime.fromtimestamp(clock.now_ms() / 1000, UTC).strftime("%Y%m%d-%H%M%S")
    first = path.with_name(f"{path.name}.{word}-{stamp}")
    names = chain([first], (first.with_name(f"{first.name}-{number}") for number in count(2)))
    return next(name for name in names if not name.exists())


def copy_readable(target: sqlite3.Connection, source: sqlite3.Connection, recovered: RecoveredRows) -> None:
    """Copy all that can be read of a database into an empty one, row ids included."""
    # Text with invalid bytes arrives as bytes, which the new file's tables refuse.
    source.text_factory = _text_or_bytes
    for table in TABLES:
        columns = shared_columns(source, target, table)
        if not columns:
            continue
        reader = DamagedTableReader(source, table, columns)
        insert = insert_into(table, columns)
        for row in reader:
            insert_valid(target, insert, row)
        if table == "liq_events":
            recovered.holes = reader.holes


def shared_columns(source: sqlite3.Connection, target: sqlite3.Connection, table: str) -> list[str]:
    """Return the columns of a new table that the old one has: an older version lacks some, or the whole table."""
    try:
        theirs = {row[1] for row in source.execute(f"PRAGMA table_info({table})")}
    except sqlite3.Error as error:
        _LOG.error("the table %s cannot be read: %s", table, error)
        return []
    return [row[1] for row in target.execute(f"PRAGMA table_info({table})") if row[1] in theirs]


def insert_into(table: str, columns: Sequence[str]) -> str:
    """Return the statement that inserts a row unless its key is stored already."""
    return f"INSERT OR IGNORE INTO {table} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"  # noqa: S608 - our names


def insert_valid(target: sqlite3.Connection, insert: str, row: Sequence[Any]) -> int:
    """Insert a row unless it violates the schema, as damage may have made it; return how many were new: 1 or 0."""
    try:
        return target.execute(insert, row).rowcount
    except sqlite3.IntegrityError as error:
        _LOG.error("a damaged row is left out (%s): %r", error, row)
        return 0


def _text_or_bytes(value: bytes) -> str | bytes:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value


def _cut_coverage(target: sqlite3.Connection, holes: list[tuple[int, int]]) -> None:
    if holes:
        rows = target.execute("SELECT source, symbol, start_ms, end_ms FROM coverage ORDER BY start_ms").fetchall()
        target.execute("DELETE FROM coverage")
        left = without([Coverage(*row) for row in rows], holes)
        target.executemany(sql.INSERT_COVERAGE, map(sql.coverage_row, left))
