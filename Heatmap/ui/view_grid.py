"""Which grid serves a view: the visible range within the window, at the resolution the settings ask for. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from Heatmap.aggregation import GridSpec
from Heatmap.aggregation.resolution import auto_spec, manual_spec
from Heatmap.heatmap_settings import HeatmapSettings, window_ms

if TYPE_CHECKING:
    from Heatmap.ui.viewport import TimeAxis, Viewport

# Built beyond each edge of the view, so that a short pan needs no new image.
MARGIN = 0.15
# A price bin can be no finer than this when the exchange has not told the tick size yet.
FALLBACK_TICKS_PER_PRICE = 1e-6


@dataclass(frozen=True, slots=True)
class View:
    """One frame's range in data units.

    Attributes
    ----------
    start_ms, end_ms
        Visible time, ms since the epoch, UTC.
    price_low, price_high
        Visible prices.
    width_px, height_px
        Size of the pane in logical pixels.
    """

    start_ms: int
    end_ms: int
    price_low: float
    price_high: float
    width_px: int
    height_px: int

    @classmethod
    def of(cls, viewport: Viewport, axis: TimeAxis) -> View:
        """Return what a viewport shows."""
        start_ms, end_ms = viewport.visible_time_ms(axis)
        return cls(
            start_ms=start_ms,
            end_ms=end_ms,
            price_low=viewport.price_low,
            price_high=viewport.price_high,
            width_px=max(round(viewport.width_px), 1),
            height_px=max(round(viewport.height_px), 1),
        )


def tick_or_guess(tick_size: float | None, price: float) -> float:
    """Return the exchange's tick size, or a power of ten a millionth of the price while it is not known."""
    if tick_size is not None:
        return tick_size
    return 10.0 ** math.floor(math.log10(max(abs(price), 1e-9) * FALLBACK_TICKS_PER_PRICE))


def grid_for_view(view: View, settings: HeatmapSettings, *, now_ms: int, tick_size: float | None) -> GridSpec | None:
    """Return the grid for a view, or None if the view and the window do not meet.

    Parameters
    ----------
    view
        What the chart shows.
    settings
        Window and resolution are read.
    now_ms
        The window's right edge, ms since the epoch, UTC.
    tick_size
        The symbol's tick size in quote currency, None if not known yet.
    """
    first_ms = max(view.start_ms, now_ms - window_ms(settings))
    last_ms = min(view.end_ms, now_ms)
    price_low, price_high = max(view.price_low, 0.0), view.price_high
    if first_ms >= last_ms or price_low >= price_high:
        return None
    tick = tick_or_guess(tick_size, price_high)
    if settings.resolution == "manual":
        spec = manual_spec(
            visible_start_ms=first_ms,
            visible_end_ms=last_ms,
            price_low=price_low,
            price_high=price_high,
            tick_size=tick,
            rows=settings.manual_rows,
            cols=settings.manual_cols,
        )
    else:
        spec = auto_spec(
            visible_start_ms=first_ms,
            visible_end_ms=last_ms,
            price_low=price_low,
            price_high=price_high,
            width_px=view.width_px,
            height_px=view.height_px,
            tick_size=tick,
        )
    return _with_margin(spec, window_start_ms=now_ms - window_ms(settings), now_ms=now_ms)


def _with_margin(spec: GridSpec, *, window_start_ms: int, now_ms: int) -> GridSpec:
    """Grow a grid by `MARGIN` on each side: whole bins, within the window, never below price 0."""
    step = spec.time_bin_ms
    wish = math.ceil(spec.cols * MARGIN)
    room_left = max((spec.t0_ms - window_start_ms + step - 1) // step, 0)
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


def covers(spec: GridSpec, view: View, *, window_start_ms: int, now_ms: int) -> bool:
    """Return True if a grid reaches over all of a view that can hold heat."""
    first_ms, last_ms = max(view.start_ms, window_start_ms), min(view.end_ms, now_ms)
    return (
        spec.t0_ms <= first_ms
        and spec.t0_ms + spec.cols * spec.time_bin_ms >= last_ms
        and spec.price0 <= max(view.price_low, 0.0)
        and spec.price0 + spec.rows * spec.price_bin >= view.price_high
    )
