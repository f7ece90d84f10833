"""Colour palettes: tables of 256 RGBA colours, interpolated in OKLab between a few control points.

Each palette has a table for dark charts (large values are bright) and one for light charts (large values are dark).
Level 0 is transparent. From level 1 on alpha rises quickly, so that one small liquidation is visible, and stays below
opaque, so that the chart's grid is visible. No palette ends in the hues of the candles, teal and red.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

import numpy as np

from Heatmap.aggregation.colour_maps import colour_map
from Heatmap.aggregation.colour_space import Array, oklab_from_lch, srgb_from_oklab
from Heatmap.aggregation.normalization import LEVELS
from Heatmap.errors import GridError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    _Ramp = Sequence[tuple[float, float, float, float]]

SHARES: Final = 17

_FAINTEST_ALPHA: Final = 0.16
_FULL_ALPHA: Final = 0.94
_ALPHA_CURVE: Final = 0.45


@dataclass(frozen=True, slots=True, eq=False)
class Palette:
    """Colours by level.

    Attributes
    ----------
    name
        The key in `PALETTES`.
    tables
        uint8 (shares, 256, 4), RGBA premultiplied by alpha, read-only, for dark charts. Palettes of sums have one
        share, bivariate ones 17: share 0 is all short, share 16 all long. Level 0 is (0, 0, 0, 0).
    light_tables
        The same for light charts.
    """

    name: str
    tables: NDArray[np.uint8]
    light_tables: NDArray[np.uint8]

    @property
    def is_bivariate(self) -> bool:
        """True if the hue shows the share of longs."""
        return len(self.tables) > 1

    def for_background(self, dark: bool) -> NDArray[np.uint8]:
        """Return the tables for a dark or a light chart, shape (shares, 256, 4)."""
        return self.tables if dark else self.light_tables


def _table(srgb: Array) -> NDArray[np.uint8]:
    """Return uint8 (256, 4), premultiplied, from float64 (255, 3), sRGB in 0..1 of the levels 1 to 255."""
    position = np.linspace(0.0, 1.0, LEVELS - 1)
    alpha = _FAINTEST_ALPHA + (_FULL_ALPHA - _FAINTEST_ALPHA) * position**_ALPHA_CURVE
    colour = srgb * alpha[:, np.newaxis]
    table = np.zeros((LEVELS, 4), np.uint8)
    table[1:, 3] = np.rint(alpha * 255)
    # By rounding, too, colour must not exceed alpha.
    table[1:, :3] = np.minimum(np.rint(colour * 255), table[1:, 3:])
    return table


def _sealed(srgb: Array) -> NDArray[np.uint8]:
    tables = np.stack([_table(colours) for colours in srgb])
    tables.flags.writeable = False
    return tables


def _drawn_palette(name: str, short: _Ramp, long: _Ramp | None = None) -> Palette:
    """Return the palette of one ramp, or the blend of two of equal lightness: hue is the side, lightness the size."""

    def tables(dark: bool) -> NDArray[np.uint8]:
        first = _oklab(short, dark)
        shares = np.linspace(0.0, 1.0, SHARES if long is not None else 1)[:, np.newaxis, np.newaxis]
        return _sealed(srgb_from_oklab(first + (_oklab(long or short, dark) - first) * shares))

    return Palette(name, tables(dark=True), tables(dark=False))


def _oklab(ramp: _Ramp, dark: bool) -> Array:
    at, *coordinates = np.array(ramp).T
    lab = oklab_from_lch(*(np.interp(np.linspace(0.0, 1.0, LEVELS - 1), at, values) for values in coordinates))
    return lab if dark else lab[::-1]


def _published_palette(name: str) -> Palette:
    """Return a published colour map without its first colour: level 0 is transparent."""
    srgb = colour_map(name)[1:] / 255.0
    return Palette(name, _sealed(srgb[np.newaxis]), _sealed(srgb[np.newaxis, ::-1]))


# Control points: position in 0..1, lightness on a dark chart, chroma, hue in degrees (not wrapped).
_FIRE: Final = (
    (0.0, 0.35, 0.10, 15.0), (0.3, 0.50, 0.17, 32.0), (0.6, 0.68, 0.18, 55.0), (0.85, 0.86, 0.16, 88.0),
    (1.0, 0.96, 0.07, 102.0),
)  # fmt: skip
_ICE: Final = ((0.0, 0.35, 0.13, 285.0), (0.35, 0.53, 0.17, 265.0), (0.7, 0.75, 0.12, 232.0), (1.0, 0.96, 0.04, 215.0))
_GREY: Final = ((0.0, 0.36, 0.0, 0.0), (1.0, 0.97, 0.0, 0.0))
_SHORT: Final = (
    (0.0, 0.38, 0.13, 285.0), (0.35, 0.57, 0.18, 276.0), (0.7, 0.75, 0.13, 258.0), (1.0, 0.93, 0.06, 235.0),
)  # fmt: skip
_LONG: Final = ((0.0, 0.38, 0.11, 48.0), (0.35, 0.57, 0.14, 60.0), (0.7, 0.75, 0.16, 76.0), (1.0, 0.93, 0.12, 96.0))

PALETTES: Final[Mapping[str, Palette]] = MappingProxyType(
    {
        palette.name: palette
        for palette in (
            _drawn_palette("fire", _FIRE),
            _drawn_palette("ice", _ICE),
            _published_palette("viridis"),
            _published_palette("cividis"),
            _drawn_palette("grey", _GREY),
            _drawn_palette("long_short", _SHORT, _LONG),
        )
    }
)


def palette_names() -> tuple[str, ...]:
    """Return the names of all palettes, in the order to offer them."""
    return tuple(PALETTES)


def find_palette(name: str) -> Palette:
    """Return the palette of this name; raises `GridError` if there is none."""
    if name not in PALETTES:
        raise GridError(f"palette: expected one of {', '.join(PALETTES)}, was {name!r}")
    return PALETTES[name]
