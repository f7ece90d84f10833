"""The examples for strategy code run as their readers would run them, against an exchange on loopback."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from support.exchange import ScriptedExchange
from support.frames import T, liquidation, mark_price
from support.record import event

from Heatmap.storage.sqlite.bulk_insert import bulk_insert

TESTS = Path(__file__).resolve().parents[1]
EXAMPLES = sorted((TESTS / "examples").glob("*.py"))
FRAMES = [
    *(liquidation(1000 * number) for number in range(20)),
    *(mark_price(T + 10_000 * number) for number in range(61)),
]


@pytest.fixture
def run(tmp_path):
    def run(name, *arguments):
        with ScriptedExchange(FRAMES) as exchange:
            script = str(TESTS / "examples" / name)
            command = [sys.executable, "-P", str(TESTS / "support" / "run_script.py")]
            return subprocess.run(
                [*command, exchange.ws_url, exchange.rest_url, script, *arguments],
                env=os.environ | {"XDG_DATA_HOME": str(tmp_path), "HOME": str(tmp_path)},
                capture_output=True, text=True, check=False, timeout=100,
            )  # fmt: skip

    return run


def test_the_recorder_shows_a_table(run):
    done = run("headless_recorder.py", "1.5")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("20 liquidations arrived.")
    assert "2026-09-21 14:00:00+00:00  425002.5" in done.stdout
    assert "recorded: 0.17 hours" in done.stdout


def test_the_recorder_says_why_there_is_nothing(run, monkeypatch):
    monkeypatch.setattr(sys.modules[__name__], "FRAMES", [])
    done = run("headless_recorder.py", "0.5")
    assert done.returncode == 1
    assert "'BTCUSDT' is not recorded in" in done.stderr


def test_the_listener_hears_what_comes(run, tmp_path):
    first = run("strategy_listener.py", "1.5")
    assert (first.returncode, first.stderr) == (0, "")
    assert first.stdout.startswith("There is no database")
    assert first.stdout.count("BTCUSDT SELL 85000.5") == 20
    past = [event(-number, qty=1.0, received_ms=T - number) for number in range(40)]
    bulk_insert(tmp_path / "Heatmap" / "liquidations.sqlite3", past)
    again = run("strategy_listener.py", "0.3")
    assert (again.returncode, again.stderr) == (0, "")
    assert int(again.stdout.split(" ", 1)[0]) > 20, again.stdout


def test_no_example_has_the_name_of_a_module():
    # The folder of a script is first on its path.
    assert not {path.stem for path in EXAMPLES} & {*sys.stdlib_module_names, "qasync", "pandas", "lightweight_charts"}


@pytest.mark.parametrize("name", ["headless_recorder.py", "strategy_listener.py"])
def test_an_example_is_shorter_than_a_screen(name):
    assert len((TESTS / "examples" / name).read_text(encoding="utf-8").splitlines()) <= 45


def test_the_first_lines_of_the_page_work(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    bulk_insert(tmp_path / "Heatmap" / "liquidations.sqlite3", [event(number) for number in range(5)])
    page = (TESTS.parent / "Heatmap" / "docs" / "data.md").read_text(encoding="utf-8")
    found = {}
    exec(page.split("```python\n")[1].split("```")[0], found)  # noqa: S102 - our own
    assert len(found["table"]) == 5
    assert found["grid"].values.sum() == found["profile"].long_usd.sum() == found["table"].notional.sum()
