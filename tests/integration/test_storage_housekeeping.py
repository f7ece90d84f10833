"""Old rows go in small steps, the file shrinks, the log stays small; imported history and other sources stay."""

from __future__ import annotations

import argparse
import threading
from contextlib import closing
from pathlib import Path

import pytest
from support.record import T, housekeeping, rows

from Heatmap.commands import vacuum
from Heatmap.errors import StorageError
from Heatmap.events import Coverage, LiquidationEvent, Side
from Heatmap.reports import ClockReading, RejectedFrame
from Heatmap.storage.contract import ImportedFile
from Heatmap.storage.retention import LOOK_ROWS, PASS_S, PAUSE_S, Housekeeper
from Heatmap.storage.sqlite import shrinking
from Heatmap.storage.sqlite.bulk_insert import SqliteImportWriter, bulk_insert
from Heatmap.storage.sqlite.connection import open_reader, open_writer
from Heatmap.storage.sqlite.migrations import APPLICATION_ID, open_database
from Heatmap.storage.sqlite.shrinking import compact
from Heatmap.storage.writer import EventWriter

DAY_MS = 86_400_000
# The schema as it was released first.
VERSION_1 = Path(__file__).with_name("schema_version_1.sql")


class Clock:
    """Stands still but for what a test adds; each look at the monotonic time may cost some."""

    def __init__(self, look_s=0.0):
        self.now = T
        self.now_s = 0.0
        self.look_s = look_s

    def now_ms(self):
        return self.now

    def monotonic_s(self):
        self.now_s += self.look_s
        return self.now_s


def event(days_ago, number=0, **changes):
    ts_ms = T - int(days_ago * DAY_MS) + number
    known = {"symbol": "BTCUSDT", "received_ms": ts_ms + 30, **changes}
    return LiquidationEvent(ts_ms=ts_ms, side=Side.SELL, price=85_000.5, qty=0.25, notional=85_000.5 * 0.25, **known)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "record.sqlite3"


def times(path):
    return [ts_ms for (ts_ms,) in rows(path, "SELECT ts_ms FROM liq_events ORDER BY ts_ms")]


def whole_round(path, clock, *, keep_days=14.0, source="binance", keeper=None):
    """Do one round of housekeeping; return how many steps it took."""
    keeper = keeper or Housekeeper(source, keep_days, clock)
    steps = 0
    with closing(open_database(path)) as connection:
        while True:
            clock.now_s += max(0.0, keeper.left_s())
            housekeeping(keeper, connection)
            steps += 1
            if keeper.left_s() > PASS_S / 2:
                return steps


def test_what_is_older_goes_and_the_rest_stays(path):
    kept = [event(0), event(13.99), event(14.0)]
    bulk_insert(path, [*kept, event(14.01), event(15), event(400), event(15, symbol="ETHUSDT")])
    whole_round(path, Clock())
    assert times(path) == sorted(e.ts_ms for e in kept)


def test_what_filled_a_gap_ages_like_what_was_recorded(path):
    second = [event(days, source="gate", received_ms=None) for days in (0, 13.9, 15, 16, 40)]
    bulk_insert(path, [event(0, source="gate"), event(15.2, source="gate")])
    with SqliteImportWriter(path) as writer:
        writer.insert(ImportedFile("Gate history", "back-fill", T), second, by_second=True)
        file = ImportedFile("old.csv", "csv", T)
        writer.insert(file, [event(30, source="gate", received_ms=None), event(14.5, source="binance")])
        day = [T - days * DAY_MS for days in range(60)]
        spans = [(day[13], day[12]), (day[15], day[13]), (day[16], day[15]), (day[31], day[29])]
        writer.claim([Coverage(source, "BTCUSDT", *span) for span in spans for source in ("gate", "binance")])
    clock = Clock()
    whole_round(path, clock, keeper=Housekeeper("gate", 14.0, clock, fills_gaps=True))
    left = rows(path, "SELECT ts_ms FROM liq_events WHERE source = 'gate' ORDER BY ts_ms")
    assert [round((T - ts_ms) / DAY_MS, 1) for (ts_ms,) in left] == [30.0, 13.9, 0.0]
    claimed = rows(path, "SELECT start_ms, end_ms FROM coverage WHERE source = 'gate-claimed' ORDER BY start_ms")
    # The owner's claim stays, for it has a row of the owner's file.
    assert claimed == [(day[31], day[29]), (day[14], day[13]), (day[13], day[12])]
    assert rows(path, "SELECT count(*) FROM coverage WHERE source = 'binance-claimed'") == [(4,)]


def test_imported_history_and_other_sources_stay_whatever_their_age(path):
    kept = [event(400, received_ms=None), event(400, source="demo"), event(0), event(3)]
    bulk_insert(path, [*kept, *(event(20, number) for number in range(3))])
    whole_round(path, Clock())
    assert times(path) == sorted(e.ts_ms for e in kept)


def test_what_came_from_a_file_stays_even_if_a_collector_had_received_it_once(path):
    bulk_insert(path, [event(0), event(20)])
    with SqliteImportWriter(path) as writer:
        assert writer.insert(ImportedFile("record.csv", "heatmap", T), [event(30), event(20)]) == 1
    whole_round(path, Clock())
    # The one that was recorded here and is in the file too was first recorded here.
    assert times(path) == [event(30).ts_ms, event(0).ts_ms]


def test_rows_in_claimed_time_stay_as_the_claim_does(path):
    """A claim over rows that are gone would say that nothing happened."""
    bulk_insert(path, [event(0), event(20), event(25), event(30), event(20, symbol="ETHUSDT")])
    with SqliteImportWriter(path) as writer:
        writer.claim([Coverage("binance", "BTCUSDT", event(25).ts_ms, event(20).ts_ms)])
    whole_round(path, Clock())
    assert rows(path, "SELECT ts_ms, symbol FROM liq_events ORDER BY ts_ms") == [
        (event(days).ts_ms, "BTCUSDT") for days in (25, 20, 0)
    ]
    assert rows(path, "SELECT source, start_ms, end_ms FROM coverage") == [
        ("binance-claimed", event(25).ts_ms, event(20).ts_ms)
    ]


def test_nothing_is_deleted_where_all_is_to_be_kept(path):
    bulk_insert(path, [event(0), event(4000)])
    assert whole_round(path, Clock(), keep_days=0) == 1
    assert len(times(path)) == 2


def test_a_clock_that_stands_years_ahead_deletes_nothing(path):
    bulk_insert(path, [event(0), event(13)], coverage=[Coverage("binance", "BTCUSDT", T - 13 * DAY_MS, T)])
    clock = Clock()
    clock.now += 3650 * DAY_MS
    whole_round(path, clock)
    assert len(times(path)) == 2
    assert rows(path, "SELECT end_ms - start_ms FROM coverage") == [(13 * DAY_MS,)]


def test_a_clock_behind_deletes_less(path):
    bulk_insert(path, [event(0), event(15)])
    clock = Clock()
    clock.now -= 10 * DAY_MS
    whole_round(path, clock)
    assert len(times(path)) == 2


def test_the_coverage_of_what_goes_goes_before_it(path):
    stretches = [
        Coverage("binance", "BTCUSDT", T - 30 * DAY_MS, T - 20 * DAY_MS),
        Coverage("binance", "BTCUSDT", T - 15 * DAY_MS, T),
        Coverage("demo", "BTCUSDT", T - 30 * DAY_MS, T),
    ]
    bulk_insert(path, [event(0), event(14.5)], coverage=stretches)
    with closing(open_database(path)) as connection:
        keeper = Housekeeper("binance", 14, Clock())
        housekeeping(keeper, connection)
        assert len(times(path)) == 2
    wanted = [("binance", T - 14 * DAY_MS, T), ("demo", T - 30 * DAY_MS, T)]
    assert rows(path, "SELECT source, start_ms, end_ms FROM coverage ORDER BY source") == wanted


def test_clock_readings_and_kept_frames_grow_old_too(path):
    bulk_insert(path, [event(0)])
    writer = EventWriter(path)
    for days in (1, 20):
        writer.note_clock(ClockReading("binance", T - days * DAY_MS, 1.0, 2.0))
        writer.quarantine(RejectedFrame("binance", "bad-json", "", T - days * DAY_MS, 3, b"abc"))
    writer.start()
    writer.stop()
    whole_round(path, Clock())
    assert rows(path, "SELECT measured_ms FROM clock_offsets") == [(T - DAY_MS,)]
    assert rows(path, "SELECT received_ms FROM quarantine") == [(T - DAY_MS,)]


class Locks:
    """Notes for how long, by a false clock, each transaction of a connection holds the write lock, and what it does."""

    def __init__(self, connection, clock):
        self.held_s, self.deleted = [], []
        self.clock = clock
        connection.set_trace_callback(self.hear)

    def hear(self, sql):
        if sql.startswith("BEGIN IMMEDIATE"):
            self.since_s = self.clock.now_s
            self.deleted.append(0)
        elif sql.startswith("DELETE FROM liq_events"):
            self.deleted[-1] += 1
        elif sql.startswith("COMMIT"):
            self.held_s.append(self.clock.now_s - self.since_s)


def test_on_the_slowest_disk_the_lock_is_given_back_in_time_and_all_goes_all_the_same(path):
    bulk_insert(path, [event(0), *(event(20, number) for number in range(1200))])
    # Each row takes 20 ms, as on a disk that seeks for each page.
    clock = Clock(look_s=0.02)
    keeper = Housekeeper("binance", 14, clock)
    with closing(open_database(path)) as connection:
        locks = Locks(connection, clock)
        while keeper.left_s() < PASS_S / 2:
            clock.now_s += max(0.0, keeper.left_s())
            housekeeping(keeper, connection)
    assert len(times(path)) == 1
    assert sum(locks.deleted) == 1200
    assert max(locks.held_s) < 0.1
    assert 1 <= max(locks.deleted) <= 3


def test_on_a_quick_disk_a_step_is_bounded_too(path):
    bulk_insert(path, [event(0), *(event(20, number) for number in range(1200))])
    clock = Clock()
    keeper = Housekeeper("binance", 14, clock)
    with closing(open_database(path)) as connection:
        locks = Locks(connection, clock)
        before_s = clock.now_s
        while keeper.left_s() < PASS_S / 2:
            clock.now_s += max(0.0, keeper.left_s())
            housekeeping(keeper, connection)
    assert [count for count in locks.deleted if count] == [LOOK_ROWS, LOOK_ROWS, 200]
    # Between two steps there is room for others.
    assert clock.now_s - before_s >= 3 * PAUSE_S


def test_what_was_looked_through_is_not_looked_through_again(path):
    bulk_insert(path, [event(0), *(event(20, number, received_ms=None) for number in range(5 * LOOK_ROWS))])
    clock = Clock()
    keeper = Housekeeper("binance", 14, clock)
    first = whole_round(path, clock, keeper=keeper)
    assert first > 5
    assert whole_round(path, clock, keeper=keeper) < 4


def test_the_file_shrinks_in_steps_and_keeps_some_room(path, monkeypatch):
    monkeypatch.setattr(shrinking, "SPARE_PAGES", 20)
    old = [event(20, number, raw_json="x" * 500) for number in range(4000)]
    bulk_insert(path, [event(0), *old])
    with closing(open_writer(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    before = path.stat().st_size
    whole_round(path, Clock())
    assert path.stat().st_size < before / 4
    assert 0 < rows(path, "PRAGMA freelist_count")[0][0] <= 20
    assert rows(path, "PRAGMA integrity_check") == [("ok",)]
    assert path.with_name(path.name + "-wal").stat().st_size == 0


def test_a_file_that_cannot_shrink_is_left_alone_and_vacuum_teaches_it(path, monkeypatch, capsys):
    monkeypatch.setattr(shrinking, "SPARE_PAGES", 0)
    with closing(open_writer(path)) as connection:
        connection.executescript(VERSION_1.read_text())
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute("PRAGMA user_version = 1")
    open_database(path).close()
    assert rows(path, "PRAGMA auto_vacuum") == [(0,)]
    bulk_insert(path, [event(0), *(event(20, number, raw_json="x" * 500) for number in range(2000))])
    whole_round(path, Clock())
    assert len(times(path)) == 1
    before = path.stat().st_size
    assert vacuum.run(argparse.Namespace(db=path)) == 0
    assert path.stat().st_size < before / 4
    assert rows(path, "PRAGMA auto_vacuum") == [(2,)]
    told = capsys.readouterr().out
    assert told == f"{path}: {before / 1e6:.1f} MB before, {path.stat().st_size / 1e6:.1f} MB now\n"


def test_vacuum_refuses_in_a_sentence_and_makes_nothing(path, tmp_path, capsys, monkeypatch):
    assert vacuum.run(argparse.Namespace(db=path)) == 1
    assert capsys.readouterr().err == f"There is no database {path}.\n"
    assert not path.exists()
    letter = tmp_path / "letter.txt"
    letter.write_text("dear all, " * 1000)
    with pytest.raises(StorageError, match="NOTADB"):
        compact(letter)
    bulk_insert(path, [event(0)])
    usage = type("Usage", (), {"free": 1000})
    monkeypatch.setattr("Heatmap.storage.sqlite.shrinking.shutil.disk_usage", lambda _: usage)
    assert vacuum.run(argparse.Namespace(db=path)) == 1
    assert "MB more than it has free" in capsys.readouterr().err


def test_a_collector_at_work_loses_nothing_to_a_vacuum(path):
    bulk_insert(path, [event(20, number) for number in range(3000)])
    writer = EventWriter(path, flush_ms=1)
    writer.start()
    stored = threading.Event()

    def put():
        for number in range(3000):
            assert writer.put(event(0, number), timeout_s=20)
        stored.set()

    thread = threading.Thread(target=put)
    thread.start()
    for _ in range(3):
        compact(path)
    thread.join()
    assert stored.is_set()
    assert writer.stop() == 0
    assert len(times(path)) == 6000


def test_the_writer_keeps_house_while_it_writes(path):
    bulk_insert(path, [event(0), *(event(20, number) for number in range(700))])
    changed = threading.Condition()

    def tell():
        with changed:
            changed.notify_all()

    class Now(Clock):
        def monotonic_s(self):
            import time  # noqa: PLC0415 - the real one, for the writer waits by it

            return time.monotonic()

    clock = Now()
    writer = EventWriter(path, clock=clock, flush_ms=5, housekeeper=Housekeeper("binance", 14, clock), on_change=tell)
    writer.start()
    with closing(open_reader(path)) as reader, changed:
        number = 1
        while reader.execute("SELECT count(*) FROM liq_events WHERE ts_ms < ?", (T - DAY_MS,)).fetchone() != (0,):
            inserted = writer.stats().inserted
            assert writer.put(event(0, number))
            number += 1
            assert changed.wait_for(lambda inserted=inserted: writer.stats().inserted > inserted, 20)
    assert writer.stop() == 0
    assert len(times(path)) == number


def test_a_round_that_was_cut_off_by_trouble_begins_anew(path):
    bulk_insert(path, [event(0), *(event(20, number) for number in range(700))])
    clock = Clock()
    keeper = Housekeeper("binance", 14, clock)
    with closing(open_database(path)) as connection:
        housekeeping(keeper, connection)
        clock.now_s += 1
        housekeeping(keeper, connection)
        keeper.interrupt()
    assert 1 < len(times(path)) < 701
    clock.now_s += 1
    whole_round(path, clock, keeper=keeper)
    assert len(times(path)) == 1
