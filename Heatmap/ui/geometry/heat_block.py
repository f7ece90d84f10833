"""Where an image has heat at all: empty parts, most of a map of realised liquidations, need not be painted. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

BLOCK_COLS: Final = 32
# Blending reaches into the neighbouring cell, and so does a pixel that lies on a border.
_REACH: Final = 1


@dataclass(frozen=True, slots=True)
class HeatBlock:
    """Some columns of an image and the rows among which all their heat lies.

    Attributes
    ----------
    first_col, last_col
        Columns ``[first_col, last_col)``.
    first_row, last_row
        Rows ``[first_row, last_row)``, row 0 the highest price.
    """

    first_col: int
    last_col: int
    first_row: int
    last_row: int


def heat_blocks(rgba: NDArray[np.uint8]) -> tuple[HeatBlock, ...]:
    """Return the blocks of an image, uint8 ``(rows, cols, 4)``, that hold heat, from left to right."""
    rows, cols, _ = rgba.shape
    cells = rgba.view(np.uint32)[:, :, 0]
    blocks = []
    for begin in range(0, cols, BLOCK_COLS):
        end = min(begin + BLOCK_COLS, cols)
        occupied = np.flatnonzero(cells[:, max(begin - _REACH, 0) : end + _REACH].any(axis=1))
        if len(occupied):
            top, bottom = int(occupied[0]) - _REACH, int(occupied[-1]) + 1 + _REACH
            blocks.append(HeatBlock(begin, end, max(top, 0), min(bottom, rows)))
    return tuple(blocks)
