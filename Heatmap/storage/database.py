"""The database of an address: a path, or ``postgresql://user@host/name``."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

from Heatmap.errors import UnusableDatabaseError
from Heatmap.storage.location import default_db_path
from Heatmap.storage.sqlite.database import SqliteDatabase

if TYPE_CHECKING:
    from Heatmap.storage.contract import Database

    Address = str | Path | Database

# With or without the slashes: the latter is a mistake, and no file.
_SERVER: Final = re.compile(r"postgres(ql)?:", re.IGNORECASE)


def database_of(address: Address | None = None) -> Database:
    """Return the database of an address; None: the file in the user's data folder.

    Raises `StorageError` for a user without a data folder, and `UnusableDatabaseError` for an address of a server that
    cannot be one, or if the extra ``postgres`` is not installed.
    """
    if address is None:
        return SqliteDatabase(default_db_path())
    if isinstance(address, str) and _SERVER.match(address):
        try:
            import psycopg  # noqa: F401, PLC0415 - an extra
        except ImportError as error:
            raise UnusableDatabaseError(
                f"psycopg cannot be loaded: {error}",
                short='A database server needs the extra "postgres": pip install "liquidation-heatmap[postgres]".',
            ) from error
        from Heatmap.storage.postgres.database import PostgresDatabase  # noqa: PLC0415 - it imports the extra

        return PostgresDatabase.of(address)
    if isinstance(address, str | Path):
        # The working directory may change later.
        return SqliteDatabase(Path(address).absolute())
    return address
