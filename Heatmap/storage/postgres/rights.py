"""What a user may do with a record on a server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from Heatmap.errors import StorageError

if TYPE_CHECKING:
    from Heatmap.storage.postgres.connection import ServerConnection

# What a recorder does with each table, besides reading it.
_WRITES: Final = {
    "record": (),
    "imports": ("INSERT", "UPDATE"),
    "liq_events": ("INSERT", "DELETE"),
    "coverage": ("INSERT", "UPDATE", "DELETE"),
    "tick_sizes": ("INSERT", "UPDATE"),
    "quarantine": ("INSERT", "DELETE"),
    "collector": ("INSERT", "UPDATE"),
    "clock_offsets": ("INSERT", "DELETE"),
}
_SCHEMA: Final = """
    SELECT EXISTS (SELECT 1 FROM pg_class WHERE relnamespace = s.oid AND relname = 'record'),
        coalesce(has_schema_privilege(s.oid, 'USAGE'), FALSE), has_database_privilege(current_database(), 'CREATE')
    FROM (SELECT to_regnamespace('heatmap') AS oid) AS s
"""
_HAS: Final = "SELECT has_table_privilege('heatmap.' || CAST(? AS text), CAST(? AS text))"


def described_rights(connection: ServerConnection) -> str:
    """Return what the user may do, as a clause; `StorageError` if that is not enough to read, or to write in full."""
    name = connection.address.name
    exists, may_look, may_create = connection.execute(_SCHEMA).fetchone()
    if not exists:
        if not may_create:
            raise StorageError(
                f"{name}: no tables, no right CREATE on the database",
                short=f"Nothing is recorded yet in {name}, and its user has no right to make the tables.",
            )
        return "no tables yet, the first recorder makes them"
    wanted = [(table, right) for table, writes in _WRITES.items() for right in ("SELECT", *writes)]
    # Without the right to use the schema nothing can be asked about its tables.
    missing = [pair for pair in wanted if not connection.execute(_HAS, pair).fetchone()[0]] if may_look else []
    unread = [table for table, right in missing if right == "SELECT"]
    if unread or not may_look:
        what = "SELECT on " + ", ".join(unread) if may_look else "USAGE on the schema heatmap"
        raise StorageError(
            f"{name}: missing {what}", short=f"The user of {name} may not read the record: {what} is missing."
        )
    if len(missing) == len(wanted) - len(_WRITES):
        return "reading only"
    if missing:
        what = ", ".join(f"{right} on {table}" for table, right in missing)
        raise StorageError(
            f"{name}: missing {what}", short=f"The user of {name} may write the record in part only: {what} is missing."
        )
    return "writing"
