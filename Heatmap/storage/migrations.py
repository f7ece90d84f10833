"""The schema's versions: ordered, each one transaction, numbered by ``PRAGMA user_version``.

A step that rewrites rows is preceded by a copy of the file, made under the same write lock and named after the version
it holds, so that an older program can go on from there.
"""

from __future__ import annotations

import contextlib
import logging
import sqlite3
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from Heatmap.errors import StorageError, UnusableDatabaseError
from Heatmap.resources import SCHEMA, SCHEMA_UPGRADE_1_TO_2, read_text
from Heatmap.storage.connection import RecordConnection, open_reader, open_writer, storage_error, write_transaction
from Heatmap.storage.file_guard import LOG_SUFFIX, SHARED_MEMORY_SUFFIX, beside

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_LOG = logging.getLogger(__name__)

# "LIQH": tells our files from those of other programs, whose user_version means something else.
APPLICATION_ID: Final = 0x4C495148

LATEST: Final = 2


@dataclass(frozen=True, slots=True)
class Migration:
    """One step: a script, the version it leads to, and whether it rewrites what is there."""

    script: Path
    reached: int
    rewrites: bool = False


# The step from each version. A new file gets the whole schema at once; the upgrades are never changed once released,
# only added, and a test sees to it that both ways end alike.
MIGRATIONS: Final = {0: Migration(SCHEMA, LATEST), 1: Migration(SCHEMA_UPGRADE_1_TO_2, 2)}

# Together five seconds, as the busy timeout of every connection.
WAL_ATTEMPTS: Final = 500
WAL_PAUSE_S: Final = 0.01


def version_of(connection: sqlite3.Connection, path: Path) -> int:
    """Return the schema version of an open database; 0 if it is new and empty.

    Raises
    ------
    StorageError
        The file is no database, belongs to another program, or was written by a newer version of this one.
    """
    try:
        # In this order: whoever creates the schema between two of these reads must not look like a stranger.
        empty = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0
        version = int(connection.execute("PRAGMA user_version").fetchone()[0])
        owner = int(connection.execute("PRAGMA application_id").fetchone()[0])
    except sqlite3.Error as error:
        raise storage_error(error, path) from error
    if owner != APPLICATION_ID and not (owner == 0 and version == 0 and empty):
        raise UnusableDatabaseError(
            f"{path}: expected application id {APPLICATION_ID:#x}, was {owner:#x}, version {version}",
            short=f"The database {path} belongs to another program.",
        )
    if version > LATEST:
        raise UnusableDatabaseError(
            f"{path}: expected a schema version up to {LATEST}, was {version}",
            short=f"The database {path} was written by a newer version of this program; please update.",
        )
    return version


def open_database(path: Path) -> RecordConnection:
    """Open a database for writing at the latest version, creating it and its folder if they are missing.

    Returns
    -------
    RecordConnection
        In WAL mode, guarded, without implicit transactions; only for the thread that opened it.

    Raises
    ------
    StorageError
        As `Heatmap.storage.connection.open_writer` and `migrate`.
    """
    finish_interrupted(path)
    connection = open_writer(path)
    try:
        migrate(connection, path)
        connection.guard()
    except BaseException:
        connection.close()
        raise
    return connection


def rescued_path(path: Path) -> Path:
    """Return where a new file is built that is to replace a database."""
    return path.with_name(f"{path.name}.rescued")


def finish_interrupted(path: Path) -> None:
    """Give the name to a rescued file that was whole when the rescuing program died before it could.

    Raises
    ------
    StorageError
        It cannot be moved.
    """
    path = path.resolve()
    rescued = rescued_path(path)
    if path.exists() or not rescued.exists():
        return
    with contextlib.closing(open_writer(rescued)) as connection:
        is_whole = version_of(connection, rescued) > 0
    if is_whole:
        # Another program may be finishing it as well; then there is nothing left to move.
        move_database(rescued, path)


def move_database(path: Path, target: Path) -> None:
    """Rename a database together with its log.

    Raises
    ------
    StorageError
        It cannot be renamed.
    """
    try:
        # The file comes last: a log that stayed behind would be played into the file that takes its place.
        for suffix in (LOG_SUFFIX, SHARED_MEMORY_SUFFIX, ""):
            with contextlib.suppress(FileNotFoundError):
                beside(path, suffix).rename(beside(target, suffix))
    except OSError as error:
        raise StorageError(
            f"cannot rename {path} to {target}: {error}",
            short=f"The database {path} cannot be replaced: {error.strerror}.",
        ) from error


def check_writable(path: Path) -> None:
    """Check that an existing database is ours and can be written, without changing it.

    Raises
    ------
    StorageError
        As `version_of`; or it is read-only, or another program has been holding it for too long.
    """
    with contextlib.closing(open_writer(path)) as connection:
        version = version_of(connection, path)
        try:
            # On a read-only file SQLite lets even an immediate transaction begin; only a write tells.
            connection.execute("BEGIN IMMEDIATE")
            connection.execute(f"PRAGMA user_version = {version}")
            connection.execute("ROLLBACK")
        except sqlite3.Error as error:
            raise storage_error(error, path) from error


def migrate(connection: sqlite3.Connection, path: Path) -> None:
    """Bring an open database to WAL mode and the latest version; nothing happens if it is there already.

    Raises
    ------
    StorageError
        As `version_of`, and then the file is as it was; or a step failed, and then nothing of it remains.
    """
    version = version_of(connection, path)
    try:
        if version == 0:
            # Only possible before the first page is written, which the next line does.
            connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
        # Kept in the file for ever, hence only now: another program's file must not be changed.
        _switch_to_wal(connection)
        connection.execute("PRAGMA synchronous = NORMAL")
        while version_of(connection, path) < LATEST:
            with write_transaction(connection):
                # Looked at again under the lock: another process may have been faster.
                version = version_of(connection, path)
                if version < LATEST:
                    take_step(connection, path, version)
    except sqlite3.Error as error:
        raise storage_error(error, path) from error


def copy_path(path: Path, version: int) -> Path:
    """Return where the copy of a file is kept that was rewritten from this version on."""
    return path.with_name(f"{path.name}.version-{version}")


def take_step(connection: sqlite3.Connection, path: Path, version: int) -> None:
    """Do the step from a version (0: a new file), in the open transaction."""
    migration = MIGRATIONS[version]
    if migration.rewrites:
        _copy(path, copy_path(path, version))
    for statement in _statements(read_text(migration.script)):
        connection.execute(statement)
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {migration.reached}")


def _copy(path: Path, target: Path) -> None:
    """Copy the file as it is under the write lock; a copy that is not whole never bears the name of one."""
    _LOG.info("%s is copied to %s before it is rewritten", path, target)
    unfinished = target.with_name(f"{target.name}.unfinished")
    try:
        unfinished.unlink(missing_ok=True)
        # By a connection of its own: one that is writing cannot be copied from. Nobody else writes meanwhile.
        with contextlib.closing(open_reader(path)) as source, contextlib.closing(open_writer(unfinished)) as copy:
            source.backup(copy)
            # A copy is one file: it keeps no log beside it.
            copy.execute("PRAGMA journal_mode = DELETE")
        unfinished.replace(target)
    except OSError as error:
        raise StorageError(
            f"cannot copy {path} to {target}: {error}",
            short=f"The database {path} is not rewritten, for it cannot be copied before: {error.strerror}.",
        ) from error


def _switch_to_wal(connection: sqlite3.Connection) -> None:
    """Turn the write-ahead log on; waits for others that do the same to the same new file.

    SQLite's own busy timeout does not cover this switch: of two that make it at once, one is refused without waiting.
    """
    for _ in range(WAL_ATTEMPTS):
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY:
                raise
            time.sleep(WAL_PAUSE_S)
        else:
            return
    connection.execute("PRAGMA journal_mode = WAL")


def _statements(script: str) -> Iterator[str]:
    """Split a script; `sqlite3.Connection.executescript` would commit the transaction around it."""
    pending = ""
    for line in script.splitlines(keepends=True):
        pending += line
        if ";" in line and sqlite3.complete_statement(pending):
            yield pending
            pending = ""
    if pending.strip():
        raise StorageError(f"expected a script that ends with a statement, was {pending!r}")
