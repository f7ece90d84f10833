"""Events as a NumPy struct of arrays: what the reader hands to the kernel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class EventColumns:
    """N events of one symbol and one source, sorted by time (ties in order of arrival).

    All arrays have shape ``(N,)``, are C-contiguous, equally long and never written to after construction.

    Attributes
    ----------
    ts_ms
        int64, trade time in ms since the Unix epoch, UTC, ascending.
    price
        float64, average fill price in quote currency.
    notional
        float64, price x quantity in quote currency.
    is_long
        bool, True where a long position was liquidated (order side SELL).
    last_row_id
        Where the live tail goes on: every event of this series up to this row id of the database has been read,
        whether it is contained or lay outside of what was asked for. 0 if nothing was read.
    """

    ts_ms: NDArray[np.int64]
    price: NDArray[np.float64]
    notional: NDArray[np.float64]
    is_long: NDArray[np.bool_]
    last_row_id: int = 0

    def __len__(self) -> int:
        """Return the number of events."""
        return int(self.ts_ms.size)

    @classmethod
    def empty(cls) -> EventColumns:
        """Return columns without a row."""
        return cls(np.empty(0, np.int64), np.empty(0), np.empty(0), np.empty(0, np.bool_))

    def between(self, start_ms: int, end_ms: int) -> EventColumns:
        """Return the events with ``start_ms <= ts_ms < end_ms`` as views, without a copy."""
        first, last = np.searchsorted(self.ts_ms, [start_ms, end_ms], side="left")
        rows = slice(int(first), int(last))
        return EventColumns(
            self.ts_ms[rows], self.price[rows], self.notional[rows], self.is_long[rows], self.last_row_id
        )

    def merged(self, newer: EventColumns) -> EventColumns:
        """Return both, sorted by time; cheap when ``newer`` really is newer, right when it is not."""
        if not len(newer):
            return self
        last_row_id = max(self.last_row_id, newer.last_row_id)
        if not len(self):
            return EventColumns(newer.ts_ms, newer.price, newer.notional, newer.is_long, last_row_id)
        ts_ms = np.concatenate((self.ts_ms, newer.ts_ms))
        price = np.concatenate((self.price, newer.price))
        notional = np.concatenate((self.notional, newer.notional))
        is_long = np.concatenate((self.is_long, newer.is_long))
        if newer.ts_ms[0] < self.ts_ms[-1]:
            order = np.argsort(ts_ms, kind="stable")
            ts_ms, price, notional, is_long = ts_ms[order], price[order], notional[order], is_long[order]
        return EventColumns(ts_ms, price, notional, is_long, last_row_id)
