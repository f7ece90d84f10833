"""All sockets of one feed: as many as its symbols need, reported as one.

A socket that dies ends the coverage of its own symbols only, and reconnects without the others.
"""

from __future__ import annotations

from asyncio import TaskGroup
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from Heatmap.ingestion.backoff import Backoff
from Heatmap.ingestion.collector import FeedCollector, FeedState
from Heatmap.ingestion.frame_handler import FeedCounts
from Heatmap.reports import ConnectionState

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from Heatmap.ingestion.frame_handler import FeedSink
    from Heatmap.ingestion.venue import Venue

# The first of these that any socket is in is the state of the feed.
_WORST_FIRST: Final = (
    ConnectionState.DOWN,
    ConnectionState.SILENT,
    ConnectionState.CONNECTING,
    ConnectionState.LIVE,
    ConnectionState.QUIET,
)


class FeedGroup:
    """Collects the liquidations of any number of symbols until it is cancelled.

    Parameters
    ----------
    venue, symbols, sink, options
        As for `Heatmap.ingestion.collector.FeedCollector`; any number of symbols.
    on_state
        Called on the loop with the state of all sockets together.
    """

    def __init__(
        self,
        venue: Venue,
        symbols: Sequence[str] | None,
        sink: FeedSink,
        on_state: Callable[[FeedState], None],
        **options: Any,
    ) -> None:
        self._on_state = on_state
        groups: list[frozenset[str] | None] = [None]
        if symbols is not None:
            size = venue.policy.symbols_per_connection
            groups = [frozenset(symbols[start : start + size]) for start in range(0, len(symbols), size)]
        self._states: dict[int, FeedState] = {}
        # The exchange counts the attempts of this machine, not those of a socket.
        options.setdefault("backoff", Backoff())
        self._collectors = [
            FeedCollector(venue, group, sink, partial(self._take_state, number), **options)
            for number, group in enumerate(groups)
        ]

    @property
    def counts(self) -> FeedCounts:
        """A snapshot of all sockets together, readable from any thread."""
        each = [collector.counts for collector in self._collectors]
        last_ms = [counts.last_market_ms for counts in each if counts.last_market_ms is not None]
        measured = next((counts for counts in each if counts.clock_offset_ms is not None), each[0])
        return FeedCounts(
            received=sum(counts.received for counts in each),
            undecodable=sum(counts.undecodable for counts in each),
            ignored=sum(counts.ignored for counts in each),
            # The first of each socket is no reconnection.
            connections=max(0, sum(counts.connections for counts in each) - len(each) + 1),
            last_market_ms=max(last_ms, default=None),
            latency_ms=measured.latency_ms,
            clock_offset_ms=measured.clock_offset_ms,
        )

    async def run(self) -> None:
        """Collect until cancelled; every socket is closed when this returns."""
        async with TaskGroup() as tasks:
            for collector in self._collectors:
                tasks.create_task(collector.run())

    def _take_state(self, number: int, state: FeedState) -> None:
        self._states[number] = state
        states = list(self._states.values())
        worst = min(states, key=lambda one: _WORST_FIRST.index(one.state))
        alike = sum(one.state is worst.state for one in states)
        if alike < len(self._collectors) and worst.state not in (ConnectionState.LIVE, ConnectionState.QUIET):
            share = f"This concerns {alike} of {len(self._collectors)} connections."
            worst = replace(worst, detail=" ".join(filter(None, (worst.detail, share))))
        self._on_state(worst)
