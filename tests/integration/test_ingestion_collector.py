"""The socket session against real servers on loopback that behave badly in every way known."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from contextlib import asynccontextmanager

import pytest
from websockets.asyncio.server import serve

from Heatmap.errors import FrameError, SettingsError
from Heatmap.events import LiquidationEvent, Side
from Heatmap.ingestion.backoff import Backoff
from Heatmap.ingestion.binance import forceorder
from Heatmap.ingestion.collector import FeedCollector, FeedListener
from Heatmap.ingestion.liveness import Liveness
from Heatmap.reports import ConnectionState as State

T = 1_790_000_000_000
PATIENCE_S = 10.0


def liquidation(offset_ms=0, symbol="BTCUSDT"):
    event = LiquidationEvent(T + offset_ms, symbol, Side.SELL, 85_000.5, 0.25, 85_000.5 * 0.25)
    return forceorder.encode(event, combined=True)


def mark_price(symbol="BTCUSDT", at_ms=T):
    data = {"e": "markPriceUpdate", "E": at_ms, "s": symbol, "p": "85000.1"}
    return json.dumps({"stream": f"{symbol.lower()}@markPrice@1s", "data": data})


class Record:
    """Writes down what the collector tells, and lets a test wait for it."""

    def __init__(self):
        self.changed = asyncio.Condition()
        self.events, self.proofs, self.states, self.losses = [], [], [], 0
        self.rejected, self.clocks = [], []
        self.room = True

    def listener(self):
        return FeedListener(
            self._event, self._market, self._loss, self._state, self.rejected.append, self.clocks.append
        )

    def _event(self, event):
        if self.room:
            self.events.append(event)
        self._tell()
        return self.room

    def _market(self, symbol, at_ms):
        self.proofs.append((symbol, at_ms))
        self._tell()

    def _loss(self, _symbols):
        self.losses += 1
        self._tell()

    def _state(self, feed):
        self.states.append((feed.state, feed.reason, feed.detail))
        self._tell()

    def _tell(self):
        self._told = asyncio.ensure_future(self._notify())

    async def _notify(self):
        async with self.changed:
            self.changed.notify_all()

    async def until(self, predicate):
        async with self.changed, asyncio.timeout(PATIENCE_S):
            await self.changed.wait_for(predicate)

    @property
    def state(self):
        return self.states[-1][0] if self.states else None

    def reasons(self):
        return [(state, reason) for state, reason, _ in self.states]


def at_once():
    """The real policy with waits near zero and a limit that a test can reach."""
    return Backoff(base_s=0.001, cap_s=0.01, attempts_per_min=1000)


@asynccontextmanager
async def collecting(url, *, symbols=("BTCUSDT",), backoff=None, **options):
    record = Record()
    collector = FeedCollector(symbols, record.listener(), ws_url=url, backoff=backoff or at_once(), **options)
    task = asyncio.create_task(collector.run())
    try:
        yield collector, record
    finally:
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()


@asynccontextmanager
async def serving(handler, **options):
    async with serve(handler, "127.0.0.1", 0, compression=None, **options) as server:
        yield f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"


def run(scenario):
    """Run a scenario; nothing of it may be left on the loop, nor any thread."""

    async def bounded():
        before = asyncio.all_tasks()
        async with asyncio.timeout(2 * PATIENCE_S):
            await scenario()
        await asyncio.sleep(0)
        left = {task for task in asyncio.all_tasks() - before if "notify" not in repr(task)}
        assert not left

    threads = threading.active_count()
    asyncio.run(bounded())
    assert threading.active_count() == threads


def test_one_socket_on_the_market_route_serves_all_symbols():
    async def scenario():
        paths = []

        async def exchange(ws):
            paths.append(ws.request.path)
            await ws.send(mark_price("BTCUSDT"))
            await ws.send(mark_price("ETHUSDT", T + 5))
            await ws.send(liquidation(1, "ETHUSDT"))
            await ws.send(liquidation(2, "XRPUSDT"))  # nobody asked for it
            await ws.send(liquidation(3, "BTCUSDT"))
            await ws.wait_closed()

        async with (
            serving(exchange) as url,
            collecting(url + "/ws", symbols=("BTCUSDT", "ETHUSDT")) as (
                collector,
                record,
            ),
        ):
            await record.until(lambda: len(record.events) == 2)
            assert [(event.symbol, event.ts_ms) for event in record.events] == [
                ("ETHUSDT", T + 1),
                ("BTCUSDT", T + 3),
            ]
            assert record.proofs == [("BTCUSDT", T), ("ETHUSDT", T + 5)]
            assert record.reasons() == [(State.CONNECTING, ""), (State.LIVE, "")]
            await asyncio.sleep(0)
            counts = collector.counts
            assert (counts.received, counts.ignored, counts.undecodable, counts.connections) == (2, 1, 0, 1)
            assert counts.last_market_ms is not None
        assert paths == [
            "/market/stream?streams=btcusdt@forceOrder/btcusdt@markPrice@1s/ethusdt@forceOrder/ethusdt@markPrice@1s"
        ]

    run(scenario)


def test_garbage_is_counted_told_of_once_and_stops_nothing(caplog):
    async def scenario():
        async def exchange(ws):
            for data in ("garbage", "more garbage", b"\xff\x00", "[]", '{"e":"forceOrder"}', '{"result":null,"id":1}'):
                await ws.send(data)
            await ws.send('{"code":3,"msg":"Invalid JSON"}')
            await ws.send('{"e":"serverShutdown"}')
            await ws.send(liquidation())
            await ws.wait_closed()

        async with serving(exchange) as url, collecting(url) as (collector, record):
            await record.until(lambda: record.events)
            assert collector.counts.undecodable == 5
            assert collector.counts.ignored == 3
            assert record.losses == 0

    run(scenario)
    assert sum("bad-json" in record.message for record in caplog.records) == 1
    assert sum("bad-shape" in record.message for record in caplog.records) == 1


@pytest.mark.parametrize(("code", "sent"), [(1000, 0), (1001, 3), (1008, 0), (1011, 1)])
def test_any_close_reconnects_and_what_was_sent_is_kept(code, sent):
    async def scenario():
        connections = 0

        async def exchange(ws):
            nonlocal connections
            connections += 1
            for index in range(sent):
                await ws.send(liquidation(1000 * connections + index))
            await ws.close(code, "bye")

        async with serving(exchange) as url, collecting(url) as (collector, record):
            await record.until(lambda: record.losses >= 3)
            assert len(record.events) >= 3 * sent
            wanted = (State.CONNECTING if sent else State.DOWN, "closed")
            assert wanted in record.reasons()
            assert any(f"({code} bye)" in detail for _, _, detail in record.states)
            assert collector.counts.connections >= 3

    run(scenario)


def test_a_server_that_accepts_and_closes_is_not_hammered():
    async def scenario():
        connections = 0

        async def exchange(_ws):
            nonlocal connections
            connections += 1

        backoff = Backoff(base_s=0.0, cap_s=0.0, attempts_per_min=10)  # the limit alone holds it back
        async with serving(exchange) as url, collecting(url, backoff=backoff) as (_, record):
            await record.until(lambda: record.losses >= 10)
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.3):
                    await record.until(lambda: record.losses > 10)
            assert connections == 10
            assert (State.LIVE, "") not in record.reasons()

    run(scenario)


def test_the_handshake_does_not_reset_the_backoff_but_market_data_does():
    async def scenario(delivers):
        backoff = at_once()

        async def exchange(ws):
            if delivers:
                await ws.send(mark_price())

        async with serving(exchange) as url, collecting(url, backoff=backoff) as (_, record):
            await record.until(lambda: record.losses >= 4)
            assert (backoff.failures == 1) if delivers else (backoff.failures >= 4)

    run(lambda: scenario(delivers=False))
    run(lambda: scenario(delivers=True))


def test_a_dead_route_is_found_and_named_and_left():
    async def scenario():
        async def exchange(ws):
            # Handshake fine, request acknowledged, pongs flow, nothing ever comes.
            await ws.send('{"result":null,"id":1}')
            await ws.wait_closed()

        liveness = lambda: Liveness(silent_after_s=0.1)  # noqa: E731
        async with serving(exchange) as url, collecting(url, new_liveness=liveness) as (collector, record):
            await record.until(lambda: collector.counts.connections >= 2)
            assert (State.SILENT, "silent-route") in record.reasons()
            assert not {State.LIVE, State.DOWN} & {state for state, _ in record.reasons()}
            assert any("never brought market data" in detail for _, _, detail in record.states)

    run(scenario)


def test_market_data_that_stops_ends_the_connection():
    async def scenario():
        async def exchange(ws):
            await ws.send(mark_price())
            await ws.wait_closed()

        liveness = lambda: Liveness(silent_after_s=0.1)  # noqa: E731
        async with serving(exchange) as url, collecting(url, new_liveness=liveness) as (collector, record):
            await record.until(lambda: collector.counts.connections >= 2)
            assert record.reasons()[:3] == [(State.CONNECTING, ""), (State.LIVE, ""), (State.SILENT, "silent")]
            assert record.losses >= 1

    run(scenario)


def test_a_message_over_the_limit_ends_the_connection_with_its_reason():
    async def scenario():
        async def exchange(ws):
            await ws.send("x" * 530_000)
            await ws.wait_closed()

        async with serving(exchange) as url, collecting(url) as (_, record):
            await record.until(lambda: (State.DOWN, "too-large") in record.reasons())

    run(scenario)


def test_a_full_store_pauses_reading_without_calling_the_feed_dead():
    async def scenario():
        async def exchange(ws):
            for index in range(500):
                await ws.send(liquidation(index))
            await ws.wait_closed()

        liveness = lambda: Liveness(silent_after_s=0.2)  # noqa: E731
        async with serving(exchange) as url, collecting(url, new_liveness=liveness) as (collector, record):
            record.room = False
            await record.until(lambda: record.state is State.LIVE)
            loop = asyncio.get_running_loop()
            blocked_until_s = loop.time() + 0.5
            await record.until(lambda: loop.time() > blocked_until_s)  # asked again every 20 ms, so told as often
            assert record.losses == 0
            record.room = True
            await record.until(lambda: len(record.events) == 500)
            assert [event.ts_ms - T for event in record.events] == list(range(500))
            assert collector.counts.connections == 1

    run(scenario)


def test_nothing_listens_there():
    async def scenario():
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            async with collecting(f"ws://127.0.0.1:{taken.getsockname()[1]}") as (_, record):
                await record.until(lambda: (State.DOWN, "refused") in record.reasons())
                assert record.states[-1][2].startswith("127.0.0.1:")

    run(scenario)


@pytest.mark.parametrize(("status", "reason"), [(451, "region"), (403, "region"), (503, "http")])
def test_a_refusal_at_the_door_is_told_apart(status, reason):
    async def scenario():
        def refuse(connection, _request):
            return connection.respond(status, "no")

        async def never(_ws):
            raise AssertionError

        async with serving(never, process_request=refuse) as url, collecting(url) as (_, record):
            await record.until(lambda: (State.DOWN, reason) in record.reasons())

    run(scenario)


def test_a_ban_is_waited_out():
    async def scenario():
        attempts = 0

        def refuse(connection, _request):
            nonlocal attempts
            attempts += 1
            response = connection.respond(429, "slow down")
            response.headers["Retry-After"] = "3600"
            return response

        async def never(_ws):
            raise AssertionError

        async with serving(never, process_request=refuse) as url, collecting(url) as (_, record):
            await record.until(lambda: (State.DOWN, "banned") in record.reasons())
            assert "3600 s" in record.states[-1][2]
            assert attempts == 1

    run(scenario)


@pytest.mark.parametrize(
    ("answer", "reasons"),
    [
        (b"", {"closed", "protocol"}),
        (b"SSH-2.0-OpenSSH_9.2\r\n", {"protocol", "closed"}),
        (b"\x16\x03\x01" * 50, {"protocol", "closed"}),
    ],
)
def test_something_else_that_listens_there_is_no_exchange(answer, reasons):
    async def scenario():
        async def other(_reader, writer):
            writer.write(answer)
            writer.close()
            await writer.wait_closed()

        server = await asyncio.start_server(other, "127.0.0.1", 0)
        async with server:
            url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            async with collecting(url) as (_, record):
                await record.until(lambda: record.state is State.DOWN)
                assert record.states[-1][1] in reasons

    run(scenario)


def test_a_line_that_breaks_mid_frame_reconnects():
    async def scenario():
        async def exchange(ws):
            await ws.send(liquidation())
            ws.transport.write(b"\x81\x7e\x01\x00half a frame")
            ws.transport.abort()

        async with serving(exchange) as url, collecting(url) as (_, record):
            await record.until(lambda: len(record.events) >= 2)
            assert record.losses >= 1

    run(scenario)


def test_a_fault_of_ours_costs_a_connection_and_not_the_feed(monkeypatch, caplog):
    async def scenario():
        real, faults = forceorder.decode, iter([True])

        def decode(data, **options):
            if next(faults, False):
                raise ZeroDivisionError
            return real(data, **options)

        monkeypatch.setattr(forceorder, "decode", decode)

        async def exchange(ws):
            await ws.send(liquidation())
            await ws.wait_closed()

        async with serving(exchange) as url, collecting(url) as (_, record):
            await record.until(lambda: record.events)
            assert (State.DOWN, "internal") in record.reasons()

    run(scenario)
    assert "ZeroDivisionError" in caplog.text


def test_an_address_that_cannot_be_is_refused_at_once():
    with pytest.raises(SettingsError):
        FeedCollector(("BTCUSDT",), Record().listener(), ws_url="https://fstream.binance.com")


def test_frame_errors_carry_their_excerpt():
    with pytest.raises(FrameError) as caught:
        forceorder.decode("garbage")
    assert caught.value.excerpt == "garbage"
