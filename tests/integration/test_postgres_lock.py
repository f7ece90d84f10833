"""The recorder's lock on a server: lost with its connection, never held by two; who lost it stores no coverage."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from contextlib import closing

import pytest
from support.record import T, event
from support.waiting import until
from support.writers import HOLDER, Program

from Heatmap.storage.database import database_of
from Heatmap.storage.postgres.connection import LOCK_CLASS, source_lock, write_transaction
from Heatmap.storage.postgres.migrations import open_record

PATIENCE_S = 20.0
SOURCE = "binance"


@pytest.fixture
def programs(server_url):
    made = []

    def make(name):
        made.append(Program(server_url, name))
        return made[-1]

    yield make
    for program in made:
        program.writer.stop(1.0)


def on_server(url, query, *values):
    with closing(open_record(database_of(url).address, creates=True)) as connection:
        return connection.execute(query, values).fetchall()


def holders(url):
    """Return the connections that hold the recorder's lock."""
    query = (
        "SELECT pid FROM pg_locks WHERE classid = ? AND objid = ? AND granted"
        " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    )
    return on_server(url, query, LOCK_CLASS, source_lock(SOURCE))


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
def test_a_killed_holder_is_replaced_within_two_seconds(server_url, programs):
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, server_url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout.readline() == "records\n"
        heir = programs("heir")
        heir.until_told(False, "holder")
        # Who waits says who records; that one's report is a whole one.
        (entry,) = database_of(server_url).summary().collectors
        assert (entry.report.pid, entry.is_locked) == (process.pid, True)
        killed_s = time.monotonic()
        process.send_signal(signal.SIGKILL)
        heir.until_told(True, None)
        assert time.monotonic() - killed_s < 2.0
        assert len(holders(server_url)) == 1
    finally:
        process.kill()
        process.communicate(timeout=PATIENCE_S)


def test_a_holder_whose_connection_is_cut_stores_nothing_as_a_holder(server_url, cluster, programs, monkeypatch):
    monkeypatch.setattr("Heatmap.storage.writer_session.LOOK_S", 0.02)
    first = programs("first")
    first.until_told(True, None)
    first.writer.extend_coverage(SOURCE, "BTCUSDT", T)
    first.writer.report_changed()
    first.until(lambda: on_server(server_url, "SELECT count(*) FROM coverage") == [(1,)], wakes=True)
    second = programs("second")
    second.until_told(False, "first")
    ((pid,),) = holders(server_url)
    cluster.execute(f"SELECT pg_terminate_backend({pid})")
    second.until_told(True, None)
    # The first one does not know it yet.
    assert first.told[-1] == (True, None)
    second.until(lambda: on_server(server_url, "SELECT run_id FROM collector") == [("second",)], wakes=True)
    first.writer.put(event(1))
    first.writer.extend_coverage(SOURCE, "BTCUSDT", T + 1000)
    first.until_told(False, "second")
    first.until(lambda: first.writer.stats().inserted == 1)
    assert len(holders(server_url)) == 1
    assert on_server(server_url, "SELECT start_ms, end_ms FROM coverage") == [(T, T)]
    assert on_server(server_url, "SELECT run_id FROM collector") == [("second",)]
    assert second.told == [(False, "first"), (True, None)]


def test_after_an_outage_one_of_them_records(server_url, cluster, programs, monkeypatch):
    monkeypatch.setattr("Heatmap.storage.postgres.server_session.PATIENCE_S", 0.1)
    monkeypatch.setattr("Heatmap.storage.postgres.server_session.HEARTBEAT_S", 0.2)
    monkeypatch.setattr("Heatmap.storage.postgres.connector._LAST_RETRY_S", 0.25)
    made = [programs(name) for name in ("first", "second", "third")]
    for program in made:
        program.until(lambda program=program: program.told)
    cluster.stop()
    try:
        for program in made:
            program.until(lambda program=program: program.writer.stats().problem, wakes=True)
        # The lock of the file: one goes on, and where it ends another one does.
        until(lambda: sum(program.told[-1][0] for program in made) == 1)
        ending = next(program for program in made if program.told[-1][0])
        ending.writer.put(event(0))
        assert ending.writer.stop() == 0
        left = [program for program in made if program is not ending]
        until(lambda: any(program.told[-1][0] for program in left))
    finally:
        cluster.start()
    for program in left:
        program.until(lambda program=program: not program.writer.stats().problem)
    until(lambda: sorted(program.told[-1][0] for program in left) == [False, True])
    until(lambda: len(holders(server_url)) == 1)
    assert on_server(server_url, "SELECT count(*) FROM liq_events") == [(1,)]


def test_the_settings_of_a_database_do_not_weaken_what_is_promised(server_url, cluster):
    """Two writers at once under a stricter isolation: the second one would not see what the first has stored."""
    name = server_url.rpartition("/")[2]
    for setting in ("synchronous_commit = off", "default_transaction_isolation = 'repeatable read'"):
        cluster.execute(f"ALTER DATABASE {name} SET {setting}")
    assert on_server(server_url, "SHOW synchronous_commit") == [("local",)]
    database = database_of(server_url)
    database.insert([])
    threads, counts = [], []
    with closing(open_record(database.address, creates=True)) as connection:
        with write_transaction(connection):
            threads = [
                threading.Thread(target=lambda: counts.append(database.insert([event(0)]).inserted)) for _ in range(2)
            ]
            for thread in threads:
                thread.start()
            waits = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
            until(lambda: cluster.execute(waits, name) == [(2,)])
        for thread in threads:
            thread.join(20)
    assert sorted(counts) == [0, 1]
    cluster.execute(f"ALTER DATABASE {name} RESET ALL")
