"""The grid: absolute, half-open bins in time and price, by floor division.

Row ``k`` covers ``[k, k + 1) * price_bin``, column ``m`` covers ``[m, m + 1) * time_bin_ms``, counted from price 0 and
the Unix epoch. A `GridSpec` is a range of both: panning never changes which events share a cell.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final

import numpy as np

from Heatmap.errors import GridError

if TYPE_CHECKING:
    from types import UnionType

    from numpy.typing import NDArray

# 4096 x 4096: a manual grid of 4,000 x 4,000 with what snapping adds.
MAX_CELLS: Final = 1 << 24

# Up to here a float64 counts every millisecond: 285,000 years on both sides of 1970.
MAX_TIME_MS: Final = 1 << 53

# The reciprocals, products and differences of prices and bins within are finite.
MAX_PRICE: Final = 1e100
MIN_PRICE_BIN: Final = 1e-100

# Floats of decimals are off by a few parts in 1e16: 100.1 / 0.1 is 1000.9999999999999. A quotient nearer than this
# share to the next integer is that integer. Far above such errors, far below any real tick.
SNAP: Final = 1e-12

# Up to here one SNAP is at most a tenth of a bin.
MAX_PRICE_BIN_INDEX: Final = 10**11

# How far price0 may be off its bin border, in bins: for rounding errors.
_ALIGNMENT_TOLERANCE: Final = 1e-3


def price_bins(price: NDArray[np.float64], price_bin: float) -> NDArray[np.float64]:
    """Return the absolute bin of each price: ``floor(price / price_bin)``, snapped to decimal borders.

    Parameters
    ----------
    price
        float64 (N,), quote currency. NaN and infinities stay, and lie outside of any grid.
    price_bin
        Height of a bin in quote currency, positive.

    Returns
    -------
    float64 (N,), whole numbers: an integer type could overflow.
    """
    # The kernels do the same operations in the same order: both engines agree to the last bit.
    with np.errstate(invalid="ignore", over="ignore"):
        quotient = price * (1.0 / price_bin)
        return np.floor(quotient + np.abs(quotient) * SNAP)


def price_bin_index(price: float, price_bin: float) -> int:
    """Return the absolute bin of one finite price; see `price_bins`."""
    quotient = price * (1.0 / price_bin)
    return math.floor(quotient + abs(quotient) * SNAP)


@dataclass(frozen=True, slots=True)
class GridSpec:
    """A rectangle of ``rows x cols`` absolute bins.

    Attributes
    ----------
    t0_ms
        Left edge, ms since the Unix epoch, UTC; a multiple of ``time_bin_ms``. The grid lies within `MAX_TIME_MS`.
    time_bin_ms
        Width of a column in ms, at least 1.
    cols
        Number of columns, at least 1.
    price0
        Lower edge, quote currency; a multiple of ``price_bin`` (to a thousandth of a bin), within `MAX_PRICE`.
    price_bin
        Height of a row in quote currency, from `MIN_PRICE_BIN` to `MAX_PRICE`.
    rows
        Number of rows, at least 1. ``rows * cols`` is at most `MAX_CELLS`.

    Raises
    ------
    GridError
        A value is not a number, outside its range or not aligned to the bins, or the grid is too large.
    """

    t0_ms: int
    time_bin_ms: int
    cols: int
    price0: float
    price_bin: float
    rows: int

    def __post_init__(self) -> None:
        for name in ("t0_ms", "time_bin_ms", "cols", "rows"):
            self._convert(name, int, int | np.integer, "a whole number")
            if name != "t0_ms" and getattr(self, name) < 1:
                raise GridError(f"{name}: expected at least 1, was {getattr(self, name)}")
        for name in ("price0", "price_bin"):
            self._convert(name, float, float | int | np.floating | np.integer, "a number")
        if self.rows * self.cols > MAX_CELLS:
            raise GridError(f"grid too large: {self.rows} rows x {self.cols} columns, at most {MAX_CELLS} cells")
        if self.t0_ms < -MAX_TIME_MS or self.end_ms > MAX_TIME_MS:
            raise GridError(f"time: expected at most {MAX_TIME_MS} ms around 1970, was {self.t0_ms} to {self.end_ms}")
        if self.t0_ms % self.time_bin_ms:
            raise GridError(f"t0_ms: expected a multiple of {self.time_bin_ms} ms, was {self.t0_ms}")
        self._require_prices()

    def _require_prices(self) -> None:
        if not MIN_PRICE_BIN <= self.price_bin <= MAX_PRICE:
            raise GridError(f"price_bin: expected a positive number up to {MAX_PRICE}, was {self.price_bin}")
        if not -MAX_PRICE <= self.price0 <= MAX_PRICE:
            raise GridError(f"price0: expected a finite number up to {MAX_PRICE}, was {self.price0}")
        quotient = self.price0 / self.price_bin
        if max(abs(quotient), abs(quotient + self.rows)) > MAX_PRICE_BIN_INDEX:
            raise GridError(f"price_bin: {self.price_bin} is too fine for prices around {self.price0}")
        if abs(quotient - round(quotient)) > _ALIGNMENT_TOLERANCE:
            raise GridError(f"price0: expected a multiple of {self.price_bin}, was {self.price0}")

    def _convert(self, name: str, number: type, accepted: type | UnionType, expected: str) -> None:
        """Make an attribute a plain number, for those of NumPy may overflow or round."""
        value = getattr(self, name)
        if isinstance(value, bool) or not isinstance(value, accepted):
            raise GridError(f"{name}: expected {expected}, was {value!r}")
        object.__setattr__(self, name, number(value))

    @property
    def first_price_bin(self) -> int:
        """Absolute index of row 0."""
        return round(self.price0 / self.price_bin)

    @property
    def first_time_bin(self) -> int:
        """Absolute index of column 0."""
        return self.t0_ms // self.time_bin_ms

    @property
    def end_ms(self) -> int:
        """Right edge in ms since the epoch, exclusive."""
        return self.t0_ms + self.cols * self.time_bin_ms

    @property
    def price1(self) -> float:
        """Upper edge in quote currency, exclusive."""
        return (self.first_price_bin + self.rows) * self.price_bin

    def padded(self, cols: int, rows: int) -> GridSpec:
        """Return this grid with ``cols`` more columns left and right and ``rows`` more rows above and below."""
        return self if cols == rows == 0 else _padded(self, cols, rows)


@lru_cache(maxsize=64)
def _padded(spec: GridSpec, cols: int, rows: int) -> GridSpec:
    return GridSpec(
        t0_ms=spec.t0_ms - cols * spec.time_bin_ms,
        time_bin_ms=spec.time_bin_ms,
        cols=spec.cols + 2 * cols,
        price0=(spec.first_price_bin - rows) * spec.price_bin,
        price_bin=spec.price_bin,
        rows=spec.rows + 2 * rows,
    )
