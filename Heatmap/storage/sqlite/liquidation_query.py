"""The newest or the largest liquidations of a symbol, for a list."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from Heatmap.events import Source
from Heatmap.source_choice import each_source
from Heatmap.storage import sql

if TYPE_CHECKING:
    from Heatmap.source_choice import Sources
    from Heatmap.storage.sqlite.sqlite_store import SqliteStore
    from Heatmap.vocabulary import ListOrder, Sides

NO_END_MS: Final = 2**62

_FROM: Final = """
    FROM liq_events INDEXED BY idx_liq_events_window
    WHERE source IN ({}) AND symbol = ? AND ts_ms >= ? AND ts_ms < ?
"""
_PASSES: Final = f"notional >= ? AND ({sql.IS_LONG}) IN (?, ?)"
_ORDERS: Final = {"latest": "ts_ms DESC, id DESC", "largest": "notional DESC, ts_ms DESC, id DESC"}
_SIDES: Final = {"both": (0, 1), "long": (1, 1), "short": (0, 0)}  # two values of `sql.IS_LONG`


class ListedLiquidation(NamedTuple):
    """One row of a list."""

    row_id: int  # of the database: grows with the order of arrival
    ts_ms: int  # trade time in ms since the epoch, UTC
    is_long: int  # 1: a long position was liquidated, 0: a short
    price: float  # in quote currency
    notional: float  # price x quantity in quote currency
    source: str = Source.BINANCE


@dataclass(frozen=True, slots=True)
class ListQuery:
    """What a list contains: the series, its filters, and which come first."""

    symbol: str
    source: Sources
    start_ms: int
    sides: Sides
    min_notional: float
    order: ListOrder
    limit: int
    end_ms: int  # exclusive; see `NO_END_MS`


def listed(store: SqliteStore, query: ListQuery) -> tuple[list[ListedLiquidation], int, int]:
    """Return the first rows, how many pass the filters, and how many there are in ``[start_ms, end_ms)``.

    Raises `StorageError` if the file cannot be read.
    """
    sources = each_source(query.source)
    series = *sources, query.symbol, query.start_ms, query.end_ms
    of_series = _FROM.format(sql.places(sources))
    passes = query.min_notional, *_SIDES[query.sides]
    with store.reading() as connection:
        if connection is None:
            return [], 0, 0
        connection.execute("BEGIN")  # one state of the file for both queries
        try:
            counts = connection.execute(f"SELECT ifnull(sum({_PASSES}), 0), count(*) {of_series}", (*passes, *series))
            passing, total = counts.fetchone()
            rows = connection.execute(
                f"SELECT id, ts_ms, {sql.IS_LONG}, price, notional, source {of_series} AND {_PASSES}"
                f" ORDER BY {_ORDERS[query.order]} LIMIT ?",
                (*series, *passes, query.limit),
            )
            return [ListedLiquidation(*row) for row in rows], int(passing), int(total)
        finally:
            connection.execute("COMMIT")
