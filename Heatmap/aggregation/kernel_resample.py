"""Resampling: the cells of an image are scaled to the pixels of a picture and composed over its background.

For machines whose OpenGL runs on the processor, where shaders are slow. Columns depend on x alone and rows on y alone,
so a row of pixels is computed once for all rows that show the same cells.

Two channels of 8 bits are computed at once, each in 16 bits of a uint32, with weights from 0 to 256. Each result is
cast to 32 bits: Numba would take 64, for which processors have no vector multiplication.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from numba import types

from Heatmap.aggregation.kernel_jit import COLOURS_IN, FLOAT32_IN, UINT8_IN, entry, group, kernel

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Pixels = NDArray[np.uint32]
    Places = NDArray[np.int32]
    LayerArrays = tuple[Pixels, Places, Places]
    HatchingArrays = tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.float32], np.float32, Pixels]

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
_HATCHING: Final = group(_SPANS_IN, FLOAT32_IN, FLOAT32_IN, types.float32, COLOURS_IN)
_CORNER: Final = group(*(types.int64,) * 2)


@kernel
def _scaled(lanes: np.uint32, share: np.uint32) -> np.uint32:
    """Return two channels times ``share``, rounded when divided by 256 afterwards."""
    return np.uint32(np.uint32(lanes * share) + _HALVES)


@kernel
def _halves(pixel: np.uint32) -> tuple[np.uint32, np.uint32]:
    """Return the channels 0 and 2, and 1 and 3, of a pixel."""
    return np.uint32(pixel & _EVEN), np.uint32(np.uint32(pixel >> _BYTE) & _EVEN)


@kernel
def _mixed(first: np.uint32, second: np.uint32, share: np.uint32) -> np.uint32:
    """Return the weighted mean of two pixels; ``share`` / 256 is the weight of the second."""
    rest = np.uint32(_ALL - share)
    first_even, first_odd = _halves(first)
    second_even, second_odd = _halves(second)
    even = np.uint32(_scaled(first_even, rest) + np.uint32(second_even * share))
    odd = np.uint32(_scaled(first_odd, rest) + np.uint32(second_odd * share))
    return np.uint32(np.uint32(np.uint32(even >> _BYTE) & _EVEN) | np.uint32(odd & _ODD))


@kernel
def _over(ground: np.uint32, pixel: np.uint32, opacity: np.uint32) -> np.uint32:
    """Return an opaque pixel below a premultiplied one of opacity ``opacity`` / 256."""
    even, odd = _halves(pixel)
    even = np.uint32(np.uint32(_scaled(even, opacity) >> _BYTE) & _EVEN)
    odd = np.uint32(_scaled(odd, opacity) & _ODD)
    alpha = np.uint32(odd >> _ALPHA)
    # At alpha 255 nothing of the ground is left.
    rest = np.uint32(np.uint32(_ALL - alpha) - np.uint32(alpha >> _TOP_BIT))
    ground_even, ground_odd = _halves(ground)
    even = np.uint32(even + np.uint32(np.uint32(_scaled(ground_even, rest) >> _BYTE) & _EVEN))
    odd = np.uint32(odd + np.uint32(_scaled(ground_odd, rest) & _ODD))
    return np.uint32(even | odd)


@kernel
def _mix(first: Pixels, second: Pixels, share: np.uint32, mixed: Pixels) -> None:
    for x in range(mixed.size):
        mixed[x] = _mixed(first[x], second[x], share)


@kernel
def _compose_row(ground: Pixels, heat: Pixels, opacity: np.uint32, row: Pixels) -> None:
    for x in range(row.size):
        row[x] = _over(ground[x], heat[x], opacity)


@kernel
def _take(cells: Pixels, places: Places, taken: Pixels) -> None:
    """Scale one row of cells, one cell a pixel; 0 where the index is negative."""
    for x in range(taken.size):
        place = places[x]
        # Never outside and without a branch: the loop is vectorised.
        cell = cells[np.uint32(max(place, np.int32(0)))]
        taken[x] = cell if place >= 0 else np.uint32(0)


@kernel
def _blend(first: Pixels, second: Pixels, shares: Places, blended: Pixels) -> None:
    for x in range(blended.size):
        blended[x] = _mixed(first[x], second[x], np.uint32(shares[x]))


@kernel
def _take_strongest(cells: Pixels, first_row: int, last_row: int, across: Places, strongest: Pixels) -> None:
    """Scale rows of cells to one of pixels, each the cell of the largest alpha, which is the highest byte."""
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
    kept: Pixels,
    kept_rows: NDArray[np.int64],
    stretched: Pixels,
) -> None:
    """Fill one row of pixels from its cells; ``kept`` has the last two rows of cells, scaled in x."""
    cells, across, down = layer
    first, last = down[0, y], down[1, y]
    if first < 0:
        stretched[:] = 0
    elif is_smooth:
        # Of two neighbouring rows one is even, one odd.
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
def _is_repeated(down: Places, y: int) -> bool:
    return bool(down[0, y] == down[0, y - 1] and down[1, y] == down[1, y - 1] and down[2, y] == down[2, y - 1])


@kernel
def _hatch(
    along_x: NDArray[np.float32],
    below: np.float32,
    half_line: np.float32,
    color: np.uint32,
    ground: Pixels,
    heat: Pixels,
    opacity: np.uint32,
    row: Pixels,
) -> None:
    """Compose a part of a row with hatching below the heat."""
    for x in range(row.size):
        at = np.float32(along_x[x] + below)
        at = np.float32(at - np.float32(np.int32(at)))
        line = color if min(at, np.float32(np.float32(1) - at)) < half_line else np.uint32(0)
        row[x] = _over(_over(ground[x], line, _ALL), heat[x], opacity)


@entry(_LAYER, _LAYER, _HOW, _GROUND, _HATCHING, _CORNER, types.uint32[:, ::1], types.uint32[:, ::1])
def compose(
    layer: LayerArrays,
    old_layer: LayerArrays,
    how: tuple[bool, np.uint32, np.uint32],
    beneath: tuple[Pixels, NDArray[np.uint8]],
    hatching: HatchingArrays,
    corner: tuple[int, int],
    scratch: Pixels,
    picture: Pixels,
) -> None:
    """Fill a rectangle of a picture; see `Heatmap.aggregation.resampler.Resampler.compose`.

    Parameters
    ----------
    layer, old_layer, hatching
        The attributes of `Layer` and `Hatching` in their order.
    how
        Whether it is smooth; the weight of ``layer`` against ``old_layer`` and the opacity of both, 0 to 256.
    beneath
        The ground and ``is_steady``.
    scratch
        (11, width).
    """
    _, across, down = layer
    old_down = old_layer[2]
    is_smooth, fresh, opacity = how
    ground, is_steady = beneath
    hatched, along_x, along_y, half_line, line_colours = hatching
    left, top = corner
    width, height = across.shape[1], down.shape[1]
    is_easing = fresh < _ALL
    heat = scratch[10] if is_easing else scratch[8]
    layers, stretched = (layer, old_layer), (scratch[8], scratch[9])
    is_single, kept_rows = np.zeros(2, np.bool_), np.full((2, 2), -1)
    for number in range(1 + is_easing):
        is_single[number] = (layers[number][1][0] >= layers[number][1][1]).all()
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
            # Equal rows are read once and stay in the cache.
            ground_row = ground[top + y][left : left + width]
        row = picture[top + y][left : left + width]
        if is_same and is_steady[top + y]:
            above = picture[top + y - 1][left : left + width]
            for x in range(width):
                row[x] = above[x]
        else:
            _compose_row(ground_row, heat, opacity, row)
        for number in range(len(hatched)):
            part, colour = slice(hatched[number, 0], hatched[number, 1]), line_colours[number, 0]
            _hatch(along_x[part], along_y[y], half_line, colour, ground_row[part], heat[part], opacity, row[part])
