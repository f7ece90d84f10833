"""Services that share a database: one opens a socket, the others say who records; and how a service keeps house."""

from __future__ import annotations

import json
import os
import platform
import threading

import pytest
from filelock import FileLock
from support.exchange import LoopbackExchange
from support.frames import encode
from support.record import T, event, rows

from Heatmap.clock import SYSTEM_CLOCK
from Heatmap.errors import SettingsError
from Heatmap.events import LiquidationEvent, Side
from Heatmap.heatmap_service import HeatmapService
from Heatmap.reports import ConnectionState as State
from Heatmap.storage.sqlite.bulk_insert import bulk_insert
from Heatmap.storage.sqlite.recorder_lock import lock_path
from Heatmap.storage.sqlite.sqlite_store import SqliteStore

DAY_MS = 86_400_000
PATIENCE_S = 20.0


class Exchange(LoopbackExchange):
    """Sends every connection a mark price and one liquidation, and counts connections as they come and go."""

    async def play(self, ws):
        await ws.send(json.dumps({"e": "markPriceUpdate", "E": T, "s": "BTCUSDT", "p": "85000.1"}))
        await ws.send(encode(event(0)))
        await ws.wait_closed()


class Frozen:
    """The system's clock, but its wall time stands still."""

    def now_ms(self):
        return T

    def monotonic_s(self):
        return SYSTEM_CLOCK.monotonic_s()


class Running:
    """A started service that a test can wait for."""

    def __init__(self, service):
        self.service = service
        self.changed = threading.Condition()

    def __enter__(self):
        self.unsubscribe = self.service.subscribe(self.tell)
        self.service.start()
        return self

    def __exit__(self, *_):
        self.service.stop()
        self.unsubscribe()

    def tell(self):
        with self.changed:
            self.changed.notify_all()

    def until(self, predicate):
        with self.changed:
            assert self.changed.wait_for(lambda: predicate(self.service.status()), PATIENCE_S), self.service.status()
        return self.service.status()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "record.sqlite3"


@pytest.fixture
def exchange():
    with Exchange() as made:
        yield made


def test_of_two_one_opens_a_socket_and_the_other_says_who_records(path, exchange, monkeypatch):
    monkeypatch.setattr("Heatmap.storage.writer_session.LOOK_S", 0.02)
    with Running(HeatmapService(path, clock=Frozen(), **exchange.addresses)) as first:
        first.until(lambda s: s.stored == 1)
        with Running(HeatmapService(path, ["BTCUSDT", "ETHUSDT"], **exchange.addresses)) as second:
            status = second.until(lambda s: s.state is State.READING)
            assert status.detail == (
                "Another program records BTCUSDT into this database:"
                f" process {os.getpid()} on {platform.node()},"
                " since 2026-09-21 14:13:20 UTC. This one takes over when that one ends."
                " Nobody records ETHUSDT meanwhile."
            )
            assert (status.last_event_ms, status.received) == (None, 0)
            assert exchange.opened == 1
            first.service.stop()
            second.until(lambda s: s.state is State.LIVE and s.duplicates == 1)
            assert exchange.opened == 2
    assert rows(path, "SELECT count(*) FROM liq_events") == [(1,)]
    assert rows(path, "SELECT state, symbols, duplicates FROM collector") == [("stopped", "BTCUSDT ETHUSDT", 1)]


def test_one_that_waits_for_a_program_without_reports_says_so(path, exchange, monkeypatch, caplog):
    monkeypatch.setattr("Heatmap.storage.writer_session.HEARTBEAT_MISSED_MS", 0)
    with Running(HeatmapService(path, **exchange.addresses)) as first:
        first.until(lambda s: s.state is State.LIVE)
        with Running(HeatmapService(path, **exchange.addresses)) as second:
            status = second.until(lambda s: "stopped reporting" in s.detail)
    assert "nobody records until that process is ended" in status.detail
    assert any(record.levelname == "WARNING" and status.detail in record.message for record in caplog.records)


def test_one_whose_lock_file_is_replaced_closes_its_socket(path, exchange):
    with Running(HeatmapService(path, **exchange.addresses)) as running:
        running.until(lambda s: s.state is State.LIVE)
        other = path.with_name("other.lock")
        with FileLock(other):
            other.replace(lock_path(path, "binance"))
            running.until(lambda s: s.state is State.READING)
            exchange.until_closed(1)


def test_one_that_ends_while_it_waits_leaves_the_row_alone(path, exchange):
    with Running(HeatmapService(path, **exchange.addresses)) as first:
        first.until(lambda s: s.state is State.LIVE)
        first.until(lambda _: rows(path, "SELECT run_id FROM collector"))
        (before,) = rows(path, "SELECT run_id FROM collector")
        with Running(HeatmapService(path, **exchange.addresses)) as second:
            second.until(lambda s: s.state is State.READING)
            assert second.service.stop() == 0
            assert second.service.status().state is State.STOPPED
        assert rows(path, "SELECT run_id FROM collector WHERE state <> 'stopped'") == [before]


@pytest.mark.parametrize("days", [-1, float("nan"), 1e9])
def test_a_retention_that_cannot_be_is_refused(path, days):
    with pytest.raises(SettingsError, match="retention"):
        HeatmapService(path, retention_days=days)


def test_old_liquidations_go_while_recording(path, exchange, monkeypatch):
    monkeypatch.setattr("Heatmap.storage.writer_session.HEARTBEAT_S", 0.05)
    now_ms = SYSTEM_CLOCK.now_ms()

    def recorded(days_ago, **changes):
        ts_ms = now_ms - days_ago * DAY_MS
        return LiquidationEvent(ts_ms, "BTCUSDT", Side.SELL, 1.0, 1.0, 1.0, received_ms=ts_ms, **changes)

    kept = [recorded(0), recorded(1), recorded(9, source="demo")]
    bulk_insert(path, [*kept, recorded(3)])
    with Running(HeatmapService(path, **exchange.addresses, retention_days=2)) as running:
        gone = f"SELECT count(*) FROM liq_events WHERE source = 'binance' AND ts_ms = {recorded(3).ts_ms}"  # noqa: S608
        running.until(lambda _: rows(path, gone) == [(0,)])
        assert running.service.stop() == 0
    times = {ts_ms for (ts_ms,) in rows(path, "SELECT ts_ms FROM liq_events")}
    assert {one.ts_ms for one in kept} <= times


def test_a_damaged_database_is_replaced_and_the_user_is_told(path, exchange):
    bulk_insert(path, [event(number) for number in range(1000)])
    with path.open("r+b") as file:
        file.seek(-4096, 2)
        file.write(b"\xa5" * 4096)
    with Running(HeatmapService(path, **exchange.addresses)) as running:
        status = running.until(lambda s: s.state is State.LIVE and s.duplicates == 1)
        assert "was damaged. It is kept as record.sqlite3.damaged-" in status.detail
    with SqliteStore(path) as store:
        assert len(store.window("BTCUSDT", "binance", 0, 2 * T)) == 1000
