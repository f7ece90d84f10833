"""How the columns of a picture are shared out among threads."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final

import numpy as np

from Heatmap.aggregation.image_buffer import SPAN_COLS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from Heatmap.aggregation.event_batch import EventBatch
    from Heatmap.aggregation.grid import GridSpec

# More ranges of columns than threads, so that a thread that comes late does less; more still where each takes long.
_RANGES_PER_LANE: Final = 4
_RANGES_OF_MANY: Final = 8
_MANY_EVENTS: Final = 1_000_000


def event_borders(part: EventBatch, spec: GridSpec, lanes: int) -> NDArray[np.int64]:
    """Return columns between which about the same number of events lies."""
    if lanes == 1:
        return np.array((0, spec.cols))
    size, ts_ms = len(part), part.ts_ms
    ranges = lanes * (_RANGES_PER_LANE if size < _MANY_EVENTS else _RANGES_OF_MANY)
    # A few numbers: plain Python is faster than arrays.
    inner = [(int(ts_ms[size * k // ranges]) - spec.t0_ms) // spec.time_bin_ms for k in range(1, ranges)]
    return np.array((0, *inner, spec.cols))


@lru_cache(maxsize=32)
def block_borders(first_col: int, last_col: int, lanes: int) -> NDArray[np.int64]:
    """Return columns that begin whole blocks, about evenly spaced."""
    ranges = lanes * _RANGES_PER_LANE if lanes > 1 else 1
    blocks = np.arange(ranges + 1) * (last_col - first_col) // ranges // SPAN_COLS
    borders = first_col + blocks * SPAN_COLS
    borders[-1] = last_col
    return borders
