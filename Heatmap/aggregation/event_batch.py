"""The events an image is made of: views of the columns, with the filter that the binning applies as it goes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from Heatmap.aggregation.options import Sides
    from Heatmap.event_columns import EventColumns

EXCLUDED: Final = -1

# An event without a positive size has no place on a map of dollars; the codec lets none through.
_SMALLEST: Final = float(np.nextafter(0.0, 1.0))


@dataclass(frozen=True, slots=True, weakref_slot=True)
class EventBatch:
    """N events ready to be binned, ascending in time. Making one copies nothing.

    An event counts if its weight is finite and at least ``least``, its price finite and its side's channel not
    `EXCLUDED`. Whoever reads the arrays applies that; `kept` does it for NumPy.

    Attributes
    ----------
    ts_ms
        int64 (N,), ms since the epoch, ascending.
    price
        float64 (N,), quote currency.
    weight
        float64 (N,), what a cell sums up, usually dollars.
    is_long
        uint8 (N,), 1 where a long was liquidated.
    least
        Events with a smaller weight do not count.
    short_channel, long_channel
        Which grid the events of that side go to: 0, 1 or `EXCLUDED`.
    """

    ts_ms: NDArray[np.int64]
    price: NDArray[np.float64]
    weight: NDArray[np.float64]
    is_long: NDArray[np.uint8]
    least: float
    short_channel: int
    long_channel: int

    def __len__(self) -> int:
        """Return the number of events, those that do not count included."""
        return int(self.ts_ms.size)

    @property
    def channels(self) -> int:
        """How many grids there are: 2 if the sides are told apart, else 1."""
        return max(self.short_channel, self.long_channel) + 1

    @classmethod
    def select(
        cls, columns: EventColumns, *, first: int, sides: Sides, min_notional: float, by_side: bool
    ) -> EventBatch:
        """Take the events from index ``first`` on that the options let through.

        Parameters
        ----------
        columns
            All events, ascending in time.
        first
            Index of the first event of the window.
        sides, min_notional
            See `RenderOptions`.
        by_side
            True: shorts in channel 0, longs in channel 1. False: all in channel 0.
        """
        return cls(
            ts_ms=columns.ts_ms[first:],
            price=columns.price[first:],
            weight=columns.notional[first:],
            is_long=columns.is_long[first:].view(np.uint8),
            least=max(min_notional, _SMALLEST),
            short_channel=EXCLUDED if sides == "long" else 0,
            long_channel=EXCLUDED if sides == "short" else int(by_side),
        )

    @classmethod
    def of_weights(
        cls, ts_ms: NDArray[np.int64], price: NDArray[np.float64], weight: NDArray[np.float64]
    ) -> EventBatch:
        """Take events, ascending in time, whatever the sign of their weights and without sides."""
        return cls(ts_ms, price, weight, np.zeros(ts_ms.size, np.uint8), -np.inf, 0, 0)

    def between(self, start_ms: int, end_ms: int) -> EventBatch:
        """Return the events with ``start_ms <= ts_ms < end_ms``."""
        # One key a call: half the cost of an array of two, and this is called for every image.
        return self.part(int(self.ts_ms.searchsorted(start_ms)), int(self.ts_ms.searchsorted(end_ms)))

    def part(self, first: int, last: int) -> EventBatch:
        """Return the events with an index in ``[first, last)``."""
        if first == 0 and last == len(self):
            return self
        rows = slice(first, last)
        return replace(
            self,
            ts_ms=self.ts_ms[rows],
            price=self.price[rows],
            weight=self.weight[rows],
            is_long=self.is_long[rows],
        )

    def keeps(self) -> NDArray[np.bool_]:
        """Return which events count, bool (N,)."""
        keep: NDArray[np.bool_] = (self.weight >= self.least) & (self.weight < np.inf) & np.isfinite(self.price)
        if self.short_channel == EXCLUDED:
            keep &= self.is_long != 0
        if self.long_channel == EXCLUDED:
            keep &= self.is_long == 0
        return keep

    def kept(self) -> EventBatch:
        """Return only the events that count, copied if some do not."""
        keep = self.keeps()
        if keep.all():
            return self
        return replace(
            self,
            ts_ms=self.ts_ms[keep],
            price=self.price[keep],
            weight=self.weight[keep],
            is_long=self.is_long[keep],
        )

    def channel(self) -> NDArray[np.int64]:
        """Return the channel of each event, int64 (N,)."""
        return np.where(self.is_long, self.long_channel, self.short_channel)

    def decayed(self, as_of_ms: int, half_life_ms: float) -> EventBatch:
        """Return what counts, with weights halved for each ``half_life_ms`` an event is older than ``as_of_ms``.

        Seen from a later moment, all weights shrink by one common factor: time passing needs no new batch.
        """
        kept = self.kept()
        age = np.maximum(as_of_ms - kept.ts_ms, 0)
        # What has faded to nothing still counts as an event.
        return replace(kept, weight=kept.weight * np.exp2(age / -half_life_ms), least=0.0)
