"""Deleting simulated and replayed events."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from Heatmap.errors import StorageError
from Heatmap.events import Source
from Heatmap.storage.connection import storage_errors, write_transaction
from Heatmap.storage.migrations import open_database


def erase_source(db_path: str | Path, source: str) -> int:
    """Delete all events and coverage of `Source.DEMO` or `Source.REPLAY`; return the number of events.

    Raises StorageError for recorded sources, and if an existing database cannot be written.
    """
    if source not in (Source.DEMO, Source.REPLAY):
        raise StorageError(f"expected a simulated or replayed source, was {source!r}: recorded events are never erased")
    path = Path(db_path)
    if not path.exists():
        return 0
    with storage_errors(path), closing(open_database(path)) as connection, write_transaction(connection):
        erased = connection.execute("DELETE FROM liq_events WHERE source = ?", (str(source),)).rowcount
        connection.execute("DELETE FROM coverage WHERE source = ?", (str(source),))
    return erased
