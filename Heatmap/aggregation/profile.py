"""The horizontal profile: how many dollars were liquidated at each price, by the very cells that are painted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from Heatmap.aggregation.engine import Engine, new_engine
from Heatmap.aggregation.event_batch import EventBatch

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from Heatmap.aggregation.grid import GridSpec
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


def price_profile(
    columns: EventColumns, spec: GridSpec, *, min_notional: float = 0.0, engine: Engine | None = None
) -> PriceProfile:
    """Sum the cells of a grid over its time range, per price row and side.

    Parameters
    ----------
    columns
        Events, ascending in time; those outside the grid are left out.
    spec
        See `GridSpec`.
    min_notional
        Events below this many dollars are left out.
    engine
        By default the fastest that needs no compiling in this process.
    """
    batch = EventBatch.select(columns, first=0, sides="both", min_notional=min_notional, by_side=True)
    engine = engine if engine is not None else new_engine()
    cells = engine.bin_events(batch, spec, pad_cols=0, pad_rows=0, tail=0.0)
    short_usd, long_usd = (engine.grid_of(cells, channel).sum(axis=1, dtype=np.float64) for channel in (0, 1))
    return PriceProfile(long_usd=long_usd, short_usd=short_usd, spec=spec)
