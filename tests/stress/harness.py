"""What all stress scenarios share: the outcome, the measuring of a process, a market that numbers its events."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from support.exchange import LoopbackExchange
from support.frames import T, encode, mark_price, rules
from support.waiting import until

from Heatmap.events import LiquidationEvent, Side
from Heatmap.storage.sqlite.connection import open_reader

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_S = 120.0
SAMPLE_S = 0.05
BATCH_S = 0.05
# An event's quantity has its number in thousandths; all are large enough to be seen.
FIRST_QTY, LOTS = 10_000, 1_000
MB = 1e6


@dataclass
class Outcome:
    """What a scenario found; ``threads`` and ``descriptors`` are counted before and after it, memory is resident MB.

    ``lost`` counts events that had arrived for certain and are not stored; ``bound_mb`` is how much larger than
    ``start_mb``, taken after the warm-up, ``final_mb`` may be.
    """

    sent: int = 0
    stored: int = 0
    lost: int = 0
    duplicated: int = 0
    start_mb: float = 0.0
    peak_mb: float = 0.0
    final_mb: float = 0.0
    bound_mb: float = 12.0
    threads: tuple[int, int] = (0, 0)
    descriptors: tuple[int, int] = (0, 0)
    stall_ms: float | None = None
    seconds: float = 0.0
    note: str = ""
    faults: list[str] = field(default_factory=list)

    def judged(self) -> Outcome:
        """Add what is wrong to ``faults``, and return itself."""
        wrong = {
            f"{self.lost} lost": self.lost,
            f"{self.duplicated} duplicated": self.duplicated,
            f"{self.final_mb - self.start_mb:.1f} MB more than at the start": self.final_mb
            > self.start_mb + self.bound_mb,
            f"{self.threads[1] - self.threads[0]} threads left": self.threads[1] > self.threads[0],
            f"{self.descriptors[1] - self.descriptors[0]} descriptors left": self.descriptors[1] > self.descriptors[0],
            "nothing was sent": not self.sent,
        }
        self.faults += [words for words, is_wrong in wrong.items() if is_wrong]
        return self


class Watch:
    """Measures a process, this one by default, for the length of a ``with`` block, into an outcome."""

    def __init__(self, outcome: Outcome, pid: int | None = None):
        self.outcome, self.process = outcome, psutil.Process(pid)
        self.is_own = pid is None
        self._ends = threading.Event()
        self._sampler = threading.Thread(target=self._sample, name="stress-watch")

    def memory_mb(self):
        if self.is_own:
            gc.collect()
        return self.process.memory_info().rss / MB

    def counts(self):
        return self.process.num_threads(), self.process.num_fds()

    def warm(self):
        """Take the memory from which on it must not grow."""
        self.outcome.start_mb = self.memory_mb()

    def settled(self):
        """Take the final memory; without a call it is taken at the end of the block."""
        self.outcome.final_mb = self.memory_mb()

    def __enter__(self):
        gc.collect()
        self.before = self.counts()
        self.begun_s = time.monotonic()
        self._sampler.start()
        return self

    def __exit__(self, *_):
        self._ends.set()
        self._sampler.join()
        outcome = self.outcome
        outcome.seconds = time.monotonic() - self.begun_s
        if not self.is_own:
            return
        if not outcome.final_mb:
            self.settled()
        # A thread of the system's resolver or of a request may need a moment to end.
        with contextlib.suppress(AssertionError):
            until(lambda: gc.collect() is not None and all(map(int.__le__, self.counts(), self.before)), 5.0)
        after = self.counts()
        outcome.threads, outcome.descriptors = zip(self.before, after, strict=True)

    def _sample(self):
        with contextlib.suppress(psutil.Error):
            while not self._ends.wait(SAMPLE_S):
                self.outcome.peak_mb = max(self.outcome.peak_mb, self.process.memory_info().rss / MB)


class NumberedMarket(LoopbackExchange):
    """An exchange of Binance's protocol whose events are numbered; each is sent once, over whatever connection is open.

    Parameters
    ----------
    per_s
        Events a second while a client is connected, real time; the events' own time runs at the same pace.
    limit
        The last number, None for no end.
    begin_ms, price
        Time of the first event, and the price of all.

    Attributes
    ----------
    sent
        Events of which some may not have arrived.
    arrived
        Ranges of numbers that the client has, as its pongs show.
    slowest_pong_s
        The longest wait for one.
    """

    def __init__(self, per_s, *, symbols=("BTCUSDT",), limit=None, begin_ms=T, price=85_000.5, **options):
        super().__init__(**{"ping_interval": None} | options)
        self.per_s, self.symbols, self.limit = per_s, symbols, limit
        self.begin_ms, self.price = begin_ms, price
        self.sent, self.arrived, self.slowest_pong_s = 0, [], 0.0
        self.is_paused = False
        self._sockets = set()

    def event(self, number):
        qty, side = FIRST_QTY + number / LOTS, (Side.SELL, Side.BUY)[number % 2]
        symbol = self.symbols[number % len(self.symbols)]
        return LiquidationEvent(self.time_ms(number), symbol, side, self.price, qty, self.price * qty)

    def time_ms(self, number):
        return self.begin_ms + number * 1000 // self.per_s

    @property
    def arrived_count(self):
        return sum(end - begin for begin, end in list(self.arrived))

    @property
    def is_done(self):
        return self.limit is not None and self.arrived_count >= self.limit

    def answer(self, connection, request):
        if request.path.startswith("/market/"):
            return None
        return connection.respond(200, rules(*self.symbols))

    async def play(self, ws):
        self._sockets.add(ws)
        try:
            await self._play_on(ws)
        finally:
            self._sockets.discard(ws)

    async def _play_on(self, ws):
        loop = asyncio.get_running_loop()
        due_s = loop.time()
        while self.limit is None or self.sent < self.limit:
            if self.is_paused:
                await ws.send(mark_price(self.time_ms(self.sent), self.symbols[0]))
            else:
                await self._send_batch(ws, loop)
            due_s = max(due_s + BATCH_S, loop.time() - 1.0)
            await asyncio.sleep(max(0.0, due_s - loop.time()))
        while True:
            await ws.send(mark_price(self.time_ms(self.sent), self.symbols[0]))
            await asyncio.sleep(BATCH_S)

    async def _send_batch(self, ws, loop):
        begin = self.sent
        end = begin + max(1, round(self.per_s * BATCH_S))
        self.sent = end = end if self.limit is None else min(end, self.limit)
        for symbol in self.symbols:
            await ws.send(mark_price(self.time_ms(begin), symbol))
        for number in range(begin, end):
            await ws.send(encode(self.event(number), combined=True))
        asked_s = loop.time()
        await (await ws.ping())
        self.slowest_pong_s = max(self.slowest_pong_s, loop.time() - asked_s)
        if self.arrived and self.arrived[-1][1] == begin:
            self.arrived[-1] = (self.arrived[-1][0], end)
        else:
            self.arrived.append((begin, end))

    def cut(self):
        """Cut all connections without a closing handshake, as a killed server does; return how many."""
        sockets = list(self._sockets)
        for ws in sockets:
            self._loop.call_soon_threadsafe(ws.transport.abort)
        return len(sockets)


def select(db, query):
    """Return the rows of a query in the record, a file or a server."""
    if str(db).startswith("postgresql://"):
        import psycopg  # noqa: PLC0415 - only when the record is on a server

        with psycopg.connect(str(db), options="-c search_path=heatmap") as connection:
            return connection.execute(query).fetchall()
    with contextlib.closing(open_reader(Path(db))) as connection:
        return connection.execute(query).fetchall()


def stored_numbers(db):
    """Return the numbers of all stored events, each as often as it is stored."""
    return [round((qty - FIRST_QTY) * LOTS) for (qty,) in select(db, "SELECT qty FROM liq_events")]


def compare(outcome, db, sent, arrived):
    """Fill in what was sent, stored, lost and duplicated; ``arrived`` are ranges of numbers."""
    numbers = stored_numbers(db)
    once = set(numbers)
    outcome.sent, outcome.stored = sent, len(numbers)
    outcome.duplicated = len(numbers) - len(once)
    outcome.lost = sum(number not in once for begin, end in arrived for number in range(begin, end))
    if once and not 0 <= min(once) <= max(once) < sent:
        outcome.faults.append("something is stored that was never sent")
    return outcome


@contextlib.contextmanager
def collecting(db, market, *, prelude="", symbols=()):
    """Run ``heatmap collect`` in a process of its own; it must end orderly.

    ``prelude`` is Python that runs in it before the command.
    """
    words = [word for symbol in symbols for word in ("--symbol", symbol)]
    program = f"import sys\n{prelude}\nfrom Heatmap.cli import main\nsys.exit(main(sys.argv[1:]))"
    command = [sys.executable, "-P", "-W", "error", "-c", program, "collect", "--db", str(db), *words]
    command += ["--ws-url", market.ws_url, "--rest-url", market.rest_url]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL) as process:
        try:
            yield process
        except BaseException:
            process.kill()
            raise
        if process.poll() is None:
            process.terminate()
            assert process.wait(PATIENCE_S) == 0


COLUMNS = ("scenario", "form", "sent", "stored", "lost", "dup.", "MB start", "MB peak", "MB final", "threads",
           "descriptors", "stall ms", "s", "result")  # fmt: skip


def table_rows(results):
    """Return the cells of the table; ``results`` are ``(name, form, outcome)``."""
    rows = [COLUMNS]
    for name, form, one in results:
        stall = "–" if one.stall_ms is None else f"{one.stall_ms:,.0f}"
        counts = (f"{one.sent:,}", f"{one.stored:,}", str(one.lost), str(one.duplicated))
        memory = tuple(f"{size:.0f}" if size else "–" for size in (one.start_mb, one.peak_mb, one.final_mb))
        left = tuple(f"{before} → {after}" if before else "–" for before, after in (one.threads, one.descriptors))
        result = "; ".join(one.faults) or one.note or "ok"
        rows.append((name, form, *counts, *memory, *left, stall, f"{one.seconds:.0f}", result))
    return rows


def text_table(results):
    rows = table_rows(results)
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)


def with_markdown_rows(page, results):
    """Return a page with the rows of these results in its table: new, or instead of those of the same scenario."""
    head, *rows = (f"| {' | '.join(cells)} |" for cells in table_rows(results))
    before, table, after = [], [], []
    for line in page.splitlines():
        (table if line.startswith("|") else after if table else before).append(line)
    by_name = {line.split("|")[1].strip(): line for line in (*table[2:], *rows)}
    return "\n".join([*before, head, f"|{'---|' * 2}{'---:|' * 11}---|", *by_name.values(), *after]) + "\n"
