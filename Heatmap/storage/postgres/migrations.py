"""The tables on a server: made when missing; versions have one numbering for every database."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Final

from Heatmap.errors import StorageError, UnusableDatabaseError
from Heatmap.storage.postgres.connection import connect, server_errors, write_transaction
from Heatmap.storage.sql import LATEST_VERSION

if TYPE_CHECKING:
    from Heatmap.storage.postgres.address import ServerAddress
    from Heatmap.storage.postgres.connection import ServerConnection

SCHEMA: Final = Path(__file__).with_name("schema.sql")
# The step from each version but 0; released upgrades are never changed.
UPGRADES: Final[dict[int, Path]] = {}


def version_of(connection: ServerConnection) -> int:
    """Return the version of the tables, 0 if there are none yet; `UnusableDatabaseError` for a newer one."""
    with server_errors(connection.address):
        if connection.execute("SELECT to_regclass('heatmap.record')").fetchone()[0] is None:
            return 0
        row = connection.execute("SELECT version FROM record").fetchone()
    version = 0 if row is None else int(row[0])
    if version > LATEST_VERSION:
        name = connection.address.name
        raise UnusableDatabaseError(
            f"{name}: expected a schema version up to {LATEST_VERSION}, was {version}",
            short=f"The database {name} was written by a newer version of this program; please update.",
        )
    return version


def migrate(connection: ServerConnection) -> None:
    """Make the tables, or bring them to the latest version; a step that fails changes nothing. `StorageError`."""
    if version_of(connection) == LATEST_VERSION:
        return
    with write_transaction(connection):
        # Again under the lock: another program may have been faster.
        version = version_of(connection)
        if version == 0:
            connection.raw.execute(SCHEMA.read_bytes())
            connection.execute("INSERT INTO record (version) VALUES (?)", (LATEST_VERSION,))
        for step in range(version, LATEST_VERSION) if version else ():
            connection.raw.execute(UPGRADES[step].read_bytes())
            connection.execute("UPDATE record SET version = ?", (step + 1,))


def open_record(address: ServerAddress, *, creates: bool) -> ServerConnection:
    """Connect to a record of the latest version; without ``creates`` a missing one is a `StorageError`."""
    connection = connect(address)
    with ExitStack() as stack:
        stack.callback(connection.close)
        if creates:
            migrate(connection)
        elif not version_of(connection):
            raise StorageError(f"no tables in {address.name}", short=f"Nothing is recorded yet in {address.name}.")
        stack.pop_all()
    return connection
