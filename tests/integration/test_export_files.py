"""What is exported is what is recorded: tables that come back to the last bit, and a picture that shows it."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
from contextlib import closing

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from Heatmap.cli import main
from Heatmap.events import Coverage, LiquidationEvent, Side
from Heatmap.exporting.table import _CHUNK_ROWS, write_csv, write_npz
from Heatmap.storage.record_reader import COLUMNS, Selection
from Heatmap.storage.sqlite.bulk_insert import bulk_insert
from Heatmap.storage.sqlite.connection import open_reader
from Heatmap.storage.sqlite.sqlite_reader import SqliteReader

T = 1_790_000_000_000
MINUTE_MS = 60_000
FRAME = '{"e":"forceOrder",\n "o":{"s":"BTCUSDT","note":"a, \\"b\\""}}'


def event(index, **changes):
    price, qty = 85_000.1 + index * 0.3, 0.001 + index / 7
    values = {
        "ts_ms": T + index * MINUTE_MS, "symbol": "BTCUSDT", "side": Side.SELL if index % 2 else Side.BUY,
        "price": price, "qty": qty, "notional": price * qty, "order_price": price * 0.997, "order_qty": qty * 1.1,
        "event_ms": T + index * MINUTE_MS + 1003, "received_ms": T + index * MINUTE_MS + 1020,
    }  # fmt: skip
    return LiquidationEvent(**{**values, **changes})


EVENTS = [
    *(event(index) for index in range(300)),
    event(300, order_price=None, order_qty=None, event_ms=None, received_ms=None),
    event(301, raw_json=FRAME),
    event(302, symbol="牛来USDT", price=0.1057892, qty=9243.0, notional=0.1057892 * 9243.0),
    event(303, symbol="ETHUSDT", price=1e-7, qty=1e12, notional=1e5),
    event(304, source="demo"),
    event(10, symbol="BTCUSDT", source="binance-coinm"),
]


@pytest.fixture
def db(tmp_path):
    path = tmp_path / "record.sqlite3"
    bulk_insert(path, EVENTS, coverage=[Coverage("binance", "BTCUSDT", T, T + 60 * MINUTE_MS)])
    return path


def rows(db):
    with closing(open_reader(db)) as connection:
        return connection.execute(
            f"SELECT {', '.join(COLUMNS)} FROM liq_events ORDER BY ts_ms, symbol, source"  # noqa: S608 - ours
        ).fetchall()


def export(db, output, *arguments):
    return main(["export", "--db", str(db), "--output", str(output), *arguments])


@pytest.mark.parametrize("kind", ["csv", "npz", "parquet"])
def test_an_export_comes_back_to_the_last_bit_and_twice_changes_nothing(db, tmp_path, capsys, kind):
    output, other = tmp_path / "somewhere" / f"all.{kind}", tmp_path / "other.sqlite3"
    assert export(db, output, "--format", kind, "--source", "all") == 0
    assert f"{len(EVENTS)} liquidations of all symbols, all sources" in capsys.readouterr().out
    assert [path.name for path in output.parent.iterdir()] == [output.name]
    assert main(["import", "--db", str(other), str(output)]) == 0
    assert f"{len(EVENTS)} new" in capsys.readouterr().out
    expected = rows(db)
    raw_at = COLUMNS.index("raw_json")
    if kind != "parquet":
        # NPZ has no frames; in CSV the line break between their parts is a blank.
        kept = FRAME.replace("\n", " ") if kind == "csv" else None
        expected = [(*row[:raw_at], kept if row[raw_at] else None) for row in expected]
    assert rows(other) == expected
    before = other.read_bytes()
    assert main(["import", "--db", str(other), str(output)]) == 0
    assert f"0 new, {len(EVENTS)} known already" in capsys.readouterr().out
    assert other.read_bytes() == before


def test_other_programs_read_the_tables(db, tmp_path):
    for kind in ("csv", "npz", "parquet"):
        assert export(db, tmp_path / f"a.{kind}", "--format", kind, "--symbol", "btcusdt") == 0
    with (tmp_path / "a.csv").open(newline="", encoding="utf-8") as file:
        table = list(csv.DictReader(file))
    assert list(table[0]) == list(COLUMNS)
    arrays = np.load(tmp_path / "a.npz", allow_pickle=False)
    parquet = pq.read_table(tmp_path / "a.parquet").to_pydict()
    count = 302
    assert len(table) == len(arrays["ts_ms"]) == len(parquet["ts_ms"]) == count
    assert [int(row["ts_ms"]) for row in table] == arrays["ts_ms"].tolist() == parquet["ts_ms"]
    assert [float(row["notional"]) for row in table] == arrays["notional"].tolist() == parquet["notional"]
    assert [row["side"] for row in table] == arrays["side"].tolist() == parquet["side"]
    assert (table[300]["order_price"], parquet["order_price"][300]) == ("", None)
    assert np.isnan(arrays["order_price"][300])
    assert arrays["event_ms"][300] == -1


def test_a_span_is_half_open_and_a_window_counts_back_from_its_end(db, tmp_path):
    def times(*arguments):
        assert export(db, tmp_path / "a.csv", "--format", "csv", "--symbol", "BTCUSDT", *arguments) == 0
        return [int(line.split(",")[0]) for line in (tmp_path / "a.csv").read_text().splitlines()[1:]]

    assert times("--from", str(T + MINUTE_MS), "--to", str(T + 3 * MINUTE_MS)) == [T + MINUTE_MS, T + 2 * MINUTE_MS]
    newest = T + 301 * MINUTE_MS
    assert times("--window", "2h") == [T + index * MINUTE_MS for index in range(182, 302)]
    assert times("--window", "2h", "--to", str(newest)) == [T + index * MINUTE_MS for index in range(181, 301)]
    assert times("--from", "2026-09-21T19:13:20")[0] == newest - MINUTE_MS
    assert times("--from", "2026-09-21T21:13:20+02:00")[0] == newest - MINUTE_MS
    assert times("--from", "2030-01-01") == []


def decoded(path):
    """Return the pixels and texts of a PNG."""
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB")), image.text


def test_the_picture_shows_where_heat_is_and_says_what_it_shows(tmp_path, capsys):
    db, output = tmp_path / "record.sqlite3", tmp_path / "map.png"
    # A long liquidation early and low, a short one late and high, in a window of 8 h.
    end_ms = T + 480 * MINUTE_MS
    bulk_insert(
        db,
        [
            event(120, side=Side.SELL, price=85_000.0, qty=10.0, notional=850_000.0),
            event(360, side=Side.BUY, price=86_000.0, qty=10.0, notional=860_000.0),
        ],
        coverage=[Coverage("binance", "BTCUSDT", T, end_ms)],
    )
    assert export(db, output, "--format", "png", "--window", "8h", "--to", str(end_ms)) == 0
    assert "a map of 2 liquidations of BTCUSDT" in capsys.readouterr().out
    pixels, texts = decoded(output)
    assert pixels.shape == (778, 1604, 3)
    pane = pixels[30:750, 12:1512].astype(int)
    warmth = pane[:, :, 0] - pane[:, :, 2]
    (low_y, low_x), (high_y, high_x) = (
        np.unravel_index(index, warmth.shape) for index in (warmth.argmax(), warmth.argmin())
    )
    assert abs(low_x - 1500 * 120 / 480) < 9
    assert abs(high_x - 1500 * 360 / 480) < 9
    assert high_y < 60
    assert low_y > 660
    assert texts["Title"] == (
        "BTCUSDT (binance)  2026-09-21 14:13 - 2026-09-21 22:13 UTC  2 liquidations, at least 1,710,000 USD"
    )
    assert "lower bounds" in texts["Description"]


def test_times_without_coverage_are_hatched(db, tmp_path):
    output = tmp_path / "map.png"
    assert export(db, output, "--format", "png", "--from", str(T), "--to", str(T + 300 * MINUTE_MS)) == 0
    pixels, _ = decoded(output)
    hatch = np.all(pixels == (33, 38, 50), axis=2)[30:750, 12:1512]
    covered_px = 1500 * 60 // 300
    assert hatch[:, : covered_px - 3].sum() == 0
    # All hatching lies behind heat and grid: most of it remains.
    assert hatch[:, covered_px + 3 :].mean() > 0.05


def test_a_picture_needs_neither_display_nor_qt_nor_numba(db, tmp_path):
    script = (
        "import sys; from Heatmap.cli import main; code = main(sys.argv[1:]);"
        "assert not {'PyQt6', 'numba', 'moderngl', 'pyarrow'} & set(sys.modules), sys.modules.keys(); sys.exit(code)"
    )
    environment = {key: value for key, value in os.environ.items() if key not in ("DISPLAY", "WAYLAND_DISPLAY")}
    arguments = ["export", "--format", "png", "--db", str(db), "--output", str(tmp_path / "map.png")]
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments], env=environment, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "map.png").stat().st_size > 1000


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--format", "png", "--symbol", "DOGEUSDT"], "'DOGEUSDT' is not recorded in "),
        (["--format", "csv", "--symbol", "DOGEUSDT"], "it has BTCUSDT, ETHUSDT"),
        (["--format", "png", "--from", "2030-01-01"], "nothing to draw"),
        (["--format", "csv", "--source", "replay"], "Nothing is recorded from replay, but from binance, "),
    ],
)
def test_what_cannot_be_exported_is_one_sentence(db, tmp_path, capsys, arguments, sentence):
    output = tmp_path / "out"
    assert export(db, output, *arguments) == 1
    told = capsys.readouterr().err
    assert sentence in told
    assert told.count("\n") == 1
    assert not output.exists()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--format", "png", "--from", "2030-01-01", "--window", "2h"], "give one of them"),
        (["--format", "csv", "--symbol", "BTC/USDT"], "is not a symbol"),
    ],
)
def test_arguments_that_cannot_be_are_told_by_code_2(db, tmp_path, capsys, arguments, sentence):
    assert export(db, tmp_path / "out", *arguments) == 2
    assert sentence in capsys.readouterr().err
    for wrong in ("yesterday", "9" * 30, "-5"):
        with pytest.raises(SystemExit) as usage:
            export(db, tmp_path / "out", "--format", "csv", f"--from={wrong}")
        assert usage.value.code == 2


def test_the_record_is_never_written_over(db, tmp_path, capsys):
    before = db.read_bytes()
    (tmp_path / "link.csv").symlink_to(db)
    for output in (db, db.with_name(f"{db.name}-wal"), tmp_path / "x" / ".." / db.name, tmp_path / "link.csv"):
        assert export(db, output, "--format", "csv") == 2
        assert "is the record itself" in capsys.readouterr().err
    assert db.read_bytes() == before


@pytest.mark.parametrize("symbol", [None, "BTCUSDT"])
@pytest.mark.parametrize("source", [None, "binance"])
def test_rows_come_in_order_without_a_sort(db, symbol, source):
    selection = Selection(symbol, source, start_ms=T)
    where, values = selection.where()
    with SqliteReader(db) as reader:
        query = f"SELECT price FROM liq_events INDEXED BY {selection.index_in_order()} WHERE {where} ORDER BY ts_ms, id"  # noqa: S608
        plan = [row[3] for row in reader.query(f"EXPLAIN QUERY PLAN {query}", values)]
        times = [row[0] for row in reader.rows(selection, ("ts_ms",))]
    assert len(plan) == 1
    assert "TEMP B-TREE" not in plan[0]
    assert times == sorted(times)


def test_a_missing_database_is_not_made(tmp_path, capsys):
    assert export(tmp_path / "none.sqlite3", tmp_path / "a.csv", "--format", "csv") == 1
    assert "There is no database" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_cannot_be_written_leaves_nothing_behind(db, tmp_path, capsys):
    (tmp_path / "taken").mkdir()
    assert export(db, tmp_path / "taken", "--format", "csv") == 1
    assert "cannot be written" in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir() if "record" not in path.name) == ["taken"]


def test_without_pyarrow_parquet_is_refused_with_the_cure(db, tmp_path, capsys, monkeypatch):
    assert export(db, tmp_path / "a.parquet", "--format", "parquet") == 0
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert export(db, tmp_path / "b.parquet", "--format", "parquet") == 1
    assert 'pip install "liquidation-heatmap[parquet]"' in capsys.readouterr().err
    assert main(["import", "--db", str(db), str(tmp_path / "a.parquet")]) == 1
    assert "pyarrow" in capsys.readouterr().out


def test_the_only_source_and_symbol_need_not_be_named(tmp_path, capsys):
    db = tmp_path / "demo.sqlite3"
    bulk_insert(db, [event(index, source="demo", symbol="ETHUSDT") for index in range(5)])
    assert export(db, tmp_path / "map.png", "--format", "png") == 0
    assert export(db, tmp_path / "a.csv", "--format", "csv") == 0
    told = capsys.readouterr().out
    assert "ETHUSDT, source demo" in told
    assert "SIMULATED" in decoded(tmp_path / "map.png")[1]["Title"]


def test_import_tells_json_and_exit_codes(db, tmp_path, capsys):
    path = tmp_path / "mixed.csv"
    assert export(db, path, "--format", "csv", "--symbol", "BTCUSDT") == 0
    with path.open("a") as file:
        file.write("what is this\n")
    capsys.readouterr()
    assert main(["import", "--json", "--db", str(tmp_path / "new.sqlite3"), str(path)]) == 1
    answer = json.loads(capsys.readouterr().out)
    assert (answer["format"], answer["rows"], answer["inserted"]) == ("heatmap", 303, 302)
    assert answer["refused"] == [
        {"kind": "bad-columns", "rows": 1, "first_row": 304, "message": "1 columns instead of 12"}
    ]
    assert main(["import", "--db", str(tmp_path / "x.sqlite3"), str(tmp_path / "missing.csv")]) == 2
    assert "There is no file" in capsys.readouterr().err
    assert main(["import", "--db", str(tmp_path / "x.sqlite3"), str(tmp_path)]) == 2
    assert "is a folder; name its files" in capsys.readouterr().err
    assert main(["import", "--db", str(tmp_path / "x.sqlite3"), "--symbol", "a b", str(path)]) == 2
    assert not (tmp_path / "x.sqlite3").exists()
    with pytest.raises(SystemExit) as usage:
        main(["import"])
    assert usage.value.code == 2


def test_an_import_that_is_interrupted_says_so(db, tmp_path, capsys, monkeypatch):
    path = tmp_path / "a.csv"
    assert export(db, path, "--format", "csv") == 0
    monkeypatch.setattr(
        "Heatmap.commands.import_.import_file", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt)
    )
    assert main(["import", "--db", str(tmp_path / "new.sqlite3"), str(path)]) == 130
    assert "importing again goes on" in capsys.readouterr().err


def test_csv_is_written_in_one_piece_however_long_the_record(tmp_path):
    db, count = tmp_path / "long.sqlite3", _CHUNK_ROWS * 2 + 1
    bulk_insert(db, (event(index) for index in range(count)))
    told = []
    with SqliteReader(db) as reader:
        text, packed = io.BytesIO(), io.BytesIO()
        assert write_csv(text, reader, Selection(), told.append) == count
        assert write_npz(packed, reader, Selection(), lambda _: None) == count
    assert told == [_CHUNK_ROWS, _CHUNK_ROWS * 2, count]
    assert text.getvalue().count(b"\n") == count + 1
    packed.seek(0)
    assert np.all(np.diff(np.load(packed)["ts_ms"]) == MINUTE_MS)


def test_no_cell_is_a_formula_for_a_spreadsheet_and_all_come_back(tmp_path):
    """The program stores no such texts; a record that somebody passed on may have them."""
    path, table, again = tmp_path / "x.sqlite3", tmp_path / "x.csv", tmp_path / "again.sqlite3"
    frames = ["=cmd|' /C calc'!A0", "@SUM(1)", "+1", "-1", "\t=1", "'=1", '{"e":1}']
    bulk_insert(path, [event(number, raw_json=text) for number, text in enumerate(frames)])
    assert main(["export", "--format", "csv", "--output", str(table), "--db", str(path)]) == 0
    with table.open(newline="") as file:
        cells = [cell for row in csv.reader(file) for cell in row]
    assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@", "\t"))]
    assert main(["import", str(table), "--db", str(again)]) == 0
    assert [row[0] for row in stored_frames(again)] == frames


def stored_frames(path):
    with closing(open_reader(path)) as connection:
        return connection.execute("SELECT raw_json FROM liq_events ORDER BY ts_ms").fetchall()
