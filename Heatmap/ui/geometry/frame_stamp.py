"""The frame number that ``js/frame_stamp.js`` paints into each frame of the page: 16 bits and a CRC-8, one cell a bit.

A set bit is alpha 3/255, a clear one alpha 0; they arrive unchanged in the frame buffer of the transparent page.
Anything else means that something covers the cells.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

NUMBER_BITS: Final = 16
CELLS: Final = NUMBER_BITS + 8
# Numbers repeat after so many frames, a quarter of an hour at 60 frames/s.
NUMBERS: Final = 1 << NUMBER_BITS
ALPHA: Final = 3
# Rounding by blending and texture formats.
_ALPHA_SLACK: Final = 1
_POLYNOMIAL: Final = 0x07
_INITIAL: Final = 0xFF  # not 0: cells that are all empty must fail the check


@dataclass(frozen=True, slots=True)
class StampPlace:
    """Where the page painted a row of stamps, all of the same number; device pixels of page and view."""

    left_px: int
    top_px: int
    cell_px: int  # width and height of a cell
    copies: int = 1  # stamps side by side

    @property
    def width_px(self) -> int:
        return self.cell_px * CELLS * self.copies

    @property
    def middle_px(self) -> int:
        """Row of device pixels through the cells' middle, counted from the top."""
        return self.top_px + self.cell_px // 2


def check_bits(number: int) -> int:
    """Return the CRC-8 of a number's two bytes, lower byte first."""
    check = _INITIAL
    for byte in (number & 0xFF, number >> 8 & 0xFF):
        check ^= byte
        for _ in range(8):
            check = (check << 1 ^ _POLYNOMIAL) & 0xFF if check & 0x80 else check << 1
    return check


def read_copies(alphas: bytes, copies: int) -> int | None:
    """Return the number of the first readable of several stamps side by side, None if there is none."""
    width = len(alphas) // copies
    numbers = (read_stamp(alphas[begin : begin + width]) for begin in range(0, width * copies, width))
    return next((number for number in numbers if number is not None), None)


def read_stamp(alphas: bytes) -> int | None:
    """Return the number of one stamp, or None if it is not readable.

    ``alphas`` are those of one row of device pixels through the cells, a multiple of `CELLS`.
    """
    cell_px = len(alphas) // CELLS
    if cell_px < 1 or len(alphas) != cell_px * CELLS:
        raise ValueError(f"expected a multiple of {CELLS} pixels, was {len(alphas)}")
    word = 0
    for bit, alpha in enumerate(alphas[cell_px // 2 :: cell_px]):
        if abs(alpha - ALPHA) <= _ALPHA_SLACK:
            word |= 1 << bit
        elif alpha != 0:
            return None
    number = word % NUMBERS
    return number if word >> NUMBER_BITS == check_bits(number) else None
