"""Queries about one series that every reader of a record answers."""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import TYPE_CHECKING, Any, Final

from Heatmap.events import Coverage
from Heatmap.storage import sql
from Heatmap.storage.closing import Closing
from Heatmap.storage.coverage_log import merged

if TYPE_CHECKING:
    from collections.abc import Sequence

    from Heatmap.event_columns import EventColumns
    from Heatmap.source_choice import Sources

_COVERAGE: Final = f"""
    SELECT CAST(?1 AS text), symbol, start_ms, end_ms FROM coverage
    WHERE source IN (?1, ?1 || '{sql.CLAIMED_SUFFIX}') AND symbol = ?2 AND end_ms >= ?3 AND start_ms < ?4
    ORDER BY start_ms, end_ms
"""  # noqa: S608 - a constant


class SeriesQueries(Closing):
    """What is known of one series. All methods raise `Heatmap.errors.StorageError` if the database is unreadable."""

    @abstractmethod
    def window(self, symbol: str, source: Sources, start_ms: int, end_ms: int) -> EventColumns:
        """Return a symbol's events of one source or several with ``start_ms <= ts_ms < end_ms``, sorted by time."""

    @abstractmethod
    def _rows_of(self, statement: str, values: Sequence[str | int]) -> list[tuple[Any, ...]]:
        """Return the rows of a query; none where there is nothing to read yet."""

    def coverage(self, symbol: str, source: str, start_ms: int, end_ms: int) -> list[Coverage]:
        """Return the coverage of one series that overlaps ``[start_ms, end_ms)``: ascending, joined, not cut.

        Recorded and claimed: see ``coverage`` in ``schema.sql``.
        """
        return merged([Coverage(*row) for row in self._rows_of(_COVERAGE, (source, symbol, start_ms, end_ms))])

    def tick_size(self, symbol: str, source: str) -> float | None:
        """Return the last known tick size of a symbol in quote currency, or None."""
        rows = self._rows_of(sql.TICK_SIZE, (source, symbol))
        tick = rows[0][0] if rows else None
        return tick if isinstance(tick, float) and 0.0 < tick < math.inf else None
