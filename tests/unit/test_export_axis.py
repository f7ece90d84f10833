"""Marks at round places, labels that can be read."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from Heatmap.exporting.picture import DAY_MS, price_marks, time_marks

MIDNIGHT = 1_790_035_200_000


def test_time_marks_are_round_and_midnight_is_a_date():
    marks = time_marks(MIDNIGHT - 2 * 3_600_000, MIDNIGHT + 6 * 3_600_000, 11)
    assert [mark.label for mark in marks] == ["22:00", "23:00", "09-22", *(f"0{hour}:00" for hour in range(1, 6))]
    assert [mark.share for mark in marks] == pytest.approx([hour / 8 for hour in range(8)])
    assert time_marks(MIDNIGHT, MIDNIGHT + 200 * DAY_MS, 10)[0].label.count("-") == 2


def test_price_marks_are_round():
    assert [mark.label for mark in price_marks(84_990.0, 86_010.0, 6)] == [
        "85,000", "85,200", "85,400", "85,600", "85,800", "86,000",
    ]  # fmt: skip
    assert [mark.label for mark in price_marks(0.1001, 0.1013, 6)] == [
        "0.1002", "0.1004", "0.1006", "0.1008", "0.1010", "0.1012",
    ]  # fmt: skip


@given(
    low=st.floats(0, 1e6), span=st.floats(1e-6, 1e6), most=st.integers(1, 20), start=st.integers(1, 4_000_000_000_000),
    length=st.integers(1, 400 * DAY_MS),
)  # fmt: skip
def test_marks_lie_on_the_axis_in_order_and_are_not_too_many(low, span, most, start, length):
    if low + span > low:
        marks = price_marks(low, low + span, most)
        assert len(marks) <= most
        assert all(-1e-6 <= mark.share <= 1 + 1e-6 for mark in marks)
    marks = time_marks(start, start + length, most)
    shares = [mark.share for mark in marks]
    assert len(marks) <= most
    assert shares == sorted(set(shares))
    assert all(0 <= share < 1 for share in shares)
