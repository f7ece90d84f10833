"""Stretches the cells of an image over the pixels of a picture, and lays them over what is beneath.

For machines whose OpenGL runs on the processor: there a shader is asked pixel by pixel what it shows. Time depends on x
alone and price on y alone, so a row of pixels is stretched once for all the rows that show the same cells, and copied.

Two channels of 8 bits are worked on at once, each in 16 bits of one integer, with weights from 0 to 256. Each step is
said to have 32 bits, which is what it has: Numba would take 64, and no processor multiplies many of those at a time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from numba import types

from Heatmap.aggregation.kernel_jit import COLOURS_IN, FLOAT32_IN, UINT8_IN, entry, group, kernel

if TYPE_CHECKING:
    from numpy.typing import NDArray

    LayerArrays = tuple[NDArray[np.uint32], NDArray[np.int32], NDArray[np.int32]]

_EVEN: Final = np.uint32(0x00FF00FF)
_ODD: Final = np.uint32(0xFF00FF00)
_HALVES: Final = np.uint32(0x00800080)
_BYTE: Final = np.uint32(8)
_ALPHA: Final = np.uint32(24)
_TOP_BIT: Final = np.uint32(7)
_ALL: Final = np.uint32(256)

_PLACES_IN: Final = types.Array(types.int32, 2, "C", readonly=True)
_SPANS_IN: Final = types.Array(types.int64, 2, "C", readonly=True)
_LAYER: Final = group(COLOURS_IN, _PLACES_IN, _PLACES_IN)
_HOW: Final = group(types.boolean, types.uint32, types.uint32)
_GROUND: Final = group(COLOURS_IN, UINT8_IN)
_HATCHING: Final = group(_SPANS_IN, FLOAT32_IN, FLOAT32_IN, types.float32, types.uint32)
_CORNER: Final = group(*(types.int64,) * 2)


@kernel
def _scaled(lanes: np.uint32, share: np.uint32) -> np.uint32:
    """Return two channels times ``share``, not yet divided by 256."""
    return np.uint32(np.uint32(lanes * share) + _HALVES)


@kernel
def _halves(pixel: np.uint32) -> tuple[np.uint32, np.uint32]:
    """Return the channels 0 and 2, and 1 and 3, of a pixel."""
    return np.uint32(pixel & _EVEN), np.uint32(np.uint32(pixel >> _BYTE) & _EVEN)


@kernel
def _mixed(first: np.uint32, second: np.uint32, share: np.uint32) -> np.uint32:
    """Return a pixel of which ``share`` of 256 is the second one's."""
    rest = np.uint32(_ALL - share)
    first_even, first_odd = _halves(first)
    second_even, second_odd = _halves(second)
    even = np.uint32(_scaled(first_even, rest) + np.uint32(second_even * share))
    odd = np.uint32(_scaled(first_odd, rest) + np.uint32(second_odd * share))
    return np.uint32(np.uint32(np.uint32(even >> _BYTE) & _EVEN) | np.uint32(odd & _ODD))


@kernel
def _over(ground: np.uint32, pixel: np.uint32, opacity: np.uint32) -> np.uint32:
    """Return an opaque pixel with a premultiplied one over it, of which ``opacity`` of 256 is seen."""
    even, odd = _halves(pixel)
    even = np.uint32(np.uint32(_scaled(even, opacity) >> _BYTE) & _EVEN)
    odd = np.uint32(_scaled(odd, opacity) & _ODD)
    alpha = np.uint32(odd >> _ALPHA)
    # 255 is all: from there on nothing of the ground is left.
    rest = np.uint32(np.uint32(_ALL - alpha) - np.uint32(alpha >> _TOP_BIT))
    ground_even, ground_odd = _halves(ground)
    even = np.uint32(even + np.uint32(np.uint32(_scaled(ground_even, rest) >> _BYTE) & _EVEN))
    odd = np.uint32(odd + np.uint32(_scaled(ground_odd, rest) & _ODD))
    return np.uint32(even | odd)


@kernel
def _mix(first: NDArray[np.uint32], second: NDArray[np.uint32], share: np.uint32, mixed: NDArray[np.uint32]) -> None:
    for x in range(mixed.size):
        mixed[x] = _mixed(first[x], second[x], share)


@kernel
def _lay_over(
    ground: NDArray[np.uint32], pixels: NDArray[np.uint32], opacity: np.uint32, seen: NDArray[np.uint32]
) -> None:
    for x in range(seen.size):
        seen[x] = _over(ground[x], pixels[x], opacity)


@kernel
def _take(cells: NDArray[np.uint32], places: NDArray[np.int32], taken: NDArray[np.uint32]) -> None:
    """Stretch one row of cells, one cell a pixel; none where the place is negative."""
    for x in range(taken.size):
        place = places[x]
        # Never outside, and without a jump: the compiler takes several at once.
        cell = cells[np.uint32(max(place, np.int32(0)))]
        taken[x] = cell if place >= 0 else np.uint32(0)


@kernel
def _blend(
    first: NDArray[np.uint32], second: NDArray[np.uint32], shares: NDArray[np.int32], blended: NDArray[np.uint32]
) -> None:
    """Blend each pixel of two rows by its own share."""
    for x in range(blended.size):
        blended[x] = _mixed(first[x], second[x], np.uint32(shares[x]))


@kernel
def _take_strongest(
    cells: NDArray[np.uint32], first_row: int, last_row: int, across: NDArray[np.int32], strongest: NDArray[np.uint32]
) -> None:
    """Stretch rows of cells into one, each pixel the strongest of its cells: alpha is the highest byte."""
    for x in range(strongest.size):
        found = np.uint32(0)
        for row in range(first_row, last_row + 1):
            for col in range(across[0, x], across[1, x] + 1):
                found = max(found, cells[row, col])
        strongest[x] = found


@kernel
def _stretched(
    layer: LayerArrays,
    y: int,
    is_smooth: bool,
    is_single: bool,
    kept: NDArray[np.uint32],
    kept_rows: NDArray[np.int64],
    stretched: NDArray[np.uint32],
) -> None:
    """Fill one row of pixels from the cells that lie there."""
    cells, across, down = layer
    first, last = down[0, y], down[1, y]
    if first < 0:
        stretched[:] = 0
    elif is_smooth:
        # Two neighbouring rows are one even, one odd.
        for row in range(first, last + 1):
            if kept_rows[row & 1] != row:
                _take(cells[row], across[0], kept[2])
                _take(cells[row], across[1], kept[3])
                _blend(kept[2], kept[3], across[2], kept[row & 1])
                kept_rows[row & 1] = row
        share = np.uint32(down[2, y])
        _mix(kept[first & 1], kept[last & 1], share, stretched)
    elif is_single and first == last:
        _take(cells[first], across[0], stretched)
    else:
        _take_strongest(cells, first, last, across, stretched)


@kernel
def _is_single(across: NDArray[np.int32]) -> bool:
    """Return whether no pixel has more than one cell."""
    is_single = True
    for x in range(across.shape[1]):
        is_single &= across[0, x] >= across[1, x]
    return is_single


@kernel
def _is_repeated(down: NDArray[np.int32], y: int) -> bool:
    return bool(down[0, y] == down[0, y - 1] and down[1, y] == down[1, y - 1] and down[2, y] == down[2, y - 1])


@kernel
def _hatch(
    along_x: NDArray[np.float32],
    below: np.float32,
    half_line: np.float32,
    hatching: np.uint32,
    ground: NDArray[np.uint32],
    heat: NDArray[np.uint32],
    opacity: np.uint32,
    row: NDArray[np.uint32],
) -> None:
    """Paint a part of a row anew, hatched beneath the heat."""
    for x in range(row.size):
        # Never below 0.
        at = np.float32(along_x[x] + below)
        at = np.float32(at - np.float32(np.int32(at)))
        line = hatching if min(at, np.float32(np.float32(1) - at)) < half_line else np.uint32(0)
        row[x] = _over(_over(ground[x], line, _ALL), heat[x], opacity)


@entry(_LAYER, _LAYER, _HOW, _GROUND, _HATCHING, _CORNER, types.uint32[:, ::1], types.uint32[:, ::1])
def compose(
    layer: LayerArrays,
    old_layer: LayerArrays,
    how: tuple[bool, np.uint32, np.uint32],
    beneath: tuple[NDArray[np.uint32], NDArray[np.uint8]],
    hatching: tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.float32], np.float32, np.uint32],
    corner: tuple[int, int],
    scratch: NDArray[np.uint32],
    picture: NDArray[np.uint32],
) -> None:
    """Fill ``width`` by ``height`` pixels of a picture.

    Pixels and cells are RGBA in the order of bytes, read as uint32; cells are premultiplied.

    Parameters
    ----------
    layer
        The image: cells (rows, cols); across (3, width) and down (3, height), of each column and row of pixels the
        first and the last cell, -1 and -2 outside the image, which may be anywhere. Smooth: one or two, and how much of
        256 is the last one's. Not smooth: the strongest is shown, and that number is 0.
    old_layer
        The image before.
    how
        Whether it is smooth; how much of 256 is the present image's (256: the one before is not looked at); how much of
        256 of the heat is seen.
    beneath
        As large as the picture, opaque, what lies beneath; 1 for each of its rows that is as the one before.
    hatching
        (n, 2), from which column of pixels to which it is hatched beneath the heat; (width,) and (height,), how many
        distances between two lines right of and below where the hatching begins, whose sum is not negative; half the
        width of a line, in these distances; the colour of the lines, premultiplied.
    corner
        Column and row of the picture where the first of these pixels lies.
    scratch
        (11, width).
    picture
        Is filled.
    """
    _, across, down = layer
    old_down = old_layer[2]
    is_smooth, fresh, opacity = how
    ground, is_steady = beneath
    hatched, along_x, along_y, half_line, line_colour = hatching
    left, top = corner
    width, height = across.shape[1], down.shape[1]
    is_easing = fresh < _ALL
    heat = scratch[10] if is_easing else scratch[8]
    layers, stretched = (layer, old_layer), (scratch[8], scratch[9])
    is_single, kept_rows = np.zeros(2, np.bool_), np.full((2, 2), -1)
    for number in range(1 + is_easing):
        is_single[number] = _is_single(layers[number][1])
    ground_row = ground[top][left : left + width]
    for y in range(height):
        is_same = y > 0 and _is_repeated(down, y) and (not is_easing or _is_repeated(old_down, y))
        if not is_same:
            for number in range(1 + is_easing):
                kept = scratch[4 * number : 4 * number + 4]
                _stretched(layers[number], y, is_smooth, is_single[number], kept, kept_rows[number], stretched[number])
            if is_easing:
                _mix(stretched[1], stretched[0], fresh, heat)
        if not is_steady[top + y]:
            # Rows that are the same are read but once, and stay in the cache.
            ground_row = ground[top + y][left : left + width]
        row = picture[top + y][left : left + width]
        if is_same and is_steady[top + y]:
            row[:] = picture[top + y - 1][left : left + width]
        else:
            _lay_over(ground_row, heat, opacity, row)
        for span in hatched:
            first, last = span[0], span[1]
            _hatch(
                along_x[first:last],
                along_y[y],
                half_line,
                line_colour,
                ground_row[first:last],
                heat[first:last],
                opacity,
                row[first:last],
            )
