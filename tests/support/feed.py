"""A collector on the loop of a test, and all that it stores and reports."""

from __future__ import annotations

import asyncio
import threading
from contextlib import asynccontextmanager, suppress

from websockets.asyncio.server import serve

from Heatmap.ingestion.backoff import Backoff
from Heatmap.ingestion.feed_group import FeedGroup
from Heatmap.ingestion.venues import venue_of

PATIENCE_S = 15.0


class RecordedSink:
    """A `Heatmap.ingestion.frame_handler.FeedSink` that keeps what it is given.

    Attributes
    ----------
    events, covered, losses, rejected, clocks, states
        In order; ``covered`` are ``(symbol, ms)``, ``losses`` sets of symbols.
    room
        Most events that are taken, None for any number.
    """

    def __init__(self):
        self.events, self.covered, self.losses, self.rejected, self.clocks, self.states = [], [], [], [], [], []
        self.room = None
        self._changed = asyncio.Event()

    def put(self, event):
        self._changed.set()
        if self.room is not None and len(self.events) >= self.room:
            return False
        self.events.append(event)
        return True

    def extend_coverage(self, _source, symbol, at_ms):
        self._keep(self.covered, (symbol, at_ms))

    def close_coverage(self, symbols=None):
        self._keep(self.losses, symbols)

    def quarantine(self, rejected):
        self._keep(self.rejected, rejected)

    def note_clock(self, reading):
        self._keep(self.clocks, reading)

    def take_state(self, state):
        self._keep(self.states, state)

    def _keep(self, to, item):
        to.append(item)
        self._changed.set()

    async def until(self, condition):
        """Wait until ``condition()`` is true; looked at again at each report, and every 10 ms for other conditions."""
        async with asyncio.timeout(PATIENCE_S):
            while not condition():
                self._changed.clear()
                with suppress(TimeoutError):
                    async with asyncio.timeout(0.01):
                        await self._changed.wait()

    @property
    def state(self):
        return self.states[-1].state if self.states else None

    def reasons(self):
        return [(feed.state, feed.reason) for feed in self.states]


async def until(condition):
    """Wait until ``condition()`` is true."""
    async with asyncio.timeout(PATIENCE_S):
        while not condition():  # noqa: ASYNC110 - nothing signals all these conditions
            await asyncio.sleep(0.005)


async def holds(condition, *, for_s):
    """Check that ``condition()`` stays true for so many seconds."""
    end_s = asyncio.get_running_loop().time() + for_s
    while asyncio.get_running_loop().time() < end_s:
        assert condition()
        await asyncio.sleep(0.005)


def quick_backoff():
    """The real policy with waits near zero and a limit that no test reaches."""
    return Backoff(base_s=0.001, cap_s=0.01, attempts_per_min=100_000)


@asynccontextmanager
async def collecting(url, *, symbols=("BTCUSDT",), venue=None, **options):
    """Yield a running feed and its `RecordedSink`."""
    sink = RecordedSink()
    options = {"backoff": quick_backoff(), "source": "binance"} | options
    venue = venue if venue is not None else venue_of("binance")
    collector = FeedGroup(venue, symbols, sink, sink.take_state, ws_url=url, **options)
    task = asyncio.create_task(collector.run())
    try:
        yield collector, sink
    finally:
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()


@asynccontextmanager
async def serving(handler, **options):
    """Yield the base address of a WebSocket server on loopback."""
    async with serve(handler, "127.0.0.1", 0, compression=None, **options) as server:
        yield f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"


def run_on_loop(scenario):
    """Run a coroutine function; no task and no thread of it may be left."""

    async def bounded():
        async with asyncio.timeout(4 * PATIENCE_S):
            await scenario()
        async with asyncio.timeout(PATIENCE_S):
            while len(asyncio.all_tasks()) > 1:  # noqa: ASYNC110 - nothing signals that all have ended
                await asyncio.sleep(0)

    threads = threading.active_count()
    asyncio.run(bounded())
    assert threading.active_count() == threads
