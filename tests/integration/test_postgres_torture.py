"""Servers, connections and recorders that end at any moment: every event is stored once, and coverage is true.

``HEATMAP_TORTURE_RUNS=20`` has the server end so often; the default is short.
"""

from __future__ import annotations

import os
import random
import signal
import socket
import sys
import threading
import time
from contextlib import closing

import pytest
from support.collectors import Exchange, collector, ended
from support.record import T, event, rows
from support.waiting import until
from support.writers import Program

from Heatmap.clock import SYSTEM_CLOCK
from Heatmap.storage.database import database_of
from Heatmap.storage.postgres.migrations import open_record
from Heatmap.storage.retention import Housekeeper

RUNS = int(os.environ.get("HEATMAP_TORTURE_RUNS", "4"))
RATE_HZ = 200
SOURCE = "binance"


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """A server counts as gone after a moment, and is tried again soon."""
    monkeypatch.setattr("Heatmap.storage.postgres.server_session.PATIENCE_S", 0.1)
    monkeypatch.setattr("Heatmap.storage.postgres.connector._LAST_RETRY_S", 0.25)
    monkeypatch.setattr("Heatmap.storage.writer_session.HEARTBEAT_S", 0.1)


def on_server(url, query):
    with closing(open_record(database_of(url).address, creates=True)) as connection:
        return connection.execute(query).fetchall()


class Feed:
    """Events and signs of life for a recorder, on a thread of its own; each event has its number as time."""

    def __init__(self, rate_hz=RATE_HZ):
        self.rate_hz = rate_hz
        self.sent = 0
        self.writer = None
        self.ends = threading.Event()
        self.thread = threading.Thread(target=self.run)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.ends.set()
        self.thread.join()

    def run(self):
        while not self.ends.wait(1 / self.rate_hz):
            writer = self.writer
            # As an exchange does, which sends the newest events again after a new connection.
            if writer is not None and all(
                writer.put(event(each)) for each in range(max(0, self.sent - 2), self.sent + 1)
            ):
                writer.extend_coverage(SOURCE, "BTCUSDT", T + self.sent)
                self.sent += 1


class Cutter:
    """A proxy on a port of its own that cuts a connection after some bytes, in the middle of whatever passes."""

    def __init__(self, port, chance):
        self.target, self.chance = port, chance
        self.cuts = 0
        self.cuts_at = (2_000, 60_000)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.threads = [threading.Thread(target=self.accept)]

    def __enter__(self):
        self.threads[0].start()
        return self

    def __exit__(self, *_):
        self.listener.shutdown(socket.SHUT_RDWR)
        for thread in self.threads:
            thread.join()
        self.listener.close()

    def accept(self):
        while True:
            try:
                near, _ = self.listener.accept()
            except OSError:
                return
            far = socket.create_connection(("127.0.0.1", self.target))
            for source, target in ((near, far), (far, near)):
                self.threads.append(threading.Thread(target=self.pass_on, args=(source, target)))
                self.threads[-1].start()

    def pass_on(self, source, target):
        left = self.chance.randint(*self.cuts_at) if self.cuts_at else 2**60
        with source:
            while data := received(source):
                sent(target, data[:left])
                left -= len(data)
                if left <= 0:
                    self.cuts += 1
                    break
            for each in (source, target):
                shut(each)


def received(source):
    try:
        return source.recv(4096)
    except OSError:
        return b""


def sent(target, data):
    try:
        target.sendall(data)
    except OSError:
        return


def shut(each):
    try:
        each.shutdown(socket.SHUT_RDWR)
    except OSError:
        return


def check(url, count):
    """Every event once, and no time is covered that was not delivered, and all of it that was."""
    assert on_server(url, "SELECT count(*), sum(ts_ms), min(ts_ms) FROM liq_events") == [
        (count, sum(range(count)) + count * T, T)
    ]
    with database_of(url).reader() as reader:
        covered = reader.coverage("BTCUSDT", SOURCE, 0, 2**53)
    assert covered[0].start_ms == T
    assert covered[-1].end_ms == T + count - 1
    return covered


@pytest.mark.timeout(120 + 10 * RUNS)
def test_a_server_that_ends_again_and_again(server_url, cluster, capsys):
    chance = random.Random(17)
    program = Program(server_url, "recorder")
    ends = [cluster.kill, cluster.stop, lambda: cluster.stop("fast"), cluster.kill]
    longest_s = 0.0
    with Feed() as feed:
        feed.writer = program.writer
        for run in range(RUNS):
            before = feed.sent
            until(lambda before=before: feed.sent > before + chance.randint(1, 60))
            ends[run % len(ends)]()
            if chance.random() < 0.7:
                program.until(lambda: program.writer.stats().problem)
            cluster.start()
            began_s = time.monotonic()
            # Sometimes it ends again before all is played back.
            if chance.random() < 0.7:
                program.until(lambda: not program.writer.stats().problem)
                longest_s = max(longest_s, time.monotonic() - began_s)
        program.until(lambda: not program.writer.stats().problem)
    program.until(lambda: program.writer.stats().inserted == feed.sent)
    assert program.writer.stop() == 0
    assert len(check(server_url, feed.sent)) == 1
    with capsys.disabled():
        sys.stdout.write(
            f"\n{RUNS} ends of the server, {feed.sent} events; used again after {longest_s:.2f} s at most\n"
        )


@pytest.mark.timeout(120 + 10 * RUNS)
def test_connections_that_are_cut_in_the_middle_of_a_message(server_url, cluster, capsys):
    chance = random.Random(18)
    with Cutter(cluster.port, chance) as cutter, Feed() as feed:
        url = server_url.replace(str(cluster.port), str(cutter.port))
        program = Program(url, "recorder")
        feed.writer = program.writer
        until(lambda: cutter.cuts > 3 * RUNS)
        cutter.cuts_at = None
        feed.ends.set()
        feed.thread.join()
        until(lambda: program.writer.stats().inserted == feed.sent)
        assert program.writer.stop() == 0
    check(server_url, feed.sent)
    with capsys.disabled():
        sys.stdout.write(f"\n{cutter.cuts} connections cut, {feed.sent} events\n")


class ShiftedClock:
    """The system's clock, an hour fast or slow."""

    def __init__(self, shift_ms):
        self.shift_ms = shift_ms

    def now_ms(self):
        return SYSTEM_CLOCK.now_ms() + self.shift_ms

    def monotonic_s(self):
        return SYSTEM_CLOCK.monotonic_s()


def test_either_side_ends_and_begins_in_any_order(server_url, cluster):
    """Recorders whose clocks differ by hours, one after the other, with the server there or not."""
    steps = [
        "begin",
        "away",
        "end",
        "begin",
        "end",
        "back",
        "begin",
        "away",
        "back",
        "end",
        "away",
        "begin",
        "back",
        "end",
    ]
    shifts_ms = iter([0, 3_600_000, -3_600_000, 0, 3_600_000])
    is_away, program, inserted = False, None, 0
    try:
        with Feed() as feed:
            for step in steps:
                before = feed.sent
                if step == "begin":
                    clock = ShiftedClock(next(shifts_ms))
                    program = Program(
                        server_url, f"of {before}", clock=clock, housekeeper=Housekeeper(SOURCE, 14.0, clock)
                    )
                    feed.writer = program.writer
                elif step == "end":
                    feed.writer = None
                    program.writer.close_coverage()
                    assert program.writer.stop() == 0
                    inserted += program.writer.stats().inserted
                    continue
                elif step == "away":
                    cluster.stop()
                    is_away = True
                else:
                    cluster.start()
                    is_away = False
                until(lambda before=before: feed.writer is None or feed.sent > before + 40)
    finally:
        if is_away:
            cluster.start()
    last = Program(server_url, "last")
    last.until(lambda: on_server(server_url, "SELECT count(*) FROM liq_events") == [(feed.sent,)], wakes=True)
    assert last.writer.stop() == 0
    # Each counts as new in one program: the one that brought it to the server.
    assert inserted + last.writer.stats().inserted == feed.sent
    check(server_url, feed.sent)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
def test_recorders_that_end_while_the_server_is_gone(server_url, cluster):
    """One is killed, the next one ends by a signal: what they have kept is on the server at the next start."""
    spool = database_of(server_url).address.local_file(f"spool-{SOURCE}")

    def kept():
        return sum(series.rows for series in database_of(spool).summary().series)

    with Exchange() as exchange:
        first = collector(server_url, exchange)
        with ended(first):
            until(lambda: on_server(server_url, "SELECT count(*) FROM liq_events") > [(0,)])
            cluster.stop()
            try:
                until(lambda: kept() > 100)
                first.send_signal(signal.SIGKILL)
                first.wait(60)
                # What it kept last may have come after any earlier look.
                sure = set(rows(spool, "SELECT ts_ms FROM liq_events"))
                second = collector(server_url, exchange)
                with ended(second):
                    until(lambda: kept() > len(sure) + 100)
                    second.send_signal(signal.SIGTERM)
                    assert second.wait(60) == 0
                sure |= set(rows(spool, "SELECT ts_ms FROM liq_events"))
            finally:
                cluster.start()
    last = Program(server_url, "last")
    until(lambda: not kept())
    assert last.writer.stop() == 0
    stored = on_server(server_url, "SELECT ts_ms FROM liq_events")
    assert sure <= set(stored)
    assert len(stored) == len(set(stored))
