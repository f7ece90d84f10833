"""A damaged database: found at the start, moved aside, and what can be read of it carried into a new one.

Nothing is ever deleted: the damaged file keeps its content under the name ``NAME.damaged-YYYYMMDD-HHMMSS``. The new
file is built beside it as ``NAME.rescued``, in one transaction, and takes the name when it is whole; a crash on the way
costs nothing, for the next start begins again or moves the finished file. Two programs that find the damage at once
cannot both replace it: the file that is being built is held by SQLite's own lock, which the system takes from a dead
process.

Where rows could not be read, the new file's coverage is cut as well: that time is unknown now, not empty.
"""

from __future__ import annotations

import contextlib
import logging
import sqlite3
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from Heatmap.errors import DamagedDatabaseError, StorageError
from Heatmap.events import Coverage
from Heatmap.storage import sql as statement
from Heatmap.storage.connection import open_reader, open_writer, storage_error, write_transaction
from Heatmap.storage.coverage_log import without
from Heatmap.storage.damaged_table_reader import TableWalk
from Heatmap.storage.file_guard import file_identity, header_of
from Heatmap.storage.migrations import APPLICATION_ID, finish_interrupted, move_database, rescued_path, take_step

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from Heatmap.clock import Clock

_LOG = logging.getLogger(__name__)

# About 1 ms of checking between two questions whether to go on.
_CHECK_STEPS: Final = 100_000
_APPLICATION_ID_AT: Final = 68
_HEADER_BYTES: Final = 100
# Those that the file's version lacks are passed over.
TABLES: Final = ("imports", "liq_events", "coverage", "quarantine", "clock_offsets", "tick_sizes", "collector")


@dataclass(slots=True)
class Salvage:
    """What was carried over.

    Attributes
    ----------
    aside
        Where the old file is now.
    cause
        Why it was replaced, the beginning of a sentence about it.
    rows
        Liquidations read.
    holes
        Stretches of time ``(from_ms, to_ms)`` of which liquidations could not be read.
    """

    aside: Path
    cause: str = "was damaged"
    rows: int = 0
    holes: list[tuple[int, int]] = field(default_factory=list)

    def sentence(self, path: Path) -> str:
        """Return what happened, for people."""
        missing = "; the time of those that could not be read counts as not recorded" if self.holes else ""
        return (
            f"The database {path} {self.cause}. It is kept as {self.aside.name}; a new one was begun with the"
            f" {self.rows} liquidations that could be read{missing}."
        )


def check(connection: sqlite3.Connection, path: Path, *, goes_on: Callable[[], bool] = lambda: True) -> None:
    """Look through an open database for damage: half a second for a million liquidations.

    Parameters
    ----------
    connection, path
        The database.
    goes_on
        Asked about every millisecond; False ends the check without a verdict.

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


def is_ours_in_ruins(path: Path) -> bool:
    """Return True if a file that SQLite does not take for a database bears the mark of ours."""
    try:
        header = header_of(path, _HEADER_BYTES)
    except OSError:
        return False
    mark = APPLICATION_ID.to_bytes(4, "big")
    return header[_APPLICATION_ID_AT : _APPLICATION_ID_AT + len(mark)] == mark


def rescue(path: Path, clock: Clock) -> Salvage | None:
    """Put a new database in the place of a damaged one, with all that can be read of it.

    Call only for a file that `check` found damaged, or `is_ours_in_ruins`; close all connections to it first.

    Returns
    -------
    Salvage or None
        None if another program was faster and the file is another one already.

    Raises
    ------
    StorageError
        Another program is rescuing, or the disk does not play along; the damaged file is where it was.
    """
    # A symbolic link stays; what it leads to is replaced.
    path = path.resolve()
    identity = file_identity(path)
    rescued = rescued_path(path)
    salvage = Salvage(unused_name(path, "damaged", clock))
    _LOG.error("%s is damaged; what can be read of it is carried into a new file", path)
    try:
        with contextlib.closing(open_writer(rescued)) as target:
            target.execute("PRAGMA auto_vacuum = INCREMENTAL")
            # One transaction: whenever the lock is free, the file is either whole or empty.
            with write_transaction(target, alone=True):
                if file_identity(path) != identity:
                    return None
                begin_anew(target, rescued)
                _fill(target, path, salvage)
            # Of two that come this far one after the other the first one moves, and the second one sees it.
            with write_transaction(target, alone=True):
                if file_identity(path) == identity:
                    move_database(path, salvage.aside)
    except sqlite3.Error as error:
        raise storage_error(error, rescued) from error
    finish_interrupted(path)
    _LOG.error("%s", salvage.sentence(path))
    return salvage


def unused_name(path: Path, word: str, clock: Clock) -> Path:
    """Return ``NAME.WORD-YYYYMMDD-HHMMSS`` in UTC, with a number behind it if there is such a file."""
    stamp = datetime.fromtimestamp(clock.now_ms() / 1000, UTC).strftime("%Y%m%d-%H%M%S")
    first = unused = path.with_name(f"{path.name}.{word}-{stamp}")
    number = 1
    while unused.exists():
        number += 1
        unused = first.with_name(f"{first.name}-{number}")
    return unused


def begin_anew(target: sqlite3.Connection, rescued: Path) -> None:
    """Make an empty database in the open transaction, whatever an earlier rescue has left that died too early."""
    ours = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
    for (table,) in target.execute(ours).fetchall():
        target.execute(f"DROP TABLE {table}")
    take_step(target, rescued, 0)


def _fill(target: sqlite3.Connection, path: Path, salvage: Salvage) -> None:
    try:
        source = open_reader(path)
    except StorageError as error:
        _LOG.error("nothing can be read of %s: %s", path, error)
        return
    with contextlib.closing(source):
        fill(target, source, salvage)
    cut_coverage(target, salvage.holes)


def fill(target: sqlite3.Connection, source: sqlite3.Connection, salvage: Salvage) -> None:
    """Copy all that can be read of a database into an empty one, row ids included."""
    # Text that is none any more arrives as bytes, which the new file's tables refuse.
    source.text_factory = _text_or_bytes
    for table in TABLES:
        columns = shared_columns(source, target, table)
        if not columns:
            continue
        walk = TableWalk(source, table, columns)
        insert = insert_into(table, columns)
        written = sum(insert_readable(target, insert, row) for row in walk)
        if table == "liq_events":
            salvage.rows, salvage.holes = written, walk.holes


def _text_or_bytes(value: bytes) -> str | bytes:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value


def shared_columns(source: sqlite3.Connection, target: sqlite3.Connection, table: str) -> list[str]:
    """Return the columns of a new table that the old one has: an older version lacks some, or the whole table."""
    try:
        theirs = {row[1] for row in source.execute(f"PRAGMA table_info({table})")}
    except sqlite3.Error as error:
        _LOG.error("the table %s cannot be read: %s", table, error)
        return []
    return [row[1] for row in target.execute(f"PRAGMA table_info({table})") if row[1] in theirs]


def insert_into(table: str, columns: Sequence[str]) -> str:
    """Return the statement that inserts a row unless its key is there already."""
    return f"INSERT OR IGNORE INTO {table} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"  # noqa: S608 - our names


def insert_readable(target: sqlite3.Connection, insert: str, row: Sequence[Any]) -> int:
    """Insert a row that was read from a damaged table; return how many were new: 1 or 0."""
    try:
        return target.execute(insert, row).rowcount
    except sqlite3.IntegrityError as error:
        # What the damage has made of a row may break the schema.
        _LOG.error("a damaged row is left out (%s): %r", error, row)
        return 0


def cut_coverage(target: sqlite3.Connection, holes: list[tuple[int, int]]) -> None:
    """Take the times out of coverage whose liquidations could not be read."""
    if not holes:
        return
    rows = target.execute("SELECT source, symbol, start_ms, end_ms FROM coverage ORDER BY start_ms").fetchall()
    target.execute("DELETE FROM coverage")
    for stretch in without([Coverage(*row) for row in rows], holes):
        values = (str(stretch.source), stretch.symbol, stretch.start_ms, stretch.end_ms)
        target.execute(statement.INSERT_COVERAGE, values)
