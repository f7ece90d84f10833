"""The reader: window queries straight into columns, and the live tail by row id. Read-only, one per thread.

Loading this module loads no NumPy: the collector's commands read summaries only.
"""

from __future__ import annotations

import sqlite3
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

from Heatmap.errors import StorageError
from Heatmap.events import Coverage
from Heatmap.reports import ClockReading, CollectorReport, ConnectionState, ServiceStatus
from Heatmap.storage import sql as statement
from Heatmap.storage.connection import RecordConnection, open_reader, storage_error
from Heatmap.storage.coverage_log import merged
from Heatmap.storage.file_guard import FileState, file_identity
from Heatmap.storage.lease import COLLECTOR_DEAD_MS
from Heatmap.storage.migrations import version_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from types import TracebackType

    from Heatmap.event_columns import EventColumns

# The side rides on the sign of the notional, so that a row makes three Python objects and not four, and all three are
# floats, which Python makes quicker than large integers: 1e5 rows in 54 ms instead of 110 ms by fetchall. All three fit
# a float64 without loss (milliseconds stay below 2**53).
_WINDOW: Final = """
    SELECT ts_ms * 1.0, price, iif(side = 'SELL', notional, -notional) FROM liq_events INDEXED BY
    idx_liq_events_window WHERE source = ? AND symbol = ? AND ts_ms >= ? AND ts_ms < ? ORDER BY ts_ms, id
"""
# NOT INDEXED leaves the row id: the tail is short, however long the table.
_TAIL: Final = """
    SELECT ts_ms, price, iif(side = 'SELL', notional, -notional), id FROM liq_events NOT INDEXED
    WHERE id > ? AND source = ? AND symbol = ? ORDER BY id
"""
_COVERAGE: Final = """
    SELECT source, symbol, start_ms, end_ms FROM coverage
    WHERE source = ? AND symbol = ? AND end_ms >= ? AND start_ms < ? ORDER BY start_ms, end_ms
"""
# Hops from one source to the next within the index: as many steps as there are sources, not rows.
_SOURCES: Final = """
    WITH RECURSIVE known (source) AS (
        SELECT min(source) FROM liq_events
        UNION ALL
        SELECT (SELECT min(source) FROM liq_events WHERE source > known.source)
        FROM known WHERE known.source IS NOT NULL
    )
    SELECT source FROM known
    WHERE source IS NOT NULL
      AND EXISTS (SELECT 1 FROM liq_events e WHERE e.source = known.source AND e.symbol = ?)
"""
_SERIES: Final = """
    SELECT s.source, s.symbol, sum(s.rows), min(s.first_ms), max(s.last_ms), max(s.covered_ms), t.tick_size
    FROM (
        SELECT source, symbol, count(*) AS rows, min(ts_ms) AS first_ms, max(ts_ms) AS last_ms, NULL AS
        covered_ms FROM liq_events GROUP BY source, symbol
        UNION ALL
        SELECT source, symbol, 0, NULL, NULL, max(end_ms) FROM coverage GROUP BY source, symbol
    ) AS s
    LEFT JOIN tick_sizes AS t ON t.source = s.source AND t.symbol = s.symbol
    GROUP BY s.source, s.symbol ORDER BY s.source, s.symbol
"""
_COLLECTORS: Final = """
    SELECT source, symbols, run_id, host, pid, started_ms, heartbeat_ms, state, reason, detail, since_ms,
           retry_at_ms, received, stored, duplicates, undecodable, reconnects, latency_ms, clock_offset_ms
    FROM collector ORDER BY source
"""
_QUARANTINED: Final = "SELECT kind, count(*) FROM quarantine GROUP BY kind ORDER BY kind"
# The version that brought both tables.
_COLLECTOR_VERSION: Final = 2


@dataclass(frozen=True, slots=True)
class SeriesSummary:
    """What is stored of one symbol from one source.

    Attributes
    ----------
    source, symbol
        The series.
    rows
        Number of liquidations.
    first_ms, last_ms
        Trade time of the oldest and newest, ms since the epoch, or None without rows.
    covered_until_ms
        Until when a delivering connection is known, or None if there never was one.
    tick_size
        Last known tick size in quote currency, or None.
    """

    source: str
    symbol: str
    rows: int
    first_ms: int | None
    last_ms: int | None
    covered_until_ms: int | None
    tick_size: float | None


@dataclass(frozen=True, slots=True)
class CollectorEntry:
    """What a collector last wrote about itself, and when.

    Attributes
    ----------
    report
        See `Heatmap.reports.CollectorReport`; figures that are not stored (rate, queue, last times) are at their
        defaults.
    heartbeat_ms
        When it was written, ms since the epoch.
    """

    report: CollectorReport
    heartbeat_ms: int

    def is_alive(self, now_ms: int) -> bool:
        """Return True if this collector is at work: not stopped, and heard of within 15 s."""
        return (
            self.report.status.state is not ConnectionState.STOPPED and now_ms - self.heartbeat_ms <= COLLECTOR_DEAD_MS
        )


@dataclass(frozen=True, slots=True)
class StoreSummary:
    """What a database holds.

    Attributes
    ----------
    path
        The file.
    exists
        False if there is no database yet; the rest is empty then.
    size_bytes
        Size of the file and of its write-ahead log.
    schema_version
        See `Heatmap.storage.migrations`.
    series
        One entry for each source and symbol.
    collectors
        One entry for each source that was ever collected.
    quarantined
        Number of kept frames that did not decode, by kind.
    """

    path: Path
    exists: bool
    size_bytes: int
    schema_version: int
    series: tuple[SeriesSummary, ...]
    collectors: tuple[CollectorEntry, ...] = ()
    quarantined: dict[str, int] = field(default_factory=dict)


class SqliteStore:
    """Reads a database; used only by the thread that made it.

    While the file does not exist, or its writer has not yet created the schema, everything reads as empty;
    the file is picked up as soon as it appears, and anew when another file takes its place.

    Parameters
    ----------
    db_path
        The database file.
    """

    def __init__(self, db_path: str | Path) -> None:
        self._path = Path(db_path)
        self._connection: RecordConnection | None = None
        self._generation = 0
        self._version = 0

    def __enter__(self) -> Self:
        """Return the store; leaving the block closes it."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the store."""
        self.close()

    def window(self, symbol: str, source: str, start_ms: int, end_ms: int) -> EventColumns:
        """Return the events of one series with ``start_ms <= ts_ms < end_ms``.

        Returns
        -------
        EventColumns
            ``last_row_id`` is the newest row id of the whole database at the moment of reading: with it
            `tail` returns what came later, even if this window is empty. Ask with an ``end_ms`` beyond now if
            the tail is to go on, for the exchange's clock may be ahead of this machine's.

        Raises
        ------
        StorageError
            The file exists but cannot be read.
        """
        from Heatmap.event_columns import EventColumns  # noqa: PLC0415 - NumPy only for those who read columns

        with self._reading() as connection:
            if connection is None:
                return EventColumns.empty()
            # One transaction, so that no row falls between the newest id and the rows.
            connection.execute("BEGIN")
            try:
                last_row_id = connection.execute("SELECT ifnull(max(id), 0) FROM liq_events").fetchone()[0]
                rows = connection.execute(_WINDOW, (source, symbol, start_ms, end_ms))
                columns, _ = _columns_of(rows, width=3, last_row_id=last_row_id)
            finally:
                connection.execute("COMMIT")
            return columns

    def tail(self, symbol: str, source: str, after_row_id: int) -> EventColumns:
        """Return the events of one series that were stored after a row id, sorted by time.

        Returns
        -------
        EventColumns
            ``last_row_id`` is that of the newest event returned, or ``after_row_id`` if there is none.

        Raises
        ------
        StorageError
            The file exists but cannot be read.
        """
        from Heatmap.event_columns import EventColumns  # noqa: PLC0415 - NumPy only for those who read columns

        with self._reading() as connection:
            if connection is None:
                return replace(EventColumns.empty(), last_row_id=after_row_id)
            rows = connection.execute(_TAIL, (after_row_id, source, symbol))
            columns, order_matters = _columns_of(rows, width=4, last_row_id=after_row_id)
        return _sorted(columns) if order_matters else columns

    @property
    def generation(self) -> int:
        """Counts the files that were opened: after a change row ids begin anew and all must be read again."""
        return self._generation

    def data_version(self) -> int:
        """Return a number that changes when another connection has committed; cheap enough to poll.

        Raises
        ------
        StorageError
            The file exists but cannot be read.
        """
        with self._reading() as connection:
            if connection is None:
                return 0
            version = int(connection.execute("PRAGMA data_version").fetchone()[0])
            # SQLite's number is only comparable within one connection.
            return self._generation << 32 | version

    def coverage(self, symbol: str, source: str, start_ms: int, end_ms: int) -> list[Coverage]:
        """Return the stretches of one series that reach into ``[start_ms, end_ms)``: ascending, joined, not
        cut.

        Raises
        ------
        StorageError
            The file exists but cannot be read.
        """
        with self._reading() as connection:
            if connection is None:
                return []
            rows = connection.execute(_COVERAGE, (source, symbol, start_ms, end_ms)).fetchall()
        return merged([Coverage(*row) for row in rows])

    def tick_size(self, symbol: str, source: str) -> float | None:
        """Return the last known tick size of a symbol in quote currency, or None.

        Raises
        ------
        StorageError
            The file exists but cannot be read.
        """
        with self._reading() as connection:
            if connection is None:
                return None
            row = connection.execute(
                "SELECT tick_size FROM tick_sizes WHERE source = ? AND symbol = ?", (source, symbol)
            ).fetchone()
        return None if row is None else float(row[0])

    def newest_ms(self, symbols: Iterable[str], source: str) -> int | None:
        """Return the trade time of the newest event of some symbols in ms since the epoch, or None.

        Raises
        ------
        StorageError
            The file exists but cannot be read.
        """
        with self._reading() as connection:
            if connection is None:
                return None
            rows = [connection.execute(statement.NEWEST_EVENT, (source, symbol)).fetchone() for symbol in symbols]
        return max((ts_ms for (ts_ms,) in rows if ts_ms is not None), default=None)

    def clock_reading(self, source: str) -> ClockReading | None:
        """Return the last recorded difference between the exchange's clock and this machine's, or None.

        Raises
        ------
        StorageError
            The file exists but cannot be read.
        """
        with self._reading() as connection:
            if connection is None or not self._has_collectors(connection):
                return None
            row = connection.execute(statement.NEWEST_CLOCK_OFFSET, (source,)).fetchone()
        return None if row is None else ClockReading(*row)

    def sources(self, symbol: str) -> tuple[str, ...]:
        """Return the sources that have events of a symbol, in alphabetical order.

        Raises
        ------
        StorageError
            The file exists but cannot be read.
        """
        with self._reading() as connection:
            if connection is None:
                return ()
            return tuple(row[0] for row in connection.execute(_SOURCES, (symbol,)))

    def summary(self) -> StoreSummary:
        """Return what the database holds; reads an index from end to end.

        Raises
        ------
        StorageError
            The file exists but cannot be read.
        """
        with self._reading() as connection:
            if connection is None:
                return StoreSummary(self._path, exists=False, size_bytes=0, schema_version=0, series=())
            series = tuple(SeriesSummary(*row) for row in connection.execute(_SERIES))
            collectors, quarantined = self._collectors(connection), self._quarantined(connection)
        wal = self._path.with_name(self._path.name + "-wal")
        size_bytes = sum(file.stat().st_size for file in (self._path, wal) if file.exists())
        return StoreSummary(
            self._path,
            exists=True,
            size_bytes=size_bytes,
            schema_version=self._version,
            series=series,
            collectors=collectors,
            quarantined=quarantined,
        )

    def collectors(self) -> tuple[CollectorEntry, ...]:
        """Return who records or recorded, by source.

        Raises
        ------
        StorageError
            The file exists but cannot be read.
        """
        with self._reading() as connection:
            return () if connection is None else self._collectors(connection)

    def close(self) -> None:
        """Close the connection; a later call opens it again."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection | None]:
        try:
            yield self._open()
        except sqlite3.Error as error:
            self.close()
            raise storage_error(error, self._path) from error

    def _collectors(self, connection: sqlite3.Connection) -> tuple[CollectorEntry, ...]:
        if not self._has_collectors(connection):
            return ()
        return tuple(_collector_entry(row) for row in connection.execute(_COLLECTORS))

    def _quarantined(self, connection: sqlite3.Connection) -> dict[str, int]:
        return dict(connection.execute(_QUARANTINED)) if self._has_collectors(connection) else {}

    def _has_collectors(self, connection: sqlite3.Connection) -> bool:
        """Return True if the file has the tables of version 2; an old one is read as long as nobody records into it."""
        if self._version < _COLLECTOR_VERSION:
            self._version = version_of(connection, self._path)
        return self._version >= _COLLECTOR_VERSION

    def _open(self) -> sqlite3.Connection | None:
        """Return the connection to the file as it is now, or None if there is nothing to read yet."""
        if self._connection is not None and self._connection.file_state() is FileState.IN_PLACE:
            return self._connection
        self.close()
        if file_identity(self._path) is None:
            return None
        connection = open_reader(self._path)
        try:
            self._version = version_of(connection, self._path)
            if self._version == 0:
                # Its writer is about to create it.
                connection.close()
                return None
            connection.guard()
        except StorageError:
            connection.close()
            raise
        self._connection = connection
        self._generation += 1
        return connection


def _collector_entry(row: tuple[Any, ...]) -> CollectorEntry:
    source, symbols, run_id, host, pid, started_ms, heartbeat_ms, state, *rest = row
    reason, detail, since_ms, retry_at_ms, received, stored, duplicates, undecodable, reconnects, *clocks = rest
    latency_ms, clock_offset_ms = clocks
    status = ServiceStatus(
        state=ConnectionState(state),
        reason=reason,
        detail=detail,
        received=received,
        stored=stored,
        duplicates=duplicates,
        undecodable=undecodable,
        reconnects=reconnects,
        since_ms=since_ms,
        retry_at_ms=retry_at_ms,
        latency_ms=latency_ms,
        clock_offset_ms=clock_offset_ms,
    )
    report = CollectorReport(source, tuple(symbols.split()), run_id, host, pid, started_ms, status)
    return CollectorEntry(report, heartbeat_ms)


def _columns_of(rows: sqlite3.Cursor, *, width: int, last_row_id: int) -> tuple[EventColumns, bool]:
    """Return rows of ``(ts_ms, price, signed notional[, id])`` as columns, and whether they need sorting."""
    import numpy as np  # noqa: PLC0415 - see the module's docstring

    from Heatmap.event_columns import EventColumns  # noqa: PLC0415 - see the module's docstring

    table = np.fromiter(chain.from_iterable(rows), np.float64).reshape(-1, width)
    if width > 3 and len(table):  # noqa: PLR2004 - the fourth column is the row id
        last_row_id = int(table[-1, 3])
    ts_ms = table[:, 0].astype(np.int64)
    columns = EventColumns(
        ts_ms,
        np.ascontiguousarray(table[:, 1]),
        np.abs(table[:, 2]),
        table[:, 2] > 0.0,
        last_row_id,
    )
    return columns, bool(np.any(ts_ms[1:] < ts_ms[:-1]))


def _sorted(columns: EventColumns) -> EventColumns:
    import numpy as np  # noqa: PLC0415 - see the module's docstring

    from Heatmap.event_columns import EventColumns  # noqa: PLC0415 - see the module's docstring

    order = np.argsort(columns.ts_ms, kind="stable")
    return EventColumns(
        columns.ts_ms[order],
        columns.price[order],
        columns.notional[order],
        columns.is_long[order],
        columns.last_row_id,
    )
