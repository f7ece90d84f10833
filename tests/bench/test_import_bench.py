"""Rows imported and exported a second, against the bare loops that people write by hand."""

from __future__ import annotations

import csv
import io
from contextlib import closing
from itertools import count, islice

import pytest

from Heatmap.events import LiquidationEvent, Side
from Heatmap.exporting.table import write_csv
from Heatmap.importing.import_filter import ImportOptions
from Heatmap.importing.importer import import_file
from Heatmap.storage import sql
from Heatmap.storage.imports import IMPORT_CHUNK_ROWS
from Heatmap.storage.record_reader import COLUMNS, Selection
from Heatmap.storage.sqlite.bulk_insert import SqliteImportWriter, bulk_insert
from Heatmap.storage.sqlite.connection import open_reader, open_writer
from Heatmap.storage.sqlite.migrations import migrate
from Heatmap.storage.sqlite.sqlite_reader import SqliteReader

T = 1_700_000_000_000
ROWS = 40_000
HEADER = (
    "time,side,order_type,time_in_force,original_quantity,price,average_price,order_status,last_fill_quantity,"
    "accumulated_fill_quantity\n"
)


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    path = tmp_path_factory.mktemp("archive") / "BTCUSDT-liquidationSnapshot-2023-11-14.csv"
    with path.open("w") as file:
        file.write(HEADER)
        for index in range(ROWS):
            side = "SELL" if index % 3 else "BUY"
            file.write(f"{T + index * 1500},{side},LIMIT,IOC,0.5,29900.0,{30_000 + index % 997 / 10},FILLED,0.2,0.4\n")
    return path


@pytest.fixture
def fresh(tmp_path):
    number = count()
    return lambda: ((tmp_path / f"{next(number)}.sqlite3",), {})


@pytest.mark.benchmark(group="import 40,000 rows")
def test_import(benchmark, fresh, archive):
    def run(path):
        with SqliteImportWriter(path) as writer:
            (report,) = import_file(archive, writer, ImportOptions())
        assert report.inserted == ROWS

    benchmark.pedantic(run, setup=fresh, rounds=3)


@pytest.mark.benchmark(group="import 40,000 rows")
def test_import_peer_dict_reader_and_executemany(benchmark, fresh, archive):
    """Unchecked, without a report, and blind to rows that lack the order's own figures."""

    def run(path):
        with closing(open_writer(path)) as connection, archive.open(newline="") as file:
            migrate(connection, path)
            rows = (
                (int(row["time"]), "BTCUSDT", row["side"], float(row["average_price"]),
                 float(row["accumulated_fill_quantity"]),
                 float(row["average_price"]) * float(row["accumulated_fill_quantity"]), "binance", None,
                 float(row["price"]), float(row["original_quantity"]), None, None)
                for row in csv.DictReader(file)
            )  # fmt: skip
            while chunk := list(islice(rows, IMPORT_CHUNK_ROWS)):
                connection.execute("BEGIN IMMEDIATE")
                connection.executemany(sql.INSERT_EVENT, chunk)
                connection.execute("COMMIT")

    benchmark.pedantic(run, setup=fresh, rounds=3)


@pytest.fixture(scope="module")
def record(tmp_path_factory):
    path = tmp_path_factory.mktemp("record") / "record.sqlite3"
    bulk_insert(
        path,
        (
            LiquidationEvent(T + index * 1500, "BTCUSDT", Side.SELL, 30_000 + index / 10, 0.4, 12_000.0)
            for index in range(ROWS)
        ),
    )
    return path


@pytest.mark.benchmark(group="export 40,000 rows as CSV")
def test_export(benchmark, record):
    def run():
        with SqliteReader(record) as reader:
            assert write_csv(io.BytesIO(), reader, Selection(), lambda _: None) == ROWS

    benchmark.pedantic(run, rounds=3)


@pytest.mark.benchmark(group="export 40,000 rows as CSV")
def test_export_peer_fetchall_and_writerows(benchmark, record):
    def run():
        with closing(open_reader(record)) as connection:
            text = io.TextIOWrapper(io.BytesIO(), newline="")
            query = f"SELECT {', '.join(COLUMNS)} FROM liq_events ORDER BY ts_ms, id"  # noqa: S608 - ours
            csv.writer(text).writerows(connection.execute(query).fetchall())

    benchmark.pedantic(run, rounds=3)
