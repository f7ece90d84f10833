"""Candles of a span of time for a picture, by REST."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from Heatmap.errors import FrameError, RecordFileError, RestError
from Heatmap.ingestion.rest import fetch_bytes
from Heatmap.ingestion.venues import venue_of
from Heatmap.vocabulary import INTERVALS_MS

if TYPE_CHECKING:
    from Heatmap.candle import Candle

# More would be narrower than three pixels in a picture of 1,500.
MOST_BARS: Final = 500


def interval_for(span_ms: int) -> str:
    """Return the shortest interval with at most `MOST_BARS` candles in a span of time; else the longest there is."""
    fits = (name for name, length_ms in INTERVALS_MS.items() if span_ms <= MOST_BARS * length_ms)
    return next(fits, max(INTERVALS_MS, key=INTERVALS_MS.__getitem__))


def fetch_candles(rest_url: str | None, symbol: str, start_ms: int, end_ms: int, *, source: str) -> list[Candle]:
    """Return the candles that touch ``[start_ms, end_ms)``, ms since the epoch; ``rest_url`` None: the real exchange.

    `RecordFileError` if they cannot be had, `SettingsError` if the address cannot be one.
    """
    interval = interval_for(end_ms - start_ms)
    length_ms = INTERVALS_MS[interval]
    venue = venue_of(source)
    _, base = venue.base_urls(None, rest_url)
    api = venue.candles
    found: list[Candle] = []
    begin_ms = start_ms // length_ms * length_ms
    while begin_ms < end_ms:
        count = min(-(-(end_ms - begin_ms) // length_ms), api.max_rows)
        page = (begin_ms, begin_ms + count * length_ms - 1, count)
        url = api.history_url(base, symbol, interval, page)
        try:
            found += api.decode_history(asyncio.run(fetch_bytes(url)), end_ms)
        except (RestError, FrameError) as error:
            raise RecordFileError(
                f"no candles of {symbol}: {error}", short=f"The candles cannot be loaded: {error.short}"
            ) from error
        begin_ms += count * length_ms
    if not found:
        raise RecordFileError(
            f"no candles of {symbol} from {start_ms} to {end_ms}",
            short=f"The exchange has no candles of {symbol} in that time: leave --candles out.",
        )
    return found
