"""Full disks, read-only files, failing disks: kept in memory, told, tried again, nothing lost."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from support.record import create_version_1, event, rows
from support.writers import Watched

from Heatmap.errors import StorageError
from Heatmap.storage.sqlite import migrations
from Heatmap.storage.sqlite.migrations import (
    LATEST,
    Migration,
    copy_path,
    open_database,
)

ROOT = Path(__file__).parents[2]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "record.sqlite3"


@pytest.mark.parametrize(
    ("pragma", "words"),
    [("PRAGMA max_page_count = 40", "The disk is full"), ("PRAGMA query_only = 1", "is read-only")],
)
def test_what_cannot_be_written_waits_and_is_told(path, monkeypatch, pragma, words):
    trouble = threading.Event()
    trouble.set()

    def opened(place):
        connection = open_database(place)
        if trouble.is_set():
            connection.execute(pragma)
        return connection

    monkeypatch.setattr("Heatmap.storage.sqlite.recovery.open_database", opened)
    with Watched(path, queue_rows=400) as watched:
        taken = 0
        while watched.writer.put(event(taken, raw_json="x" * 1000), timeout_s=1.0):
            taken += 1
        # The bound is stated and kept to: what is beyond it is refused, so that the socket is held back.
        watched.until(lambda stats: stats.queued == 400)
        watched.until(lambda stats: words in stats.problem)
        trouble.clear()
        watched.until(lambda stats: stats.inserted == taken and not stats.problem)
    assert rows(path) == [(taken,)]


FAILING_DISK = """
import json, resource, sys, threading
from pathlib import Path
from Heatmap.events import LiquidationEvent, Side
from Heatmap.storage.writer import EventWriter
T, path = 1_790_000_000_000, Path(sys.argv[1])
changed = threading.Condition()
def tell():
    with changed:
        changed.notify_all()
def until(predicate):
    with changed:
        assert changed.wait_for(predicate, 30), writer.stats()
writer = EventWriter(path, flush_ms=5, on_change=tell)
writer.start()
writer.put(LiquidationEvent(T, "BTCUSDT", Side.SELL, 1.0, 1.0, 1.0))
until(lambda: writer.stats().inserted == 1)
# No file may grow beyond this: the system refuses the write in the middle of a transaction.
resource.setrlimit(resource.RLIMIT_FSIZE, (150_000, resource.RLIM_INFINITY))
for number in range(1, 2000):
    writer.put(LiquidationEvent(T + number, "BTCUSDT", Side.SELL, 1.0, 1.0, 1.0, raw_json="x" * 300))
until(lambda: writer.stats().problem)
problem = writer.stats().problem
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
until(lambda: writer.stats().inserted == 2000 and not writer.stats().problem)
print(json.dumps([problem, writer.stop()]))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows cannot limit the size of a file")
def test_a_disk_that_fails_in_the_middle_of_a_transaction_costs_nothing(path):
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", FAILING_DISK, str(path)], cwd=ROOT, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr.decode()
    problem, lost = json.loads(done.stdout)
    assert problem in (f"The disk fails when {path} is read or written.", f"The disk is full; {path} cannot grow.")
    assert lost == 0
    assert rows(path) == [(2000,)]
    assert rows(path, "PRAGMA integrity_check") == [("ok",)]


def rewriting(monkeypatch, path, more=""):
    upgrade = migrations.MIGRATIONS[1].script.read_text(encoding="utf-8")
    script = path.with_name("upgrade.sql")
    steps = (upgrade, "UPDATE liq_events SET ts_ms = 6;", more)
    script.write_text("\n".join(steps), encoding="utf-8")
    monkeypatch.setitem(migrations.MIGRATIONS, 1, Migration(script, LATEST, rewrites=True))


def test_before_rows_are_rewritten_the_file_is_copied(path, monkeypatch):
    create_version_1(path)
    rewriting(monkeypatch, path)
    open_database(path).close()
    assert rows(path, "SELECT ts_ms FROM liq_events") == [(6,)]
    copy = copy_path(path, 1)
    assert rows(copy, "SELECT ts_ms FROM liq_events") == [(5,)]
    assert rows(copy, "PRAGMA user_version") == [(1,)]
    assert copy.name == "record.sqlite3.version-1"
    assert not list(path.parent.glob("*unfinished*"))


def test_a_rewriting_step_that_fails_leaves_the_file_as_it_was(path, monkeypatch):
    create_version_1(path)
    rewriting(monkeypatch, path, more="\nCREATE TABLE liq_events (a);")
    with pytest.raises(StorageError, match="already exists"):
        open_database(path)
    assert rows(path, "SELECT ts_ms FROM liq_events") == [(5,)]
    assert rows(path, "PRAGMA user_version") == [(1,)]


def test_without_a_copy_nothing_is_rewritten(path, monkeypatch):
    create_version_1(path)
    rewriting(monkeypatch, path)
    copy_path(path, 1).mkdir()
    with pytest.raises(StorageError) as caught:
        open_database(path)
    assert "is not rewritten, for it cannot be copied before" in caught.value.short
    assert rows(path, "SELECT ts_ms FROM liq_events") == [(5,)]


def test_a_step_that_only_adds_makes_no_copy(path):
    create_version_1(path)
    open_database(path).close()
    assert not copy_path(path, 1).exists()
