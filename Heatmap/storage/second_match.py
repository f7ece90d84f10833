"""Events whose time is known to the second only, compared with stored ones that have milliseconds."""

from __future__ import annotations

from collections import defaultdict
from itertools import count
from typing import TYPE_CHECKING, Final

from msgspec import structs

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from Heatmap.events import LiquidationEvent
    from Heatmap.storage.sql_connection import Connection

_MS_PER_S: Final = 1000
_STORED: Final = """
    SELECT ts_ms, symbol, side, price, qty FROM liq_events INDEXED BY idx_liq_events_window
    WHERE source = ? AND symbol = ? AND ts_ms >= ? AND ts_ms < ?
"""


def missing_events(
    events: Sequence[LiquidationEvent], stored: Iterable[tuple[int, str, str, float, float]]
) -> Iterator[LiquidationEvent]:
    """Yield the events that are not stored, counting those of a second with one symbol, side, price and quantity.

    ``stored`` are rows ``(ts_ms, symbol, side, price, qty)`` of the whole seconds of the events. Events that are alike
    get different milliseconds of their second, for the record has no two rows that are alike.
    """
    taken: dict[tuple[object, ...], set[int]] = defaultdict(set)
    for ts_ms, *what in stored:
        taken[ts_ms // _MS_PER_S, *what].add(ts_ms)
    left = {key: len(times) for key, times in taken.items()}
    for event in events:
        key = (event.ts_ms // _MS_PER_S, event.symbol, event.side.value, event.price, event.qty)
        if left.get(key, 0):
            left[key] -= 1
            continue
        ts_ms = next(free for free in count(event.ts_ms - event.ts_ms % _MS_PER_S) if free not in taken[key])
        taken[key].add(ts_ms)
        yield structs.replace(event, ts_ms=ts_ms)


def not_stored(connection: Connection, events: Sequence[LiquidationEvent]) -> list[LiquidationEvent]:
    """Return `missing_events` of a database; within its write transaction."""
    stored: list[tuple[int, str, str, float, float]] = []
    for source, symbol in {(str(event.source), event.symbol) for event in events}:
        seconds = [event.ts_ms // _MS_PER_S for event in events if event.symbol == symbol and event.source == source]
        values = (source, symbol, min(seconds) * _MS_PER_S, (max(seconds) + 1) * _MS_PER_S)
        stored += connection.execute(_STORED, values)
    return list(missing_events(events, stored))
