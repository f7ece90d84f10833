"""The socket session against real servers on loopback that behave badly in every way known."""

from __future__ import annotations

import asyncio
import socket
from dataclasses import replace

import pytest
from support.feed import RecordedSink, collecting, run_on_loop, serving
from support.frames import T, liquidation, mark_price

from Heatmap.errors import FrameError, SettingsError
from Heatmap.ingestion.backoff import Backoff
from Heatmap.ingestion.binance import forceorder
from Heatmap.ingestion.binance.venue import BINANCE
from Heatmap.ingestion.feed_group import FeedGroup
from Heatmap.reports import ConnectionState as State


def impatient(silent_after_s):
    """The exchange with a shorter silence."""
    return replace(BINANCE, policy=replace(BINANCE.policy, silent_after_s=silent_after_s))


def test_one_socket_on_the_market_route_serves_all_symbols():
    async def scenario():
        paths = []

        async def exchange(ws):
            paths.append(ws.request.path)
            await ws.send(mark_price())
            await ws.send(mark_price(T + 5, "ETHUSDT"))
            await ws.send(liquidation(1, "ETHUSDT"))
            await ws.send(liquidation(2, "XRPUSDT"))  # nobody asked for it
            await ws.send(liquidation(3, "BTCUSDT"))
            await ws.wait_closed()

        async with (
            serving(exchange) as url,
            collecting(url + "/ws", symbols=("BTCUSDT", "ETHUSDT")) as (
                collector,
                sink,
            ),
        ):
            await sink.until(lambda: len(sink.events) == 2)
            assert [(event.symbol, event.ts_ms) for event in sink.events] == [
                ("ETHUSDT", T + 1),
                ("BTCUSDT", T + 3),
            ]
            assert sink.covered == [("BTCUSDT", T), ("ETHUSDT", T + 5)]
            assert sink.reasons() == [(State.CONNECTING, ""), (State.LIVE, "")]
            await asyncio.sleep(0)
            counts = collector.counts
            assert (counts.received, counts.ignored, counts.undecodable, counts.connections) == (2, 1, 0, 1)
            assert counts.last_market_ms is not None
        assert paths == [
            "/market/stream?streams=btcusdt@forceOrder/btcusdt@markPrice@1s/ethusdt@forceOrder/ethusdt@markPrice@1s"
        ]

    run_on_loop(scenario)


def test_garbage_is_counted_told_of_once_and_stops_nothing(caplog):
    async def scenario():
        async def exchange(ws):
            for data in ("garbage", "more garbage", b"\xff\x00", "[]", '{"e":"forceOrder"}', '{"result":null,"id":1}'):
                await ws.send(data)
            await ws.send('{"code":3,"msg":"Invalid JSON"}')
            await ws.send('{"e":"serverShutdown"}')
            await ws.send(liquidation())
            await ws.wait_closed()

        async with serving(exchange) as url, collecting(url) as (collector, sink):
            await sink.until(lambda: sink.events)
            assert collector.counts.undecodable == 5
            assert collector.counts.ignored == 3
            assert sink.losses == []

    run_on_loop(scenario)
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

        async with serving(exchange) as url, collecting(url) as (collector, sink):
            await sink.until(lambda: len(sink.losses) >= 3)
            assert len(sink.events) >= 3 * sent
            wanted = (State.CONNECTING if sent else State.DOWN, "closed")
            assert wanted in sink.reasons()
            assert any(f"({code} bye)" in state.detail for state in sink.states)
            assert collector.counts.connections >= 3

    run_on_loop(scenario)


def test_a_server_that_accepts_and_closes_is_not_hammered():
    async def scenario():
        connections = 0

        async def exchange(_ws):
            nonlocal connections
            connections += 1

        backoff = Backoff(base_s=0.0, cap_s=0.0, attempts_per_min=10)  # the limit alone holds it back
        async with serving(exchange) as url, collecting(url, backoff=backoff) as (_, sink):
            await sink.until(lambda: len(sink.losses) >= 10)
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.3):
                    await sink.until(lambda: len(sink.losses) > 10)
            assert connections == 10
            assert (State.LIVE, "") not in sink.reasons()

    run_on_loop(scenario)


def test_the_handshake_does_not_reset_the_backoff_but_market_data_does():
    async def scenario(delivers):
        backoff = Backoff(base_s=0.001, cap_s=1.0, attempts_per_min=100_000, chance=lambda: 1.0)

        async def exchange(ws):
            if delivers:
                await ws.send(mark_price())

        async with serving(exchange) as url, collecting(url, backoff=backoff) as (_, sink):
            await sink.until(lambda: len(sink.losses) >= 4)
            # The next wait shows the number of failures since the last reset.
            next_s = backoff.next_delay_s(0.0)
            assert (next_s == 0.002) if delivers else (next_s >= 0.016)

    run_on_loop(lambda: scenario(delivers=False))
    run_on_loop(lambda: scenario(delivers=True))


def test_a_dead_route_is_found_and_named_and_left():
    async def scenario():
        async def exchange(ws):
            # Handshake fine, request acknowledged, pongs flow, nothing ever comes.
            await ws.send('{"result":null,"id":1}')
            await ws.wait_closed()

        async with serving(exchange) as url, collecting(url, venue=impatient(0.1)) as (collector, sink):
            await sink.until(lambda: collector.counts.connections >= 2)
            assert (State.SILENT, "silent-route") in sink.reasons()
            assert not {State.LIVE, State.DOWN} & {state for state, _ in sink.reasons()}
            assert any("never brought market data" in state.detail for state in sink.states)

    run_on_loop(scenario)


def test_market_data_that_stops_ends_the_connection():
    async def scenario():
        async def exchange(ws):
            await ws.send(mark_price())
            await ws.wait_closed()

        async with serving(exchange) as url, collecting(url, venue=impatient(0.1)) as (collector, sink):
            await sink.until(lambda: collector.counts.connections >= 2)
            assert sink.reasons()[:3] == [(State.CONNECTING, ""), (State.LIVE, ""), (State.SILENT, "silent")]
            assert len(sink.losses) >= 1

    run_on_loop(scenario)


def test_a_message_over_the_limit_ends_the_connection_with_its_reason():
    async def scenario():
        async def exchange(ws):
            await ws.send("x" * 530_000)
            await ws.wait_closed()

        async with serving(exchange) as url, collecting(url) as (_, sink):
            await sink.until(lambda: (State.DOWN, "too-large") in sink.reasons())

    run_on_loop(scenario)


def test_a_full_store_pauses_reading_without_calling_the_feed_dead():
    async def scenario():
        async def exchange(ws):
            for index in range(500):
                await ws.send(liquidation(index))
            await ws.wait_closed()

        async with serving(exchange) as url, collecting(url, venue=impatient(0.2)) as (collector, sink):
            sink.room = 0
            await sink.until(lambda: sink.state is State.LIVE)
            loop = asyncio.get_running_loop()
            blocked_until_s = loop.time() + 0.5
            await sink.until(lambda: loop.time() > blocked_until_s)  # asked again every 20 ms, so told as often
            assert sink.losses == []
            sink.room = None
            await sink.until(lambda: len(sink.events) == 500)
            assert [event.ts_ms - T for event in sink.events] == list(range(500))
            assert collector.counts.connections == 1

    run_on_loop(scenario)


def test_nothing_listens_there():
    async def scenario():
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            async with collecting(f"ws://127.0.0.1:{taken.getsockname()[1]}") as (_, sink):
                await sink.until(lambda: (State.DOWN, "refused") in sink.reasons())
                assert sink.states[-1].detail.startswith("127.0.0.1:")

    run_on_loop(scenario)


@pytest.mark.parametrize(("status", "reason"), [(451, "region"), (403, "region"), (503, "http")])
def test_a_refusal_at_the_door_is_told_apart(status, reason):
    async def scenario():
        def refuse(connection, _request):
            return connection.respond(status, "no")

        async def never(_ws):
            raise AssertionError

        async with serving(never, process_request=refuse) as url, collecting(url) as (_, sink):
            await sink.until(lambda: (State.DOWN, reason) in sink.reasons())

    run_on_loop(scenario)


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

        async with serving(never, process_request=refuse) as url, collecting(url) as (_, sink):
            await sink.until(lambda: (State.DOWN, "banned") in sink.reasons())
            assert "3600 s" in sink.states[-1].detail
            assert attempts == 1

    run_on_loop(scenario)


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
            async with collecting(url) as (_, sink):
                await sink.until(lambda: sink.state is State.DOWN)
                assert sink.states[-1].reason in reasons

    run_on_loop(scenario)


def test_a_line_that_breaks_mid_frame_reconnects():
    async def scenario():
        async def exchange(ws):
            await ws.send(liquidation())
            ws.transport.write(b"\x81\x7e\x01\x00half a frame")
            ws.transport.abort()

        async with serving(exchange) as url, collecting(url) as (_, sink):
            await sink.until(lambda: len(sink.events) >= 2)
            assert len(sink.losses) >= 1

    run_on_loop(scenario)


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

        async with serving(exchange) as url, collecting(url) as (_, sink):
            await sink.until(lambda: sink.events)
            assert (State.DOWN, "internal") in sink.reasons()

    run_on_loop(scenario)
    assert "ZeroDivisionError" in caplog.text


def test_an_address_that_cannot_be_is_refused_at_once():
    with pytest.raises(SettingsError):
        FeedGroup(
            BINANCE,
            ("BTCUSDT",),
            RecordedSink(),
            lambda _: None,
            ws_url="https://fstream.binance.com",
            source="binance",
        )


def test_frame_errors_carry_their_excerpt():
    with pytest.raises(FrameError) as caught:
        forceorder.decode("garbage")
    assert caught.value.excerpt == "garbage"
