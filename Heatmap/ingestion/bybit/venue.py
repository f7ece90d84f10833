"""Bybit as a venue."""

from __future__ import annotations

from typing import Final

from Heatmap.ingestion.bybit import candles, endpoints, instruments
from Heatmap.ingestion.bybit.session import PING, BybitSession
from Heatmap.ingestion.venue import CandleApi, ConnectionPolicy, Venue

BYBIT: Final = Venue(
    name="Bybit",
    policy=ConnectionPolicy(
        # A connection may have topics of 21,000 characters in all: two of a symbol have 40 to 80.
        symbols_per_connection=250,
        push_delay_ms=2000,  # pushed every 500 ms; recorded frames: 424 to 490 ms
        request_pause_s=0.25,
        keep_alive=PING,
        keep_alive_s=20.0,
    ),
    session=BybitSession,
    base_urls=endpoints.base_urls,
    normalise_symbol=endpoints.normalise_symbol,
    instruments_url=endpoints.instruments_url,
    decode_instruments=instruments.decode,
    candles=CandleApi(
        max_rows=candles.MAX_ROWS,
        stream=candles.stream,
        history_url=candles.history_url,
        decode_update=candles.decode_update,
        decode_history=candles.decode_history,
        is_unknown_symbol=candles.is_unknown_symbol,
    ),
    has_stream_of_all=False,
)
