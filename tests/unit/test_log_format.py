"""Lines for a terminal carry the time; lines for the journal carry a priority instead."""

from __future__ import annotations

import logging
import os
import subprocess
import sys

import pytest

from Heatmap.log import JournalFormatter, goes_to_journal

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
    assert JournalFormatter().format(record(level, "one\ntwo")) == f"{priority}Heatmap.x: one\n{priority}two"


def test_a_traceback_keeps_its_priority_to_the_last_line():
    try:
        1 / 0  # noqa: B018 - for its traceback
    except ZeroDivisionError:
        text = JournalFormatter().format(record(logging.ERROR, "oh", sys.exc_info()))
    assert len(text.splitlines()) > 3
    assert all(line.startswith("<3>") for line in text.splitlines())


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
