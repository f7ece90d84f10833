"""All sockets of one feed: as many as its streams need, each with its own life, reported as one.

A socket carries `endpoints.MAX_STREAMS` streams. One that dies ends the coverage of its own symbols only, and is opened
again without the others.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Final

from Heatmap.ingestion.backoff import Backoff
from Heatmap.ingestion.binance import endpoints
from Heatmap.ingestion.collector import FeedCollector, FeedCounts, FeedListener, FeedState
from Heatmap.reports import ConnectionState

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

STREAMS_A_SYMBOL: Final = 2
"""Liquidations, and the mark price that proves that the socket lives."""

SYMBOLS_A_SOCKET: Final = endpoints.MAX_STREAMS // STREAMS_A_SYMBOL

# The first of these that any socket is in is the state of the feed: what does not flow is what people must know.
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
    symbols
        Exact symbols of the exchange; None: all that it has.
    listener
        See `Heatmap.ingestion.collector.FeedListener`; ``on_state`` hears the state of all sockets together.
    options
        What every `Heatmap.ingestion.collector.FeedCollector` takes besides.
    """

    def __init__(
        self,
        symbols: Sequence[str] | None,
        listener: FeedListener,
        **options: Any,
    ) -> None:
        self._listener = listener
        groups: list[frozenset[str] | None] = [None]
        if symbols is not None:
            starts = range(0, len(symbols), SYMBOLS_A_SOCKET)
            groups = [frozenset(symbols[start : start + SYMBOLS_A_SOCKET]) for start in starts]
        self._states: dict[int, FeedState] = {}
        # The exchange counts the attempts of this machine, not those of a socket.
        options.setdefault("backoff", Backoff())
        self._collectors = [
            FeedCollector(
                group,
                replace(listener, on_state=partial(self._take_state, number), on_loss=partial(self._take_loss, group)),
                **options,
            )
            for number, group in enumerate(groups)
        ]

    @property
    def counts(self) -> FeedCounts:
        """A snapshot of all sockets together, readable from any thread."""
        every = [collector.counts for collector in self._collectors]
        heard_ms = [counts.last_market_ms for counts in every if counts.last_market_ms is not None]
        measured = next((counts for counts in every if counts.clock_offset_ms is not None), every[0])
        return FeedCounts(
            received=sum(counts.received for counts in every),
            undecodable=sum(counts.undecodable for counts in every),
            ignored=sum(counts.ignored for counts in every),
            # The first of each socket is no reconnection.
            connections=max(0, sum(counts.connections for counts in every) - len(every) + 1),
            last_market_ms=max(heard_ms, default=None),
            latency_ms=measured.latency_ms,
            clock_offset_ms=measured.clock_offset_ms,
        )

    async def run(self) -> None:
        """Collect until cancelled; every socket is closed when this returns."""
        async with asyncio.TaskGroup() as tasks:
            for collector in self._collectors:
                tasks.create_task(collector.run())

    def _take_loss(self, group: frozenset[str] | None, symbols: frozenset[str] | None) -> None:
        self._listener.on_loss(group if symbols is None else symbols)

    def _take_state(self, number: int, state: FeedState) -> None:
        self._states[number] = state
        states = list(self._states.values())
        worst = min(states, key=lambda known: _WORST_FIRST.index(known.state))
        alike = sum(known.state is worst.state for known in states)
        if alike < len(self._collectors) and worst.state not in (ConnectionState.LIVE, ConnectionState.QUIET):
            share = f"This concerns {alike} of {len(self._collectors)} connections."
            worst = replace(worst, detail=" ".join(filter(None, (worst.detail, share))))
        self._listener.on_state(worst)
