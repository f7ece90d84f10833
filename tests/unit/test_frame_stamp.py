"""The number in the picture: what is read is what was painted, or nothing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.stamps import stamp_bits

from Heatmap.ui.geometry.frame_stamp import (
    ALPHA,
    CELLS,
    NUMBERS,
    StampPlace,
    check_bits,
    read_copies,
    read_stamp,
)


def strip(number: int, cell_px: int = 2) -> bytearray:
    return bytearray(bit * ALPHA for bit in stamp_bits(number) for _ in range(cell_px))


@given(st.integers(0, 10**9), st.integers(1, 9))
def test_what_was_painted_is_read(number, cell_px):
    assert read_stamp(bytes(strip(number, cell_px))) == number % NUMBERS


def test_the_check_sum_is_the_one_of_the_standard():
    """CRC-8 by long division: the first byte inverted, eight zeros behind, modulo x^8 + x^2 + x + 1."""
    for message in (0x1234, 0x0000, 0xFFFF, 0x0100):
        remainder = (message ^ 0xFF00) << 8
        while remainder.bit_length() > 8:
            remainder ^= 0b1_0000_0111 << (remainder.bit_length() - 9)
        swapped = (message & 0xFF) << 8 | message >> 8
        assert check_bits(swapped) == remainder


@given(st.integers(0, NUMBERS - 1), st.sets(st.integers(0, CELLS - 1), min_size=1, max_size=2))
def test_one_or_two_wrong_bits_are_noticed(number, wrong):
    cells = strip(number, 1)
    for bit in wrong:
        cells[bit] = 0 if cells[bit] else ALPHA
    assert read_stamp(bytes(cells)) is None


@given(st.integers(0, NUMBERS - 1), st.integers(1, CELLS - 1))
def test_a_burst_as_long_as_the_check_bits_is_noticed(number, first):
    """What lies over the strip covers neighbours."""
    cells = strip(number, 1)
    for bit in range(first, min(first + 8, CELLS)):
        cells[bit] = 0 if cells[bit] else ALPHA
    assert read_stamp(bytes(cells)) is None


@pytest.mark.parametrize("alpha", [0, 1, ALPHA, 255])
def test_a_plain_strip_is_no_number(alpha):
    assert read_stamp(bytes([alpha] * CELLS * 3)) is None


@given(st.integers(0, NUMBERS - 1), st.integers(0, CELLS - 1), st.integers(ALPHA + 2, 255))
def test_anything_painted_over_a_cell_is_noticed(number, at, alpha):
    cells = strip(number, 1)
    cells[at] = alpha
    assert read_stamp(bytes(cells)) is None


@given(st.integers(0, NUMBERS - 1))
def test_rounding_by_one_is_forgiven(number):
    assert read_stamp(bytes(alpha + 1 if alpha else 0 for alpha in strip(number))) == number
    assert read_stamp(bytes(alpha - 1 if alpha else 0 for alpha in strip(number))) == number


def test_a_strip_of_another_length_is_refused():
    with pytest.raises(ValueError, match="multiple of 24"):
        read_stamp(bytes(CELLS + 1))


def test_the_row_that_is_read_goes_through_the_cells_middle():
    place = StampPlace(left_px=10, top_px=100, cell_px=4)
    assert place.middle_px == 102
    assert place.width_px == 96
    assert StampPlace(left_px=10, top_px=100, cell_px=4, copies=3).width_px == 288


@given(st.integers(0, NUMBERS - 1), st.integers(0, 3), st.integers(1, 3))
def test_one_readable_copy_is_enough(number, whole, cell_px):
    """A grid line crosses all the others."""
    strips = [strip(number, cell_px) for _ in range(4)]
    for at, each in enumerate(strips):
        if at != whole:
            each[5 * cell_px : 6 * cell_px] = bytes([26] * cell_px)
    assert read_copies(b"".join(strips), 4) == number
    strips[whole][:cell_px] = bytes([255] * cell_px)
    assert read_copies(b"".join(strips), 4) is None
