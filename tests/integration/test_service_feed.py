"""The service end to end on loopback: socket thread, writer thread, database, status."""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
from dataclasses import replace

import pytest
from support.exchange import ScriptedExchange
from support.frames import T, event, liquidation, mark_price
from support.record import store_summary
from support.service import PATIENCE_S, RunningService

import Heatmap
from Heatmap import heatmap_service
from Heatmap.errors import SettingsError
from Heatmap.heatmap_service import HeatmapService
from Heatmap.ingestion.binance.venue import BINANCE
from Heatmap.ingestion.collector import FeedCollector
from Heatmap.ingestion.venues import VENUES
from Heatmap.reports import ConnectionState as State
from Heatmap.reports import ServiceStatus
from Heatmap.storage.location import default_db_path
from Heatmap.storage.sqlite.bulk_insert import bulk_insert
from Heatmap.storage.sqlite.sqlite_store import SqliteStore
from Heatmap.storage.writer import EventWriter


@pytest.fixture
def path(tmp_path):
    return tmp_path / "folder" / "record.sqlite3"


def test_events_are_stored_once_and_reported(path):
    events = [event(offset) for offset in range(50)]
    frames = [
        mark_price(T),
        *map(liquidation, range(50)),
        *map(liquidation, range(7)),
        "garbage",
        mark_price(T + 3000),
    ]
    with ScriptedExchange(frames) as exchange, RunningService(
        HeatmapService(path, ["btcusdt"], ws_url=exchange.ws_url + "/ws/", rest_url=exchange.rest_url, keep_raw=True)
    ) as running:  # fmt: skip
        status = running.until(lambda s: s.stored + s.duplicates == 57 and s.undecodable == 1)
        assert status.since_ms is not None
        assert replace(
            status,
            last_market_ms=None,
            insert_rate_per_s=0.0,
            detail="",
            since_ms=None,
            recording_since_ms=None,
            latency_ms=None,
        ) == ServiceStatus(
            state=State.LIVE,
            last_event_ms=T + 49,
            received=57,
            stored=50,
            duplicates=7,
            undecodable=1,
            is_recorder=True,
        )
        assert status.last_market_ms is not None
        assert status.insert_rate_per_s == pytest.approx(5.0)
        service = running.service
        assert (service.symbols, service.source, service.is_running) == (("BTCUSDT",), "binance", True)
        assert (service.ws_url, service.rest_url) == (exchange.ws_url, exchange.rest_url)
        service.stop()
        assert not service.is_running
        assert service.status().state is State.STOPPED
        assert service.status().stored == 50
    with SqliteStore(path) as store:
        assert store.window("BTCUSDT", "binance", 0, 2 * T).ts_ms.tolist() == [e.ts_ms for e in events]
        assert [(c.start_ms, c.end_ms) for c in store.coverage("BTCUSDT", "binance", 0, 2 * T)] == [(T, T + 1000)]
    # Who recorded, how it ended, and what could not be read.
    summary = store_summary(path)
    (entry,) = summary.collectors
    assert not entry.is_alive(entry.heartbeat_ms)
    report = entry.report
    assert (report.source, report.symbols, report.pid) == ("binance", ("BTCUSDT",), os.getpid())
    assert (report.status.state, report.status.received, report.status.stored) == (State.STOPPED, 57, 50)
    assert (report.status.duplicates, report.status.undecodable) == (7, 1)
    assert summary.quarantined == {"bad-json": 1}


def test_reconnecting_stores_everything_once(path):
    frames = [mark_price(T), *map(liquidation, range(5))]
    with ScriptedExchange(frames, hold=False) as exchange, RunningService(
        HeatmapService(path, **exchange.addresses)
    ) as running:  # fmt: skip
        status = running.until(lambda s: s.reconnects >= 2 and s.duplicates >= 10)
        assert status.stored == 5


def test_start_and_stop_twice_are_harmless_and_it_can_be_started_again(path):
    with ScriptedExchange([mark_price(T), liquidation()]) as exchange:
        service = HeatmapService(path, **exchange.addresses)
        assert service.stop() == 0
        with RunningService(service) as running:
            service.start()
            assert running.until(lambda s: s.stored == 1).state is State.LIVE
            service.stop()
            service.stop()
            service.start()
            assert running.until(lambda s: s.duplicates == 1).stored == 0
    assert exchange.opened == 2


def test_an_unreachable_exchange_and_database_are_told_and_not_raised(tmp_path):
    (tmp_path / "file").write_text("")
    service = HeatmapService(tmp_path / "file" / "x.sqlite3", ws_url="ws://127.0.0.1:9", rest_url="http://127.0.0.1:9")
    with RunningService(service) as running:
        status = running.until(lambda s: s.state is State.DOWN and s.storage_problem)
        assert status.reason == "refused"
        assert "127.0.0.1:9 refuses" in status.detail
        assert str(tmp_path / "file") in status.storage_problem
        assert service.tick_size("BTCUSDT") is None


def test_a_feed_that_ends_by_a_fault_does_not_look_alive(path, monkeypatch, caplog):
    async def fail(_collector):
        raise ZeroDivisionError

    monkeypatch.setattr(FeedCollector, "run", fail)
    with RunningService(HeatmapService(path, ws_url="ws://127.0.0.1:9", rest_url="http://127.0.0.1:9")) as running:
        assert running.until(lambda s: s.state is State.DOWN).reason == "internal"
    assert "ZeroDivisionError" in caplog.text


def test_the_start_waits_for_nothing(path):
    service = HeatmapService(path, ws_url="ws://192.0.2.1:9", rest_url="http://192.0.2.1:9")
    with RunningService(service):
        before_s = time.monotonic()
        service.stop()
        # The address answers never; only the patience of connecting (10 s) could hold this up.
        assert time.monotonic() - before_s < 5


def test_a_name_server_that_hangs_holds_up_neither_stop_nor_the_end(path, monkeypatch):
    asked, answer = threading.Event(), threading.Event()

    def hang(*_, **__):
        asked.set()
        answer.wait(PATIENCE_S)
        raise socket.gaierror

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    service = HeatmapService(path, ws_url="ws://exchange.invalid", rest_url="http://exchange.invalid")
    with RunningService(service) as running:
        assert asked.wait(PATIENCE_S)
        before_s = time.monotonic()
        assert service.stop() == 0
        assert time.monotonic() - before_s < 4  # it would wait 5 s for the socket's thread
        left = set(threading.enumerate()) - running.threads
        # What still waits is a daemon, and so are not the threads of an executor, which the interpreter joins.
        assert {thread.name for thread in left} <= {"heatmap-dns", "heatmap-rest"}
        assert all(thread.daemon for thread in left)
        answer.set()


def test_after_a_restart_the_newest_event_is_known_before_another_comes(path):
    bulk_insert(path, [event(0), event(7)])
    with RunningService(HeatmapService(path, ws_url="ws://127.0.0.1:9", rest_url="http://127.0.0.1:9")) as running:
        status = running.until(lambda s: s.last_event_ms is not None)
        assert (status.last_event_ms, status.stored, status.received) == (T + 7, 0, 0)


def test_the_tick_size_comes_from_the_exchange_and_outlives_it(path):
    with ScriptedExchange([mark_price(T)]) as exchange, RunningService(
        HeatmapService(path, **exchange.addresses)
    ) as running:  # fmt: skip
        running.until(lambda _: running.service.tick_size("BTCUSDT") == 0.1)
    assert HeatmapService(path, collect=False).tick_size("BTCUSDT") == 0.1
    assert HeatmapService(path, collect=False).tick_size("ETHUSDT") is None
    assert HeatmapService(path, collect=False, source="demo").tick_size("BTCUSDT") is None


def test_a_new_tick_size_is_told_and_reaches_readers_too(path, caplog):
    now_s = [0.0]
    clock = type("Clock", (), {"now_ms": lambda _: T, "monotonic_s": lambda _: now_s[0]})()
    reader = HeatmapService(path, collect=False, clock=clock)
    for tick_size in (0.01, 0.1):
        writer = EventWriter(path)
        writer.set_tick_size("binance", "BTCUSDT", tick_size)
        writer.start()
        assert writer.stop() == 0
        assert reader.tick_size("BTCUSDT") == tick_size
        now_s[0] += 11.0
    assert "the tick size of BTCUSDT changed from 0.01 to 0.1" in caplog.text


def test_an_unknown_symbol_is_a_sentence_and_the_rest_goes_on(path):
    with ScriptedExchange([mark_price(T), liquidation()], known=("BTCUSDT",)) as exchange, RunningService(
        HeatmapService(path, ["BTCUSDT", "BTCUSD"], **exchange.addresses)
    ) as running:  # fmt: skip
        status = running.until(lambda s: s.stored == 1 and s.detail)
        assert status.detail == "The exchange has no symbol BTCUSD. Did you mean BTCUSDT?"
        assert status.state is State.LIVE


def test_only_unknown_symbols_are_the_reason_for_silence(path, monkeypatch):
    monkeypatch.setitem(VENUES, "binance", replace(BINANCE, policy=replace(BINANCE.policy, silent_after_s=0.3)))
    with ScriptedExchange() as exchange:
        service = HeatmapService(path, ["NOSUCH"], **exchange.addresses)
        with RunningService(service) as running:
            status = running.until(lambda s: s.state is State.SILENT and s.reason != "silent-route")
            assert (status.reason, status.detail) == ("unknown-symbol", "The exchange has no symbol NOSUCH.")


def test_a_reader_opens_no_socket_and_no_thread(path):
    bulk_insert(path, [event(0)])
    threads = threading.active_count()
    with RunningService(HeatmapService(path, collect=False)) as running:
        assert replace(running.service.status(), since_ms=None) == ServiceStatus(state=State.READING)
        assert threading.active_count() == threads
    assert running.service.status().state is State.STOPPED


def test_a_listener_that_fails_harms_nobody_and_unsubscribing_twice_is_harmless(path, caplog):
    with ScriptedExchange([mark_price(T), liquidation()]) as exchange:
        service = HeatmapService(path, **exchange.addresses)
        unsubscribe = service.subscribe(lambda: 1 / 0)
        with RunningService(service) as running:
            running.until(lambda s: s.stored == 1)
            unsubscribe()
            unsubscribe()
    assert "ZeroDivisionError" in caplog.text


@pytest.mark.parametrize(
    "options",
    [
        {"symbols": []},
        {"symbols": ["BTC/USDT"]},
        {"symbols": [f"S{n}" for n in range(2049)]},
        {"ws_url": "https://x"},
        {"rest_url": "ws://x"},
    ],
)
def test_what_cannot_be_is_refused_before_anything_starts(path, options):
    with pytest.raises(SettingsError):
        HeatmapService(path, **options)


def test_symbols_are_spelled_right_and_named_once(path):
    assert HeatmapService(path, ["btcusdt", "ETHUSDT", "BTCUSDT"]).symbols == ("BTCUSDT", "ETHUSDT")


def test_the_public_name_and_the_default_place():
    assert Heatmap.HeatmapService is HeatmapService
    assert HeatmapService().db_path == default_db_path()
    assert default_db_path().name == "liquidations.sqlite3"
    assert default_db_path().parent.name == "Heatmap"


def test_events_that_cannot_be_stored_in_time_are_counted(tmp_path, caplog):
    (tmp_path / "file").write_text("")
    with ScriptedExchange([mark_price(T), liquidation()]) as exchange:
        service = HeatmapService(tmp_path / "file" / "x", **exchange.addresses)
        with RunningService(service) as running, caplog.at_level(logging.ERROR):
            running.until(lambda s: s.queued == 1)
            assert service.stop(timeout_s=0.2) == 1
    assert "could not be stored" in caplog.text


def test_a_small_queue_holds_the_socket_back_and_loses_nothing(path, monkeypatch):
    def small(db_path, **options):
        return EventWriter(db_path, queue_rows=10, batch_rows=5, flush_ms=5, **options)

    monkeypatch.setattr(heatmap_service, "EventWriter", small)
    frames = [mark_price(T), *map(liquidation, range(1000))]
    with ScriptedExchange(frames) as exchange, RunningService(
        HeatmapService(path, **exchange.addresses)
    ) as running:  # fmt: skip
        assert running.until(lambda s: s.stored == 1000).reconnects == 0


def test_symbols_can_be_added_before_and_after_the_start(path):
    service = HeatmapService(path, ["btcusdt"], collect=False)
    assert service.add_symbols(["ethusdt", "BTCUSDT"]) == ("ETHUSDT", "BTCUSDT")
    with RunningService(service) as running:
        assert service.add_symbols(["solusdt"]) == ("SOLUSDT",)
        assert service.symbols == service.recorded_symbols == ("BTCUSDT", "ETHUSDT", "SOLUSDT")
        assert running.until(lambda status: status.state is State.READING)
    for wrong in ("ALL", "BTC/USDT", ""):
        with pytest.raises(SettingsError):
            service.add_symbols([wrong])
    with pytest.raises(SettingsError, match="1 to 2048 symbols, was 2049"):
        service.add_symbols([f"S{number}USDT" for number in range(2046)])
    assert len(service.symbols) == 3
    service.remove_symbols(["ethusdt", "XRPUSDT"])
    assert service.symbols == service.recorded_symbols == ("BTCUSDT", "SOLUSDT")
    with pytest.raises(SettingsError, match="1 to 2048 symbols, was 0"):
        service.remove_symbols(["btcusdt", "solusdt"])
    assert len(service.symbols) == 2


def test_further_symbols_do_not_wait_for_the_restart(path, monkeypatch):
    stopping, may_stop, stop = threading.Event(), threading.Event(), EventWriter.stop

    def slow_stop(writer, timeout_s):
        stopping.set()
        may_stop.wait(PATIENCE_S)
        return stop(writer, timeout_s)

    with ScriptedExchange([mark_price(T)]) as exchange:
        service = HeatmapService(path, ["btcusdt"], **exchange.addresses)
        with RunningService(service) as running:
            running.until(lambda status: status.is_recorder)
            monkeypatch.setattr(EventWriter, "stop", slow_stop)
            service.add_symbols(["ethusdt"])
            assert stopping.wait(PATIENCE_S)
            more = threading.Thread(target=service.add_symbols, args=(["solusdt"],))
            more.start()
            more.join(PATIENCE_S / 2)
            assert not more.is_alive()
            assert service.symbols == ("BTCUSDT", "ETHUSDT", "SOLUSDT")
            may_stop.set()


def test_symbols_that_are_added_while_it_records_are_recorded(path):
    with ScriptedExchange([mark_price(T), liquidation(1), mark_price(T + 3000)]) as exchange:
        service = HeatmapService(path, ["ethusdt"], ws_url=exchange.ws_url, rest_url=exchange.rest_url)
        with RunningService(service) as running:
            running.until(lambda status: status.is_recorder)
            service.add_symbols(["btcusdt"])
            running.until(lambda status: status.stored == 1)
