"""The horizontal profile: how many dollars were liquidated at each price."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from Heatmap.aggregation.event_batch import EventBatch
from Heatmap.aggregation.grid import GridSpec, price_bins

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from Heatmap.columns import EventColumns


@dataclass(frozen=True, slots=True)
class PriceProfile:
    """Dollars per row of a grid.

    Attributes
    ----------
    long_usd, short_usd
        float64 (rows,), liquidated longs and shorts, row 0 the **lowest** price. Plain sums, without decay.
    spec
        The grid whose rows and time range these are.
    """

    long_usd: NDArray[np.float64]
    short_usd: NDArray[np.float64]
    spec: GridSpec


def price_profile(columns: EventColumns, spec: GridSpec, *, min_notional: float = 0.0) -> PriceProfile:
    """Sum the events inside a grid over its time range, per price row and side.

    Parameters
    ----------
    columns
        Events, ascending in time; those outside the grid are left out.
    spec
        See `GridSpec`.
    min_notional
        Events below this many dollars are left out.
    """
    visible = columns.between(spec.t0_ms, spec.end_ms)
    batch = EventBatch.select(visible, first=0, sides="both", min_notional=min_notional, by_side=True).kept()
    rows = price_bins(batch.price, spec.price_bin) - spec.first_price_bin
    inside = (rows >= 0) & (rows < spec.rows)
    cells = batch.channel()[inside] * spec.rows + rows[inside].astype(np.int64)
    usd = np.bincount(cells, batch.weight[inside], minlength=2 * spec.rows).astype(np.float64, copy=False)
    return PriceProfile(long_usd=usd[spec.rows :], short_usd=usd[: spec.rows], spec=spec)
