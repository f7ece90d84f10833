"""One connection after another: replaced before it is too old, given up when the machine slept or moved."""

from __future__ import annotations

import asyncio
import itertools
import logging
import socket
import threading
from contextlib import asynccontextmanager, suppress
from dataclasses import replace

import pytest
from support.feed import collecting, holds, run_on_loop, serving, until
from support.frames import T, liquidation, mark_price
from websockets.exceptions import ConnectionClosed

from Heatmap.clock import SYSTEM_CLOCK
from Heatmap.ingestion import collector as collector_module
from Heatmap.ingestion.backoff import Backoff
from Heatmap.ingestion.binance.venue import BINANCE
from Heatmap.ingestion.loop_thread import LoopThread
from Heatmap.reports import ConnectionState as State


def rotating(after_s, **changes):
    """The exchange with connections that are soon replaced."""
    return replace(BINANCE, policy=replace(BINANCE.policy, rotate_after_s=after_s, **changes))


def offsets(sink):
    """The stored events by their number."""
    return [event.ts_ms - T for event in sink.events]


class Market:
    """An exchange whose every connection gets the same numbered liquidations, one every few ms, from its start on."""

    def __init__(self, *, every_s=0.002):
        self.every_s = every_s
        self.sent = 0
        self.connections = []
        self.opened = asyncio.Event()
        self.most_at_once = 0
        self.refused = 0
        self.announce_end_after = None

    async def play(self, ws):
        self.connections.append(ws)
        self.most_at_once = max(self.most_at_once, sum(at.state.name == "OPEN" for at in self.connections))
        self.opened.set()
        await ws.wait_closed()

    async def run(self):
        while True:
            self.sent += 1
            for ws in [ws for ws in self.connections if ws.state.name == "OPEN"]:
                # Without waiting for the socket: what one client does not read must not hold up the other.
                asyncio.get_running_loop().create_task(self._push(ws, self.sent))
            await asyncio.sleep(self.every_s)

    async def _push(self, ws, index):
        with suppress(ConnectionClosed):  # it may end at any moment
            await ws.send(liquidation(index))
            await ws.send(mark_price(T + round(asyncio.get_running_loop().time() * 1000)))

    @asynccontextmanager
    async def open(self, **options):
        async with serving(self.play, **options) as url:
            task = asyncio.create_task(self.run())
            try:
                yield url
            finally:
                task.cancel()


def test_a_connection_is_replaced_before_it_ends_and_nothing_is_missed():
    async def scenario():
        market = Market()
        async with market.open() as url, collecting(url, venue=rotating(0.2)) as (feed, sink):
            await until(lambda: feed.counts.connections >= 5)
            await until(lambda: sum(ws.state.name == "CLOSED" for ws in market.connections) >= 4)
        first, last = offsets(sink)[0], max(offsets(sink))
        assert set(offsets(sink)) == set(range(first, last + 1))
        # Both connections deliver for a while; the store drops what is told twice.
        assert len(offsets(sink)) > len(set(offsets(sink)))
        assert sink.losses == []
        assert market.most_at_once == 2
        assert sink.reasons() == [(State.CONNECTING, ""), (State.LIVE, "")]
        # The proofs of coverage go on without a gap, and never backwards.
        assert all(0 <= b - a < 1000 for (_, a), (_, b) in itertools.pairwise(sink.covered))

    run_on_loop(scenario)


def test_what_the_old_connection_has_already_brought_is_still_taken_however_long_the_store_is_full():
    burst = 3000

    async def scenario():
        async def exchange(ws):
            opened.append(ws)
            if len(opened) > 1:
                await steadily(ws)
                return
            await ws.send(mark_price(T))
            await ws.send('{"e":"serverShutdown"}')
            for index in range(burst):
                await ws.send(liquidation(index))
            await ws.send(mark_price(T + 1500))
            await ws.wait_closed()

        async def steadily(ws):
            # Begins a moment before the old connection's last word.
            for second in itertools.count():
                await ws.send(mark_price(T + 1000 + 1000 * second))
                await asyncio.sleep(0.01)

        opened = []
        async with serving(exchange) as url, collecting(url) as (feed, sink):
            sink.room = 100
            await until(lambda: len(opened) == 2 and feed.counts.received == 100)
            # Longer than a closing handshake may take; most of the burst lies in the sockets' buffers.
            await holds(lambda: sink.covered == [("BTCUSDT", T)] and opened[0].state.name == "OPEN", for_s=1.5)
            sink.room = None
            await until(lambda: opened[0].state.name == "CLOSED" and len(sink.covered) > 3)
            assert offsets(sink) == list(range(burst))
            assert sink.losses == []

    run_on_loop(scenario)


def test_a_hand_over_from_a_connection_that_was_dead_already_is_a_gap():
    async def scenario():
        async def exchange(ws):
            opened.append(ws)
            begin_ms = T if len(opened) == 1 else T + 8000
            await ws.send(mark_price(begin_ms))
            if len(opened) == 1:
                await ws.send('{"e":"serverShutdown"}')
                await ws.wait_closed()  # and says nothing for the eight seconds that the next one takes
            for second in range(1, 9):
                await ws.send(mark_price(begin_ms + 1000 * second))
            await ws.wait_closed()

        opened = []
        async with serving(exchange) as url, collecting(url) as (_, sink):
            await until(lambda: sink.covered[-1:] == [("BTCUSDT", T + 14_000)])
            assert len(sink.losses) == 1
            assert next(at_ms - T for _, at_ms in sink.covered if at_ms > T) >= 8000

    run_on_loop(scenario)


@pytest.mark.parametrize("announced", [True, False])
def test_replacing_is_no_way_around_the_limit(announced):
    async def scenario():
        attempts = 0

        async def exchange(ws):
            nonlocal attempts
            attempts += 1
            await ws.send(mark_price(T))
            if announced:
                await ws.send('{"e":"serverShutdown"}')
            await ws.wait_closed()

        venue = BINANCE if announced else rotating(0.001)
        async with serving(exchange) as url, collecting(url, backoff=Backoff(), venue=venue) as (_, sink):
            await until(lambda: attempts == 10)
            await holds(lambda: attempts == 10, for_s=0.5)
            assert sink.losses == []

    run_on_loop(scenario)


def test_a_redirect_is_not_followed():
    async def scenario():
        attempts = 0

        def elsewhere(connection, _request):
            nonlocal attempts
            attempts += 1
            response = connection.respond(302, "there")
            response.headers["Location"] = f"ws://127.0.0.1:{port}/elsewhere"
            return response

        async with Market().open(process_request=elsewhere) as url:
            port = url.rpartition(":")[2]
            async with collecting(url, backoff=Backoff(chance=lambda: 0.999)) as (_, sink):
                await until(lambda: (State.DOWN, "http") in sink.reasons())
                assert attempts == 1

    run_on_loop(scenario)


def test_a_pause_that_a_replacement_was_asked_for_holds_for_all():
    async def scenario():
        attempts = []
        first = []

        def door(connection, _request):
            attempts.append(asyncio.get_running_loop().time())
            if len(attempts) == 1:
                return None
            response = connection.respond(429, "slow down")
            response.headers["Retry-After"] = "600"
            return response

        async def exchange(ws):
            first.append(ws)
            await ws.send(mark_price(T))
            await ws.send('{"e":"serverShutdown"}')
            await until(lambda: len(attempts) == 2)
            await ws.close()

        async with serving(exchange, process_request=door) as url, collecting(url) as (_, sink):
            await until(lambda: len(sink.losses) == 1)
            await holds(lambda: len(attempts) == 2, for_s=0.3)
            assert sink.states[-1].retry_at_ms - SYSTEM_CLOCK.now_ms() > 590_000

    run_on_loop(scenario)


def test_a_proxy_that_cannot_be_used_is_named(monkeypatch):
    async def scenario():
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            nobody = f"127.0.0.1:{taken.getsockname()[1]}"
            monkeypatch.setenv("socks_proxy", f"socks5h://{nobody}")
            async with collecting("ws://exchange.example") as (_, sink):
                await until(lambda: (State.DOWN, "proxy") in sink.reasons())

    run_on_loop(scenario)


def test_an_announced_end_is_not_waited_for():
    async def scenario():
        market = Market()
        async with market.open() as url, collecting(url) as (feed, sink):
            await until(lambda: offsets(sink))
            await market.connections[0].send('{"e":"serverShutdown"}')
            await until(lambda: feed.counts.connections == 2 and market.connections[0].state.name == "CLOSED")
            assert sink.losses == []

    run_on_loop(scenario)


def test_a_replacement_that_fails_leaves_the_old_connection_at_work(caplog):
    caplog.set_level(logging.WARNING)

    async def scenario():
        market = Market()
        doors = itertools.chain([True], itertools.repeat(False, 6), itertools.repeat(True))

        def door(connection, _request):
            return None if next(doors) else connection.respond(503, "busy")

        async with market.open(process_request=door) as url, collecting(url, venue=rotating(0.1)) as (feed, sink):
            await until(lambda: feed.counts.connections >= 2)
            assert sink.losses == []
            assert {state for state, _ in sink.reasons()} == {State.CONNECTING, State.LIVE}

    run_on_loop(scenario)
    assert sum("no new connection yet" in record.message for record in caplog.records) == 6


def test_a_replacement_that_never_delivers_does_not_take_over():
    async def scenario():
        opened = []

        async def exchange(ws):
            opened.append(ws)
            if len(opened) == 2:
                await ws.send('{"result":null,"id":1}')
                await ws.wait_closed()
                return
            while True:
                await ws.send(mark_price(T))
                await asyncio.sleep(0.01)

        venue = rotating(0.1, silent_after_s=0.3)
        async with serving(exchange) as url, collecting(url, venue=venue) as (_, sink):
            await until(lambda: len(opened) >= 3)
            assert sink.losses == []
            assert State.SILENT not in {state for state, _ in sink.reasons()}

    run_on_loop(scenario)


def test_an_old_connection_that_ends_first_is_a_loss_until_the_new_one_delivers():
    async def scenario():
        opened = []

        async def exchange(ws):
            opened.append(ws)
            if len(opened) == 1:
                await ws.send(mark_price(T))
                await ws.send('{"e":"serverShutdown"}')
                await until(lambda: len(opened) == 2)
                return
            await until(lambda: len(sinks[0].losses) == 1)
            await ws.send(mark_price(T + 1))
            await ws.wait_closed()

        sinks = []
        async with serving(exchange) as url, collecting(url) as (feed, sink):
            sinks.append(sink)
            await until(lambda: sink.reasons()[-2:] == [(State.CONNECTING, "closed"), (State.LIVE, "")])
            assert feed.counts.connections == 2
            assert len(sink.losses) == 1

    run_on_loop(scenario)


def test_a_symbol_that_is_new_or_gone_with_a_rotation_costs_the_others_nothing():
    async def scenario():
        opened = []

        async def exchange(ws):
            opened.append(ws)
            number, symbols = len(opened), [("AUSDT", "GONEUSDT"), ("AUSDT", "NEWUSDT")][min(len(opened), 2) - 1]
            at_ms = T
            with suppress(ConnectionClosed):
                while True:
                    at_ms = T + round(asyncio.get_running_loop().time() * 1000)
                    for symbol in symbols:
                        await ws.send(mark_price(at_ms, symbol))
                    if number == 1 and sinks[0].covered:
                        await ws.send('{"e":"serverShutdown"}')
                    await asyncio.sleep(0.02)

        sinks = []
        async with serving(exchange) as url, collecting(url, symbols=None) as (_, sink):
            sinks.append(sink)
            await until(lambda: "NEWUSDT" in {symbol for symbol, _ in sink.covered})
            assert sink.losses == [frozenset({"GONEUSDT"})]

    run_on_loop(scenario)


class SteppedClock:
    """The real monotonic clock, and a wall clock that a test can set."""

    def __init__(self):
        self.ahead_ms = 0

    def monotonic_s(self):
        return asyncio.get_running_loop().time()

    def now_ms(self):
        return T + round(self.monotonic_s() * 1000) + self.ahead_ms


def test_a_machine_that_slept_reconnects_at_once_and_measures_its_clock_anew(monkeypatch):
    monkeypatch.setattr(collector_module, "_INTERRUPTION_POLL_S", 0.02)

    async def scenario():
        clock, market = SteppedClock(), Market()
        async with market.open() as url, collecting(url, clock=clock) as (feed, sink):
            await until(lambda: sink.clocks)
            clock.ahead_ms = 3_600_000
            await until(lambda: feed.counts.connections == 2 and len(sink.clocks) == 2)
            assert (State.CONNECTING, "slept") in sink.reasons()
            assert len(sink.losses) == 1
            # The exchange's clock stayed, this machine's went ahead by an hour.
            first, second = sink.clocks
            assert second.offset_ms - first.offset_ms == pytest.approx(-3_600_000, abs=500)
            clock.ahead_ms = 0  # set back: no sleep
            await until(lambda: len(sink.clocks) == 3)
            assert feed.counts.connections == 2

    run_on_loop(scenario)


def test_a_connection_whose_address_is_gone_is_given_up_at_once(monkeypatch):
    monkeypatch.setattr(collector_module, "_INTERRUPTION_POLL_S", 0.02)
    gone = set()
    monkeypatch.setattr(collector_module, "owns_address", lambda address: address not in gone)

    async def scenario():
        market = Market()
        async with market.open() as url, collecting(url) as (feed, sink):
            await until(lambda: offsets(sink))
            gone.add(market.connections[0].remote_address)
            await until(lambda: feed.counts.connections == 2)
            assert (State.CONNECTING, "network-changed") in sink.reasons()

    run_on_loop(scenario)


def test_a_network_that_comes_back_ends_the_wait(monkeypatch):
    monkeypatch.setattr(collector_module, "_INTERRUPTION_POLL_S", 0.02)
    addresses = [("10.0.0.1",)]
    monkeypatch.setattr(collector_module, "local_addresses", lambda: addresses[0])

    async def scenario():
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            hour = Backoff(base_s=3600.0, cap_s=3600.0, chance=lambda: 0.9)
            async with collecting(f"ws://127.0.0.1:{taken.getsockname()[1]}", backoff=hour) as (_, sink):
                await until(lambda: (State.DOWN, "refused") in sink.reasons())
                assert sink.states[-1].retry_at_ms is not None
                states = len(sink.states)
                addresses[0] = ()
                await holds(lambda: len(sink.states) == states, for_s=0.1)  # no route is no reason to try
                addresses[0] = ("10.0.0.2",)
                await until(lambda: len(sink.states) > states)

    run_on_loop(scenario)


def test_a_network_that_flaps_is_no_way_around_the_limit(monkeypatch):
    monkeypatch.setattr(collector_module, "_INTERRUPTION_POLL_S", 0.01)
    addresses = (f"10.0.0.{number % 250}" for number in itertools.count())
    monkeypatch.setattr(collector_module, "local_addresses", lambda: (next(addresses),))

    async def scenario():
        attempts = 0

        def door(connection, _request):
            nonlocal attempts
            attempts += 1
            return connection.respond(503, "busy")

        backoff = Backoff()
        async with Market().open(process_request=door) as url, collecting(url, backoff=backoff):
            await until(lambda: backoff.held_back_s(SYSTEM_CLOCK.monotonic_s()) > 0)
            await holds(lambda: attempts <= 10 and backoff.held_back_s(SYSTEM_CLOCK.monotonic_s()) > 0, for_s=0.5)

    run_on_loop(scenario)


def test_a_ban_is_not_cut_short_by_another_network(monkeypatch):
    monkeypatch.setattr(collector_module, "_INTERRUPTION_POLL_S", 0.01)
    addresses = (f"10.0.0.{number % 250}" for number in itertools.count())
    monkeypatch.setattr(collector_module, "local_addresses", lambda: (next(addresses),))

    async def scenario():
        def door(connection, _request):
            response = connection.respond(418, "go away")
            response.headers["Retry-After"] = "600"
            return response

        async with Market().open(process_request=door) as url, collecting(url) as (_, sink):
            await until(lambda: (State.DOWN, "banned") in sink.reasons())
            states = len(sink.states)
            await holds(lambda: len(sink.states) == states, for_s=0.3)
            assert sink.states[-1].retry_at_ms - SYSTEM_CLOCK.now_ms() > 500_000

    run_on_loop(scenario)


def test_undecodable_frames_are_kept_but_not_all():
    async def scenario():
        async def exchange(ws):
            await ws.send(mark_price(T))
            for number in range(200):
                await ws.send(f"garbage {number}")
            await ws.send("[1]")
            await ws.wait_closed()

        async with serving(exchange) as url, collecting(url) as (feed, sink):
            await until(lambda: feed.counts.undecodable == 201)
            assert [rejected.kind for rejected in sink.rejected] == ["bad-json"] * 50 + ["bad-shape"]
            assert sink.rejected[7].frame == b"garbage 7"
            assert (sink.rejected[7].source, sink.rejected[7].size_bytes) == ("binance", 9)
            assert State.LIVE in {state for state, _ in sink.reasons()}

    run_on_loop(scenario)


def test_each_attempt_begins_with_the_next_address(monkeypatch):
    known = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (f"127.0.0.{number}", 9)) for number in (1, 2, 3)]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_args, **_options: list(known))
    firsts, done = [], threading.Event()

    async def resolve():
        loop = asyncio.get_running_loop()
        firsts.extend([(await loop.getaddrinfo("exchange.example", 9))[0][4][0] for _ in range(4)])
        done.set()

    thread = LoopThread(resolve, name="heatmap-test")
    thread.start()
    thread.turn_on()
    assert done.wait(10)
    assert thread.stop(10)
    assert firsts == ["127.0.0.1", "127.0.0.2", "127.0.0.3", "127.0.0.1"]
