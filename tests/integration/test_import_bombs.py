"""Files that are made to fill memory or disk, or to write elsewhere: refused with a sentence, in little memory."""

from __future__ import annotations

import gzip
import tracemalloc
import zipfile
from contextlib import closing

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.recordings import LIQUIDATIONS, PLAIN_HEADER, T, plain, table

from Heatmap.cli import main
from Heatmap.errors import RecordFileError
from Heatmap.exit_code import ExitCode
from Heatmap.importing import import_source
from Heatmap.importing.import_filter import ImportOptions
from Heatmap.importing.import_source import ImportSource, import_sources

ROWS = table(PLAIN_HEADER, plain, [LIQUIDATIONS[0]] * 20_000).encode()  # packed to a 200th


@pytest.fixture
def small_bound(monkeypatch):
    """Bounds that are reached soon."""
    monkeypatch.setattr(import_source, "_ALWAYS_BYTES", 100_000)
    monkeypatch.setattr(import_source, "_MOST_MEMBERS", 20)


def problems(path) -> list[str]:
    """Return what is wrong with each table in a file."""
    found = []
    with closing(import_sources(path, ImportOptions("BTCUSDT"))) as sources:
        for source in sources:
            try:
                if isinstance(source, ImportSource):
                    assert sum(1 for _ in source.rows)
                    found.append("")
                else:
                    found.append(source.problem)
            except RecordFileError as error:
                found.append(error.short)
    return found


@pytest.mark.usefixtures("small_bound")
def test_what_unpacks_to_far_more_than_its_size(tmp_path):
    (tmp_path / "a.gz").write_bytes(gzip.compress(ROWS))
    assert "100 times its size" in problems(tmp_path / "a.gz")[0]
    # The bound is that of the whole archive, however many members share it.
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(3):
            archive.writestr(f"{number}.csv", ROWS)
    assert all("100 times its size" in problem for problem in problems(tmp_path / "a.zip"))
    # An archive within an archive is no table.
    with zipfile.ZipFile(tmp_path / "b.zip", "w") as archive:
        archive.write(tmp_path / "a.zip", "a.zip")
        archive.write(tmp_path / "a.gz", "a.gz")
    assert all("no file that can be imported" in problem for problem in problems(tmp_path / "b.zip"))


@pytest.mark.usefixtures("small_bound")
def test_archives_of_many_members(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for number in range(21):
            archive.writestr(str(number), "")
    assert problems(tmp_path / "a.zip") == ["has 21 members, more than 20: split it"]


def test_an_honest_recording_is_packed_far_less(tmp_path):
    (tmp_path / "a.gz").write_bytes(gzip.compress(ROWS))
    assert problems(tmp_path / "a.gz") == [""]


def test_texts_of_gigabytes_take_no_memory(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        for column in ("ts_ms", "symbol", "side", "price", "qty", "notional", "source"):
            with archive.open(f"{column}.npy", "w") as member:
                header = {"descr": "<U250000000", "fortran_order": False, "shape": (8000,)}
                np.lib.format.write_array_header_1_0(member, header)
    columns = {
        "ts_ms": T,
        "symbol": "BTCUSDT",
        "side": "SELL",
        "price": 1.0,
        "qty": 1.0,
        "notional": 1.0,
        "source": "demo",
    }
    long_text = pa.DictionaryArray.from_arrays(pa.array([0] * 5000, pa.int32()), pa.array(["x" * 200_000]))
    rows = pa.table({name: [value] * 5000 for name, value in columns.items()} | {"raw_json": long_text})
    pq.write_table(rows, tmp_path / "a.parquet")
    tracemalloc.start()
    assert "short texts" in problems(tmp_path / "a.npz")[0]
    assert "more than" in problems(tmp_path / "a.parquet")[0]
    assert tracemalloc.get_traced_memory()[1] < 50e6
    tracemalloc.stop()


def test_members_are_never_written_and_their_names_are_shown_as_one_line(tmp_path, capsys):
    folder = tmp_path / "in" / "side"
    folder.mkdir(parents=True)
    with zipfile.ZipFile(folder / "a.zip", "w") as archive:
        for name in (
            "../../up.csv",
            "/etc/absolute.csv",
            "C:\\x.csv",
            "a\nBTC.csv: 5 rows, 5 new",
            "\x1b[2Jred.csv",
            "n/",
        ):
            archive.writestr(zipfile.ZipInfo(name), ROWS[:200] if name != "n/" else b"")
        archive.writestr(zipfile.ZipInfo(""), ROWS[:200])
    assert main(["import", str(folder / "a.zip"), "--db", str(folder / "x.sqlite3")]) in (ExitCode.OK, ExitCode.PROBLEM)
    said = capsys.readouterr().out
    assert all(line.isprintable() for line in said.split("\n"))
    assert "a.zip/../../up.csv" in said
    assert not any(line.startswith("BTC.csv") for line in said.split("\n"))
    assert {path.name for path in tmp_path.rglob("*") if path.is_file()} >= {"a.zip", "x.sqlite3"}
    assert not list(tmp_path.rglob("*.csv"))
