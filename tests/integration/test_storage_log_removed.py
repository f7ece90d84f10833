"""The write-ahead log is taken away under a living recorder: by a host's own code, by hand, by any other program.

``HEATMAP_LOG_TORTURE_RUNS=200`` makes so many random orders of all that; the default is short.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest
from PyQt6.QtSql import QSqlDatabase
from support.frames import encode
from support.record import T, event

from Heatmap.clock import SYSTEM_CLOCK
from Heatmap.errors import LogRemovedError, StorageError
from Heatmap.storage.contract import ImportedFile
from Heatmap.storage.record_reader import Selection
from Heatmap.storage.sqlite import file_guard
from Heatmap.storage.sqlite.bulk_insert import SqliteImportWriter
from Heatmap.storage.sqlite.connection import open_reader
from Heatmap.storage.sqlite.file_guard import beside, file_identity
from Heatmap.storage.sqlite.log_recovery import recover_deleted_log
from Heatmap.storage.sqlite.migrations import open_database, rescued_path
from Heatmap.storage.sqlite.sqlite_reader import SqliteReader
from Heatmap.storage.sqlite.sqlite_store import SqliteStore
from Heatmap.storage.writer import EventWriter

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows keeps open files from being deleted")

PATIENCE_S = 60.0
# What the issue allows for noticing, and what a loaded machine may add to it.
NOTICED_S = 1.0 + 5.0
RUNS = int(os.environ.get("HEATMAP_LOG_TORTURE_RUNS", "12"))
STEPS = 14
# A kill may cost what was committed so shortly before it and not brought into the file yet, if its log is deleted, too.
FLUSH_S = 0.15
RECORDER = Path(__file__).with_name("recorder_child.py")


def until(predicate, patience_s=PATIENCE_S):
    end_s = time.monotonic() + patience_s
    while not predicate():
        assert time.monotonic() < end_s
        time.sleep(0.005)


def in_another_process(code, *values):
    """Run some Python in a process of its own, which must end well."""
    subprocess.run([sys.executable, "-P", "-c", code, *map(str, values)], check=True, timeout=PATIENCE_S)


def opened_and_closed_elsewhere(path):
    in_another_process(
        "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]);c.execute('SELECT count(*) FROM liq_events'); c.close()",
        path,
    )


def times(path):
    """The trade times that a program sees which opens the record now."""
    with closing(open_reader(path)) as connection:
        return sorted(ts_ms - T for (ts_ms,) in connection.execute("SELECT ts_ms FROM liq_events"))


def remove(path, *suffixes):
    for suffix in suffixes:
        beside(path, suffix).unlink()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "record.sqlite3"


@contextmanager
def recording(path, count=50):
    """A writer of this process that has stored some events."""
    writer = EventWriter(path, flush_ms=20)
    writer.start()
    try:
        stored(writer, range(count))
        yield writer
    finally:
        writer.stop()


def stored(writer, numbers):
    before = writer.stats().inserted
    numbers = list(numbers)
    for number in numbers:
        assert writer.put(event(number), timeout_s=PATIENCE_S)
    until(lambda: writer.stats().inserted == before + len(numbers))


@pytest.fixture
def without_descriptor_locks(monkeypatch):
    """As on systems whose locks all belong to the process: only detection is left there."""
    monkeypatch.setattr(file_guard, "_locked", lambda *_: None)


def copied(path):
    shutil.copy(path, path.with_name("copy"))


def read_by_qt(path):
    """Read as PyQt programs do: Qt has a SQLite of its own."""
    database = QSqlDatabase.addDatabase("QSQLITE", "host")
    database.setDatabaseName(str(path))
    assert database.open()
    assert "liq_events" in database.tables()
    database.close()
    del database
    QSqlDatabase.removeDatabase("host")


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no locks of a descriptor")
@pytest.mark.usefixtures("qapp")
@pytest.mark.parametrize("host_opens", [read_by_qt, copied])
def test_a_host_that_opens_the_file_beside_the_recorder_takes_no_log_away(path, host_opens):
    with recording(path) as writer:
        log, shared_memory = beside(path, "-wal"), beside(path, "-shm")
        before = file_identity(log), file_identity(shared_memory)
        for round_ in range(1, 4):
            host_opens(path)
            opened_and_closed_elsewhere(path)
            assert (file_identity(log), file_identity(shared_memory)) == before
            stored(writer, range(round_ * 100, round_ * 100 + 10))
            assert len(times(path)) == 50 + 10 * round_
        assert writer.stats().notice == ""
    # Who closes in order still leaves one file.
    assert not log.exists()
    assert not shared_memory.exists()


@pytest.mark.usefixtures("qapp", "without_descriptor_locks")
@pytest.mark.parametrize("host_opens", [read_by_qt, copied])
def test_without_such_locks_the_loss_is_noticed_and_mended(path, host_opens):
    with recording(path) as writer:
        log = file_identity(beside(path, "-wal"))
        host_opens(path)
        opened_and_closed_elsewhere(path)
        assert file_identity(beside(path, "-wal")) != log
        until(lambda: writer.stats().notice, NOTICED_S)
        stored(writer, range(100, 110))
        assert times(path) == [*range(50), *range(100, 110)]
    assert times(path) == [*range(50), *range(100, 110)]


@pytest.mark.parametrize("suffixes", [("-wal", "-shm"), ("-wal",), ("-shm",)])
def test_a_log_deleted_by_hand_is_noticed_said_and_its_content_carried_over(path, suffixes, caplog):
    with recording(path) as writer:
        before = file_identity(path)
        remove(path, *suffixes)
        until(lambda: file_identity(path) != before, NOTICED_S)
        until(lambda: writer.stats().notice and not writer.stats().problem)
        assert "which another program deleted" in writer.stats().notice
        stored(writer, range(100, 110))
        writer.extend_coverage("binance", "BTCUSDT", T + 110)
    # The old file is kept, and nothing else stays behind but what it had beside it.
    aside, *more = sorted(file for file in path.parent.iterdir() if file != path)
    assert aside.name.startswith(f"{path.name}.replaced-")
    assert {file.name.removeprefix(aside.name) for file in more} <= {"-wal", "-shm"}
    assert times(path) == [*range(50), *range(100, 110)]
    assert "was deleted by another program" in caplog.text


def test_coverage_goes_on_in_the_new_file(path):
    with recording(path) as writer:
        writer.extend_coverage("binance", "BTCUSDT", T)
        writer.extend_coverage("binance", "BTCUSDT", T + 5_000)
        stored(writer, [60])
        remove(path, "-wal", "-shm")
        until(lambda: writer.stats().notice, NOTICED_S)
        writer.extend_coverage("binance", "BTCUSDT", T + 9_000)
    with SqliteStore(path) as store:
        [known] = store.coverage("BTCUSDT", "binance", T, T + 60_000)
    assert (known.start_ms, known.end_ms) == (T, T + 9_000)


def test_what_another_program_reported_before_and_after_is_all_there(path):
    with recording(path) as writer:
        # A reader that holds an old state keeps the log from being brought into the file.
        with closing(open_reader(path)) as holder:
            holder.execute("BEGIN")
            holder.execute("SELECT count(*) FROM liq_events").fetchone()
            imported(path, "before", range(1000, 1200))
            stored(writer, range(200, 210))
            remove(path, "-wal", "-shm")
            # The first try may fail in so many words: the file is being replaced.
            with suppress(subprocess.CalledProcessError):
                import_elsewhere(path, "after", 2000, 3000)
            import_elsewhere(path, "after", 2000, 3000)
            until(lambda: writer.stats().notice, NOTICED_S)
        stored(writer, range(210, 220))
    wanted = [*range(50), *range(200, 220), *range(1000, 1200), *range(2000, 5000)]
    assert times(path) == wanted
    with closing(open_reader(path)) as connection:
        brought = connection.execute(
            "SELECT i.file, i.rows, count(*), min(e.ts_ms) FROM imports i JOIN liq_events e ON e.import_id = i.id"
            " GROUP BY i.id ORDER BY i.file"
        ).fetchall()
    assert sum(rows for name, rows, *_ in brought if name == "after") == 3000
    assert all(rows == counted for _, rows, counted, _ in brought)
    assert brought[-1] == ("before", 200, 200, T + 1000)


def imported(path, name, numbers):
    file = ImportedFile(name, "test", T)
    with SqliteImportWriter(path) as writer:
        writer.insert(file, [event(number) for number in numbers])
        writer.settle()


def import_elsewhere(path, name, first, count):
    """Import a file by the program itself, which must report success."""
    file = path.with_name(name)
    file.write_text("".join(f"{encode(event(number))}\n" for number in range(first, first + count)))
    command = [sys.executable, "-P", "-m", "Heatmap", "import", file, "--db", path]
    subprocess.run(command, check=True, timeout=PATIENCE_S, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def test_an_import_that_loses_its_log_is_not_called_a_success(path):
    open_database(path).close()
    with SqliteImportWriter(path) as writer:
        writer.insert(ImportedFile("a", "test", T), [event(1)])
        remove(path, "-wal", "-shm")
        with pytest.raises(LogRemovedError):
            writer.insert(ImportedFile("a", "test", T), [event(2)])
        with pytest.raises(LogRemovedError):
            writer.settle()


def test_an_export_that_loses_its_log_is_not_called_a_success(path):
    imported(path, "a", range(10))
    with SqliteReader(path) as reader:
        remove(path, "-wal", "-shm")
        with pytest.raises(LogRemovedError):
            list(reader.rows(Selection()))


def test_a_reader_follows_a_log_that_began_anew(path):
    with recording(path, 3), SqliteStore(path) as store:
        assert len(store.window("BTCUSDT", "binance", T, T + 10)) == 3
    imported(path, "a", range(3, 5))
    with SqliteStore(path) as store:
        assert len(store.window("BTCUSDT", "binance", T, T + 10)) == 5
        generation = store.generation
        remove(path, "-wal", "-shm")
        import_elsewhere(path, "b", 5, 2)
        assert len(store.window("BTCUSDT", "binance", T, T + 10)) == 7
        assert store.generation > generation


def test_while_one_connection_uses_a_deleted_log_no_other_of_the_process_is_opened(path):
    imported(path, "a", range(3))
    with closing(open_database(path)), SqliteStore(path) as store:
        assert len(store.window("BTCUSDT", "binance", T, T + 10)) == 3
        remove(path, "-wal", "-shm")
        with pytest.raises(StorageError, match="log was removed"):
            store.window("BTCUSDT", "binance", T, T + 10)
    with SqliteStore(path) as store:
        assert len(store.window("BTCUSDT", "binance", T, T + 10)) == 3


def test_of_two_connections_to_a_deleted_log_one_replaces_the_file(path, caplog):
    with recording(path, count=3):
        pass
    is_open, is_deleted, outcomes = threading.Event(), threading.Event(), []

    def recover_second():
        with closing(open_database(path)) as second:
            is_open.set()
            is_deleted.wait(PATIENCE_S)
            outcomes.append(recover_deleted_log(second, path, SYSTEM_CLOCK, []))

    thread = threading.Thread(target=recover_second, daemon=True)
    with closing(open_database(path)) as first:
        thread.start()
        assert is_open.wait(PATIENCE_S)
        remove(path, "-wal", "-shm")
        first.execute("BEGIN IMMEDIATE")
        is_deleted.set()
        until(lambda: "was deleted by another program" in caplog.text)
        # The first one replaces the file while the second one waits for its lock.
        shutil.copy(path, path.with_name("new"))
        path.with_name("new").replace(path)
        replaced = file_identity(path)
        first.execute("ROLLBACK")
        thread.join(PATIENCE_S)
    assert outcomes == [None]
    assert file_identity(path) == replaced
    assert not list(path.parent.glob("*.replaced-*"))


def test_a_disk_that_is_full_meanwhile_costs_nothing(path):
    with recording(path) as writer:
        rescued = rescued_path(path)
        # Nothing can be written there, as little as on a full disk.
        rescued.mkdir()
        remove(path, "-wal", "-shm")
        until(lambda: writer.stats().problem, NOTICED_S)
        for number in range(100, 110):
            assert writer.put(event(number))
        rescued.rmdir()
        until(lambda: writer.stats().inserted == 60)
    assert times(path) == [*range(50), *range(100, 110)]


def test_a_stop_in_the_same_moment_loses_nothing(path):
    with recording(path) as writer:
        stored(writer, range(100, 110))
        remove(path, "-wal", "-shm")
    assert times(path) == [*range(50), *range(100, 110)]


@contextmanager
def held_by_another_program(path):
    """Another program that found the log gone, began a new one, and is writing for ever."""
    code = (
        "import sqlite3, sys; c = sqlite3.connect(sys.argv[1], isolation_level=None);"
        "c.execute('BEGIN IMMEDIATE'); print('held', flush=True); sys.stdin.read()"
    )
    process = subprocess.Popen(
        [sys.executable, "-P", "-c", code, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout.readline() == "held\n"
        yield
    finally:
        process.communicate("", timeout=PATIENCE_S)


def test_what_cannot_be_carried_over_before_the_end_is_counted_and_the_next_one_records(path):
    writer = EventWriter(path, flush_ms=20)
    writer.start()
    stored(writer, range(50))
    until(lambda: not writer._session._unsaved)
    with closing(open_reader(path)) as holder:
        # A reader of an old state keeps what follows in the log.
        holder.execute("BEGIN")
        holder.execute("SELECT count(*) FROM liq_events").fetchone()
        stored(writer, range(100, 130))
        remove(path, "-wal", "-shm")
        with held_by_another_program(path):
            assert writer.stop(timeout_s=3.0) == 30
            until(lambda: not writer._thread.is_alive())
        assert "Another program is holding" in writer.stats().problem
    assert times(path) == list(range(50))
    with recording(path, 0) as writer:
        stored(writer, range(200, 210))
        assert writer.stats().problem == ""
    assert times(path) == [*range(50), *range(200, 210)]


def test_a_stop_waits_for_a_carry_over_that_is_held_up(path):
    writer = EventWriter(path, flush_ms=20)
    writer.start()
    stored(writer, range(50))
    with closing(open_reader(path)) as holder:
        holder.execute("BEGIN")
        holder.execute("SELECT count(*) FROM liq_events").fetchone()
        stored(writer, range(100, 130))
        remove(path, "-wal", "-shm")
        with held_by_another_program(path):
            until(lambda: writer.stats().problem)
        assert writer.stop() == 0
    assert times(path) == [*range(50), *range(100, 130)]


def test_a_file_of_the_owners_beside_the_record_is_not_touched(path):
    names = [f"{path.name}.copy", f"{path.name}.copy-wal", "copy"]
    with recording(path) as writer:
        for name in names:
            path.with_name(name).write_text("mine")
        remove(path, "-wal", "-shm")
        until(lambda: writer.stats().notice, NOTICED_S)
    assert {path.with_name(name).read_text() for name in names} == {"mine"}


def test_a_record_behind_a_symbolic_link_is_watched_and_stays_behind_it(path, tmp_path):
    real = tmp_path / "elsewhere" / "real.sqlite3"
    real.parent.mkdir()
    path.symlink_to(real)
    with recording(path) as writer:
        remove(real, "-wal", "-shm")
        until(lambda: writer.stats().notice, NOTICED_S)
        stored(writer, range(100, 110))
    assert path.is_symlink()
    assert times(real) == [*range(50), *range(100, 110)]


def test_the_file_keeps_its_permissions(path):
    with recording(path) as writer:
        path.chmod(0o640)
        remove(path, "-wal", "-shm")
        until(lambda: writer.stats().notice, NOTICED_S)
    assert path.stat().st_mode & 0o777 == 0o640


class Recorder:
    """A recorder in a process of its own, with a host's code beside it; it answers each order with a line."""

    def __init__(self, path):
        self.path = path
        self.process = subprocess.Popen(
            [sys.executable, "-P", RECORDER, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def order(self, *words):
        print(*words, file=self.process.stdin, flush=True)
        answer = self.process.stdout.readline()
        assert answer, words
        return json.loads(answer)

    def kill(self):
        os.kill(self.process.pid, signal.SIGKILL)
        self.close()

    def close(self):
        self.process.wait(PATIENCE_S)
        self.process.stdin.close()
        self.process.stdout.close()


@contextmanager
def recorder(path):
    child = Recorder(path)
    try:
        yield child
    finally:
        child.process.kill()
        child.close()


def test_killed_after_a_host_has_opened_the_file_it_has_lost_nothing(path):
    with recorder(path) as child:
        child.order("store", 0, 100)
        child.order("qt")
        child.order("copy")
        opened_and_closed_elsewhere(path)
        child.order("store", 100, 9)
        child.kill()
    assert times(path) == list(range(109))


def test_killed_after_its_log_was_deleted_it_has_lost_nothing(path):
    with recorder(path) as child:
        child.order("store", 0, 75)
        child.order("settle")
        remove(path, "-wal", "-shm")
        # Before it can have noticed.
        child.kill()
    assert times(path) == list(range(75))


class Story:
    """One random order of things, and what must be there in the end."""

    def __init__(self, path, seed):
        self.path = path
        self.chance = random.Random(seed)
        self.told = []
        self.reported = {}  # number -> when its storing was reported
        self.excused = set()
        self.next_number = 0
        self.log_was_removed = False
        self.child = Recorder(path)
        self.child.order("store", *self.numbers(5))

    def numbers(self, count):
        first, self.next_number = self.next_number, self.next_number + count
        return first, count

    def step(self):
        twice = ["store", "store", "import", "remove"]
        once = ["qt", "copy", "read", "look", "elsewhere", "kill", "stop"]
        name = self.chance.choice(2 * twice + once)
        self.told.append(name)
        getattr(self, f"do_{name}")()

    def do_store(self):
        first, count = self.numbers(self.chance.randint(1, 60))
        self.child.order("store", first, count)
        self.reported |= dict.fromkeys(range(first, first + count), time.monotonic())

    def do_qt(self):
        self.child.order("qt")

    def do_copy(self):
        self.child.order("copy")

    def do_read(self):
        self.child.order("read")

    def do_look(self):
        self.child.order("look")

    def do_elsewhere(self):
        # While the log is being replaced it may be refused; it only must do no harm.
        with suppress(subprocess.CalledProcessError):
            opened_and_closed_elsewhere(self.path)

    def do_import(self):
        first, count = self.numbers(self.chance.randint(1, 300))
        with suppress(subprocess.CalledProcessError):
            import_elsewhere(self.path, f"file {first}", first, count)
            # Reported, and from now on for good.
            self.reported |= dict.fromkeys(range(first, first + count), 0.0)

    def do_remove(self):
        for suffix in self.chance.choice([("-wal", "-shm"), ("-shm", "-wal"), ("-wal",), ("-shm",)]):
            with suppress(FileNotFoundError):
                beside(self.path, suffix).unlink()
        self.log_was_removed = True

    def do_kill(self):
        self.child.kill()
        if self.log_was_removed:
            since_s = time.monotonic() - FLUSH_S
            self.excused |= {number for number, at_s in self.reported.items() if at_s > since_s}
        self.begin_again()

    def do_stop(self):
        assert self.child.order("stop") == 0
        self.child.close()
        self.begin_again()

    def begin_again(self):
        self.log_was_removed = False
        self.child = Recorder(self.path)
        self.do_store()


@pytest.mark.parametrize("seed", range(RUNS))
def test_nothing_reported_is_lost_whatever_happens_to_the_log(tmp_path, seed):
    path = tmp_path / "record.sqlite3"
    story = Story(path, seed)
    try:
        for _ in range(STEPS):
            story.step()
        assert story.child.order("stop") == 0
    finally:
        story.child.process.kill()
        story.child.process.wait(PATIENCE_S)
        story.child.process.stdin.close()
        story.child.process.stdout.close()
    there = times(path)
    assert len(there) == len(set(there)), story.told
    missing = set(story.reported) - story.excused - set(there)
    assert not missing, (sorted(missing), story.told)
    with closing(open_reader(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)], story.told
