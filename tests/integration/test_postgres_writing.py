"""Recording on a server: what it cannot take waits in a file of this machine, and is played back once, in order."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from support.record import T, event, rows
from support.waiting import until
from support.writers import Program, Watched

from Heatmap.clock import SYSTEM_CLOCK
from Heatmap.errors import ReadOnlyDatabaseError
from Heatmap.reports import ClockReading, RejectedFrame
from Heatmap.storage.commit import Batch, commit
from Heatmap.storage.contract import ImportedFile
from Heatmap.storage.database import database_of
from Heatmap.storage.postgres import connector, server_session, spool
from Heatmap.storage.postgres.connection import write_transaction
from Heatmap.storage.postgres.migrations import open_record
from Heatmap.storage.postgres.spool import Spool, play_back
from Heatmap.storage.retention import Housekeeper
from Heatmap.storage.sqlite.migrations import open_database

ROOT = Path(__file__).parents[2]
SOURCE = "binance"
COUNTS = ("liq_events", "coverage", "quarantine", "clock_offsets", "tick_sizes")


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """A server counts as gone after a moment, and is tried again soon."""
    monkeypatch.setattr("Heatmap.storage.postgres.server_session.PATIENCE_S", 0.1)
    monkeypatch.setattr("Heatmap.storage.postgres.connector._LAST_RETRY_S", 0.25)
    monkeypatch.setattr("Heatmap.storage.writer_session.HEARTBEAT_S", 0.1)


@pytest.fixture
def away(cluster):
    """Stop the server; it runs again after the test, whatever happens in it."""
    is_away = []

    def stop(mode="immediate"):
        cluster.stop(mode)
        is_away.append(True)

    def start():
        cluster.start()
        is_away.clear()

    stop.start = start
    yield stop
    if is_away:
        cluster.start()


def spool_of(url, source=SOURCE):
    return database_of(url).address.local_file(f"spool-{source}" if source else "spool")


def on_server(url, query="SELECT count(*) FROM liq_events"):
    with closing(open_record(database_of(url).address, creates=True)) as connection:
        return connection.execute(query).fetchall()


def counts(url):
    return [on_server(url, f"SELECT count(*) FROM {table}")[0][0] for table in COUNTS]  # noqa: S608 - ours


def test_what_comes_while_the_server_is_gone_is_played_back_once(server_url, away, caplog):
    caplog.set_level(logging.INFO)
    program = Program(server_url, "first")
    writer, spool = program.writer, spool_of(server_url)
    writer.put(event(0))
    writer.extend_coverage(SOURCE, "BTCUSDT", T)
    program.until(lambda: writer.stats().inserted == 1 and not writer.stats().problem)
    away()
    for number in range(3000):
        assert writer.put(event(number), timeout_s=20)
        writer.extend_coverage(SOURCE, "BTCUSDT", T + number)
    writer.set_tick_size(SOURCE, "BTCUSDT", 0.1)
    writer.quarantine(RejectedFrame(SOURCE, "bad-price", "a note", T, 3, b"\x00\xff"))
    writer.note_clock(ClockReading(SOURCE, T, 1.5, 0.5))
    # The event of before is in the file, too: whether the server has it is not known here.
    program.until(lambda: "3,000 liquidations" in writer.stats().problem)
    stats = writer.stats()
    assert (stats.inserted, stats.duplicates, stats.queued, stats.last_event_ms) == (1, 0, 0, T + 2999)
    assert str(database_of(server_url)) in stats.problem
    assert "\n" not in stats.problem
    assert stats.problem.endswith(" Kept on this machine until it can be written: 3,000 liquidations.")
    away.start()
    program.until(lambda: writer.stats().inserted == 3000 and not writer.stats().problem)
    writer.put(event(3000))
    program.until(lambda: writer.stats().inserted == 3001)
    assert writer.stop() == 0
    assert (writer.stats().duplicates, writer.stats().refused) == (1, 0)
    assert counts(server_url)[0] == 3001
    assert counts(server_url)[2:] == [1, 1, 1]
    assert on_server(server_url, "SELECT id FROM liq_events ORDER BY ts_ms") == on_server(
        server_url, "SELECT id FROM liq_events ORDER BY id"
    )
    # One delivery, in pieces that touch.
    with database_of(server_url).reader() as reader:
        (covered,) = reader.coverage("BTCUSDT", SOURCE, 0, 2**53)
    assert (covered.start_ms, covered.end_ms) == (T, T + 2999)
    assert on_server(server_url, "SELECT frame FROM quarantine") == [(b"\x00\xff",)]
    assert [rows(spool, f"SELECT count(*) FROM {table}") for table in COUNTS] == [[(0,)]] * 5  # noqa: S608 - ours
    assert f"played back to {database_of(server_url)}: 3,000 liquidations" in caplog.text
    assert on_server(server_url, "SELECT state FROM collector") == [("stopped",)]


def test_what_waits_outlives_the_program(server_url, away, caplog):
    away()
    program = Program(server_url, "first")
    for number in range(50):
        program.writer.put(event(number))
    program.writer.extend_coverage(SOURCE, "BTCUSDT", T)
    # Ended at once: nothing was ever stored anywhere.
    assert program.writer.stop() == 0
    assert not program.writer.stats().problem
    assert f"kept in {spool_of(server_url)} until a recorder can write" in caplog.text
    assert ": 50 liquidations" in caplog.text
    assert rows(spool_of(server_url), "SELECT state FROM collector") == [("stopped",)]
    second = Program(server_url, "second")
    second.writer.put(event(50))
    second.until(lambda: "51 liquidations" in second.writer.stats().problem)
    away.start()
    second.until(lambda: second.writer.stats().inserted == 51)
    assert second.writer.stop() == 0
    assert counts(server_url)[:2] == [51, 1]
    assert on_server(server_url, "SELECT ts_ms FROM liq_events ORDER BY id") == [(T + each,) for each in range(51)]


def test_two_programs_share_what_waits(server_url, away):
    away()
    first, second = Program(server_url, "first"), Program(server_url, "second")
    for number in range(300):
        first.writer.put(event(number))
        second.writer.put(event(number + 100))
    writers = (first.writer, second.writer)
    for program in (first, second):
        program.until(lambda program=program: program.writer.stats().queued == 0)
    # One of them records: the file's lock stands in for the server's.
    until(lambda: {first.told[-1][0], second.told[-1][0]} == {True, False})
    away.start()
    until(lambda: sum(writer.stats().inserted for writer in writers) == 400)
    until(lambda: [writer.stats().problem for writer in writers] == ["", ""])
    until(lambda: {first.told[-1][0], second.told[-1][0]} == {True, False})
    assert [writer.stop() for writer in writers] == [0, 0]
    assert counts(server_url)[0] == 400


BACKLOG = """
    WITH RECURSIVE number (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < 1500)
    INSERT INTO liq_events (ts_ms, symbol, side, price, qty, notional, source)
    SELECT n, 'BTCUSDT', 'BUY', 1, 1, 1, 'binance' FROM number;
    INSERT INTO coverage (source, symbol, start_ms, end_ms) VALUES ('binance', 'BTCUSDT', 5, 9);
    INSERT INTO tick_sizes VALUES ('binance', 'BTCUSDT', 0.5, 7);
    INSERT INTO clock_offsets (source, measured_ms, offset_ms, uncertainty_ms) VALUES ('binance', 1, 2, 3);
    INSERT INTO quarantine (source, kind, note, received_ms, size_bytes, frame) VALUES ('binance', 'b', '', 1, 1, x'00')
"""


def test_a_crash_between_the_two_commits_changes_nothing(server_url, tmp_path):
    database = database_of(server_url)
    spool = Spool(tmp_path / "spool.sqlite3", SOURCE, SYSTEM_CLOCK, goes_on=lambda: True)
    with spool.writing():
        for statement in BACKLOG.split(";"):
            spool.open().execute(statement)
    with closing(open_record(database.address, creates=True)) as connection:
        for _ in range(2):
            first = spool.next_piece()
            assert (len(first.batch.events), first.is_last, first.coverage) == (1000, False, [])
            with write_transaction(connection):
                play_back(connection, first)
            # The program dies here.
            spool.close()
        spool.forget(first)
        for expected in (500, 0):
            last = spool.next_piece()
            assert last.is_last
            with write_transaction(connection):
                assert play_back(connection, last).inserted == expected
            spool.close()
        # Another program has gone on meanwhile.
        open_spool = spool.open()
        open_spool.execute("UPDATE coverage SET end_ms = 12")
        spool.forget(last)
        assert open_spool.execute("SELECT end_ms FROM coverage").fetchall() == [(12,)]
        assert open_spool.execute("SELECT count(*) FROM liq_events").fetchall() == [(0,)]
    spool.close()
    assert counts(server_url) == [1500, 1, 1, 1, 1]


def test_a_connection_that_is_cut_needs_no_file(server_url, cluster, monkeypatch):
    monkeypatch.setattr("Heatmap.storage.postgres.server_session.PATIENCE_S", 20.0)
    with Watched(server_url) as watched:
        for number in range(5):
            watched.writer.put(event(number))
            watched.until(lambda stats, number=number: stats.inserted == number + 1)
            cluster.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'heatmap'")
        assert watched.writer.stats().duplicates == 0
    with Watched(server_url) as watched:
        watched.writer.put(event(5))
        # It waits for the connection that is being made.
        assert watched.writer.stop() == 0
    assert counts(server_url)[0] == 6
    assert not spool_of(server_url, "").exists()


def test_a_recorder_reports_while_it_plays_back(server_url, away, monkeypatch):
    monkeypatch.setattr("Heatmap.storage.postgres.spool.PIECE_ROWS", 20)
    monkeypatch.setattr("Heatmap.storage.postgres.spool._EVENTS", spool._EVENTS.replace("LIMIT 1000", "LIMIT 20"))
    seen = []

    def watched(connection, piece):
        seen.append(connection.execute("SELECT max(heartbeat_ms) FROM collector").fetchone()[0])
        return play_back(connection, piece)

    monkeypatch.setattr(server_session, "play_back", watched)
    recorder = Program(server_url, "recorder")
    recorder.until_told(True, None)
    away()
    for number in range(200):
        recorder.writer.put(event(number))
    recorder.until(lambda: "200 liquidations" in recorder.writer.stats().problem)
    away.start()
    recorder.until(lambda: recorder.writer.stats().inserted == 200)
    assert recorder.writer.stop() == 0
    assert len(seen) >= 10
    assert seen[1:] == sorted(seen[1:])
    assert len(set(seen)) > 5


def test_who_takes_over_plays_back_what_a_killed_recorder_has_left(server_url):
    first = Program(server_url, "first")
    first.until_told(True, None)
    second = Program(server_url, "second")
    second.until(lambda: second.told and not second.told[-1][0])
    left = Spool(spool_of(server_url), SOURCE, SYSTEM_CLOCK, goes_on=lambda: True)
    with left.writing():
        commit(left.open(), Batch([event(number) for number in range(7)]), [])
    left.close()
    first.writer.stop()
    second.until_told(True, None)
    second.until(lambda: second.writer.stats().inserted == 7)
    assert second.writer.stop() == 0
    assert counts(server_url)[0] == 7


def test_a_full_queue_goes_to_the_file_at_once(server_url, away, monkeypatch):
    monkeypatch.setattr("Heatmap.storage.postgres.server_session.PATIENCE_S", 1000.0)
    with Watched(server_url, queue_rows=40, batch_rows=20) as watched:
        watched.writer.put(event(0))
        watched.until(lambda stats: stats.inserted == 1)
        away()
        for number in range(1, 200):
            assert watched.writer.put(event(number), timeout_s=20.0)
        assert watched.writer.stop() == 0
    assert rows(spool_of(server_url, "")) == [(199,)]


def test_who_may_only_read_is_told_and_loses_nothing(server_url, cluster):
    name = server_url.rpartition("/")[2]
    open_record(database_of(server_url).address, creates=True).close()
    cluster.execute(
        "DROP ROLE IF EXISTS desk; CREATE ROLE desk LOGIN; GRANT USAGE ON SCHEMA heatmap TO desk;"
        " GRANT SELECT ON ALL TABLES IN SCHEMA heatmap TO desk",
        name,
    )
    desk = cluster.url(name, "desk")
    with closing(open_record(database_of(desk).address, creates=True)) as connection:
        with pytest.raises(ReadOnlyDatabaseError):
            connection.check_writable()
        with pytest.raises(ReadOnlyDatabaseError), write_transaction(connection):
            connection.execute("DELETE FROM liq_events")
    recorder = Program(desk, "recorder")
    recorder.until(lambda: recorder.told[-1:] == [(False, None)] and recorder.writer.stats().refusal)
    with Watched(desk) as watched:
        watched.writer.put(event(0))
        watched.until(lambda stats: "may read the record, and not write it. Kept on this" in stats.problem)
        cluster.execute("GRANT ALL ON ALL TABLES IN SCHEMA heatmap TO desk", name)
        watched.until(lambda stats: stats.inserted == 1 and not stats.problem)
    recorder.until_told(True, None)
    assert recorder.writer.stop() == 0
    assert not recorder.writer.stats().refusal
    cluster.execute("DROP OWNED BY desk; DROP ROLE desk", name)


def test_who_may_only_read_keeps_nothing_and_rests(server_url, cluster, away, monkeypatch, caplog):
    """Also if it is started while the server is away: nobody could ever play back what it would record."""
    name = server_url.rpartition("/")[2]
    open_record(database_of(server_url).address, creates=True).close()
    cluster.execute(
        f"CREATE ROLE {name}_desk LOGIN; GRANT USAGE ON SCHEMA heatmap TO {name}_desk;"
        f" GRANT SELECT ON ALL TABLES IN SCHEMA heatmap TO {name}_desk",
        name,
    )
    desk = cluster.url(name, f"{name}_desk")
    rounds, attempts = [], []
    connect, attempt = server_session.ServerSession.connect, connector.open_record
    monkeypatch.setattr(server_session.ServerSession, "connect", lambda self: rounds.append(connect(self)))
    monkeypatch.setattr(connector, "open_record", lambda *given, **how: attempts.append(1) or attempt(*given, **how))
    reader = Program(desk, "reader")
    until(lambda: len(attempts) > 4)
    assert len(rounds) < 60
    assert reader.writer.stop() == 0
    away()
    late = Program(desk, "late")
    tried = len(attempts)
    until(lambda: len(attempts) > tried + 2)
    for program in (reader, late):
        assert program.told == [(False, None)]
        assert "may read the record, and not write it" in program.writer.stats().refusal
    assert not late.writer.stats().problem
    assert late.writer.stop() == 0
    assert not spool_of(desk).exists()
    assert "held up" not in caplog.text
    away.start()
    cluster.execute(f"GRANT ALL ON ALL TABLES IN SCHEMA heatmap TO {name}_desk", name)
    allowed = Program(desk, "allowed")
    allowed.until_told(True, None)
    assert allowed.writer.stop() == 0
    assert not allowed.writer.stats().refusal
    cluster.execute(f"DROP OWNED BY {name}_desk; DROP ROLE {name}_desk", name)


def test_a_full_disk_of_the_server_is_told_and_costs_nothing(server_url, cluster):
    name = server_url.rpartition("/")[2]
    with Watched(server_url) as watched:
        watched.writer.put(event(0))
        watched.until(lambda stats: stats.inserted == 1)
        cluster.execute(
            "CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
            " RAISE EXCEPTION 'no space left on device' USING ERRCODE = '53100'; END $$;"
            " CREATE TRIGGER full_disk BEFORE INSERT ON heatmap.liq_events FOR EACH ROW EXECUTE FUNCTION full_disk()",
            name,
        )
        for number in range(1, 500):
            watched.writer.put(event(number))
        watched.until(lambda stats: "The disk of the database server is full" in stats.problem)
        watched.until(lambda stats: stats.queued == 0)
        cluster.execute("DROP TRIGGER full_disk ON heatmap.liq_events", name)
        watched.until(lambda stats: stats.inserted == 500 and not stats.problem)
        assert watched.writer.stats().duplicates == 0


def test_a_full_disk_here_is_told_beside_the_servers_reason(server_url, away, monkeypatch):
    is_full = [True]

    def opened(path):
        connection = open_database(path)
        if is_full[0]:
            connection.execute("PRAGMA max_page_count = 40")
        return connection

    monkeypatch.setattr("Heatmap.storage.sqlite.recovery.open_database", opened)
    away()
    with Watched(server_url, queue_rows=400) as watched:
        taken = 0
        while watched.writer.put(event(taken, raw_json="x" * 1000), timeout_s=0.3):
            taken += 1
        watched.until(
            lambda stats: str(database_of(server_url)) in stats.problem and "The disk is full" in stats.problem
        )
        is_full[0] = False
        watched.until(lambda stats: stats.queued == 0)
        is_full[0] = True
        away.start()
        watched.until(lambda stats: stats.inserted == taken and not stats.problem)
    assert counts(server_url)[0] == taken


def test_without_a_folder_for_the_file_events_wait_in_memory(server_url, away):
    folder = spool_of(server_url, "").parent
    folder.parent.mkdir(parents=True)
    folder.write_text("a file")
    with Watched(server_url) as watched:
        watched.writer.put(event(0))
        watched.until(lambda stats: stats.inserted == 1 and not stats.problem)
        away()
        for number in range(1, 50):
            watched.writer.put(event(number))
        watched.until(lambda stats: str(database_of(server_url)) in stats.problem and str(folder) in stats.problem)
        away.start()
        watched.until(lambda stats: stats.inserted == 50 and not stats.problem)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows cannot stop a process")
def test_a_server_that_hangs_counts_as_gone(server_url, cluster, monkeypatch):
    monkeypatch.setattr(server_session, "ANSWER_S", 1)
    with Watched(server_url) as watched:
        watched.writer.put(event(0))
        watched.until(lambda stats: stats.inserted == 1)
        ((pid,),) = cluster.execute("SELECT pid FROM pg_stat_activity WHERE application_name = 'heatmap'")
        os.kill(pid, signal.SIGSTOP)
        try:
            watched.writer.put(event(1))
            watched.until(lambda stats: stats.inserted == 2)
        finally:
            os.kill(pid, signal.SIGCONT)
    assert counts(server_url)[0] == 2


@pytest.mark.skipif(sys.platform == "win32", reason="Windows cannot stop a process")
def test_a_recorder_that_ends_while_the_server_hangs_loses_nothing(server_url, cluster):
    with Watched(server_url) as watched:
        watched.writer.put(event(0))
        watched.until(lambda stats: stats.inserted == 1)
        ((pid,),) = cluster.execute("SELECT pid FROM pg_stat_activity WHERE application_name = 'heatmap'")
        os.kill(pid, signal.SIGSTOP)
        try:
            for number in range(1, 300):
                watched.writer.put(event(number))
            # The time that a service gives its writer.
            assert watched.writer.stop(5.0) == 0
        finally:
            os.kill(pid, signal.SIGCONT)
    assert rows(spool_of(server_url, "")) == [(299,)]


def test_a_damaged_file_does_not_hold_up_the_record(server_url, away):
    away()
    with Watched(server_url) as watched:
        for number in range(2000):
            watched.writer.put(event(number))
        watched.until(lambda stats: stats.queued == 0 and "2,000" in stats.problem)
    spool = spool_of(server_url, "")
    with spool.open("r+b") as file:
        file.seek(20 * 4096)
        file.write(b"\x00" * 4096 * 4)
    away.start()
    with Watched(server_url) as watched:
        watched.writer.put(event(2000))
        watched.until(lambda stats: stats.inserted > 1000 and stats.queued == 0)
        until(lambda: rows(spool) == [(0,)])
    assert list(spool.parent.glob(f"{spool.name}.damaged*"))


def test_retention_reads_the_record_by_its_indices(server_url):
    statements = []
    with closing(open_record(database_of(server_url).address, creates=True)) as connection:
        connection.execute(
            "INSERT INTO liq_events (ts_ms, symbol, side, price, qty, notional, source, received_ms)"
            " SELECT ? + n * CAST(? AS bigint), 'SYMBOL' || n % 20, 'BUY', 1, 1, 1, 'binance', 1"
            " FROM generate_series(1, 3000) AS n",
            (T, 1_000_000),
        )
        # Only where there is no index a plan has such a scan then.
        connection.execute("SET enable_seqscan = off")
        execute = connection.execute

        def explained(statement, values=()):
            if "liq_events" in statement and statement not in statements:
                statements.append(statement)
                lines = [line for (line,) in execute(f"EXPLAIN {statement}", values)]
                assert not [line for line in lines if "Seq Scan on liq_events" in line], lines
            return execute(statement, values)

        connection.execute = explained
        keeper = Housekeeper(SOURCE, 14.0, SYSTEM_CLOCK, fills_gaps=True)
        for _ in range(4):
            keeper._due_s = 0.0
            keeper.step(connection, write_transaction, lambda _: iter(()))
        assert len(statements) >= 6
        assert execute("SELECT count(*) FROM liq_events").fetchone()[0] < 3000


def test_an_import_sees_what_it_has_just_inserted(database):
    """Of events that differ only by what some files lack the first one stays, on every database."""
    events = [event(0), event(0, order_price=1.0), event(0, order_price=2.0), event(1, order_price=1.0)]
    more = [event(1), event(1, order_price=2.0), event(2), event(2)]
    with database.importer() as writer:
        file = ImportedFile("a.csv", "a-format", T)
        assert [writer.insert(file, events), writer.insert(file, more), writer.insert(file, more)] == [2, 2, 0]
        assert file.rows == 4


def run(code, *arguments):
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code, *arguments], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout


WITHOUT = """
import sys
sys.modules["psycopg"] = None
from Heatmap.errors import UnusableDatabaseError
from Heatmap.heatmap_service import HeatmapService
from Heatmap.storage.commit import Batch, commit
from Heatmap.storage.contract import ImportedFile
from Heatmap.storage.database import database_of
from Heatmap.storage.writer import EventWriter
writer = EventWriter(sys.argv[1])
writer.start()
assert writer.stop() == 0
assert not [name for name in sys.modules if name.startswith(("psycopg.", "Heatmap.storage.postgres"))]
try:
    HeatmapService("postgresql://user@host/name")
except UnusableDatabaseError as error:
    print(error.short)
"""


def test_without_the_extra_nothing_of_it_is_imported(tmp_path):
    assert run(WITHOUT, str(tmp_path / "record.sqlite3")).strip() == (
        'A database server needs the extra "postgres": pip install "liquidation-heatmap[postgres]".'
    )
