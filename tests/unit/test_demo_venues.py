"""One market behind several venues: each order at one of them, large ones in bursts, some publish one a second."""

from __future__ import annotations

import socket
from collections import Counter
from itertools import pairwise

import pytest

from Heatmap.demo.market import SimulatedMarket
from Heatmap.demo.price_series import MINUTE_MS, SECOND_MS
from Heatmap.demo.venue_market import VenueMarket, WholeMarket
from Heatmap.demo.venues import DEMO_VENUES, DemoVenues, venue_markets
from Heatmap.events import Source

NOW = 1_795_003_205_250
START = NOW - 240 * MINUTE_MS


@pytest.fixture(scope="module")
def whole():
    return WholeMarket(SimulatedMarket())


def test_every_order_happens_at_one_place_at_the_market_s_price(whole):
    orders = whole.orders(START, NOW)
    market = whole.market
    assert all(order.event.price == market.price_at(order.event.ts_ms) for order in orders)
    assert all(0 <= order.place < 1 for order in orders)
    times = [order.event.ts_ms for order in orders]
    assert times == sorted(times)
    halves = [VenueMarket(whole, Source.BYBIT, ends, is_complete=True) for ends in ((0, 0.5), (0.5, 1))]
    parts = [event for half in halves for event in half.happened(START, NOW)]
    assert len(parts) == len(orders)
    assert sum(event.qty for event in parts) == pytest.approx(sum(order.event.qty for order in orders))
    # The market's own orders are all there, and bring others with them.
    own = {event.ts_ms for event in market.liquidations(START, NOW)}
    assert own <= set(times)
    assert len(orders) > 1.5 * len(own)


def test_a_range_is_the_sum_of_its_parts(whole):
    cuts = range(START, START + 30 * MINUTE_MS, 7_321)
    for is_complete in (True, False):
        venue = VenueMarket(whole, Source.OKX, (0.2, 0.9), is_complete=is_complete)
        parts = [event for a, b in pairwise(cuts) for event in venue.liquidations(a, b)]
        assert parts == venue.liquidations(cuts[0], cuts[-1])
        assert parts


def test_a_venue_that_is_not_complete_publishes_the_largest_of_each_second(whole):
    venue = VenueMarket(whole, Source.BINANCE, (0, 0.6), is_complete=False)
    published, happened = venue.liquidations(START, NOW), venue.happened(START, NOW)
    assert max(Counter(event.ts_ms // SECOND_MS for event in published).values()) == 1
    assert len({event.ts_ms // SECOND_MS for event in happened}) == len(published)
    hidden = 1 - sum(event.notional for event in published) / sum(event.notional for event in happened)
    assert 0.05 < hidden < 0.9


def test_a_venue_without_fills_publishes_the_orders_prices(whole):
    fills = VenueMarket(whole, Source.BINANCE, (0, 1), is_complete=True).happened(START, NOW)
    orders = VenueMarket(whole, Source.BYBIT, (0, 1), is_complete=True).happened(START, NOW)
    assert [event.price for event in orders] == [event.order_price for event in fills]
    assert {event.source for event in orders} == {"bybit"}
    assert all(event.notional == event.price * event.qty for event in orders)


def test_the_shares_of_all_venues_are_parts_of_one():
    assert sum(venue.share for venue in DEMO_VENUES.values()) <= 1
    markets = venue_markets(SimulatedMarket())
    assert set(markets) == set(DEMO_VENUES)
    seen = Counter(
        (event.ts_ms, event.qty)
        for market in markets.values()
        for event in market.happened(START, START + MINUTE_MS * 9)
    )
    assert max(seen.values()) == 1


def test_each_venue_listens_on_a_port_of_its_own_and_none_is_left():
    with DemoVenues(SimulatedMarket()) as venues:
        ports = {int(server.rest_url.rpartition(":")[2]) for server in venues.servers.values()}
        assert len(ports) == len(DEMO_VENUES)
        for port in ports:
            socket.create_connection(("127.0.0.1", port)).close()
    for port in ports:
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port))
