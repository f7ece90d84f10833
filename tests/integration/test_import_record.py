"""A record of this program is moved into another database, or merged with another record."""

from __future__ import annotations

from contextlib import closing

import pytest
from support.clock import FastClock
from support.record import T, create_version_1, event
from support.waiting import until

from Heatmap.cli import main
from Heatmap.events import Coverage
from Heatmap.exit_code import ExitCode
from Heatmap.importing.import_filter import ImportOptions
from Heatmap.importing.importer import import_file
from Heatmap.storage import sql
from Heatmap.storage.contract import ImportedFile
from Heatmap.storage.database import database_of
from Heatmap.storage.retention import Housekeeper
from Heatmap.storage.sqlite.connection import open_writer
from Heatmap.storage.writer import EventWriter

DAY_MS = 86_400_000
ROWS = f"SELECT {sql.EVENT_COLUMNS} FROM liq_events ORDER BY source, symbol, ts_ms, price"  # noqa: S608 - ours
COVERAGE = "SELECT source, symbol, start_ms, end_ms FROM coverage ORDER BY source, symbol, start_ms"
KINDS = "SELECT format, count(*) FROM liq_events JOIN imports ON imports.id = import_id GROUP BY format ORDER BY format"


def found(database, query):
    with database.reader() as reader:
        return list(reader.query(query))


def live(days, **changes):
    ts_ms = T - int(days * DAY_MS)
    known = {"received_ms": ts_ms + 30, "event_ms": ts_ms + 20, "order_price": 9.0, "order_qty": 0.5, **changes}
    return event(ts_ms - T, **known)


@pytest.fixture
def path(tmp_path):
    """A record with all that there is: live rows, an archive, a filled gap, claims, rows of an unknown origin."""
    path = tmp_path / "old.sqlite3"
    database = database_of(path)
    database.insert(
        [live(0, raw_json='{"e":\n"Ä"}'), live(0.5, symbol="ETHUSDT"), live(20), live(21), live(22, received_ms=None)],
        [Coverage("binance", "BTCUSDT", T - 21 * DAY_MS, T), Coverage("binance", "ETHUSDT", T - DAY_MS, T)],
    )
    with database.importer() as importer:
        importer.insert(ImportedFile("a.zip", "binance-archive", T), [live(40), live(41)])
        importer.insert(ImportedFile("Gate", "back-fill", T), [live(30, source="gate"), live(3, source="gate")])
        importer.claim([Coverage("binance", "BTCUSDT", T - 41 * DAY_MS, T - 40 * DAY_MS)])
    return path


def imported(path, database, **options):
    with database.importer() as writer:
        return list(import_file(path, writer, ImportOptions(**options)))


def test_all_of_a_record_is_moved(path, database):
    old = database_of(path)
    reports = imported(path, database)
    assert [(each.format, each.inserted, each.is_complete, each.name) for each in reports] == [
        ("back-fill", 2, True, "old.sqlite3"), ("binance-archive", 2, True, "old.sqlite3"),
        ("heatmap", 1, True, "old.sqlite3"), ("record", 4, True, "old.sqlite3"),
    ]  # fmt: skip
    rows = found(database, ROWS)
    # What filled a gap has no milliseconds of its own.
    gate = [row for row in rows if row[6] == "gate"]
    assert [row for row in rows if row[6] != "gate"] == [row for row in found(old, ROWS) if row[6] != "gate"]
    assert len(gate) == 2
    assert found(database, COVERAGE) == found(old, COVERAGE)
    assert found(database, KINDS) == [("back-fill", 2), ("binance-archive", 2), ("heatmap", 1), ("record", 4)]
    assert found(database, "SELECT count(*) FROM liq_events WHERE import_id IS NULL") == [(0,)]
    again = imported(path, database)
    assert [(each.inserted, each.known) for each in again] == [(0, 2), (0, 2), (0, 1), (0, 4)]
    assert found(database, ROWS) == rows
    assert found(database, COVERAGE) == found(old, COVERAGE)

    clock = FastClock(T + 1000, 1)
    for source, left in (("binance", 7), ("gate", 6)):
        # The newest row of Gate is three days old: its age counts from there.
        writer = EventWriter(database, clock=clock, housekeeper=Housekeeper(source, 14, clock, fills_gaps=True))
        writer.start()
        until(lambda left=left: len(found(database, ROWS)) == left)
        writer.stop()
    ages = [(row[6], (T - row[0]) // DAY_MS) for row in found(database, ROWS)]
    assert ages == [("binance", days) for days in (41, 40, 22, 0, 0)] + [("gate", 3)]


def test_one_symbol_is_taken_and_two_records_are_merged(path, database):
    database.insert([live(0), live(1)], [Coverage("binance", "BTCUSDT", T - 2 * DAY_MS, T - DAY_MS)])
    reports = imported(path, database, symbol="ETHUSDT", claims_coverage=True)
    assert sum(each.inserted for each in reports) == 1
    assert not any(each.notes or each.claimed for each in reports)
    assert [row[:2] for row in found(database, COVERAGE)] == [("binance", "BTCUSDT"), ("binance", "ETHUSDT")]
    imported(path, database)
    rows = found(database, ROWS)
    # The one that both have stays the one that was recorded here.
    assert sum(row[0] == T for row in rows) == 1
    assert found(database, f"SELECT import_id FROM liq_events WHERE ts_ms = {T}") == [(None,)]  # noqa: S608 - ours
    with database.reader() as reader:
        (whole,) = reader.coverage("BTCUSDT", "binance", T - 30 * DAY_MS, 2 * T)
    assert (whole.start_ms, whole.end_ms) == (T - 21 * DAY_MS, T)


def test_a_record_of_the_first_version_is_taken(tmp_path, database):
    create_version_1(tmp_path / "first.sqlite3")
    with closing(open_writer(tmp_path / "first.sqlite3")) as connection:
        connection.execute("UPDATE liq_events SET received_ms = 7")
    reports = imported(tmp_path / "first.sqlite3", database)
    assert [(each.format, each.inserted) for each in reports] == [("record", 1)]
    assert found(database, "SELECT ts_ms, received_ms FROM liq_events") == [(5, 7)]


def test_a_record_is_read_while_it_grows(path, database):
    """The state is that of the beginning; the next import brings the rest."""
    writer = EventWriter(path, flush_ms=1)
    writer.start()
    reports = []
    with database.importer() as importer:
        for number, report in enumerate(import_file(path, importer, ImportOptions())):
            reports.append(report)
            assert writer.put(live(-number - 1))
            until(lambda number=number: writer.stats().inserted == number + 1)
    writer.stop()
    assert [each.inserted for each in reports] == [2, 2, 1, 4]
    assert sum(each.inserted for each in imported(path, database)) == 4


def test_a_record_counts_as_one_file_in_the_sum(path, database, capsys):
    assert main(["import", str(path), "--db", str(database)]) == ExitCode.OK
    assert capsys.readouterr().out.endswith(" of 1 file.\n")


def test_what_is_no_record_is_said_and_changes_nothing(path, tmp_path, database, capsys):
    with closing(open_writer(tmp_path / "other.sqlite3")) as other:
        other.execute("CREATE TABLE t (x)")
    newer, damaged = tmp_path / "newer.sqlite3", tmp_path / "damaged.sqlite3"
    for copy in (newer, damaged):
        with closing(open_writer(path)) as source, closing(open_writer(copy)) as target:
            source.backup(target)
    with closing(open_writer(newer)) as connection:
        connection.execute("PRAGMA user_version = 99")
    content = damaged.read_bytes()
    damaged.write_bytes(content[:4096] + b"\x55" * (len(content) - 4096))
    (tmp_path / "cut.sqlite3").write_bytes(content[:5000])
    for name, words in (
        ("other.sqlite3", "belongs to another program"), ("newer.sqlite3", "was written by a newer version"),
        ("damaged.sqlite3", "damaged"), ("cut.sqlite3", "damaged"),
    ):  # fmt: skip
        assert main(["import", str(tmp_path / name), "--db", str(database)]) == ExitCode.PROBLEM
        said = capsys.readouterr().out
        assert said.startswith(f"{name} cannot be read: ")
        assert words in said
    assert found(database, "SELECT count(*) FROM liq_events") == [(0,)]
    own = str(database.local_path)
    if database.local_path.exists():
        assert main(["import", own, "--db", str(database)]) == ExitCode.USAGE
        assert "is the record itself" in capsys.readouterr().err
