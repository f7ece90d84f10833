"""`heatmap status` tells what a record is worth; the queries of the page about the database find something."""

from __future__ import annotations

import argparse
import json
import re
import zlib
from contextlib import closing
from pathlib import Path

import pytest
from support.record import record_summary

from Heatmap.commands import status
from Heatmap.connection_message import duration
from Heatmap.errors import StorageError
from Heatmap.events import Coverage, LiquidationEvent, Side
from Heatmap.importing.import_filter import ImportOptions
from Heatmap.importing.importer import import_file
from Heatmap.storage.contract import ImportedFile
from Heatmap.storage.record_reader import Selection
from Heatmap.storage.sqlite.bulk_insert import SqliteImportWriter, bulk_insert
from Heatmap.storage.sqlite.connection import open_reader
from Heatmap.storage.sqlite.sqlite_reader import SqliteReader
from Heatmap.storage.sqlite.sqlite_store import SqliteStore

T = 1_790_000_000_000
HOUR_MS = 3_600_000
PAGE = Path(__file__).resolve().parents[2] / "Heatmap" / "docs" / "database.md"


class Now:
    def now_ms(self):
        return T + 30 * HOUR_MS

    def monotonic_s(self):
        return 0.0


def event(hours, **changes):
    values = {
        "ts_ms": T + int(hours * HOUR_MS), "symbol": "BTCUSDT", "side": Side.SELL, "price": 85_000.0, "qty": 0.5,
        "notional": 42_500.0,
    }  # fmt: skip
    return LiquidationEvent(**{**values, **changes})


def covered(start_h, end_h, symbol="BTCUSDT"):
    return Coverage("binance", symbol, T + int(start_h * HOUR_MS), T + int(end_h * HOUR_MS))


@pytest.fixture
def db(tmp_path):
    path = tmp_path / "record.sqlite3"
    # Two stretches overlap; the gaps are 6 to 8 and 20 to 21. One event lies outside of all coverage.
    stretches = [covered(0, 4), covered(3, 6), covered(8, 20), covered(21, 30), covered(0, 1, "ETHUSDT")]
    bulk_insert(path, [event(hours) for hours in (1, 5, 7, 9, 29.5, 29.9)], coverage=stretches)
    return path


def test_rates_coverage_and_gaps(db):
    ethereum, bitcoin = sorted(record_summary(db, Now().now_ms()).series, key=lambda series: series.symbol)[::-1]
    assert (bitcoin.last_hour, bitcoin.last_day, bitcoin.covered_rows) == (2, 4, 5)
    assert (bitcoin.covered_ms, bitcoin.gap_ms, bitcoin.gap_count) == (27 * HOUR_MS, 3 * HOUR_MS, 2)
    assert bitcoin.gaps == ((T + 6 * HOUR_MS, T + 8 * HOUR_MS), (T + 20 * HOUR_MS, T + 21 * HOUR_MS))
    assert bitcoin.covered_share == pytest.approx(0.9)
    assert bitcoin.rows_per_covered_hour == pytest.approx(5 / 27)
    assert (ethereum.covered_rows, ethereum.rows_per_covered_hour, ethereum.gaps) == (0, 0.0, ())


def test_status_tells_it_in_words_and_in_json(db, capsys):
    assert status.run(argparse.Namespace(db=db, json=False, lang="en"), clock=Now()) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "BTCUSDT (binance): 2 in the last hour, 4 in the last 24 h, 0.2 an hour while covered" in lines
    assert "  covered 90.0% of 1 d 6 h since 2026-09-21 14:13:20 UTC; 2 gaps, 3 h in all:" in lines
    assert "  gap 2026-09-21 20:13:20 UTC to 2026-09-21 22:13:20 UTC, 2 h" in lines
    assert lines[-1].startswith("Size: 0.")
    assert status.run(argparse.Namespace(db=db, json=True, lang="en"), clock=Now()) == 0
    record = json.loads(capsys.readouterr().out)["record"]
    assert record["series"][0]["gaps"][1] == {"start_ms": T + 20 * HOUR_MS, "end_ms": T + 21 * HOUR_MS}
    assert record["file_bytes"] == db.stat().st_size


def test_claimed_time_is_covered_for_the_map_and_told_apart_in_the_status(db, capsys):
    with SqliteImportWriter(db) as writer:
        for _ in range(2):
            writer.claim([covered(4, 7), covered(-3, -1, "SOLUSDT")])
    with SqliteStore(db) as store:
        intervals = store.coverage("BTCUSDT", "binance", T, T + 7 * HOUR_MS)
        assert [(each.source, each.start_ms, each.end_ms) for each in intervals] == [("binance", T, T + 7 * HOUR_MS)]
        assert len(store.coverage("SOLUSDT", "binance", T - 4 * HOUR_MS, T)) == 1
    bitcoin = next(series for series in record_summary(db, Now().now_ms()).series if series.symbol == "BTCUSDT")
    assert (bitcoin.covered_ms, bitcoin.gap_count) == (27 * HOUR_MS, 2)
    assert bitcoin.claimed_ms == pytest.approx(HOUR_MS, abs=2)
    assert status.run(argparse.Namespace(db=db, json=False, lang="en"), clock=Now()) == 0
    text = capsys.readouterr().out
    assert "claimed as covered by imported files or the exchange's history" in text
    assert "-claimed" not in text


def test_kept_frames_are_measured_compressed(tmp_path):
    db = tmp_path / "raw.sqlite3"
    frames = [f'{{"e":"forceOrder","o":{{"T":{T + index}}}}}' for index in range(300)]
    bulk_insert(db, [event(0, ts_ms=T + index, raw_json=frame) for index, frame in enumerate(frames)] + [event(5)])
    raw = record_summary(db, T).raw
    assert (raw.rows, raw.size_bytes, raw.is_estimate) == (300, sum(map(len, frames)), False)
    assert raw.compressed_bytes == len(zlib.compress("\n".join(frames).encode()))


def test_frames_of_a_long_table_are_judged_by_a_sample(tmp_path):
    db = tmp_path / "long.sqlite3"
    frame = "x" * 100
    bulk_insert(db, (event(0, ts_ms=T + index, raw_json=frame if index % 2 else None) for index in range(20_000)))
    raw = record_summary(db, T).raw
    assert raw.is_estimate
    assert raw.rows == pytest.approx(10_000, rel=0.05)
    assert raw.size_bytes == pytest.approx(1_000_000, rel=0.05)


def test_imports_are_told_by_format(db, tmp_path, capsys):
    path = tmp_path / "tardis.csv"
    path.write_text(
        "exchange,symbol,timestamp,local_timestamp,id,side,price,amount\n"
        f"binance-futures,BTCUSDT,{T}000,{T}000,,sell,85000.1,0.4\n"
    )
    with SqliteImportWriter(db) as writer:
        list(import_file(path, writer, ImportOptions(), clock=Now()))
        writer.insert(ImportedFile("Gate history", "back-fill", T), [event(0, source="gate")], by_second=True)
    assert status.run(argparse.Namespace(db=db, json=False, lang="en"), clock=Now()) == 0
    text = capsys.readouterr().out
    assert "Imported (tardis): 1 liquidation of 1 file, the last on 2026-09-22 20:13:20 UTC" in text
    assert "Filled in from an exchange's history: 1 liquidation, the last on 2026-09-21 14:13:20 UTC" in text


@pytest.mark.parametrize(
    ("length_ms", "text"),
    [
        (0, "0 s"), (999, "0 s"), (61_000, "1 min 1 s"), (60_000, "1 min"), (HOUR_MS + 1000, "1 h"),
        (49 * HOUR_MS, "2 d 1 h"),
    ],
)  # fmt: skip
def test_a_length_of_time_has_two_units_at_most(length_ms, text):
    assert duration(length_ms) == text


def test_the_record_reader_sees_one_moment_and_reads_only_what_is_there(db, tmp_path):
    with SqliteReader(db) as reader:
        bulk_insert(db, [event(11), event(12, symbol="ETHUSDT")])
        assert reader.count(Selection()) == 6
        assert reader.series() == [("binance", "BTCUSDT")]
        assert reader.newest_ms(Selection(symbol="ETHUSDT")) is None
        with pytest.raises(ValueError, match="expected columns"):
            list(reader.rows(Selection(), ("id; DROP TABLE liq_events",)))
    with SqliteReader(db) as reader:
        assert reader.series() == [("binance", "BTCUSDT"), ("binance", "ETHUSDT")]
        times = [
            row[0] for row in reader.rows(Selection(start_ms=T + 5 * HOUR_MS, end_ms=T + 12 * HOUR_MS), ("ts_ms",))
        ]
        assert times == [T + hours * HOUR_MS for hours in (5, 7, 9, 11)]
    with pytest.raises(StorageError):
        SqliteReader(tmp_path / "none")


def queries():
    return re.findall(r"```sql\n(.*?)```", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL)


def test_every_query_of_the_page_runs_and_finds_something(db, tmp_path):
    path = tmp_path / "BTCUSDT-liquidationSnapshot-2026-09-21.csv"
    path.write_text(f"{T + 1},SELL,LIMIT,IOC,0.5,84000,85000,FILLED,0.5,0.5\n")
    with SqliteImportWriter(db) as writer:
        list(import_file(path, writer, ImportOptions(), clock=Now()))
    assert len(queries()) >= 4
    with closing(open_reader(db)) as connection:
        for query in queries():
            assert connection.execute(query).fetchall(), query


def test_the_page_names_every_column(db):
    text = PAGE.read_text(encoding="utf-8")
    with closing(open_reader(db)) as connection:
        for table in ("liq_events", "coverage", "imports"):
            for row in connection.execute("SELECT name FROM pragma_table_info(?)", (table,)):
                assert f"`{row[0]}`" in text, f"{table}.{row[0]} is not in {PAGE.name}"
