"""Opening, migrating and refusing databases; every refusal is one sentence for people."""

from __future__ import annotations

import json
import re
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import threading
from contextlib import closing
from pathlib import Path

import pytest
from support.record import create_version_1, store_summary

from Heatmap.errors import StorageError
from Heatmap.events import LiquidationEvent, Side
from Heatmap.storage.sqlite.bulk_insert import bulk_insert
from Heatmap.storage.sqlite.connection import describe, open_reader, open_writer
from Heatmap.storage.sqlite.file_guard import beside
from Heatmap.storage.sqlite.migrations import (
    APPLICATION_ID,
    LATEST,
    MIGRATIONS,
    Migration,
    check_writable,
    migrate,
    open_database,
    version_of,
)
from Heatmap.storage.sqlite.sqlite_store import SqliteStore

# The schema as it was released first.


@pytest.fixture
def path(tmp_path):
    return tmp_path / "new folder" / "a b#?%.sqlite3"


def created(path):
    open_database(path).close()


def test_a_missing_folder_and_file_are_made_whatever_their_name(path):
    created(path)
    assert path.is_file()
    with closing(open_reader(path)) as reader:
        assert version_of(reader, path) == LATEST
        assert reader.execute("PRAGMA application_id").fetchone()[0] == APPLICATION_ID
        assert reader.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            reader.execute("DELETE FROM liq_events")


def test_migrating_twice_changes_nothing_and_two_at_once_agree(path):
    threads = [threading.Thread(target=created, args=(path,)) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    created(path)
    with closing(open_reader(path)) as reader:
        tables = {row[0] for row in reader.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    ours = {"liq_events", "coverage", "tick_sizes", "quarantine", "collector", "clock_offsets", "imports"}
    assert tables == ours | {"sqlite_sequence"}


def declarations(path):
    with closing(open_reader(path)) as reader:
        rows = reader.execute("SELECT type, name, sql FROM sqlite_master").fetchall()
    # ALTER TABLE writes a new column behind the last comment: comments and blanks declare nothing.
    return sorted((kind, name, re.sub(r"--[^\n]*|\s", "", sql or "")) for kind, name, sql in rows)


def test_an_upgraded_file_and_a_new_one_are_declared_alike(path, tmp_path):
    create_version_1(path)
    created(path)
    created(tmp_path / "new.sqlite3")
    assert declarations(path) == declarations(tmp_path / "new.sqlite3")
    with closing(open_reader(path)) as reader:
        assert version_of(reader, path) == LATEST
        assert reader.execute("SELECT ts_ms FROM liq_events").fetchall() == [(5,)]


def test_a_file_of_an_old_version_is_read_as_it_is(path):
    create_version_1(path)
    with SqliteStore(path) as store:
        assert store.window("BTCUSDT", "binance", 0, 10).ts_ms.tolist() == [5]
        summary = store_summary(path)
        assert (summary.schema_version, summary.collectors, summary.quarantined) == (1, (), {})
        # A collector starts, and the same reader sees what is new.
        created(path)
        assert store.clock_reading("binance") is None
        assert store.schema_version == LATEST
        assert store_summary(path).schema_version == LATEST


def test_a_schema_that_appears_while_one_looks_is_no_strangers(path):
    with closing(open_writer(path)) as connection:
        others = iter([created])

        def meanwhile(sql):
            if "sqlite_master" in sql:
                next(others, lambda _: None)(path)

        connection.set_trace_callback(meanwhile)
        assert version_of(connection, path) == LATEST


def test_a_step_that_fails_leaves_nothing_behind(path, tmp_path, monkeypatch):
    script = tmp_path / "broken.sql"
    script.write_text("CREATE TABLE one (a); CREATE TABLE one (b);", encoding="utf-8")
    monkeypatch.setitem(MIGRATIONS, 0, Migration(script, LATEST))
    with closing(open_writer(path)) as connection:
        with pytest.raises(StorageError):
            migrate(connection, path)
        assert not connection.in_transaction
        assert connection.execute("SELECT count(*) FROM sqlite_master").fetchone() == (0,)


def test_the_indices_of_the_design_exist_and_the_window_query_reads_nothing_else(path):
    created(path)
    with closing(open_reader(path)) as reader:
        names = {row[0] for row in reader.execute("SELECT name FROM sqlite_master WHERE type = 'index'")}
        assert {"idx_liq_events_symbol_ts", "idx_liq_events_ts", "uq_liq_events"} <= names
        plan = reader.execute(
            "EXPLAIN QUERY PLAN SELECT ts_ms, price, notional, side FROM liq_events"
            " WHERE source = 'a' AND symbol = 'b' AND ts_ms >= 1 AND ts_ms < 2 ORDER BY ts_ms, id"
        ).fetchall()
    assert [row[3].split(" (")[0] for row in plan] == ["SEARCH liq_events USING COVERING INDEX idx_liq_events_window"]


def test_a_newer_schema_is_refused(path):
    created(path)
    with closing(open_writer(path)) as connection:
        connection.execute(f"PRAGMA user_version = {LATEST + 1}")
        with pytest.raises(StorageError) as caught:
            migrate(connection, path)
    assert "newer version" in caught.value.short


@pytest.mark.parametrize(
    "statement", ["CREATE TABLE theirs (a)", "PRAGMA user_version = 1", "PRAGMA application_id = 7"]
)
def test_another_programs_database_is_left_alone(path, statement):
    with closing(open_writer(path)) as connection:
        connection.execute(statement)
    before = path.read_bytes()
    for look in (open_database, check_writable):
        with pytest.raises(StorageError) as caught:
            look(path)
        assert "another program" in caught.value.short
        # Not even the journal mode, which is kept in the file.
        assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


def test_a_file_that_is_no_database_is_refused_and_not_touched(tmp_path):
    path = tmp_path / "letter.txt"
    path.write_text("dear all, " * 1000)
    for look in (open_database, check_writable):
        with pytest.raises(StorageError) as caught:
            look(path)
        assert caught.value.short == f"The file {path} is not a database."
    assert path.read_text() == "dear all, " * 1000


def test_looking_whether_a_database_can_be_written_changes_nothing(path, monkeypatch):
    created(path)
    before = path.read_bytes()
    check_writable(path)
    assert path.read_bytes() == before
    monkeypatch.setattr("Heatmap.storage.sqlite.connection.BUSY_TIMEOUT_MS", 10)
    with closing(open_writer(path)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StorageError, match="BUSY"):
            check_writable(path)


def test_a_folder_that_cannot_be_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError) as caught:
        open_writer(tmp_path / "file" / "x.sqlite3")
    assert str(tmp_path / "file") in caught.value.short
    with pytest.raises(StorageError, match="folder"):
        open_writer(tmp_path)


def test_a_reader_does_not_create(tmp_path):
    with pytest.raises(StorageError, match="CANTOPEN"):
        open_reader(tmp_path / "none.sqlite3")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (sqlite3.SQLITE_BUSY, "Another program"),
        (sqlite3.SQLITE_BUSY_SNAPSHOT, "Another program"),
        (sqlite3.SQLITE_FULL, "disk is full"),
        (sqlite3.SQLITE_READONLY_DBMOVED, "read-only"),
        (sqlite3.SQLITE_IOERR_WRITE, "disk fails"),
        (sqlite3.SQLITE_CORRUPT, "damaged"),
    ],
)
def test_sqlites_codes_become_sentences(tmp_path, code, words):
    error = sqlite3.OperationalError("x")
    error.sqlite_errorcode = code
    assert words in describe(error, tmp_path)


def test_an_error_without_a_code_still_has_a_sentence(tmp_path):
    assert "odd" in describe(sqlite3.OperationalError("odd"), tmp_path)


# As root no folder is read-only; and once it is another user's, the process may not read Python's own modules any more.
AS_NOBODY = """
import os, sys
from Heatmap import cli
cli.main(["status", "--db", sys.argv[1]])
cli.main(["export", "--format", "csv", "--output", sys.argv[1] + ".csv", "--db", sys.argv[1]])
if os.getuid() == 0:
    os.setuid(65534)
print("=====", flush=True)
sys.exit(cli.main(sys.argv[2:]))
"""


@pytest.fixture
def read_only_place(tmp_path):
    """A folder that everybody may read and nobody but root may write, with a record in it."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        bulk_insert(place / "record.sqlite3", [LiquidationEvent(5, "BTCUSDT", Side.SELL, 1.0, 2.0, 2.0)])
        bulk_insert(tmp_path / "other.sqlite3", [LiquidationEvent(5, "BTCUSDT", Side.SELL, 1.0, 2.0, 2.0)])
        place.chmod(0o555)
        yield place
        place.chmod(0o755)


def as_nobody(tmp_path, *words):
    return subprocess.run(
        [sys.executable, "-P", "-c", AS_NOBODY, tmp_path / "other.sqlite3", *words],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


@pytest.mark.skipif(sys.platform == "win32", reason="folders have no such permissions there")
def test_a_record_in_a_read_only_place_is_read(read_only_place, tmp_path):
    path = read_only_place / "record.sqlite3"
    found = as_nobody(tmp_path, "status", "--db", str(path), "--json")
    assert found.returncode == 0, found.stderr
    report = json.loads(found.stdout.partition("=====")[2])
    assert [series["rows"] for series in report["series"]] == [1]
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o777)
        target = Path(folder) / "out.csv"
        made = as_nobody(tmp_path, "export", "--format", "csv", "--output", str(target), "--db", str(path))
        assert made.returncode == 0, made.stderr
        assert len(target.read_text().splitlines()) == 2
    assert [file.name for file in read_only_place.iterdir()] == ["record.sqlite3"]


@pytest.mark.skipif(sys.platform == "win32", reason="folders have no such permissions there")
def test_a_log_that_cannot_be_read_there_is_no_empty_one(read_only_place, tmp_path):
    path = read_only_place / "record.sqlite3"
    # A copy of a record in use without its shared memory: what the log holds is not in the file yet.
    read_only_place.chmod(0o755)
    shutil.copy(path, tmp_path / "used.sqlite3")
    with closing(open_writer(tmp_path / "used.sqlite3")) as connection:
        connection.execute("DELETE FROM liq_events")
        shutil.copy(beside(tmp_path / "used.sqlite3", "-wal"), beside(path, "-wal"))
    read_only_place.chmod(0o555)
    found = as_nobody(tmp_path, "status", "--db", str(path))
    assert found.returncode != 0
    assert "record.sqlite3-wal" in found.stderr
