"""The whole recorder, socket to database, against an exchange that does everything wrong.

In each case: what the exchange has sent while a connection was up is stored exactly once, attempts stay within the
limit, and nothing is left after the stop.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import gc
import itertools
import json
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
import pytest
from support.exchange import LoopbackExchange
from support.frames import T, encode, mark_price
from support.waiting import until

from Heatmap.aggregation import build_grid
from Heatmap.aggregation.grid import GridSpec
from Heatmap.events import LiquidationEvent, Side
from Heatmap.heatmap_service import HeatmapService
from Heatmap.ingestion import connection, feed_group
from Heatmap.ingestion.backoff import Backoff
from Heatmap.ingestion.binance.venue import BINANCE
from Heatmap.ingestion.venues import VENUES
from Heatmap.reports import ConnectionState as State
from Heatmap.storage.sqlite.connection import open_reader, open_writer

ROOT = Path(__file__).parents[2]
PATIENCE_S = 30.0
GARBAGE = [
    "", "garbage", "{", "[]", "null", "17", '"text"', b"\xff\xfe\x00", b"\x00" * 300, "[" * 50_000, '{"e":' * 9000,
    '{"e":"forceOrder"}', '{"e":"forceOrder","o":null}', '{"e":"forceOrder","o":[]}', '{"stream":"x","data":null}',
    '{"e":"forceOrder","E":1,"o":{"s":"BTCUSDT","S":"SELL","ap":"NaN","z":"1","T":1790000000000}}',
    '{"e":"forceOrder","E":1790000000000,"o":{"s":"BTCUSDT","S":"HOLD","ap":"1","z":"1","T":1790000000000}}',
    '{"e":"forceOrder","E":1790000000000,"o":{"s":"BTCUSDT","S":"BUY","ap":"-1","p":"-1","z":"1","T":1790000000000}}',
    '{"e":"forceOrder","E":1790000000000,"o":{"s":"BTCUSDT","S":"BUY","ap":"1e400","z":"1","T":1790000000000}}',
    '{"e":"forceOrder","E":1790000000000,"o":{"s":"BTCUSDT","S":"BUY","ap":"1","z":"1","T":17}}',
    '{"e":"forceOrder","E":1790000000000,"o":{"s":"btcusdt","S":"BUY","ap":"1","z":"1","T":1790000000000}}',
    '{"e":"markPriceUpdate","E":1790000000000,"s":"BTCUSDT","p":"0"}', '{"code":3,"msg":"Invalid JSON"}',
    '{"result":null,"id":1}', '{"e":"aggTrade","s":"BTCUSDT"}', '{"id":' + "9" * 4000 + "}", "\ud7ff" * 9000,
]  # fmt: skip
# Not for us, and never to be stored: another symbol, and contracts settled in coins.
NOT_OURS = [
    {"s": "ETHUSDT", "S": "BUY", "ap": "1", "z": "1", "T": T},
    {"s": "BTCUSDT", "S": "BUY", "ap": "1", "z": "1", "T": T, "st": 2},
]


def event(index, *, ts_ms=None):
    return LiquidationEvent(
        T + index if ts_ms is None else ts_ms, "BTCUSDT", Side(("SELL", "BUY")[index % 2]), 85_000.5 + index, 0.25,
        (85_000.5 + index) * 0.25, order_price=84_900.0, order_qty=0.5, event_ms=T + index + 1000,
    )  # fmt: skip


class Exchange(LoopbackExchange):
    """Plays a list of connections, each a coroutine ``play(exchange, ws)``; the last one is played again and again."""

    def __init__(self, *plays, **options):
        super().__init__(**{"ping_interval": None} | options)
        self.plays = plays
        self.sent = []  # events of which some may not have arrived
        self.delivered = []  # events whose arrival the client has shown by answering a later ping
        self._numbers = itertools.count()

    @property
    def attempts(self):
        return self.opened

    async def play(self, ws):
        await self.plays[min(self.opened, len(self.plays)) - 1](self, ws)

    async def send(self, ws, *events, spoil=()):
        """Send events, with other frames in between, and wait until the client has them."""
        spoilers = itertools.cycle(spoil) if spoil else None
        await ws.send(mark_price())
        for one in events:
            self.sent.append(one)
            await ws.send(encode(one, combined=True))
            if spoilers is not None:
                await ws.send(next(spoilers))
        await (await ws.ping())
        self.delivered.extend(events)

    def fresh(self, count):
        return [event(next(self._numbers)) for _ in range(count)]


async def good(exchange, ws):
    await exchange.send(ws, *exchange.fresh(20))
    await ws.wait_closed()


async def shut_at_once(_exchange, ws):
    await ws.close(1000)


async def policy_violation(exchange, ws):
    await exchange.send(ws, *exchange.fresh(3))
    await ws.close(1008, "policy")


async def silent_but_pongs(exchange, ws):
    await exchange.send(ws, *exchange.fresh(3))
    await ws.wait_closed()


async def dead_route(_exchange, ws):
    await ws.send('{"result":null,"id":1}')
    await ws.wait_closed()


async def mid_frame(exchange, ws):
    await exchange.send(ws, *exchange.fresh(5))
    ws.transport.write(b"\x81\x7e\x01\x00half a frame")
    ws.transport.abort()


async def garbage(exchange, ws):
    await exchange.send(ws, *exchange.fresh(2 * len(GARBAGE)), spoil=GARBAGE)
    others = [json.dumps({"e": "forceOrder", "E": T, "o": order}) for order in NOT_OURS]
    await exchange.send(ws, *exchange.fresh(4), spoil=others)
    await ws.wait_closed()


async def too_large(exchange, ws):
    await exchange.send(ws, *exchange.fresh(3))
    await ws.send("x" * 70_000)
    await ws.wait_closed()


async def disorder(exchange, ws):
    events = exchange.fresh(30)
    await exchange.send(ws, *events, *reversed(events), *events[::3])
    now_ms = time.time_ns() // 1_000_000
    ahead = [event(9000 + n, ts_ms=now_ms + ahead_ms) for n, ahead_ms in enumerate((1500, 5000, 60_000))]
    await exchange.send(ws, *ahead)
    await ws.wait_closed()


async def drips(exchange, ws):
    events = exchange.fresh(3)
    await ws.send(mark_price())
    for one in events:
        text = encode(one, combined=True)
        await ws.send([text[begin : begin + 40] for begin in range(0, len(text), 40)])  # many frames, one message
    # And all bytes by threes, whatever they belong to.
    write = ws.transport.write
    ws.transport.write = lambda data: [write(bytes(data[begin : begin + 3])) for begin in range(0, len(data), 3)]
    await exchange.send(ws, *events)
    await ws.wait_closed()


async def clean_close(exchange, ws):
    await exchange.send(ws, *exchange.fresh(4))
    await ws.close(1001, "24 hours are over")


def impatient(monkeypatch, **limit):
    """Let services find out in a second what takes them a minute."""
    monkeypatch.setattr(feed_group, "Backoff", lambda: Backoff(base_s=0.01, cap_s=0.05, **limit))
    monkeypatch.setattr(connection, "OPEN_TIMEOUT_S", 0.5)
    monkeypatch.setitem(VENUES, "binance", replace(BINANCE, policy=replace(BINANCE.policy, silent_after_s=0.4)))


@pytest.fixture
def hasty(monkeypatch):
    """Short waits, but the real limit of attempts."""
    impatient(monkeypatch)


@pytest.fixture
def tireless(monkeypatch):
    """Short waits and no limit."""
    impatient(monkeypatch, attempts_per_min=10_000)


@contextlib.contextmanager
def recording(path, exchange, **options):
    """A running service; afterwards no thread, no socket and no descriptor of it is left."""
    process, threads = psutil.Process(), set(threading.enumerate())
    service = HeatmapService(path, **exchange.addresses, **options)
    service.start()
    try:
        yield service
    finally:
        assert service.stop() == 0
    for thread in set(threading.enumerate()) - threads:
        thread.join(5)  # a REST request's own thread
        assert not thread.is_alive(), thread
    # Sockets that lead to the exchange; what it holds itself leads from there.
    gc.collect()
    assert [at for at in process.net_connections() if at.raddr and at.raddr.port == exchange.port] == []


def rows(path):
    with contextlib.closing(open_reader(path)) as reader:
        return reader.execute("SELECT ts_ms, side, price, qty FROM liq_events ORDER BY ts_ms, price").fetchall()


def key(one):
    return (one.ts_ms, one.side.value, one.price, one.qty)


@pytest.mark.parametrize(
    "villain",
    [shut_at_once, policy_violation, silent_but_pongs, dead_route, mid_frame, garbage, too_large, disorder, drips,
     clean_close],
    ids=lambda play: play.__name__,
)  # fmt: skip
@pytest.mark.usefixtures("hasty")
def test_what_was_sent_is_stored_once_whatever_the_exchange_does(tmp_path, villain):
    path = tmp_path / "record.sqlite3"
    # The bad play twice, so that what it breaks would break the second time, too; then a good one.
    with Exchange(villain, villain, good) as exchange, recording(path, exchange) as service:
        until(lambda: exchange.attempts >= 3 and service.status().state is State.LIVE)
        until(lambda: len(exchange.delivered) >= 20)
        delivered = {key(one) for one in exchange.delivered}
        until(lambda: service.status().stored >= len(delivered))
        assert service.status().storage_problem == ""
    assert exchange.attempts <= 10
    assert_stored_once(path, exchange)


def assert_stored_once(path, exchange):
    """Check that all that arrived is stored once, and nothing that was not sent; a cut leaves some in doubt."""
    stored = rows(path)
    assert len(stored) == len(set(stored))
    assert {key(one) for one in exchange.delivered} <= set(stored) <= {key(one) for one in exchange.sent}


@pytest.mark.usefixtures("hasty")
def test_all_of_it_in_a_row_within_the_limit_of_attempts(tmp_path):
    path = tmp_path / "record.sqlite3"
    plays = (shut_at_once, policy_violation, mid_frame, too_large, clean_close, silent_but_pongs, disorder, good)
    with Exchange(*plays) as exchange, recording(path, exchange, rotate_after_s=1.0):
        until(lambda: exchange.attempts >= len(plays) and len(exchange.delivered) >= 20 + 3 + 5 + 3 + 4 + 3 + 63)
    assert exchange.attempts <= 10
    assert_stored_once(path, exchange)


@pytest.mark.usefixtures("hasty")
def test_replacing_the_connection_leaves_no_gap_in_the_record(tmp_path):
    path = tmp_path / "record.sqlite3"
    clock_ms = time.time_ns() // 1_000_000

    async def steady_market(_exchange, ws):
        while True:
            await ws.send(mark_price(time.time_ns() // 1_000_000))
            await asyncio.sleep(0.01)

    with Exchange(steady_market) as exchange, recording(path, exchange, rotate_after_s=0.3) as service:
        until(lambda: exchange.attempts >= 6)
        assert service.status().state is State.LIVE
        # Until what the first connections proved is far behind.
        until(lambda: time.time_ns() // 1_000_000 - clock_ms > 3500)
    with contextlib.closing(open_reader(path)) as reader:
        stretches = reader.execute("SELECT start_ms, end_ms FROM coverage").fetchall()
    assert len(stretches) == 1
    assert stretches[0][0] - clock_ms < 1000
    assert stretches[0][1] - clock_ms > 1000


@pytest.mark.usefixtures("hasty")
def test_garbage_is_counted_and_some_of_it_kept(tmp_path):
    path = tmp_path / "record.sqlite3"

    async def flood(_exchange, ws):
        await ws.send(mark_price())
        for _ in range(3000):
            await ws.send("garbage")
        await ws.wait_closed()

    with Exchange(flood) as exchange, recording(path, exchange, rotate_after_s=3600) as service:
        until(lambda: service.status().undecodable >= 3000)
    with contextlib.closing(open_reader(path)) as reader:
        kept = reader.execute("SELECT kind, count(*), max(frame) FROM quarantine GROUP BY kind").fetchall()
    assert kept == [("bad-json", 50, b"garbage")]


# -- pings -----------------------------------------------------------------------------------------------------------

PONG_WITHIN_S = 1.0
BLOCKED_S = 3.0


async def steady(exchange, ws):
    while True:
        await exchange.send(ws, *exchange.fresh(5))
        await asyncio.sleep(0.02)


def blocked_by_sleep(_path):
    time.sleep(BLOCKED_S)


def blocked_by_python(_path):
    deadline_s = time.monotonic() + BLOCKED_S
    while time.monotonic() < deadline_s:
        sum(range(1000))  # holds the interpreter as a busy GUI thread would


def blocked_by_a_stalled_disk(path):
    with contextlib.closing(open_writer(path)) as other:
        other.execute("BEGIN IMMEDIATE")
        time.sleep(BLOCKED_S)
        other.execute("ROLLBACK")


def blocked_by_builds(_path):
    rng = np.random.default_rng(1)
    ts_ms, price = np.sort(rng.integers(0, 7_200_000, 200_000)), rng.uniform(80_000, 90_000, 200_000)
    spec = GridSpec(0, 5000, 1440, 80_000.0, 25.0, 400)
    deadline_s = time.monotonic() + BLOCKED_S
    while time.monotonic() < deadline_s:
        build_grid(ts_ms, price, price, spec)


@pytest.mark.parametrize(
    "block",
    [blocked_by_sleep, blocked_by_python, blocked_by_a_stalled_disk, blocked_by_builds],
    ids=lambda f: f.__name__,
)
def test_pings_are_answered_whatever_blocks_the_rest(tmp_path, block):
    path = tmp_path / "record.sqlite3"
    # The exchange hangs up on a client whose pong takes longer than this.
    with (
        Exchange(steady, ping_interval=0.2, ping_timeout=PONG_WITHIN_S) as exchange,
        recording(path, exchange) as service,
    ):
        until(lambda: service.status().stored > 0)
        block(path)
        sent = len(exchange.delivered)
        until(lambda: service.status().stored >= sent)
        assert service.status().reconnects == 0
        assert exchange.attempts == 1


# -- load and lost networks, in processes of their own ---------------------------------------------------------------

FRAMES_PER_S, SECONDS, BATCH = 5000, 10, 50
MOST_GROWTH = 8_000_000


def test_a_burst_of_5000_frames_a_second_for_ten_seconds(tmp_path):
    path = tmp_path / "record.sqlite3"
    sizes, slowest_s = [], [0.0]
    frames = [encode(event(index), combined=True) for index in range(FRAMES_PER_S * SECONDS)]

    async def burst(exchange, ws):
        loop = asyncio.get_running_loop()
        begun_s = loop.time()
        await ws.send(mark_price())
        for begin in range(0, len(frames), BATCH):
            for text in frames[begin : begin + BATCH]:
                await ws.send(text)
            if begin % FRAMES_PER_S == 0:
                slowest_s[0] = max(slowest_s[0], await (await ws.ping()))
                sizes.append(collector.memory_info().rss)
            await asyncio.sleep(max(0.0, begun_s + (begin + BATCH) / FRAMES_PER_S - loop.time()))
        await (await ws.ping())
        exchange.took_s = loop.time() - begun_s
        await ws.wait_closed()

    with Exchange(burst) as exchange:
        exchange.took_s = None
        command = [sys.executable, "-m", "Heatmap", "collect", "--db", str(path)]
        command += ["--ws-url", exchange.ws_url, "--rest-url", exchange.rest_url]
        with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True) as process:
            collector = psutil.Process(process.pid)
            try:
                until(lambda: exchange.took_s is not None, 4 * PATIENCE_S)
            finally:
                process.send_signal(signal.SIGTERM)
                _, log = process.communicate(timeout=PATIENCE_S)
        assert process.returncode == 0, log
        assert exchange.attempts == 1
    print(  # noqa: T201 - the figures belong to the report of the run
        f"{len(frames) / exchange.took_s:.0f} frames/s, slowest pong {slowest_s[0]:.3f} s, {sizes[-1] / 1e6:.0f} MB"
    )
    assert len(rows(path)) == len(frames)
    # The first second fills caches and allocators.
    assert max(sizes[2:]) - sizes[1] < MOST_GROWTH


SERVER = """
import asyncio, json, sys
from websockets.asyncio.server import serve
async def play(ws):
    while True:
        await ws.send(json.dumps({"e": "markPriceUpdate", "E": 1790000000000, "s": "BTCUSDT", "p": "85000.1"}))
        await asyncio.sleep(0.02)
def answer(connection, request):
    return None if request.path.startswith("/market/") else connection.respond(404, "no")
async def main():
    async with serve(play, "127.0.0.1", int(sys.argv[1]), process_request=answer, compression=None):
        print("ready", flush=True)
        await asyncio.Event().wait()
asyncio.run(main())
"""


@contextlib.contextmanager
def exchange_process(port):
    with subprocess.Popen([sys.executable, "-c", SERVER, str(port)], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout.readline() == "ready\n"
            yield process
        finally:
            process.kill()


@pytest.mark.usefixtures("tireless")
def test_a_network_that_is_gone_and_comes_back(tmp_path):
    place = Exchange()  # only its free port
    path = tmp_path / "record.sqlite3"
    with exchange_process(place.port) as process, recording(path, place) as service:
        until(lambda: service.status().state is State.LIVE)
        process.kill()
        until(lambda: service.status().state is State.DOWN)
        assert service.status().reason == "refused"
        with exchange_process(place.port) as again:
            begun_s = time.monotonic()
            until(lambda: service.status().state is State.LIVE)
            assert time.monotonic() - begun_s <= 2.0
            # Nobody says good-bye: the machine stands still with the socket open.
            os.kill(again.pid, signal.SIGSTOP)
            until(lambda: service.status().state is State.SILENT)
            os.kill(again.pid, signal.SIGCONT)
            begun_s = time.monotonic()
            until(lambda: service.status().state is State.LIVE)
            assert time.monotonic() - begun_s <= 2.0


@pytest.mark.usefixtures("hasty")
def test_threads_and_sockets_of_many_restarts_are_all_gone(tmp_path):
    path = tmp_path / "record.sqlite3"
    with Exchange(functools.partial(good)) as exchange:
        for _ in range(3):
            with recording(path, exchange) as service:
                until(lambda service=service: service.status().state is State.LIVE)
