"""Reading a damaged table: from both ends, and between them by an index."""

from __future__ import annotations

import contextlib
import logging
import sqlite3
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_LOG = logging.getLogger(__name__)

_END_OF_TIME_MS: Final = 2**62
# The index has all of a liquidation but the quantity, which is notional / price, and the order's own fields and times.
_FROM_INDEX: Final = """
    SELECT id, ts_ms, symbol, side, price, notional, source FROM liq_events INDEXED BY idx_liq_events_window
    WHERE source IS NOT NULL ORDER BY source {0}, symbol {0}, ts_ms {0}, id {0}
"""
_SIGNIFICANT_DIGITS: Final = 12


class DamagedTableReader:
    """Yields the readable rows of a table of a damaged database; some twice, which a primary key removes."""

    def __init__(self, source: sqlite3.Connection, table: str, columns: Sequence[str]) -> None:
        self._source = source
        self._table = table
        self._columns = tuple(columns)
        self._select = f"SELECT {', '.join(columns)} FROM {table} NOT INDEXED"  # noqa: S608 - names of our own
        self._failed = False
        # Times of which liquidations may be missing; complete once all rows were yielded.
        self.holes: list[tuple[int, int]] = []

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        if "id" not in self._columns:
            yield from self._rows(self._select)
            return
        id_at = self._columns.index("id")
        is_record = self._table == "liq_events"
        low, from_ms = -1, 0
        for row in self._rows(f"{self._select} ORDER BY id"):
            low, from_ms = row[id_at], self._live_ms(row, from_ms) if is_record else 0
            yield row
        if not self._failed:
            return
        high, to_ms = 2**63 - 1, _END_OF_TIME_MS
        for row in self._rows(f"{self._select} WHERE id > ? ORDER BY id DESC", low):
            high, to_ms = row[id_at], self._live_ms(row, to_ms) if is_record else 0
            yield row
        if not is_record:
            return
        yield from self._between(low, high)
        if self._failed:
            # Which rows are missing is unknown: all between the two readable ends.
            self.holes.append((min(from_ms, to_ms), max(from_ms, to_ms)))

    def _between(self, low: int, high: int) -> Iterator[tuple[Any, ...]]:
        """Yield the rows between two row ids: from the table where it can be read, else from the index."""
        rebuilt = 0
        for direction in ("ASC", "DESC"):
            for entry in self._rows(_FROM_INDEX.format(direction)):
                row_id = entry[0]
                if not low < row_id < high:
                    continue
                row = None
                with contextlib.suppress(sqlite3.Error):
                    row = self._source.execute(f"{self._select} WHERE id = ?", (row_id,)).fetchone()
                if row is None:
                    row = self._rebuilt(entry)
                    rebuilt += 1
                if row is not None:
                    yield row
            if not self._failed:
                break
        if rebuilt:
            _LOG.error("%d liquidations are rebuilt from an index, without order fields and receive times", rebuilt)

    def _rebuilt(self, entry: tuple[Any, ...]) -> tuple[Any, ...] | None:
        row_id, ts_ms, _, _, price, notional, _ = entry
        if not (isinstance(price, float) and isinstance(notional, float) and price > 0.0 and isinstance(ts_ms, int)):
            _LOG.error("row %d cannot be rebuilt from its index: %r", row_id, entry)
            return None
        # The exchange's quantities are short decimals; the division alone may differ in the last bit.
        qty = float(f"{notional / price:.{_SIGNIFICANT_DIGITS}g}")
        columns = ("id", "ts_ms", "symbol", "side", "price", "notional", "source", "qty")
        known = dict(zip(columns, (*entry, qty), strict=True))
        return tuple(known.get(column) for column in self._columns)

    def _live_ms(self, row: tuple[Any, ...], otherwise: int) -> int:
        """Return the time of a row that was recorded live; only those are in the order of time."""
        is_live = row[self._columns.index("received_ms")] is not None
        return int(row[self._columns.index("ts_ms")]) if is_live else otherwise

    def _rows(self, query: str, *values: int) -> Iterator[tuple[Any, ...]]:
        """Yield rows until the end or an error."""
        self._failed = False
        try:
            yield from self._source.execute(query, values)
        except sqlite3.Error as error:
            self._failed = True
            _LOG.info("%s cannot be read in one pass: %s", self._table, error)
