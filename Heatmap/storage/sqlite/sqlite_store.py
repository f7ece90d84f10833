"""Reader of a database for the map: events as columns. Its import needs no NumPy, for the collector's commands."""

from __future__ import annotations

import sqlite3
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from Heatmap.events import ALL_SYMBOLS, is_recorded
from Heatmap.reports import ClockReading, LockHolder
from Heatmap.source_choice import each_source
from Heatmap.storage import sql
from Heatmap.storage.damage import WRONG_VALUES, wrong_value
from Heatmap.storage.series_queries import SeriesQueries
from Heatmap.storage.sqlite.connection import RecordConnection, closed_on_error, open_reader, storage_error
from Heatmap.storage.sqlite.file_guard import FileState, file_identity
from Heatmap.storage.sqlite.migrations import version_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from Heatmap.event_columns import EventColumns
    from Heatmap.source_choice import Sources

POLL_S: Final = 0.5
"""How often a program looks for changes that no recorder of its own process reports, in seconds."""

# The side is the sign of the notional: three Python objects a row. All are floats, which Python makes faster than large
# integers (1e5 rows in 54 ms instead of 110 ms), and which represent milliseconds exactly.
WINDOW: Final = f"""
    SELECT ts_ms * 1.0, price, {sql.SIGNED_NOTIONAL} FROM liq_events INDEXED BY idx_liq_events_window
    WHERE source = ? AND symbol = ? AND ts_ms >= ? AND ts_ms < ? ORDER BY ts_ms, id
"""  # noqa: S608 - a constant
# The newest of the events that are too many.
_SURPLUS: Final = """
    SELECT ts_ms FROM liq_events INDEXED BY idx_liq_events_window
    WHERE source IN ({}) AND symbol = ? AND ts_ms >= ? AND ts_ms < ? ORDER BY ts_ms DESC LIMIT 1 OFFSET ?
"""
# NOT INDEXED leaves the row id: few rows are new, however many the table has.
_TAIL: Final = f"""
    SELECT ts_ms, price, {sql.SIGNED_NOTIONAL}, id FROM liq_events NOT INDEXED
    WHERE id > ? AND symbol = ? AND source IN ({{}}) ORDER BY id
"""  # noqa: S608 - a constant
# By the index, and so cheap: intervals of one series do not overlap but for imports.
_FIRST_COVERAGE: Final = f"""
    SELECT min(start_ms) FROM (
        SELECT start_ms FROM (SELECT start_ms FROM coverage WHERE source = ?1 AND symbol = ?2 ORDER BY end_ms LIMIT 1)
        UNION ALL SELECT start_ms FROM (
            SELECT start_ms FROM coverage WHERE source = ?1 || '{sql.CLAIMED_SUFFIX}' AND symbol = ?2
            ORDER BY end_ms LIMIT 1))
"""  # noqa: S608 - a constant


# Only the copy of a server's record has these tables: see ``copy_tables.sql``. The least begin counts.
_HAS_MARKS: Final = "SELECT 1 FROM sqlite_master WHERE name = 'copied'"
_BEGINS: Final = "SELECT source, min(from_ms) FROM copied WHERE source IN ({}) AND symbol IN (?, ?) GROUP BY source"


class History(NamedTuple):
    """State of the older rows of a file."""

    revision: int  # number of times that all rows were replaced
    from_ms: int  # all rows of that trade time or later are there, ms since the epoch


NOTHING_MS: Final = 2**62
COMPLETE: Final = History(0, 0)


class SqliteStore(SeriesQueries):
    """Reader of a database; only for the thread that made it.

    While there is no file or no schema, everything reads as empty; the file is opened when it exists, and anew when
    another takes its name. All methods that read raise `Heatmap.errors.StorageError` if an existing one is unreadable.
    """

    def __init__(self, db_path: str | Path) -> None:
        self._path = Path(db_path)
        self._connection: RecordConnection | None = None
        self.generation = 0  # number of files opened so far; after a change row ids begin anew
        self.schema_version = 0  # of the file last read

    def window(self, symbol: str, source: Sources, start_ms: int, end_ms: int) -> EventColumns:
        """Return a symbol's events of one source or several with ``start_ms <= ts_ms < end_ms``.

        Its ``last_row_id`` is the newest row id of the whole database: with it `tail` returns what came later. Then
        ``end_ms`` must be beyond now, for the exchange's clock may be ahead of this machine's.
        """
        with self.reading() as connection:
            if connection is None:
                return columns_of((), width=3, last_row_id=0)
            # One transaction, so that no row falls between the newest id and the rows.
            connection.execute("BEGIN")
            try:
                last_row_id = connection.execute("SELECT ifnull(max(id), 0) FROM liq_events").fetchone()[0]
                # The index is in order of time within a source.
                rows = chain.from_iterable(
                    connection.execute(WINDOW, (each, symbol, start_ms, end_ms)) for each in each_source(source)
                )
                return columns_of(rows, width=3, last_row_id=last_row_id)
            finally:
                connection.execute("COMMIT")

    def start_of_newest(self, symbol: str, source: Sources, start_ms: int, end_ms: int, most: int) -> int:
        """Return the earliest time from ``start_ms`` on from which there are at most ``most`` events up to ``end_ms``.

        Of the events of one millisecond it is before all or after all.
        """
        with self.reading() as connection:
            sources = each_source(source)
            query, values = _SURPLUS.format(sql.places(sources)), (*sources, symbol, start_ms, end_ms, most)
            row = None if connection is None else connection.execute(query, values).fetchone()
        return start_ms if row is None else int(row[0]) + 1

    def tail(self, symbol: str, source: Sources, after_row_id: int) -> EventColumns:
        """Return the events stored after a row id, by time; ``last_row_id`` is the newest or ``after_row_id``."""
        with self.reading() as connection:
            # One query: between two of them rows could be stored, and the newest row id would be beyond some.
            sources = each_source(source)
            query, values = _TAIL.format(sql.places(sources)), (after_row_id, symbol, *sources)
            rows = () if connection is None else connection.execute(query, values)
            return columns_of(rows, width=4, last_row_id=after_row_id)

    def data_version(self) -> int:
        """Return a number that changes when another connection has committed; cheap enough to poll."""
        with self.reading() as connection:
            if connection is None:
                return 0
            version = int(connection.execute("PRAGMA data_version").fetchone()[0])
            # SQLite's number is only comparable within one connection.
            return self.generation << 32 | version

    def history(self, symbol: str, source: Sources) -> History:
        """Return how complete the rows of a series are below the newest one; its change means that others came in."""
        with self.reading() as connection:
            if connection is None or connection.execute(_HAS_MARKS).fetchone() is None:
                return COMPLETE
            sources = each_source(source)
            row = connection.execute("SELECT revision FROM copy").fetchone()
            begins = dict(connection.execute(_BEGINS.format(sql.places(sources)), (*sources, symbol, ALL_SYMBOLS)))
        from_ms = max(NOTHING_MS if begins.get(each) is None else begins[each] for each in sources)
        return History(0 if row is None else row[0], from_ms)

    def first_coverage_ms(self, symbol: str, source: str) -> int | None:
        """Return when the coverage of one series begins in ms since the epoch, None if there is none."""
        with self.reading() as connection:
            row = None if connection is None else connection.execute(_FIRST_COVERAGE, (source, symbol)).fetchone()
        return None if row is None else row[0]

    def recorder_run(self, symbol: str, source: str) -> tuple[int, int] | None:
        """Return the start and the last sign of life of a source's last recorder, ms since the epoch.

        None if none is known, or it does not record the symbol.
        """
        with self.reading() as connection:
            if connection is None or self.schema_version < sql.REPORTS_VERSION:
                return None
            row = connection.execute(sql.RECORDER_RUN, (source,)).fetchone()
        if row is None or not is_recorded(symbol, row[0].split()):
            return None
        return row[1], row[2]

    def recorder(self, source: str) -> tuple[LockHolder, int] | None:
        """Return the last recorder of a source and its last sign of life, ms since the epoch; None if it has ended."""
        with self.reading() as connection:
            if connection is None or self.schema_version < sql.REPORTS_VERSION:
                return None
            row = connection.execute(sql.RUNNING_RECORDER, (source,)).fetchone()
        if row is None:
            return None
        run_id, host, pid, symbols, started_ms, heartbeat_ms = row
        return LockHolder(run_id, host, pid, tuple(symbols.split()), started_ms), heartbeat_ms

    def newest_ms(self, symbols: Iterable[str], source: str) -> int | None:
        """Return the trade time of the newest event of some symbols in ms since the epoch, or None."""
        with self.reading() as connection:
            if connection is None:
                return None
            rows = [connection.execute(sql.NEWEST_EVENT, (source, symbol)).fetchone() for symbol in symbols]
        return max((ts_ms for (ts_ms,) in rows if ts_ms is not None), default=None)

    def clock_reading(self, source: str) -> ClockReading | None:
        """Return the last recorded difference between the exchange's clock and this machine's, or None."""
        with self.reading() as connection:
            if connection is None or self.schema_version < sql.REPORTS_VERSION:
                return None
            row = connection.execute(sql.NEWEST_CLOCK_OFFSET, (source,)).fetchone()
        return None if row is None else ClockReading(*row)

    def close(self) -> None:
        """Close the connection; a later call opens it again."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _rows_of(self, statement: str, values: Sequence[str | int]) -> list[tuple[Any, ...]]:
        with self.reading() as connection:
            return [] if connection is None else connection.execute(statement, values).fetchall()

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection | None]:
        """Yield a connection to the file as it is now, None if there is nothing to read yet."""
        try:
            yield self._open()
        except sqlite3.Error as error:
            self.close()
            raise storage_error(error, self._path) from error
        except WRONG_VALUES as error:
            self.close()
            raise wrong_value(str(self._path), error) from error

    def _open(self) -> sqlite3.Connection | None:
        connection = self._connection
        if connection is None or connection.file_state() is not FileState.IN_PLACE:
            self.close()
            if file_identity(self._path) is None:
                return None
            connection = open_reader(self._path)
            with closed_on_error(connection):
                self.schema_version = version_of(connection, self._path)
                if self.schema_version == 0:
                    connection.close()  # its writer is about to create the schema
                    return None
                connection.guard()
            self._connection = connection
            self.generation += 1
        elif self.schema_version < sql.REPORTS_VERSION:
            self.schema_version = version_of(connection, self._path)  # a collector may have upgraded the file
        return connection


def columns_of(rows: Iterable[Sequence[float]], *, width: int, last_row_id: int) -> EventColumns:
    """Return rows of ``(ts_ms, price, signed notional[, id])`` as columns sorted by time."""
    import numpy as np  # noqa: PLC0415 - see the module's docstring

    from Heatmap.event_columns import EventColumns  # noqa: PLC0415 - it imports NumPy

    table = np.fromiter(chain.from_iterable(rows), np.float64).reshape(-1, width)
    if width > 3 and len(table):  # noqa: PLR2004 - the fourth column is the row id
        last_row_id = int(table[-1, 3])
    if np.any(table[1:, 0] < table[:-1, 0]):
        table = table[np.argsort(table[:, 0], kind="stable")]
    amounts = np.abs(table[:, 1:3])
    if not ((table[:, 1] > 0.0).all() and ((amounts > 0.0) & (amounts < np.inf)).all()):
        raise ValueError("expected prices and notionals above 0")
    ts_ms, price, signed = table[:, 0].astype(np.int64), np.ascontiguousarray(table[:, 1]), table[:, 2]
    return EventColumns(ts_ms, price, np.abs(signed), signed > 0.0, last_row_id)
