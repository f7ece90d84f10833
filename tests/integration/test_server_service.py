"""A service on a server's record: who records, what is delivered, and when a copy is made."""

from __future__ import annotations

import os
from contextlib import contextmanager

import pytest
from support.record import event
from support.service import RunningService
from support.waiting import until

from Heatmap.clock import SYSTEM_CLOCK
from Heatmap.events import Source
from Heatmap.heatmap_service import HeatmapService
from Heatmap.reports import CollectorReport, ServiceStatus
from Heatmap.reports import ConnectionState as State
from Heatmap.storage.database import database_of
from Heatmap.storage.sqlite.sqlite_store import SqliteStore
from Heatmap.storage.writer import EventWriter

NOWHERE = {"ws_url": "ws://127.0.0.1:9", "rest_url": "http://127.0.0.1:9"}


def received(number):
    return event(number, received_ms=SYSTEM_CLOCK.now_ms() + number)


@pytest.fixture
def reader_url(cluster, server_url):
    """The address of a record for a role that may only read."""
    name = server_url.rpartition("/")[2]
    database_of(server_url).insert([])
    cluster.execute(f"CREATE ROLE {name}_reader LOGIN", name)
    cluster.execute(f"GRANT USAGE ON SCHEMA heatmap TO {name}_reader", name)
    cluster.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA heatmap TO {name}_reader", name)
    return cluster.url(name, f"{name}_reader")


@contextmanager
def recording(server_url, roles):
    """A recorder of BTCUSDT in this process."""
    report = CollectorReport(
        Source.BINANCE, ("BTCUSDT",), "run", "server", os.getpid(), SYSTEM_CLOCK.now_ms(), ServiceStatus(State.LIVE)
    )
    writer = EventWriter(
        database_of(server_url), flush_ms=20, report=lambda: report, on_role=lambda *role: roles.append(role)
    )
    writer.start()
    try:
        until(lambda: roles and roles[-1][0])
        yield writer
    finally:
        writer.stop()


@pytest.mark.parametrize("collect", [True, False])
def test_a_role_that_may_only_read_reads_and_says_so(server_url, reader_url, collect, monkeypatch):
    monkeypatch.setattr("Heatmap.record_lookup.TIME_LOOKUP_S", 0.1)
    roles = []
    reader = HeatmapService(reader_url, ["BTCUSDT"], collect=collect, **NOWHERE)
    with RunningService(reader) as running:
        reader.show("BTCUSDT", [Source.BINANCE])
        running.until(lambda status: status.state is State.READING)
        # The lock is free for whoever may write.
        with recording(server_url, roles):
            until(lambda: "Another program records BTCUSDT" in reader.status().detail)
            status = reader.status()
            assert ("may read the record, and not write it" in status.detail) == collect
            assert "takes over" not in status.detail
            assert (status.storage_problem, status.server_problem, status.as_of_ms) == ("", "", None)
            assert roles == [(True, None)]


def test_what_is_stored_after_the_beginning_is_delivered_once(server_url, reader_url):
    server, delivered = database_of(server_url), []
    server.insert([received(n) for n in range(50)])
    reader = HeatmapService(reader_url, ["BTCUSDT"], collect=False, **NOWHERE)
    with RunningService(reader):
        # The copy is empty yet: what it gets first is history.
        reader.subscribe_events(delivered.append)
        with SqliteStore(reader.db_path) as store:
            until(lambda: len(store.window("BTCUSDT", Source.BINANCE, 0, 2**62)) == 50)
        until(lambda: reader._delivery._receivers[0]._tail._has_begun)
        server.insert([received(n) for n in range(100, 110)])
        until(lambda: len(delivered) == 10)
        server.insert([received(n) for n in range(110, 120)])
    # What was stored before the end is delivered, too.
    assert [each.ts_ms - event(0).ts_ms for each in delivered] == list(range(100, 120))


def test_only_what_shows_or_delivers_makes_a_copy(server_url):
    recorder = HeatmapService(server_url, ["BTCUSDT"], **NOWHERE)
    with RunningService(recorder) as running:
        running.until(lambda status: status.is_recorder)
        assert not recorder.db_path.exists()
        recorder.show("BTCUSDT", [Source.BINANCE])
        until(recorder.db_path.exists)
        recorder.add_symbols(["ETHUSDT"])
        with SqliteStore(recorder.db_path) as store:

            def copied():
                with store.reading() as connection:
                    if connection is None:
                        return []
                    names = connection.execute("SELECT name FROM sqlite_master WHERE name = 'copied'").fetchall()
                    return names and connection.execute("SELECT symbol FROM copied ORDER BY 1").fetchall()

            until(lambda: copied() == [("BTCUSDT",), ("ETHUSDT",)])
