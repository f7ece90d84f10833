"""Binance USD-M as a venue; see `Heatmap.ingestion.venue.Venue`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from Heatmap.ingestion.binance import endpoints, exchange_info, forceorder, kline
from Heatmap.ingestion.binance.session import BinanceSession
from Heatmap.ingestion.venue import CandleSource, ConnectionPolicy, Instruments, Venue

if TYPE_CHECKING:
    from collections.abc import Collection

_STREAMS_PER_SYMBOL: Final = 2  # liquidations, and the mark price as the heartbeat

POLICY: Final = ConnectionPolicy(
    symbols_per_connection=endpoints.MAX_STREAMS // _STREAMS_PER_SYMBOL,
    max_frame_bytes=forceorder.MAX_FRAME_BYTES,
    rotate_after_s=23 * 3600.0,  # the exchange ends each connection after 24 hours
    push_delay_ms=2000,  # recorded frames: 1,007 to 1,012 ms
    request_pause_s=0.25,  # of ten messages a second, four; the others are left for pings and pongs
)


class Binance(Venue):
    """Binance USD-M futures."""

    name = "Binance USD-M"
    candles: CandleSource = kline

    def __init__(self, policy: ConnectionPolicy = POLICY) -> None:
        self._policy = policy

    @property
    def policy(self) -> ConnectionPolicy:
        """See `Venue.policy`."""
        return self._policy

    def base_urls(self, ws_url: str | None, rest_url: str | None) -> tuple[str, str]:
        """See `Venue.base_urls`."""
        return (
            endpoints.normalise_ws_base(ws_url or endpoints.DEFAULT_WS_URL),
            endpoints.normalise_rest_base(rest_url or endpoints.DEFAULT_REST_URL),
        )

    def normalise_symbol(self, text: str) -> str:
        """See `Venue.normalise_symbol`."""
        return endpoints.normalise_symbol(text)

    def session(
        self, ws_url: str, symbols: Collection[str] | None, *, source: str, keep_raw: bool = False
    ) -> BinanceSession:
        """See `Venue.session`."""
        return BinanceSession(ws_url, symbols, source=source, keep_raw=keep_raw)

    def instruments_url(self, rest_url: str) -> str:
        """See `Venue.instruments_url`."""
        return endpoints.exchange_info_url(rest_url)

    def decode_instruments(self, body: bytes) -> Instruments:
        """See `Venue.decode_instruments`."""
        return exchange_info.decode(body)
