"""No command runs code of the working directory, however many names of modules lie there."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from support.record import event

from Heatmap.cli import COMMANDS
from Heatmap.exit_code import ExitCode
from Heatmap.storage.sqlite.bulk_insert import bulk_insert

TESTS = Path(__file__).resolve().parents[1]
HEATMAP = Path(sys.executable).with_name("heatmap")
PATIENCE_S = 110
OFFLINE = ("--ws-url", "ws://127.0.0.1:9", "--rest-url", "http://127.0.0.1:9")
# What each command is started with, and how it may end: within a second the window may not show a chart yet.
RUNS = {
    "": (
        ("--demo", "--screenshot", "{new}.png", "--after", "1", "--db", "{new}.sqlite3"),
        {ExitCode.OK, ExitCode.NO_PICTURE},
    ),
    "collect": (("--duration", "0.1", "--db", "{new}.sqlite3", *OFFLINE), {ExitCode.OK}),
    "status": (("--db", "{db}"), {ExitCode.OK}),
    "import": (("{csv}", "--db", "{new}.sqlite3"), {ExitCode.OK}),
    "export": (("--format", "parquet", "--output", "{new}.parquet", "--db", "{db}"), {ExitCode.OK}),
    "bench": (("--events", "1", "--rounds", "1"), {ExitCode.OK}),
    "vacuum": (("--db", "{db}"), {ExitCode.OK}),
    "install-desktop": ((), {ExitCode.OK if sys.platform == "linux" else ExitCode.PROBLEM}),
    "doctor": (("--db", "{db}", *OFFLINE), {ExitCode.PROBLEM}),  # the exchange cannot be reached
}


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A folder with a record, a table of it, and a folder of modules that note that they ran."""
    folder = tmp_path_factory.mktemp("files")
    bulk_insert(folder / "record.sqlite3", [event(0)])
    command = [
        HEATMAP,
        "export",
        "--format",
        "csv",
        "--output",
        folder / "table.csv",
        "--db",
        folder / "record.sqlite3",
    ]
    subprocess.run(command, check=True, capture_output=True)
    hostile = folder / "hostile"
    installed = {name for name in packages_distributions() if name.isidentifier()}
    for name in {*sys.stdlib_module_names, *installed, "sitecustomize", "usercustomize", "Heatmap"}:
        as_package = name in {"PyQt6", "numba", "Heatmap"}
        file = hostile / name / "__init__.py" if as_package else hostile / f"{name}.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"open({str(folder / 'ran')!r}, 'a').write({name!r} + chr(10))\nraise SystemExit(97)\n")
    return folder


@pytest.fixture
def run(files, tmp_path):
    """Run a command line in the hostile folder; return its exit code, after checking that nothing there ran."""

    def run(*command, cwd=files / "hostile"):
        names = {"db": files / "record.sqlite3", "csv": files / "table.csv", "new": tmp_path / "new"}
        line = [str(word).format(**names) for word in command]
        done = subprocess.run(line, cwd=cwd, capture_output=True, text=True, check=False, timeout=PATIENCE_S)
        ran = files / "ran"
        found = ran.read_text().split() if ran.exists() else []
        ran.unlink(missing_ok=True)
        assert found == [], done.stderr
        return done.returncode, done.stderr

    return run


@pytest.fixture(scope="module")
def beside_the_interpreter(files):
    """The hostile folder without what Python itself imports before any of our code: that nobody can prevent."""
    code = "import runpy, sys; print(*sys.modules)"
    first = subprocess.run(
        [sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    folder = files / "left"
    folder.mkdir()
    for path in (files / "hostile").iterdir():
        if path.stem not in {*first, "Heatmap"}:
            (folder / path.name).symlink_to(path)
    assert len(list(folder.iterdir())) > 250
    return folder


def test_every_command_is_tried():
    assert set(RUNS) == {"", *COMMANDS}


@pytest.mark.timeout(PATIENCE_S + 10)
@pytest.mark.parametrize("name", RUNS)
def test_a_command_runs_nothing_of_the_working_directory(run, name):
    words, codes = RUNS[name]
    code, said = run(HEATMAP, *filter(None, [name]), *words)
    assert code in codes, said


@pytest.mark.timeout(PATIENCE_S + 10)
@pytest.mark.parametrize("name", ["collect", "status", "import", "export", "vacuum", "doctor"])
def test_python_m_runs_nothing_of_it_either(run, beside_the_interpreter, name):
    words, codes = RUNS[name]
    code, said = run(sys.executable, "-m", "Heatmap", name, *words, cwd=beside_the_interpreter)
    assert code in codes, said


def test_python_p_m_is_safe_from_everything(run):
    code, said = run(sys.executable, "-P", "-m", "Heatmap", "status", "--db", "{db}")
    assert code == ExitCode.OK, said


@pytest.mark.parametrize("name", ["headless_recorder", "strategy_listener"])
def test_an_example_runs_nothing_of_it(run, tmp_path, monkeypatch, name):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    runner, script = TESTS / "support" / "run_script.py", TESTS / "examples" / f"{name}.py"
    code, said = run(sys.executable, runner, OFFLINE[1], OFFLINE[3], script, "0.2")
    assert "Traceback" not in said
    assert code == (name == "headless_recorder"), said  # which has nothing to show
