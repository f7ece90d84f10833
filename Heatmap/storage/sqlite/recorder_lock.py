"""Operating-system lock of a recorder: one program at a time records a source into a database.

The lock is exclusive, on the empty file ``NAME.SOURCE.lock`` beside the database: ``flock`` on Unix, ``LockFileEx`` on
Windows, both by the library filelock. The kernel releases it when its process ends, however that ends. It belongs to
one open file description: a ``close`` of the same file elsewhere in the process does not release it, two locks of one
process exclude each other, and a forked child does not inherit it. Readers need no lock.

A holder that hangs keeps the lock, for it may continue at any moment. Programs that wait report its process id, and
that it is silent; ending its process releases the lock.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

from filelock import FileLock, Timeout

from Heatmap.storage.sqlite.file_guard import Identity, file_identity, os_errors

if TYPE_CHECKING:
    from pathlib import Path


class RecorderLock:
    """The lock of one source of one database, which must exist before `acquire`; not thread-safe."""

    def __init__(self, db_path: Path, source: str) -> None:
        self._db_path = db_path
        self._source = source
        self._lock: FileLock | None = None
        self._identity: Identity = None

    @property
    def is_held(self) -> bool:
        return self._lock is not None

    def acquire(self) -> bool:
        """Take the lock without waiting; return True if it is held afterwards. Raises StorageError."""
        if self._lock is not None:
            return True
        path = lock_path(self._db_path, self._source)
        with os_errors(f"cannot lock {path}", f"The lock file {path} cannot be opened"):
            # Whoever may write the database may lock it.
            lock = _file_lock(path, mode=self._db_path.stat().st_mode & 0o666)
            try:
                lock.acquire()
            except Timeout:
                return False
        self._lock, self._identity = lock, file_identity(path)
        return True

    def release_if_removed(self) -> None:
        """Release a lock whose file was deleted or replaced: other programs would not see it any more."""
        if self._lock is not None and file_identity(lock_path(self._db_path, self._source)) != self._identity:
            self.release()

    def release(self) -> None:
        """Release the lock; harmless if it is not held."""
        lock, self._lock = self._lock, None
        if lock is not None:
            lock.release()


def lock_path(db_path: Path, source: str) -> Path:
    """Return the lock file of a source; a symbolic link to a database has that of its target."""
    path = db_path.resolve()
    return path.with_name(f"{path.name}.{quote(source, safe='')}.lock")


def is_locked(db_path: Path, source: str) -> bool | None:
    """Return whether a recorder holds the lock now; None: no lock file, or no right to open it. Takes a free lock."""
    path = lock_path(db_path, source)
    if not path.exists():
        return None
    lock = _file_lock(path)
    try:
        lock.acquire()
    except Timeout:
        return True
    except OSError:
        return None
    lock.release()
    return False


def _file_lock(path: Path, mode: int = 0o644) -> FileLock:
    return FileLock(path, timeout=0, mode=mode, thread_local=False, is_singleton=False)
