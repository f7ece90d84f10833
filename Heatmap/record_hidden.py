"""The estimate of what Binance does not report, from a record of Binance and Bybit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from Heatmap.events import Source
from Heatmap.hidden_sum import HiddenShare, HiddenSum, NotEnough, whole_hours

if TYPE_CHECKING:
    from Heatmap.storage.series_queries import SeriesQueries

DAYS: Final = 30  # of record that are learned from
_DAY_MS: Final = 86_400_000


def hidden_sum(store: SeriesQueries, symbol: str, start_ms: int, end_ms: int) -> HiddenSum | NotEnough:
    """Return an interval for the true sum of Binance's liquidations of a symbol in ``[start_ms, end_ms)``.

    Learned from the hours of the last `DAYS` before the span's end in which both venues were recorded. `StorageError`
    if the database cannot be read.
    """
    since_ms = end_ms - DAYS * _DAY_MS
    covered = [store.coverage(symbol, source, since_ms, end_ms) for source in (Source.BYBIT, Source.BINANCE)]
    hours = whole_hours(*covered)
    if not len(hours):
        return NotEnough(0)
    complete = store.window(symbol, Source.BYBIT, since_ms, end_ms)
    reported = store.window(symbol, Source.BINANCE, start_ms, end_ms)
    learned = HiddenShare(complete.ts_ms, complete.notional.astype("f8"), hours)
    return learned.estimate(reported.ts_ms, reported.notional.astype("f8"), start_ms, end_ms)
