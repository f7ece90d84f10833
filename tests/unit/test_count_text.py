"""Counts with their nouns: one row, not one rows."""

from __future__ import annotations

import pytest

from Heatmap.count_text import counted


@pytest.mark.parametrize(("number", "text"), [(0, "0 rows"), (1, "1 row"), (2, "2 rows"), (1203, "1,203 rows")])
def test_one_is_singular(number, text):
    assert counted(number, "row") == text
