"""One market behind several venues: all its liquidations, and those that happen at one venue as it reports them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np
from msgspec import structs

from Heatmap.demo.market import Market
from Heatmap.demo.price_series import MINUTE_MS, SECOND_MS

if TYPE_CHECKING:
    from Heatmap.events import LiquidationEvent, Source

# Orders that follow one of the market's within its second: the more of them, the larger it is.
_USD_PER_FOLLOWER = 6_000.0
_MOST_FOLLOWERS = 30
_FOLLOW_MS = 900


@dataclass(frozen=True, slots=True)
class PlacedOrder:
    """A liquidation of the whole market; ``place`` in [0, 1) decides at which venue it happens."""

    place: float
    event: LiquidationEvent


class WholeMarket:
    """All liquidations of a market, at all venues together.

    A simulated market has one a second at most. Here others follow each within its second, on the same side at the
    market's price, smaller than it: large ones come in bursts. A function of ``seed`` and time.
    """

    def __init__(self, market: Market, seed: int = 7) -> None:
        self.market = market
        self._seed = seed
        self._minute = lru_cache(256)(self._draw_minute)

    def orders(self, start_ms: int, end_ms: int) -> list[PlacedOrder]:
        """Return the orders with ``start_ms <= ts_ms < end_ms`` in order of time."""
        minutes = range((start_ms - SECOND_MS) // MINUTE_MS, (end_ms - 1) // MINUTE_MS + 1)
        drawn = chain.from_iterable(self._minute(minute) for minute in minutes)
        return [order for order in drawn if start_ms <= order.event.ts_ms < end_ms]

    def _draw_minute(self, minute: int) -> list[PlacedOrder]:
        events = self.market.liquidations(minute * MINUTE_MS, (minute + 1) * MINUTE_MS)
        return list(chain.from_iterable(self._burst(event) for event in events))

    def _burst(self, event: LiquidationEvent) -> list[PlacedOrder]:
        rng = np.random.default_rng((self._seed, event.ts_ms))
        followers = min(int(rng.poisson(min(event.notional / _USD_PER_FOLLOWER, _MOST_FOLLOWERS))), _MOST_FOLLOWERS)
        places = rng.random(1 + followers).tolist()
        after_ms = np.sort(rng.choice(_FOLLOW_MS, followers, replace=False) + 1).tolist()
        parts = rng.beta(0.6, 3.0, followers).tolist()
        burst = [PlacedOrder(places[0], event)]
        for place, later_ms, part in zip(places[1:], after_ms, parts, strict=True):
            burst.append(PlacedOrder(place, self._follower(event, later_ms, part)))
        return burst

    def _follower(self, event: LiquidationEvent, later_ms: int, part: float) -> LiquidationEvent:
        instrument, ts_ms = self.market.instrument, event.ts_ms + later_ms
        price = self.market.price_at(ts_ms)
        beyond = (event.order_price or event.price) / event.price
        order_price = instrument.price(round(price * beyond * instrument.ticks_per_unit))
        qty = instrument.quantity(max(round(event.qty * part * instrument.lots_per_unit), 1))
        return structs.replace(
            event, ts_ms=ts_ms, price=price, qty=qty, notional=price * qty, order_price=order_price, order_qty=qty,
            event_ms=None,
        )  # fmt: skip


class VenueMarket(Market):
    """The part of a market that one venue has: the orders whose place is in ``places``, at the market's prices.

    ``places`` is ``[first, last)`` within [0, 1). A venue that is not ``is_complete`` publishes the largest order of
    each second only. Prices are those that the venue publishes: fills, or the orders' (see `Source.reports_fills`).
    """

    def __init__(self, whole: WholeMarket, source: Source, places: tuple[float, float], *, is_complete: bool) -> None:
        prices = whole.market
        super().__init__(
            prices.instrument, prices.seconds_of, earliest_ms=prices.earliest_ms, contained=prices.contained
        )
        self.source = source
        self._whole = whole
        self._first, self._last = places
        self._is_complete = is_complete

    def happened(self, start_ms: int, end_ms: int) -> list[LiquidationEvent]:
        """Return all liquidations at this venue, published or not, with ``start_ms <= ts_ms < end_ms``."""
        orders = self._whole.orders(start_ms, end_ms)
        return [self._reported(order.event) for order in orders if self._first <= order.place < self._last]

    def liquidations(self, start_ms: int, end_ms: int) -> list[LiquidationEvent]:
        """Return the liquidations that the venue publishes; see `Market.liquidations`."""
        if self._is_complete:
            return self.happened(start_ms, end_ms)
        # Whole seconds, so that any range gives the same as the ranges it is made of.
        largest: dict[int, LiquidationEvent] = {}
        for event in self.happened(start_ms - start_ms % SECOND_MS, -(-end_ms // SECOND_MS) * SECOND_MS):
            second = event.ts_ms // SECOND_MS
            if second not in largest or event.notional > largest[second].notional:
                largest[second] = event
        return [event for event in largest.values() if start_ms <= event.ts_ms < end_ms]

    def _reported(self, event: LiquidationEvent) -> LiquidationEvent:
        price = event.price if self.source.reports_fills else event.order_price or event.price
        return structs.replace(event, source=self.source, price=price, notional=price * event.qty)
