"""The bits that the page paints for a frame's number."""

from __future__ import annotations

from Heatmap.ui.geometry.frame_stamp import CELLS, NUMBER_BITS, NUMBERS, check_bits


def stamp_bits(number: int) -> tuple[int, ...]:
    """Return the `CELLS` bits of a frame's number (modulo `NUMBERS`), left to right."""
    kept = number % NUMBERS
    word = kept | check_bits(kept) << NUMBER_BITS
    return tuple(word >> bit & 1 for bit in range(CELLS))
