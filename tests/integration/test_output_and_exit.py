"""Where commands write, and how they end: pipes, devices, links, closed streams, users without a home."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import numpy as np
import pytest

from Heatmap.cli import COMMANDS, main
from Heatmap.errors import StorageError
from Heatmap.events import LiquidationEvent, Side
from Heatmap.exit_code import ExitCode
from Heatmap.output_file import written
from Heatmap.storage.location import default_db_path
from Heatmap.storage.sqlite.bulk_insert import bulk_insert

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="pipes and devices of POSIX")

T = 1_790_000_000_000
ROOT = Path(__file__).parents[2]
PATIENCE_S = 60


@pytest.fixture
def db(tmp_path):
    path = tmp_path / "record.sqlite3"
    events = [LiquidationEvent(T + n * 60_000, "BTCUSDT", Side.SELL, 85_000.0 + n, 0.25, 21_250.0) for n in range(50)]
    bulk_insert(path, events)
    return path


def heatmap(*words, **options):
    command = [sys.executable, "-P", "-m", "Heatmap", *map(str, words)]
    return subprocess.run(command, timeout=PATIENCE_S, check=False, **options)


def export(db, output, kind="csv", **options):
    return heatmap("export", "--format", kind, "--output", output, "--db", db, stderr=subprocess.PIPE, **options)


@pytest.mark.parametrize("output", ["-", "/dev/stdout"])
@pytest.mark.parametrize("kind", ["csv", "npz", "parquet", "png"])
def test_standard_output_takes_each_format_and_nothing_else(db, tmp_path, output, kind):
    file = tmp_path / f"whole.{kind}"
    assert export(db, file, kind, stdout=subprocess.DEVNULL).returncode == 0
    piped = export(db, output, kind, stdout=subprocess.PIPE)
    assert piped.returncode == 0, piped.stderr
    if kind == "npz":
        # A zip carries the time of its making.
        copy = tmp_path / "piped.npz"
        copy.write_bytes(piped.stdout)
        with np.load(copy) as found, np.load(file) as wanted:
            assert all(
                np.array_equal(found[name], wanted[name], equal_nan=name == "order_qty") for name in ("ts_ms", "qty")
            )
    else:
        assert piped.stdout == file.read_bytes()
    assert b"standard output: " in piped.stderr
    assert not list(tmp_path.glob("-*"))


def test_a_file_may_be_called_by_the_sign_of_standard_output(db, tmp_path):
    made = export(db, "./-", stdout=subprocess.PIPE, cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(ROOT)})
    assert made.returncode == 0, made.stderr
    assert len((tmp_path / "-").read_text().splitlines()) == 51


def test_a_device_stays_a_device(db, tmp_path):
    device = tmp_path / "null"
    try:
        os.mknod(device, 0o666 | 0o020000, os.makedev(1, 3))
    except PermissionError:
        device = Path("/dev/null")
    assert export(db, device).returncode == 0
    assert device.is_char_device()
    full = export(db, "/dev/full")
    assert full.returncode == ExitCode.PROBLEM
    assert b"/dev/full cannot be written: No space left on device" in full.stderr
    assert Path("/dev/full").is_char_device()


def test_what_reads_a_pipe_gets_the_table(db, tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    found = []
    reader = threading.Thread(target=lambda: found.append(pipe.read_text()))
    reader.start()
    assert export(db, pipe).returncode == 0
    reader.join()
    assert len(found[0].splitlines()) == 51
    assert pipe.is_fifo()


def test_a_link_stays_and_what_it_leads_to_is_replaced(db, tmp_path):
    real, link = tmp_path / "folder" / "real.csv", tmp_path / "latest.csv"
    real.parent.mkdir()
    real.write_text("old")
    real.chmod(0o640)
    link.symlink_to("folder/real.csv")
    assert export(db, link).returncode == 0
    assert link.is_symlink()
    assert len(real.read_text().splitlines()) == 51
    assert real.stat().st_mode & 0o777 == 0o640
    assert [file.name for file in real.parent.iterdir()] == ["real.csv"]


def test_what_fails_on_the_way_leaves_what_was_there(tmp_path):
    target = tmp_path / "old.csv"
    target.write_text("old")

    def half():
        with written(target) as file:
            file.write(b"new")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        half()
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize(
    "words", [["status"], ["status", "--json"], ["import", "FILE"], ["vacuum"], ["--help"], ["export", "--help"]]
)
def test_a_full_or_closed_output_is_a_sentence_and_no_traceback(db, tmp_path, words):
    file = tmp_path / "frames.jsonl"
    file.write_text(
        '{"e":"forceOrder","o":{"s":"BTCUSDT","S":"SELL","ap":"1","p":"1","q":"1","z":"1","T":1790000000000}}\n'
    )
    words = [file if word == "FILE" else word for word in words]
    if "--help" not in words:
        words += ["--db", db]
    with Path("/dev/full").open("wb") as full:
        ended = heatmap(*words, stdout=full, stderr=subprocess.PIPE, text=True)
    assert ended.returncode == ExitCode.PROBLEM
    assert "the output cannot be written: No space left on device" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert "Exception ignored" not in ended.stderr
    command = [sys.executable, "-P", "-m", "Heatmap", *map(str, words)]
    closed = subprocess.run(
        ["bash", "-c", '"$@" <&- >&-', "-", *command], stderr=subprocess.PIPE, text=True, check=False
    )
    assert closed.returncode == 0, closed.stderr
    assert "Traceback" not in closed.stderr
    with Path("/dev/full").open("wb") as full:
        assert heatmap(*words, stdout=subprocess.DEVNULL, stderr=full).returncode == 0


def test_a_reader_that_has_seen_enough_ends_it_quietly(db):
    command = [sys.executable, "-P", "-m", "Heatmap", "export", "--format", "csv", "--output", "-", "--db", str(db)]
    script = 'exec 3>&1; { "$@"; echo "code $?" >&3; } | exec true'
    ended = subprocess.run(
        ["bash", "-c", f"sleep 0; {script}", "-", *command],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert "Traceback" not in ended.stderr
    assert "Exception ignored" not in ended.stderr
    # Either it had written all before the reader went, or it noticed.
    assert re.search(r"code (0|141)", ended.stdout)


# As a user without an entry in the system's list and without a home; after the change of user Python's own modules may
# not be readable any more, so one run as root loads them.
WITHOUT_HOME = """
import os, sys
from Heatmap import cli
for words in ([*sys.argv[2:], "--db", sys.argv[1]], ["status", "--db", sys.argv[1]]):
    try:
        cli.main(words)
    except SystemExit:
        pass
sys.stdout.flush(); sys.stderr.flush()
os.environ.clear()
if os.getuid() == 0:
    os.setuid(54321)
os.write(2, b"=====")
sys.exit(cli.main(sys.argv[2:]))
"""


@pytest.mark.parametrize(
    "words",
    [["status"], ["export", "--format", "csv", "--output", "-"], ["import", str(ROOT / "README.md")], ["vacuum"],
     ["collect", "--duration", "0.1", "--ws-url", "ws://127.0.0.1:9", "--rest-url", "http://127.0.0.1:9"]],
)  # fmt: skip
def test_a_user_without_a_home_is_told_to_name_the_database(db, words):
    if os.getuid() != 0:
        pytest.skip("only root can become a user that does not exist")
    with tempfile.TemporaryDirectory() as folder:
        ended = subprocess.run(
            [sys.executable, "-P", "-c", WITHOUT_HOME, str(db), *words], cwd=folder, capture_output=True, text=True,
            timeout=PATIENCE_S, check=False,
        )  # fmt: skip
    said = ended.stderr.partition("=====")[2]
    assert "Traceback" not in ended.stderr, ended.stderr
    assert "set HOME, or name the database with --db" in said
    assert ended.returncode in (ExitCode.PROBLEM, ExitCode.USAGE)


def test_the_default_database_of_a_user_without_a_home_is_a_sentence(monkeypatch):
    def nobody(_):
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr("platformdirs.user_data_dir", lambda *_, **__: nobody(None))
    with pytest.raises(StorageError) as refused:
        default_db_path()
    assert "HOME" in refused.value.short


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("1795780000", "seem to be seconds"),
        ("1795780000000000", "seem to be microseconds"),
        ("1795780000000000000", "seem to be nanoseconds"),
        ("999999999999", "13 digits"),
    ],
)
def test_a_time_in_another_unit_is_not_1970(db, capsys, text, words):
    for option in ("--from", "--to"):
        with pytest.raises(SystemExit) as ended:
            main(["export", "--format", "csv", "--output", "-", "--db", str(db), option, text])
        assert ended.value.code == ExitCode.USAGE
        assert words in capsys.readouterr().err


def test_an_unknown_command_is_named_and_the_known_ones_are_listed(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["recrod", "--db", "x.sqlite3"])
    assert ended.value.code == ExitCode.USAGE
    assert "there is no command 'recrod', but bench, collect, doctor, export," in capsys.readouterr().err


@pytest.mark.parametrize(
    "words",
    [
        ["status"],
        ["status", "--json"],
        ["vacuum"],
        ["import", __file__],
        ["export", "--format", "csv", "--output", "-"],
    ],
)
def test_a_place_where_no_record_can_ever_be_is_a_wrong_argument(tmp_path, words):
    (tmp_path / "text").write_text("dear all, " * 1000)
    for place in tmp_path, tmp_path / "text":
        assert main([*words, "--db", str(place)]) == ExitCode.USAGE


def test_a_file_of_which_nothing_is_understood_is_no_success(db, tmp_path, capsys):
    unknown, prices = tmp_path / "unknown.jsonl", tmp_path / "mixed.jsonl"
    order = '{"e":"forceOrder","o":{"s":"BTCUSDT","S":"SELL","ap":"1","p":"1","q":"1","z":"1","T":1790000000001}}'
    unknown.write_text('{"ts_recv":1,"raw":{"what":"BTCUSDT","at":61000.5}}\n' * 3)
    assert main(["import", str(unknown), "--db", str(db)]) == ExitCode.PROBLEM
    assert "no names that are known" in "".join(capsys.readouterr())
    prices.write_text('{"e":"markPriceUpdate","E":1790000000001,"s":"BTCUSDT","p":"1"}\n' + order + "\n")
    assert main(["import", str(prices), "--db", str(db)]) == ExitCode.OK
    # Known already is understood, too.
    assert main(["import", str(prices), "--db", str(db)]) == ExitCode.OK


def test_a_collector_that_never_received_anything_says_so(tmp_path):
    ended = heatmap(
        "collect", "--db", tmp_path / "x.sqlite3", "--duration", "11", "--ws-url", "ws://127.0.0.1:9", "--rest-url",
        "http://127.0.0.1:9", stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert ended.returncode == ExitCode.NOTHING
    assert "No market data ever arrived" in ended.stderr


def test_the_table_of_the_readme_names_each_code_and_no_other():
    text = (ROOT / "Heatmap" / "docs" / "commands.md").read_text()
    table = text.partition("| exit code |")[2].partition("\n\n")[0]
    listed = {int(number) for number in re.findall(r"^\| (\d+) \|", table, re.MULTILINE)}
    assert listed == {code.value for code in ExitCode}


def test_each_command_takes_its_codes_from_the_table():
    for _, module in COMMANDS.values():
        source = (ROOT / f"{module.replace('.', '/')}.py").read_text()
        assert not re.search(r"^EXIT_|return \d$", source, re.MULTILINE), module


def test_a_library_that_qt_lacks_is_named_in_a_sentence():
    """As on a bare system: Python finds a module of Qt, and a library that it needs is not there."""
    code = """
import sys
from Heatmap.cli import main

class Broken:
    def find_spec(self, name, path, target=None):
        if name == "PyQt6.QtWebEngineCore":
            raise ImportError("libexample.so.1: cannot open shared object file")

sys.meta_path.insert(0, Broken())
sys.exit(main(["--demo"]))
"""
    ended = subprocess.run(
        [sys.executable, "-P", "-c", code],
        env={**os.environ, "DISPLAY": ":none"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert ended.returncode == ExitCode.PROBLEM
    assert ended.stderr.startswith("heatmap: Qt cannot be loaded: libexample.so.1: cannot open shared object file.")
    assert "Traceback" not in ended.stderr
