"""Events to a grid of sums: the public, stateless form of what the engines do."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from Heatmap.aggregation.engine_choice import script_engine
from Heatmap.aggregation.event_batch import EventBatch
from Heatmap.aggregation.options import require_sides
from Heatmap.errors import GridError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from Heatmap.aggregation.engine import Engine
    from Heatmap.aggregation.grid import GridSpec
    from Heatmap.vocabulary import Sides


def build_grid(
    ts_ms: NDArray[np.int64],
    price: NDArray[np.float64],
    weight: NDArray[np.float64],
    spec: GridSpec,
    *,
    is_long: NDArray[np.bool_] | None = None,
    sides: Sides = "both",
    engine: Engine | None = None,
) -> NDArray[np.float32]:
    """Sum the weights of events per cell.

    Parameters
    ----------
    ts_ms
        int64 (N,), ms since the epoch. Ascending input takes the fast path; any other order gives the same result.
    price
        float64 (N,), quote currency. NaN and infinities lie outside of every grid.
    weight
        float64 (N,), finite; what is summed, usually dollars.
    spec
        The grid; see `GridSpec`. Events outside are left out, not folded into its edges.
    is_long
        bool (N,), True where a long was liquidated; needed for one side only.
    sides
        "both", "long" or "short": whose events to sum.
    engine
        By default the fastest, see `engine_choice`.

    Returns
    -------
    float32 (rows, cols), C order, owned by the caller, row 0 the **lowest** price. Sums are made in float64.

    Raises
    ------
    GridError
        The arrays are not one-dimensional and equally long, times are not whole numbers, ``sides`` is none, or one side
        is wanted without ``is_long``.
    """
    require_sides(sides)
    kind = np.asarray(ts_ms).dtype
    # Rounding would move an event to another column, and a date's unit is anybody's guess.
    if kind.kind not in "iu" and np.size(ts_ms):
        raise GridError(f"ts_ms: expected whole numbers of ms, was {kind}")
    ts_ms = np.ascontiguousarray(ts_ms, np.int64)
    price = np.ascontiguousarray(price, np.float64)
    weight = np.ascontiguousarray(weight, np.float64)
    if ts_ms.ndim != 1 or not ts_ms.shape == price.shape == weight.shape:
        raise GridError(f"expected three equally long arrays, was {ts_ms.shape}, {price.shape} and {weight.shape}")
    if sides != "both":
        if is_long is None or is_long.shape != ts_ms.shape:
            raise GridError(f"is_long: expected one for each event to tell the {sides} ones")
        chosen = np.asarray(is_long, np.bool_) == (sides == "long")
        ts_ms, price, weight = ts_ms[chosen], price[chosen], weight[chosen]
    if (ts_ms[1:] < ts_ms[:-1]).any():
        order = np.argsort(ts_ms, kind="stable")
        ts_ms, price, weight = ts_ms[order], price[order], weight[order]
    batch = EventBatch.of_weights(ts_ms, price, weight)
    engine = engine if engine is not None else script_engine()
    return engine.grid(engine.bin(batch, spec), 0)
