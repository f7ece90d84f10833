"""Whole files into a real database: every kind, twice, damaged, beside a collector, and in constant memory."""

from __future__ import annotations

import gzip
import hashlib
import json
import threading
import tracemalloc
import zipfile
from contextlib import closing

import pytest

from Heatmap.cli import main
from Heatmap.events import LiquidationEvent, Side
from Heatmap.exit_code import ExitCode
from Heatmap.importing.import_filter import ImportOptions
from Heatmap.importing.importer import import_file
from Heatmap.storage.imports import IMPORT_CHUNK_ROWS, INSERT_IMPORTED
from Heatmap.storage.sqlite.bulk_insert import SqliteImportWriter, bulk_insert
from Heatmap.storage.sqlite.connection import open_reader
from Heatmap.storage.writer import EventWriter

T = 1_700_000_000_000
HEADER = (
    "time,side,order_type,time_in_force,original_quantity,price,average_price,order_status,last_fill_quantity,"
    "accumulated_fill_quantity\n"
)
TARDIS_HEADER = "exchange,symbol,timestamp,local_timestamp,id,side,price,amount\n"


class Clock:
    def now_ms(self):
        return T

    def monotonic_s(self):
        return 0.0


@pytest.fixture
def db(tmp_path):
    return tmp_path / "record.sqlite3"


def archive_line(index, *, price=30_000.5, symbol=None):
    side = "SELL" if index % 2 else "BUY"
    name = f"{symbol}," if symbol else ""
    return f"{T + index * 1500},{name}{side},LIMIT,IOC,0.5,29900.0,{price + index % 7},FILLED,0.2,0.4\n"


def tardis_line(index, *, exchange="binance-futures", symbol="BTCUSDT", price=30_000.5):
    side = "sell" if index % 2 else "buy"
    return f"{exchange},{symbol},{T + index * 1500}000,{T + index * 1500 + 7}000,,{side},{price + index % 7},0.4\n"


def event(index, **changes):
    values = {
        "ts_ms": T + index * 1500, "symbol": "BTCUSDT", "side": Side.SELL if index % 2 else Side.BUY,
        "price": 30_000.5 + index % 7, "qty": 0.4, "notional": (30_000.5 + index % 7) * 0.4,
        "order_price": 29_900.0, "order_qty": 0.5,
    }  # fmt: skip
    return LiquidationEvent(**{**values, **changes})


def imported(db, *paths, **options):
    with SqliteImportWriter(db) as writer:
        return [
            report for path in paths for report in import_file(path, writer, ImportOptions(**options), clock=Clock())
        ]


def rows(db, query="SELECT ts_ms, symbol, side, price, qty, notional, source FROM liq_events ORDER BY ts_ms, id"):
    with closing(open_reader(db)) as connection:
        return connection.execute(query).fetchall()


def content(db):
    """Return a digest of all that the database holds, `sqlite_sequence` included."""
    with closing(open_reader(db)) as connection:
        return hashlib.sha256("\n".join(connection.iterdump()).encode()).hexdigest()


def archive(tmp_path, lines, name="BTCUSDT-liquidationSnapshot-2023-11-14.csv", header=HEADER):
    path = tmp_path / name
    path.write_text(header + "".join(lines))
    return path


def test_the_published_coin_m_file_is_stored_exactly_as_it_says(db, recorded):
    path = recorded / "liquidationSnapshot_BTCUSD_PERP_2024-10-01.csv"
    (report,) = imported(db, path)
    assert (report.rows, report.inserted, report.repeated, report.converted) == (14, 7, 7, 14)
    assert report.is_complete
    # Read once more, by hand: each second line, contracts of 100 dollars.
    expected = []
    for line in path.read_text().splitlines()[1::2]:
        time, side, _, _, _, _, average_price, _, _, contracts = line.split(",")
        usd, price = int(contracts) * 100.0, float(average_price)
        expected.append((int(time), "BTCUSD_PERP", side, price, pytest.approx(usd / price), usd, "binance-coinm"))
    assert rows(db) == expected
    before = content(db)
    (report,) = imported(db, path)
    assert (report.inserted, report.known, report.repeated) == (0, 7, 7)
    assert content(db) == before


def test_recorded_frames_give_what_each_line_says(db, recorded):
    path = recorded / "btcusdt_liquidations_recorded.jsonl"
    (report,) = imported(db, path, keep_raw=True)
    frames = [json.loads(line)["o"] for line in path.read_text().splitlines()]
    assert (report.rows, report.inserted) == (len(frames), len(frames))
    expected = sorted((o["T"], o["s"], o["S"], float(o.get("ap") or o["p"]), float(o["z"]), "binance") for o in frames)
    query = "SELECT ts_ms, symbol, side, price, qty, source FROM liq_events ORDER BY ts_ms, side, price"
    assert sorted(rows(db, query)) == expected
    assert sorted(row[0] for row in rows(db, "SELECT raw_json FROM liq_events")) == sorted(
        path.read_text().splitlines()
    )


def test_a_coin_m_frame_among_recorded_ones_is_refused_and_named(db, recorded):
    (report,) = imported(db, recorded / "forceorder_frames.jsonl")
    (reason,) = report.refused
    assert (report.inserted, reason.kind, reason.rows, reason.first_row) == (7, "coin-margined", 1, 2)
    (report,) = imported(db, recorded / "other_frames.jsonl")
    assert (report.inserted, report.refused, report.skipped[0].rows) == (0, (), 7)


def test_all_layouts_and_wrappings_of_one_day_are_the_same_events(db, tmp_path):
    lines = [archive_line(index) for index in range(50)]
    with_symbol = [archive_line(index, symbol="BTCUSDT") for index in range(50)]
    plain = archive(tmp_path, lines)
    bare = archive(tmp_path, lines, "BTCUSDT-liquidationSnapshot-2023-11.csv", header="")
    named = archive(tmp_path, with_symbol, "any name.csv", HEADER.replace("time,", "time,symbol,"))
    windows = tmp_path / "windows.csv"
    windows.write_bytes(b"\xef\xbb\xbf" + named.read_bytes().replace(b"\n", b"\r\n"))
    zipped = tmp_path / "BTCUSDT-liquidationSnapshot-2023-11-14.zip"
    with zipfile.ZipFile(zipped, "w", zipfile.ZIP_DEFLATED) as file:
        file.write(plain, plain.name)
    packed = tmp_path / "any name.csv.gz"
    packed.write_bytes(gzip.compress(named.read_bytes()))
    first = imported(db, plain)[0]
    assert (first.rows, first.inserted) == (50, 50)
    before = content(db)
    for report in imported(db, bare, named, windows, zipped, packed):
        assert (report.rows, report.inserted, report.known, report.is_complete) == (50, 0, 50, True), report.name
    assert content(db) == before
    assert rows(db, "SELECT file, format, imported_ms, rows FROM imports") == [(plain.name, "binance-archive", T, 50)]


def test_what_was_recorded_live_and_what_a_file_brings_are_one_set(db, tmp_path):
    bulk_insert(db, [event(index, event_ms=T, received_ms=T) for index in range(0, 40, 2)])
    (report,) = imported(db, archive(tmp_path, [archive_line(index) for index in range(40)]))
    assert (report.inserted, report.known) == (20, 20)
    assert rows(db, "SELECT count(*), count(received_ms), count(import_id) FROM liq_events") == [(40, 20, 20)]
    assert rows(db, "SELECT count(*) FROM coverage") == [(0,)]


@pytest.mark.parametrize("tardis_first", [True, False])
def test_rows_without_the_orders_own_figures_do_not_double_the_record(db, tmp_path, tardis_first):
    full = archive(tmp_path, [archive_line(index) for index in range(30)])
    bought = tmp_path / "binance-futures_liquidations_2023-11-14_BTCUSDT.csv.gz"
    bought.write_bytes(gzip.compress((TARDIS_HEADER + "".join(tardis_line(index) for index in range(33))).encode()))
    one, other = imported(db, *((bought, full) if tardis_first else (full, bought)))
    assert (one.inserted, other.inserted) == ((33, 0) if tardis_first else (30, 3))
    assert rows(db, "SELECT count(*) FROM liq_events") == [(33,)]
    # Orders that differ in what both files know are two events all the same.
    changed = archive(tmp_path, [archive_line(0).replace("29900.0", "29900.1")], "changed liquidationSnapshot.csv")
    (report,) = imported(db, changed, symbol="BTCUSDT")
    assert report.inserted == (0 if tardis_first else 1)


def test_coin_m_contracts_go_under_a_usd_m_symbol_only_when_asked_and_marked(db, tmp_path):
    path = archive(
        tmp_path, [archive_line(index) for index in range(10)], "BTCUSD_PERP-liquidationSnapshot-2023-11-14.csv"
    )
    (report,) = imported(db, path, symbol="BTCUSDT")
    assert (report.inserted, report.is_complete) == (0, False)
    assert (report.refused[0].rows, report.refused[0].first_row) == (10, 2)
    (report,) = imported(db, path, coin_m_as="BTCUSDT")
    assert (report.inserted, report.is_complete) == (10, True)
    assert rows(db, "SELECT DISTINCT symbol, source, notional FROM liq_events") == [("BTCUSDT", "binance-coinm", 40.0)]


def test_bad_rows_are_counted_by_reason_with_the_first_of_each(db, tmp_path):
    lines = [archive_line(index) for index in range(10)]
    lines[2] = lines[2].replace("BUY", "LONG")
    lines[4] = "\n"
    lines[5] = "x" * 200_000 + "\n"
    lines[7] = lines[7].replace("30000.5", "?")
    lines[8] = lines[8].replace("BUY", "SHORT")
    (report,) = imported(db, archive(tmp_path, lines))
    assert [(reason.kind, reason.rows, reason.first_row) for reason in report.refused] == [
        ("bad-side", 2, 4), ("too-long", 1, 7), ("bad-price", 1, 9),
    ]  # fmt: skip
    assert (report.rows, report.inserted, len(rows(db))) == (9, 5, 5)
    assert "LONG" in report.refused[0].message


def test_a_file_cut_in_the_middle_gives_what_could_be_read(db, tmp_path):
    whole = gzip.compress((TARDIS_HEADER + "".join(tardis_line(index) for index in range(5000))).encode())
    cut = tmp_path / "cut.csv.gz"
    cut.write_bytes(whole[: len(whole) // 2])
    (report,) = imported(db, cut)
    assert 0 < report.inserted < 5000
    assert report.inserted == len(rows(db)) == report.rows
    assert report.problem.startswith("is damaged after line ")
    assert not report.is_complete


@pytest.mark.parametrize(
    ("name", "data", "problem"),
    [
        ("empty.csv", b"", "is empty"),
        ("text.txt", b"hello\nworld\n", "is no file that can be imported"),
        ("noise.bin", bytes(range(256)) * 20, "is no file that can be imported"),
        ("cut.zip", b"PK\x03\x04" + b"x" * 300, "cannot be read"),
        ("wrong.gz", b"\x1f\x8b" + b"x" * 300, "cannot be read"),
        ("record.csv", b"SQLite format 3\0" + bytes(300), "cannot be read: "),
        ("wrong.parquet", b"PAR1" + b"x" * 300, "cannot be read"),
        ("snapshot.csv", (HEADER + archive_line(0)).encode(), "name it with --symbol"),
        ("candles.csv", b"1748736000000,104591.8,104620.0,104591.7,104603.4,33.5,1748736059999,1,2,3,4,0\n", "is no"),
    ],
)
def test_what_cannot_be_imported_is_told_in_a_sentence(db, tmp_path, name, data, problem):
    path = tmp_path / name
    path.write_bytes(data)
    (report,) = imported(db, path)
    assert problem in report.problem
    assert not report.is_complete
    assert rows(db) == []
    assert rows(db, "SELECT * FROM imports") == []


def test_each_member_of_a_zip_is_told_by_itself(db, tmp_path):
    path = tmp_path / "bundle.zip"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("BTCUSDT-liquidationSnapshot-2023-11-14.csv", HEADER + archive_line(0))
        file.writestr("ETHUSDT-liquidationSnapshot-2023-11-14.csv", HEADER + archive_line(1, price=2000.0))
        file.writestr("README.txt", "what this is")
        file.writestr("__MACOSX/._x", "rubbish")
    first, second, third = imported(db, path)
    assert (first.inserted, second.inserted) == (1, 1)
    assert third.name == "bundle.zip/README.txt"
    assert not third.is_complete
    assert [row[1] for row in rows(db)] == ["BTCUSDT", "ETHUSDT"]


def test_an_encrypted_zip_is_told_and_the_rest_is_taken(db, tmp_path):
    path = tmp_path / "bundle.zip"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("BTCUSDT-liquidationSnapshot-2023-11-14.csv", HEADER + archive_line(0))
        file.writestr("ETHUSDT-liquidationSnapshot-2023-11-14.csv", HEADER + archive_line(1))
    data = bytearray(path.read_bytes())
    # The flag of the first member, in its own header and in the directory at the end.
    data[6] |= 1
    data[data.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(data)
    locked, free = imported(db, path)
    assert "password" in locked.problem
    assert free.inserted == 1


def test_a_trades_file_of_tardis_is_not_taken_for_liquidations(db, tmp_path):
    path = tmp_path / "binance-futures_trades.csv"
    path.write_text(TARDIS_HEADER + "".join(tardis_line(index).replace(",,", f",{index},") for index in range(5)))
    (report,) = imported(db, path)
    assert (report.inserted, report.refused[0].kind, report.refused[0].rows) == (0, "trade", 5)


def test_repetitions_are_found_across_chunks(db, tmp_path):
    count = IMPORT_CHUNK_ROWS * 2 + 3
    lines = [archive_line(index) for index in range(count)]
    # Written twice, once as neighbours and once as a second half.
    (report,) = imported(db, archive(tmp_path, [line for line in lines for _ in range(2)]))
    assert (report.inserted, report.repeated, report.known) == (count, count, 0)
    (report,) = imported(db, archive(tmp_path, lines + lines))
    assert (report.inserted, report.repeated + report.known) == (0, 2 * count)


def test_an_import_beside_a_collector_disturbs_neither(db, tmp_path):
    problems = []
    writer = EventWriter(db, on_change=lambda: problems.append(writer.stats().problem), flush_ms=20)
    writer.start()
    path = archive(tmp_path, [archive_line(index) for index in range(30_000)])
    done = threading.Event()

    def record():
        index = 0
        while not done.is_set() or index < 100:
            assert writer.put(event(index, symbol="ETHUSDT"), timeout_s=10)
            index += 1
        sent.append(index)

    sent = []
    recorder = threading.Thread(target=record)
    recorder.start()
    (report,) = imported(db, path)
    done.set()
    recorder.join()
    assert writer.stop() == 0
    assert report.inserted == 30_000
    assert rows(db, "SELECT count(*) FROM liq_events WHERE symbol = 'ETHUSDT'") == [(sent[0],)]
    assert set(problems) == {""}


def test_memory_does_not_grow_with_the_file(tmp_path):
    def peak_bytes(count, name):
        path = archive(tmp_path, (archive_line(index) for index in range(count)), name)
        tracemalloc.start()
        try:
            imported(tmp_path / f"{count}.sqlite3", path)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    name = "BTCUSDT-liquidationSnapshot-2023-11-{}.csv"
    peak_bytes(8_000, name.format(13))  # what the first one leaves in caches is no matter of the file's size
    assert peak_bytes(40_000, name.format(15)) < peak_bytes(8_000, name.format(14)) * 2


@pytest.mark.parametrize("indent", [None, 1])
def test_an_array_of_any_length_takes_constant_memory(tmp_path, indent):
    def peak_bytes(count):
        path = tmp_path / f"{count}.json"
        order = {"s": "BTCUSDT", "S": "SELL", "q": "1", "p": "2", "ap": "3", "z": "1"}
        path.write_text(
            json.dumps([{"e": "forceOrder", "o": order | {"T": T + n}} for n in range(count)], indent=indent)
        )
        tracemalloc.start()
        try:
            (report,) = imported(tmp_path / f"{count}.sqlite3", path)
            assert report.inserted == count
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak_bytes(2_000)
    # Keys of two chunks are kept, so both files have more. If all were kept, it would be four times as much.
    assert peak_bytes(28_000) < peak_bytes(7_000) * 2


def test_progress_is_told_while_it_lasts(db, tmp_path):
    count = IMPORT_CHUNK_ROWS * 3
    path = archive(tmp_path, [archive_line(index) for index in range(count)])
    told = []
    with SqliteImportWriter(db) as writer:
        list(import_file(path, writer, ImportOptions(), on_progress=lambda *update: told.append(update)))
    assert [done for _, _, done in told] == [IMPORT_CHUNK_ROWS, IMPORT_CHUNK_ROWS * 2, count]
    shares = [share for _, share, _ in told]
    assert shares == sorted(shares)
    assert 0 < shares[0] < shares[-1] == 1.0


def test_a_database_that_refuses_stops_the_import(db, tmp_path):
    imported(db, archive(tmp_path, [archive_line(0)]))
    path = archive(tmp_path, [archive_line(index) for index in range(10)])
    with SqliteImportWriter(db) as writer:
        writer._connection.execute("PRAGMA query_only = ON")
        with pytest.raises(Exception, match=r"readonly|read-only"):
            list(import_file(path, writer, ImportOptions()))
    assert len(rows(db)) == 1


def test_the_key_lookup_reads_the_rows_of_one_moment(db):
    bulk_insert(db, [event(0)])
    with closing(open_reader(db)) as connection:
        plan = connection.execute(f"EXPLAIN QUERY PLAN {INSERT_IMPORTED}", (None,) * 13).fetchall()
    assert any("idx_liq_events_symbol_ts (symbol=? AND ts_ms=?)" in row[3] for row in plan), plan


def test_json_has_one_object_a_file(db, tmp_path, capsys):
    (tmp_path / "tardis.csv").write_text(TARDIS_HEADER + tardis_line(1) + tardis_line(2, symbol="ETHUSDT"))
    words = ["import", "--json", "--symbol", "BTCUSDT", "--db", str(db), str(tmp_path / "tardis.csv")]
    assert main(words) == ExitCode.OK
    answer = json.loads(capsys.readouterr().out)
    (aside,) = answer.pop("aside")
    assert (aside["kind"], aside["rows"]) == ("other-symbol", 1)
    assert answer == {
        "file": "tardis.csv", "format": "tardis", "rows": 2, "inserted": 1, "repeated": 0, "known": 0, "converted": 0,
        "refused": [], "problem": "", "notes": [], "claimed": [],
        "hint": {"rows": [], "advice": ""},
    }  # fmt: skip
