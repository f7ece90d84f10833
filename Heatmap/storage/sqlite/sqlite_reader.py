"""Reader of one state of a file."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Any

from Heatmap.errors import StorageError
from Heatmap.source_choice import each_source
from Heatmap.storage.record_reader import RecordReader
from Heatmap.storage.sqlite.connection import closed_on_error, open_reader, storage_errors
from Heatmap.storage.sqlite.file_guard import FileState
from Heatmap.storage.sqlite.migrations import version_of
from Heatmap.storage.sqlite.sqlite_store import WINDOW, columns_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from Heatmap.event_columns import EventColumns
    from Heatmap.source_choice import Sources


class SqliteReader(RecordReader):
    """Reads one state of a file; SQLite cannot shorten its write-ahead log meanwhile.

    Raises `Heatmap.errors.StorageError` if there is no database, it cannot be read, or its log was deleted meanwhile.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.name = str(path)
        if not path.exists():
            raise StorageError(f"no file {path}", short=f"There is no database {path}.")
        self._connection = connection = open_reader(path)
        with closed_on_error(connection):
            self.schema_version = version_of(connection, path)
            connection.guard()
            if self.schema_version == 0:
                raise StorageError(f"empty database {path}", short=f"Nothing is recorded yet in {path}.")
            connection.execute("BEGIN")
            # The state is that of the first read, not that of BEGIN.
            connection.execute("SELECT count(*) FROM sqlite_master").fetchone()

    def window(self, symbol: str, source: Sources, start_ms: int, end_ms: int) -> EventColumns:
        """Return a symbol's events of one source or several with ``start_ms <= ts_ms < end_ms``, sorted by time."""
        each = each_source(source)
        rows = chain.from_iterable(self.query(WINDOW, (name, symbol, start_ms, end_ms)) for name in each)
        return columns_of(rows, width=3, last_row_id=0)

    def query(self, statement: str, values: Sequence[str | int] = ()) -> Iterator[tuple[Any, ...]]:
        """Yield the rows of a statement."""
        with storage_errors(self.path):
            # ``yield from`` would close the cursor: an error if the reader was closed before.
            for row in self._connection.execute(statement, values):  # noqa: UP028
                yield row
        if self._connection.file_state() is FileState.LOG_REMOVED:
            self._connection.check_in_place()

    def close(self) -> None:
        """Close the file; harmless if called twice."""
        self._connection.close()
