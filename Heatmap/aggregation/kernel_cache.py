"""The on-disk cache of compiled kernels: one file for each kernel, a SHA-256 checksum before the machine code.

Damaged files are deleted and the kernel is compiled again; with Numba's own cache they raise an exception at each load.
This module does not load Numba.
"""

from __future__ import annotations

import logging
import os
import secrets
import shutil
import tempfile
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Final

import platformdirs

from Heatmap.errors import KernelCacheError

VARIABLE: Final = "HEATMAP_KERNEL_CACHE"
"""Environment variable that names the folder."""

_NUMBA_VARIABLE: Final = "NUMBA_CACHE_DIR"
_PACKAGE: Final = Path(__file__).resolve().parent
_SUFFIX: Final = ".kernel"
_CHECKSUM_BYTES: Final = 32

_logger = logging.getLogger(__name__)


def cache_folder(package: Path = _PACKAGE, user_cache: Path | None = None) -> Path:
    """Return the folder of the cache.

    It is what ``HEATMAP_KERNEL_CACHE`` or else ``NUMBA_CACHE_DIR`` names, writable or not; else ``__pycache__`` in
    ``package``, or ``user_cache`` (by default the platform's folder) if only that is writable. If neither is, the first
    may have been filled at installation.
    """
    for variable in (VARIABLE, _NUMBA_VARIABLE):
        if os.environ.get(variable):
            return Path(os.environ[variable]).absolute()
    beside = package / "__pycache__"
    folder = user_cache or platformdirs.user_cache_path("liquidation-heatmap", appauthor=False) / "kernels"
    return folder if not _is_writable(beside) and _is_writable(folder) else beside


class KernelCache:
    """Compiled kernels of one version for one kind of processor, as bytes.

    Parameters
    ----------
    folder
        See `cache_folder`; created when a file is saved.
    version
        Name of the versions of all kernels, of Python and of Numba, and of the kind of processor.
    """

    def __init__(self, folder: Path, version: str) -> None:
        self.folder = folder / f"heatmap-kernels-{version}"
        self.damaged = 0
        """Number of damaged files found."""

    def load(self, name: str) -> bytes | None:
        """Return a saved kernel, None if there is none. A damaged file is deleted."""
        path = self._path(name)
        try:
            data = path.read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            self._discard(path, str(error))
            return None
        checksum, payload = data[:_CHECKSUM_BYTES], data[_CHECKSUM_BYTES:]
        if sha256(payload).digest() == checksum:
            return payload
        self._discard(path, "its checksum is wrong")
        return None

    def save(self, name: str, payload: bytes) -> None:
        """Write a file atomically.

        Raises
        ------
        KernelCacheError
            The folder cannot be written, or the disk is full.
        """
        path = self._path(name)
        unfinished = self.folder / f"{name}.{secrets.token_hex(8)}.tmp"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            try:
                with unfinished.open("xb") as file:
                    file.write(sha256(payload).digest() + payload)
                    file.flush()
                    os.fsync(file.fileno())
                unfinished.replace(path)
            finally:
                unfinished.unlink(missing_ok=True)
        except OSError as error:
            raise KernelCacheError(
                f"compiled kernels cannot be saved: {error}",
                short=f"compiled kernels cannot be saved in {self.folder.parent} ({error.strerror})",
            ) from error

    def check_writable(self) -> None:
        """Save and delete an empty file; raises as `save` does."""
        name = f"test-{secrets.token_hex(8)}"
        self.save(name, b"")
        self._path(name).unlink(missing_ok=True)

    def delete_old_versions(self, older_than_s: float) -> None:
        """Delete kernels of other versions, and files of Numba's own cache, last written before that `time.time`."""
        for path in (*self.folder.parent.glob("heatmap-kernels-*"), *self.folder.parent.glob("kernel_*.nb[ci]")):
            with suppress(OSError):  # another program may delete it at the same moment
                if path != self.folder and path.stat().st_mtime < older_than_s:
                    _delete(path)

    def _path(self, name: str) -> Path:
        return self.folder / f"{name}{_SUFFIX}"

    def _discard(self, path: Path, reason: str) -> None:
        self.damaged += 1
        _logger.warning("damaged file of the kernel cache, deleted: %s (%s)", path, reason)
        try:
            _delete(path)
        except OSError as error:
            _logger.warning("it cannot be deleted: %s", error)


def _delete(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _is_writable(folder: Path) -> bool:
    """Return True if a file can be written there; permissions do not show read-only file systems."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False
