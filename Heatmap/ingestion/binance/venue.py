"""Binance USD-M as a venue."""

from __future__ import annotations

from typing import Final

from Heatmap.ingestion import addresses
from Heatmap.ingestion.binance import endpoints, exchange_info, forceorder, kline
from Heatmap.ingestion.binance.session import BinanceSession
from Heatmap.ingestion.venue import CandleApi, ConnectionPolicy, Venue

_STREAMS_PER_SYMBOL: Final = 2  # liquidations, and the mark price as the heartbeat

BINANCE: Final = Venue(
    name="Binance USD-M",
    policy=ConnectionPolicy(
        symbols_per_connection=endpoints.MAX_STREAMS // _STREAMS_PER_SYMBOL,
        max_frame_bytes=forceorder.MAX_FRAME_BYTES,
        push_delay_ms=2000,  # recorded frames: 1,007 to 1,012 ms
        request_pause_s=0.25,  # ten messages a second are allowed, pings and pongs among them
    ),
    session=BinanceSession,
    base_urls=endpoints.base_urls,
    normalise_symbol=addresses.normalise_symbol,
    instruments_url=endpoints.exchange_info_url,
    decode_instruments=exchange_info.decode,
    candles=CandleApi(
        max_rows=kline.MAX_ROWS,
        stream=kline.stream,
        history_url=kline.history_url,
        decode_update=kline.decode_update,
        decode_history=kline.decode_history,
        is_unknown_symbol=kline.is_unknown_symbol,
    ),
)
