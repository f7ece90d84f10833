"""REST requests against a small real server: answers, refusals, silence."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import threading
from contextlib import asynccontextmanager

import pytest

from Heatmap.clock import SYSTEM_CLOCK
from Heatmap.errors import FeedError, RestError
from Heatmap.ingestion import rest
from Heatmap.ingestion.backoff import Backoff
from Heatmap.ingestion.symbol_listing import KEEP_S, SymbolListing
from Heatmap.ingestion.tick_refresher import refresh_tick_sizes
from Heatmap.ingestion.venues import venue_of

LISTED = [("ETHUSDT", "TRADING"), ("OLDUSDT", "SETTLING"), ("BTCUSDT", "TRADING")]


class HandClock:
    """A monotonic clock that is set by hand."""

    now_s = 50.0

    def monotonic_s(self):
        return self.now_s

    def now_ms(self):
        return SYSTEM_CLOCK.now_ms()


@asynccontextmanager
async def answering(*answers, asked=None):
    """Serve the given raw answers, one a connection, the last one for ever; None never answers."""
    remaining = list(answers)
    held = []

    async def handle(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        answer = remaining.pop(0) if len(remaining) > 1 else remaining[0]
        if answer is None:
            held.append(writer)
            if asked is not None:
                asked.set()
            return
        writer.write(answer)
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    try:
        async with server:
            yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        for writer in held:
            writer.close()
            await writer.wait_closed()


def answer(status, body, *headers):
    body = body.encode() if isinstance(body, str) else body
    lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


def fetched(*answers, **options):
    async def scenario():
        async with asyncio.timeout(20), answering(*answers) as url:
            return await rest.fetch_bytes(url + "/fapi/v1/time", **options)

    threads = threading.active_count()
    try:
        return asyncio.run(scenario())
    finally:
        requests_end()
        assert threading.active_count() == threads


def requests_end():
    """Wait for the daemon threads of requests, which end by themselves once their server is gone."""
    for thread in threading.enumerate():
        if thread.name == "heatmap-rest":
            thread.join(10)
            assert not thread.is_alive()


def refused(*answers, **options):
    with pytest.raises(RestError) as caught:
        fetched(*answers, **options)
    return caught.value


def test_an_answer_is_returned():
    assert fetched(answer(200, '{"serverTime": 5}')) == b'{"serverTime": 5}'


@pytest.mark.parametrize(
    ("status", "reason"), [(403, "region"), (451, "region"), (418, "banned"), (400, "http"), (500, "http")]
)
def test_refusals_are_told_apart(status, reason):
    error = refused(answer(status, '{"code":-1121,"msg":"Invalid symbol."}'))
    assert (error.reason, error.status) == (reason, status)
    assert "/fapi/v1/time" in str(error)
    assert "http" not in error.short
    if reason == "http":
        assert "Invalid symbol." in error.short


@pytest.mark.parametrize("name", ["Retry-After", "retry-after"])
def test_a_ban_names_its_end(name):
    assert refused(answer(429, "", f"{name}: 12")).retry_after_s == 12.0


def test_an_answer_over_the_limit_is_not_read():
    assert refused(answer(200, "9" * 1000), max_bytes=100).reason == "too-large"


def test_an_answer_that_ends_early_is_no_answer():
    cut = answer(200, "[1, 2, 3]").replace(b"Content-Length: 9", b"Content-Length: 99")
    assert refused(cut).reason == "closed"


def test_silence_ends_after_the_timeout():
    assert refused(None, timeout_s=0.1).reason == "timeout"


def test_a_trickle_ends_after_the_timeout_in_the_thread_too():
    async def scenario():
        ended = asyncio.Event()

        async def trickle(reader, writer):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 X\r\nContent-Length: 100000\r\n\r\n")
            with contextlib.suppress(ConnectionError):
                while True:
                    writer.write(b" ")
                    await writer.drain()
                    await asyncio.sleep(0.01)
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()
            ended.set()

        server = await asyncio.start_server(trickle, "127.0.0.1", 0)
        async with server:
            url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            with pytest.raises(RestError) as caught:
                await rest.fetch_bytes(url, timeout_s=0.2)
            assert caught.value.reason == "timeout"
            await asyncio.to_thread(requests_end)
            await ended.wait()

    asyncio.run(scenario())


def test_a_cancelled_request_ends_the_wait_at_once_and_its_thread_later():
    async def scenario():
        asked = asyncio.Event()
        async with answering(None, asked=asked) as url:
            task = asyncio.create_task(rest.fetch_bytes(url, timeout_s=60))
            async with asyncio.timeout(10):
                await asked.wait()
            task.cancel()
            await asyncio.wait([task])
            assert task.cancelled()

    asyncio.run(scenario())
    requests_end()


def test_a_cancellation_that_meets_the_answer_is_not_lost(monkeypatch):
    async def scenario():
        loop = asyncio.get_running_loop()

        async def answered(_work, *, name):
            assert name == "heatmap-rest"
            result = loop.create_future()

            def settle():
                result.set_result(b"5")
                task.cancel()

            loop.call_soon(settle)
            return await result

        monkeypatch.setattr(rest, "run_in_daemon_thread", answered)
        task = asyncio.create_task(rest.fetch_bytes("http://127.0.0.1/"))
        await asyncio.wait([task], timeout=10)
        assert task.cancelled()

    asyncio.run(scenario())


def test_nothing_listens_there():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        with pytest.raises(RestError) as caught:
            asyncio.run(rest.fetch_bytes(f"http://127.0.0.1:{taken.getsockname()[1]}/"))
    assert caught.value.reason == "refused"


@pytest.mark.parametrize("url", ["file:///etc/hostname", "ftp://127.0.0.1/x", "data:,5"])
def test_only_http_is_fetched(url):
    with pytest.raises(RestError) as caught:
        asyncio.run(rest.fetch_bytes(url))
    assert caught.value.reason == "http"


def test_tick_sizes_come_after_a_failure_too():
    rules = {
        "symbols": [
            {"symbol": "BTCUSDT", "filters": [{"filterType": "PRICE_FILTER", "tickSize": "0.10"}]},
        ]
    }
    ticks, unknown = {}, {}

    async def scenario():
        done = asyncio.Event()

        def on_unknown(symbol, sentence):
            unknown[symbol] = sentence
            done.set()

        async with answering(answer(500, ""), answer(200, "{}"), answer(200, json.dumps(rules))) as url:
            refreshing = refresh_tick_sizes(
                venue_of("binance"),
                url,
                ("BTCUSDT", "BTCUSD"),
                on_tick=ticks.__setitem__,
                on_unknown=on_unknown,
                backoff=Backoff(base_s=0.001),
            )
            task = asyncio.create_task(refreshing)
            async with asyncio.timeout(10):
                await done.wait()
            task.cancel()
            await asyncio.wait([task])

    asyncio.run(scenario())
    assert ticks == {"BTCUSDT": 0.1}
    assert unknown == {"BTCUSD": "The exchange has no symbol BTCUSD. Did you mean BTCUSDT?"}


def test_traded_symbols_are_asked_for_once_an_hour_and_again_after_a_failure():
    listed = {"symbols": [{"symbol": name, "status": status, "filters": []} for name, status in LISTED]}
    clock = HandClock()

    async def scenario():
        first = answer(200, json.dumps(listed))
        second = answer(200, json.dumps({"symbols": [{"symbol": "NEWUSDT", "filters": []}]}))
        async with answering(answer(500, ""), first, second) as url:
            listing = SymbolListing(venue_of("binance"), url, clock)
            with pytest.raises(FeedError):
                await asyncio.to_thread(listing.symbols)
            symbols = await asyncio.to_thread(listing.symbols)
            assert symbols == await asyncio.to_thread(listing.symbols) == ("BTCUSDT", "ETHUSDT")
            clock.now_s += KEEP_S
            assert await asyncio.to_thread(listing.symbols) == ("NEWUSDT",)

    asyncio.run(scenario())


def test_a_redirect_is_an_answer_and_is_not_followed():
    """It could lead from https to http, or to another machine."""
    with pytest.raises(RestError) as caught:
        fetched(answer(302, "", "Location: http://127.0.0.1:9/elsewhere"), answer(200, "{}"))
    assert (caught.value.reason, caught.value.status) == ("http", 302)
