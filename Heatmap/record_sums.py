"""Sums of recorded liquidations by price and time: arithmetic for `Heatmap.record`. No SQL."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from Heatmap.aggregation.grid import MAX_CELLS, MAX_PRICE_BIN_INDEX, price_bins
from Heatmap.aggregation.resolution import MIN_COLS, auto_time_bin_ms, round_step
from Heatmap.errors import QueryError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from Heatmap.event_columns import RecordedEvents

# Most columns of a grid.
MAX_COLUMNS: Final = 1 << 20
_DEFAULT_ROWS: Final = 200
# Finest default step, as a share of the price, where neither a tick size nor a range of prices is known.
_FINEST_SHARE: Final = 1e-6


@dataclass(frozen=True, slots=True, eq=False)
class PriceProfile:
    """Dollars liquidated by price: N rows, row 0 the lowest price.

    Attributes
    ----------
    prices
        float64 (N,), lower edge of each row in quote currency, a multiple of ``price_step``; ascending without a gap.
    long_usd, short_usd
        float64 (N,), sums of the notional of liquidated longs and shorts, in quote currency.
    price_step
        Height of a row in quote currency. Row ``i`` is ``prices[i] <= price < prices[i] + price_step``.
    """

    prices: NDArray[np.float64]
    long_usd: NDArray[np.float64]
    short_usd: NDArray[np.float64]
    price_step: float


@dataclass(frozen=True, slots=True, eq=False)
class DollarGrid:
    """Dollars liquidated by price and time: R rows, row 0 the lowest price, and C columns, column 0 the earliest.

    Attributes
    ----------
    values
        float64 (R, C), C order: sums of notional in quote currency.
    times_ms
        int64 (C,), left edge of each column; a column ends where the next begins, the last one at ``end_ms``.
    prices
        float64 (R,), lower edge of each row in quote currency, a multiple of ``price_step``; ascending without a gap.
    price_step
        Height of a row in quote currency.
    end_ms
        Right edge of the last column, exclusive.
    """

    values: NDArray[np.float64]
    times_ms: NDArray[np.int64]
    prices: NDArray[np.float64]
    price_step: float
    end_ms: int


class _Rows(NamedTuple):
    prices: NDArray[np.float64]  # lower edges
    of_event: NDArray[np.int64]


def default_step(events: RecordedEvents, tick_size: float | None) -> float:
    """Return a round height of a row that makes about 200 rows or fewer, not finer than the tick size."""
    if not len(events):
        return 1.0
    low, high = float(events.price.min()), float(events.price.max())
    return round_step(max((high - low) / _DEFAULT_ROWS, tick_size or high * _FINEST_SHARE))


def profile_of(events: RecordedEvents, price_step: float) -> PriceProfile:
    """Return the sums of events by price; a `QueryError` if these are too many rows."""
    rows = _rows_of(events, price_step, columns=2)
    sums = _sums(2 * rows.of_event + events.is_long, events, (rows.prices.size, 2))
    return PriceProfile(rows.prices, np.ascontiguousarray(sums[:, 1]), np.ascontiguousarray(sums[:, 0]), price_step)


def grid_of(events: RecordedEvents, edges_ms: NDArray[np.int64], price_step: float) -> DollarGrid:
    """Return the sums of events by price and time, all of which lie in the columns between edges, int64 (C + 1,).

    Raises `QueryError` if these are too many cells.
    """
    cols = edges_ms.size - 1
    rows = _rows_of(events, price_step, columns=cols)
    column = np.searchsorted(edges_ms, events.ts_ms, side="right") - 1
    values = _sums(rows.of_event * cols + column, events, (rows.prices.size, cols))
    return DollarGrid(values, edges_ms[:-1].copy(), rows.prices, price_step, int(edges_ms[-1]))


def column_edges_ms(start_ms: int, end_ms: int, columns: int | None) -> NDArray[np.int64]:
    """Return the edges of a number of columns that divide a span, int64 (C + 1,); see `Heatmap.record.Record.grid`.

    Raises `QueryError` unless there are 1 to `MAX_COLUMNS`, each at least one millisecond wide.
    """
    span_ms = end_ms - start_ms
    if columns is None:
        step_ms = auto_time_bin_ms(span_ms, MIN_COLS)
        return np.append(np.arange(start_ms, end_ms, step_ms, dtype=np.int64), end_ms)
    most = min(MAX_COLUMNS, span_ms)
    if not 1 <= columns <= most:
        raise QueryError(f"columns: expected 1 to {most:,}, at most one a millisecond, was {columns:,}")
    # Rounded up: an event is then in column ``floor((ts_ms - start_ms) * columns / span_ms)`` exactly.
    return np.array([start_ms - (-index * span_ms) // columns for index in range(columns + 1)], np.int64)


def _rows_of(events: RecordedEvents, price_step: float, *, columns: int) -> _Rows:
    if not len(events):
        return _Rows(np.empty(0), np.empty(0, np.int64))
    # The absolute bins of the map: an event on a border is in the row above.
    bins = price_bins(np.ascontiguousarray(events.price), price_step)
    first, last = float(bins.min()), float(bins.max())
    rows = last - first + 1
    if last > MAX_PRICE_BIN_INDEX or rows * columns > MAX_CELLS:
        raise QueryError(
            f"price_step: {price_step} makes {rows:,.0f} rows x {columns:,} columns, at most {MAX_CELLS:,} cells:"
            " take a larger step"
        )
    # In decimals: 3 steps of 0.1 are 0.3 and not 0.30000000000000004.
    digits = max(0, -int(Decimal(repr(price_step)).as_tuple().exponent))
    prices = np.round((first + np.arange(int(rows))) * price_step, digits)
    return _Rows(prices, (bins - first).astype(np.int64))


def _sums(cell: NDArray[np.int64], events: RecordedEvents, shape: tuple[int, int]) -> NDArray[np.float64]:
    sums: NDArray[np.float64] = np.bincount(cell, events.notional, minlength=shape[0] * shape[1]).astype(
        np.float64, copy=False
    )
    return sums.reshape(shape)
