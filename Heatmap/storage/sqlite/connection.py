"""Opening a database, transactions, and sentences for SQLite's errors; the only caller of `sqlite3.connect`."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from typing import TYPE_CHECKING, Final

from Heatmap.errors import (
    DamagedDatabaseError,
    LogRemovedError,
    MovedDatabaseError,
    NotADatabaseError,
    StorageError,
    UnusableDatabaseError,
)
from Heatmap.storage.damage import WRONG_VALUES, wrong_value
from Heatmap.storage.sqlite.file_guard import (
    FileGuard,
    FileState,
    Identity,
    check_reopenable,
    closing_guarded,
    count_unguarded,
    discount_unguarded,
    file_identity,
    guarded,
    os_errors,
    side_files,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# A writer waits this long for another writer; a reader in WAL mode hardly ever waits.
BUSY_TIMEOUT_MS: Final = 2000
_MMAP_BYTES: Final = 256 * 1024 * 1024
# The log is cut to this size after a checkpoint; it exceeds 4 MiB only while a reader uses an old state.
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
_LOG_UNUSABLE: Final = (
    "The database {path} has a log {path}-wal, which can only be read by who may write into its folder;"
    " copy both files into a folder of yours."
)
_KINDS: Final[dict[int, type[StorageError]]] = {
    sqlite3.SQLITE_NOTADB: NotADatabaseError,
    sqlite3.SQLITE_CORRUPT: DamagedDatabaseError,
}


class RecordConnection(sqlite3.Connection):
    """A connection that detects that its files were moved or deleted; only for the thread that opened it."""

    # Errors of one unacceptable row; all others concern the whole database.
    row_errors = (
        sqlite3.IntegrityError, sqlite3.InterfaceError, sqlite3.ProgrammingError, OverflowError, UnicodeError,
    )  # fmt: skip
    delete_rows = 1  # a disk may need some ms for each, and others wait for the lock meanwhile
    path: Path
    identity: Identity = None  # of the file when it was opened; None if it was created then
    is_immutable = False  # nobody could write when it was opened: SQLite reads no log then
    _guard: FileGuard | None = None
    _counted: Identity = None  # of the file, while this connection has no guard

    def guard(self) -> None:
        """Protect the files (see `Heatmap.storage.sqlite.file_guard`), all of which the first read opens."""
        if self.is_immutable:
            return
        guard = guarded(self.path)
        if guard is not None and self.identity in (None, guard.identity):
            self._guard = guard
            self._discount()
            return
        if guard is not None:
            with closing_guarded(guard):
                pass
        raise _moved(self.path)

    def file_state(self) -> FileState:
        """Return the state of the files; `FileState.IN_PLACE` without a guard."""
        if self.is_immutable:
            is_same = file_identity(self.path) == self.identity and _is_whole(self.path)
            return FileState.IN_PLACE if is_same else FileState.MOVED
        return FileState.IN_PLACE if self._guard is None else self._guard.state()

    def check_in_place(self) -> None:
        """Raise MovedDatabaseError or LogRemovedError if other programs would not read what is written here."""
        state = self.file_state()
        if state is FileState.MOVED:
            raise _moved(self.path)
        if state is FileState.LOG_REMOVED:
            raise LogRemovedError(
                f"the log or the shared memory beside {self.path} is not the one any more that was opened",
                short=f"Another program deleted the log of the database {self.path}.",
            )

    def close(self) -> None:
        guard, self._guard = self._guard, None
        with contextlib.nullcontext() if guard is None else closing_guarded(guard):
            super().close()
        self._discount()

    def _discount(self) -> None:
        counted, self._counted = self._counted, None
        discount_unguarded(counted)


def open_writer(path: Path) -> RecordConnection:
    """Open a file for writing, creating it and its folder if they are missing; its content is not read.

    No implicit transactions, no guard. `Heatmap.storage.sqlite.migrations.open_database` also checks whose it is.
    """
    with os_errors(f"cannot make the folder {path.parent}", f"The folder {path.parent} cannot be made"):
        path.parent.mkdir(parents=True, exist_ok=True)
    check_no_folder(path)
    check_reopenable(path)
    with storage_errors(path):
        connection = _connect(f"{path.absolute().as_uri()}?mode=rwc", path)
        connection.execute(f"PRAGMA journal_size_limit = {_WAL_LIMIT_BYTES}")
    return connection


def open_reader(path: Path) -> RecordConnection:
    """Open an existing database read-only, without a guard; a file that is no database raises when it is first read."""
    check_no_folder(path)
    check_reopenable(path)
    # SQLite would refuse it otherwise, for it cannot create the shared memory of the log.
    is_immutable = _is_whole(path) and not os.access(path.resolve().parent, os.W_OK)
    with storage_errors(path):
        connection = _connect(f"{path.absolute().as_uri()}?mode=ro{'&immutable=1' if is_immutable else ''}", path)
        connection.is_immutable = is_immutable
        connection.execute(f"PRAGMA mmap_size = {_MMAP_BYTES}")
    return connection


def check_no_folder(path: Path) -> None:
    """Raise UnusableDatabaseError if the path is a folder's."""
    if path.is_dir():
        raise UnusableDatabaseError(
            f"expected a file, was a folder: {path}", short=f"{path} is a folder, not a database."
        )


def _moved(path: Path) -> MovedDatabaseError:
    return MovedDatabaseError(
        f"{path} is not the file any more that was opened", short=f"The database {path} was moved or deleted."
    )


def _is_whole(path: Path) -> bool:
    """Return True if no log is in use, and none has content that is not in the file."""
    log, shared_memory = side_files(path)
    if shared_memory.exists():
        return False
    try:
        return log.stat().st_size == 0
    except OSError:
        return True


def describe(error: sqlite3.Error, path: Path) -> str:
    """Return one sentence for people about one of SQLite's errors."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # the rest says what SQLite was doing
    sentence = _SENTENCES.get(code)
    if code == sqlite3.SQLITE_CANTOPEN and not _is_whole(path):
        sentence = _LOG_UNUSABLE
    return sentence.replace("{path}", str(path)) if sentence else f"The database {path} does not work: {error}."


def storage_error(error: sqlite3.Error, path: Path) -> StorageError:
    """Return this package's error for one of SQLite's."""
    name = getattr(error, "sqlite_errorname", type(error).__name__)
    kind = _KINDS.get(getattr(error, "sqlite_errorcode", 0) & 0xFF, StorageError)
    return kind(f"{path}: {name}: {error}", short=describe(error, path))


@contextlib.contextmanager
def storage_errors(path: Path) -> Iterator[None]:
    """Raise SQLite's errors of a block as this package's, and those of values that the schema does not allow."""
    try:
        yield
    except sqlite3.Error as error:
        raise storage_error(error, path) from error
    except WRONG_VALUES as error:
        raise wrong_value(str(path), error) from error


@contextlib.contextmanager
def closed_on_error(connection: sqlite3.Connection) -> Iterator[None]:
    """Close a connection if the block raises."""
    try:
        yield
    except BaseException:
        connection.close()
        raise


@contextlib.contextmanager
def write_transaction(connection: sqlite3.Connection, *, alone: bool = False) -> Iterator[None]:
    """Run a block as one transaction under SQLite's write lock: all of it is stored, or nothing.

    The block may end it by a ROLLBACK. With ``alone``, and without a write-ahead log, nobody may read either. Raises
    MovedDatabaseError or LogRemovedError if the files were moved or deleted.
    """
    connection.execute("BEGIN EXCLUSIVE" if alone else "BEGIN IMMEDIATE")
    try:
        if isinstance(connection, RecordConnection):
            # Under the lock, for a program that replaces a database has it, too.
            connection.check_in_place()
        yield
        if connection.in_transaction:
            connection.execute("COMMIT")
    except BaseException:
        # The failure may have ended the transaction already; the first error is the one to report.
        with contextlib.suppress(sqlite3.Error):
            connection.execute("ROLLBACK")
        raise


def _connect(uri: str, path: Path) -> RecordConnection:
    identity = file_identity(path)
    connection = sqlite3.connect(  # noqa: TID251 - its only caller
        uri, uri=True, isolation_level=None, timeout=BUSY_TIMEOUT_MS / 1000, factory=RecordConnection
    )
    with closed_on_error(connection):
        connection.path, connection.identity = path.absolute(), identity  # the working directory may change later
        # It has no locks before its first statement; a missing file exists now.
        connection._counted = file_identity(path)  # noqa: SLF001 - made here
        count_unguarded(connection._counted)  # noqa: SLF001
        connection.execute("PRAGMA temp_store = MEMORY")
    return connection
