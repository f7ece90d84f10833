"""The grid for a view: by the automatic rule, by a number of cells, or by their size in pixels. Pure functions."""

from __future__ import annotations

import math
from decimal import Decimal
from numbers import Integral
from typing import Final

from Heatmap.aggregation.grid import MAX_PRICE, MAX_PRICE_BIN_INDEX, MIN_PRICE_BIN, SNAP, GridSpec, price_bin_index
from Heatmap.errors import GridError

MIN_ROWS: Final = 180
MAX_ROWS: Final = 380
MIN_COLS: Final = 800
MAX_COLS: Final = 1700
PX_PER_ROW: Final = 2.3
PX_PER_COL: Final = 1.15
TIME_BINS_MS: Final = (5_000, 10_000, 15_000, 30_000, 60_000, 120_000, 180_000)

MAX_MANUAL_CELLS: Final = 4_000
_MANUAL_TIME_STEP_MS: Final = 1_000
_RANGE_ROUNDING: Final = 1e-9
_NICE: Final = (1, 2, 5, 10)


def wanted_rows(height_px: float) -> int:
    """Return how many rows a pane of this height gets: one per 2.3 px, 180 to 380."""
    return min(max(round(height_px / PX_PER_ROW), MIN_ROWS), MAX_ROWS)


def wanted_cols(width_px: float) -> int:
    """Return how many columns a pane of this width gets: one per 1.15 px, 800 to 1700."""
    return min(max(round(width_px / PX_PER_COL), MIN_COLS), MAX_COLS)


def auto_time_bin_ms(span_ms: int, cols: int) -> int:
    """Return ``span_ms / cols`` rounded to the nearest of 5, 10, 15, 30, 60, 120, 180 s.

    If that needs more than 1700 columns, it is the next longer one that does not; beyond 180 s, a multiple of 180 s.
    """
    wanted_ms = span_ms / cols
    nearest_ms = min(TIME_BINS_MS, key=lambda time_bin_ms: abs(time_bin_ms - wanted_ms))
    for time_bin_ms in TIME_BINS_MS:
        if time_bin_ms >= nearest_ms and time_bin_ms * MAX_COLS >= span_ms:
            return time_bin_ms
    coarsest_ms = TIME_BINS_MS[-1]
    return coarsest_ms * math.ceil(span_ms / (MAX_COLS * coarsest_ms))


def round_step(wanted: float) -> float:
    """Return the least of 1, 2 and 5 times a power of ten that is not less than a positive number."""
    power = Decimal(10) ** math.floor(math.log10(wanted))
    # Of 0.1 + 0.2 the step is 0.3's, for the difference is an error of rounding.
    return next(float(nice * power) for nice in _NICE if float(nice * power) >= wanted * (1 - _RANGE_ROUNDING))


def auto_spec(
    *,
    visible_start_ms: float,
    visible_end_ms: float,
    price_low: float,
    price_high: float,
    width_px: float,
    height_px: float,
    tick_size: float,
) -> GridSpec:
    """Return the grid for a view by the automatic rule, snapped outwards to absolute bins.

    Parameters
    ----------
    visible_start_ms, visible_end_ms
        Visible time range, ms since the epoch, ``start < end``.
    price_low, price_high
        Visible price range, quote currency, ``low < high``.
    width_px, height_px
        Size of the chart's pane in logical pixels.
    tick_size
        Smallest price step of the symbol, quote currency.

    Returns
    -------
    A grid that covers the view. Snapping may add a row or two columns. A column is at least 5 s wide and a row one tick
    high: a small range has fewer cells than the rule says.

    Raises
    ------
    GridError
        A range is empty, inverted, not finite or too far away, or the tick size is not positive.
    """
    _require_view(visible_start_ms, visible_end_ms, price_low, price_high, tick_size)
    _require_finite(width_px=width_px, height_px=height_px)
    start_ms, end_ms = math.floor(visible_start_ms), math.ceil(visible_end_ms)
    time_bin_ms = auto_time_bin_ms(end_ms - start_ms, wanted_cols(width_px))
    price_bin = _price_bin(price_low, price_high, wanted_rows(height_px), tick_size)
    return _cover(start_ms, end_ms, time_bin_ms, (price_low, price_high), price_bin)


def manual_spec(
    *,
    visible_start_ms: float,
    visible_end_ms: float,
    price_low: float,
    price_high: float,
    rows: int,
    cols: int,
    tick_size: float,
) -> GridSpec:
    """Return the grid with about ``rows x cols`` cells over a view, snapped outwards to absolute bins.

    Rows are whole ticks high and columns whole seconds wide: a small range has fewer cells.

    Raises
    ------
    GridError
        As for `auto_spec`, or ``rows`` or ``cols`` is outside 1 to 4000.
    """
    _require_view(visible_start_ms, visible_end_ms, price_low, price_high, tick_size)
    for name, value in dict[str, object](rows=rows, cols=cols).items():
        if isinstance(value, bool) or not isinstance(value, Integral) or not 1 <= int(value) <= MAX_MANUAL_CELLS:
            raise GridError(f"{name}: expected a whole number from 1 to {MAX_MANUAL_CELLS}, was {value!r}")
    start_ms, end_ms = math.floor(visible_start_ms), math.ceil(visible_end_ms)
    seconds = math.ceil((end_ms - start_ms) / cols / _MANUAL_TIME_STEP_MS)
    price_bin = _price_bin(price_low, price_high, rows, tick_size)
    return _cover(start_ms, end_ms, max(1, seconds) * _MANUAL_TIME_STEP_MS, (price_low, price_high), price_bin)


def pixel_spec(
    *,
    visible_start_ms: float,
    visible_end_ms: float,
    price_low: float,
    price_high: float,
    width_px: float,
    height_px: float,
    px_per_row: float,
    px_per_col: float,
    tick_size: float,
) -> GridSpec:
    """Return the grid whose cells are about ``px_per_col`` x ``px_per_row`` large, snapped outwards to absolute bins.

    Rows are whole ticks high and columns whole seconds wide, so cells are never smaller than that. They are larger
    where more than 4000 rows or columns would be needed.

    Raises
    ------
    GridError
        As for `auto_spec`, or a size in pixels is not positive.
    """
    _require_finite(width_px=width_px, height_px=height_px, px_per_row=px_per_row, px_per_col=px_per_col)
    if min(px_per_row, px_per_col) <= 0:
        raise GridError(f"px_per_row, px_per_col: expected positive numbers, was {px_per_row} and {px_per_col}")
    return manual_spec(
        visible_start_ms=visible_start_ms,
        visible_end_ms=visible_end_ms,
        price_low=price_low,
        price_high=price_high,
        rows=_count(height_px / px_per_row),
        cols=_count(width_px / px_per_col),
        tick_size=tick_size,
    )


def _count(wanted: float) -> int:
    return max(1, math.floor(min(wanted, MAX_MANUAL_CELLS) * (1 + _RANGE_ROUNDING)))


def _require_finite(**values: float) -> None:
    for name, value in values.items():
        if not math.isfinite(value):
            raise GridError(f"{name}: expected a finite number, was {value}")


def _require_view(start_ms: float, end_ms: float, price_low: float, price_high: float, tick_size: float) -> None:
    _require_finite(visible_start_ms=start_ms, visible_end_ms=end_ms, price_low=price_low, price_high=price_high)
    if not MIN_PRICE_BIN <= tick_size <= MAX_PRICE:
        raise GridError(f"tick_size: expected a positive number up to {MAX_PRICE}, was {tick_size}")
    if end_ms <= start_ms:
        raise GridError(f"time range is empty or inverted: {start_ms} to {end_ms} ms")
    if price_high <= price_low:
        raise GridError(f"price range is empty or inverted: {price_low} to {price_high}")
    if max(-price_low, price_high) > MAX_PRICE:
        raise GridError(f"price range is too far away: {price_low} to {price_high}")


def _price_bin(price_low: float, price_high: float, rows: int, tick_size: float) -> float:
    """Return the smallest multiple of the tick of which ``rows`` cover the range."""
    wanted = (price_high - price_low) / rows / tick_size
    # A range of exactly n ticks per row must not become n + 1 by rounding; the difference of two large prices has
    # lost far more digits than a quotient.
    ticks = max(1, math.ceil(wanted - wanted * _RANGE_ROUNDING))
    finest = max(abs(price_low), abs(price_high)) / tick_size / (MAX_PRICE_BIN_INDEX // 2)
    ticks = max(ticks, math.ceil(finest))
    # In decimals: 3 ticks of 0.1 are 0.3 and not 0.30000000000000004.
    return float(Decimal(repr(float(tick_size))) * ticks)


def _cover(start_ms: int, end_ms: int, time_bin_ms: int, prices: tuple[float, float], price_bin: float) -> GridSpec:
    first_col = start_ms // time_bin_ms
    cols = -(-end_ms // time_bin_ms) - first_col
    first_row = price_bin_index(prices[0], price_bin)
    last_row = price_bin_index(prices[1], price_bin)
    # The upper edge is open: a view that ends on a border does not need the row that begins there.
    ends_on_border = math.isclose(last_row * price_bin, prices[1], rel_tol=SNAP, abs_tol=price_bin * 1e-9)
    return GridSpec(
        t0_ms=first_col * time_bin_ms,
        time_bin_ms=time_bin_ms,
        cols=cols,
        price0=float(Decimal(repr(price_bin)) * first_row),
        price_bin=price_bin,
        rows=max(1, last_row - first_row + (not ends_on_border)),
    )
