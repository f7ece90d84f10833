"""A program that shows a record: ``python copy_reader.py ADDRESS count ROWS`` or ``… ADDRESS forks``.

``count`` prints a line when it is ready, and in the end when its columns had how many rows, by the monotonic clock.
``forks`` makes a process that only copies for each line of input, and prints its number.
"""

from __future__ import annotations

import json
import os
import sys
import threading

from Heatmap.clock import SYSTEM_CLOCK
from Heatmap.rendering.event_window import EventWindow
from Heatmap.storage.database import database_of
from Heatmap.storage.postgres import copy_steps
from Heatmap.storage.sqlite.sqlite_store import POLL_S

T = 1_790_000_000_000


def answer(value):
    sys.stdout.write(f"{json.dumps(value)}\n")
    sys.stdout.flush()


def copying(database, on_change):
    copy = database.copy(SYSTEM_CLOCK, on_change)
    if copy is not None:
        copy.want("binance", ["BTCUSDT"])
        copy.start()
    return copy


def count(database, rows):
    changed, seen, found = threading.Event(), [], 0
    copy = copying(database, changed.set)
    window = EventWindow(database.local_path)
    is_ready = False
    while found < rows:
        if not is_ready and (copy is None or copy.state().is_current):
            is_ready = True
            answer("ready")
        # As the map does: it is woken by a service's own commits, and polls for those of other programs.
        changed.wait(POLL_S)
        changed.clear()
        window.refresh("BTCUSDT", "binance", T)
        if len(window.columns) > found:
            found = len(window.columns)
            seen.append((SYSTEM_CLOCK.monotonic_s(), found))
    window.close()
    answer(seen)
    if copy is not None:
        copy.stop()


def forks(database):
    copy_steps.CHUNK_ROWS = copy_steps.OLDER_ROWS = 50
    answer("ready")
    for _ in sys.stdin:
        child = os.fork()
        if not child:
            copying(database, lambda: None)
            threading.Event().wait()
        answer(child)


database = database_of(sys.argv[1])
if sys.argv[2] == "count":
    count(database, int(sys.argv[3]))
else:
    forks(database)
