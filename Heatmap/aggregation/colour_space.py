"""OKLab, a perceptual colour space, to sRGB.

Source: Björn Ottosson, "A perceptual color space for image processing" (2020), https://bottosson.github.io/posts/oklab/.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

_LMS_FROM_RGB: Final = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
)
_LAB_FROM_ROOTS: Final = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
)
_RGB_FROM_LMS: Final = np.linalg.inv(_LMS_FROM_RGB)
_ROOTS_FROM_LAB: Final = np.linalg.inv(_LAB_FROM_ROOTS)

# IEC 61966-2-1: the sRGB transfer curve is linear below this value.
_LINEAR_BELOW: Final = 0.0031308
_SLACK: Final = 1e-6  # of the gamut's bounds


def oklab_from_lch(lightness: Array, chroma: Array, hue_deg: Array) -> Array:
    """Return OKLab (..., 3) from lightness 0..1, chroma and hue in degrees."""
    hue = np.deg2rad(hue_deg)
    return np.stack([lightness, chroma * np.cos(hue), chroma * np.sin(hue)], axis=-1)


def srgb_from_oklab(lab: Array) -> Array:
    """Return gamma-coded sRGB (..., 3) in 0..1; chroma outside the gamut is reduced at equal lightness and hue."""
    fits = _in_gamut(lab)
    far = lab[~fits]
    # Bisection of the share of chroma; 16 steps are finer than 8 bits.
    inside, outside = np.zeros(len(far)), np.ones(len(far))
    for _ in range(16):
        share = (inside + outside) / 2
        is_in = _in_gamut(_scaled(far, share))
        inside, outside = np.where(is_in, share, inside), np.where(is_in, outside, share)
    linear = _linear_rgb(lab)
    linear[~fits] = _linear_rgb(_scaled(far, inside))
    linear = np.clip(linear, 0.0, 1.0)
    return np.where(
        linear <= _LINEAR_BELOW, linear * 12.92, 1.055 * np.maximum(linear, _LINEAR_BELOW) ** (1 / 2.4) - 0.055
    )


def _scaled(lab: Array, share: Array) -> Array:
    return lab * np.stack([np.ones_like(share), share, share], axis=-1)


def _linear_rgb(lab: Array) -> Array:
    return np.asarray((lab @ _ROOTS_FROM_LAB.T) ** 3 @ _RGB_FROM_LMS.T)


def _in_gamut(lab: Array) -> NDArray[np.bool_]:
    linear = _linear_rgb(lab)
    return np.asarray(((linear >= -_SLACK) & (linear <= 1 + _SLACK)).all(axis=-1))
