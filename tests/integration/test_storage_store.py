"""What is written is what is read: writer, bulk insert and reader on real files."""

from __future__ import annotations

import random
import sqlite3
import threading
from contextlib import closing

import numpy as np
import pytest
from msgspec.structs import replace
from support.record import T, rows, store_summary

from Heatmap.errors import StorageError
from Heatmap.events import Coverage, LiquidationEvent, Side
from Heatmap.storage.commit import Batch, commit
from Heatmap.storage.contract import BulkResult
from Heatmap.storage.record_summary import SeriesSummary
from Heatmap.storage.sqlite.bulk_insert import bulk_insert, erase_source
from Heatmap.storage.sqlite.connection import open_reader, open_writer, write_transaction
from Heatmap.storage.sqlite.migrations import open_database
from Heatmap.storage.sqlite.sqlite_store import SqliteStore
from Heatmap.storage.writer import EventWriter
from Heatmap.storage.writer_statistics import WriterStatistics


def event(offset_ms, *, symbol="BTCUSDT", side=Side.SELL, price=85_000.5, qty=0.25, **changes):
    return LiquidationEvent(
        ts_ms=T + offset_ms,
        symbol=symbol,
        side=side,
        price=price,
        qty=qty,
        notional=price * qty,
        order_price=price * 0.997,
        order_qty=qty,
        event_ms=T + offset_ms + 1000,
        received_ms=T + offset_ms + 1030,
        **changes,
    )


@pytest.fixture
def path(tmp_path):
    return tmp_path / "record.sqlite3"


class Commits:
    """Waits for the writer's reports instead of sleeping."""

    def __init__(self):
        self.changed = threading.Condition()

    def __call__(self):
        with self.changed:
            self.changed.notify_all()

    def wait(self, predicate):
        with self.changed:
            assert self.changed.wait_for(predicate, 10)


@pytest.fixture
def commits():
    return Commits()


@pytest.fixture
def writer(path, commits):
    writer = EventWriter(path, flush_ms=20, on_change=commits)
    yield writer
    writer.stop()


def test_an_event_is_stored_whole(path, writer):
    stored = event(5, raw_json='{"e":1}', source="replay")
    writer.start()
    assert writer.put(stored)
    assert writer.stop() == 0
    with closing(open_reader(path)) as connection:
        connection.row_factory = sqlite3.Row
        row = dict(connection.execute("SELECT * FROM liq_events").fetchone())
    assert (row.pop("id"), row.pop("import_id")) == (1, None)
    assert LiquidationEvent(**{**row, "side": Side(row["side"])}) == stored


def test_exact_duplicates_are_stored_once_and_counted(path, writer):
    writer.start()
    different = [
        event(0), event(1), event(0, side=Side.BUY), event(0, price=1.0), event(0, qty=1.0),
        event(0, symbol="ETHUSDT"), event(0, source="demo"), replace(event(0), order_price=None),
        replace(event(0), order_qty=None),
    ]  # fmt: skip
    same = [replace(event(0), received_ms=T + 9, event_ms=T + 8), replace(event(0), order_qty=None)]
    for item in [*different, *same]:
        assert writer.put(item)
    writer.stop()
    stats = writer.stats()
    assert (stats.inserted, stats.duplicates, stats.refused, stats.queued) == (9, 2, 0, 0)
    assert rows(path) == [(9,)]
    assert stats.last_event_ms == T + 1


def test_a_batch_is_written_without_waiting_for_the_timer(path, commits):
    writer = EventWriter(path, batch_rows=3, flush_ms=3_600_000, on_change=commits)
    writer.start()
    for offset_ms in range(3):
        writer.put(event(offset_ms))
    commits.wait(lambda: writer.stats().inserted == 3)
    assert writer.stats().insert_rate_per_s == pytest.approx(0.3)
    writer.stop()


def test_stop_stores_what_waits_and_ends_the_thread(path, writer):
    writer.start()
    before = threading.active_count()
    for offset_ms in range(1000):
        assert writer.put(event(offset_ms))
    assert writer.stop() == 0
    assert threading.active_count() == before - 1
    assert rows(path) == [(1000,)]
    assert not writer.put(event(0))


def test_the_newest_event_of_earlier_runs_is_known_from_the_start(path, commits):
    bulk_insert(path, [event(5), event(9), event(50, source="demo"), event(60, symbol="ETHUSDT")])
    writer = EventWriter(path, series=[("binance", "BTCUSDT"), ("binance", "XRPUSDT")], on_change=commits)
    writer.start()
    commits.wait(lambda: writer.stats().last_event_ms == T + 9)
    writer.put(event(7))
    writer.stop()
    assert writer.stats().last_event_ms == T + 9
    assert writer.stats().inserted == 1


def test_a_file_that_is_taken_away_gets_a_successor(path, commits, tmp_path, caplog):
    writer = EventWriter(path, flush_ms=5, on_change=commits)
    writer.start()
    writer.put(event(0))
    writer.extend_coverage("binance", "BTCUSDT", T)
    commits.wait(lambda: writer.stats().inserted == 1)
    kept = path.rename(tmp_path / "kept.sqlite3")
    writer.extend_coverage("binance", "BTCUSDT", T + 1000)
    writer.put(event(1500))
    commits.wait(lambda: writer.stats().inserted == 2)
    writer.extend_coverage("binance", "BTCUSDT", T + 2000)
    assert writer.stop() == 0
    assert "not the file any more" in caplog.text
    assert rows(path, "SELECT ts_ms FROM liq_events") == [(T + 1500,)]
    # The new file must not claim the time whose events only the old one has.
    [(start_ms, end_ms)] = rows(path, "SELECT start_ms, end_ms FROM coverage")
    assert start_ms >= T + 1000
    assert end_ms == T + 2000
    assert rows(kept, "SELECT ts_ms FROM liq_events") == [(T,)]


def test_proofs_on_both_sides_of_a_long_gap_are_no_coverage_of_the_gap(path, writer):
    # Both wait in the queue: a machine that slept brings them together.
    for second in (0, 1, 300, 301):
        writer.extend_coverage("binance", "BTCUSDT", T + second * 1000)
        writer.extend_coverage("binance", "ETHUSDT", T + second * 1000)
    writer.start()
    writer.stop()
    wanted = [(T, T + 1000), (T + 300_000, T + 301_000)]
    for symbol in ("BTCUSDT", "ETHUSDT"):
        query = f"SELECT start_ms, end_ms FROM coverage WHERE symbol = '{symbol}' ORDER BY start_ms"  # noqa: S608
        assert rows(path, query) == wanted


def test_the_rate_is_that_of_the_last_ten_seconds():
    class Clock:
        now_s = 0.0

        def monotonic_s(self):
            return self.now_s

    clock = Clock()
    statistics = WriterStatistics(clock, threading.Condition())
    for _ in range(5):
        clock.now_s += 9.0
        statistics.count(taken=30, accepted=20, inserted=10)
    stats = statistics.snapshot()
    assert (stats.inserted, stats.duplicates, stats.refused) == (50, 50, 50)
    assert stats.insert_rate_per_s == 2.0
    clock.now_s += 20.0
    assert statistics.snapshot().insert_rate_per_s == 0.0


def test_a_full_queue_says_so_and_loses_nothing(path, commits):
    writer = EventWriter(path, queue_rows=2, flush_ms=10, on_change=commits)
    assert writer.put(event(0))
    assert writer.put(event(1))
    assert not writer.put(event(2))
    writer.start()
    assert writer.put(event(2), timeout_s=10)
    assert writer.stop() == 0
    assert rows(path) == [(3,)]


def test_an_event_that_the_schema_refuses_holds_up_no_other(path, writer, caplog):
    writer.start()
    bad = [replace(event(1), price=-1.0), replace(event(2), ts_ms=2**70), replace(event(3), symbol="\ud800")]
    for item in [event(0), *bad, event(4)]:
        writer.put(item)
    assert writer.stop() == 0
    assert rows(path) == [(2,)]
    stats = writer.stats()
    assert (stats.inserted, stats.refused, stats.duplicates, stats.queued) == (2, 3, 0, 0)
    assert stats.last_event_ms == T + 4
    assert sum("is refused" in record.message for record in caplog.records) == 3


def test_a_refused_event_does_not_end_the_transaction(path):
    ended = []
    with closing(open_database(path)) as connection:
        connection.set_trace_callback(
            lambda query: ended.append(query) if query.startswith(("BEGIN", "COMMIT", "ROLLBACK")) else None
        )
        bad = replace(event(1), price=-1.0)
        with write_transaction(connection):
            committed = commit(connection, Batch(events=[event(0), bad, event(2)]), [])
        connection.set_trace_callback(None)
    assert ended == ["BEGIN IMMEDIATE", "ROLLBACK TO events", "ROLLBACK TO events", "COMMIT"]
    assert (committed.inserted, committed.accepted) == (2, [event(0), event(2)])


def test_a_locked_database_is_waited_for_and_told_of(path, commits, monkeypatch):
    monkeypatch.setattr("Heatmap.storage.sqlite.connection.BUSY_TIMEOUT_MS", 10)
    writer = EventWriter(path, flush_ms=10, on_change=commits)
    bulk_insert(path, [event(0)])
    with closing(open_writer(path)) as other:
        other.execute("BEGIN IMMEDIATE")
        writer.start()
        assert writer.put(event(1))
        commits.wait(lambda: writer.stats().problem)
        assert "Another program" in writer.stats().problem
        assert writer.stats().queued == 1
        other.execute("ROLLBACK")
    commits.wait(lambda: writer.stats().inserted == 1 and not writer.stats().problem)
    writer.stop()
    assert rows(path) == [(2,)]


def test_a_folder_that_appears_late_is_picked_up(tmp_path, commits):
    blocked = tmp_path / "folder"
    blocked.write_text("in the way")
    writer = EventWriter(blocked / "record.sqlite3", flush_ms=10, on_change=commits)
    writer.start()
    writer.put(event(0))
    commits.wait(lambda: str(blocked) in writer.stats().problem)
    blocked.unlink()
    commits.wait(lambda: writer.stats().inserted == 1)
    writer.stop()
    assert writer.stats().problem == ""


def test_a_stop_that_cannot_store_does_not_spin(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    writer = EventWriter(tmp_path / "file" / "record.sqlite3")
    writer.put(event(0))
    tries = []

    def refuse(path):
        tries.append(path)
        raise StorageError("no")

    monkeypatch.setattr("Heatmap.storage.sqlite.recovery.open_database", refuse)
    writer.start()
    assert writer.stop(timeout_s=0.4) == 1
    assert 1 <= len(tries) <= 12


def test_a_stop_that_runs_out_of_time_says_how_much_is_lost(tmp_path, caplog):
    (tmp_path / "file").write_text("")
    writer = EventWriter(tmp_path / "file" / "record.sqlite3")
    writer.start()
    writer.put(event(0))
    assert writer.stop(timeout_s=0.05) == 1
    assert "1 events could not be stored" in caplog.text


def test_coverage_is_stored_after_its_events_and_ends_with_the_loss(path, writer):
    writer.start()
    for second in range(5):
        writer.put(event(second * 1000))
        writer.extend_coverage("binance", "BTCUSDT", T + second * 1000)
    writer.close_coverage()
    writer.extend_coverage("binance", "BTCUSDT", T + 9000)
    writer.stop()
    with SqliteStore(path) as store:
        assert store.coverage("BTCUSDT", "binance", 0, 2 * T) == [
            Coverage("binance", "BTCUSDT", T, T + 4000),
            Coverage("binance", "BTCUSDT", T + 9000, T + 9000),
        ]
        assert store.coverage("BTCUSDT", "binance", T + 5000, T + 8000) == []
        assert store.coverage("ETHUSDT", "binance", 0, 2 * T) == []


def test_coverage_grows_in_its_row(path, commits, monkeypatch):
    monkeypatch.setattr("Heatmap.storage.writer_session.HEARTBEAT_S", 0.0)
    writer = EventWriter(path, flush_ms=5, on_change=commits)
    writer.start()
    with SqliteStore(path) as store:
        for second in (1, 2, 3):
            writer.extend_coverage("binance", "BTCUSDT", T + second * 1000)
            wanted = [Coverage("binance", "BTCUSDT", T + 1000, T + second * 1000)]
            commits.wait(lambda wanted=wanted: store.coverage("BTCUSDT", "binance", T, 2 * T) == wanted)
    writer.stop()
    assert rows(path, "SELECT count(*) FROM coverage") == [(1,)]


def test_tick_sizes_are_kept_and_replaced(path, writer):
    writer.start()
    writer.set_tick_size("binance", "BTCUSDT", 0.01)
    writer.set_tick_size("binance", "BTCUSDT", 0.1)
    writer.stop()
    with SqliteStore(path) as store:
        assert store.tick_size("BTCUSDT", "binance") == 0.1
        assert store.tick_size("BTCUSDT", "demo") is None


def test_a_window_is_half_open_sorted_and_of_one_series(path):
    chance = random.Random(7)
    events = [
        event(
            chance.randrange(1000),
            symbol=chance.choice(["BTCUSDT", "ETHUSDT"]),
            side=chance.choice(list(Side)),
            price=chance.uniform(1, 1e6),
            qty=chance.uniform(1e-3, 10),
            source=chance.choice(["binance", "demo"]),
        )
        for _ in range(3000)
    ]
    assert bulk_insert(path, events) == BulkResult(3000, 0)
    with SqliteStore(path) as store:
        got = store.window("BTCUSDT", "demo", T + 100, T + 900)
    wanted = sorted(
        (e for e in events if e.symbol == "BTCUSDT" and e.source == "demo" and T + 100 <= e.ts_ms < T + 900),
        key=lambda e: e.ts_ms,
    )
    assert got.ts_ms.tolist() == [e.ts_ms for e in wanted]
    assert got.price.tolist() == [e.price for e in wanted]
    assert got.notional.tolist() == [e.notional for e in wanted]
    assert got.is_long.tolist() == [e.side is Side.SELL for e in wanted]
    assert [a.dtype for a in (got.ts_ms, got.price, got.notional, got.is_long)] == [np.int64, float, float, bool]
    assert all(a.flags.c_contiguous for a in (got.ts_ms, got.price, got.notional, got.is_long))
    assert got.last_row_id == 3000


def test_the_tail_goes_on_where_the_window_ended(path):
    bulk_insert(path, [event(0), event(10)])
    with SqliteStore(path) as store:
        assert len(store.tail("BTCUSDT", "binance", 0)) == 2
        empty = store.window("BTCUSDT", "binance", T + 1000, T + 2000)
        assert (len(empty), empty.last_row_id) == (0, 2)
        version = store.data_version()
        assert store.data_version() == version
        bulk_insert(path, [event(30), event(20), event(25, symbol="ETHUSDT")])
        assert store.data_version() != version
        tail = store.tail("BTCUSDT", "binance", empty.last_row_id)
        assert tail.ts_ms.tolist() == [T + 20, T + 30]
        again = store.tail("BTCUSDT", "binance", tail.last_row_id)
        assert (len(again), again.last_row_id) == (0, tail.last_row_id)


def test_row_ids_are_never_used_twice_so_that_a_tail_misses_nothing(path):
    bulk_insert(path, [event(0), event(1, source="replay"), event(2, source="replay")])
    with SqliteStore(path) as store:
        seen = store.window("BTCUSDT", "binance", 0, 2 * T)
        assert erase_source(path, "replay") == 2
        bulk_insert(path, [event(3)])
        assert store.tail("BTCUSDT", "binance", seen.last_row_id).ts_ms.tolist() == [T + 3]


def test_bulk_insert_twice_changes_nothing(path):
    events = [event(offset_ms) for offset_ms in range(12_000)]
    coverage = [Coverage("binance", "BTCUSDT", T, T + 12_000)]
    assert bulk_insert(path, events, coverage=coverage) == BulkResult(12_000, 0)
    assert bulk_insert(path, events, coverage=coverage) == BulkResult(0, 12_000)
    with SqliteStore(path) as store:
        assert store.coverage("BTCUSDT", "binance", 0, 2 * T) == coverage
    assert rows(path, "SELECT count(*) FROM coverage") == [(1,)]


def test_bulk_insert_refuses_what_the_schema_refuses(path):
    with pytest.raises(StorageError):
        bulk_insert(path, [replace(event(0), qty=0.0)])
    with pytest.raises(StorageError):
        bulk_insert(path, [replace(event(0), ts_ms=2**70)])
    assert rows(path) == [(0,)]


def test_the_summary_counts_each_series(path, writer):
    bulk_insert(path, [event(0), event(7), event(3, source="demo")])
    writer.start()
    writer.set_tick_size("binance", "BTCUSDT", 0.1)
    writer.extend_coverage("binance", "ETHUSDT", T)
    writer.stop()
    summary = store_summary(path)
    assert summary.exists
    assert summary.size_bytes >= path.stat().st_size
    assert summary.series == (
        SeriesSummary("binance", "BTCUSDT", 2, T, T + 7, None, 0.1),
        SeriesSummary("binance", "ETHUSDT", 0, None, None, T, None),
        SeriesSummary("demo", "BTCUSDT", 1, T + 3, T + 3, None, None),
    )


def test_a_missing_file_reads_as_empty_and_is_picked_up_when_it_appears(path):
    with SqliteStore(path) as store:
        assert store.data_version() == 0
        assert len(store.window("BTCUSDT", "binance", 0, 2 * T)) == 0
        tail = store.tail("BTCUSDT", "binance", 7)
        assert (len(tail), tail.last_row_id) == (0, 7)
        assert store.coverage("BTCUSDT", "binance", 0, 2 * T) == []
        assert store.tick_size("BTCUSDT", "binance") is None
        assert not store_summary(path).exists
        assert not path.exists()
        open_writer(path).close()  # created, but without its schema yet
        assert store.data_version() == 0
        bulk_insert(path, [event(0)])
        assert store.data_version() != 0
        assert len(store.window("BTCUSDT", "binance", 0, 2 * T)) == 1


def test_a_file_that_takes_anothers_place_is_read_anew(path, tmp_path):
    bulk_insert(path, [event(0)])
    other = tmp_path / "other.sqlite3"
    bulk_insert(other, [event(0), event(1)])
    with SqliteStore(path) as store:
        version = store.data_version()
        for suffix in ("-wal", "-shm"):
            path.with_name(path.name + suffix).unlink(missing_ok=True)
        other.replace(path)
        assert store.data_version() != version
        assert len(store.window("BTCUSDT", "binance", 0, 2 * T)) == 2


def test_a_file_that_is_no_database_is_a_sentence(path):
    path.write_text("x" * 5000)
    with SqliteStore(path) as store, pytest.raises(StorageError) as caught:
        store.window("BTCUSDT", "binance", 0, 1)
    assert "not a database" in caught.value.short


def test_readers_are_not_held_up_by_an_open_write(path):
    bulk_insert(path, [event(0)])
    with closing(open_writer(path)) as other, SqliteStore(path) as store:
        other.execute("BEGIN IMMEDIATE")
        other.execute("DELETE FROM liq_events")
        assert len(store.window("BTCUSDT", "binance", 0, 2 * T)) == 1
        other.execute("ROLLBACK")
