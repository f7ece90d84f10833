"""Rows stored a second against bare executemany on the same schema; rows read a second against plain fetchall."""

from __future__ import annotations

import asyncio
import json
import os
import random
import threading
from contextlib import closing
from itertools import count

import numpy as np
import pytest
from support.frames import encode
from websockets.asyncio.server import serve

from Heatmap.events import LiquidationEvent, Side, Source
from Heatmap.heatmap_service import HeatmapService
from Heatmap.storage import sql
from Heatmap.storage.database import database_of
from Heatmap.storage.sqlite.bulk_insert import bulk_insert
from Heatmap.storage.sqlite.connection import open_reader, open_writer
from Heatmap.storage.sqlite.migrations import migrate
from Heatmap.storage.sqlite.sqlite_store import SqliteStore
from Heatmap.storage.writer import EventWriter

T = 1_790_000_000_000
ROWS = 20_000
BATCH = 200


def events(rows, source=Source.BINANCE):
    chance = random.Random(3)
    ts_ms = T
    for _ in range(rows):
        ts_ms += chance.randint(1, 2000)
        price, qty = round(85_000 + chance.gauss(0, 500), 1), round(chance.paretovariate(1.2) / 100, 3)
        yield LiquidationEvent(
            ts_ms, "BTCUSDT", chance.choice(list(Side)), price, qty, price * qty,
            source=source, order_price=price * 1.003, order_qty=qty, event_ms=ts_ms + 1000, received_ms=ts_ms + 1030,
        )  # fmt: skip


@pytest.fixture
def server():
    """A database on a server that the environment names; its events of the demo are erased before and after."""
    address = os.environ.get("HEATMAP_BENCH_DATABASE")
    if not address:
        pytest.skip("HEATMAP_BENCH_DATABASE names no server")
    database = database_of(address)
    database.insert([])  # its tables are made
    database.erase(Source.DEMO)
    yield database
    database.erase(Source.DEMO)


@pytest.fixture(scope="module")
def stream():
    return list(events(ROWS))


@pytest.mark.benchmark(group="store 20,000 events")
def test_writer(benchmark, tmp_path, stream):
    number = count()

    def fresh():
        return (EventWriter(tmp_path / f"{next(number)}.sqlite3", batch_rows=BATCH),), {}

    def store(writer):
        writer.start()
        for event in stream:
            assert writer.put(event, timeout_s=10)
        assert writer.stop() == 0
        assert writer.stats().inserted == ROWS

    benchmark.pedantic(store, setup=fresh, rounds=3)


@pytest.mark.benchmark(group="store 20,000 events")
def test_writer_on_a_server(benchmark, server):
    simulated = list(events(ROWS, Source.DEMO))

    def fresh():
        server.erase(Source.DEMO)
        return (EventWriter(server, batch_rows=BATCH),), {}

    def store(writer):
        writer.start()
        for event in simulated:
            assert writer.put(event, timeout_s=10)
        assert writer.stop() == 0
        assert writer.stats().inserted == ROWS

    benchmark.pedantic(store, setup=fresh, rounds=3)


@pytest.mark.benchmark(group="store 20,000 events")
def test_writer_peer_bare_executemany(benchmark, tmp_path, stream):
    number = count()

    def fresh():
        path = tmp_path / f"{next(number)}.sqlite3"
        connection = open_writer(path)
        migrate(connection, path)
        return (connection,), {}

    def store(connection):
        with closing(connection):
            for start in range(0, ROWS, BATCH):
                connection.execute("BEGIN IMMEDIATE")
                rows = [sql.event_row(event) for event in stream[start : start + BATCH]]
                connection.executemany(sql.INSERT_EVENT, rows)
                connection.execute("COMMIT")

    benchmark.pedantic(store, setup=fresh, rounds=3)


@pytest.mark.benchmark(group="socket to database, 20,000 frames")
def test_writer_from_the_socket(benchmark, tmp_path, stream):
    frames = [encode(event, combined=True) for event in stream]
    number = count()

    async def play(ws):
        await ws.send(json.dumps({"e": "markPriceUpdate", "E": T, "s": "BTCUSDT", "p": "1"}))
        for frame in frames:
            await ws.send(frame)
        await ws.wait_closed()

    async def exchange(ready, loops, ends):
        loops.append(asyncio.get_running_loop())
        ends.append(asyncio.Event())
        async with serve(play, "127.0.0.1", 0, compression=None) as server:
            ready.append(server.sockets[0].getsockname()[1])
            listening.set()
            await ends[0].wait()

    listening, ports, loops, ends = threading.Event(), [], [], []
    thread = threading.Thread(target=lambda: asyncio.run(exchange(ports, loops, ends)))
    thread.start()
    listening.wait(10)

    def collect():
        stored = threading.Event()
        service = HeatmapService(
            tmp_path / f"{next(number)}.sqlite3", ws_url=f"ws://127.0.0.1:{ports[0]}", rest_url="http://127.0.0.1:9"
        )
        service.subscribe(lambda: stored.set() if service.status().stored == ROWS else None)
        service.start()
        assert stored.wait(60)
        service.stop()

    try:
        benchmark.pedantic(collect, rounds=2)
    finally:
        loops[0].call_soon_threadsafe(ends[0].set)
        thread.join()


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    path = tmp_path_factory.mktemp("read") / "record.sqlite3"
    bulk_insert(path, events(100_000))
    return path


@pytest.mark.benchmark(group="window of 100,000 rows to columns")
def test_reader_window(benchmark, stored):
    with SqliteStore(stored) as store:
        columns = benchmark(store.window, "BTCUSDT", "binance", 0, 2 * T)
    assert len(columns) == 100_000


@pytest.mark.benchmark(group="window of 100,000 rows to columns")
def test_reader_window_peer_fetchall(benchmark, stored):
    query = (
        "SELECT ts_ms, price, notional, side = 'SELL' FROM liq_events"
        " WHERE source = 'binance' AND symbol = 'BTCUSDT' AND ts_ms >= ? AND ts_ms < ? ORDER BY ts_ms, id"
    )

    def read(connection):
        columns = zip(*connection.execute(query, (0, 2 * T)).fetchall(), strict=True)
        return [np.array(column) for column in columns]

    with closing(open_reader(stored)) as connection:
        assert len(benchmark(read, connection)[0]) == 100_000


@pytest.mark.benchmark(group="window of 100,000 rows to columns")
def test_reader_window_on_a_server(benchmark, server):
    server.insert(events(100_000, Source.DEMO))
    with closing(server.reader()) as reader:
        columns = benchmark(reader.window, "BTCUSDT", Source.DEMO, 0, 2 * T)
    assert len(columns) == 100_000
