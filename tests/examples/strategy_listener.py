"""Strategy code that listens: the same rule on the record, in the order of receipt, and on what comes.

Usage: ``python strategy_listener.py [SECONDS]`` listens for so long (10), or until Ctrl+C.
"""

from __future__ import annotations

import asyncio
import sys
from collections import deque

import Heatmap
from Heatmap.errors import HeatmapError

last_minute = deque()


def is_cascade(event) -> bool:
    """Return True while the longs liquidated within a minute are worth a million dollars or more."""
    if event.is_long:
        last_minute.append(event)
    while last_minute and last_minute[0].received_ms < event.received_ms - 60_000:
        last_minute.popleft()
    return sum(past.notional for past in last_minute) >= 1_000_000


async def listen() -> None:
    async for event in service.events():
        print(event.symbol, event.side, event.price, event.notional, is_cascade(event), flush=True)


try:
    with Heatmap.open_record() as record:
        print(sum(map(is_cascade, record.replay("BTCUSDT", delay_ms=1000))), "signals in the past")
except HeatmapError as error:  # the first start has no past
    print(error.short)
service = Heatmap.HeatmapService(symbols=["BTCUSDT"])
service.start()
try:
    asyncio.run(asyncio.wait_for(listen(), float(sys.argv[1]) if len(sys.argv) > 1 else 10))
except (TimeoutError, KeyboardInterrupt):
    service.stop()
