"""Databases whose log was deleted while they were recorded into: replaced as in `Heatmap.storage.sqlite.recovery`.

The new file is the union of three views, and takes the name while no other program can write:

- the recorder's connection still reads the deleted log: all that was committed until then;
- the file as other programs read it, perhaps with a new log: what they have committed since;
- the recorder's last events, in memory: where others have changed the file, the first view may lack them.
"""

from __future__ import annotations

import contextlib
import logging
import shutil
import sqlite3
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from Heatmap.storage import sql
from Heatmap.storage.sqlite.connection import open_writer, storage_errors
from Heatmap.storage.sqlite.file_guard import LOG_SUFFIX, SHARED_MEMORY_SUFFIX, beside, file_identity, frozen, os_errors
from Heatmap.storage.sqlite.migrations import rescued_path
from Heatmap.storage.sqlite.recovery import (
    TABLES,
    DamagedTableReader,
    RecoveredRows,
    build_and_swap,
    copy_readable,
    insert_into,
    insert_valid,
    shared_columns,
    unused_name,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from Heatmap.clock import Clock
    from Heatmap.events import LiquidationEvent

_LOG = logging.getLogger(__name__)

_UNREADABLE: Final = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_IOERR)


def recover_deleted_log(
    connection: sqlite3.Connection, path: Path, clock: Clock, unsaved: Iterable[LiquidationEvent]
) -> RecoveredRows | None:
    """Replace a database whose log was deleted by a new one; None if another program was faster.

    ``connection`` still uses the deleted log, which alone may have the ``unsaved`` events committed through it; the
    caller closes it. On a StorageError nothing has changed.
    """
    path = path.resolve()  # a symbolic link stays
    # Before the wait for the lock: the program that has it may be replacing the file.
    identity = file_identity(path)
    cause = f"lost its log {path.name}-wal or {path.name}-shm, which another program deleted"
    recovered = RecoveredRows(unused_name(path, "replaced", clock), cause)
    _LOG.error("the log of %s was deleted by another program; the record is carried into a new file", path)
    failed = f"The log of the database {path} was deleted and cannot be replaced"
    with (
        os_errors(f"cannot carry {path} over", failed),
        storage_errors(path),
        # No other connection that uses the deleted log commits any more: the new file has all that was committed.
        _write_locked(connection) as is_readable,
        contextlib.ExitStack() as until_swapped,
    ):

        def fill(target: sqlite3.Connection) -> None:
            if is_readable:
                copy_readable(target, connection, recovered)
            target.executemany(sql.INSERT_EVENT, map(sql.event_row, unsaved))
            until_swapped.enter_context(frozen(path))
            with _copy_of(path) as others:
                _merge(target, others)

        return build_and_swap(path, identity, recovered, fill, lambda: _swap(path, recovered.kept_as), discard=True)


@contextlib.contextmanager
def _write_locked(connection: sqlite3.Connection) -> Iterator[bool]:
    """Take the write lock without writing; yield False if nothing can be read, for others have changed the file."""
    try:
        connection.execute("BEGIN IMMEDIATE")
    except sqlite3.Error as error:
        if error.sqlite_errorcode & 0xFF not in _UNREADABLE:
            raise
        _LOG.warning("nothing can be read through the deleted log: %s", error)
        yield False
        return
    try:
        yield True
    finally:
        connection.execute("ROLLBACK")


@contextlib.contextmanager
def _copy_of(path: Path) -> Iterator[sqlite3.Connection]:
    """Yield a connection to a copy of a database and its log, as programs read it that open it now."""
    # Beside it, for a disk with room for the new file has room there.
    with tempfile.TemporaryDirectory(prefix=f".{path.name}.", dir=path.parent) as folder:
        copy = Path(folder) / path.name
        shutil.copyfile(path, copy)
        with contextlib.suppress(FileNotFoundError):
            shutil.copyfile(beside(path, LOG_SUFFIX), beside(copy, LOG_SUFFIX))
        with contextlib.closing(open_writer(copy)) as connection:
            yield connection


def _merge(target: sqlite3.Connection, source: sqlite3.Connection) -> None:
    """Insert what a new database lacks of another one; the rows get new row ids."""
    ids: dict[str, dict[int, int]] = {}
    for table in TABLES:
        columns = shared_columns(source, target, table)
        if table == "liq_events":
            _merge_events(target, source, columns, ids.get("imports", {}))
        elif "id" in columns:
            ids[table] = _merge_rows(target, source, table, columns)
        elif columns:
            insert = insert_into(table, columns)
            for row in DamagedTableReader(source, table, columns):
                insert_valid(target, insert, row)


def _merge_rows(
    target: sqlite3.Connection, source: sqlite3.Connection, table: str, columns: list[str]
) -> dict[int, int]:
    """Insert the rows of a table that the new one lacks; return the new row id of each of its row ids."""
    columns = ["id", *(column for column in columns if column != "id")]
    select = f"SELECT {', '.join(columns)} FROM {table}"  # noqa: S608 - our names
    known: dict[tuple[Any, ...], int] = {row[1:]: row[0] for row in target.execute(select)}
    insert = insert_into(table, columns[1:])
    ids: dict[int, int] = {}
    for row_id, *content in DamagedTableReader(source, table, columns):
        key = tuple(content)
        if key not in known and insert_valid(target, insert, content):
            known[key] = target.execute("SELECT last_insert_rowid()").fetchone()[0]
        if key in known:
            ids[row_id] = known[key]
    return ids


def _merge_events(
    target: sqlite3.Connection, source: sqlite3.Connection, columns: list[str], import_ids: dict[int, int]
) -> None:
    insert = insert_into("liq_events", columns)
    for row in DamagedTableReader(source, "liq_events", columns):
        values = dict(zip(columns, row, strict=True)) | {"id": None}
        if "import_id" in values:
            values["import_id"] = import_ids.get(values["import_id"])
        insert_valid(target, insert, list(values.values()))


def _swap(path: Path, kept_as: Path) -> None:
    """Rename the old file, and give its name to the new one."""
    rescued = rescued_path(path)
    # The log first, for it would be read into the new file; the shared memory last, for a lock on it keeps others out.
    with contextlib.suppress(FileNotFoundError):
        beside(path, LOG_SUFFIX).rename(beside(kept_as, LOG_SUFFIX))
    path.rename(kept_as)
    rescued.replace(path)
    with contextlib.suppress(FileNotFoundError):
        beside(path, SHARED_MEMORY_SUFFIX).rename(beside(kept_as, SHARED_MEMORY_SUFFIX))
