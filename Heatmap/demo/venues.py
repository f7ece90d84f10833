"""The venues of the demo: one market behind the protocols of all of them, each on a port of its own."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, Final, Self

from Heatmap.clock import SYSTEM_CLOCK, Clock
from Heatmap.demo.binance import BinanceProtocol
from Heatmap.demo.bybit import BybitProtocol
from Heatmap.demo.gate import GateProtocol
from Heatmap.demo.okx import OkxProtocol
from Heatmap.demo.server import DemoServer
from Heatmap.demo.venue_market import VenueMarket, WholeMarket
from Heatmap.events import Source

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from Heatmap.demo.market import Market
    from Heatmap.demo.protocol import VenueProtocol


@dataclass(frozen=True, slots=True)
class DemoVenue:
    """A venue's protocol, its part of all liquidations, and whether it publishes each or one a second at most."""

    protocol: type[VenueProtocol]
    share: float
    is_complete: bool


# The order decides which liquidations are whose. Shares as in an hour of August 2026; the rest happens elsewhere.
DEMO_VENUES: Final[dict[Source, DemoVenue]] = {
    Source.BINANCE: DemoVenue(BinanceProtocol, share=0.33, is_complete=False),
    Source.BYBIT: DemoVenue(BybitProtocol, share=0.21, is_complete=True),
    Source.OKX: DemoVenue(OkxProtocol, share=0.03, is_complete=False),
    Source.GATE: DemoVenue(GateProtocol, share=0.05, is_complete=True),
}


def venue_markets(market: Market) -> dict[Source, VenueMarket]:
    """Return the part of a market that each venue of `DEMO_VENUES` has."""
    whole = WholeMarket(market)
    ends = list(accumulate(venue.share for venue in DEMO_VENUES.values()))
    return {
        source: VenueMarket(whole, source, (end - venue.share, end), is_complete=venue.is_complete)
        for (source, venue), end in zip(DEMO_VENUES.items(), ends, strict=True)
    }


class DemoVenues:
    """Servers of some venues, in the order given, over one market; a context manager that starts and stops them.

    ``more_symbols`` and ``clock`` as for `VenueProtocol`.
    """

    def __init__(
        self,
        market: Market,
        sources: Collection[Source] = tuple(DEMO_VENUES),
        *,
        more_symbols: Iterable[str] = (),
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        symbols, markets = tuple(more_symbols), venue_markets(market)
        self.markets = {source: markets[source] for source in sources}
        self.servers = {
            source: DemoServer(
                DEMO_VENUES[source].protocol(markets[source], more_symbols=symbols, clock=clock), name=source
            )
            for source in sources
        }
        self._running = ExitStack()

    def __enter__(self) -> Self:
        """Start all."""
        with ExitStack() as stack:
            for server in self.servers.values():
                stack.enter_context(server)
            self._running = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop all."""
        self._running.close()
