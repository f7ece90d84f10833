"""Collectors killed at random moments, and several on one file: what was flushed is there, once, and coverage is true.

``HEATMAP_TORTURE_RUNS=100`` repeats the killing so often, ``HEATMAP_TORTURE_S=60`` lets the crowd work so long; the
defaults are short.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import threading
import time
from contextlib import ExitStack, closing
from itertools import pairwise

import pytest
from support.collectors import HEARTBEAT_S, PATIENCE_S, Exchange, collector, ended

from Heatmap.clock import SYSTEM_CLOCK
from Heatmap.demo.wire import PUSH_DELAY_MS
from Heatmap.storage.sqlite.connection import open_reader
from Heatmap.storage.sqlite.database import SqliteDatabase
from Heatmap.storage.sqlite.sqlite_store import SqliteStore

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")

RUNS = int(os.environ.get("HEATMAP_TORTURE_RUNS", "0"))
CROWD_S = float(os.environ.get("HEATMAP_TORTURE_S", "4"))
FLUSH_S = 0.25
# What a loaded machine may add to any of these times.
SLACK_S = 3.0
KEY = "source, symbol, ts_ms, side, price, qty, order_price, order_qty"


def until(predicate):
    """Wait for what other processes do; the file itself is the only sign."""
    end_s = time.monotonic() + PATIENCE_S
    while not predicate():
        assert time.monotonic() < end_s
        time.sleep(0.002)


def stored(database, exchange):
    """Return the numbers of the events in a record that may not exist yet."""
    if not database.summary().series:
        return []
    with database.reader() as reader:
        return (reader.window("BTCUSDT", "binance", 0, 2**53).ts_ms - exchange.began_ms).tolist()


def found(database, query):
    with database.reader() as reader:
        return list(reader.query(query))


def is_sound(database):
    """Return False for a file that is damaged; a server checks its own."""
    if not isinstance(database, SqliteDatabase) or not database.path.exists():
        return True
    return one(database.path, "PRAGMA integrity_check") == [("ok",)]


def numbers(path, exchange):
    with SqliteStore(path) as store:
        columns = store.window("BTCUSDT", "binance", 0, 2**53)
    return (columns.ts_ms - exchange.began_ms).tolist()


def one(path, query):
    with closing(open_reader(path)) as connection:
        return connection.execute(query).fetchall()


@pytest.mark.timeout(120 + 6 * RUNS)
def test_killed_at_any_moment_it_has_lost_at_most_one_flush(database, capsys):
    runs = RUNS or (8 if isinstance(database, SqliteDatabase) else 4)
    chance = random.Random(11)
    late_ms, behind_ms = [], []
    with Exchange() as exchange:
        for run in range(runs):
            before = set(stored(database, exchange))
            began_ms = SYSTEM_CLOCK.now_ms()
            process = collector(database, exchange)
            with ended(process):
                if chance.random() < 0.8:
                    # No hand is needed: the next start records, whatever the last one left behind.
                    until(lambda before=before: len(stored(database, exchange)) > len(before))
                time.sleep(chance.uniform(0.0, 0.7))
                flushed = set(stored(database, exchange))
                killed_ms = SYSTEM_CLOCK.now_ms()
                process.send_signal(signal.SIGKILL)
            assert is_sound(database), run
            after = set(stored(database, exchange))
            assert flushed <= after, run
            new = sorted(after - before)
            if not new:
                continue
            # Without a hole, and up to a flush before the end.
            assert new == list(range(new[0], new[-1] + 1)), run
            late_ms.append(killed_ms - exchange.sent_ms[new[-1]])
            # Coverage never says more than was delivered, and lacks a heartbeat at most.
            stretches = found(database, f"SELECT start_ms, end_ms FROM coverage WHERE end_ms >= {began_ms}")  # noqa: S608
            assert all(began_ms - 1000 <= start_ms <= end_ms <= SYSTEM_CLOCK.now_ms() for start_ms, end_ms in stretches)
            if stretches:
                behind_ms.append(killed_ms - max(end_ms for _, end_ms in stretches))
        assert found(database, f"SELECT count(*) FROM (SELECT DISTINCT {KEY} FROM liq_events) AS different") == found(  # noqa: S608
            database, "SELECT count(*) FROM liq_events"
        )
    assert len(late_ms) > runs / 3
    assert max(late_ms) <= (FLUSH_S + SLACK_S) * 1000
    # The exchange may push a liquidation that late, and so that much is never claimed.
    assert max(behind_ms) <= (HEARTBEAT_S + SLACK_S) * 1000 + PUSH_DELAY_MS
    with capsys.disabled():
        sys.stdout.write(
            f"\n{runs} kills: the newest stored event was at most {max(late_ms)} ms old (flush: {FLUSH_S * 1000:.0f}),"
            f" coverage at most {max(behind_ms)} ms behind (heartbeat: {HEARTBEAT_S * 1000:.0f}, push delay:"
            f" {PUSH_DELAY_MS})\n"
        )


class Reader:
    """Reads on and on, on a thread of its own."""

    def __init__(self, path):
        self.path = path
        self.ends = threading.Event()
        self.thread = threading.Thread(target=self.run)
        self.failure = None
        self.longest_s, self.reads = 0.0, 0

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.ends.set()
        self.thread.join()

    def run(self):
        try:
            with SqliteStore(self.path) as store:
                self.read(store)
        except BaseException as error:  # noqa: BLE001 - told by the test's own thread
            self.failure = error

    def read(self, store):
        seen = store.window("BTCUSDT", "binance", 0, 2**53)
        while not self.ends.is_set():
            before_s = time.perf_counter()
            store.data_version()
            tail = store.tail("BTCUSDT", "binance", seen.last_row_id)
            store.coverage("BTCUSDT", "binance", 0, 2**53)
            self.longest_s = max(self.longest_s, time.perf_counter() - before_s)
            self.reads += 1
            seen = seen.merged(tail)
        whole = store.window("BTCUSDT", "binance", 0, 2**53)
        assert set(seen.ts_ms.tolist()) <= set(whole.ts_ms.tolist())
        assert len(set(seen.ts_ms.tolist())) == len(seen)


@pytest.mark.timeout(120 + 3 * CROWD_S)
def test_two_collectors_and_three_readers_on_one_file(tmp_path, capsys, monkeypatch):
    path = tmp_path / "record.sqlite3"
    with Exchange() as exchange, ExitStack() as stack:
        first, second = collector(path, exchange), collector(path, exchange)
        stack.enter_context(ended(first, second))
        until(lambda: path.exists() and numbers(path, exchange))
        # From here on a reader that would have to wait for a lock fails at once.
        monkeypatch.setattr("Heatmap.storage.sqlite.connection.BUSY_TIMEOUT_MS", 0)
        readers = [stack.enter_context(Reader(path)) for _ in range(3)]
        time.sleep(CROWD_S / 2)
        ((holder,),) = one(path, "SELECT pid FROM collector")
        dying, heir = (first, second) if holder == first.pid else (second, first)
        died = len(numbers(path, exchange))
        killed_s = time.monotonic()
        dying.send_signal(signal.SIGKILL)
        until(lambda: len(numbers(path, exchange)) > died + 300)
        succession_s = time.monotonic() - killed_s
        assert one(path, "SELECT pid FROM collector") == [(heir.pid,)]
        time.sleep(CROWD_S / 2)
        heir.send_signal(signal.SIGTERM)
        assert heir.wait(PATIENCE_S) == 0
        stored = numbers(path, exchange)
    assert [reader.failure for reader in readers] == [None] * 3
    assert len(stored) == len(set(stored))
    stretches = one(path, "SELECT start_ms, end_ms FROM coverage ORDER BY start_ms")
    # No time is covered by both.
    assert all(before[1] <= after[0] for before, after in pairwise(stretches))
    assert one(path, "PRAGMA integrity_check") == [("ok",)]
    with capsys.disabled():
        sys.stdout.write(
            f"\n{len(stored)} rows, {sum(reader.reads for reader in readers)} reads without a wait for a lock, the"
            f" longest {max(reader.longest_s for reader in readers) * 1000:.0f} ms; succession and 300 rows after"
            f" {succession_s:.1f} s\n"
        )
