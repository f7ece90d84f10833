"""Schema versions and migrations: ordered, each one transaction, numbered by ``PRAGMA user_version``.

Before a step that rewrites rows the file is copied under the same write lock, and the copy is named after its version,
so that an older program can use it.
"""

from __future__ import annotations

import contextlib
import logging
import shutil
import sqlite3
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from Heatmap.errors import StorageError, UnusableDatabaseError
from Heatmap.storage.sql import LATEST_VERSION as LATEST
from Heatmap.storage.sqlite.connection import (
    RecordConnection,
    closed_on_error,
    open_reader,
    open_writer,
    storage_errors,
    write_transaction,
)
from Heatmap.storage.sqlite.file_guard import LOG_SUFFIX, SHARED_MEMORY_SUFFIX, beside, os_errors

if TYPE_CHECKING:
    from collections.abc import Iterator

_LOG = logging.getLogger(__name__)

SCHEMA: Final = Path(__file__).with_name("schema.sql")
# "LIQH" marks our files; in those of other programs user_version means something else.
APPLICATION_ID: Final = 0x4C495148
# Attempts to switch a busy file to WAL: 500 with these pauses, 5 s in all.
WAL_ATTEMPTS: Final = 500
WAL_PAUSE_S: Final = 0.01


class Migration(NamedTuple):
    """One step: a script, the version it leads to, and whether it rewrites rows."""

    script: Path
    reached: int
    rewrites: bool = False


# The step from each version; a new file gets the whole schema at once. Released upgrades are never changed.
MIGRATIONS: Final = {0: Migration(SCHEMA, LATEST), 1: Migration(SCHEMA.with_name("upgrade_1_to_2.sql"), 2)}


def version_of(connection: sqlite3.Connection, path: Path) -> int:
    """Return the schema version of an open database; 0 if it is new and empty.

    Raises StorageError if it is no database, another program's, or of a newer version of this one.
    """
    with storage_errors(path):
        # In this order: a schema that is created between two of these reads must not look like another program's.
        empty = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0
        version = int(connection.execute("PRAGMA user_version").fetchone()[0])
        owner = int(connection.execute("PRAGMA application_id").fetchone()[0])
    if owner != APPLICATION_ID and not (owner == 0 and version == 0 and empty):
        raise UnusableDatabaseError(
            f"{path}: expected application id {APPLICATION_ID:#x}, was {owner:#x}, version {version}",
            short=f"The database {path} belongs to another program.",
        )
    if not 0 <= version <= LATEST:
        raise UnusableDatabaseError(
            f"{path}: expected a schema version up to {LATEST}, was {version}",
            short=f"The database {path} was written by a newer version of this program; please update.",
        )
    return version


def is_empty(path: Path) -> bool:
    """Return True if there is no file, or its writer is about to create the schema; raises `StorageError`."""
    if not path.exists():
        return True
    with contextlib.closing(open_reader(path)) as connection:
        return version_of(connection, path) == 0


def open_database(path: Path) -> RecordConnection:
    """Open a database at the latest version, created if missing: WAL mode, guarded, no implicit transactions."""
    finish_interrupted(path)
    connection = open_writer(path)
    with closed_on_error(connection):
        migrate(connection, path)
        connection.guard()
    return connection


def rescued_path(path: Path) -> Path:
    """Return the path at which a new file is built that will replace a database."""
    return path.with_name(f"{path.name}.rescued")


def finish_interrupted(path: Path) -> None:
    """Give a database's name to a complete new file, whose program died before it could rename it."""
    path = path.resolve()
    rescued = rescued_path(path)
    if path.exists() or not rescued.exists():
        return
    with contextlib.closing(open_writer(rescued)) as connection:
        is_complete = version_of(connection, rescued) > 0
    if is_complete:
        # Another program may do the same; then nothing is left to rename.
        move_database(rescued, path)


def move_database(path: Path, target: Path) -> None:
    """Rename a database together with its log; raises StorageError."""
    with os_errors(f"cannot rename {path} to {target}", f"The database {path} cannot be replaced"):
        # The file last: a log that stayed behind would be read into the file that takes its name.
        for suffix in (LOG_SUFFIX, SHARED_MEMORY_SUFFIX, ""):
            with contextlib.suppress(FileNotFoundError):
                beside(path, suffix).rename(beside(target, suffix))


def check_writable(path: Path) -> None:
    """Raise StorageError unless an existing database is ours and can be written; it is not changed."""
    with contextlib.closing(open_writer(path)) as connection, storage_errors(path):
        version = version_of(connection, path)
        # On a read-only file even BEGIN IMMEDIATE succeeds; only a write fails.
        connection.execute("BEGIN IMMEDIATE")
        connection.execute(f"PRAGMA user_version = {version}")
        connection.execute("ROLLBACK")


def migrate(connection: sqlite3.Connection, path: Path) -> None:
    """Set WAL mode, and migrate an open database to the latest version; a step that fails changes nothing."""
    version = version_of(connection, path)
    with storage_errors(path):
        if version == 0:
            # Only possible before the first page is written, which the next line does.
            connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
        # Stored in the file, hence only now: another program's file must not be changed.
        _switch_to_wal(connection)
        connection.execute("PRAGMA synchronous = NORMAL")
        while version_of(connection, path) < LATEST:
            with write_transaction(connection):
                # Read again under the lock: another process may have been faster.
                version = version_of(connection, path)
                if version < LATEST:
                    take_step(connection, path, version)


def copy_path(path: Path, version: int) -> Path:
    """Return the path of the copy of a file that was rewritten from this version on."""
    return path.with_name(f"{path.name}.version-{version}")


def take_step(connection: sqlite3.Connection, path: Path, version: int) -> None:
    """Do the step from a version (0: a new file), in the open transaction."""
    migration = MIGRATIONS[version]
    if migration.rewrites:
        _copy(path, copy_path(path, version))
    for statement in statements_of(migration.script.read_text(encoding="utf-8")):
        connection.execute(statement)
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {migration.reached}")


def _copy(path: Path, target: Path) -> None:
    """Copy the file under the write lock; an incomplete copy has another name."""
    _LOG.info("%s is copied to %s before it is rewritten", path, target)
    unfinished = target.with_name(f"{target.name}.unfinished")
    failed = f"The database {path} is not rewritten, for it cannot be copied before"
    with os_errors(f"cannot copy {path} to {target}", failed):
        unfinished.unlink(missing_ok=True)
        # By another connection: one in a write transaction cannot be copied from. Nobody else writes meanwhile.
        with contextlib.closing(open_reader(path)) as source, contextlib.closing(open_writer(unfinished)) as copy:
            shutil.copymode(path, unfinished)  # nobody may read it who could not before
            source.backup(copy)
            copy.execute("PRAGMA journal_mode = DELETE")  # one file, without a log
        unfinished.replace(target)


def _switch_to_wal(connection: sqlite3.Connection) -> None:
    """Set WAL mode; waits for others that do the same, for SQLite's busy timeout does not cover it."""
    for attempts_left in reversed(range(WAL_ATTEMPTS + 1)):
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or not attempts_left:
                raise
            time.sleep(WAL_PAUSE_S)
        else:
            return


def statements_of(script: str) -> Iterator[str]:
    """Return the statements of a script; `sqlite3.Connection.executescript` would commit the transaction around it."""
    pending = ""
    for line in script.splitlines(keepends=True):
        pending += line
        if ";" in line and sqlite3.complete_statement(pending):
            yield pending
            pending = ""
    if pending.strip():
        raise StorageError(f"expected a script that ends with a statement, was {pending!r}")
