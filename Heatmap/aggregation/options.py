"""How an image is to look: plain, immutable options. No NumPy, so that settings code can read them cheaply."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Literal, get_args

from Heatmap.errors import GridError

Sides = Literal["both", "long", "short"]

MAX_SIGMA_CELLS: Final = 40.0
MAX_PERCENT: Final = 100.0


def require_sides(sides: str) -> None:
    """Refuse what is none of `Sides`.

    Raises
    ------
    GridError
        It is not.
    """
    if sides not in get_args(Sides):
        raise GridError(f"sides: expected one of {', '.join(get_args(Sides))}, was {sides!r}")


class Normalization(StrEnum):
    """How a value in dollars becomes a colour level between empty and full colour."""

    LINEAR = "linear"
    SQRT = "sqrt"
    LOG = "log"
    RANK = "rank"


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
        Percentile in (0, 100] of the occupied cells of the window whose value is shown at full colour. Cells are
        counted before decay, so a colour keeps its meaning as time passes.
    half_life_ms
        Decay: an event weighs half after this many ms, measured from ``now_ms``. None: no decay.
    trail_half_life_ms
        Persistence: heat to the right of an event, halving each so many ms. None: no trail.
    trail_strength
        Share of an event's value with which its trail begins, in [0, 1]. Small, so that the event stays the brightest.
    sigma_cols, sigma_rows
        Radius (standard deviation) of the Gaussian spot of an event, in columns and rows; 0: one sharp cell. The
        middle of a spot is the exact sum of its cell: where spots of one side overlap the larger value is shown, never
        their sum. A palette that tells the sides apart shows the sum of what both sides show.
    sides
        Which liquidations to show: "both", "long" or "short".
    min_notional
        Events below this many dollars are left out.
    dark_background
        True if the chart is dark: small values are then dark and large ones bright, else the reverse.

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
            if value is not None and not (math.isfinite(value) and value > 0):
                raise GridError(f"{name}: expected None or a positive number of ms, was {value}")
        for name, limit in (
            ("trail_strength", 1.0),
            ("sigma_cols", MAX_SIGMA_CELLS),
            ("sigma_rows", MAX_SIGMA_CELLS),
        ):
            value = getattr(self, name)
            if not 0 <= value <= limit:
                raise GridError(f"{name}: expected 0 to {limit}, was {value}")
        if not (math.isfinite(self.min_notional) and self.min_notional >= 0):
            raise GridError(f"min_notional: expected zero or more dollars, was {self.min_notional}")
        require_sides(self.sides)
