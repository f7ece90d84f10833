"""The record for other programs, as NumPy arrays: events, profiles by price, grids, coverage, replay. No Qt, no Numba.

Times are ms since the Unix epoch, UTC, and spans are half-open: ``start_ms <= time < end_ms``. Money is in quote
currency, US dollars for USDT contracts. All sums are lower bounds: the exchange reports at most one liquidation a
second and symbol.
"""

from __future__ import annotations

import math
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Final, get_args

import numpy as np

from Heatmap.aggregation.grid import MAX_PRICE, MIN_PRICE_BIN
from Heatmap.errors import QueryError, StorageError
from Heatmap.events import FIRST_PLAUSIBLE_MS, LAST_PLAUSIBLE_MS, Source
from Heatmap.record_sums import column_edges_ms, default_step, grid_of, profile_of
from Heatmap.storage.closing import Closing
from Heatmap.storage.damage import sound_values
from Heatmap.storage.database import database_of
from Heatmap.storage.record_reader import RecordReader, Selection
from Heatmap.vocabulary import Sides

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from Heatmap.event_columns import RecordedEvents
    from Heatmap.events import LiquidationEvent
    from Heatmap.record_sums import DollarGrid, PriceProfile
    from Heatmap.storage.database import Address

_SUMMED: Final = ("ts_ms", "price", "notional", "is_long")
_END_OF_TIME_MS: Final = 1 << 62


class Record(Closing):
    """A database of recorded liquidations, read-only; any thread, also while a recorder writes. See `open_record`.

    Each call reads the file as it is at that moment and leaves nothing open, so calls of several threads do not wait
    for each other. A call costs two or three milliseconds and, for 100,000 events, about a tenth of a second.

    All methods that read take:

    - ``symbol``: in upper or lower case.
    - ``start_ms``, ``end_ms``: the span, ms since the Unix epoch, UTC; None: from the first event on, to the last one.
    - ``source``: a `Heatmap.events.Source`; None: the only source that has the symbol, or "binance" if that is one of
      several.

    Parameters
    ----------
    db
        The database: a path, or ``postgresql://user@host/name``.

    Attributes
    ----------
    name
        The database for people: an absolute path, or the address of a server without its password.

    Raises
    ------
    QueryError
        By methods: the symbol or the source is not recorded (the text lists what is), ``start_ms >= end_ms``, a time is
        no whole number or is in seconds or microseconds, or a step is not positive and finite. A symbol without events
        in the span is no error: the answer is empty.
    StorageError
        The database cannot be read, or was moved or deleted, or the record was closed.
    """

    def __init__(self, db: Address) -> None:
        self._database = database_of(db)
        self.name = str(self._database)
        self._is_closed = False
        with self._reading():
            pass

    def close(self) -> None:
        """End the use of this object: later calls raise `StorageError`; harmless if called twice."""
        self._is_closed = True

    def series(self) -> list[tuple[str, str]]:
        """Return ``(source, symbol)`` of each series with events or coverage, in alphabetical order.

        Raises `StorageError`.
        """
        with self._reading() as reader:
            return reader.known_series()

    def events(
        self, symbol: str, *, start_ms: int | None = None, end_ms: int | None = None, source: str | None = None
    ) -> RecordedEvents:
        """Return the liquidations of a symbol with ``start_ms <= ts_ms < end_ms``, sorted by ``ts_ms``.

        ``pandas.DataFrame(record.events("BTCUSDT"))`` is the table. Parameters and errors (`QueryError`,
        `StorageError`) are those of the class: ``symbol``, ``start_ms``, ``end_ms``, ``source``.

        Returns
        -------
        `Heatmap.event_columns.RecordedEvents` of shape (N,) with the fields ``ts_ms`` and ``received_ms`` (int64; -1 is
        unknown), ``price``, ``qty`` and ``notional`` (float64), ``is_long`` (bool).
        """
        span = _checked_span(start_ms, end_ms)
        with self._reading() as reader:
            return reader.table(Selection(*_chosen_series(reader, symbol, source), *span))

    def profile(
        self,
        symbol: str,
        *,
        start_ms: int | None = None,
        end_ms: int | None = None,
        source: str | None = None,
        price_step: float | None = None,
    ) -> PriceProfile:
        """Return the dollars liquidated at each price, longs and shorts apart.

        Parameters
        ----------
        symbol, start_ms, end_ms, source
            See the class.
        price_step
            Height of a row in quote currency; None: a round step (1, 2 or 5 times a power of ten) that makes at most
            200 rows or so, not finer than the tick size.

        Returns
        -------
        A `PriceProfile`, from the lowest to the highest price liquidated; of no rows without an event.

        Raises
        ------
        QueryError
            See the class; or the step is so fine that there are more than 16,777,216 rows.
        StorageError
            See the class.
        """
        span, step = _checked_span(start_ms, end_ms), _checked_step(price_step)
        with self._reading() as reader:
            name, origin = _chosen_series(reader, symbol, source)
            events = reader.table(Selection(name, origin, *span), _SUMMED)
            tick_size = reader.tick_size(name, origin)
        return profile_of(events, step or default_step(events, tick_size))

    def grid(
        self,
        symbol: str,
        *,
        start_ms: int,
        end_ms: int,
        source: str | None = None,
        columns: int | None = None,
        price_step: float | None = None,
        sides: Sides = "both",
    ) -> DollarGrid:
        """Return the dollars liquidated per cell of price and time.

        Parameters
        ----------
        symbol, source
            See the class.
        start_ms, end_ms
            The span, both needed: its start is the left edge of column 0.
        columns
            How many columns of equal width (to the millisecond) divide the span, 1 to 1,048,576 and at most one a
            millisecond; None: about 800 columns of 5, 10, 15, 30, 60, 120 or 180 s (or a multiple of the last), of
            which the last may be shorter.
        price_step
            Height of a row in quote currency; None: as for `profile`.
        sides
            "both", "long" or "short": whose liquidations to sum.

        Returns
        -------
        A `DollarGrid`; without an event it has all its columns and no rows.

        Raises
        ------
        QueryError
            See the class; or ``columns`` is no such number, ``sides`` is none of these, or the cells are more than
            16,777,216.
        StorageError
            See the class.
        """
        first_ms, last_ms = _checked_span(start_ms, end_ms)
        if first_ms is None or last_ms is None:
            raise QueryError("a grid needs start_ms and end_ms: its columns divide the time between them")
        step = _checked_step(price_step)
        edges_ms = column_edges_ms(first_ms, last_ms, None if columns is None else _whole("columns", columns))
        if sides not in get_args(Sides):
            raise QueryError(f"sides: expected one of {', '.join(get_args(Sides))}, was {sides!r}")
        with self._reading() as reader:
            name, origin = _chosen_series(reader, symbol, source)
            events = reader.table(Selection(name, origin, first_ms, last_ms), _SUMMED)
            tick_size = reader.tick_size(name, origin)
        if sides != "both":
            events = events[events.is_long == (sides == "long")]
        return grid_of(events, edges_ms, step or default_step(events, tick_size))

    def coverage(
        self, symbol: str, *, start_ms: int | None = None, end_ms: int | None = None, source: str | None = None
    ) -> NDArray[np.int64]:
        """Return when a live connection delivered, or the owner of an imported file claims that it is complete.

        Elsewhere nothing is known, which is not "no liquidations".

        Parameters and errors (`QueryError`, `StorageError`) are those of the class: ``symbol``, ``start_ms``,
        ``end_ms``, ``source``.

        Returns
        -------
        int64 (N, 2), ``(start_ms, end_ms)`` of each interval, ascending, without overlaps, cut to the span.
        """
        first_ms, last_ms = _checked_span(start_ms, end_ms)
        first_ms, last_ms = first_ms or 0, _END_OF_TIME_MS if last_ms is None else last_ms
        with self._reading() as reader:
            found = reader.coverage(*_chosen_series(reader, symbol, source), first_ms, last_ms)
            spans = np.array([(interval.start_ms, interval.end_ms) for interval in found], np.int64).reshape(-1, 2)
        spans = np.clip(spans, first_ms, last_ms)
        return spans[spans[:, 0] < spans[:, 1]]

    def replay(
        self,
        symbol: str,
        *,
        start_ms: int | None = None,
        end_ms: int | None = None,
        source: str | None = None,
        delay_ms: int | None = None,
    ) -> Iterator[LiquidationEvent]:
        """Yield the liquidations in the order in which the recorder received them, for back-tests without look-ahead.

        These are the objects and the order that `HeatmapService.subscribe_events` delivers: ``ts_ms`` says when it
        happened, ``received_ms`` when a program could know it.

        Parameters
        ----------
        symbol, source
            See the class.
        start_ms, end_ms
            The span of ``received_ms``, not of ``ts_ms``.
        delay_ms
            Events without a receive time, as most imported ones, count as received so many ms after ``ts_ms``, and get
            that ``received_ms``. The exchange pushes once a second: 1000 is cautious. None: such events are an error.

        Yields
        ------
        `Heatmap.events.LiquidationEvent`, by ``received_ms``, ties in order of arrival. The file is read while they are
        taken; take them on one thread.

        Raises
        ------
        QueryError
            See the class; or there are events without a receive time in the span and no ``delay_ms``, or that is
            negative.
        StorageError
            See the class.
        """
        first_ms, last_ms = _checked_span(start_ms, end_ms)
        first_ms, last_ms = first_ms or 0, _END_OF_TIME_MS if last_ms is None else last_ms
        if delay_ms is not None and _whole("delay_ms", delay_ms) < 0:
            raise QueryError(f"delay_ms: expected 0 or more, was {delay_ms}")
        with self._reading() as reader:
            name, origin = _chosen_series(reader, symbol, source)
            unknown = reader.count_without_arrival(name, origin, first_ms, last_ms)
        if unknown and delay_ms is None:
            raise QueryError(
                f"{unknown:,} liquidations of {name} from {origin} have no receive time, as most imported ones: "
                "expected delay_ms, e.g. 1000, how long after ts_ms they count as received"
            )
        return self._replayed(name, origin, first_ms, last_ms, delay_ms)

    def _replayed(
        self, symbol: str, source: str, start_ms: int, end_ms: int, delay_ms: int | None
    ) -> Iterator[LiquidationEvent]:
        with self._reading() as reader:
            yield from reader.replayed(symbol, source, start_ms, end_ms, delay_ms)

    @contextmanager
    def _reading(self) -> Iterator[RecordReader]:
        if self._is_closed:
            raise StorageError(f"the record {self.name} was closed; open it again with Heatmap.open_record")
        with self._database.reader() as reader, sound_values(self.name):
            yield reader


def open_record(db: Address | None = None) -> Record:
    """Open a record of liquidations for reading.

    ::

        with Heatmap.open_record() as record:
            table = pandas.DataFrame(record.events("BTCUSDT"))

    Parameters
    ----------
    db
        The database: a path, or ``postgresql://user@host/name``; None: the file in the user's data folder, which
        `HeatmapService` fills by default.

    Raises
    ------
    StorageError
        There is no such file, nothing is recorded in it yet, it is another program's, it was written by a newer version
        of this one, or it cannot be read; ``error.short`` is a sentence for people.
    """
    return Record(database_of(db))


def _chosen_series(reader: RecordReader, symbol: object, source: object) -> tuple[str, str]:
    """Return symbol and source in the record's spelling."""
    if not isinstance(symbol, str) or not isinstance(source, str | None):
        raise QueryError(f"expected symbol and source as text, was {symbol!r} and {source!r}")
    name = reader.known_symbol(symbol)
    sources = [origin for origin, of in reader.known_series() if of == name]
    if source is not None:
        chosen = next((origin for origin in sources if origin.casefold() == source.casefold()), None)
        if chosen is None:
            raise QueryError(f"{name} is not recorded from {str(source)!r}, but from {', '.join(sources)}")
        return name, chosen
    if len(sources) > 1 and Source.BINANCE not in sources:
        raise QueryError(f"{name} is recorded from {', '.join(sources)}: choose one with source=")
    return name, str(Source.BINANCE) if len(sources) > 1 else sources[0]


def _whole(name: str, value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        hint = ": int(...) rounds it down" if isinstance(value, float) and math.isfinite(value) else ""
        if isinstance(value, datetime):
            hint = "; the milliseconds of a time with a zone are int(time.timestamp() * 1000)"
        raise QueryError(f"{name}: expected a whole number, was {value!r}{hint}")
    return int(value)


def _time_ms(name: str, value: object) -> int | None:
    """Return a time or None; a `QueryError` for one in another unit, which would be a wrong answer without a sign."""
    if value is None:
        return None
    time_ms = _whole(name, value)
    if time_ms < 0:
        raise QueryError(f"{name}: expected milliseconds since 1970, was {time_ms}")
    for unit, per_s in (("seconds", 1), ("microseconds", 1_000_000)):
        if FIRST_PLAUSIBLE_MS <= time_ms * 1000 // per_s < LAST_PLAUSIBLE_MS:
            raise QueryError(f"{name}: expected milliseconds since 1970, was {time_ms}, which seems to be {unit}")
    return time_ms


def _checked_span(start_ms: object, end_ms: object) -> tuple[int | None, int | None]:
    first_ms, last_ms = _time_ms("start_ms", start_ms), _time_ms("end_ms", end_ms)
    if first_ms is not None and first_ms >= LAST_PLAUSIBLE_MS:
        raise QueryError(f"start_ms: expected milliseconds since 1970, was {first_ms}, which is after the year 2099")
    if last_ms is not None and last_ms <= FIRST_PLAUSIBLE_MS:
        raise QueryError(f"end_ms: expected milliseconds since 1970, was {last_ms}, which is before the year 2019")
    if first_ms is not None and last_ms is not None and first_ms >= last_ms:
        raise QueryError(f"expected start_ms before end_ms, was {first_ms} and {last_ms}")
    return first_ms, None if last_ms is None else min(last_ms, _END_OF_TIME_MS)


def _checked_step(price_step: object) -> float | None:
    if price_step is None:
        return None
    if isinstance(price_step, bool) or not isinstance(price_step, float | int | np.floating | np.integer):
        raise QueryError(f"price_step: expected a number, was {price_step!r}")
    if not MIN_PRICE_BIN <= price_step <= MAX_PRICE:
        raise QueryError(f"price_step: expected a positive, finite number, was {price_step!r}")
    return float(price_step)
