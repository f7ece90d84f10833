"""Sums of the events in a view: by price, by bar, and by side; plain sums of what was reported, without decay."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from Heatmap.aggregation.event_batch import EventBatch
from Heatmap.aggregation.grid import price_bin_index, price_bins
from Heatmap.aggregation.resolution import round_step
from Heatmap.rendering.bar_coverage import BarState, bar_states, idle_times
from Heatmap.rendering.event_window import FAR_MS, LIVE_EDGE_MS, NO_GAPS, combined_gaps
from Heatmap.rendering.view_grid import MARGIN, tick_or_guess

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from Heatmap.event_columns import EventColumns
    from Heatmap.heatmap_settings import HeatmapSettings
    from Heatmap.rendering.event_window import EventWindow, Gaps, RecordGaps
    from Heatmap.rendering.view_grid import BarRun, View
    from Heatmap.vocabulary import Sides

# Least height of a row of the profile in logical pixels; it is a round number of the price.
ROW_PX: Final = 8.0


class SideSums(NamedTuple):
    """Dollars of liquidated longs and shorts: lower bounds."""

    long_usd: float = 0.0
    short_usd: float = 0.0

    @property
    def total_usd(self) -> float:
        return self.long_usd + self.short_usd


@dataclass(frozen=True, slots=True, eq=False)
class BarSums:
    """Sums of N bars: those in sight, and some beyond both edges, as far as they are within the window.

    Attributes
    ----------
    starts_ms, ends_ms
        int64 (N,), begin and end of each bar, ms since the epoch; ascending, half-open, without overlap.
    usd
        float64 (N, 2), dollars of liquidated longs and shorts.
    states
        uint8 (N,), the `BarState` of each.
    """

    starts_ms: NDArray[np.int64]
    ends_ms: NDArray[np.int64]
    usd: NDArray[np.float64]
    states: NDArray[np.uint8]


@dataclass(frozen=True, slots=True, eq=False)
class ViewSums:
    """Sums of the events of a view that pass the filters for side and minimum size.

    Attributes
    ----------
    start_ms, end_ms
        The time in sight within the window, half-open, ms since the epoch.
    total
        Sums of that time at all prices.
    price_step, first_row
        Height of a row of the profile in quote currency; row ``i`` of ``rows_usd`` is
        ``[(first_row + i) * price_step, (first_row + i + 1) * price_step)``. The rows cover the prices in sight and
        some beyond.
    rows_usd
        float64 (rows, 2), dollars of liquidated longs and shorts of that time by price.
    above, below
        Sums of the whole window at prices above and below those in sight.
    bars
        Sums by bar.
    window_start_ms
        Beginning of the window.
    sides, min_notional_usd
        The filters.
    """

    start_ms: int
    end_ms: int
    total: SideSums
    price_step: float
    first_row: int
    rows_usd: NDArray[np.float64]
    above: SideSums
    below: SideSums
    bars: BarSums
    window_start_ms: int
    sides: Sides
    min_notional_usd: int

    @property
    def is_complete(self) -> bool:
        """True if all of the time in sight within the window is on record."""
        bars = self.bars
        seen = (bars.ends_ms > self.start_ms) & (bars.starts_ms < self.end_ms) & (bars.states > BarState.OUTSIDE)
        return bool((bars.states[seen] == BarState.RECORDED).all())


class ShownEvents(NamedTuple):
    """The N events of a window that pass the filters; independent of the view.

    Attributes
    ----------
    ts_ms
        int64 (N,), ms since the epoch, ascending.
    price
        float64 (N,), quote currency.
    usd
        float64 (2, N): row 0 has the dollars of the longs, row 1 those of the shorts, and 0 for the other side's.
    """

    ts_ms: NDArray[np.int64]
    price: NDArray[np.float64]
    usd: NDArray[np.float64]


class LatestSums:
    """The sums of the latest view, computed anew only when something has changed. For one thread."""

    def __init__(self) -> None:
        self._columns: EventColumns | None = None
        self._filter: tuple[object, ...] = ()
        self._events: ShownEvents | None = None
        self._key: tuple[object, ...] = ()
        self._sums: ViewSums | None = None

    def of(
        self,
        window: EventWindow,
        view: View,
        settings: HeatmapSettings,
        *,
        symbol: str,
        window_ms: tuple[int, int],
        tick_size: float | None,
        gaps: RecordGaps,
    ) -> ViewSums | None:
        """Return the sums for the settings that show them, else None; the same object while all stays the same."""
        if not (settings.profile or settings.candle_sums or settings.coverage_lane):
            self._columns = self._events = self._sums = None
            return None
        columns, chosen = window.columns, (settings.sides, settings.min_notional_usd, window_ms[0])
        if self._events is None or columns is not self._columns or chosen != self._filter:
            self._columns, self._filter, self._key = columns, chosen, ()
            self._events = shown_events(columns, settings, window_ms[0])
        runs = window.recorder_runs(symbol, settings.sources)
        # No recorder ran where none of any source did.
        idle = combined_gaps([idle_times(gaps.none, run, window_ms[1]) for run in runs]).none
        key = (view, window_ms, tick_size, gaps, idle)
        if key != self._key:
            self._key = key
            self._sums = view_sums(
                self._events, view, settings, window_ms=window_ms, tick_size=tick_size, gaps=gaps, idle=idle
            )
        return self._sums


def shown_events(columns: EventColumns, settings: HeatmapSettings, start_ms: int) -> ShownEvents:
    """Return the events since ``start_ms`` that pass the filters for side and minimum size."""
    kept = EventBatch.select(
        columns.between(start_ms, FAR_MS),
        sides=settings.sides,
        min_notional=settings.min_notional_usd,
        by_side=False,
    ).kept()
    return ShownEvents(kept.ts_ms, kept.price, np.where([kept.is_long != 0, kept.is_long == 0], kept.weight, 0.0))


def profile_step(view: View, tick_size: float | None) -> float:
    """Return the height of a profile's row in quote currency: 1, 2 or 5 times a power of ten, at least `ROW_PX`."""
    tick = tick_or_guess(tick_size, max(abs(view.price_high), abs(view.price_low)))
    return round_step(max((view.price_high - view.price_low) / view.height_px * ROW_PX, tick))


def view_sums(
    events: ShownEvents,
    view: View,
    settings: HeatmapSettings,
    *,
    window_ms: tuple[int, int],
    tick_size: float | None,
    gaps: RecordGaps = NO_GAPS,
    idle: Gaps = (),
) -> ViewSums | None:
    """Return the sums of a view, None if it shows no price or does not meet the window.

    Parameters
    ----------
    events
        Those of the window under these settings; see `shown_events`.
    window_ms
        Begin and end of the window. Events after its end belong to it: the exchange's clock may be ahead.
    gaps, idle
        See `bar_states`.
    """
    low, high = max(view.price_low, 0.0), view.price_high
    start_ms, end_ms = max(view.start_ms, window_ms[0]), view.end_ms
    if low >= high or start_ms >= end_ms or view.start_ms >= window_ms[1]:
        return None
    seen = slice(*events.ts_ms.searchsorted((start_ms, end_ms)))
    step = profile_step(view, tick_size)
    reach = (high - low) * MARGIN
    first_row = price_bin_index(max(low - reach, 0.0), step)
    rows = price_bin_index(high + reach, step) - first_row + 1
    return ViewSums(
        start_ms=start_ms,
        end_ms=end_ms,
        total=SideSums(*events.usd[:, seen].sum(axis=1).tolist()),
        price_step=step,
        first_row=first_row,
        rows_usd=_by_row(price_bins(events.price[seen], step) - first_row, events.usd[:, seen], rows),
        above=_where(events.price > high, events.usd),
        below=_where(events.price < low, events.usd),
        bars=_bar_sums(events, view.bars, gaps, idle, window_ms),
        window_start_ms=window_ms[0],
        sides=settings.sides,
        min_notional_usd=settings.min_notional_usd,
    )


def _where(counts: NDArray[np.bool_], usd: NDArray[np.float64]) -> SideSums:
    return SideSums(*usd.sum(axis=1, where=counts).tolist()) if counts.any() else SideSums()


def _by_row(row: NDArray[np.float64], usd: NDArray[np.float64], rows: int) -> NDArray[np.float64]:
    """Return the sums by row, float64 (rows, 2), of events in these rows; rows below 0 or beyond the last do not count.

    One more row at each end takes those.
    """
    cell = np.clip(row, -1, rows).astype(np.int64) + 1
    return np.stack([np.bincount(cell, of_side, minlength=rows + 2)[1:-1] for of_side in usd], axis=1)


def _bar_sums(
    events: ShownEvents, runs: tuple[BarRun, ...], gaps: RecordGaps, idle: Gaps, window_ms: tuple[int, int]
) -> BarSums:
    runs = _within(runs, window_ms)
    none = np.empty(0, np.int64)
    starts = np.concatenate([none, *(run.start_ms + run.step_ms * np.arange(run.number) for run in runs)])
    ends = starts + np.concatenate([none, *(np.full(run.number, run.step_ms) for run in runs)])
    # Where a bar is followed sooner than by its interval, it ends there.
    ends[:-1] = np.minimum(ends[:-1], starts[1:])
    borders = events.ts_ms.searchsorted(np.stack((starts, ends), axis=1))
    # Every second sum is that of what lies between two bars; of an empty interval it is its first event.
    padded = np.pad(events.usd, ((0, 0), (0, 1)))
    usd = np.add.reduceat(padded, borders.ravel(), axis=1)[:, ::2].T if len(starts) else np.empty((0, 2))
    usd = np.where((borders[:, 0] < borders[:, 1])[:, np.newaxis], usd, 0.0)
    return BarSums(starts, ends, usd, bar_states(starts, ends, gaps, idle, window_ms))


def _within(runs: tuple[BarRun, ...], window_ms: tuple[int, int]) -> tuple[BarRun, ...]:
    """Return the runs without the bars that do not meet the window, which may be very many."""
    kept = []
    for run in runs:
        first = max((window_ms[0] - run.start_ms) // run.step_ms, 0)
        # The exchange's clock may be ahead, so a bar that has not begun yet may have events.
        last = min(run.number, -((run.start_ms - window_ms[1] - LIVE_EDGE_MS) // run.step_ms))
        if first < last:
            kept.append(run._replace(start_ms=run.start_ms + first * run.step_ms, number=last - first))
    return tuple(kept)
