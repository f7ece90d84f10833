"""Payloads that the exchange pushes between two moments: a function of market, streams and time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import structs

from Heatmap.demo.price_series import SECOND_MS
from Heatmap.demo.session import Stream, StreamKind
from Heatmap.demo.wire import PUSH_DELAY_MS, force_order_of, kline, mark_price
from Heatmap.vocabulary import INTERVALS_MS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from Heatmap.demo.instrument import Instrument
    from Heatmap.demo.market import Market

_MARK_PRICE_MS = 3 * SECOND_MS


class Publisher:
    """Makes the payloads of one market's streams, for all ``instruments`` by symbol.

    The liquidations of a market with a backlog lie in the past, and none is pushed live.
    """

    def __init__(self, market: Market, instruments: Mapping[str, Instrument]) -> None:
        self._market = market
        self._instruments = instruments
        self._backlog = market.backlog()

    @property
    def backlog(self) -> list[str]:
        """The payloads a new forceOrder subscriber gets at once, in order of time."""
        return list(self._backlog or ())

    def payloads(self, streams: Iterable[Stream], after_ms: int, now_ms: int) -> dict[str, list[str]]:
        """Return what is due in ``(after_ms, now_ms]`` for some streams, by stream name, without envelopes."""
        by_topic: dict[tuple[StreamKind, str, str], list[str]] = {}
        result: dict[str, list[str]] = {}
        for stream in streams:
            # The same liquidation travels under two stream names.
            topic = (stream.kind, stream.symbol, stream.interval)
            if topic not in by_topic:
                by_topic[topic] = self._due(stream, after_ms, now_ms)
            result[stream.name] = by_topic[topic]
        return result

    def _due(self, stream: Stream, after_ms: int, now_ms: int) -> list[str]:
        traded = list(self._instruments.values()) if not stream.symbol else [self._instruments[stream.symbol]]
        match stream.kind:
            case StreamKind.FORCE_ORDER:
                return self._force_orders(traded, after_ms, now_ms)
            case StreamKind.MARK_PRICE:
                return self._mark_prices(traded, _MARK_PRICE_MS, after_ms, now_ms)
            case StreamKind.MARK_PRICE_1S:
                return self._mark_prices(traded, SECOND_MS, after_ms, now_ms)
            case StreamKind.ALL_MARK_PRICES:
                prices = self._mark_prices(traded, SECOND_MS, after_ms, now_ms)
                return [f"[{','.join(prices)}]"] if prices else []
            case StreamKind.KLINE:
                return self._klines(traded[0], stream.interval, after_ms, now_ms)

    def _force_orders(self, traded: Sequence[Instrument], after_ms: int, now_ms: int) -> list[str]:
        if self._backlog is not None:
            return []
        events = self._market.liquidations(after_ms - PUSH_DELAY_MS + 1, now_ms - PUSH_DELAY_MS + 1)
        return [
            force_order_of(instrument, structs.replace(event, symbol=instrument.symbol))
            for event in events
            for instrument in traded
        ]

    def _mark_prices(self, traded: Sequence[Instrument], every_ms: int, after_ms: int, now_ms: int) -> list[str]:
        if now_ms // every_ms <= after_ms // every_ms:
            return []
        price = self._market.price_at(now_ms)
        return [mark_price(instrument, price, now_ms) for instrument in traded]

    def _klines(self, instrument: Instrument, interval: str, after_ms: int, now_ms: int) -> list[str]:
        interval_ms = INTERVALS_MS[interval]
        first_open_ms = after_ms - after_ms % interval_ms
        return [
            kline(instrument, candle, interval, now_ms)
            for candle in self._market.candles(interval_ms, first_open_ms, now_ms + 1)
        ]
