"""Choice of the grid for a view: the visible range of what has been read, at the resolution of the settings."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, NamedTuple

from Heatmap.aggregation import GridSpec
from Heatmap.aggregation.resolution import auto_spec, manual_spec, pixel_spec

if TYPE_CHECKING:
    from Heatmap.heatmap_settings import HeatmapSettings

# Most rows or columns of any grid: what every graphics card with OpenGL 3.3 takes as one texture.
MAX_SIDE: Final = 8192
# Share of the view that is built beyond each of its edges, so that a short pan needs no new image.
MARGIN = 0.15
# A grid also covers the gaps between bars: with at most so many times the visible columns, and coarser ones if that
# does not suffice. 6,000 columns and two margins are less than `MAX_SIDE`; without gaps there are at most 4,000.
MAX_GAP_COST = 4
MAX_COLS_WITH_GAPS = 6_000
MAX_CELLS_WITH_GAPS = 4_000_000
# Cells of half a pixel on a large screen would be too many; they are made larger.
MAX_CELLS_BY_SIZE = 4_000_000
# Cells whose size differs by less look the same while they move. Those of an automatic grid are at least 1.15 px large,
# so they stay larger than a pixel.
NEAR = 0.1
# Finest price bin while the tick size is not known.
FALLBACK_TICKS_PER_PRICE = 1e-6


class BarRun(NamedTuple):
    """Evenly spaced bars: begin of the first (ms since the epoch, UTC), interval and number."""

    start_ms: int
    step_ms: int
    number: int


@dataclass(frozen=True, slots=True)
class View:
    """Visible range of the chart in units of the data; times in ms since the epoch, UTC."""

    start_ms: int
    end_ms: int
    price_low: float
    price_high: float
    width_px: int  # size of the pane in logical pixels
    height_px: int
    gaps_ms: tuple[tuple[int, int], ...] = ()  # (start, end) of times that the chart leaves out, ascending: no width
    bars: tuple[BarRun, ...] = ()  # those in sight and some beyond both edges, ascending

    def shown_ms(self, first_ms: int, last_ms: int) -> int:
        """Return how much of the time from ``first_ms`` to ``last_ms`` has a width on the screen."""
        missing_ms = sum(max(min(end, last_ms) - max(start, first_ms), 0) for start, end in self.gaps_ms)
        return last_ms - first_ms - missing_ms

    @property
    def ms_per_px(self) -> float:
        """Return the time that one logical pixel stands for."""
        return max(self.shown_ms(self.start_ms, self.end_ms), 1) / self.width_px


def tick_or_guess(tick_size: float | None, price: float) -> float:
    """Return the tick size, or a power of ten of about a millionth of the price while it is not known."""
    if tick_size is not None:
        return tick_size
    return 10.0 ** math.floor(math.log10(max(abs(price), 1e-9) * FALLBACK_TICKS_PER_PRICE))


def grid_for_view(
    view: View, settings: HeatmapSettings, *, since_ms: int, now_ms: int, tick_size: float | None
) -> GridSpec | None:
    """Return the grid for a view at the settings' resolution, or None if no time between the two moments is in sight.

    ``since_ms`` is the beginning of what has been read, ``now_ms`` the window's right edge; ``tick_size`` is in quote
    currency, None if not known yet.
    """
    first_ms = max(view.start_ms, since_ms)
    last_ms = min(view.end_ms, now_ms)
    price_low, price_high = max(view.price_low, 0.0), view.price_high
    if first_ms >= last_ms or price_low >= price_high:
        return None
    tick = tick_or_guess(tick_size, price_high)
    shown_ms = view.shown_ms(first_ms, last_ms)
    if shown_ms <= 0:
        return None
    # The visible time decides the resolution; columns for the gaps come on top.
    span_ms = max(shown_ms, math.ceil((last_ms - first_ms) / MAX_GAP_COST))
    spec = _bins(view, settings, (last_ms - span_ms, last_ms), (price_low, price_high), tick)
    cols = spec.cols * (last_ms - first_ms) / span_ms
    if cols > MAX_COLS_WITH_GAPS or spec.rows * cols > MAX_CELLS_WITH_GAPS:
        spec = _bins(view, settings, (first_ms, last_ms), (price_low, price_high), tick)
    return _with_margin(_reaching_back(spec, first_ms), since_ms=since_ms, now_ms=now_ms)


def _bins(
    view: View, settings: HeatmapSettings, time_ms: tuple[int, int], prices: tuple[float, float], tick: float
) -> GridSpec:
    """Return a grid over a range of time and price at the resolution of the settings."""
    area = {
        "visible_start_ms": time_ms[0],
        "visible_end_ms": time_ms[1],
        "price_low": prices[0],
        "price_high": prices[1],
        "tick_size": tick,
    }
    if settings.resolution == "manual":
        return manual_spec(**area, rows=settings.manual_rows, cols=settings.manual_cols)
    if settings.resolution == "pixels":
        # The part of the pane that this range takes up.
        width_px = (time_ms[1] - time_ms[0]) / view.ms_per_px
        height_px = view.height_px * (prices[1] - prices[0]) / (view.price_high - view.price_low)
        wanted = width_px * height_px / (settings.px_per_row * settings.px_per_col)
        larger = max(1.0, math.sqrt(wanted / MAX_CELLS_BY_SIZE))
        return pixel_spec(
            **area,
            width_px=width_px,
            height_px=height_px,
            px_per_row=settings.px_per_row * larger,
            px_per_col=settings.px_per_col * larger,
        )
    return auto_spec(**area, width_px=view.width_px, height_px=view.height_px)


def _reaching_back(spec: GridSpec, first_ms: int) -> GridSpec:
    """Return the grid with as many columns on the left as it takes to begin at ``first_ms``."""
    more = max(-((first_ms - spec.t0_ms) // spec.time_bin_ms), 0)
    return replace(spec, t0_ms=spec.t0_ms - more * spec.time_bin_ms, cols=spec.cols + more)


def _with_margin(spec: GridSpec, *, since_ms: int, now_ms: int) -> GridSpec:
    """Grow a grid by `MARGIN` on each side: whole bins, within what has been read, never below price 0."""
    step = spec.time_bin_ms
    wish = math.ceil(spec.cols * MARGIN)
    room_left = max((spec.t0_ms - since_ms + step - 1) // step, 0)
    room_right = max((now_ms - spec.t0_ms - spec.cols * step + step) // step, 0)
    left, right = min(wish, room_left), min(wish, room_right)
    rows = math.ceil(spec.rows * MARGIN)
    below = min(rows, math.floor(spec.price0 / spec.price_bin + 1e-9))
    first_row = round(spec.price0 / spec.price_bin) - below
    return GridSpec(
        t0_ms=spec.t0_ms - left * step,
        time_bin_ms=step,
        cols=spec.cols + left + right,
        price0=first_row * spec.price_bin,
        price_bin=spec.price_bin,
        rows=spec.rows + below + rows,
    )


def same_cells(spec: GridSpec, other: GridSpec) -> bool:
    """Return True if both grids have the same bin sizes, and so the same absolute cells."""
    return spec.time_bin_ms == other.time_bin_ms and math.isclose(spec.price_bin, other.price_bin, rel_tol=1e-12)


def near_cells(spec: GridSpec, other: GridSpec) -> bool:
    """Return True if both grids' bins have nearly the same sizes (`NEAR`)."""
    return math.isclose(spec.time_bin_ms, other.time_bin_ms, rel_tol=NEAR) and math.isclose(
        spec.price_bin, other.price_bin, rel_tol=NEAR
    )


def covers(spec: GridSpec, view: View, *, since_ms: int, now_ms: int) -> bool:
    """Return True if a grid reaches over all of a view between the two moments, see `grid_for_view`."""
    first_ms, last_ms = max(view.start_ms, since_ms), min(view.end_ms, now_ms)
    return (
        spec.t0_ms <= first_ms
        and spec.t0_ms + spec.cols * spec.time_bin_ms >= last_ms
        and spec.price0 <= max(view.price_low, 0.0)
        and spec.price0 + spec.rows * spec.price_bin >= view.price_high
    )
