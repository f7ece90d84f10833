"""Reader of one state of a record on a server."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Any, Final

from psycopg import RawServerCursor
from psycopg.sql import SQL, Identifier, Literal

from Heatmap.source_choice import each_source
from Heatmap.storage import sql
from Heatmap.storage.postgres.connection import server_errors
from Heatmap.storage.postgres.dialect import translated
from Heatmap.storage.postgres.migrations import open_record, version_of
from Heatmap.storage.record_reader import FIELD_SQL, RECORD_FIELDS, RecordReader

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray
    from psycopg.sql import Composable

    from Heatmap.event_columns import EventColumns, RecordedEvents
    from Heatmap.source_choice import Sources
    from Heatmap.storage.postgres.address import ServerAddress
    from Heatmap.storage.record_reader import Selection

_FETCH_ROWS: Final = 5000
# COPY's binary form: a header, then each row as a count of fields and each field as its length and its bytes.
_HEADER_BYTES: Final = 19
_TRAILER_BYTES: Final = 2


class PostgresReader(RecordReader):
    """Reads one state of the record, whatever is written meanwhile; raises `Heatmap.errors.StorageError`."""

    def __init__(self, address: ServerAddress) -> None:
        self.name = address.name
        self._address = address
        self._numbers = count()
        self._connection = open_record(address, creates=False)
        with server_errors(address):
            self.schema_version = version_of(self._connection)
            self._connection.raw.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")

    def query(self, statement: str, values: Sequence[str | int] = ()) -> Iterator[tuple[Any, ...]]:
        """Yield the rows of a statement, fetched in parts."""
        with (
            server_errors(self._address),
            RawServerCursor(self._connection.raw, f"heatmap_{next(self._numbers)}") as cursor,
        ):
            cursor.itersize = _FETCH_ROWS
            cursor.execute(translated(statement).encode(), values)
            yield from cursor

    def window(self, symbol: str, source: Sources, start_ms: int, end_ms: int) -> EventColumns:
        """Return a symbol's events of one source or several with ``start_ms <= ts_ms < end_ms``, sorted by time."""
        from Heatmap.event_columns import EventColumns  # noqa: PLC0415 - it imports NumPy

        query = SQL(
            "SELECT ts_ms, price, notional, {is_long} FROM liq_events"
            " WHERE source = ANY({sources}) AND symbol = {symbol} AND ts_ms >= {start} AND ts_ms < {end}"
            " ORDER BY ts_ms, id"
        ).format(
            is_long=SQL(sql.IS_LONG),
            sources=Literal(list(each_source(source))),
            symbol=Literal(symbol),
            start=Literal(start_ms),
            end=Literal(end_ms),
        )
        rows = self._copied(query, {"ts_ms": ">i8", "price": ">f8", "notional": ">f8", "is_long": "?"})
        ts_ms, price, notional = (rows[name].astype(kind) for name, kind in _NATIVE)
        return EventColumns(ts_ms, price, notional, rows["is_long"].copy(), 0)

    def table(self, selection: Selection, fields: Sequence[str] = RECORD_FIELDS) -> RecordedEvents:
        """Return fields of the selected events as a structured array, in order of time, ties in order of arrival."""
        from Heatmap.event_columns import RecordedEvents, recorded_dtype  # noqa: PLC0415 - it imports NumPy

        wanted = recorded_dtype(fields)
        given = selection.given()
        where = SQL(" AND ").join(
            [SQL("{} {} {}").format(Identifier(name), SQL(sign), Literal(value)) for name, sign, value in given]
        )
        query = SQL("SELECT {} FROM liq_events WHERE {} ORDER BY ts_ms, id").format(
            SQL(", ").join([SQL(FIELD_SQL.get(name, name)) for name in fields]), where if given else SQL("TRUE")
        )
        rows = self._copied(query, {name: wanted[name].newbyteorder(">").str for name in fields})
        found = rows[list(fields)].astype(wanted)
        return found.view(RecordedEvents)

    def close(self) -> None:
        """Close the connection; harmless if called twice."""
        self._connection.close()

    def _rows_of(self, statement: str, values: Sequence[str | int]) -> list[tuple[Any, ...]]:
        with server_errors(self._address):
            return self._connection.execute(statement, values).fetchall()

    def _copied(self, query: Composable, fields: Mapping[str, str]) -> NDArray[Any]:
        """Return the rows of a query without NULLs as a structured array, shape (N,), big-endian.

        Where no field is NULL and none is text, each row of COPY's binary form has the same length.
        """
        import numpy as np  # noqa: PLC0415 - a status needs none

        layout = [("fields", ">i2")]
        for name, kind in fields.items():
            layout += [(f"{name}_bytes", ">i4"), (name, kind)]
        with server_errors(self._address), self._connection.raw.cursor() as cursor:
            command = SQL("COPY ({}) TO STDOUT (FORMAT binary)").format(query)
            with cursor.copy(command) as copy:
                found = bytearray().join(copy)
        return np.frombuffer(
            found, np.dtype(layout), offset=_HEADER_BYTES, count=_rows_in(found, np.dtype(layout).itemsize)
        )


def _rows_in(found: bytearray, row_bytes: int) -> int:
    return (len(found) - _HEADER_BYTES - _TRAILER_BYTES) // row_bytes


_NATIVE: Final = (("ts_ms", "i8"), ("price", "f8"), ("notional", "f8"))
