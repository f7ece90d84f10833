"""The progress bar: on a terminal only, not too often, and gone in the end."""

from __future__ import annotations

import io

from Heatmap.commands.progress_bar import ProgressBar


class Terminal(io.StringIO):
    def isatty(self):
        return True


class Clock:
    def __init__(self):
        self.s = 100.0

    def now_ms(self):
        return 0

    def monotonic_s(self):
        return self.s


def test_nothing_is_written_where_nobody_looks():
    stream = io.StringIO()
    with ProgressBar(stream) as bar:
        bar.update("a.csv", 0.5, 10)
    assert stream.getvalue() == ""


def test_a_terminal_sees_rate_and_remaining_time_and_then_nothing():
    stream, clock = Terminal(), Clock()
    with ProgressBar(stream, clock=clock) as bar:
        bar.update("a.csv", 0.0, 0)
        clock.s += 10
        bar.update("a.csv", 0.25, 50_000)
        shown = stream.getvalue()
        assert " 25%" in shown
        assert "50,000 rows" in shown
        assert "5,000/s" in shown
        assert "0:30 left" in shown
        clock.s += 0.05
        bar.update("a.csv", 0.26, 52_000)
        assert stream.getvalue() == shown
    assert stream.getvalue().endswith("\r\x1b[K")


def test_the_line_fits_the_terminal(monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    assert len(ProgressBar.line("n" * 80, 0.5, 1_000_000, 7.0)) == 39
