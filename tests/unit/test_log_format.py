"""Lines for a terminal carry the time; lines for the journal carry a priority instead."""

from __future__ import annotations

import logging
import os
import subprocess
import sys

import pytest

from Heatmap.log import JournalFormatter, LineFormatter, goes_to_journal

SPEAK = """
import logging
from Heatmap.log import configure_logging
configure_logging()
logging.getLogger("Heatmap.x").warning("hello")
"""


def record(level, message, exc_info=None):
    return logging.LogRecord("Heatmap.x", level, __file__, 1, message, (), exc_info)


@pytest.mark.parametrize(
    ("level", "priority"),
    [(logging.DEBUG, "<7>"), (logging.INFO, "<6>"), (logging.WARNING, "<4>"), (logging.ERROR, "<3>")],
)
def test_each_line_begins_with_its_priority(level, priority):
    assert JournalFormatter().format(record(level, "one")) == f"{priority}Heatmap.x: one"


def test_a_traceback_keeps_its_priority_to_the_last_line():
    try:
        1 / 0  # noqa: B018 - for its traceback
    except ZeroDivisionError:
        text = JournalFormatter().format(record(logging.ERROR, "oh", sys.exc_info()))
    assert len(text.splitlines()) > 3
    assert all(line.startswith("<3>") for line in text.splitlines())


FORGED = "x\n2026-01-01 00:00:00,000 ERROR Heatmap: forged\r\x1b[2J\u2028<2>also"


@pytest.mark.parametrize("formatter", [LineFormatter(), JournalFormatter()])
def test_no_message_makes_a_line_of_its_own(formatter):
    (line,) = formatter.format(record(logging.WARNING, f"bad {FORGED!r}: {FORGED}")).splitlines()
    assert line.isprintable()
    try:
        int(FORGED)
    except ValueError:
        text = formatter.format(record(logging.ERROR, "oh", sys.exc_info()))
    first, *others = text.split("\n")
    assert first.endswith("oh")
    assert all(line.removeprefix("<3>").startswith("    ") and line.isprintable() for line in others)


def test_a_long_message_is_cut():
    assert len(LineFormatter().format(record(logging.WARNING, "x" * 100_000))) == 4000


def spoken(tmp_path, monkeypatch, name):
    """What a process says whose standard error is the file that JOURNAL_STREAM may name."""
    path = tmp_path / "stderr"
    with path.open("w+") as stream:
        found = os.fstat(stream.fileno())
        monkeypatch.setenv("JOURNAL_STREAM", name or f"{found.st_dev}:{found.st_ino}")
        assert goes_to_journal(stream) is not name
        subprocess.run([sys.executable, "-c", SPEAK], stderr=stream, check=True)
    return path.read_text()


def test_in_the_journal_there_is_no_time(tmp_path, monkeypatch):
    assert spoken(tmp_path, monkeypatch, "") == "<4>Heatmap.x: hello\n"


def test_output_that_was_sent_elsewhere_keeps_the_time(tmp_path, monkeypatch):
    assert spoken(tmp_path, monkeypatch, "1:2").endswith("WARNING Heatmap.x: hello\n")


def test_a_stream_that_is_no_file_is_no_journal(monkeypatch, capsys):
    monkeypatch.setenv("JOURNAL_STREAM", "1:2")
    assert not goes_to_journal(sys.stderr)
    capsys.readouterr()
