"""The record row by row, for exports: every column, any number of rows, as it was at one moment."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

from Heatmap.errors import StorageError
from Heatmap.storage.connection import open_reader, storage_error
from Heatmap.storage.file_guard import FileState
from Heatmap.storage.migrations import version_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import TracebackType

COLUMNS: Final = (
    "ts_ms", "symbol", "side", "price", "qty", "notional", "source", "order_price", "order_qty", "event_ms",
    "received_ms", "raw_json",
)  # fmt: skip
"""The columns of ``liq_events`` that describe the event itself; an export has them, in this order. ``id`` and
``import_id`` tell how it came into this one file and mean nothing elsewhere."""

OPTIONAL_COLUMNS: Final = ("order_price", "order_qty", "event_ms", "received_ms", "raw_json")
"""Those that may be unknown."""

TEXT_COLUMNS: Final = ("symbol", "side", "source")
TIME_COLUMNS: Final = ("ts_ms", "event_ms", "received_ms")
NUMBER_COLUMNS: Final = ("price", "qty", "notional", "order_price", "order_qty")

NPZ_COLUMNS: Final = COLUMNS[:-1]
"""An NPZ file has no ``raw_json``; an unknown time is `NPZ_UNKNOWN_MS` there, an unknown number NaN."""
NPZ_UNKNOWN_MS: Final = -1

# Hops from one series to the next along an index: as many steps as there are series.
_NEXT_SERIES: Final = """
    SELECT source, symbol FROM liq_events INDEXED BY idx_liq_events_window
    WHERE (source, symbol) > (?, ?) ORDER BY source, symbol LIMIT 1
"""


@dataclass(frozen=True, slots=True)
class Selection:
    """Which events are meant; None: all.

    Attributes
    ----------
    symbol, source
        Exact words.
    start_ms, end_ms
        ``start_ms <= ts_ms < end_ms``, ms since the epoch.
    """

    symbol: str | None = None
    source: str | None = None
    start_ms: int | None = None
    end_ms: int | None = None

    def where(self) -> tuple[str, list[str | int]]:
        """Return the condition in SQL, and its values."""
        parts = {
            "symbol = ?": self.symbol,
            "source = ?": self.source,
            "ts_ms >= ?": self.start_ms,
            "ts_ms < ?": self.end_ms,
        }
        asked = {text: value for text, value in parts.items() if value is not None}
        return " AND ".join(asked) or "TRUE", list(asked.values())

    def index_in_order(self) -> str:
        """Return the index that has the selected rows in order of time: a sort would need memory for all of them."""
        if self.symbol is None:
            return "idx_liq_events_ts"
        return "idx_liq_events_symbol_ts" if self.source is None else "idx_liq_events_window"


class RecordReader:
    """Reads one state of a database from beginning to end, whatever is written meanwhile.

    A context manager; used only by the thread that made it. SQLite cannot shorten its write-ahead log while it is open.

    Parameters
    ----------
    db_path
        An existing database.

    Raises
    ------
    StorageError
        There is none, or it cannot be read.
    """

    def __init__(self, db_path: str | Path) -> None:
        self._path = Path(db_path)
        if not self._path.exists():
            raise StorageError(f"no file {self._path}", short=f"There is no database {self._path}.")
        self._connection = open_reader(self._path)
        try:
            self._begin()
        except BaseException:
            self._connection.close()
            raise

    def __enter__(self) -> Self:
        """Return the reader; leaving the block closes it."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the database."""
        self._connection.close()

    def series(self) -> list[tuple[str, str]]:
        """Return ``(source, symbol)`` of all that has events, in alphabetical order.

        Raises
        ------
        StorageError
            The file cannot be read.
        """
        found: list[tuple[str, str]] = []
        last: tuple[str, str] = ("", "")
        while rows := list(self.query(_NEXT_SERIES, last)):
            last = (rows[0][0], rows[0][1])
            found.append(last)
        return found

    def count(self, selection: Selection) -> int:
        """Return the number of selected events.

        Raises
        ------
        StorageError
            The file cannot be read.
        """
        where, values = selection.where()
        return int(next(self.query(f"SELECT count(*) FROM liq_events WHERE {where}", values))[0])  # noqa: S608 - ours

    def newest_ms(self, selection: Selection) -> int | None:
        """Return the trade time of the newest selected event in ms since the epoch, None if there is none.

        Raises
        ------
        StorageError
            The file cannot be read.
        """
        where, values = selection.where()
        newest: int | None = next(self.query(f"SELECT max(ts_ms) FROM liq_events WHERE {where}", values))[0]  # noqa: S608 - ours
        return newest

    def rows(self, selection: Selection, columns: Sequence[str] = COLUMNS) -> Iterator[tuple[Any, ...]]:
        """Yield the selected events in order of time, ties in order of arrival.

        Parameters
        ----------
        selection
            See `Selection`.
        columns
            Some of `COLUMNS`.

        Raises
        ------
        StorageError
            The file cannot be read.
        """
        if not set(columns) <= set(COLUMNS):
            raise ValueError(f"expected columns out of {COLUMNS}, was {columns}")
        where, values = selection.where()
        names, index = ", ".join(columns), selection.index_in_order()
        query = f"SELECT {names} FROM liq_events INDEXED BY {index} WHERE {where} ORDER BY ts_ms, id"  # noqa: S608 - ours
        yield from self.query(query, values)

    @property
    def schema_version(self) -> int:
        """See `Heatmap.storage.migrations`; at least 1."""
        return self._version

    def _begin(self) -> None:
        self._version = version_of(self._connection, self._path)
        self._connection.guard()
        if self._version == 0:
            raise StorageError(f"empty database {self._path}", short=f"Nothing is recorded yet in {self._path}.")
        self._connection.execute("BEGIN")
        # The moment is that of the first reading, not that of BEGIN.
        self._connection.execute("SELECT count(*) FROM sqlite_master").fetchone()

    def query(self, sql: str, values: Sequence[str | int] = ()) -> Iterator[tuple[Any, ...]]:
        """Yield the rows of a statement that reads.

        Raises
        ------
        StorageError
            The file cannot be read, or its log was deleted meanwhile, so that the rows may contradict one another.
        """
        try:
            yield from self._connection.execute(sql, values)
        except sqlite3.Error as error:
            raise storage_error(error, self._path) from error
        if self._connection.file_state() is FileState.LOG_REMOVED:
            self._connection.check_in_place()
