"""The one home of `sqlite3.connect`: how a database is opened, and what its errors mean to people."""

from __future__ import annotations

import contextlib
import sqlite3
from typing import TYPE_CHECKING, Final

from Heatmap.errors import DamagedDatabaseError, NotADatabaseError, StorageError, UnusableDatabaseError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# A writer waits this long for another writer; a reader in WAL mode hardly ever waits.
BUSY_TIMEOUT_MS: Final = 2000
_MMAP_BYTES: Final = 256 * 1024 * 1024
# The log beside the file is cut back to this size once its content is in the file; it is filled to 4 MiB between two
# checkpoints, and beyond that only while a reader holds on to an old state.
_WAL_LIMIT_BYTES: Final = 8 * 1024 * 1024

_SENTENCES = {
    sqlite3.SQLITE_BUSY: "Another program is holding the database {path}.",
    sqlite3.SQLITE_LOCKED: "Another program is holding the database {path}.",
    sqlite3.SQLITE_FULL: "The disk is full; {path} cannot grow.",
    sqlite3.SQLITE_READONLY: "The database {path} is read-only.",
    sqlite3.SQLITE_PERM: "The database {path} may not be opened by this user.",
    sqlite3.SQLITE_CANTOPEN: "The database {path} cannot be opened; is its folder writable?",
    sqlite3.SQLITE_NOTADB: "The file {path} is not a database.",
    sqlite3.SQLITE_CORRUPT: "The database {path} is damaged.",
    sqlite3.SQLITE_IOERR: "The disk fails when {path} is read or written.",
}
_KINDS: Final[dict[int, type[StorageError]]] = {
    sqlite3.SQLITE_NOTADB: NotADatabaseError,
    sqlite3.SQLITE_CORRUPT: DamagedDatabaseError,
}


def open_writer(path: Path) -> sqlite3.Connection:
    """Open a file for writing, creating it and its folder if they are missing; its content is not looked at.

    `Heatmap.storage.migrations.open_database` is what writers want: it also sees to it that the file is ours.

    Returns
    -------
    sqlite3.Connection
        Without implicit transactions; only for the thread that opened it.

    Raises
    ------
    StorageError
        The folder cannot be made, or the file cannot be opened.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(
            f"cannot make the folder {path.parent}: {error}",
            short=f"The folder {path.parent} cannot be made: {error.strerror}.",
        ) from error
    if path.is_dir():
        raise UnusableDatabaseError(
            f"expected a file, was a folder: {path}", short=f"{path} is a folder, not a database."
        )
    try:
        connection = _connect(f"{path.absolute().as_uri()}?mode=rwc")
        connection.execute(f"PRAGMA journal_size_limit = {_WAL_LIMIT_BYTES}")
    except sqlite3.Error as error:
        raise storage_error(error, path) from error
    return connection


def open_reader(path: Path) -> sqlite3.Connection:
    """Open an existing database read-only.

    Returns
    -------
    sqlite3.Connection
        Only for the thread that opened it. Whether the file is a database shows when it is first read.

    Raises
    ------
    StorageError
        The file does not exist or cannot be opened.
    """
    try:
        connection = _connect(f"{path.absolute().as_uri()}?mode=ro")
        connection.execute(f"PRAGMA mmap_size = {_MMAP_BYTES}")
    except sqlite3.Error as error:
        raise storage_error(error, path) from error
    return connection


def file_identity(path: Path) -> tuple[int, int] | None:
    """Return what tells the file at this place from any other, None if there is none.

    Raises
    ------
    StorageError
        The place cannot be looked at.
    """
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StorageError(
            f"cannot look at {path}: {error}", short=f"The database {path} cannot be opened: {error.strerror}."
        ) from error
    return found.st_dev, found.st_ino


def describe(error: sqlite3.Error, path: Path) -> str:
    """Return one sentence for people that says what the error means."""
    # The low byte is the primary code; extended codes say what SQLite was doing.
    code = getattr(error, "sqlite_errorcode", None)
    sentence = None if code is None else _SENTENCES.get(code & 0xFF)
    return sentence.replace("{path}", str(path)) if sentence else f"The database {path} does not work: {error}."


def storage_error(error: sqlite3.Error, path: Path) -> StorageError:
    """Return the error of this package for one of SQLite's."""
    name = getattr(error, "sqlite_errorname", type(error).__name__)
    kind = _KINDS.get(getattr(error, "sqlite_errorcode", 0) & 0xFF, StorageError)
    return kind(f"{path}: {name}: {error}", short=describe(error, path))


@contextlib.contextmanager
def write_transaction(connection: sqlite3.Connection, *, alone: bool = False) -> Iterator[None]:
    """Hold the write lock for a block: all of it is stored, or nothing.

    With ``alone`` nobody may read either, in a file without a write-ahead log.

    Raises
    ------
    sqlite3.Error
        The lock cannot be had, or the commit fails; `storage_error` makes a sentence of it.
    """
    connection.execute("BEGIN EXCLUSIVE" if alone else "BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        # The failure may have ended the transaction already; the first error is the one to tell.
        with contextlib.suppress(sqlite3.Error):
            connection.execute("ROLLBACK")
        raise


def _connect(uri: str) -> sqlite3.Connection:
    connection = sqlite3.connect(  # noqa: TID251 - this is its one home
        uri, uri=True, isolation_level=None, timeout=BUSY_TIMEOUT_MS / 1000
    )
    connection.execute("PRAGMA temp_store = MEMORY")
    return connection
