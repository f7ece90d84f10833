"""What a copy reads from a server: new rows by id, older ones by time, and the small tables as a whole."""

from __future__ import annotations

import contextlib
import selectors
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, cast

import psycopg

from Heatmap.events import ALL_SYMBOLS
from Heatmap.reports import ClockReading
from Heatmap.storage import sql
from Heatmap.storage.commit import TickSize
from Heatmap.storage.postgres.connection import CHANNEL, server_errors
from Heatmap.storage.sqlite.copy_file import COPIED_COLUMNS, CoverageRow

if TYPE_CHECKING:
    import socket
    from collections.abc import Collection, Sequence

    from Heatmap.storage.postgres.connection import ServerConnection
    from Heatmap.storage.sqlite.copy_file import Series

_COLUMNS: Final = ", ".join(f"e.{name.strip()}" for name in COPIED_COLUMNS.split(","))
# Each series from the index (source, symbol, id), however many rows of others there are.
_NEWER: Final = f"""
    SELECT {_COLUMNS} FROM unnest($1::text[], $2::text[]) AS w (source, symbol) CROSS JOIN LATERAL (
        SELECT * FROM liq_events AS e
        WHERE e.source = w.source COLLATE "C" AND e.symbol = w.symbol COLLATE "C" AND e.id > $4
        ORDER BY e.id LIMIT $5) AS e
    UNION ALL SELECT {_COLUMNS} FROM unnest($3::text[]) AS w (source) CROSS JOIN LATERAL (
        SELECT * FROM liq_events AS e WHERE e.source = w.source COLLATE "C" AND e.id > $4
        ORDER BY e.id LIMIT $5) AS e
    ORDER BY id LIMIT $5
"""  # noqa: S608 - names of this package
_OLDER: Final = f"""
    SELECT {COPIED_COLUMNS} FROM liq_events WHERE {{}} AND ts_ms < $3 AND id <= $4
    ORDER BY ts_ms DESC FETCH FIRST ($5) ROWS WITH TIES
"""  # noqa: S608 - names of this package
_COVERAGE: Final = """
    SELECT id, source, symbol, start_ms, end_ms FROM coverage
    WHERE source = ANY($1::text[]) AND ($3 OR symbol = ANY($2::text[]))
"""
_TICKS: Final = """
    SELECT source, symbol, tick_size, updated_ms FROM tick_sizes
    WHERE source = ANY($1::text[]) AND ($3 OR symbol = ANY($2::text[]))
"""
_CLOCKS: Final = """
    SELECT DISTINCT ON (source) source, measured_ms, offset_ms, uncertainty_ms FROM clock_offsets
    WHERE source = ANY($1::text[]) ORDER BY source, id DESC
"""
_COUNTS: Final = "SELECT ts_ms / $4, count(*) FROM liq_events WHERE {} AND id <= $3 GROUP BY 1"
_ROW_IDS: Final = "SELECT id FROM liq_events WHERE {} AND ts_ms >= $3 AND ts_ms < $4 AND id <= $5"
_ROW: Final = f"SELECT {COPIED_COLUMNS} FROM liq_events WHERE id = $1"  # noqa: S608 - names of this package


@dataclass(frozen=True, slots=True)
class SmallTables:
    """What is read as a whole, of one moment before the rows that are read next."""

    record_id: str
    coverage: list[CoverageRow]
    ticks: list[TickSize]
    clocks: list[ClockReading]
    collectors: list[tuple[Any, ...]]  # values of `sql.PUT_COLLECTOR`


class CopyRows:
    """Reads the record of a connection for a copy; only for the thread that opened it. Raises `StorageError`."""

    def __init__(self, connection: ServerConnection) -> None:
        self._connection = connection
        # A pooler may refuse to listen, and so does a standby server: then it is polled.
        with contextlib.suppress(psycopg.Error):
            connection.raw.execute(f"LISTEN {CHANNEL}")

    def record_id(self) -> str:
        return str(self._rows("SELECT id FROM record", ())[0][0])

    def newest_id(self) -> int:
        """Return the highest row id, 0 if there is none."""
        return int(self._rows("SELECT coalesce(max(id), 0) FROM liq_events", ())[0][0])

    def row(self, row_id: int) -> tuple[Any, ...] | None:
        rows = self._rows(_ROW, (row_id,))
        return rows[0] if rows else None

    def newer(self, series: Collection[Series], after_id: int, most: int) -> list[tuple[Any, ...]]:
        """Return rows of some series with a higher id, in the order of ids, at most so many."""
        return self._rows(_NEWER, _newer_values(series, after_id, most))

    def older(self, series: Series, before_ms: int, last_id: int, most: int) -> list[tuple[Any, ...]]:
        """Return rows of a series up to an id, newest first, ``ts_ms < before_ms``.

        If there are ``most`` or more, they have all rows of the time of the last one.
        """
        return self._rows(_OLDER.format(_of(series)), (*series, before_ms, last_id, most))

    def count_newer(self, series: Collection[Series], after_id: int, most: int) -> int:
        """Return the number of rows of some series with a higher id, at most ``most``."""
        counting = f"SELECT count(*) FROM ({_NEWER}) AS n"  # noqa: S608 - names of this package
        return int(self._rows(counting, _newer_values(series, after_id, most))[0][0])

    def counts(self, series: Series, last_id: int, bin_ms: int) -> dict[int, int]:
        """Return the number of rows of a series up to an id, by ``ts_ms // bin_ms``."""
        found: list[Any] = self._rows(_COUNTS.format(_of(series)), (*series, last_id, bin_ms))
        return dict(found)

    def row_ids(self, series: Series, start_ms: int, end_ms: int, last_id: int) -> set[int]:
        """Return the ids up to one of the rows of a series with ``start_ms <= ts_ms < end_ms``."""
        values = (*series, start_ms, end_ms, last_id)
        return {row_id for (row_id,) in self._rows(_ROW_IDS.format(_of(series)), values)}

    def small_tables(self, series: Collection[Series]) -> SmallTables:
        """Return what concerns some series."""
        sources = sorted({source for source, _ in series})
        symbols = sorted({symbol for _, symbol in series})
        has_all = ALL_SYMBOLS in symbols
        claimed = [*sources, *map(sql.claimed_source, sources)]
        return SmallTables(
            record_id=self.record_id(),
            coverage=[CoverageRow(*row) for row in self._rows(_COVERAGE, (claimed, symbols, has_all))],
            ticks=[TickSize(*row) for row in self._rows(_TICKS, (sources, symbols, has_all))],
            clocks=[ClockReading(*row) for row in self._rows(_CLOCKS, (sources,))],
            collectors=self._rows(sql.COLLECTORS, ()),
        )

    def wait(self, timeout_s: float, wake: socket.socket) -> bool:
        """Wait until something was committed, ``wake`` can be read, or for ``timeout_s``; return if it was the first.

        Raises `StorageError` if the connection has ended.
        """
        raw = self._connection.raw
        with selectors.DefaultSelector() as selector, server_errors(self._connection.address):
            # What came during a query is not in the socket any more.
            if list(raw.notifies(timeout=0)):
                return True
            selector.register(raw.fileno(), selectors.EVENT_READ)
            selector.register(wake, selectors.EVENT_READ)
            selector.select(timeout_s)
            return bool(list(raw.notifies(timeout=0)))

    def _rows(self, statement: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
        with server_errors(self._connection.address):
            cursor = self._connection.raw.cursor(binary=True)
            return cast("list[tuple[Any, ...]]", cursor.execute(statement.encode(), values).fetchall())


def _newer_values(series: Collection[Series], after_id: int, most: int) -> tuple[Any, ...]:
    single = [each for each in series if each[1] != ALL_SYMBOLS]
    whole = [source for source, symbol in series if symbol == ALL_SYMBOLS]
    return [source for source, _ in single], [symbol for _, symbol in single], whole, after_id, most


def _of(series: Series) -> str:
    """Return the filter of a series; both of its parameters are used."""
    return "source = $1 AND $2 <> ''" if series[1] == ALL_SYMBOLS else "source = $1 AND symbol = $2"
