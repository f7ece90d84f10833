"""The grid: absolute, half-open bins in time and price, by floor division.

Row ``k`` of the world covers ``[k, k + 1) * price_bin`` and column ``m`` covers ``[m, m + 1) * time_bin_ms``, counted
from price zero and from the Unix epoch. A `GridSpec` is a window onto that world: panning by whole bins shifts the
window and never changes which events share a cell.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from Heatmap.errors import GridError

if TYPE_CHECKING:
    from numpy.typing import NDArray

# 4096 x 4096: a manual grid of 4,000 x 4,000 with what snapping adds.
MAX_CELLS: Final = 1 << 24

# Up to here a float64 counts every millisecond: 285,000 years on both sides of 1970.
MAX_TIME_MS: Final = 1 << 53

# Prices and bins beyond have no finite reciprocal, product or difference any more.
MAX_PRICE: Final = 1e100
MIN_PRICE_BIN: Final = 1e-100

# Prices are decimals, their floats waver by a few parts in 1e16: 100.1 / 0.1 is 1000.9999999999999. A quotient nearer
# than this share to the next integer *is* that integer. Wide enough for any such error, far below any real tick.
SNAP: Final = 1e-12

# Up to here one SNAP is a tenth of a bin at most, so snapping cannot move a price that truly lies inside a bin.
MAX_PRICE_BIN_INDEX: Final = 10**11

# A price0 that is off its bin border by more than this share of a bin is a mistake of the caller, not rounding.
_ALIGNMENT_TOLERANCE: Final = 1e-3


def price_bins(price: NDArray[np.float64], price_bin: float) -> NDArray[np.float64]:
    """Return the absolute bin of each price: ``floor(price / price_bin)``, snapped to decimal borders.

    Parameters
    ----------
    price
        float64 (N,), quote currency. NaN and infinities pass through and compare as outside of any grid.
    price_bin
        Height of a bin in quote currency, positive.

    Returns
    -------
    float64 (N,), whole numbers. Kept as floats so that a wild price cannot wrap around in an integer type.
    """
    # The Numba kernels repeat these operations in this order: both engines must agree to the last bit.
    with np.errstate(invalid="ignore", over="ignore"):  # what is not finite lies outside, which is no fault
        quotient = price * (1.0 / price_bin)
        return np.floor(quotient + np.abs(quotient) * SNAP)


def price_bin_index(price: float, price_bin: float) -> int:
    """Return the absolute bin of one finite price; see `price_bins`."""
    quotient = price * (1.0 / price_bin)
    return math.floor(quotient + abs(quotient) * SNAP)


def _require_whole(name: str, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise GridError(f"{name}: expected a whole number, was {value!r}")


def _require_number(name: str, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, float | int | np.floating | np.integer):
        raise GridError(f"{name}: expected a number, was {value!r}")


@dataclass(frozen=True, slots=True)
class GridSpec:
    """A window of ``rows x cols`` cells onto the absolute bins.

    Attributes
    ----------
    t0_ms
        Left edge, ms since the Unix epoch, UTC; a multiple of ``time_bin_ms``. All of the grid lies within
        `MAX_TIME_MS`.
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
        A value is no number, zero, negative, NaN, infinite, not aligned to the bins, or the grid would be absurdly
        large or far away.
    """

    t0_ms: int
    time_bin_ms: int
    cols: int
    price0: float
    price_bin: float
    rows: int

    def __post_init__(self) -> None:
        for name in ("t0_ms", "time_bin_ms", "cols", "rows"):
            _require_whole(name, getattr(self, name))
            # Numbers of NumPy would overflow, or round, where Python's do not.
            object.__setattr__(self, name, int(getattr(self, name)))
        for name in ("price0", "price_bin"):
            _require_number(name, getattr(self, name))
            object.__setattr__(self, name, float(getattr(self, name)))
        for name in ("time_bin_ms", "cols", "rows"):
            if getattr(self, name) < 1:
                raise GridError(f"{name}: expected at least 1, was {getattr(self, name)}")
        if self.rows * self.cols > MAX_CELLS:
            raise GridError(
                f"grid too large: {self.rows} rows x {self.cols} columns, at most {MAX_CELLS} cells are possible"
            )
        self._require_times()
        self._require_prices()

    def _require_times(self) -> None:
        if self.t0_ms < -MAX_TIME_MS or self.end_ms > MAX_TIME_MS:
            raise GridError(f"time: expected at most {MAX_TIME_MS} ms around 1970, was {self.t0_ms} to {self.end_ms}")
        if self.t0_ms % self.time_bin_ms:
            raise GridError(f"t0_ms: expected a multiple of {self.time_bin_ms} ms, was {self.t0_ms}")

    def _require_prices(self) -> None:
        if not (math.isfinite(self.price_bin) and self.price_bin > 0):
            raise GridError(f"price_bin: expected a positive number, was {self.price_bin}")
        if not math.isfinite(self.price0):
            raise GridError(f"price0: expected a finite number, was {self.price0}")
        if not MIN_PRICE_BIN <= self.price_bin <= MAX_PRICE:
            raise GridError(f"price_bin: expected {MIN_PRICE_BIN} to {MAX_PRICE}, was {self.price_bin}")
        if abs(self.price0) > MAX_PRICE:
            raise GridError(f"price0: expected at most {MAX_PRICE}, was {self.price0}")
        quotient = self.price0 / self.price_bin
        if max(abs(quotient), abs(quotient + self.rows)) > MAX_PRICE_BIN_INDEX:
            raise GridError(f"price_bin: {self.price_bin} is too fine for prices around {self.price0}")
        if abs(quotient - round(quotient)) > _ALIGNMENT_TOLERANCE:
            raise GridError(f"price0: expected a multiple of {self.price_bin}, was {self.price0}")

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
        """Right edge in ms since the epoch, not part of the grid."""
        return self.t0_ms + self.cols * self.time_bin_ms

    @property
    def price1(self) -> float:
        """Upper edge in quote currency, not part of the grid."""
        return (self.first_price_bin + self.rows) * self.price_bin

    def padded(self, cols: int, rows: int) -> GridSpec:
        """Return this grid with ``cols`` more columns left and right and ``rows`` more rows above and below."""
        if cols == rows == 0:
            return self
        return GridSpec(
            t0_ms=self.t0_ms - cols * self.time_bin_ms,
            time_bin_ms=self.time_bin_ms,
            cols=self.cols + 2 * cols,
            price0=(self.first_price_bin - rows) * self.price_bin,
            price_bin=self.price_bin,
            rows=self.rows + 2 * rows,
        )
