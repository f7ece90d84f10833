"""The lines of ``heatmap status`` on what Binance does not report."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from Heatmap.events import Source
from Heatmap.hidden_sum import HiddenSum, NotEnough
from Heatmap.record_hidden import hidden_sum

if TYPE_CHECKING:
    from collections.abc import Sequence

    from Heatmap.storage.contract import Database
    from Heatmap.storage.record_summary import SeriesRecord

_DAY_MS: Final = 86_400_000


def hidden_sums(database: Database, series: Sequence[SeriesRecord], now_ms: int) -> dict[str, HiddenSum | NotEnough]:
    """Return the estimate of the last 24 hours by symbol, for those that Binance and Bybit have both recorded."""
    by_source = {source: {one.symbol for one in series if one.source == source} for source in Source}
    symbols = sorted(by_source[Source.BINANCE] & by_source[Source.BYBIT])
    if not symbols:
        return {}
    with database.reader() as reader:
        return {symbol: hidden_sum(reader, symbol, now_ms - _DAY_MS, now_ms) for symbol in symbols}


def line(symbol: str, found: HiddenSum | NotEnough) -> str:
    """Return one estimate, or why there is none, as a sentence."""
    if isinstance(found, NotEnough):
        why = (
            "the rates of the last 24 h are beyond all that was recorded"
            if found.is_beyond
            else f"{found.hours} of {found.needed} hours needed are recorded from Binance and Bybit together"
        )
        return f"{symbol}: no estimate of what Binance leaves out: {why}."
    return (
        f"{symbol}: Binance reported ${found.reported_usd:,.0f} in what is recorded of the last 24 h; by Bybit's"
        f" thinning the true sum of that time is ${found.low_usd:,.0f} to ${found.high_usd:,.0f}"
        f" (90 %, learned from {found.hours} h)."
    )
