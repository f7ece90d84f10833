"""Choice of the largest events of a view."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from Heatmap.aggregation.event_batch import EventBatch

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from Heatmap.event_columns import EventColumns
    from Heatmap.heatmap_settings import HeatmapSettings
    from Heatmap.rendering.view_grid import View


class LargeEvent(NamedTuple):
    """One event: trade time in ms since the epoch (UTC), price and notional in quote currency."""

    ts_ms: int
    price: float
    notional: float
    is_long: bool


@dataclass(frozen=True, slots=True, eq=False)
class LargestEvents:
    """N events, the largest first, equal ones by time; arrays of shape (N,), see `EventColumns`."""

    ts_ms: NDArray[np.int64]
    price: NDArray[np.float64]
    notional: NDArray[np.float64]
    is_long: NDArray[np.bool_]

    def __len__(self) -> int:
        return int(self.ts_ms.size)

    def event(self, number: int) -> LargeEvent:
        return LargeEvent(
            int(self.ts_ms[number]),
            float(self.price[number]),
            float(self.notional[number]),
            bool(self.is_long[number]),
        )


def largest_events(columns: EventColumns, view: View, settings: HeatmapSettings, start_ms: int) -> LargestEvents:
    """Return the `bubble_count` largest events in the view that the map shows, none while bubbles are off.

    The map shows those since ``start_ms``, the window's beginning, that pass side and minimum size.
    """
    count = settings.bubble_count if settings.bubbles else 0
    seen = columns.between(max(start_ms, view.start_ms), view.end_ms if count else 0)
    batch = EventBatch.select(seen, sides=settings.sides, min_notional=settings.min_notional_usd, by_side=False)
    rows = np.flatnonzero(batch.keeps() & (seen.price >= view.price_low) & (seen.price <= view.price_high))
    if len(rows) > count:
        size = seen.notional[rows]
        least = np.partition(size, -count)[-count]
        rows = rows[size >= least]
    # A stable sort: equal ones stay in the order of their times.
    rows = rows[np.argsort(-seen.notional[rows], kind="stable")][:count]
    return LargestEvents(seen.ts_ms[rows], seen.price[rows], seen.notional[rows], seen.is_long[rows])
