"""A recorder without a screen, and the record as a table in pandas.

Usage: ``python headless_recorder.py [SECONDS]`` records for so long (10), or until Ctrl+C.
"""

from __future__ import annotations

import contextlib
import sys
import time

import pandas as pd

import Heatmap
from Heatmap.errors import HeatmapError

service = Heatmap.HeatmapService(symbols=["BTCUSDT"])  # into the user's data folder
service.start()
with contextlib.suppress(KeyboardInterrupt):
    time.sleep(float(sys.argv[1]) if len(sys.argv) > 1 else 10)
service.stop()
print(service.status().received, "liquidations arrived.", service.status().detail)

try:
    with Heatmap.open_record() as record:
        events = pd.DataFrame(record.events("BTCUSDT"))
        spans = record.coverage("BTCUSDT")
except HeatmapError as error:
    sys.exit(error.short)
events["time"] = pd.to_datetime(events.ts_ms, unit="ms", utc=True)
events["side"] = events.is_long.map({True: "longs", False: "shorts"})
print(events.pivot_table(index=events.time.dt.floor("h"), columns="side", values="notional", aggfunc="sum").tail(24))
print(f"recorded: {(spans[:, 1] - spans[:, 0]).sum() / 3_600_000:.2f} hours; elsewhere nothing is known")
