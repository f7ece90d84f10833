"""Sums of a rectangle of time and price that the user has drawn on the chart."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from Heatmap.aggregation.event_batch import EventBatch

if TYPE_CHECKING:
    from Heatmap.event_columns import EventColumns
    from Heatmap.rendering.event_window import Gaps
    from Heatmap.vocabulary import Sides


@dataclass(frozen=True, slots=True)
class Area:
    """A half-open rectangle: ms since the epoch, UTC, and quote currency.

    ``price_low`` 0 and ``price_high`` infinite: all prices below or above.
    """

    start_ms: int
    end_ms: int
    price_low: float
    price_high: float


@dataclass(frozen=True, slots=True)
class AreaFigures:
    """Plain sums of the events of an area that pass the filters for side and minimum size, in dollars.

    ``area`` begins later than asked for where earlier events are not in memory. ``is_complete``: all of its time that
    has passed is on record.
    """

    area: Area
    count: int
    long_usd: float
    short_usd: float
    largest_usd: float  # 0.0 where there is none
    is_complete: bool


def area_figures(
    columns: EventColumns, area: Area, *, sides: Sides, min_notional: float, since_ms: int, gaps: Gaps
) -> AreaFigures:
    """Return the sums of an area.

    Parameters
    ----------
    columns
        Events, ascending in time; all of the area from ``since_ms`` on.
    sides, min_notional
        See `RenderOptions`.
    gaps
        Times that are not wholly on record, in any order.
    """
    area = replace(area, start_ms=min(max(area.start_ms, since_ms), area.end_ms))
    batch = EventBatch.select(
        columns.between(area.start_ms, area.end_ms), sides=sides, min_notional=min_notional, by_side=False
    ).kept()
    inside = (batch.price >= area.price_low) & (batch.price < area.price_high)
    usd, is_long = batch.weight[inside], batch.is_long[inside] != 0
    return AreaFigures(
        area=area,
        count=int(usd.size),
        long_usd=float(usd[is_long].sum()),
        short_usd=float(usd[~is_long].sum()),
        largest_usd=float(np.max(usd, initial=0.0)),
        is_complete=not any(start < area.end_ms and end > area.start_ms for start, end in gaps),
    )
