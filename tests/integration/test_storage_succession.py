"""Several writers on one file: one records, the others wait; nothing is stored twice, no time is covered twice."""

from __future__ import annotations

import threading
from contextlib import closing

import pytest
from support.record import T, event, rows
from support.writers import Program

from Heatmap.errors import StorageError
from Heatmap.reports import CollectorReport, ServiceStatus
from Heatmap.storage.sqlite.connection import open_reader, open_writer
from Heatmap.storage.sqlite.migrations import open_database
from Heatmap.storage.sqlite.recorder_lock import lock_path

PATIENCE_S = 20.0


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Reports and attempts to get the lock more often."""
    monkeypatch.setattr("Heatmap.storage.writer_session.HEARTBEAT_S", 0.1)
    monkeypatch.setattr("Heatmap.storage.writer_session.LOOK_S", 0.02)
    monkeypatch.setattr("Heatmap.storage.sqlite.connection.BUSY_TIMEOUT_MS", 200)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "record.sqlite3"


@pytest.fixture
def programs(path):
    made = []

    def make(name, **options):
        made.append(Program(path, name, **options))
        return made[-1]

    yield make
    for program in made:
        program.writer.stop(1.0)


def test_the_second_one_reads_until_the_first_one_ends(path, programs):
    first = programs("first")
    first.until_told(True, None)
    second = programs("second")
    second.until_told(False, "first")
    first.writer.put(event(0))
    first.writer.extend_coverage("binance", "BTCUSDT", T)
    assert first.writer.stop() == 0
    second.until_told(True, None)
    second.writer.put(event(0))
    second.writer.put(event(1))
    second.writer.extend_coverage("binance", "BTCUSDT", T + 1)
    assert second.writer.stop() == 0
    assert rows(path, "SELECT ts_ms FROM liq_events") == [(T,), (T + 1,)]
    assert rows(path, "SELECT start_ms, end_ms FROM coverage") == [(T, T), (T + 1, T + 1)]
    assert rows(path, "SELECT run_id, state FROM collector") == [("second", "stopped")]


def test_of_many_that_start_at_once_one_records(programs):
    many = [programs(f"number {number}") for number in range(6)]
    for program in many:
        program.until(lambda program=program: program.told)
    holders = [program for program in many if program.told[-1] == (True, None)]
    assert len(holders) == 1
    for _ in range(5):
        holders[0].writer.report_changed()
    for program in many:
        if program is not holders[0]:
            program.until_told(False, holders[0].name)
            assert not any(may_record for may_record, _ in program.told)


def test_a_holder_that_hangs_is_not_replaced(path, programs):
    first = programs("first")
    first.until_told(True, None)
    first.until(lambda: rows(path, "SELECT run_id FROM collector"))
    gate = threading.Event()
    report = first.report

    def hang():
        gate.wait(PATIENCE_S)
        return report()

    first.answer = hang
    first.writer.report_changed()  # its thread now waits inside of its report
    second = programs("second")
    second.until_told(False, "first")
    second.writer.put(event(7))
    second.until(lambda: second.writer.stats().inserted == 1)
    assert second.told == [(False, "first")]
    gate.set()
    assert first.writer.stop() == 0
    second.until_told(True, None)


def test_a_deleted_lock_file_is_locked_anew(path, programs):
    first = programs("first")
    first.until_told(True, None)
    lock_path(path, "binance").unlink()
    first.until(lock_path(path, "binance").exists, wakes=True)
    second = programs("second")
    second.until_told(False, "first")
    assert first.told == [(True, None)]


def test_another_source_has_a_lock_of_its_own(path, programs):
    first = programs("first")
    first.until_told(True, None)
    other = Program(path, "other")
    other.writer.stop()

    class Demo(Program):
        def report(self):
            return CollectorReport("demo", self.symbols, self.name, "host", 1, T, ServiceStatus())

    demo = Demo(path, "demo")
    demo.until_told(True, None)
    demo.writer.stop()
    assert first.told == [(True, None)]


def test_while_nobody_can_be_asked_one_records_into_memory(path, programs):
    path.mkdir()
    first = programs("first")
    first.until_told(True, None)
    first.writer.put(event(0))
    first.writer.extend_coverage("binance", "BTCUSDT", T)
    first.until(lambda: first.writer.stats().problem)
    path.rmdir()
    first.until(lambda: first.writer.stats().inserted == 1)
    assert first.writer.stop() == 0
    assert first.told == [(True, None)]
    assert rows(path, "SELECT start_ms FROM coverage") == [(T,)]


def test_who_recorded_into_memory_yields_to_whom_the_database_names(path, programs, monkeypatch):
    first = programs("first")
    first.until_told(True, None)
    broken = threading.Event()
    broken.set()

    def opened(place):
        if broken.is_set():
            raise StorageError("no", short="no")
        return open_database(place)

    monkeypatch.setattr("Heatmap.storage.sqlite.recovery.open_database", opened)
    second = programs("second")
    second.until_told(True, None)
    second.writer.put(event(3))
    second.writer.extend_coverage("binance", "BTCUSDT", T + 3)
    broken.clear()
    second.until_told(False, "first")
    second.until(lambda: second.writer.stats().inserted == 1)
    second.writer.stop()
    first.writer.stop()
    assert rows(path, "SELECT count(*) FROM coverage") == [(0,)]
    assert rows(path, "SELECT ts_ms FROM liq_events") == [(T + 3,)]


def test_a_reader_stays_one_while_the_database_is_locked(path, programs):
    first = programs("first")
    first.until_told(True, None)
    second = programs("second")
    second.until_told(False, "first")
    with closing(open_writer(path)) as other:
        other.execute("BEGIN IMMEDIATE")
        first.writer.put(event(0))
        first.until(lambda: first.writer.stats().problem)
        other.execute("ROLLBACK")
    first.until(lambda: first.writer.stats().inserted == 1)
    # Whoever was quicker when the lock fell: one records, the other knows.
    for program, rival in ((first, second), (second, first)):
        program.until(lambda program=program: not program.writer.stats().problem)
        if program.told[-1] == (True, None):
            rival.until_told(False, program.name)


def test_a_coverage_row_that_somebody_erased_is_not_claimed_again(path, programs):
    first = programs("first")
    first.until_told(True, None)
    first.writer.extend_coverage("binance", "BTCUSDT", T)
    first.writer.put(event(0))
    first.writer.report_changed()
    with closing(open_database(path)) as other:
        first.until(lambda: other.execute("SELECT count(*) FROM coverage").fetchone() == (1,))
        other.execute("DELETE FROM coverage")
    first.writer.extend_coverage("binance", "BTCUSDT", T + 9000)
    assert first.writer.stop() == 0
    assert rows(path, "SELECT start_ms, end_ms FROM coverage") == [(T, T + 9000)]


def test_what_a_closing_socket_still_brings_covers_nothing_later_either(path, programs):
    first = programs("first")
    first.until_told(True, None)
    second = programs("second")
    second.until_told(False, "first")
    second.writer.extend_coverage("binance", "BTCUSDT", T)
    second.writer.put(event(1))
    second.until(lambda: second.writer.stats().inserted == 1)
    assert first.writer.stop() == 0
    second.until_told(True, None)
    second.writer.extend_coverage("binance", "BTCUSDT", T + 9000)
    assert second.writer.stop() == 0
    assert rows(path, "SELECT start_ms, end_ms FROM coverage") == [(T + 9000, T + 9000)]


def test_a_file_that_is_taken_away_is_followed_by_who_waits_too(path, programs, tmp_path):
    first = programs("first")
    first.until_told(True, None)
    second = programs("second")
    second.until_told(False, "first")
    kept = path.rename(tmp_path / "kept.sqlite3")
    first.writer.put(event(0))
    first.until(lambda: first.writer.stats().inserted == 1)
    with closing(open_reader(kept)) as connection:
        (before,) = connection.execute("SELECT run_id FROM collector").fetchall()
    assert before == ("first",)
    assert first.writer.stop() == 0
    second.until(lambda: second.told and second.told[-1] == (True, None))
    second.writer.put(event(1))
    second.until(lambda: second.writer.stats().inserted == 1)
    assert rows(path, "SELECT count(*) FROM liq_events") == [(2,)]
    assert rows(kept, "SELECT run_id FROM collector") == [("first",)]
