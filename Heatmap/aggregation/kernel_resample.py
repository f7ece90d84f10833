"""Stretches the cells of an image over the pixels of a picture, and lays them over what is beneath.

For machines whose OpenGL runs on the processor: there a shader is asked pixel by pixel what it shows. Time depends on x
alone and price on y alone, so a row of pixels is stretched once for all the rows that show the same cells, and copied.

Four channels of 8 bits are worked on at once, each in 16 bits of one integer ("lanes"), with weights from 0 to 256.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from numba import types

from Heatmap.aggregation.kernel_jit import COLOURS_IN, entry, kernel

if TYPE_CHECKING:
    from numpy.typing import NDArray

_LOW: Final = np.uint64(0x00FF00FF)
_HIGH: Final = np.uint64(0xFF00FF00)
_LANES: Final = np.uint64(0x00FF00FF00FF00FF)
_HALVES: Final = np.uint64(0x0080008000800080)
_SPREAD: Final = np.uint64(24)
_BYTE: Final = np.uint64(8)
_ALPHA: Final = np.uint64(48)
_TOP_BIT: Final = np.uint64(7)
_ALL: Final = np.uint64(256)

FIRST: Final = 0
LAST: Final = 1
SHARE: Final = 2

_PLACES_IN: Final = types.Array(types.int32, 2, "C", readonly=True)
_FLOAT32_IN: Final = types.Array(types.float32, 1, "C", readonly=True)
_INT64_IN: Final = types.Array(types.int64, 1, "C", readonly=True)
_UINT8_IN: Final = types.Array(types.uint8, 1, "C", readonly=True)
_LAYER: Final = (COLOURS_IN, _PLACES_IN, _PLACES_IN)


@kernel
def _lanes(pixel: np.uint64) -> np.uint64:
    return (pixel & _LOW) | ((pixel & _HIGH) << _SPREAD)


@kernel
def _packed(lanes: np.uint64) -> np.uint64:
    return (lanes & _LOW) | ((lanes >> _SPREAD) & _HIGH)


@kernel
def _mixed(first: np.uint64, second: np.uint64, share: np.uint64) -> np.uint64:
    """Return a pixel of which ``share`` of 256 is the second one's."""
    sums = _lanes(first) * (_ALL - share) + _lanes(second) * share + _HALVES
    return _packed((sums >> _BYTE) & _LANES)


@kernel
def _over(ground: np.uint64, pixel: np.uint64, opacity: np.uint64) -> np.uint64:
    """Return an opaque pixel with a premultiplied one over it, of which ``opacity`` of 256 is seen."""
    above = ((_lanes(pixel) * opacity + _HALVES) >> _BYTE) & _LANES
    alpha = above >> _ALPHA
    # 255 is all: from there on nothing of the ground is left.
    beneath = ((_lanes(ground) * (_ALL - alpha - (alpha >> _TOP_BIT)) + _HALVES) >> _BYTE) & _LANES
    return _packed(above + beneath)


@kernel
def _blended_row(cells: NDArray[np.uint32], row: int, across: NDArray[np.int32], stretched: NDArray[np.uint32]) -> None:
    """Stretch one row, each pixel between two neighbouring cells."""
    for x in range(stretched.size):
        first = across[0, x]
        if first < 0:
            stretched[x] = 0
        else:
            one, other = np.uint64(cells[row, first]), np.uint64(cells[row, across[1, x] - 1])
            stretched[x] = _mixed(one, other, np.uint64(across[2, x]))


@kernel
def _strongest(
    cells: NDArray[np.uint32], first_row: int, last_row: int, across: NDArray[np.int32], stretched: NDArray[np.uint32]
) -> None:
    """Stretch rows into one, each pixel the strongest of its cells: alpha is the highest byte."""
    for x in range(stretched.size):
        strongest = np.uint32(0)
        for row in range(first_row, last_row):
            for col in range(across[0, x], across[1, x]):
                strongest = max(strongest, cells[row, col])
        stretched[x] = strongest


@kernel
def _single(cells: NDArray[np.uint32], row: int, across: NDArray[np.int32], stretched: NDArray[np.uint32]) -> None:
    """Stretch one row, one cell a pixel."""
    for x in range(stretched.size):
        first = across[0, x]
        stretched[x] = cells[row, first] if first >= 0 else 0


@kernel
def _stretched(  # noqa: PLR0917 - as above
    cells: NDArray[np.uint32],
    across: NDArray[np.int32],
    down: NDArray[np.int32],
    y: int,
    is_smooth: bool,
    is_single: bool,
    kept: NDArray[np.uint32],
    kept_rows: NDArray[np.int64],
    stretched: NDArray[np.uint32],
) -> None:
    """Fill one row of pixels from the cells that lie there."""
    first, last = down[0, y], down[1, y]
    if first < 0:
        stretched[:] = 0
    elif is_smooth:
        # Two neighbouring rows are one even, one odd.
        for row in range(first, last):
            if kept_rows[row & 1] != row:
                _blended_row(cells, row, across, kept[row & 1])
                kept_rows[row & 1] = row
        share = np.uint64(down[2, y])
        upper, lower = kept[first & 1], kept[(last - 1) & 1]
        for x in range(stretched.size):
            stretched[x] = _mixed(np.uint64(upper[x]), np.uint64(lower[x]), share)
    elif is_single and last - first == 1:
        _single(cells, first, across, stretched)
    else:
        _strongest(cells, first, last, across, stretched)


@kernel
def _is_single(across: NDArray[np.int32]) -> bool:
    """Return whether no pixel has more than one cell."""
    most = 0
    for x in range(across.shape[1]):
        most = max(most, across[1, x] - across[0, x])
    return most <= 1


@kernel
def _is_repeated(down: NDArray[np.int32], y: int) -> bool:
    return bool(down[0, y] == down[0, y - 1] and down[1, y] == down[1, y - 1] and down[2, y] == down[2, y - 1])


@kernel
def _hatch(  # noqa: PLR0917 - as above
    hatched: NDArray[np.int64],
    along_x: NDArray[np.float32],
    below: np.float32,
    half_line: np.float32,
    hatching: np.uint64,
    beneath: NDArray[np.uint32],
    heat: NDArray[np.uint32],
    opacity: np.uint64,
    row: NDArray[np.uint32],
) -> None:
    """Paint those pixels of a row anew that are hatched beneath the heat."""
    for x in hatched:
        at = along_x[x] + below
        at -= np.floor(at)
        ground = np.uint64(beneath[x])
        if min(at, np.float32(1) - at) < half_line:
            ground = _over(ground, hatching, _ALL)
        row[x] = _over(ground, np.uint64(heat[x]), opacity)


@entry(
    *_LAYER,
    *_LAYER,
    types.boolean,
    types.uint64,
    types.uint64,
    COLOURS_IN,
    _UINT8_IN,
    _INT64_IN,
    _FLOAT32_IN,
    _FLOAT32_IN,
    types.float32,
    types.uint64,
    types.int64,
    types.int64,
    types.uint32[:, ::1],
    types.uint32[:, ::1],
)
def compose(  # noqa: PLR0917 - as above
    cells: NDArray[np.uint32],
    across: NDArray[np.int32],
    down: NDArray[np.int32],
    old_cells: NDArray[np.uint32],
    old_across: NDArray[np.int32],
    old_down: NDArray[np.int32],
    is_smooth: bool,
    fresh: np.uint64,
    opacity: np.uint64,
    ground: NDArray[np.uint32],
    is_steady: NDArray[np.uint8],
    hatched: NDArray[np.int64],
    along_x: NDArray[np.float32],
    along_y: NDArray[np.float32],
    half_line: np.float32,
    hatching: np.uint64,
    left: int,
    top: int,
    scratch: NDArray[np.uint32],
    picture: NDArray[np.uint32],
) -> None:
    """Fill ``width`` by ``height`` pixels of a picture.

    Pixels and cells are RGBA in the order of bytes, read as uint32; cells are premultiplied.

    Parameters
    ----------
    cells
        (rows, cols), the image.
    across, down
        (3, width) and (3, height): of each column and row of pixels the cells ``[first, last)``, -1 and 0 outside the
        image. Smooth: one or two of them, and how much of 256 is the last one's. Not smooth: the strongest is shown,
        and that number is 0.
    old_cells, old_across, old_down
        The image before.
    fresh
        How much of 256 is the present image's; 256: the one before is not looked at.
    opacity
        How much of 256 of the heat is seen.
    ground
        As large as the picture, opaque: what lies beneath.
    is_steady
        One for each row of the ground: 1 where it is as the one before.
    hatched
        Columns of pixels that are hatched beneath the heat.
    along_x, along_y
        (width,) and (height,): how many distances between two lines right of and below where the hatching begins.
    half_line
        Half the width of a line, in these distances.
    hatching
        The colour of the lines, premultiplied.
    left, top
        Where in the picture the first of these pixels lies.
    scratch
        (6, width).
    picture
        Is filled.
    """
    width, height = across.shape[1], down.shape[1]
    heat, old_heat = scratch[4], scratch[5]
    is_easing = fresh < _ALL
    images, columns, rows, stretched = (cells, old_cells), (across, old_across), (down, old_down), (heat, old_heat)
    is_single, kept_rows = np.zeros(2, np.bool_), np.full((2, 2), -1)
    for layer in range(1 + is_easing):
        is_single[layer] = _is_single(columns[layer])
    for y in range(height):
        is_same = y > 0 and _is_repeated(down, y) and (not is_easing or _is_repeated(old_down, y))
        if not is_same:
            for layer in range(1 + is_easing):
                _stretched(
                    images[layer],
                    columns[layer],
                    rows[layer],
                    y,
                    is_smooth,
                    is_single[layer],
                    scratch[2 * layer : 2 * layer + 2],
                    kept_rows[layer],
                    stretched[layer],
                )
            if is_easing:
                for x in range(heat.size):
                    heat[x] = _mixed(np.uint64(old_heat[x]), np.uint64(heat[x]), fresh)
        row, beneath = picture[top + y][left : left + width], ground[top + y][left : left + width]
        if is_same and is_steady[top + y]:
            row[:] = picture[top + y - 1][left : left + width]
        else:
            for x in range(heat.size):
                row[x] = _over(np.uint64(beneath[x]), np.uint64(heat[x]), opacity)
        _hatch(hatched, along_x, along_y[y], half_line, hatching, beneath, heat, opacity, row)
