"""The file side of a copy of a server's record: rows, and the marks of how far it goes, in one transaction a step.

Only the program that has the file's lock ``copy`` (see `Heatmap.storage.sqlite.recorder_lock`) stores rows; any program
may want a series. ``imports`` stays empty: nobody who reads a copy asks for a file's name.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from Heatmap.events import ALL_SYMBOLS
from Heatmap.storage import sql
from Heatmap.storage.closing import Closing
from Heatmap.storage.sqlite.connection import closed_on_error, storage_errors, write_transaction
from Heatmap.storage.sqlite.file_guard import FileState, beside, os_errors, side_files
from Heatmap.storage.sqlite.migrations import open_database, statements_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from Heatmap.reports import ClockReading
    from Heatmap.storage.commit import TickSize

Series = tuple[str, str]
"""Source and symbol, or `ALL_SYMBOLS`."""
LOCK_NAME: Final = "copy"
COPIED_COLUMNS: Final = f"id, {sql.EVENT_COLUMNS}, import_id"
_TABLES: Final = Path(__file__).with_name("copy_tables.sql")
# REPLACE: an event may have been deleted on the server, and have come back under another id.
_PUT_EVENT: Final = f"INSERT OR REPLACE INTO liq_events ({COPIED_COLUMNS}) VALUES ({', '.join('?' * 14)})"  # noqa: S608 - ours
_PUT_COVERAGE: Final = "INSERT OR REPLACE INTO coverage (id, source, symbol, start_ms, end_ms) VALUES (?, ?, ?, ?, ?)"
_WANT: Final = """
    INSERT INTO copied (source, symbol, wanted_ms) VALUES (?, ?, ?)
    ON CONFLICT (source, symbol) DO UPDATE SET wanted_ms = excluded.wanted_ms
"""
_OF_SERIES: Final = f"source = ?1 AND (symbol = ?2 OR ?2 = '{ALL_SYMBOLS}')"


class CoverageRow(NamedTuple):
    """A row of ``coverage`` on the server."""

    row_id: int
    source: str  # a claimed one as well, see `sql.claimed_source`
    symbol: str
    start_ms: int
    end_ms: int


@dataclass(slots=True, kw_only=True)
class CopyStep:
    """What one transaction stores; None: as before."""

    rows: Sequence[tuple[Any, ...]] = ()  # values of `COPIED_COLUMNS`
    last_id: int | None = None
    from_ms: Mapping[Series, int | None] = field(default_factory=dict)
    coverage: Sequence[CoverageRow] | None = None  # all of the copied series, not cut
    ticks: Sequence[TickSize] = ()
    collectors: Sequence[tuple[Any, ...]] = ()  # values of `sql.PUT_COLLECTOR`
    clocks: Sequence[ClockReading] = ()
    deleted: Sequence[int] = ()  # row ids
    as_of_ms: int | None = None


class CopyFile(Closing):
    """An open copy, made when missing; for one thread. All methods raise `Heatmap.errors.StorageError`.

    Attributes
    ----------
    record_id
        Of the copied record, "" before the first one.
    last_id, as_of_ms, problem
        The marks, see ``copy_tables.sql``.
    series
        Beginning of what is there of each series, in ms since the epoch; None: nothing yet.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.record_id = self.problem = ""
        self.last_id = 0
        self.as_of_ms: int | None = None
        self.series: dict[Series, int | None] = {}
        self._coverage: Sequence[CoverageRow] = ()  # as on the server
        self._version = -1
        self._connection = connection = open_database(path)
        with closed_on_error(connection), storage_errors(path):
            with write_transaction(connection):
                for statement in statements_of(_TABLES.read_text(encoding="utf-8")):
                    connection.execute(statement)
            self._load()

    def close(self) -> None:
        """Close the file; harmless if called twice."""
        self._connection.close()

    def refresh(self) -> bool:
        """Read the marks again if another program has changed the file; return whether one has."""
        with storage_errors(self.path):
            if self._connection.file_state() is not FileState.IN_PLACE:
                self._connection.check_in_place()
            (version,) = self._connection.execute("PRAGMA data_version").fetchone()
            if version == self._version:
                return False
            self._load()
        return True

    def want(self, series: Iterable[Series], now_ms: int) -> None:
        """Add series to those that are copied."""
        with self._changing():
            self._connection.executemany(_WANT, [(*each, now_ms) for each in series])

    def forget_unwanted(self, before_ms: int) -> None:
        """Delete the series that nobody has wanted since a time in ms since the epoch."""
        old = self._connection.execute("SELECT source, symbol FROM copied WHERE wanted_ms < ?", (before_ms,)).fetchall()
        if not old:
            return
        with self._changing():
            for each in old:
                self._connection.execute("DELETE FROM copied WHERE source = ? AND symbol = ?", each)
            kept = self._connection.execute("SELECT source, symbol FROM copied").fetchall()
            for source, symbol in old:
                if not any(other == source and name in (ALL_SYMBOLS, symbol) for other, name in kept):
                    self._delete_series(source, symbol, kept=[name for other, name in kept if other == source])

    def begin(self, record_id: str, last_id: int) -> None:
        """Delete all rows and begin the copy of another record, which goes up to ``last_id`` at this moment."""
        with self._changing():
            for table in ("liq_events", "coverage", "tick_sizes", "collector", "clock_offsets"):
                self._connection.execute(f"DELETE FROM {table}")  # noqa: S608 - names of this function
            self._connection.execute("DELETE FROM sqlite_sequence")
            self._connection.execute("UPDATE copied SET from_ms = NULL")
            self._connection.execute(
                "INSERT INTO copy VALUES (1, ?, ?, NULL, '', 0) ON CONFLICT (one) DO UPDATE SET"
                " record_id = excluded.record_id, last_id = excluded.last_id, revision = revision + 1",
                (record_id, last_id),
            )

    def restart(self, last_id: int) -> None:
        """Begin all series again: what came up to an id is copied like older rows. Known rows stay."""
        with self._changing():
            self._connection.execute("UPDATE copied SET from_ms = NULL")
            self._connection.execute("DELETE FROM coverage")
            self._connection.execute("UPDATE copy SET last_id = ?", (last_id,))

    def store(self, step: CopyStep) -> None:
        """Store a step as a whole."""
        run, many = self._connection.execute, self._connection.executemany
        with self._changing():
            many(_PUT_EVENT, step.rows)
            many("DELETE FROM liq_events WHERE id = ?", [(row_id,) for row_id in step.deleted])
            if step.last_id is not None:
                run("UPDATE copy SET last_id = ?", (step.last_id,))
            if step.as_of_ms is not None:
                run("UPDATE copy SET as_of_ms = ?, problem = ''", (step.as_of_ms,))
            for series, from_ms in step.from_ms.items():
                run("UPDATE copied SET from_ms = ? WHERE source = ? AND symbol = ?", (from_ms, *series))
            if step.coverage is not None:
                self._coverage = step.coverage
            if step.coverage is not None or step.from_ms:
                self._store_coverage({**self.series, **step.from_ms})
            many(sql.PUT_TICK_SIZE, step.ticks)
            if step.collectors:
                run("DELETE FROM collector")
                many(sql.PUT_COLLECTOR, step.collectors)
            for clock in step.clocks:
                run("DELETE FROM clock_offsets WHERE source = ?", (clock.source,))
                run(sql.INSERT_CLOCK_OFFSET, (clock.source, clock.measured_ms, clock.offset_ms, clock.uncertainty_ms))

    def set_problem(self, sentence: str) -> None:
        """Store why the server cannot be read, for the other programs that show this copy."""
        if sentence != self.problem:
            with self._changing():
                self._connection.execute("UPDATE copy SET problem = ?", (sentence,))

    def newest_row(self) -> tuple[Any, ...] | None:
        """Return the values of `COPIED_COLUMNS` of the row with the highest id, None if there is none."""
        query = f"SELECT {COPIED_COLUMNS} FROM liq_events ORDER BY id DESC LIMIT 1"  # noqa: S608 - names of this module
        return self._one(query, ())

    def counts(self, series: Series, bin_ms: int) -> dict[int, int]:
        """Return the number of rows of a series, by ``ts_ms // bin_ms``."""
        query = f"SELECT ts_ms / ?3, count(*) FROM liq_events WHERE {_OF_SERIES} GROUP BY 1"  # noqa: S608 - ours
        with storage_errors(self.path):
            return dict(self._connection.execute(query, (*series, bin_ms)).fetchall())

    def row_ids(self, series: Series, start_ms: int, end_ms: int) -> set[int]:
        """Return the ids of the rows of a series with ``start_ms <= ts_ms < end_ms``."""
        query = f"SELECT id FROM liq_events WHERE {_OF_SERIES} AND ts_ms >= ?3 AND ts_ms < ?4"  # noqa: S608 - ours
        with storage_errors(self.path):
            return {row_id for (row_id,) in self._connection.execute(query, (*series, start_ms, end_ms))}

    @contextlib.contextmanager
    def _changing(self) -> Iterator[None]:
        with storage_errors(self.path):
            with write_transaction(self._connection):
                yield
            self._load()

    def _load(self) -> None:
        connection = self._connection
        (self._version,) = connection.execute("PRAGMA data_version").fetchone()
        marks = connection.execute("SELECT record_id, last_id, as_of_ms, problem FROM copy").fetchone()
        self.record_id, self.last_id, self.as_of_ms, self.problem = marks or ("", 0, None, "")
        self.series = {
            (source, symbol): from_ms
            for source, symbol, from_ms in connection.execute("SELECT source, symbol, from_ms FROM copied")
        }

    def _store_coverage(self, from_ms: Mapping[Series, int | None]) -> None:
        """Make ``coverage`` that of the server, cut where rows are missing: time without rows would look calm."""
        wanted = cut_coverage(self._coverage, from_ms)
        stored = {
            row[0]: CoverageRow(*row)
            for row in self._connection.execute("SELECT id, source, symbol, start_ms, end_ms FROM coverage")
        }
        gone = [(row_id,) for row_id in stored.keys() - wanted.keys()]
        self._connection.executemany("DELETE FROM coverage WHERE id = ?", gone)
        self._connection.executemany(_PUT_COVERAGE, [row for key, row in wanted.items() if stored.get(key) != row])

    def _delete_series(self, source: str, symbol: str, *, kept: Sequence[str]) -> None:
        others = f"AND symbol NOT IN ({sql.places(kept)})" if symbol == ALL_SYMBOLS else "AND symbol = ?"
        values = kept if symbol == ALL_SYMBOLS else (symbol,)
        for table, name in (("liq_events", source), ("coverage", source), ("coverage", sql.claimed_source(source))):
            self._connection.execute(f"DELETE FROM {table} WHERE source = ? {others}", (name, *values))  # noqa: S608 - ours

    def _one(self, query: str, values: Sequence[Any]) -> tuple[Any, ...] | None:
        with storage_errors(self.path):
            row: tuple[Any, ...] | None = self._connection.execute(query, values).fetchone()
        return row


def cut_coverage(rows: Iterable[CoverageRow], from_ms: Mapping[Series, int | None]) -> dict[int, CoverageRow]:
    """Return the part of each interval from which on all rows of its series are there, by row id."""
    found = {}
    for row in rows:
        source = row.source.removesuffix(sql.CLAIMED_SUFFIX)
        begins = [from_ms.get((source, name)) for name in (row.symbol, ALL_SYMBOLS)]
        begin_ms = min((begin for begin in begins if begin is not None), default=None)
        if begin_ms is not None and row.end_ms >= begin_ms:
            found[row.row_id] = row._replace(start_ms=max(row.start_ms, begin_ms))
    return found


def remove_copy(path: Path) -> None:
    """Delete a copy that cannot be used; what the server has is copied again. Raises `StorageError`."""
    with os_errors(f"cannot delete {path}", f"The damaged copy {path} cannot be deleted"):
        for each in (*side_files(path), beside(path, "")):
            each.unlink(missing_ok=True)
