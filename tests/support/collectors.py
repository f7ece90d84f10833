"""Collectors in processes of their own, and an exchange that sends them numbered events."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
from contextlib import contextmanager
from pathlib import Path

from websockets.asyncio.server import serve

from Heatmap.clock import SYSTEM_CLOCK
from Heatmap.events import LiquidationEvent, Side
from support.frames import encode

ROOT = Path(__file__).parents[2]
PATIENCE_S = 60.0
HEARTBEAT_S = 0.2
COLLECTOR = f"""
import sys
from Heatmap.storage import writer_session
writer_session.HEARTBEAT_S = {HEARTBEAT_S}
from Heatmap.cli import main
sys.exit(main(["collect", *sys.argv[1:]]))
"""


class Exchange:
    """Sends every connection the same events as they come: about a thousand a second, each with its number as time."""

    def __init__(self):
        self.sent_ms = []  # when the event of this number was first sent, by the wall clock
        self.began_ms = SYSTEM_CLOCK.now_ms()
        self.ready = threading.Event()
        self.thread = threading.Thread(target=lambda: asyncio.run(self.serve()))

    def __enter__(self):
        self.thread.start()
        assert self.ready.wait(PATIENCE_S)
        return self

    def __exit__(self, *_):
        self.loop.call_soon_threadsafe(self.end.set)
        self.thread.join()

    async def serve(self):
        self.loop, self.end = asyncio.get_running_loop(), asyncio.Event()
        self.moved = asyncio.Condition()
        async with serve(
            self.play, "127.0.0.1", 0, process_request=self.answer, compression=None, close_timeout=0.1
        ) as server:
            self.place = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
            self.ready.set()
            clock = asyncio.create_task(self.tick())
            await self.end.wait()
        # Not before: who waits for an event would not notice that the server is closed.
        clock.cancel()

    async def tick(self):
        while True:
            async with self.moved:
                self.sent_ms.extend([SYSTEM_CLOCK.now_ms()] * 10)
                self.moved.notify_all()
            await asyncio.sleep(0.01)

    def answer(self, connection, request):
        return None if request.path.startswith("/market/") else connection.respond(500, "no")

    async def play(self, ws):
        number = len(self.sent_ms)
        while True:
            async with self.moved:
                while len(self.sent_ms) <= number:
                    await self.moved.wait()
            await ws.send(json.dumps({"e": "markPriceUpdate", "E": self.sent_ms[-1], "s": "BTCUSDT", "p": "1"}))
            for sent in range(number, len(self.sent_ms)):
                await ws.send(encode(self.event(sent)))
                number = sent + 1

    def event(self, number):
        return LiquidationEvent(self.began_ms + number, "BTCUSDT", Side.SELL, 85_000.5, 0.25, 85_000.5 * 0.25)


def collector(db, exchange):
    return subprocess.Popen(
        [
            sys.executable, "-W", "error", "-c", COLLECTOR, "--db", str(db),
            "--ws-url", f"ws://{exchange.place}", "--rest-url", f"http://{exchange.place}",
        ],
        cwd=ROOT, stderr=subprocess.DEVNULL,
    )  # fmt: skip


@contextmanager
def ended(*processes):
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait(PATIENCE_S)
