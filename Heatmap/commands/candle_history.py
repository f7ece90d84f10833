"""Candles of a span of time for a picture, by REST."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from Heatmap.errors import FrameError, RecordFileError, RestError, SettingsError
from Heatmap.events import Source
from Heatmap.ingestion.rest import fetch_bytes
from Heatmap.ingestion.venues import venue_of
from Heatmap.vocabulary import INTERVALS_MS

if TYPE_CHECKING:
    from collections.abc import Callable

    from Heatmap.candle import Candle
    from Heatmap.ingestion.venue import CandleApi

# More would be narrower than three pixels in a picture of 1,500.
MOST_BARS: Final = 500


def interval_for(span_ms: int, *, has: Callable[[str], bool] = lambda _: True) -> str:
    """Return the shortest interval with at most `MOST_BARS` candles in a span of time; else the longest there is.

    ``has`` is False for an interval that the exchange does not have.
    """
    fits = (name for name, length_ms in INTERVALS_MS.items() if span_ms <= MOST_BARS * length_ms and has(name))
    return next(fits, max(INTERVALS_MS, key=INTERVALS_MS.__getitem__))


def fetch_candles(rest_url: str | None, symbol: str, start_ms: int, end_ms: int, *, source: str) -> list[Candle]:
    """Return the candles that touch ``[start_ms, end_ms)``, ms since the epoch; ``rest_url`` None: the real exchange.

    `RecordFileError` if they cannot be had, `SettingsError` if the address cannot be one, or is needed: no exchange has
    the candles of a simulated or replayed market.
    """
    if rest_url is None and source in {Source.DEMO, Source.REPLAY}:
        raise SettingsError(
            f"expected an address of candles for source {source}, was none",
            short=f"No exchange has the candles of source {source}: leave --candles out.",
        )
    venue = venue_of(source)
    _, base = venue.base_urls(None, rest_url)
    api = venue.candles
    interval = interval_for(end_ms - start_ms, has=lambda name: _has_interval(api, base, symbol, name))
    length_ms = INTERVALS_MS[interval]
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


def _has_interval(api: CandleApi, rest_url: str, symbol: str, interval: str) -> bool:
    try:
        api.history_url(rest_url, symbol, interval, None)
    except SettingsError:
        return False
    return True
