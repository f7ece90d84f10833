"""The trail that comes in from the left: what events before the grid leave behind in its first column."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import numpy as np

from Heatmap.aggregation.grid import GridSpec, price_bins

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from Heatmap.aggregation.event_batch import EventBatch

# After forty halvings a million dollars are a millionth of a dollar.
_LIFETIME_HALF_LIVES: Final = 40


def column_factor(time_bin_ms: int, half_life_ms: float) -> np.float32:
    """Return what is left of the heat one column on."""
    return np.float32(0.5 ** (time_bin_ms / half_life_ms))


def heat_from_the_left(batch: EventBatch, spec: GridSpec, half_life_ms: float) -> NDArray[np.float32]:
    """Return the heat of column 0, float32 (channels, rows), as the recursion over all earlier columns gives it.

    It costs one pass over those events and no column: the filter is linear, so each event's rest is known in closed
    form.
    """
    # A whole number: searching int64 for a float would convert every event first.
    earliest_ms = spec.t0_ms - math.ceil(_LIFETIME_HALF_LIVES * half_life_ms)
    part = batch.between(earliest_ms, spec.t0_ms).kept()
    rows = price_bins(part.price, spec.price_bin) - spec.first_price_bin
    inside = (rows >= 0) & (rows < spec.rows)
    cols_ago = spec.first_time_bin - part.ts_ms[inside] // spec.time_bin_ms
    left = part.weight[inside] * np.exp2(cols_ago * (-spec.time_bin_ms / half_life_ms))
    cells = part.channel()[inside] * spec.rows + rows[inside].astype(np.int64)
    heat = np.bincount(cells, left, minlength=batch.channels * spec.rows)
    return heat.reshape(batch.channels, spec.rows).astype(np.float32)
