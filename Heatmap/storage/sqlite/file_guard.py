"""Locks and identities of the database files that this process has open.

SQLite marks an open database by POSIX locks on the file and on its shared memory ``NAME-shm``. They belong to the
*process*: when any code of it closes any descriptor of the same file (a second copy of SQLite inside Qt), all are
released, and the next program that closes the database deletes the log ``NAME-wal`` of a connection that is still in
use (sqlite.org/howtocorrupt.html, section 2.2).

- **Prevention** (Linux): the byte ranges that mean "in use" are locked a second time, by open file description locks.
  These belong to a descriptor that stays open here, and no other ``close`` releases them.
- **Detection** (everywhere): `FileGuard.state` compares the files that have the three names now with those in use.

Descriptors are closed after the last connection of the process to the file: closing one releases the others' locks.
Those that have no guard yet are counted, for they have no other locks than these.
"""

from __future__ import annotations

import contextlib
import os
import struct
import sys
import threading
import time
from collections import Counter
from enum import Enum
from typing import TYPE_CHECKING, Final

from Heatmap.errors import StorageError

# On Windows locks belong to a handle, and an open file cannot be deleted.
if sys.platform != "win32":
    import fcntl

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# Device and inode of a file; None: there is none.
Identity = tuple[int, int] | None
LOG_SUFFIX: Final = "-wal"
SHARED_MEMORY_SUFFIX: Final = "-shm"
# From SQLite's file format (os_unix.c, wal.c). A shared lock on the first range means "the database is open", one on
# the second "the shared memory is in use"; the third range is locked to write, to checkpoint and to recover.
_OPEN_RANGE: Final = (0x40000002, 510)
_IN_USE_RANGE: Final = (128, 1)
_WRITERS_RANGE: Final = (120, 3)
_FREEZE_ATTEMPTS: Final = 200
_FREEZE_PAUSE_S: Final = 0.01


class FileState(Enum):
    IN_PLACE = "in place"
    MOVED = "moved"  # the database was moved, deleted or replaced
    LOG_REMOVED = "log removed"  # the database is in place; its log or shared memory was deleted or replaced


class FileGuard:
    """The files of a database that this process has open; made by `guarded`, released by `closing_guarded`."""

    def __init__(self, path: Path, identity: tuple[int, int]) -> None:
        self.path = path.absolute()  # the program may change its working directory later
        self.identity = identity
        self.users = 0
        self._side_names = side_files(path)
        self._sides: list[Identity] = [None, None]
        self._descriptors: list[int | None] = [None, None]
        self._take_sides()

    def state(self) -> FileState:
        """Return the state of the files: three calls of ``stat``, which may raise StorageError."""
        if file_identity(self.path) != self.identity:
            return FileState.MOVED
        if self._sides[1] is None:
            # No log was in use so far; another connection may have created one.
            with _registry_lock:
                self._take_sides()
        return FileState.IN_PLACE if self._sides_now() == self._sides else FileState.LOG_REMOVED

    def header(self, size: int) -> bytes | None:
        """Return the first bytes of the database without opening it again, None without a descriptor."""
        return None if self._descriptors[0] is None else os.pread(self._descriptors[0], size, 0)

    def unlock(self) -> None:
        """Release the locks, so that SQLite detects that nobody else uses the database."""
        for descriptor, span in zip(self._descriptors, (_OPEN_RANGE, _IN_USE_RANGE), strict=True):
            if descriptor is not None:
                _set_lock(descriptor, is_held=False, span=span)

    def close(self) -> None:
        for descriptor in self._descriptors:
            if descriptor is not None:
                os.close(descriptor)

    def _take_sides(self) -> None:
        if self._sides[1] is None:
            self._sides = self._sides_now()
            if self._sides[1] is not None:
                self._descriptors = [_locked(self.path, _OPEN_RANGE), _locked(self._side_names[1], _IN_USE_RANGE)]

    def _sides_now(self) -> list[Identity]:
        return [file_identity(name) for name in self._side_names]


_guards: dict[tuple[int, int], FileGuard] = {}
# Connections without a guard, by the identity of their file: their only locks are SQLite's.
_unguarded: Counter[tuple[int, int]] = Counter()
_registry_lock = threading.RLock()


def beside(path: Path, suffix: str) -> Path:
    """Return the path of a file that SQLite keeps beside a database."""
    return path.with_name(path.name + suffix)


def side_files(path: Path) -> list[Path]:
    """Return the paths of a database's log and shared memory, beside the target of a symbolic link."""
    return [beside(path.resolve(), suffix) for suffix in (LOG_SUFFIX, SHARED_MEMORY_SUFFIX)]


@contextlib.contextmanager
def os_errors(action: str, sentence: str) -> Iterator[None]:
    """Raise OSError of a block as StorageError, whose texts are these two and the cause."""
    try:
        yield
    except OSError as error:
        raise StorageError(f"{action}: {error}", short=f"{sentence}: {error.strerror}.") from error


def file_identity(path: Path) -> Identity:
    """Return the identity of the file at a path; raises StorageError if it cannot be examined."""
    with os_errors(f"cannot look at {path}", f"The database {path} cannot be opened"):
        try:
            found = path.stat()
        except FileNotFoundError:
            return None
    return found.st_dev, found.st_ino


def guarded(path: Path) -> FileGuard | None:
    """Return the guard of a database that a connection has just opened and read; None if it is gone already."""
    identity = file_identity(path)
    if identity is None:
        return None
    with _registry_lock:
        guard = _guards[identity] = _guards.get(identity) or FileGuard(path, identity)
        guard.users += 1
        return guard


def count_unguarded(identity: Identity) -> None:
    """Count a connection that has just been opened: until `discount_unguarded` no guard of its file is closed."""
    if identity is not None:
        with _registry_lock:
            _unguarded[identity] += 1


def discount_unguarded(identity: Identity) -> None:
    """End the count of a connection that has a guard now, or was closed."""
    if identity is None:
        return
    with _registry_lock:
        _unguarded[identity] -= 1
        guard = _guards.get(identity)
        if not _unguarded[identity]:
            del _unguarded[identity]
            if guard is not None and guard.users == 0:
                del _guards[identity]
                guard.close()


@contextlib.contextmanager
def closing_guarded(guard: FileGuard) -> Iterator[None]:
    """Close a connection inside the block, and release its guard.

    The last one of the process may write the log into the file and delete it, as SQLite does, unless it was removed.
    """
    with _registry_lock:
        guard.users -= 1
        is_last = guard.users == 0 and not _unguarded[guard.identity]
        try:
            if is_last:
                with contextlib.suppress(StorageError):
                    if guard.state() is not FileState.LOG_REMOVED:
                        guard.unlock()
            yield
        finally:
            if is_last:
                del _guards[guard.identity]
                guard.close()


def check_reopenable(path: Path) -> None:
    """Raise StorageError while a connection of this process uses a removed log.

    A new connection would combine its shared memory, which the connections of a process share, with the new log.
    """
    identity = file_identity(path)
    # The state, too, under the lock: the last connection deletes the log while it is being closed.
    with _registry_lock:
        guard = None if identity is None else _guards.get(identity)
        is_removed = guard is not None and guard.state() is FileState.LOG_REMOVED
    if guard is not None and is_removed:
        raise StorageError(
            f"{path}: its log was removed, and {guard.users} connections of this process still use it",
            short=f"Another program deleted the log of the database {path}, which this program is still using: it is"
            " read again when a recorder has repaired it, or all its readers here have noticed.",
        )


def header_of(path: Path, size: int) -> bytes:
    """Return the first bytes of a database (or raise OSError); one that this process has open is not opened again."""
    with contextlib.suppress(StorageError), _registry_lock:
        identity = file_identity(path)
        guard = None if identity is None else _guards.get(identity)
        kept = None if guard is None else guard.header(size)
        if kept is not None:
            return kept
    with path.open("rb") as file:
        return file.read(size)


@contextlib.contextmanager
def frozen(path: Path) -> Iterator[None]:
    """Prevent other programs from writing into a database, not from reading, during the block; POSIX only.

    Takes SQLite's locks on the present shared memory, which this process must not have open; StorageError after 2 s.
    """
    if sys.platform == "win32":
        yield
        return
    name = beside(path, SHARED_MEMORY_SUFFIX)
    start, size = _WRITERS_RANGE
    with os_errors(f"cannot open {name}", f"The file {name} cannot be opened"):
        descriptor = os.open(name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, path.stat().st_mode & 0o666)
    try:
        for _ in range(_FREEZE_ATTEMPTS):
            with contextlib.suppress(OSError):
                fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, size, start)
                break
            time.sleep(_FREEZE_PAUSE_S)
        else:
            raise StorageError(f"{path} is being written", short=f"Another program is holding the database {path}.")
        yield
    finally:
        os.close(descriptor)


def _locked(path: Path, span: tuple[int, int]) -> int | None:
    if sys.platform != "linux":
        return None
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None  # no log is in use, or this user may not read it: nothing was opened that needs a lock
    # Without such locks, too, the descriptor stays open: closing it would release SQLite's.
    with contextlib.suppress(OSError):
        _set_lock(descriptor, is_held=True, span=span)
    return descriptor


def _set_lock(descriptor: int, *, is_held: bool, span: tuple[int, int]) -> None:
    if sys.platform != "linux":
        return
    start, size = span
    kind = fcntl.F_RDLCK if is_held else fcntl.F_UNLCK
    # struct flock on 64-bit Linux: l_type, l_whence, l_start, l_len, l_pid; l_pid must be 0.
    fcntl.fcntl(descriptor, fcntl.F_OFD_SETLK, struct.pack("hhqqi4x", kind, os.SEEK_SET, start, size, 0))
