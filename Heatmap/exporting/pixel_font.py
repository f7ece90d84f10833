"""Letters of 5 × 7 pixels for the axes of a picture: capitals, digits and the few signs that axes need."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

GLYPH_WIDTH: Final = 5
GLYPH_HEIGHT: Final = 7
_ADVANCE: Final = GLYPH_WIDTH + 1

# Seven rows from the top, each a number from 0 to 31 whose bits are its pixels, the highest at the left.
_GLYPHS: Final[dict[str, tuple[int, ...]]] = {
    " ": (0, 0, 0, 0, 0, 0, 0),
    "0": (14, 17, 19, 21, 25, 17, 14),
    "1": (4, 12, 4, 4, 4, 4, 14),
    "2": (14, 17, 1, 6, 8, 16, 31),
    "3": (14, 17, 1, 6, 1, 17, 14),
    "4": (2, 6, 10, 18, 31, 2, 2),
    "5": (31, 16, 30, 1, 1, 17, 14),
    "6": (6, 8, 16, 30, 17, 17, 14),
    "7": (31, 1, 2, 4, 4, 8, 8),
    "8": (14, 17, 17, 14, 17, 17, 14),
    "9": (14, 17, 17, 15, 1, 2, 12),
    "A": (14, 17, 17, 31, 17, 17, 17),
    "B": (30, 17, 17, 30, 17, 17, 30),
    "C": (14, 17, 16, 16, 16, 17, 14),
    "D": (30, 17, 17, 17, 17, 17, 30),
    "E": (31, 16, 16, 30, 16, 16, 31),
    "F": (31, 16, 16, 30, 16, 16, 16),
    "G": (14, 17, 16, 23, 17, 17, 15),
    "H": (17, 17, 17, 31, 17, 17, 17),
    "I": (14, 4, 4, 4, 4, 4, 14),
    "J": (1, 1, 1, 1, 17, 17, 14),
    "K": (17, 18, 20, 24, 20, 18, 17),
    "L": (16, 16, 16, 16, 16, 16, 31),
    "M": (17, 27, 21, 21, 17, 17, 17),
    "N": (17, 25, 25, 21, 19, 19, 17),
    "O": (14, 17, 17, 17, 17, 17, 14),
    "P": (30, 17, 17, 30, 16, 16, 16),
    "Q": (14, 17, 17, 17, 21, 18, 13),
    "R": (30, 17, 17, 30, 20, 18, 17),
    "S": (15, 16, 16, 14, 1, 1, 30),
    "T": (31, 4, 4, 4, 4, 4, 4),
    "U": (17, 17, 17, 17, 17, 17, 14),
    "V": (17, 17, 17, 17, 10, 10, 4),
    "W": (17, 17, 17, 21, 21, 27, 17),
    "X": (17, 17, 10, 4, 10, 17, 17),
    "Y": (17, 17, 10, 4, 4, 4, 4),
    "Z": (31, 1, 2, 4, 8, 16, 31),
    ".": (0, 0, 0, 0, 0, 12, 12),
    ",": (0, 0, 0, 0, 12, 4, 8),
    ":": (0, 12, 12, 0, 12, 12, 0),
    "-": (0, 0, 0, 14, 0, 0, 0),
    "_": (0, 0, 0, 0, 0, 0, 31),
    "(": (2, 4, 8, 8, 8, 4, 2),
    ")": (8, 4, 2, 2, 2, 4, 8),
    "/": (1, 1, 2, 4, 8, 16, 16),
}
# A sign that is not drawn here, such as a symbol's Chinese letters, shows as a frame.
_UNKNOWN: Final = (31, 17, 17, 17, 17, 17, 31)


def text_mask(text: str, scale: int = 1) -> NDArray[np.bool_]:
    """Return a line of text as a mask.

    Parameters
    ----------
    text
        Small letters are drawn as capitals.
    scale
        Side of one pixel of a letter, in pixels of the mask.

    Returns
    -------
    bool (7 × scale, 6 × scale × letters - scale), True where there is ink; row 0 at the top.
    """
    bits = 1 << np.arange(GLYPH_WIDTH - 1, -1, -1)
    mask = np.zeros((GLYPH_HEIGHT, max(len(text) * _ADVANCE - 1, 0)), np.bool_)
    for index, letter in enumerate(text.upper()):
        rows = np.array(_GLYPHS.get(letter, _UNKNOWN))
        mask[:, index * _ADVANCE : index * _ADVANCE + GLYPH_WIDTH] = (rows[:, np.newaxis] & bits) != 0
    return mask.repeat(scale, axis=0).repeat(scale, axis=1)
