"""What strangers wrote stays within its line, whatever it contains."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from Heatmap.errors import BridgeError, FeedError, FrameError, HeatmapError, RowError
from Heatmap.foreign_text import csv_cell, from_csv_cell, one_line
from Heatmap.ingestion.failure import Failure


@given(st.text(st.characters(), max_size=60), st.integers(1, 80))
def test_any_text_is_one_printable_line(text, most):
    line = one_line(text, most=most)
    assert len(line) <= most
    assert line.encode().decode().replace("\xa0", " ").replace("\u202f", " ").isprintable()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("BTCUSDT", "BTCUSDT"),
        ("Größe 1\xa0000 牛来", "Größe 1\xa0000 牛来"),
        ("a\r\nERROR b", r"a\r\nERROR b"),
        ("\x1b[2J", r"\x1b[2J"),
        ("\u202egnp.exe\u2028", r"\u202egnp.exe\u2028"),
        ("half \ud800", r"half \ud800"),
        ("x" * 3000, "x" * 1999 + "…"),
    ],
)
def test_what_is_not_printable_is_escaped(text, shown):
    assert one_line(text) == shown


FORGED = "fault\n2026-01-01 00:00:00,000 ERROR Heatmap: forged\x1b[31m" + "x" * 5000


@pytest.mark.parametrize(
    "error",
    [
        HeatmapError(FORGED),
        HeatmapError("fine", short=FORGED),
        FeedError(FORGED, reason="http"),
        FrameError(FORGED, kind="bad-side"),
        BridgeError(FORGED),
        RowError("bad-side", FORGED),
    ],
)
def test_no_error_of_this_package_has_more_than_a_line(error):
    assert str(error).isprintable()
    assert error.short.isprintable()
    assert max(len(str(error)), len(error.short)) <= 2000


def test_nor_has_the_reason_of_a_failed_connection():
    detail = Failure("closed", f"127.0.0.1 closed the connection ({FORGED}).").detail
    assert detail.isprintable()
    assert len(detail) <= 500


@given(st.text(st.sampled_from("'=+-@\t\r\na1"), max_size=6))
def test_no_cell_of_a_table_is_a_formula_and_all_come_back(text):
    cell = csv_cell(text)
    assert not cell.startswith(("=", "+", "-", "@", "\t", "\r", "\n"))
    assert from_csv_cell(cell) == text


def test_numbers_and_usual_texts_are_cells_as_they_are():
    for value in (-1.5, 7, None, "BTCUSDT", '{"e":1}', "it's", "牛来USDT"):
        assert csv_cell(value) is value
