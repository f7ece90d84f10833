"""The copy of a server's record: what it has, when, and after everything that can go wrong."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path

import psycopg
import pytest
from support.record import T, event, rows
from support.waiting import until

from Heatmap.clock import SYSTEM_CLOCK
from Heatmap.errors import StorageError
from Heatmap.events import ALL_SYMBOLS, Coverage, Source
from Heatmap.rendering.event_window import FAR_MS, EventWindow
from Heatmap.reports import CollectorReport, ConnectionState, ServiceStatus
from Heatmap.storage import sql
from Heatmap.storage.database import database_of
from Heatmap.storage.postgres.connection import write_transaction
from Heatmap.storage.postgres.local_copy import LocalCopy
from Heatmap.storage.postgres.migrations import open_record
from Heatmap.storage.sqlite.connection import open_writer
from Heatmap.storage.sqlite.sqlite_store import SqliteStore

READER = Path(__file__).parents[1] / "support" / "copy_reader.py"
BTC = (Source.BINANCE, "BTCUSDT")


@contextmanager
def copying(database, *series, on_change=lambda: None):
    """A running copy of some series, BTCUSDT if none is named."""
    copy = LocalCopy(database.address, SYSTEM_CLOCK, on_change)
    for source, symbol in series or (BTC,):
        copy.want(source, [symbol])
    copy.start()
    try:
        yield copy
    finally:
        copy.stop()


@pytest.fixture
def server(server_url):
    return database_of(server_url)


EVENTS = "SELECT id, ts_ms, symbol, received_ms FROM liq_events ORDER BY id"


def on_server(server, query=EVENTS, *values):
    with psycopg.connect(server.address.conninfo, options="-c search_path=heatmap") as connection:
        cursor = connection.execute(query, values)
        return cursor.fetchall() if cursor.description else []


def copied(server, query=EVENTS, *values):
    return rows(server.local_path, query, *values)


def count_or_none(server):
    """Return the number of rows in the copy, None if there is none yet."""
    with suppress(StorageError, sqlite3.Error):
        return len(copied(server))
    return None


def is_whole(server, *, symbol="BTCUSDT", copied_symbol=None):
    """Return whether the copy has all rows of a symbol, and knows it."""
    with SqliteStore(server.local_path) as store, store.reading() as connection:
        if connection is None or not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'copied'").fetchone():
            return False
    if copied(server, "SELECT from_ms FROM copied WHERE symbol = ?", symbol) != [(0,)]:
        return False
    query = "SELECT id, ts_ms, received_ms FROM liq_events WHERE symbol = {} ORDER BY id"
    symbol = copied_symbol or symbol
    return copied(server, query.format("?"), symbol) == on_server(server, query.format("%s"), symbol)


def test_what_is_stored_is_copied_with_its_ids_and_what_is_not_wanted_is_not(server):
    server.insert([event(n, received_ms=T + n + 40) for n in range(3)] + [event(9, symbol="DOGEUSDT")])
    with copying(server) as copy:
        until(lambda: is_whole(server))
        assert {symbol for (symbol,) in copied(server, "SELECT DISTINCT symbol FROM liq_events")} == {"BTCUSDT"}
        assert copy.state().is_current
        assert copy.state().problem == ""
        server.insert([event(n) for n in range(10, 20)])
        until(lambda: is_whole(server))
        copy.want(Source.BINANCE, ["DOGEUSDT"])
        until(lambda: is_whole(server, symbol="DOGEUSDT"))
    assert copied(server) == on_server(server)


def test_older_rows_follow_newest_first_and_coverage_begins_where_the_rows_do(server, monkeypatch):
    monkeypatch.setattr("Heatmap.storage.postgres.copy_steps.OLDER_ROWS", 10)
    server.insert([event(n * 1000) for n in range(100)], [Coverage(*BTC, T - 5000, T + 99_000)])
    seen = []

    def look():
        with SqliteStore(server.local_path) as store:
            begins = [each.start_ms for each in store.coverage("BTCUSDT", Source.BINANCE, 0, FAR_MS)]
            seen.extend((begin, len(store.window("BTCUSDT", Source.BINANCE, begin, FAR_MS))) for begin in begins)

    with closing(EventWindow(server.local_path)) as window, copying(server, on_change=look):

        def is_shown():
            window.refresh("BTCUSDT", Source.BINANCE, T - 10_000)
            return len(window.columns) == 100

        until(is_shown)
        until(lambda: seen and seen[-1][0] == T - 5000)
    begins = [start_ms for start_ms, _ in seen]
    assert begins == sorted(begins, reverse=True)
    assert len(set(begins)) >= 10
    # Coverage without its rows would be a calm market that never was.
    assert seen == [(begin, sum(T + n * 1000 >= begin for n in range(100))) for begin in begins]


def test_all_symbols_of_a_source(server, monkeypatch):
    monkeypatch.setattr("Heatmap.storage.postgres.copy_steps.OLDER_ROWS", 10)
    symbols = ("BTCUSDT", "ETHUSDT", "XRPUSDT")
    server.insert([event(n, symbol=symbol) for n in range(15) for symbol in symbols], [Coverage(*BTC, T, T + 20)])
    server.insert([event(1, source=Source.BYBIT)])
    with copying(server, (Source.BINANCE, ALL_SYMBOLS), BTC):
        until(lambda: is_whole(server, symbol=ALL_SYMBOLS, copied_symbol="XRPUSDT"))
        # One that nobody has seen before.
        server.insert([event(50, symbol="NEWUSDT"), event(51)])
        until(lambda: len(copied(server)) == 47)
        assert copied(server, "SELECT source, symbol, start_ms FROM coverage") == [(*BTC, T)]
    assert copied(server) == [row for row in on_server(server) if row[0] != 46]


def test_no_row_of_two_writers_is_missed(server, caplog):
    """Ids become visible in their order, so that going on by id is enough: the oldest hazard of such a copy."""
    with server.importer():
        pass

    def write(first):
        with closing(open_record(server.address, creates=False)) as connection:
            for n in range(first, 400, 2):
                with write_transaction(connection):
                    values = [sql.event_row(event(n, symbol=symbol)) for symbol in ("BTCUSDT", "DOGEUSDT")]
                    connection.executemany(sql.INSERT_EVENT, values)

    writers = [threading.Thread(target=write, args=(first,)) for first in (0, 1)]
    with copying(server):
        for writer in writers:
            writer.start()
        for writer in writers:
            writer.join()
        until(lambda: is_whole(server))
    assert len(copied(server)) == 400
    assert "copied again" not in caplog.text  # by the comparison, which would have found them later


def test_what_the_server_deletes_goes_and_what_the_copy_lost_comes_back(server, monkeypatch):
    monkeypatch.setattr("Heatmap.storage.postgres.copy_steps.COMPARE_S", 0.0)
    server.insert([event(n * 3_600_000) for n in range(5)], [Coverage(*BTC, T, T + 9_000_000)])
    with copying(server):
        until(lambda: is_whole(server))
        on_server(server, "DELETE FROM liq_events WHERE ts_ms < %s", T + 5_000_000)
        on_server(server, "UPDATE coverage SET start_ms = %s", T + 5_000_000)
        until(lambda: is_whole(server))
        until(lambda: copied(server, "SELECT start_ms FROM coverage") == [(T + 5_000_000,)])
    with closing(open_writer(server.local_path)) as file:
        file.execute("DELETE FROM liq_events WHERE id = 4")
    with copying(server):
        until(lambda: is_whole(server))
    assert len(copied(server)) == 3


@pytest.mark.parametrize("change", ["UPDATE record SET id = gen_random_uuid()", "restore"])
def test_another_record_or_an_older_state_of_it_is_copied_anew(server, change):
    server.insert([event(n) for n in range(10)])
    with copying(server):
        until(lambda: is_whole(server))
    if change == "restore":
        # As after `pg_restore` of an older dump: the same record, whose ids are given a second time.
        on_server(server, "DELETE FROM liq_events WHERE id > 5")
        on_server(server, "ALTER TABLE liq_events ALTER COLUMN id RESTART WITH 6")
        server.insert([event(n) for n in range(100, 110)])
    else:
        on_server(server, change)
    with copying(server), closing(EventWindow(server.local_path)) as window:
        window.refresh("BTCUSDT", Source.BINANCE, T - 10_000)
        ((record_id,),) = on_server(server, "SELECT id::text FROM record")
        until(lambda: copied(server, "SELECT record_id, revision FROM copy") == [(record_id, 1)])
        until(lambda: is_whole(server))
        window.refresh("BTCUSDT", Source.BINANCE, T - 10_000)
        assert len(window.columns) == len(on_server(server))


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
def test_a_program_killed_while_it_copies_leaves_nothing_out(server):
    server.insert([event(n, received_ms=T + n) for n in range(5000)], [Coverage(*BTC, T, T + 5000)])
    program = [sys.executable, "-P", READER, server.address.conninfo, "forks"]
    with subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as forks:
        assert json.loads(forks.stdout.readline()) == "ready"
        for run in range(10):
            before = len(copied(server)) if server.local_path.exists() and run else 0
            forks.stdin.write("another\n")
            forks.stdin.flush()
            child = int(forks.stdout.readline())
            server.insert([event(10_000 + 100 * run + n, received_ms=T + n) for n in range(100)])
            # In the middle: it has copied something.
            until(lambda before=before: count_or_none(server) not in (None, before))
            os.kill(child, signal.SIGKILL)
        forks.stdin.close()
    assert len(copied(server)) < len(on_server(server))
    with copying(server):
        until(lambda: is_whole(server))
    assert copied(server) == on_server(server)


def test_the_copy_goes_on_where_it_was_when_the_server_is_back(server, cluster):
    server.insert([event(n) for n in range(10)])
    with copying(server) as copy:
        until(lambda: copy.state().is_current)
        cluster.stop()
        until(lambda: copy.state().problem)
        state = copy.state()
        assert not state.is_current
        assert abs(state.as_of_ms - SYSTEM_CLOCK.now_ms()) < 60_000
        # Another run without a network knows from when the copy is.
        with copying(server) as other:
            until(lambda: other.state().problem)
            assert other.state().as_of_ms is not None
        cluster.start()
        server.insert([event(n) for n in range(10, 20)])
        until(lambda: is_whole(server))
        until(lambda: copy.state() == (True, copy.state().as_of_ms, ""))


def test_programs_of_one_user_share_a_copy(server):
    """One copies; the other reads, may want more, and goes on when the first one ends."""
    server.insert([event(n) for n in range(5)] + [event(n, symbol="ETHUSDT") for n in range(5)])
    with ExitStack() as first, ExitStack() as stack:
        first.enter_context(copying(server))
        until(lambda: is_whole(server))
        second = stack.enter_context(copying(server, (Source.BINANCE, "ETHUSDT")))
        until(lambda: is_whole(server, symbol="ETHUSDT"))
        until(lambda: second.state().is_current)
        assert copied(server) == on_server(server)
        first.close()
        server.insert([event(n) for n in range(5, 10)])
        until(lambda: is_whole(server))
        assert second.state().is_current


def test_a_server_that_does_not_notify_is_polled(server, monkeypatch):
    """A pooler accepts LISTEN and never delivers."""
    monkeypatch.setattr("Heatmap.storage.postgres.copy_rows.CHANNEL", "nobody")
    monkeypatch.setattr("Heatmap.storage.postgres.local_copy.POLL_S", 0.05)
    server.insert([event(1)])
    with copying(server):
        until(lambda: is_whole(server))
        server.insert([event(2)])
        until(lambda: is_whole(server))


def test_a_damaged_copy_is_made_anew(server):
    server.insert([event(n) for n in range(200)])
    with copying(server):
        until(lambda: is_whole(server))
    server.local_path.write_bytes(b"no database" * 1000)
    with copying(server):
        until(lambda: count_or_none(server) == 200)


def test_times_of_a_recorder_with_another_clock_are_told_by_this_one(server, monkeypatch):
    """The recorder's clock is an hour behind; the exchange's is the same as ours."""
    hour_ms = 3_600_000

    def reported(at_ms):
        status = ServiceStatus(ConnectionState.LIVE, since_ms=at_ms)
        report = CollectorReport(Source.BINANCE, ("BTCUSDT",), "run", "host", 1, at_ms, status)
        with closing(open_record(server.address, creates=True)) as connection, write_transaction(connection):
            connection.execute(sql.PUT_COLLECTOR, sql.collector_row(report, at_ms))
            connection.execute(sql.INSERT_CLOCK_OFFSET, (Source.BINANCE, at_ms, float(hour_ms), 20.0))

    monkeypatch.setattr("Heatmap.storage.postgres.copy_steps.SMALL_S", 0.05)
    server.insert([event(1)])
    with copying(server), SqliteStore(server.local_path) as store:
        until(lambda: is_whole(server))
        reported(SYSTEM_CLOCK.now_ms() - hour_ms - 5000)
        until(lambda: copied(server, "SELECT count(*) FROM collector") == [(1,)])
        assert store.clock_reading(Source.BINANCE) is None
        reported(SYSTEM_CLOCK.now_ms() - hour_ms)
        until(lambda: store.clock_reading(Source.BINANCE) is not None)
        reading = store.clock_reading(Source.BINANCE)
        assert abs(reading.offset_ms) < 5000
        assert reading.is_valid_at(SYSTEM_CLOCK.now_ms() + 5000)
        _, heartbeat_ms = store.recorder(Source.BINANCE)
        assert abs(heartbeat_ms - SYSTEM_CLOCK.now_ms()) < 5000


def test_a_server_that_hangs_makes_the_copy_an_old_one(server, monkeypatch):
    monkeypatch.setattr("Heatmap.storage.postgres.local_copy.LATE_MS", 300)
    monkeypatch.setattr("Heatmap.storage.postgres.local_copy.QUIET_S", 0.05)
    monkeypatch.setattr("Heatmap.storage.postgres.local_copy.POLL_S", 0.05)
    server.insert([event(1)])
    with copying(server) as copy:
        until(lambda: copy.state().is_current)
        with psycopg.connect(server.address.conninfo) as connection:
            connection.execute("LOCK TABLE heatmap.liq_events IN ACCESS EXCLUSIVE MODE")
            until(lambda: not copy.state().is_current)
            # Before anything has failed.
            assert copy.state().problem == ""
        until(lambda: copy.state().is_current)


def test_series_that_nobody_has_wanted_for_long_are_forgotten(server):
    server.insert([event(1), event(1, symbol="ETHUSDT")], [Coverage(Source.BINANCE, "ETHUSDT", T, T + 5)])
    with copying(server, BTC, (Source.BINANCE, "ETHUSDT")):
        until(lambda: count_or_none(server) == 2)
    with closing(open_writer(server.local_path)) as file:
        file.execute("UPDATE copied SET wanted_ms = 1")
    with copying(server):
        until(lambda: copied(server) == on_server(server)[:1])
        assert copied(server, "SELECT * FROM coverage") == []
