"""A database whose log was deleted while it was being recorded into: what is known of it goes into a new file.

Three views of the record exist then, and the new file is their union:

- the connection of the recorder still reads the deleted log: all that was committed until then;
- the file as other programs see it, perhaps with a new log: what they have committed since;
- the recorder's own last events, in memory. Where others have changed the file meanwhile, the first view may
  contradict itself, and these may be missing from it.

The new file is built as ``NAME.rescued``, in one transaction. It takes the name while nobody else can write, and the
old file is kept as ``NAME.replaced-YYYYMMDD-HHMMSS``. A crash on the way costs nothing that others see: the next start
goes on with the old file, or gives the name to the new one (`Heatmap.storage.migrations.finish_interrupted`).
"""

from __future__ import annotations

import contextlib
import logging
import shutil
import sqlite3
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from Heatmap.errors import StorageError
from Heatmap.storage import sql as statement
from Heatmap.storage.connection import open_writer, storage_error, write_transaction
from Heatmap.storage.damage_recovery import (
    TABLES,
    Salvage,
    begin_anew,
    cut_coverage,
    fill,
    insert_into,
    insert_readable,
    shared_columns,
    unused_name,
)
from Heatmap.storage.damaged_table_reader import TableWalk
from Heatmap.storage.file_guard import LOG_SUFFIX, SHARED_MEMORY_SUFFIX, beside, file_identity, frozen
from Heatmap.storage.migrations import rescued_path

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any

    from Heatmap.clock import Clock
    from Heatmap.events import LiquidationEvent

_LOG = logging.getLogger(__name__)

_SPOILT: Final = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_IOERR)
_CAUSE: Final = "lost its log NAME-wal or NAME-shm, which another program deleted"


def carry_over(
    connection: sqlite3.Connection, path: Path, clock: Clock, unsaved: Iterable[LiquidationEvent]
) -> Salvage | None:
    """Put a new database in the place of one whose log was deleted under a connection.

    Parameters
    ----------
    connection
        The connection that still uses the deleted log; only read, and to be closed by the caller afterwards.
    path, clock
        The database; wall time for the name of the old file.
    unsaved
        Events that were committed through the connection and may have reached the log only.

    Returns
    -------
    Salvage or None
        None if another program was faster and the file is another one already.

    Raises
    ------
    StorageError
        Another program is writing or recovering, or the disk is full; nothing has changed.
    """
    # A symbolic link stays; what it leads to is replaced.
    path = path.resolve()
    identity = file_identity(path)
    rescued = rescued_path(path)
    salvage = Salvage(unused_name(path, "replaced", clock), cause=_CAUSE.replace("NAME", path.name))
    _LOG.error("the log of %s was deleted by another program; the record is carried into a new file", path)
    try:
        # Nobody else who still uses the deleted log commits any more; a new file holds all that was committed.
        with (
            _rolled_back(connection) as is_readable,
            contextlib.closing(open_writer(rescued)) as target,
            contextlib.ExitStack() as until_replaced,
        ):
            target.execute("PRAGMA auto_vacuum = INCREMENTAL")
            with write_transaction(target, alone=True):
                if file_identity(path) != identity:
                    return None
                begin_anew(target, rescued)
                if is_readable:
                    fill(target, connection, salvage)
                target.executemany(statement.INSERT_EVENT, [statement.event_row(event) for event in unsaved])
                until_replaced.enter_context(frozen(path))
                with _copy_of(path) as others:
                    _merge(target, others)
                cut_coverage(target, salvage.holes)
                salvage.rows = target.execute("SELECT count(*) FROM liq_events").fetchone()[0]
            # Whoever opens the new file under its name waits until its old log is out of the way.
            with write_transaction(target, alone=True):
                if file_identity(path) != identity:
                    # A whole file of this name would take the place of the record if that were deleted one day.
                    rescued.unlink(missing_ok=True)
                    return None
                _replace(path, salvage.aside)
    except sqlite3.Error as error:
        raise storage_error(error, path) from error
    except OSError as error:
        raise StorageError(
            f"cannot carry {path} over: {error}",
            short=f"The log of the database {path} was deleted and cannot be replaced: {error.strerror}.",
        ) from error
    _LOG.error("%s", salvage.sentence(path))
    return salvage


@contextlib.contextmanager
def _rolled_back(connection: sqlite3.Connection) -> Iterator[bool]:
    """Hold the write lock of a connection that must not write; yield False if others have spoilt what it sees."""
    try:
        connection.execute("BEGIN IMMEDIATE")
    except sqlite3.Error as error:
        if error.sqlite_errorcode & 0xFF not in _SPOILT:
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
    """Yield a connection to a copy of a database and its log, as programs see it that open it now."""
    # Beside it, for a disk that has room for the new file has room there.
    with tempfile.TemporaryDirectory(prefix=f".{path.name}.", dir=path.parent) as folder:
        copy = Path(folder) / path.name
        shutil.copyfile(path, copy)
        with contextlib.suppress(FileNotFoundError):
            shutil.copyfile(beside(path, LOG_SUFFIX), beside(copy, LOG_SUFFIX))
        with contextlib.closing(open_writer(copy)) as connection:
            yield connection


def _merge(target: sqlite3.Connection, source: sqlite3.Connection) -> None:
    """Insert what a new database lacks of another one; the rows get row ids of their own."""
    import_ids: dict[int, int] = {}
    for table in TABLES:
        columns = shared_columns(source, target, table)
        if table == "liq_events":
            _merge_events(target, source, columns, import_ids)
        elif "id" in columns:
            ids = _merge_rows(target, source, table, columns)
            if table == "imports":
                import_ids = ids
        elif columns:
            insert = insert_into(table, columns)
            for row in TableWalk(source, table, columns):
                insert_readable(target, insert, row)


def _merge_rows(
    target: sqlite3.Connection, source: sqlite3.Connection, table: str, columns: list[str]
) -> dict[int, int]:
    """Insert the rows of a table that the new one lacks; return the new row id of each of its row ids."""
    columns = ["id", *(column for column in columns if column != "id")]
    select = f"SELECT {', '.join(columns)} FROM {table}"  # noqa: S608 - our names
    known: dict[tuple[Any, ...], int] = {row[1:]: row[0] for row in target.execute(select)}
    insert = insert_into(table, columns[1:])
    ids: dict[int, int] = {}
    for row_id, *content in TableWalk(source, table, columns):
        key = tuple(content)
        if key not in known and insert_readable(target, insert, content):
            known[key] = target.execute("SELECT last_insert_rowid()").fetchone()[0]
        if key in known:
            ids[row_id] = known[key]
    return ids


def _merge_events(
    target: sqlite3.Connection, source: sqlite3.Connection, columns: list[str], import_ids: dict[int, int]
) -> None:
    walk = TableWalk(source, "liq_events", columns)
    id_at = columns.index("id") if "id" in columns else None
    import_at = columns.index("import_id") if "import_id" in columns else None
    insert = insert_into("liq_events", columns)
    for row in walk:
        values = list(row)
        if id_at is not None:
            values[id_at] = None
        if import_at is not None and values[import_at] is not None:
            values[import_at] = import_ids.get(values[import_at])
        insert_readable(target, insert, values)


def _replace(path: Path, aside: Path) -> None:
    """Give the name of a database to the new file.

    The log goes first, for it would be played into the new file; the shared memory last, for others are locked out by
    a lock on it (see `Heatmap.storage.file_guard.frozen`).
    """
    rescued = rescued_path(path)
    shutil.copymode(path, rescued)
    with contextlib.suppress(FileNotFoundError):
        beside(path, LOG_SUFFIX).rename(beside(aside, LOG_SUFFIX))
    path.rename(aside)
    rescued.replace(path)
    with contextlib.suppress(FileNotFoundError):
        beside(path, SHARED_MEMORY_SUFFIX).rename(beside(aside, SHARED_MEMORY_SUFFIX))
