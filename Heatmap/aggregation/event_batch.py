"""Events of an image: views of the columns, and the filter that binning applies."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from Heatmap.aggregation.grid import price_bins

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from Heatmap.event_columns import EventColumns
    from Heatmap.vocabulary import Sides

EXCLUDED: Final = -1

# Weights of 0 and below do not count.
_SMALLEST: Final = float(np.nextafter(0.0, 1.0))


@dataclass(frozen=True, slots=True, weakref_slot=True, eq=False)
class EventBatch:
    """N events to bin, ascending in time, mostly views; compared by identity.

    An event counts if its weight is finite and at least ``least``, its price finite and its side's channel not
    `EXCLUDED`. The kernels apply that as they read; for NumPy `kept` does.

    Attributes
    ----------
    ts_ms
        int64 (N,), ms since the epoch, ascending.
    price
        float64 (N,), quote currency.
    weight
        float64 (N,), what is summed, usually dollars.
    is_long
        uint8 (N,), 1 where a long was liquidated.
    least
        Events with a smaller weight do not count.
    short_channel, long_channel
        Index of the grid of that side: 0, 1 or `EXCLUDED`.
    """

    ts_ms: NDArray[np.int64]
    price: NDArray[np.float64]
    weight: NDArray[np.float64]
    is_long: NDArray[np.uint8]
    least: float
    short_channel: int
    long_channel: int

    def __len__(self) -> int:
        """Return the number of events, with those that do not count."""
        return int(self.ts_ms.size)

    @property
    def channels(self) -> int:
        """Number of grids: 2 if each side has one, else 1."""
        return max(self.short_channel, self.long_channel) + 1

    @classmethod
    def select(cls, columns: EventColumns, *, sides: Sides, min_notional: float, by_side: bool) -> EventBatch:
        """Return the events; if ``by_side``, with shorts in channel 0 and longs in 1.

        See `RenderOptions` for ``sides`` and ``min_notional``.
        """
        return cls(
            ts_ms=columns.ts_ms,
            price=columns.price,
            weight=columns.notional,
            is_long=columns.is_long.view(np.uint8),
            least=max(min_notional, _SMALLEST),
            short_channel=EXCLUDED if sides == "long" else 0,
            long_channel=EXCLUDED if sides == "short" else int(by_side),
        )

    @classmethod
    def of_weights(
        cls, ts_ms: NDArray[np.int64], price: NDArray[np.float64], weight: NDArray[np.float64]
    ) -> EventBatch:
        """Return events without sides, ascending in time; their weights may be negative."""
        return cls(ts_ms, price, weight, np.zeros(ts_ms.size, np.uint8), -np.inf, 0, 0)

    def between(self, start_ms: int, end_ms: int) -> EventBatch:
        """Return the events with ``start_ms <= ts_ms < end_ms``."""
        # Two searches cost half of one for an array of two.
        return self.part(int(self.ts_ms.searchsorted(start_ms)), int(self.ts_ms.searchsorted(end_ms)))

    def part(self, first: int, last: int) -> EventBatch:
        """Return the events with an index in ``[first, last)``."""
        return self if first == 0 and last == len(self) else self.at(slice(first, last))

    def keeps(self) -> NDArray[np.bool_]:
        """Return which events count, bool (N,)."""
        keep: NDArray[np.bool_] = (self.weight >= self.least) & (self.weight < np.inf) & np.isfinite(self.price)
        if self.short_channel == EXCLUDED:
            keep &= self.is_long != 0
        if self.long_channel == EXCLUDED:
            keep &= self.is_long == 0
        return keep

    def kept(self) -> EventBatch:
        """Return the events that count; a copy unless all do."""
        keep = self.keeps()
        return self if keep.all() else self.at(keep)

    def cell_numbers(self, time_bin_ms: int, price_bin: float) -> NDArray[np.int64]:
        """Return a number of the cell of each event, int64 (N,), from 0 on without gaps; all events count."""
        rows, cols = price_bins(self.price, price_bin), self.ts_ms // time_bin_ms
        order = np.lexsort((rows, cols))
        differs = (np.diff(rows[order]) != 0) | (np.diff(cols[order]) != 0)
        numbers = np.zeros(len(self), np.int64)
        numbers[order[1:]] = np.cumsum(differs)
        return numbers

    def cell_usd(self, time_bin_ms: int, price_bin: float) -> NDArray[np.float32]:
        """Return the sum of the cell of each event, float32 (N,), 0 for one that does not count."""
        keep, usd = self.keeps(), np.zeros(len(self), np.float32)
        kept = self.at(keep)
        numbers = kept.cell_numbers(time_bin_ms, price_bin)
        usd[keep] = np.bincount(numbers, kept.weight)[numbers]
        return usd

    def at(self, index: slice | NDArray[np.bool_]) -> EventBatch:
        """Return some of the events."""
        return replace(
            self,
            ts_ms=self.ts_ms[index],
            price=self.price[index],
            weight=self.weight[index],
            is_long=self.is_long[index],
        )

    def channel(self) -> NDArray[np.int64]:
        """Return the channel of each event, int64 (N,)."""
        return np.where(self.is_long, self.long_channel, self.short_channel)

    def decayed(self, as_of_ms: int, half_life_ms: float) -> EventBatch:
        """Return the events that count; weights halve for each ``half_life_ms`` by which they precede ``as_of_ms``.

        At a later moment all weights are smaller by one common factor, so the batch can be used again.
        """
        kept = self.kept()
        age = np.maximum(as_of_ms - kept.ts_ms, 0)
        # Events whose weight is 0 by now still count.
        return replace(kept, weight=kept.weight * np.exp2(age / -half_life_ms), least=0.0)
