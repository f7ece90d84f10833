"""The recorder's lock: released by the kernel on any death, not by another close; a holder that hangs is named."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from contextlib import closing, contextmanager

import pytest
from support.record import store_summary
from support.writers import HOLDER

from Heatmap.clock import SYSTEM_CLOCK
from Heatmap.errors import StorageError
from Heatmap.reports import HEARTBEAT_MISSED_MS, CollectorReport, ConnectionState, ServiceStatus
from Heatmap.storage.sqlite.bulk_insert import bulk_insert
from Heatmap.storage.sqlite.connection import open_reader, open_writer
from Heatmap.storage.sqlite.file_guard import beside, file_identity
from Heatmap.storage.sqlite.migrations import open_database
from Heatmap.storage.sqlite.recorder_lock import RecorderLock, is_locked, lock_path
from Heatmap.storage.sqlite.sqlite_store import SqliteStore
from Heatmap.storage.writer import EventWriter

T = 1_790_000_000_000
PATIENCE_S = 20.0
SOURCE = "binance"
PROBE = """
import sys
from pathlib import Path
from Heatmap.storage.sqlite.recorder_lock import is_locked
sys.exit(0 if is_locked(Path(sys.argv[1]), "binance") else 1)
"""
FORKING = """
import os, sys
from pathlib import Path
from Heatmap.storage.sqlite.recorder_lock import RecorderLock
lock = RecorderLock(Path(sys.argv[1]), "demo")
assert lock.acquire()
if os.fork() == 0:
    print("forked", flush=True)
sys.stdin.read()
os._exit(0)
"""
posix_only = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "record.sqlite3"
    open_database(path).close()
    return path


@contextmanager
def holder(path):
    """Another process that records."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout.readline() == "records\n"
        yield process
    finally:
        process.kill()
        process.communicate(timeout=PATIENCE_S)


class ShiftedClock:
    """The system's clock, whose monotonic time can be moved ahead."""

    def __init__(self):
        self.ahead_s = 0.0

    def now_ms(self):
        return SYSTEM_CLOCK.now_ms()

    def monotonic_s(self):
        return SYSTEM_CLOCK.monotonic_s() + self.ahead_s


@contextmanager
def waiting(path, clock=SYSTEM_CLOCK):
    """A writer of this process that waits for the lock, its roles, and a condition that is notified of them."""
    changed, roles = threading.Condition(), []

    def report():
        status = ServiceStatus(state=ConnectionState.CONNECTING)
        return CollectorReport(SOURCE, ("BTCUSDT",), "waiting", "host", os.getpid(), T, status)

    def take_role(may_record, holder):
        with changed:
            roles.append((may_record, holder))
            changed.notify_all()

    def notify():
        with changed:
            changed.notify_all()

    writer = EventWriter(path, report=report, on_role=take_role, on_change=notify, clock=clock)
    writer.start()
    try:
        yield roles, changed
    finally:
        writer.stop()


def locked_elsewhere(path):
    """Whether another process finds the lock taken."""
    return subprocess.run([sys.executable, "-c", PROBE, str(path)], timeout=PATIENCE_S, check=False).returncode == 0


def test_another_close_in_the_process_does_not_release_it(path):
    lock = RecorderLock(path, SOURCE)
    assert lock.acquire()
    with lock_path(path, SOURCE).open("r+b"):
        pass
    shutil.copy(lock_path(path, SOURCE), path.with_name("copy"))
    with closing(open_writer(path)), path.open("rb"):
        pass
    assert is_locked(path, SOURCE)
    assert not RecorderLock(path, SOURCE).acquire()
    assert locked_elsewhere(path)
    lock.release()
    assert not locked_elsewhere(path)


def test_two_of_one_process_exclude_each_other(path):
    first, second = RecorderLock(path, SOURCE), RecorderLock(path, SOURCE)
    assert first.acquire()
    assert not second.acquire()
    assert RecorderLock(path, "demo").acquire()
    first.release()
    assert second.acquire()
    assert not first.acquire()


def test_a_link_to_the_database_has_the_same_lock(path, tmp_path):
    link = tmp_path / "link.sqlite3"
    link.symlink_to(path)
    assert RecorderLock(path, SOURCE).acquire()
    assert lock_path(link, SOURCE) == lock_path(path, SOURCE)
    assert lock_path(path, "a/b").parent == path.parent


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_a_forked_child_neither_releases_nor_inherits_it(path):
    lock = RecorderLock(path, SOURCE)
    assert lock.acquire()
    # The child of a process that has forked, and lives on.
    parent = subprocess.Popen(
        [sys.executable, "-c", FORKING, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert parent.stdout.readline() == "forked\n"
        assert is_locked(path, "demo")
        parent.kill()
        parent.wait(PATIENCE_S)
        assert RecorderLock(path, "demo").acquire()
    finally:
        parent.stdin.close()
        parent.stdout.close()
    assert is_locked(path, SOURCE)


@posix_only
def test_a_killed_holder_is_replaced_within_a_second(path):
    with holder(path) as process, waiting(path) as (roles, changed):
        with changed:
            assert changed.wait_for(lambda: roles and roles[-1][0] is False, PATIENCE_S)
        killed_s = time.monotonic()
        process.send_signal(signal.SIGKILL)
        with changed:
            assert changed.wait_for(lambda: roles[-1] == (True, None), PATIENCE_S)
        assert time.monotonic() - killed_s < 1.0


@posix_only
def test_a_killed_holder_does_not_count_as_recording(path):
    with holder(path) as process:
        with waiting(path) as (roles, changed), changed:
            assert changed.wait_for(lambda: roles and roles[-1][1] is not None, PATIENCE_S)
        (entry,) = store_summary(path).collectors
        assert entry.is_alive(entry.heartbeat_ms)
        process.send_signal(signal.SIGKILL)
        process.wait(PATIENCE_S)
    (entry,) = store_summary(path).collectors
    assert entry.is_locked is False
    assert not entry.is_alive(entry.heartbeat_ms)


@posix_only
def test_a_stopped_holder_keeps_it_and_is_named(path):
    with holder(path) as process, closing(open_reader(path)) as reader:
        with waiting(path) as (roles, changed), changed:
            assert changed.wait_for(lambda: roles and roles[-1][1] is not None, PATIENCE_S)
        process.send_signal(signal.SIGSTOP)
        with waiting(path) as (roles, changed):
            with changed:
                assert changed.wait_for(lambda: roles and roles[-1][1] is not None, PATIENCE_S)
                assert not changed.wait_for(lambda: roles[-1][0], 1.5)
            may_record, named = roles[-1]
            assert not may_record
            assert (named.pid, named.started_ms, named.symbols) == (process.pid, 5, ("BTCUSDT",))
        assert reader.execute("SELECT pid FROM collector").fetchall() == [(process.pid,)]
        (entry,) = store_summary(path).collectors
        assert entry.is_locked


@posix_only
def test_a_stopped_holder_is_reported_as_silent_until_it_goes_on(path):
    clock = ShiftedClock()
    with holder(path) as process, waiting(path, clock) as (roles, changed), changed:
        assert changed.wait_for(lambda: roles and roles[-1][1] is not None, PATIENCE_S)
        process.send_signal(signal.SIGSTOP)
        assert not roles[-1][1].is_silent
        clock.ahead_s = HEARTBEAT_MISSED_MS / 1000
        assert changed.wait_for(lambda: roles[-1][1].is_silent, PATIENCE_S)
        may_record, named = roles[-1]
        assert (may_record, named.pid) == (False, process.pid)
        process.send_signal(signal.SIGCONT)
        assert changed.wait_for(lambda: not roles[-1][1].is_silent, PATIENCE_S)


@posix_only
def test_it_survives_the_replacement_of_the_database(path):
    with holder(path), waiting(path) as (roles, changed):
        with changed:
            # A writer whose first look at the database fails would let the feed run, to keep events in memory.
            assert changed.wait_for(lambda: roles, PATIENCE_S)
        before = file_identity(path)
        # The recorder carries its record into a new file of the same name.
        for suffix in ("-wal", "-shm"):
            beside(path, suffix).unlink()
        with changed:
            assert changed.wait_for(lambda: file_identity(path) not in (None, before), PATIENCE_S)
            assert not changed.wait_for(lambda: any(may_record for may_record, _ in roles), 1.0)
        assert is_locked(path, SOURCE)


def test_readers_and_imports_need_no_lock(path):
    with holder(path), SqliteStore(path) as store:
        assert store.data_version() > 0
        bulk_insert(path, [])
        assert len(store.window("BTCUSDT", SOURCE, 0, T)) == 0
    before = sorted(file.name for file in path.parent.iterdir())
    assert lock_path(path, "demo").name not in before
    assert is_locked(path, "demo") is None
    store_summary(path)
    assert sorted(file.name for file in path.parent.iterdir()) == before


def test_a_lock_file_that_cannot_be_opened_is_a_sentence(path):
    lock_path(path, SOURCE).mkdir()
    with pytest.raises(StorageError) as caught:
        RecorderLock(path, SOURCE).acquire()
    assert str(lock_path(path, SOURCE)) in caught.value.short
    assert is_locked(path, SOURCE) is None


def test_without_a_lock_a_program_receives_but_does_not_claim_to_record(path, caplog):
    caplog.set_level("INFO")
    lock_path(path, SOURCE).mkdir()
    with waiting(path) as (roles, changed):
        with changed:
            assert changed.wait_for(lambda: roles == [(True, None)], PATIENCE_S)
        assert "this program records now" not in caplog.text
        lock_path(path, SOURCE).rmdir()
        with changed:
            assert changed.wait_for(lambda: "this program records now" in caplog.text, PATIENCE_S)
    assert roles == [(True, None)]


@posix_only
def test_the_lock_file_has_the_permissions_of_the_database(path):
    path.chmod(0o660)
    lock = RecorderLock(path, SOURCE)
    assert lock.acquire()
    assert lock_path(path, SOURCE).stat().st_mode & 0o777 == 0o660
    lock.release()
