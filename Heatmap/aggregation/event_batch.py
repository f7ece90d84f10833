"""The events an image is made of: filtered, split into channels, and weighted by age."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from Heatmap.aggregation.options import Sides
    from Heatmap.columns import EventColumns


@dataclass(frozen=True, slots=True)
class EventBatch:
    """N events ready to be binned, ascending in time.

    Attributes
    ----------
    ts_ms
        int64 (N,), ms since the epoch, ascending.
    price
        float64 (N,), quote currency.
    weight
        float64 (N,), what a cell sums up, usually dollars.
    channel
        uint8 (N,): which grid the event belongs to, below ``channels``.
    channels
        1, or 2: shorts in channel 0, longs in channel 1.
    """

    ts_ms: NDArray[np.int64]
    price: NDArray[np.float64]
    weight: NDArray[np.float64]
    channel: NDArray[np.uint8]
    channels: int

    def __len__(self) -> int:
        """Return the number of events."""
        return int(self.ts_ms.size)

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

        Notes
        -----
        An event without a positive, finite size or price has no place on a map of dollars and is left out too; the
        codec lets none through.
        """
        price, notional, is_long = columns.price[first:], columns.notional[first:], columns.is_long[first:]
        keep = (notional > 0) & (notional < np.inf) & np.isfinite(price)
        if min_notional > 0:
            keep &= notional >= min_notional
        if sides != "both":
            keep &= is_long if sides == "long" else ~is_long
        ts_ms = columns.ts_ms[first:]
        if not keep.all():
            ts_ms, price, notional, is_long = ts_ms[keep], price[keep], notional[keep], is_long[keep]
        channel = is_long.view(np.uint8) if by_side else np.zeros(ts_ms.size, np.uint8)
        return cls(ts_ms, price, notional, channel, 2 if by_side else 1)

    def decayed(self, as_of_ms: int, half_life_ms: float) -> EventBatch:
        """Return the batch with weights halved for each ``half_life_ms`` an event is older than ``as_of_ms``.

        Seen from a later moment, all weights shrink by one common factor: time passing needs no new batch.
        """
        age = np.maximum(as_of_ms - self.ts_ms, 0)
        return replace(self, weight=self.weight * np.exp2(age / -half_life_ms))
