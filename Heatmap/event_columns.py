"""Events as NumPy arrays: `EventColumns` for the kernels, `RecordedEvents` for other programs."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


# Room for so many times the events there are, so that adding a few seldom copies all.
_GROWTH: Final = 1.5
_LEAST_ROOM: Final = 1024


class _Room:
    """Memory in which columns lie that may still grow at their end. What is in use is never written to again."""

    def __init__(self, columns: EventColumns, more: int) -> None:
        size = len(columns)
        capacity = max(int((size + more) * _GROWTH), _LEAST_ROOM)
        self.ts_ms = np.empty(capacity, np.int64)
        self.price = np.empty(capacity)
        self.notional = np.empty(capacity)
        self.is_long = np.empty(capacity, np.bool_)
        self.used = 0
        self.append(columns)

    def append(self, columns: EventColumns) -> None:
        rows = slice(self.used, self.used + len(columns))
        self.ts_ms[rows] = columns.ts_ms
        self.price[rows] = columns.price
        self.notional[rows] = columns.notional
        self.is_long[rows] = columns.is_long
        self.used = rows.stop

    def has(self, more: int) -> bool:
        return self.used + more <= self.ts_ms.size


@dataclass(frozen=True, slots=True)
class EventColumns:
    """N events of one symbol and one source, sorted by time (ties in order of arrival).

    All arrays have shape ``(N,)``, are C-contiguous, equally long and never written to after construction.
    """

    ts_ms: NDArray[np.int64]  # trade time in ms since the Unix epoch, UTC, ascending
    price: NDArray[np.float64]  # average fill price in quote currency
    notional: NDArray[np.float64]  # price x quantity in quote currency
    is_long: NDArray[np.bool_]  # True where a long position was liquidated (order side SELL)
    # Where the live tail goes on: every event of this series up to this row id of the database has been read, whether
    # it is contained or lay outside of what was asked for. 0 if nothing was read.
    last_row_id: int = 0
    # Where the arrays lie, from its beginning on, if `merged` made them. One thread at a time may merge.
    _room: _Room | None = field(default=None, repr=False, compare=False)

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
        """Return both, sorted by time: cheap when ``newer`` really is newer, right when it is not.

        In a series of calls, each on the result of the one before, events that are newer are added at the cost of their
        own number; all are copied only now and then.
        """
        last_row_id = max(self.last_row_id, newer.last_row_id)
        if not len(newer):
            return self if last_row_id == self.last_row_id else replace(self, last_row_id=last_row_id)
        size = len(self)
        if not size:
            return EventColumns(newer.ts_ms, newer.price, newer.notional, newer.is_long, last_row_id)
        if newer.ts_ms[0] < self.ts_ms[-1]:
            ts_ms = np.concatenate((self.ts_ms, newer.ts_ms))
            order = np.argsort(ts_ms, kind="stable")
            return EventColumns(
                ts_ms[order],
                np.concatenate((self.price, newer.price))[order],
                np.concatenate((self.notional, newer.notional))[order],
                np.concatenate((self.is_long, newer.is_long))[order],
                last_row_id,
            )
        room = self._room
        # What lies behind these columns may belong to others that were merged from them before.
        if room is None or room.used != size or not room.has(len(newer)):
            room = _Room(self, len(newer))
        room.append(newer)
        rows = slice(0, room.used)
        return EventColumns(
            room.ts_ms[rows], room.price[rows], room.notional[rows], room.is_long[rows], last_row_id, room
        )


class RecordedEvents(np.recarray[Any, Any]):
    """N liquidations of one symbol and one source as a structured array, sorted by time, ties in order of arrival.

    Each field is an attribute of shape ``(N,)`` and an item: ``events.price`` is ``events["price"]``. Slices and masks
    work as on any array, ``events[events.is_long]``; ``pandas.DataFrame(events)`` has one column a field. The memory is
    the caller's.

    Attributes
    ----------
    ts_ms
        int64, trade time of the order in ms since the Unix epoch, UTC, ascending.
    received_ms
        int64, when the recording machine read it, in ms since the epoch by that machine's clock; -1: unknown, as for
        most imported events.
    price
        float64, average fill price in quote currency.
    qty
        float64, filled quantity in base currency.
    notional
        float64, price x quantity in quote currency (US dollars for USDT contracts).
    is_long
        bool, True where a long position was liquidated (order side SELL), False where a short was.
    """

    ts_ms: NDArray[np.int64]
    received_ms: NDArray[np.int64]
    price: NDArray[np.float64]
    qty: NDArray[np.float64]
    notional: NDArray[np.float64]
    is_long: NDArray[np.bool_]


def recorded_dtype(fields: Sequence[str]) -> np.dtype[np.void]:
    """Return the type of one row of `RecordedEvents` with some of its fields."""
    kinds = {"ts_ms": np.int64, "received_ms": np.int64, "is_long": np.bool_}
    # Aligned: NumPy copies what is not.
    return np.dtype([(name, kinds.get(name, np.float64)) for name in fields], align=True)
