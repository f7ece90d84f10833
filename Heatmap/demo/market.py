"""The market that a demo exchange trades, and the simulated one: a pure function of seed and absolute time."""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import lru_cache
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np

from Heatmap.demo.instrument import Instrument
from Heatmap.demo.liquidation_model import LOOKBACK_S, ForcedOrders, forced_orders
from Heatmap.demo.price_series import DAY_MS, DaySeconds, PriceSeries
from Heatmap.demo.random_walk import DAY_S, Stream, day_stream, shocks, traded_lots
from Heatmap.demo.wire import PUSH_DELAY_MS
from Heatmap.events import LiquidationEvent, Side, Source

if TYPE_CHECKING:
    from collections.abc import Sequence

# 2017-01-01, before any candle that a chart requests; prices depend on `_ANCHOR_REACH` days before theirs.
_EARLIEST_MS = 1_483_228_800_000

_ANCHOR_REACH = 30
_ANCHOR_MEMORY = 0.85
_ANCHOR_SD = 0.014


class Market(PriceSeries, ABC):
    """What a demo exchange trades: a price series and liquidations."""

    @abstractmethod
    def liquidations(self, start_ms: int, end_ms: int) -> list[LiquidationEvent]:
        """Return the liquidations with ``start_ms <= ts_ms < end_ms`` in order of time."""

    def backlog(self) -> Sequence[str] | None:
        """Return the frames that a new forceOrder subscriber gets at once, or None if liquidations are pushed live."""
        return None


class SimulatedMarket(Market):
    """A random walk that is the same in every run, between midnight prices that depend on seed and day number only.

    ``price`` is the level that the market stays near (within some ten per cent), in quote currency; another ``seed``,
    which is not negative, is another market.
    """

    def __init__(self, symbol: str = "BTCUSDT", seed: int = 7, *, price: float = 90_000.0) -> None:
        super().__init__(Instrument(symbol), self._draw_seconds, earliest_ms=_EARLIEST_MS)
        self._seed = seed
        self._log_level = float(np.log(price * self.instrument.ticks_per_unit))
        self._anchor = lru_cache(256)(self._draw_anchor)
        self._orders_of = lru_cache(8)(self._draw_orders)

    def liquidations(self, start_ms: int, end_ms: int) -> list[LiquidationEvent]:
        """See `Market.liquidations`; any range gives the same events as the ranges it is made of."""
        if start_ms >= end_ms:
            return []
        start_ms = max(start_ms, self.earliest_ms)
        days = range(start_ms // DAY_MS, (end_ms - 1) // DAY_MS + 1)
        return list(chain.from_iterable(self._events(day, start_ms, end_ms) for day in days))

    def _draw_anchor(self, day: int) -> float:
        """Return the log price in ticks at the start of a day: an autoregression over the last month."""
        past = range(day - _ANCHOR_REACH + 1, day + 1)
        noise = [day_stream(self._seed, each, Stream.ANCHOR).standard_normal() for each in past]
        weights = _ANCHOR_MEMORY ** np.arange(_ANCHOR_REACH - 1, -1, -1)
        return self._log_level + _ANCHOR_SD * float(np.dot(weights, noise))

    def _draw_seconds(self, day: int) -> DaySeconds:
        start, end = self._anchor(day), self._anchor(day + 1)
        drawn = shocks(self._seed, day, with_cascades=True)
        walk = np.concatenate([[0.0], np.cumsum(drawn.steps)])
        business_time = np.concatenate([[0.0], np.cumsum(drawn.variance)])
        missing = end - start - walk[DAY_S]
        log_price = start + walk + missing * business_time / business_time[DAY_S]
        ticks = np.rint(np.exp(log_price)).astype(np.int64)
        return DaySeconds(ticks, traded_lots(self._seed, day, ticks))

    def _draw_orders(self, day: int) -> ForcedOrders:
        before = self.seconds_of(day - 1).ticks[DAY_S - LOOKBACK_S : DAY_S]
        return forced_orders(self.instrument, self._seed, day, before, self.seconds_of(day).ticks)

    def _events(self, day: int, start_ms: int, end_ms: int) -> list[LiquidationEvent]:
        orders, midnight_ms = self._orders_of(day), day * DAY_MS
        first, last = np.searchsorted(orders.in_day_ms, [start_ms - midnight_ms, end_ms - midnight_ms]).tolist()
        return [self._event(orders, row, midnight_ms) for row in range(first, last)]

    def _event(self, orders: ForcedOrders, row: int, midnight_ms: int) -> LiquidationEvent:
        ts_ms = midnight_ms + int(orders.in_day_ms[row])
        price = self.instrument.price(int(orders.ticks[row]))
        quantity = self.instrument.quantity(int(orders.lots[row]))
        return LiquidationEvent(
            ts_ms=ts_ms,
            symbol=self.instrument.symbol,
            side=Side.SELL if orders.is_long[row] else Side.BUY,
            price=price,
            qty=quantity,
            notional=price * quantity,
            source=Source.DEMO,
            order_price=self.instrument.price(int(orders.order_ticks[row])),
            order_qty=quantity,
            event_ms=ts_ms + PUSH_DELAY_MS,
        )
