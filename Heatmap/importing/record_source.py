"""Records of this program in SQLite files: moved to another database, or merged with another record.

Rows keep all their columns. Where they came from stays, too: what was recorded live is imported as ``record`` and ages
as such, what was imported before keeps its format. Coverage is as far as it was recorded or claimed.
"""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any, Final

from Heatmap.errors import RecordFileError, RowError, StorageError
from Heatmap.events import Coverage
from Heatmap.importing.row import symbol_of, with_plausible_amounts
from Heatmap.storage import sql
from Heatmap.storage.database import database_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from Heatmap.events import LiquidationEvent
    from Heatmap.storage.record_reader import RecordReader

_LIVE: Final = "received_ms IS NOT NULL"
_ROWS: Final = "FROM liq_events WHERE {}"
_IMPORTED: Final = "import_id IN (SELECT id FROM imports WHERE format = ?)"
_COVERAGE: Final = "SELECT source, symbol, start_ms, end_ms FROM coverage ORDER BY source, symbol, start_ms, end_ms"
# Rows of an unknown origin, from a damaged file that was repaired: nothing may delete them.
_UNKNOWN_FORMAT: Final = "heatmap"


class RecordTable:
    """The rows of a record that came into it in one way: those of a condition, with these values."""

    def __init__(self, reader: RecordReader, kind: str, condition: str, *values: str) -> None:
        self.format = kind
        self._reader = reader
        self._from, self._values = _ROWS.format(condition), values
        self._reached = 0
        self.length = int(next(reader.query(f"SELECT count(*) {self._from}", values))[0])

    @property
    def has_coverage(self) -> bool:
        """True for what was recorded live."""
        return self.format == sql.RECORD_FORMAT

    def fraction(self) -> float:
        """Return the share that has been read, 0 to 1."""
        return self._reached / max(self.length, 1)

    def rows(self) -> Iterator[tuple[int, LiquidationEvent | RowError]]:
        """Yield number and event of each row in the order of arrival; `RecordFileError` where the file is damaged."""
        query = f"SELECT {sql.EVENT_COLUMNS} {self._from} ORDER BY id"
        try:
            for row in self._reader.query(query, self._values):
                self._reached += 1
                if any(isinstance(value, str) and "\0" in value for value in row):
                    yield self._reached, RowError("bad-text", "a text has a NUL in it")
                else:
                    yield self._reached, _checked(row)
        except StorageError as error:
            raise RecordFileError(
                f"row {self._reached}: {error}", short=f"is damaged after row {self._reached}: {error.short}"
            ) from error

    def coverage(self, symbol: str | None) -> tuple[list[Coverage], list[Coverage]]:
        """Return what was recorded, and what owners of imported files claim; of one symbol, or for None of all.

        `RecordFileError` where the file is damaged.
        """
        recorded: list[Coverage] = []
        claimed: list[Coverage] = []
        try:
            for source, of, start_ms, end_ms in self._reader.query(_COVERAGE):
                if not (isinstance(source, str) and isinstance(start_ms, int) and isinstance(end_ms, int)):
                    raise RecordFileError("is damaged in its coverage: times are no whole numbers")
                name = source.removesuffix(sql.CLAIMED_SUFFIX)
                if symbol in (None, of):
                    (recorded if name == source else claimed).append(Coverage(name, of, start_ms, end_ms))
        except StorageError as error:
            raise RecordFileError(f"coverage: {error}", short=f"is damaged in its coverage: {error.short}") from error
        return recorded, claimed


def _checked(row: Sequence[Any]) -> LiquidationEvent | RowError:
    """Return the event of a row, or why it is none: somebody may have altered the file."""
    try:
        event = with_plausible_amounts(sql.row_event(tuple(row)))
        symbol_of(event.symbol)
    except RowError as error:
        return error
    except (TypeError, ValueError) as error:
        return RowError("bad-row", f"the row has values that the program does not store: {error}")
    return event


def record_tables(path: Path) -> Iterator[RecordTable]:
    """Yield the tables of a record as it is at this moment, the one that was recorded live last.

    `StorageError` if it is another program's, of a newer version, or cannot be read.
    """
    with closing(database_of(path).reader()) as reader:
        is_first_version = reader.schema_version < sql.REPORTS_VERSION
        formats = [] if is_first_version else list(reader.query("SELECT DISTINCT format FROM imports ORDER BY format"))
        direct = "" if is_first_version else "import_id IS NULL AND "
        tables = [RecordTable(reader, name, _IMPORTED, name) for (name,) in formats]
        tables.append(RecordTable(reader, _UNKNOWN_FORMAT, f"{direct}NOT {_LIVE}"))
        live = RecordTable(reader, sql.RECORD_FORMAT, f"{direct}{_LIVE}")
        yield from (table for table in tables if table.length)
        yield live
