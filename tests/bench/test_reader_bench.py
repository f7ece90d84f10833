"""A window of the record to NumPy columns: 100,000 and 1,000,000 rows, against the routes that others would take.

A server may take twice as long as a file.

``HEATMAP_BENCH_ROWS=1000000`` chooses the size. The budget is 60 ms for 1e5 rows and 0.6 s for 1e6 on a small machine;
ratios between the routes of one run say more. apsw and ADBC take part where they are installed.
"""

from __future__ import annotations

import os
import random
import time
from contextlib import closing

import numpy as np
import pytest

from Heatmap.storage.database import database_of
from Heatmap.storage.postgres.migrations import open_record
from Heatmap.storage.sqlite.connection import open_reader
from Heatmap.storage.sqlite.migrations import open_database
from Heatmap.storage.sqlite.sqlite_store import SqliteStore

T = 1_790_000_000_000
ROWS = int(os.environ.get("HEATMAP_BENCH_ROWS", "100000"))
WHERE = (
    "FROM liq_events WHERE source = 'binance' AND symbol = 'BTCUSDT' AND ts_ms >= ? AND ts_ms < ? ORDER BY ts_ms, id"
)
PLAIN = f"SELECT ts_ms, price, notional, side = 'SELL' {WHERE}"
SIGNED = f"SELECT ts_ms, price, iif(side = 'SELL', notional, -notional) {WHERE}"
INSERT = """
    INSERT INTO liq_events
        (ts_ms, symbol, side, price, qty, notional, source, order_price, order_qty, event_ms, received_ms)
    VALUES (?, ?, ?, ?, ?, ?, 'binance', ?, ?, ?, ?)
"""

pytestmark = pytest.mark.benchmark(group=f"window of {ROWS:,} rows to columns")


def rows():
    chance = random.Random(3)
    for number in range(ROWS):
        ts_ms = T + number * 500
        price, qty = round(85_000 + chance.gauss(0, 500), 1), round(0.001 + chance.paretovariate(1.2) / 100, 3)
        side = "SELL" if chance.random() < 0.5 else "BUY"
        yield ts_ms, "BTCUSDT", side, price, qty, price * qty, price, qty, ts_ms + 900, ts_ms + 930


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    path = tmp_path_factory.mktemp("read") / "record.sqlite3"
    with closing(open_database(path)) as connection:
        connection.execute("BEGIN")
        connection.executemany(INSERT, rows())
        connection.execute("COMMIT")
    return path


@pytest.fixture(scope="module")
def server(cluster):
    database = database_of(cluster.create("reader_bench"))
    names = INSERT.partition("(")[2].partition(")")[0]
    with closing(open_record(database.address, creates=True)) as connection:
        with connection.raw.cursor() as cursor, cursor.copy(f"COPY liq_events ({names}) FROM STDIN") as copy:
            for *begin, order_price, order_qty, event_ms, received_ms in rows():
                copy.write_row((*begin, "binance", order_price, order_qty, event_ms, received_ms))
        connection.raw.execute("ANALYZE liq_events")
    yield database
    cluster.drop("reader_bench")


def best_s(read):
    times = []
    for _ in range(7):
        began_s = time.perf_counter()
        columns = read("BTCUSDT", "binance", 0, 2 * T)
        times.append(time.perf_counter() - began_s)
        assert len(columns) == ROWS
    return min(times)


def test_server(benchmark, server):
    with server.reader() as reader:
        columns = benchmark(reader.window, "BTCUSDT", "binance", 0, 2 * T)
    assert len(columns) == ROWS


def test_a_server_takes_at_most_twice_as_long_as_a_file(stored, server):
    with SqliteStore(stored) as store, server.reader() as reader:
        file_s, server_s = best_s(store.window), best_s(reader.window)
    assert server_s <= 2 * file_s, (file_s, server_s)


def test_store(benchmark, stored):
    with SqliteStore(stored) as store:
        columns = benchmark(store.window, "BTCUSDT", "binance", 0, 2 * T)
    assert len(columns) == ROWS


def test_peer_fetchall(benchmark, stored):
    def read(connection):
        columns = zip(*connection.execute(PLAIN, (0, 2 * T)).fetchall(), strict=True)
        return [np.array(column) for column in columns]

    with closing(open_reader(stored)) as connection:
        assert len(benchmark(read, connection)[0]) == ROWS


def test_peer_apsw(benchmark, stored):
    apsw = pytest.importorskip("apsw")

    def read(connection):
        table = np.fromiter(
            (value for row in connection.execute(SIGNED, (0, 2 * T)) for value in row), np.float64
        ).reshape(-1, 3)
        return table[:, 0].astype(np.int64), table[:, 1].copy(), np.abs(table[:, 2]), table[:, 2] > 0

    connection = apsw.Connection(str(stored), flags=apsw.SQLITE_OPEN_READONLY)
    assert len(benchmark(read, connection)[0]) == ROWS
    connection.close()


def test_peer_adbc(benchmark, stored):
    dbapi = pytest.importorskip("adbc_driver_sqlite.dbapi")
    pytest.importorskip("pyarrow")

    def read(cursor):
        cursor.execute(PLAIN, (0, 2 * T))
        table = cursor.fetch_arrow_table()
        return [column.to_numpy() for column in table.columns]

    with dbapi.connect(f"file:{stored}?mode=ro") as connection, connection.cursor() as cursor:
        assert len(benchmark(read, cursor)[0]) == ROWS
