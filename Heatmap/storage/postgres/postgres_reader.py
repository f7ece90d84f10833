"""Reader of one state of a record on a server."""

from __future__ import annotations

from dataclasses import replace
from itertools import count
from typing import TYPE_CHECKING, Any, Final

from psycopg import RawServerCursor

from Heatmap.source_choice import each_source
from Heatmap.storage.postgres.connection import server_errors
from Heatmap.storage.postgres.dialect import translated
from Heatmap.storage.postgres.migrations import open_record, version_of
from Heatmap.storage.record_reader import FIELD_SQL, RECORD_FIELDS, RecordReader, Selection

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from Heatmap.event_columns import EventColumns, RecordedEvents
    from Heatmap.source_choice import Sources
    from Heatmap.storage.postgres.address import ServerAddress

_FETCH_ROWS: Final = 5000
# Of the binary form of an array: its number of dimensions, flags, type, length and lower bound.
_HEADER_BYTES: Final = 20
# Rows in one query: what the server gathers in its memory for it, some ten megabytes.
_CHUNK_ROWS: Final = 262_144
_WINDOW: Final = ("ts_ms", "price", "notional", "is_long")
_KINDS: Final = {"ts_ms": "i8", "received_ms": "i8", "is_long": "?"}  # the others are float64


class PostgresReader(RecordReader):
    """Reads one state of the record, whatever is written meanwhile; raises `Heatmap.errors.StorageError`."""

    def __init__(self, address: ServerAddress) -> None:
        self.name = address.name
        self._address = address
        self._numbers = count()
        self._connection = open_record(address, creates=False)
        with server_errors(address):
            self._connection.raw.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            # The state is that of the first read, not that of BEGIN.
            self.schema_version = version_of(self._connection)

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
        import numpy as np  # noqa: PLC0415 - a status needs none

        from Heatmap.event_columns import EventColumns  # noqa: PLC0415 - it imports NumPy

        # One query a source, as the index is in order of time within one.
        each = [self._columns(Selection(symbol, name, start_ms, end_ms), _WINDOW) for name in each_source(source)]
        ts_ms, price, notional, is_long = (np.concatenate([found[name] for found in each]) for name in _WINDOW)
        if len(each) > 1:
            order = np.argsort(ts_ms, kind="stable")
            ts_ms, price, notional, is_long = ts_ms[order], price[order], notional[order], is_long[order]
        return EventColumns(ts_ms, price, notional, is_long)

    def table(self, selection: Selection, fields: Sequence[str] = RECORD_FIELDS) -> RecordedEvents:
        """Return fields of the selected events as a structured array, in order of time, ties in order of arrival."""
        import numpy as np  # noqa: PLC0415 - a status needs none

        from Heatmap.event_columns import RecordedEvents, recorded_dtype  # noqa: PLC0415 - it imports NumPy

        columns = self._columns(selection, tuple(dict.fromkeys(("ts_ms", *fields))))
        found = np.empty(len(columns["ts_ms"]), recorded_dtype(fields))
        for name in fields:
            found[name] = columns[name]
        return found.view(RecordedEvents)

    def close(self) -> None:
        """Close the connection; harmless if called twice."""
        self._connection.close()

    def _rows_of(self, statement: str, values: Sequence[str | int]) -> list[tuple[Any, ...]]:
        with server_errors(self._address):
            return self._connection.execute(statement, values).fetchall()

    def _columns(self, selection: Selection, names: Sequence[str]) -> dict[str, NDArray[Any]]:
        """Return columns of the selected events by name, each of shape (N,); the first name is ``ts_ms``.

        Each comes as one array of the server in its binary form. Row by row, as COPY delivers, psycopg would need four
        times as long, and Python's lock all that time.
        """
        import numpy as np  # noqa: PLC0415 - a status needs none

        parts: list[list[NDArray[Any]]] = []
        start_ms, limit = selection.start_ms, _CHUNK_ROWS
        while True:
            where, values = replace(selection, start_ms=start_ms).where()
            inner = ", ".join(f"{FIELD_SQL.get(name, name)} AS {name}" for name in names)
            outer = ", ".join(f"array_send(array_agg({name}))" for name in names)
            query = f"""
                SELECT {outer}
                FROM (SELECT {inner} FROM liq_events WHERE {where} ORDER BY ts_ms, id LIMIT {limit}) AS chunk
            """  # noqa: S608 - names of this package
            with server_errors(self._address):
                # Not prepared: the plan is to be made for these values.
                cursor = self._connection.raw.execute(translated(query).encode(), values, prepare=False, binary=True)
                arrays = [_column(name, found) for name, found in zip(names, cursor.fetchone() or (), strict=True)]
            times_ms = arrays[0]
            if len(times_ms) < limit:
                parts.append(arrays)
                return {name: np.concatenate(each) for name, each in zip(names, zip(*parts, strict=True), strict=True)}
            # There may be more events of the last millisecond: the next chunk begins with all of them.
            start_ms = int(times_ms[-1])
            size = int(np.searchsorted(times_ms, start_ms))
            if size:
                parts.append([array[:size] for array in arrays])
            else:
                limit *= 2


def _column(name: str, found: bytes | None) -> NDArray[Any]:
    """Return the elements of an array in the server's binary form: a header, then length and value of each."""
    import numpy as np  # noqa: PLC0415 - a status needs none

    kind = np.dtype(_KINDS.get(name, "f8"))
    element = np.dtype([("bytes", ">i4"), ("value", kind.newbyteorder(">"))])
    if found is None:
        return np.empty(0, kind)
    return np.frombuffer(found, element, offset=_HEADER_BYTES)["value"].astype(kind)
