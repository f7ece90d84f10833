"""The promises of `Heatmap.storage.contract`, kept by an SQLite file and by a PostgreSQL server alike."""

from __future__ import annotations

import math
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from support.clock import FastClock
from support.record import T, event
from support.waiting import until

import Heatmap
from Heatmap.errors import StorageError
from Heatmap.events import Coverage, Side
from Heatmap.exporting import table
from Heatmap.exporting.picture import MapRequest, draw_map
from Heatmap.record_hidden import hidden_sum
from Heatmap.reports import ClockReading, CollectorReport, ConnectionState, RejectedFrame, ServiceStatus
from Heatmap.storage import sql
from Heatmap.storage.contract import BulkResult, ImportedFile
from Heatmap.storage.coverage_gaps import coverage_gaps
from Heatmap.storage.database import database_of
from Heatmap.storage.postgres import connection as server
from Heatmap.storage.postgres import postgres_reader
from Heatmap.storage.record_reader import Selection
from Heatmap.storage.retention import Housekeeper
from Heatmap.storage.writer import EventWriter

DAY_MS = 86_400_000
COVERAGE = "SELECT source, symbol, start_ms, end_ms FROM coverage ORDER BY source, symbol, start_ms"


def found(database, query, *values):
    with database.reader() as reader:
        return list(reader.query(query, values))


def numbers(database):
    """Return the stored events by their number, in the order of their ids."""
    return [ts_ms - T for (ts_ms,) in found(database, "SELECT ts_ms FROM liq_events ORDER BY id")]


def written(database, *items, **options):
    """Store some items by a writer that is then stopped; return its figures."""
    writer = EventWriter(database, flush_ms=5, **options)
    writer.start()
    for item in items:
        item(writer)
    assert writer.stop() == 0
    return writer.stats()


def put(made):
    return lambda writer: writer.put(made)


def test_an_event_is_stored_once(database):
    assert not database.summary().exists
    different = [
        event(0), event(0, symbol="ETHUSDT"), event(0, side=Side.BUY), event(0, price=1.0), event(0, qty=1.0),
        event(0, source="bybit"), event(0, order_price=9.0), event(0, order_qty=9.0), event(1),
    ]  # fmt: skip
    same = [event(0), event(0, received_ms=T, event_ms=T, raw_json="{}", notional=1.0)]
    assert database.insert(different) == BulkResult(9, 0)
    assert database.insert([*same, event(2)]) == BulkResult(1, 2)
    stats = written(database, *map(put, [*different, *same, event(3)]))
    assert (stats.inserted, stats.duplicates, stats.refused) == (1, 11, 0)
    assert numbers(database) == [0] * 8 + [1, 2, 3]


HUGE = "x" * 300_000


def test_a_refused_event_costs_no_other(database):
    wrong = [
        event(1, price=math.nan), event(2, price=math.inf), event(3, qty=-1.0), event(4, notional=0.0),
        event(5, symbol=""), event(6, source=""), event(7, symbol="\ud800"), event(0, ts_ms=0), event(0, ts_ms=2**63),
        event(10, raw_json="\udfff"), event(11, received_ms=2**70), event(12, side=Side.BUY, notional=math.nan),
    ]  # fmt: skip
    good = [event(100 + number, raw_json=HUGE if number == 3 else None) for number in range(len(wrong))]
    mixed = [each for pair in zip(wrong, good, strict=True) for each in pair]
    stats = written(database, *map(put, mixed), batch_rows=100)
    assert (stats.inserted, stats.refused) == (len(good), len(wrong))
    assert numbers(database) == [100 + number for number in range(len(good))]
    # A NUL within a text is what only a file can store: a server refuses the event, and no other.
    written(database, put(event(200, raw_json="a\0b")), put(event(201)))
    assert numbers(database)[-1] == 201
    (longest,) = found(database, "SELECT max(length(raw_json)) FROM liq_events")
    assert longest == (len(HUGE),)


def test_a_transaction_is_stored_whole_or_not_at_all(database):
    file = ImportedFile("a.csv", "csv", T)
    with database.importer() as importer:
        assert importer.insert(file, [event(1), event(2)]) == 2
        for wrong in (event(4, price=-1.0), event(4, raw_json="\ud800"), event(4, received_ms=2**64)):
            with pytest.raises(StorageError):
                importer.insert(file, [event(3), wrong, event(5)])
        assert importer.insert(file, [event(6), event(1)]) == 1
    assert numbers(database) == [1, 2, 6]
    assert found(database, "SELECT file, format, imported_ms, rows FROM imports") == [("a.csv", "csv", T, 3)]
    with pytest.raises(StorageError):
        database.insert([event(7), event(8, qty=math.nan)])
    assert numbers(database) == [1, 2, 6]


def test_an_import_is_matched_by_what_its_file_knows(database):
    database.insert([event(0, order_price=5.0, order_qty=6.0), event(500), event(700)])
    with database.importer() as importer:
        known = ImportedFile("known.csv", "csv", T)
        # Without the order's own price it may be the stored one; with another it is not.
        assert importer.insert(known, [event(0), event(500, order_price=4.0)]) == 0
        assert importer.insert(known, [event(0, order_price=7.0, order_qty=6.0)]) == 1
        seconds = ImportedFile("seconds.csv", "csv", T)
        # Of the first second three different times are stored, and one more comes; of the sixth none is.
        alike = [event(0), event(0), event(0), event(0), event(5000)]
        assert importer.insert(seconds, alike, by_second=True) == 2
        assert importer.insert(seconds, alike, by_second=True) == 0
        importer.settle()
    kinds = found(database, "SELECT file, rows FROM imports ORDER BY id")
    assert kinds == [("known.csv", 1), ("seconds.csv", 2)]


def test_claims_stay_apart_from_what_was_recorded(database):
    span = Coverage("binance", "BTCUSDT", T, T + 1000)
    database.insert([event(0)], [span, span, replace(span, start_ms=T + 100, end_ms=T + 200)])
    with database.importer() as importer:
        claims = [replace(span, start_ms=T + 500, end_ms=T + 3000), replace(span, symbol="ETHUSDT")]
        importer.claim(claims)
        importer.claim(claims)
    assert found(database, COVERAGE) == [
        ("binance", "BTCUSDT", T, T + 1000),
        ("binance-claimed", "BTCUSDT", T + 500, T + 3000),
        ("binance-claimed", "ETHUSDT", T, T + 1000),
    ]
    with database.reader() as reader:
        assert reader.known_series() == [("binance", "BTCUSDT")]
        assert reader.coverage("BTCUSDT", "binance", 0, 2 * T) == [replace(span, end_ms=T + 3000)]


REPORT = CollectorReport(
    "binance", ("BTCUSDT", "ETHUSDT"), "run", "host", 4, T, ServiceStatus(ConnectionState.LIVE, detail="fine", stored=3)
)


def test_a_recorder_stores_what_it_measures(database):
    clock = FastClock(T, 1)
    stored = threading.Event()
    reading = ClockReading("binance", T, -3.25, 0.5)
    rejected = [RejectedFrame("binance", "bad-price", "note", T, 9000, bytes(9000)) for _ in range(1050)]

    def seen(writer):
        until(lambda: writer.stats().inserted == 1 and stored.is_set())
        (entry,) = database.summary().collectors
        assert entry.is_locked
        assert entry.is_alive(clock.now_ms())
        assert replace(entry.report, status=REPORT.status) == REPORT
        assert entry.report.status == replace(REPORT.status, since_ms=T)

    stats = written(
        database,
        put(event(0)),
        lambda writer: [writer.extend_coverage("binance", "BTCUSDT", T + at_ms) for at_ms in (0, 900, 40_000)],
        lambda writer: [writer.set_tick_size("binance", "BTCUSDT", size) for size in (0.5, 0.1)],
        lambda writer: [writer.quarantine(each) for each in rejected],
        lambda writer: [writer.note_clock(each) for each in (replace(reading, offset_ms=9.0), reading)],
        seen,
        clock=clock,
        report=lambda: REPORT,
        on_role=lambda may_record, _: stored.set() if may_record else None,
    )
    assert stats.problem == ""
    with database.reader() as reader:
        assert reader.tick_size("BTCUSDT", "binance") == 0.1
        # The mark at 40 s comes after a gap: it covers nothing yet.
        spans = [(each.start_ms - T, each.end_ms - T) for each in reader.coverage("BTCUSDT", "binance", 0, 2 * T)]
        assert spans == [(0, 900), (40_000, 40_000)]
        assert list(reader.query(sql.NEWEST_CLOCK_OFFSET, ("binance",))) == [("binance", T, -3.25, 0.5)]
        ((count, bytes_each),) = reader.query("SELECT count(*), max(length(frame)) FROM quarantine")
        assert (count, bytes_each) == (sql.QUARANTINE_ROWS, sql.QUARANTINE_FRAME_BYTES)
    summary = database.summary()
    (entry,) = summary.collectors
    assert not entry.is_locked
    assert entry.report.status.state is ConnectionState.STOPPED
    assert summary.quarantined == {"bad-price": sql.QUARANTINE_ROWS}


def test_one_program_records_and_the_next_one_takes_over(database):
    roles = {"first": [], "second": []}

    def recorder(name):
        report = replace(REPORT, run_id=name)
        return EventWriter(
            database, flush_ms=5, report=lambda: report, on_role=lambda *role: roles[name].append(role)
        )  # fmt: skip

    first, second = recorder("first"), recorder("second")
    first.start()
    until(lambda: roles["first"])
    second.start()
    until(lambda: roles["second"])
    may_record, holder = roles["second"][-1]
    assert not may_record
    until(lambda: (roles["second"][-1][1] or holder) is not None)
    second.extend_coverage("binance", "BTCUSDT", T)
    second.put(event(1))
    until(lambda: second.stats().inserted == 1)
    assert found(database, COVERAGE) == []
    assert first.stop() == 0
    until(lambda: roles["second"][-1][0])
    assert roles["second"][-1] == (True, None)
    assert second.stop() == 0


def test_a_reader_that_goes_on_by_id_misses_nothing(database):
    """Two programs write at once; ids become visible in ascending order."""
    seen = []
    tail = "SELECT id, ts_ms FROM liq_events WHERE id > ? ORDER BY id"
    database.insert([])

    def write(begin):
        for number in range(begin, begin + 30, 3):
            database.insert([event(number + each) for each in range(3)])

    with ThreadPoolExecutor(2) as pool:
        writing = [pool.submit(write, begin) for begin in (0, 1000)]
        while not all(each.done() for each in writing):
            seen += found(database, tail, seen[-1][0] if seen else 0)
        for each in writing:
            each.result()
    seen += found(database, tail, seen[-1][0] if seen else 0)
    assert sorted(ts_ms - T for _, ts_ms in seen) == [*range(30), *range(1000, 1030)]
    assert [row_id for row_id, _ in seen] == sorted(row_id for row_id, _ in seen)


def missed_by_a_tail(database, monkeypatch, *, has_lock):
    """Let one writer insert, then another insert and commit, then the first commit; return what a tail has missed."""
    if not has_lock:
        # Each connection has a lock of its own.
        monkeypatch.setattr(server, "_WRITE_LOCK", "pg_backend_pid()")
    database.insert([])
    seen = []

    def look():
        last = seen[-1][0] if seen else 0
        seen.extend(found(database, "SELECT id, ts_ms FROM liq_events WHERE id > ? ORDER BY id", last))

    def is_waiting():
        query = "SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype = 'advisory'"
        return found(database, query) != [(0,)]

    with ThreadPoolExecutor(1) as pool, closing(server.connect(database.address)) as connection:
        with server.write_transaction(connection):
            connection.executemany(sql.INSERT_EVENT, [sql.event_row(event(1))])
            other = pool.submit(database.insert, [event(2)])
            until(lambda: other.done() or is_waiting())
            look()
        other.result()
    look()
    return {1, 2} - {ts_ms - T for _, ts_ms in seen}


def test_without_the_lock_of_the_writers_a_tail_would_miss_an_event(server_url, monkeypatch):
    database = database_of(server_url)
    assert missed_by_a_tail(database, monkeypatch, has_lock=True) == set()
    database.erase("demo")
    with closing(server.connect(database.address)) as connection:
        connection.execute("TRUNCATE liq_events")
    assert missed_by_a_tail(database, monkeypatch, has_lock=False) == {1}


def test_retention_deletes_what_was_recorded_live(database):
    def aged(days, **changes):
        return event(-days * DAY_MS, **{"received_ms": T, **changes})

    kept = [aged(0), aged(13), aged(400, source="bybit"), aged(400, received_ms=None), aged(20, symbol="ETHUSDT")]
    gone = [aged(days, qty=float(days)) for days in range(15, 115)]
    spans = [Coverage("binance", "BTCUSDT", T - days * DAY_MS, T - (days - 5) * DAY_MS) for days in (5, 16, 60)]
    database.insert([*gone, *kept], spans)
    with database.importer() as importer:
        assert importer.insert(ImportedFile("a.csv", "csv", T), [aged(30, price=1.0)]) == 1
        assert importer.insert(ImportedFile("Gate", "back-fill", T), [aged(31, price=1.0)]) == 1
        importer.claim([Coverage("binance", "ETHUSDT", T - 21 * DAY_MS, T - 19 * DAY_MS)])
    clock = FastClock(T + 1000, 1)

    def all_gone(_):
        until(lambda: len(numbers(database)) == len(kept) + 1)

    written(database, all_gone, clock=clock, housekeeper=Housekeeper("binance", 14, clock))
    days = sorted(-number // DAY_MS for number in numbers(database))
    assert days == [0, 13, 20, 30, 400, 400]
    left = [(T - start_ms) // DAY_MS for _, _, start_ms, _ in found(database, COVERAGE)]
    assert left == [14, 5, 21]


def test_only_generated_events_are_erased(database):
    database.insert([event(0), event(0, source="demo"), event(1, source="demo")], [Coverage("demo", "BTCUSDT", T, T)])
    with pytest.raises(StorageError):
        database.erase("binance")
    assert database.erase("demo") == 2
    assert database.erase("replay") == 0
    assert found(database, "SELECT source FROM liq_events") == [("binance",)]
    assert found(database, COVERAGE) == []
    compaction = database.compact()
    assert compaction.after_bytes > 0


def test_a_reader_sees_one_state(database):
    database.insert([event(0)])
    with database.reader() as reader:
        written(database, put(event(1)), lambda writer: writer.extend_coverage("binance", "BTCUSDT", T))
        assert reader.count(Selection()) == 1
        assert reader.coverage("BTCUSDT", "binance", 0, 2 * T) == []
    assert numbers(database) == [0, 1]


def test_nothing_is_recorded_yet(database):
    with pytest.raises(StorageError) as caught:
        database.reader()
    assert str(database) in caught.value.short
    assert database.probe()
    with database.importer():
        pass
    with database.reader() as reader:
        assert (reader.series(), reader.known_series(), reader.count(Selection())) == ([], [], 0)
        assert reader.newest_ms(Selection()) is None
        assert len(reader.window("BTCUSDT", "binance", 0, 2 * T)) == 0
        assert len(reader.table(Selection())) == 0
    assert database.summary().exists
    assert database.record_summary(T).series == ()


@pytest.fixture
def both(tmp_path, server_url):
    """A file and a server with the same record, several thousand events of several series, made in the same way."""
    rng = np.random.default_rng(5)
    events = [
        event(
            int(at_ms), symbol=symbol, source=source, side=side, price=float(price), qty=float(qty),
            order_price=None if at_ms % 3 else float(price) + 1, event_ms=None if at_ms % 5 else T,
            received_ms=None if at_ms % 7 == 0 else T + int(at_ms) + 400, raw_json='{"e":\n1}' if at_ms % 2 else None,
        )
        for at_ms, symbol, source, side, price, qty in zip(
            rng.integers(0, 3_600_000, 3000), rng.choice(["BTCUSDT", "ETHUSDT", "1INCH", "Äpfel"], 3000).tolist(),
            rng.choice(["binance", "bybit", "demo"], 3000).tolist(), map(Side, rng.choice(list(Side), 3000)),
            rng.normal(85_000, 100, 3000).round(1), rng.pareto(1.2, 3000).round(3) + 0.001, strict=True,
        )
    ]  # fmt: skip
    spans = [Coverage("binance", "BTCUSDT", T + at_ms, T + at_ms + 50_000) for at_ms in (0, 40_000, 200_000, 900_000)]
    made = database_of(tmp_path / "record.sqlite3"), database_of(server_url)
    for database in made:
        database.insert(events[:2500], spans)
        with database.importer() as importer:
            importer.insert(ImportedFile("b.csv", "csv", T + 1), events[2500:])
            importer.insert(ImportedFile("a.npz", "heatmap", T + 2), events[2400:])
            importer.claim([Coverage("binance", "BTCUSDT", T + 100_000, T + 150_000)])
        clock = FastClock(T, 1)
        written(
            database,
            lambda writer: writer.set_tick_size("binance", "BTCUSDT", 0.1),
            lambda writer: writer.quarantine(RejectedFrame("binance", "bad", "why", T, 3, b"\0{}")),
            clock=clock,
        )
    return made


def without_sizes(summary):
    names = {"name", "size_bytes", "file_bytes", "wal_bytes", "free_bytes"}
    return replace(summary, **{name: None for name in names if hasattr(summary, name)})


def exported(database, folder):
    """Return all exports of a record as bytes."""
    made = {}
    with database.reader() as reader:
        for kind in ("csv", "npz", "parquet"):
            for selection in (Selection(), Selection("BTCUSDT", "binance", T + 1000, T + 3_000_000)):
                path = folder / f"out.{kind}"
                with path.open("wb") as file:
                    getattr(table, f"write_{kind}")(file, reader, selection, lambda _: None)
                made[kind, selection] = path.read_bytes()
        columns = reader.window("BTCUSDT", ("binance", "bybit"), T, T + 3_600_000)
        coverage = tuple(reader.coverage("BTCUSDT", "binance", T, T + 3_600_000))
        made["png"] = draw_map(columns, MapRequest("BTCUSDT", "binance", T, T + 3_600_000, 0.1, coverage))
    return made


def test_a_file_and_a_server_answer_alike(both, tmp_path):
    file, on_server = both
    assert without_sizes(file.summary()) == without_sizes(on_server.summary())
    now_ms = T + 3_600_000
    assert without_sizes(file.record_summary(now_ms)) == without_sizes(on_server.record_summary(now_ms))
    answers = []
    for database in both:
        with Heatmap.open_record(database) as record, database.reader() as reader:
            of = partial(dict, start_ms=T + 500, end_ms=T + 3_500_000)
            grid, profile = record.grid("btcusdt", columns=100, **of()), record.profile("BTCUSDT", **of())
            window = reader.window("BTCUSDT", ("binance", "bybit"), T, T + 2_000_000)
            answers.append(
                {
                    "series": record.series(),
                    "known": reader.known_symbol("äpfel"),
                    "events": record.events("BTCUSDT").tolist(),
                    "some": reader.table(Selection("ETHUSDT", "demo"), ("price", "is_long")).tolist(),
                    "grid": (grid.values.tolist(), grid.prices.tolist(), grid.times_ms.tolist()),
                    "profile": (profile.prices.tolist(), profile.long_usd.tolist(), profile.short_usd.tolist()),
                    "coverage": record.coverage("BTCUSDT").tolist(),
                    "replay": list(record.replay("BTCUSDT", delay_ms=50, **of())),
                    "gaps": coverage_gaps(reader, "binance", None, T - 1000),
                    "window": [each.tolist() for each in (window.ts_ms, window.price, window.notional, window.is_long)],
                    "newest": reader.newest_ms(Selection(source="bybit")),
                    "hidden": hidden_sum(reader, "BTCUSDT", T, T + 3_600_000),
                }
            )
    assert answers[0] == answers[1]
    assert answers[0]["gaps"] == {"BTCUSDT": [(T - 1000, T), (T + 90_000, T + 100_000), (T + 150_000, T + 200_000),
                                              (T + 250_000, T + 900_000)]}  # fmt: skip
    assert exported(file, tmp_path) == exported(on_server, tmp_path)


def test_columns_are_ready_for_the_kernels(database):
    database.insert([event(number, side=list(Side)[number % 2], price=1.0 + number) for number in (3, 1, 2)])
    with database.reader() as reader:
        window = reader.window("BTCUSDT", "binance", T, T + 3)
    for name, kind, values in (
        ("ts_ms", np.int64, [T + 1, T + 2]), ("price", np.float64, [2.0, 3.0]),
        ("notional", np.float64, [0.5, 0.75]), ("is_long", np.bool_, [False, True]),
    ):  # fmt: skip
        column = getattr(window, name)
        assert (column.dtype, column.tolist()) == (kind, values)
        assert column.dtype.isnative
        assert column.flags.c_contiguous


def test_a_window_of_any_size_is_whole(server_url, monkeypatch):
    """A server gathers a few rows at a time; none is lost or doubled where one of these parts ends."""
    database = database_of(server_url)
    times = [0, 1, 1, 1, 2, 3, 3, 3, 3, 3, 3, 3, 3, 4, 9]
    database.insert([event(at_ms, qty=1.0 + number) for number, at_ms in enumerate(times)])
    for rows in (1, 2, 3, 7, 15, 16):
        monkeypatch.setattr(postgres_reader, "_CHUNK_ROWS", rows)
        with database.reader() as reader:
            found = reader.table(Selection("BTCUSDT", "binance"))
            window = reader.window("BTCUSDT", "binance", T + 1, T + 9)
        assert (found.ts_ms - T).tolist() == times
        assert found.qty.tolist() == [1.0 + number for number in range(len(times))]
        assert (window.ts_ms - T).tolist() == times[1:-1]


def test_a_reader_may_be_closed_before_its_query_has_ended(database):
    database.insert([event(number) for number in range(9)])
    with database.reader() as reader:
        found = reader.query("SELECT ts_ms FROM liq_events ORDER BY id")
        assert next(found) == (T,)
    found.close()
