"""The copy of a server's record: what it has, when, and after everything that can go wrong."""

from __future__ import annotations

import threading
from contextlib import closing, contextmanager

import psycopg
import pytest
from support.record import T, event, rows
from support.waiting import until

from Heatmap.clock import SYSTEM_CLOCK
from Heatmap.events import Coverage, Source
from Heatmap.rendering.event_window import FAR_MS, EventWindow
from Heatmap.storage import sql
from Heatmap.storage.database import database_of
from Heatmap.storage.postgres.connection import write_transaction
from Heatmap.storage.postgres.local_copy import LocalCopy
from Heatmap.storage.postgres.migrations import open_record
from Heatmap.storage.sqlite.connection import open_writer
from Heatmap.storage.sqlite.sqlite_store import SqliteStore

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


def is_whole(server, *, symbol="BTCUSDT"):
    """Return whether the copy has all rows of a symbol, and knows it."""
    with SqliteStore(server.local_path) as store, store.reading() as connection:
        if connection is None or not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'copied'").fetchone():
            return False
    if copied(server, "SELECT from_ms FROM copied WHERE symbol = ?", symbol) != [(0,)]:
        return False
    query = "SELECT id, ts_ms, received_ms FROM liq_events WHERE symbol = {} ORDER BY id"
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
    monkeypatch.setattr("Heatmap.storage.postgres.copy_steps.CHUNK_ROWS", 10)
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


def test_no_row_of_two_writers_is_missed(server):
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
        until(lambda: is_whole(server))
        window.refresh("BTCUSDT", Source.BINANCE, T - 10_000)
        assert len(window.columns) == len(on_server(server))
