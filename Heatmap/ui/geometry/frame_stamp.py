"""The number that the page paints into each frame: one bit per cell, and check bits. Pure.

``js/frame_stamp.js`` paints it. A bit is alpha 3/255 or nothing in a cell of the transparent page, which arrives as
exactly 3 or 0 in the frame buffer; anything else means that something lies over the strip.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

NUMBER_BITS: Final = 16
CHECK_BITS: Final = 8
CELLS: Final = NUMBER_BITS + CHECK_BITS
NUMBERS: Final = 1 << NUMBER_BITS
"""Numbers begin again after so many frames, a quarter of an hour at 60 frames/s."""

ALPHA: Final = 3
# Rounding on the way through blending and texture formats.
_ALPHA_SLACK: Final = 1
_POLYNOMIAL: Final = 0x07
_BEGIN: Final = 0xFF  # so that an empty strip is no number


@dataclass(frozen=True, slots=True)
class StampPlace:
    """Where the page painted a row of stamps, all of the same number.

    Attributes
    ----------
    left_px, top_px
        Upper left corner in device pixels of the page, which begins where the view does.
    cell_px
        Width and height of one bit's cell in device pixels.
    copies
        Number of stamps side by side.
    """

    left_px: int
    top_px: int
    cell_px: int
    copies: int = 1

    @property
    def width_px(self) -> int:
        """Return the width of all stamps in device pixels."""
        return self.cell_px * CELLS * self.copies

    @property
    def middle_px(self) -> int:
        """Return the row of device pixels through the cells' middle, counted from the top."""
        return self.top_px + self.cell_px // 2


def check_bits(number: int) -> int:
    """Return the CRC-8 of a number's two bytes, lower byte first."""
    check = _BEGIN
    for byte in (number & 0xFF, number >> 8 & 0xFF):
        check ^= byte
        for _ in range(8):
            check = (check << 1 ^ _POLYNOMIAL) & 0xFF if check & 0x80 else check << 1
    return check


def stamp_bits(number: int) -> tuple[int, ...]:
    """Return the `CELLS` bits of a frame's number (modulo `NUMBERS`), left to right."""
    kept = number % NUMBERS
    word = kept | check_bits(kept) << NUMBER_BITS
    return tuple(word >> bit & 1 for bit in range(CELLS))


def read_copies(alphas: bytes, copies: int) -> int | None:
    """Return the number of the first of several stamps side by side that can be read, None if none can.

    Parameters
    ----------
    alphas
        Alpha of one row of device pixels through all of them, 0 to 255 each.
    copies
        How many there are.
    """
    width = len(alphas) // copies
    for begin in range(0, width * copies, width):
        number = read_stamp(alphas[begin : begin + width])
        if number is not None:
            return number
    return None


def read_stamp(alphas: bytes) -> int | None:
    """Return the number in one stamp, or None if it holds none.

    Parameters
    ----------
    alphas
        Alpha of one row of device pixels through the strip, 0 to 255 each; a multiple of `CELLS` long.
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
