"""The demo exchange of the program: a market in the protocol of Binance."""

from __future__ import annotations

from typing import TYPE_CHECKING

from Heatmap.clock import SYSTEM_CLOCK, Clock
from Heatmap.demo.binance import BinanceProtocol
from Heatmap.demo.server import PING_INTERVAL_S, DemoServer

if TYPE_CHECKING:
    from collections.abc import Iterable

    from Heatmap.demo.market import Market


class DemoExchange(DemoServer):
    """Serves a market in the protocol of Binance USD-M; see `BinanceProtocol` and `DemoServer`.

    Limits: 8,000 characters of an address, 1,024 streams a connection, ten client messages a second, request weight.
    """

    def __init__(
        self,
        market: Market,
        *,
        more_symbols: Iterable[str] = (),
        port: int = 0,
        clock: Clock = SYSTEM_CLOCK,
        ping_interval_s: float = PING_INTERVAL_S,
    ) -> None:
        protocol = BinanceProtocol(market, more_symbols=more_symbols, clock=clock)
        super().__init__(protocol, port=port, ping_interval_s=ping_interval_s)
