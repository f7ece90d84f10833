"""Colour palettes as 256-entry tables, drawn from a few control points in OKLab.

Every palette exists twice. On a dark chart small values are dark and large ones bright; on a light chart the ramp is
turned round, so that large values always stand out. Level 0 is empty and fully transparent. From level 1 on the alpha
rises quickly, so that one small liquidation can be seen, and it stops short of opaque, so that the chart's grid shines
through. Candles (teal and red) are painted in front; no palette ends in either of those hues.
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
    from collections.abc import Mapping

    from numpy.typing import NDArray

SHARES: Final = 17

_FAINTEST_ALPHA: Final = 0.16
_FULL_ALPHA: Final = 0.94
_ALPHA_CURVE: Final = 0.45


@dataclass(frozen=True, slots=True, eq=False)
class Palette:
    """A palette: tables from level to colour.

    Attributes
    ----------
    name
        The key in `PALETTES`.
    tables
        uint8 (shares, 256, 4), RGBA premultiplied by alpha, read-only, for dark charts. One share for a palette of
        the sum. A bivariate palette has 17: share 0 is all short, share 16 all long. Level 0 is (0, 0, 0, 0).
    light_tables
        The same for light charts.
    """

    name: str
    tables: NDArray[np.uint8]
    light_tables: NDArray[np.uint8]

    @property
    def shares(self) -> int:
        """How many tables there are: 1, or 17 over the share of longs."""
        return int(self.tables.shape[0])

    @property
    def is_bivariate(self) -> bool:
        """True if hue tells longs from shorts."""
        return self.shares > 1

    def for_background(self, dark: bool) -> NDArray[np.uint8]:
        """Return the tables for a dark or a light chart, shape (shares, 256, 4)."""
        return self.tables if dark else self.light_tables


@dataclass(frozen=True, slots=True)
class _Ramp:
    """Control points over 0..1: lightness on a dark chart, chroma, hue in degrees (not wrapped)."""

    at: tuple[float, ...]
    lightness: tuple[float, ...]
    chroma: tuple[float, ...]
    hue_deg: tuple[float, ...]

    def oklab(self, dark: bool) -> Array:
        position = np.linspace(0.0, 1.0, LEVELS - 1)
        lightness = np.interp(position, self.at, self.lightness)
        chroma = np.interp(position, self.at, self.chroma)
        hue_deg = np.interp(position, self.at, self.hue_deg)
        lab = oklab_from_lch(lightness, chroma, hue_deg)
        return lab if dark else lab[::-1]


def _table(srgb: Array) -> NDArray[np.uint8]:
    """Return uint8 (256, 4), premultiplied, from 255 sRGB colours in 0..1 of the levels 1 to 255."""
    position = np.linspace(0.0, 1.0, LEVELS - 1)
    alpha = _FAINTEST_ALPHA + (_FULL_ALPHA - _FAINTEST_ALPHA) * position**_ALPHA_CURVE
    colour = srgb * alpha[:, np.newaxis]
    table = np.zeros((LEVELS, 4), np.uint8)
    table[1:, 3] = np.rint(alpha * 255)
    # Premultiplied colour must never exceed its alpha, not even by rounding.
    table[1:, :3] = np.minimum(np.rint(colour * 255), table[1:, 3:])
    return table


def _sealed(tables: list[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    stacked = np.ascontiguousarray(np.stack(tables))
    stacked.flags.writeable = False
    return stacked


def _sum_palette(name: str, ramp: _Ramp) -> Palette:
    dark, light = (_table(srgb_from_oklab(ramp.oklab(on_dark))) for on_dark in (True, False))
    return Palette(name, _sealed([dark]), _sealed([light]))


def _published_palette(name: str) -> Palette:
    """Return a published colour map, its first colour left out: level 0 is transparent."""
    srgb = colour_map(name)[1:] / 255.0
    return Palette(name, _sealed([_table(srgb)]), _sealed([_table(srgb[::-1])]))


def _bivariate_palette(name: str, short: _Ramp, long: _Ramp) -> Palette:
    """Blend two ramps of equal lightness: hue tells the side, lightness the size."""

    def blend(dark: bool) -> NDArray[np.uint8]:
        short_lab, long_lab = short.oklab(dark), long.oklab(dark)
        shares = np.linspace(0.0, 1.0, SHARES)
        return _sealed([_table(srgb_from_oklab(short_lab + (long_lab - short_lab) * share)) for share in shares])

    return Palette(name, blend(dark=True), blend(dark=False))


_SIDE_AT = (0.0, 0.35, 0.7, 1.0)
_SIDE_LIGHTNESS = (0.38, 0.57, 0.75, 0.93)

PALETTES: Final[Mapping[str, Palette]] = MappingProxyType(
    {
        palette.name: palette
        for palette in (
            _sum_palette(
                "fire",
                _Ramp(
                    at=(0.0, 0.3, 0.6, 0.85, 1.0),
                    lightness=(0.35, 0.50, 0.68, 0.86, 0.96),
                    chroma=(0.10, 0.17, 0.18, 0.16, 0.07),
                    hue_deg=(15.0, 32.0, 55.0, 88.0, 102.0),
                ),
            ),
            _sum_palette(
                "ice",
                _Ramp(
                    at=(0.0, 0.35, 0.7, 1.0),
                    lightness=(0.35, 0.53, 0.75, 0.96),
                    chroma=(0.13, 0.17, 0.12, 0.04),
                    hue_deg=(285.0, 265.0, 232.0, 215.0),
                ),
            ),
            _published_palette("viridis"),
            _published_palette("cividis"),
            _sum_palette(
                "grey",
                _Ramp(at=(0.0, 1.0), lightness=(0.36, 0.97), chroma=(0.0, 0.0), hue_deg=(0.0, 0.0)),
            ),
            _bivariate_palette(
                "long_short",
                short=_Ramp(
                    at=_SIDE_AT,
                    lightness=_SIDE_LIGHTNESS,
                    chroma=(0.13, 0.18, 0.13, 0.06),
                    hue_deg=(285.0, 276.0, 258.0, 235.0),
                ),
                long=_Ramp(
                    at=_SIDE_AT,
                    lightness=_SIDE_LIGHTNESS,
                    chroma=(0.11, 0.14, 0.16, 0.12),
                    hue_deg=(48.0, 60.0, 76.0, 96.0),
                ),
            ),
        )
    }
)


def palette_names() -> tuple[str, ...]:
    """Return the names of all palettes, in the order to offer them."""
    return tuple(PALETTES)


def find_palette(name: str) -> Palette:
    """Return the palette of this name.

    Raises
    ------
    GridError
        There is none.
    """
    try:
        return PALETTES[name]
    except KeyError:
        raise GridError(f"palette: expected one of {', '.join(PALETTES)}, was {name!r}") from None
