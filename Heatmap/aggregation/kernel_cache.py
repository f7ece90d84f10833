"""Where the compiled kernels are kept. Decided before the kernels are imported, the same for child and parent."""

from __future__ import annotations

import os
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import platformdirs

if TYPE_CHECKING:
    from collections.abc import Iterator

VARIABLE: Final = "NUMBA_CACHE_DIR"

_PACKAGE: Final = Path(__file__).resolve().parent


def cache_environment(package: Path = _PACKAGE, user_cache: Path | None = None) -> dict[str, str]:
    """Return what to add to the environment so that Numba finds a cache it can write.

    Parameters
    ----------
    package
        Folder of the kernels' source. Numba keeps its cache beside it if it may.
    user_cache
        Where to keep it otherwise; by default this user's cache folder of the platform.

    Returns
    -------
    Nothing if the user chose a folder by ``NUMBA_CACHE_DIR`` or the package's own can be written.

    Raises
    ------
    OSError
        No folder can be written.
    """
    if os.environ.get(VARIABLE):
        return {}
    if _is_writable(package / "__pycache__"):
        return {}
    folder = user_cache or platformdirs.user_cache_path("liquidation-heatmap", appauthor=False) / "kernels"
    if _is_writable(folder):
        return {VARIABLE: str(folder)}
    raise OSError(f"no folder for compiled kernels: neither {package} nor {folder} can be written")


@contextmanager
def numba_cache_in(environment: dict[str, str]) -> Iterator[None]:
    """Let kernels that are imported meanwhile use that cache, and leave the host's own Numba settings alone.

    Loads Numba. Numba binds a kernel to its cache when the kernel is defined, hence only then the setting matters.
    """
    import numba  # noqa: PLC0415 - not before the warm-up decides so

    config: Any = numba.config  # its settings appear at run time, no checker knows them
    before = config.CACHE_DIR
    config.CACHE_DIR = environment.get(VARIABLE, before)
    try:
        yield
    finally:
        config.CACHE_DIR = before


def _is_writable(folder: Path) -> bool:
    """Try it: permissions alone do not tell of read-only file systems."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False
