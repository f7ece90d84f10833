"""Where the database lies if no path is given."""

from __future__ import annotations

from pathlib import Path

import platformdirs

from Heatmap.errors import StorageError


def default_db_path() -> Path:
    """Return the database in the user's data folder; raises `StorageError` for a user without one."""
    try:
        return Path(platformdirs.user_data_dir("Heatmap", appauthor=False)) / "liquidations.sqlite3"
    except RuntimeError as error:
        raise StorageError(
            f"no data folder: {error}",
            short="This user has no home folder: set HOME, or name the database with --db.",
        ) from error
