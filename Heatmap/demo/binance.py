"""The protocol of Binance USD-M: sessions, pushed payloads and REST of one market, without I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import structs

from Heatmap.clock import SYSTEM_CLOCK, Clock
from Heatmap.demo.price_series import SECOND_MS
from Heatmap.demo.protocol import Answer, Stream, VenueProtocol
from Heatmap.demo.rest import RestApi
from Heatmap.demo.session import BinanceSession, StreamKind, open_session
from Heatmap.demo.wire import PUSH_DELAY_MS, force_order_of, kline, mark_price
from Heatmap.vocabulary import INTERVALS_MS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from Heatmap.demo.instrument import Instrument
    from Heatmap.demo.market import Market

_MARK_PRICE_MS = 3 * SECOND_MS


class BinanceProtocol(VenueProtocol):
    """Implements `VenueProtocol`.

    WebSocket: ``/market/ws/…`` and ``/market/stream?streams=…`` with the streams of `Heatmap.demo.session.StreamKind`;
    other names, and the unrouted ``/ws`` and ``/stream``, are accepted and silent. HTTP: see `Heatmap.demo.rest`. The
    liquidations of a market with a backlog lie in the past, and none is pushed live.
    """

    def __init__(self, market: Market, *, more_symbols: Iterable[str] = (), clock: Clock = SYSTEM_CLOCK) -> None:
        super().__init__(market, more_symbols=more_symbols, clock=clock)
        self._rest = RestApi(market, self.instruments, clock)
        self._backlog = market.backlog()

    def open_session(self, target: str) -> BinanceSession | None:
        return open_session(target, self.instruments)

    def answer(self, target: str) -> Answer:
        return self._rest.answer(target)

    def backlog(self, stream: Stream) -> Sequence[str]:
        return list(self._backlog or ()) if stream.carries_liquidations else ()

    def payloads(self, stream: Stream, after_ms: int, now_ms: int) -> list[str]:
        traded = list(self.instruments.values()) if not stream.symbol else [self.instruments[stream.symbol]]
        match StreamKind(stream.kind):
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
        events = self.market.liquidations(after_ms - PUSH_DELAY_MS + 1, now_ms - PUSH_DELAY_MS + 1)
        return [
            force_order_of(instrument, structs.replace(event, symbol=instrument.symbol))
            for event in events
            for instrument in traded
        ]

    def _mark_prices(self, traded: Sequence[Instrument], every_ms: int, after_ms: int, now_ms: int) -> list[str]:
        if now_ms // every_ms <= after_ms // every_ms:
            return []
        price = self.market.price_at(now_ms)
        return [mark_price(instrument, price, now_ms) for instrument in traded]

    def _klines(self, instrument: Instrument, interval: str, after_ms: int, now_ms: int) -> list[str]:
        interval_ms = INTERVALS_MS[interval]
        first_open_ms = after_ms - after_ms % interval_ms
        return [
            kline(instrument, candle, interval, now_ms)
            for candle in self.market.candles(interval_ms, first_open_ms, now_ms + 1)
        ]
