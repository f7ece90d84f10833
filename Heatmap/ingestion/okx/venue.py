"""OKX as a venue."""

from __future__ import annotations

from typing import Final

from Heatmap.ingestion.okx import candles, endpoints, instruments
from Heatmap.ingestion.okx.session import OkxSession
from Heatmap.ingestion.venue import CandleApi, ConnectionPolicy, Venue

OKX: Final = Venue(
    name="OKX",
    policy=ConnectionPolicy(
        symbols_per_connection=200,
        push_delay_ms=60_000,  # liquidations come unordered, and now and then late
        request_pause_s=0.35,  # three requests a second are allowed
        keep_alive="ping",
        keep_alive_s=20.0,  # OKX closes a connection after 30 s without a message
    ),
    session=OkxSession,
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
    counts_contracts=True,
)
