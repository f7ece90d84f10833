"""Gate as a venue."""

from __future__ import annotations

from typing import Final

from Heatmap.ingestion.gate import candles, endpoints, instruments, liq_orders
from Heatmap.ingestion.gate.session import PING, GateSession
from Heatmap.ingestion.venue import BackFill, CandleApi, ConnectionPolicy, Venue

GATE: Final = Venue(
    name="Gate",
    policy=ConnectionPolicy(
        symbols_per_connection=200,
        push_delay_ms=3000,  # liquidations are pushed in batches of a second
        request_pause_s=0.25,
        keep_alive=PING,
        keep_alive_s=15.0,
        headers={"X-Gate-Size-Decimal": "1"},  # without it fractions of contracts are cut off
    ),
    session=GateSession,
    base_urls=endpoints.base_urls,
    normalise_symbol=endpoints.normalise_symbol,
    instruments_url=endpoints.contracts_url,
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
    back_fill=BackFill(window_s=liq_orders.WINDOW_S, url=liq_orders.url, decode=liq_orders.decode),
)
