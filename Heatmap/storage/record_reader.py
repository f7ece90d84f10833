"""Reader for exports: events row by row with all columns, in any number, as they were at one moment."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from Heatmap.errors import QueryError
from Heatmap.events import shown_symbols
from Heatmap.storage import sql
from Heatmap.storage.damage import sound_values
from Heatmap.storage.series_queries import SeriesQueries

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from Heatmap.event_columns import RecordedEvents
    from Heatmap.events import LiquidationEvent

COLUMNS: Final = (
    "ts_ms", "symbol", "side", "price", "qty", "notional", "source", "order_price", "order_qty", "event_ms",
    "received_ms", "raw_json",
)  # fmt: skip
"""Columns of ``liq_events`` in an export, in this order; ``id`` and ``import_id`` mean nothing in another file."""
OPTIONAL_COLUMNS: Final = ("order_price", "order_qty", "event_ms", "received_ms", "raw_json")  # may be NULL
TEXT_COLUMNS: Final = ("symbol", "side", "source")
TIME_COLUMNS: Final = ("ts_ms", "event_ms", "received_ms")
NUMBER_COLUMNS: Final = ("price", "qty", "notional", "order_price", "order_qty")
NPZ_COLUMNS: Final = COLUMNS[:-1]
"""An NPZ file has no ``raw_json``; an unknown time is `NPZ_UNKNOWN_MS` there, an unknown number NaN."""
NPZ_UNKNOWN_MS: Final = -1
RECORD_FIELDS: Final = ("ts_ms", "received_ms", "price", "qty", "notional", "is_long")
"""Fields of `Heatmap.event_columns.RecordedEvents`; an unknown time is `NPZ_UNKNOWN_MS` there."""
FIELD_SQL: Final = {"received_ms": f"coalesce(received_ms, {NPZ_UNKNOWN_MS})", "is_long": sql.IS_LONG}

_SHOWN_SYMBOLS: Final = 20  # in an error

# Skip from one series to the next along an index: as many steps as there are series. A comparison of row values,
# ``(source, symbol) > (?, ?)``, would read all rows of the source.
_NEXT_SYMBOL: Final = "SELECT source, symbol FROM {} WHERE source = ? AND symbol > ? ORDER BY source, symbol LIMIT 1"
_NEXT_SOURCE: Final = "SELECT source, symbol FROM {} WHERE source > ? ORDER BY source, symbol LIMIT 1"


@dataclass(frozen=True, slots=True)
class Selection:
    """Filter of events: exact symbol and source, ``start_ms <= ts_ms < end_ms`` in ms since the epoch; None: all."""

    symbol: str | None = None
    source: str | None = None
    start_ms: int | None = None
    end_ms: int | None = None

    def given(self) -> list[tuple[str, str, str | int]]:
        """Return column, comparison and value of each filter that is given."""
        values = (self.symbol, self.source, self.start_ms, self.end_ms)
        comparisons = (("symbol", "="), ("source", "="), ("ts_ms", ">="), ("ts_ms", "<"))
        return [(*each, value) for each, value in zip(comparisons, values, strict=True) if value is not None]

    def where(self) -> tuple[str, list[str | int]]:
        given = self.given()
        text = " AND ".join(f"{column} {sign} ?" for column, sign, _ in given)
        return text or "TRUE", [value for *_, value in given]

    def index_in_order(self) -> str:
        """Return the index with the selected rows in order of time: sorting would need memory for all of them."""
        if self.symbol is None:
            return "idx_liq_events_ts"
        return "idx_liq_events_symbol_ts" if self.source is None else "idx_liq_events_window"


class RecordReader(SeriesQueries):
    """Reads one state of a record, whatever is written meanwhile; only for the thread that made it.

    Attributes
    ----------
    name
        The database, for people.
    schema_version
        Of its tables.
    """

    name: str
    schema_version: int

    @abstractmethod
    def query(self, statement: str, values: Sequence[str | int] = ()) -> Iterator[tuple[Any, ...]]:
        """Yield the rows of a statement in the words of `Heatmap.storage.sql`, in constant memory."""

    def series(self) -> list[tuple[str, str]]:
        """Return ``(source, symbol)`` of each series with events, in alphabetical order."""
        return self._series_of("liq_events")

    def known_series(self) -> list[tuple[str, str]]:
        """Return ``(source, symbol)`` of each series with events or recorded coverage, in alphabetical order."""
        covered = [series for series in self._series_of("coverage") if not series[0].endswith(sql.CLAIMED_SUFFIX)]
        return sorted({*self._series_of("liq_events"), *covered})

    def known_symbol(self, text: str) -> str:
        """Return a symbol, given in any case, in the record's spelling; a `QueryError` that lists what is recorded."""
        symbols = sorted({symbol for _, symbol in self.known_series()})
        wanted = text.strip().casefold()
        for symbol in symbols:
            if symbol.casefold() == wanted:
                return symbol
        known = shown_symbols(symbols, most=_SHOWN_SYMBOLS) or "nothing"
        raise QueryError(f"{text.strip() or 'no symbol'!r} is not recorded in {self.name}; it has {known}")

    def _series_of(self, table: str) -> list[tuple[str, str]]:
        found: list[tuple[str, str]] = []
        source = symbol = ""
        while True:
            rows = list(self.query(_NEXT_SYMBOL.format(table), (source, symbol)))
            rows = rows or list(self.query(_NEXT_SOURCE.format(table), (source,)))
            if not rows:
                return found
            source, symbol = rows[0]
            found.append((source, symbol))

    def count(self, selection: Selection) -> int:
        where, values = selection.where()
        return int(next(self.query(f"SELECT count(*) FROM liq_events WHERE {where}", values))[0])  # noqa: S608 - ours

    def newest_ms(self, selection: Selection) -> int | None:
        """Return the trade time of the newest selected event in ms since the epoch, None if there is none."""
        where, values = selection.where()
        newest: int | None = next(self.query(f"SELECT max(ts_ms) FROM liq_events WHERE {where}", values))[0]  # noqa: S608 - ours
        return newest

    def rows(self, selection: Selection, columns: Sequence[str] = COLUMNS) -> Iterator[tuple[Any, ...]]:
        """Yield some of `COLUMNS` of the selected events, in order of time, ties in order of arrival."""
        if not set(columns) <= set(COLUMNS):
            raise ValueError(f"expected columns out of {COLUMNS}, was {columns}")
        where, values = selection.where()
        names, index = ", ".join(columns), selection.index_in_order()
        query = f"SELECT {names} FROM liq_events INDEXED BY {index} WHERE {where} ORDER BY ts_ms, id"  # noqa: S608 - ours
        yield from self.query(query, values)

    def table(self, selection: Selection, fields: Sequence[str] = RECORD_FIELDS) -> RecordedEvents:
        """Return fields of the selected events as a structured array, in order of time, ties in order of arrival.

        ``ts_ms``, ``price``, ``notional`` and ``is_long`` alone are read from an index, in half of the time.
        """
        import numpy as np  # noqa: PLC0415 - exports need none

        from Heatmap.event_columns import RecordedEvents, recorded_dtype  # noqa: PLC0415 - it imports NumPy

        where, values = selection.where()
        names, index = ", ".join(FIELD_SQL.get(name, name) for name in fields), selection.index_in_order()
        query = f"SELECT {names} FROM liq_events INDEXED BY {index} WHERE {where} ORDER BY ts_ms, id"  # noqa: S608 - ours
        with sound_values(self.name):
            events = np.fromiter(self.query(query, values), recorded_dtype(fields)).view(RecordedEvents)
            amounts = [events[name] for name in ("price", "qty", "notional") if name in fields]
            if not all(((values > 0.0) & (values < np.inf)).all() for values in amounts):
                raise ValueError("expected prices, quantities and notionals above 0")
        return events

    def replayed(
        self, symbol: str, source: str, start_ms: int, end_ms: int, delay_ms: int | None
    ) -> Iterator[LiquidationEvent]:
        """Yield events in the order of receipt, ``start_ms <= received_ms < end_ms``.

        Those without a receive time count as received ``delay_ms`` after ``ts_ms``; None: they are left out.
        """
        values = (-1 if delay_ms is None else delay_ms, source, symbol, start_ms, end_ms)
        yield from map(sql.row_event, self.query(sql.BY_ARRIVAL, values))

    def count_without_arrival(self, symbol: str, source: str, start_ms: int, end_ms: int) -> int:
        """Return how many events of a span have no receive time."""
        ((count,),) = self.query(sql.COUNT_WITHOUT_ARRIVAL, (source, symbol, start_ms, end_ms))
        return int(count)

    def _rows_of(self, statement: str, values: Sequence[str | int]) -> list[tuple[Any, ...]]:
        return list(self.query(statement, values))
