"""A recorder with a host's code beside it.

``python recorder_child.py DATABASE`` takes one order a line and answers each with one line of JSON.
"""

from __future__ import annotations

import json
import shutil
import sys
import threading
import time
from contextlib import closing
from pathlib import Path

from PyQt6.QtCore import QCoreApplication
from PyQt6.QtSql import QSqlDatabase

from Heatmap.errors import StorageError
from Heatmap.events import LiquidationEvent, Side
from Heatmap.storage.sqlite.connection import open_reader
from Heatmap.storage.sqlite.sqlite_store import SqliteStore
from Heatmap.storage.writer import EventWriter

T = 1_790_000_000_000
FLUSH_MS = 50


def answer(value):
    sys.stdout.write(f"{json.dumps(value)}\n")
    sys.stdout.flush()


def tell():
    with changed:
        changed.notify_all()


def wait(predicate):
    with changed:
        changed.wait_for(predicate)


def store(first, count):
    before = writer.stats().inserted
    for number in range(first, first + count):
        event = LiquidationEvent(T + number, "BTCUSDT", Side.SELL, 85_000.5, 0.25, 85_000.5 * 0.25)
        while not writer.put(event, timeout_s=10):
            pass
    wait(lambda: writer.stats().inserted >= before + count)


def settle():
    """Wait for one flush after the last commit: so much a kill may cost."""
    time.sleep(3 * FLUSH_MS / 1000)


def qt():
    database = QSqlDatabase.addDatabase("QSQLITE", "host")
    database.setDatabaseName(str(path))
    opened = database.open()
    database.tables()
    database.close()
    del database
    QSqlDatabase.removeDatabase("host")
    return opened


def copy():
    shutil.copy(path, path.with_name("copy.sqlite3"))


def read():
    """Read as the map does, by a connection that stays."""
    try:
        return len(reader.window("BTCUSDT", "binance", T, T + 10**9))
    except StorageError:
        return None


def look():
    """Read as a report does, by a connection of its own."""
    try:
        with closing(open_reader(path)) as connection:
            return connection.execute("SELECT count(*) FROM liq_events").fetchone()[0]
    except StorageError:
        return None


def state():
    stats = writer.stats()
    return {"problem": stats.problem, "notice": stats.notice, "inserted": stats.inserted}


application = QCoreApplication([])
path = Path(sys.argv[1])
changed = threading.Condition()
writer = EventWriter(path, flush_ms=FLUSH_MS, on_change=tell)
writer.start()
reader = SqliteStore(path)
orders = {"store": store, "settle": settle, "qt": qt, "copy": copy, "read": read, "look": look, "state": state}
for line in sys.stdin:
    order, *values = line.split()
    if order == "stop":
        break
    answer(orders[order](*map(int, values)))
reader.close()
answer(writer.stop())
