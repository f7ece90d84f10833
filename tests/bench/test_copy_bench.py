"""One collector and programs that show its record: from the commit to the rows in each program's columns.

All are processes on one machine; on a server each reader has a copy of its own, as on ten desktops. The readers of a
file poll it, as programs do that do not record themselves. ``HEATMAP_BENCH_S=60 HEATMAP_BENCH_READERS=10`` is the long
form; its budget on a server is 50 ms for the half and 250 ms for 99 of 100.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from bisect import bisect_left
from pathlib import Path

import numpy as np
import pytest
from support.record import T, event

from Heatmap.clock import SYSTEM_CLOCK
from Heatmap.reports import CollectorReport, ConnectionState, ServiceStatus
from Heatmap.storage.writer import EventWriter

SECONDS = float(os.environ.get("HEATMAP_BENCH_S", "1"))
READERS = int(os.environ.get("HEATMAP_BENCH_READERS", "3"))
RATE_PER_S = 200
READER = Path(__file__).parents[1] / "support" / "copy_reader.py"

pytestmark = pytest.mark.benchmark(group=f"commit to columns of {READERS} readers at {RATE_PER_S} events/s")


def started(folder, address, rows):
    environment = {**os.environ, "XDG_DATA_HOME": str(folder)}
    return subprocess.Popen(
        [sys.executable, "-P", READER, address, "count", str(rows)],
        env=environment, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip


def test_readers(benchmark, database, tmp_path):
    address = getattr(database, "address", None)
    address = str(database.path) if address is None else address.conninfo
    with database.importer():
        pass
    rows, commits = round(SECONDS * RATE_PER_S), []
    readers = [started(tmp_path / str(number), address, rows) for number in range(READERS)]
    for reader in readers:
        assert json.loads(reader.stdout.readline()) == "ready"

    def note():
        commits.append((SYSTEM_CLOCK.monotonic_s(), writer.stats().inserted))

    live = ServiceStatus(ConnectionState.LIVE)
    report = CollectorReport("binance", ("BTCUSDT",), "run", "host", os.getpid(), T, live)
    writer = EventWriter(database, report=lambda: report, on_change=note)
    writer.start()
    pause = threading.Event()

    def measured():
        began_s = SYSTEM_CLOCK.monotonic_s()
        for number in range(rows):
            pause.wait(max(0.0, began_s + number / RATE_PER_S - SYSTEM_CLOCK.monotonic_s()))
            assert writer.put(event(number), timeout_s=10)
        assert writer.stop() == 0
        return [json.loads(reader.stdout.readline()) for reader in readers]

    found = benchmark.pedantic(measured, rounds=1)
    for reader in readers:
        with reader:
            assert reader.wait(30) == 0
    delays_ms = []
    for seen in found:
        counts = [count for _, count in seen]
        assert counts[-1] == rows
        before = 0
        for at_s, count in commits:
            if count > before:
                before = count
                delays_ms.append((seen[bisect_left(counts, count)][0] - at_s) * 1000)
    half, most, longest = np.percentile(delays_ms, [50, 99, 100])
    benchmark.extra_info.update(p50_ms=half, p99_ms=most, max_ms=longest, commits=len(commits))
    sys.stdout.write(f"\n{type(database).__name__}: p50 {half:.1f} ms, p99 {most:.1f} ms, longest {longest:.1f} ms\n")
