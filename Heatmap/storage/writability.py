"""Check of a database's path, which changes nothing, so that a wrong path fails at once."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

from Heatmap.errors import DamagedDatabaseError, NotADatabaseError, UnusableDatabaseError
from Heatmap.storage.connection import open_reader
from Heatmap.storage.migrations import version_of
from Heatmap.storage.recovery import is_damaged_record

if TYPE_CHECKING:
    from pathlib import Path


def check_db_path(path: Path) -> None:
    """Raise UnusableDatabaseError unless the path names a database of ours, or one can be created there.

    What may pass (a lock, a full disk) and what can be repaired (damage) is accepted.
    """
    if not path.exists():
        _check_folder(path)
        return
    if path.is_dir():
        raise UnusableDatabaseError(
            f"expected a file, was a folder: {path}", short=f"{path} is a folder, not a database."
        )
    if not os.access(path, os.W_OK):
        raise UnusableDatabaseError(
            f"no right to write {path}", short=f"The database {path} may not be written by this user."
        )
    # Damage in the first page is found here too; the recorder repairs it.
    with contextlib.suppress(DamagedDatabaseError):
        try:
            with contextlib.closing(open_reader(path)) as connection:
                version_of(connection, path)
        except NotADatabaseError:
            if not is_damaged_record(path):
                raise


def _check_folder(path: Path) -> None:
    # Broken links and names that are too long count as missing here; creating them fails later.
    nearest = next((folder for folder in path.absolute().parents if folder.exists()), None)
    if nearest is None or not nearest.is_dir():
        raise UnusableDatabaseError(
            f"expected a folder, was a file: {nearest}", short=f"{nearest} is a file; there is no folder for {path}."
        )
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise UnusableDatabaseError(
            f"no right to write into {nearest}", short=f"This user may not make {path}: the folder is protected."
        )
