"""Options of an image's look. Does not load NumPy, so that code for settings imports it cheaply."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, get_args

from Heatmap.errors import GridError
from Heatmap.vocabulary import Normalization, Sides

MAX_SIGMA_CELLS: Final = 40.0
MAX_PERCENT: Final = 100.0

_LIMITS: Final = {"trail_strength": 1.0, "sigma_cols": MAX_SIGMA_CELLS, "sigma_rows": MAX_SIGMA_CELLS}


def require_sides(sides: str) -> None:
    """Raise `GridError` unless this is one of `Sides`."""
    if sides not in get_args(Sides):
        raise GridError(f"sides: expected one of {', '.join(get_args(Sides))}, was {sides!r}")


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderOptions:
    """The look of an image.

    Attributes
    ----------
    normalization
        See `Normalization`; a plain string is accepted.
    palette
        A name of `Heatmap.aggregation.palettes.PALETTES`.
    clip_percentile
        Percentile in (0, 100] of the occupied cells of the window, before decay, whose value has the full colour.
    half_life_ms
        Decay: an event's weight halves every so many ms until ``now_ms``. None: no decay.
    trail_half_life_ms
        Trail to the right of an event; its heat halves every so many ms. None: no trail.
    trail_strength
        Value of a trail's beginning as a share of the event's, in [0, 1].
    sigma_cols, sigma_rows
        Standard deviation of an event's Gaussian spot, in columns and rows, 0 to 40; 0: one sharp cell. The middle of a
        spot is the sum of its cell. Where spots of one side overlap, the larger value is shown, not their sum.
    sides
        Liquidations to show: "both", "long" or "short".
    min_notional
        Least dollars of an event to show; the percentile counts smaller ones, too.
    floor_usd
        Least dollars of a cell to show, before decay; the percentile counts smaller ones, too.
    ceiling_usd
        Dollars per cell from which on the colour is full; 0: by the percentile.
    dark_background
        True: large values are bright; False: large values are dark.

    Raises
    ------
    GridError
        A value is outside its range.
    """

    normalization: Normalization = Normalization.LOG
    palette: str = "long_short"
    clip_percentile: float = 99.5
    half_life_ms: int | None = None
    trail_half_life_ms: int | None = None
    trail_strength: float = 0.08
    sigma_cols: float = 1.5
    sigma_rows: float = 0.8
    sides: Sides = "both"
    min_notional: float = 0.0
    floor_usd: float = 0.0
    ceiling_usd: float = 0.0
    dark_background: bool = True

    def __post_init__(self) -> None:
        try:
            normalization = Normalization(self.normalization)
        except ValueError:
            raise GridError(f"normalization: unknown {self.normalization!r}") from None
        object.__setattr__(self, "normalization", normalization)
        if not 0 < self.clip_percentile <= MAX_PERCENT:
            raise GridError(f"clip_percentile: expected above 0 up to 100, was {self.clip_percentile}")
        for name in ("half_life_ms", "trail_half_life_ms"):
            value = getattr(self, name)
            if value is not None and not 0 < value < math.inf:
                raise GridError(f"{name}: expected None or a positive number of ms, was {value}")
        for name, limit in _LIMITS.items():
            value = getattr(self, name)
            if not 0 <= value <= limit:
                raise GridError(f"{name}: expected 0 to {limit}, was {value}")
        for name in ("min_notional", "floor_usd", "ceiling_usd"):
            if not 0 <= getattr(self, name) < math.inf:
                raise GridError(f"{name}: expected zero or more dollars, was {getattr(self, name)}")
        require_sides(self.sides)
