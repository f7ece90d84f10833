"""All sockets of one feed: as many as its symbols need, reported as one.

A socket that dies ends the coverage of its own symbols only, and reconnects without the others.
"""

from __future__ import annotations

from asyncio import TaskGroup
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Final

from Heatmap.clock import SYSTEM_CLOCK, Clock
from Heatmap.ingestion.backoff import Backoff
from Heatmap.ingestion.collector import FeedCollector, FeedState
from Heatmap.ingestion.contracts import ContractSizes
from Heatmap.ingestion.frame_handler import FeedCounts, FrameHandler
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

    ``symbols`` are the venue's exact ones, or None for all that it lists. ``on_state`` is called on the loop with the
    state of all sockets together. The caller fills ``sizes``; a venue that counts contracts is not read before. The
    limit of attempts is that of the machine, so all sockets share a ``backoff``. An address that cannot be one, or too
    many symbols for one socket, raise `SettingsError`.
    """

    def __init__(
        self,
        venue: Venue,
        symbols: Sequence[str] | None,
        sink: FeedSink,
        on_state: Callable[[FeedState], None],
        *,
        ws_url: str,
        source: str,
        keep_raw: bool = False,
        clock: Clock = SYSTEM_CLOCK,
        backoff: Backoff | None = None,
        sizes: ContractSizes | None = None,
    ) -> None:
        self._sizes = sizes if sizes is not None else ContractSizes()
        # Without a stream of all symbols they are asked for by name, once these are known.
        self._waits_for_symbols = symbols is None and not venue.has_stream_of_all
        self._waits_for_instruments = venue.counts_contracts or self._waits_for_symbols
        self._on_state = on_state
        self._states: dict[int, FeedState] = {}
        self._frames = FrameHandler(sink, source=source, policy=venue.policy, clock=clock)
        self._new_session = partial(venue.session, ws_url, source=source, keep_raw=keep_raw, sizes=self._sizes)
        self._policy = venue.policy
        self._clock = clock
        self._backoff = backoff if backoff is not None else Backoff()
        self._collectors: list[FeedCollector] = []
        if self._waits_for_symbols:
            self._new_session(())  # an address that cannot be is refused here, not on the loop
        elif symbols is None:
            self._add_collector(None)
        else:
            self._add_collectors(symbols)

    @property
    def counts(self) -> FeedCounts:
        """A snapshot of all sockets together, readable from any thread."""
        counts = self._frames.counts
        # The first of each socket is no reconnection.
        return replace(counts, connections=max(0, counts.connections - max(1, len(self._collectors)) + 1))

    async def run(self) -> None:
        """Collect until cancelled; every socket is closed when this returns."""
        if self._waits_for_instruments:
            await self._sizes.wait_until_known()
        if self._waits_for_symbols and not self._collectors:
            self._add_collectors(self._sizes.symbols)
        async with TaskGroup() as tasks:
            for collector in self._collectors:
                tasks.create_task(collector.run())

    def retry_now(self) -> None:
        """Make the next attempts at once where limit and ban allow it. On the loop."""
        for collector in self._collectors:
            collector.retry_now()

    def _add_collectors(self, symbols: Sequence[str]) -> None:
        size = self._policy.symbols_per_connection
        for start in range(0, len(symbols), size):
            self._add_collector(symbols[start : start + size])

    def _add_collector(self, symbols: Sequence[str] | None) -> None:
        new_session = partial(self._new_session, symbols)
        new_session()  # what cannot be is refused here, not on the loop
        collector = FeedCollector(
            self._policy,
            None if symbols is None else frozenset(symbols),
            new_session,
            self._frames,
            partial(self._take_state, len(self._collectors)),
            clock=self._clock,
            backoff=self._backoff,
        )
        self._collectors.append(collector)

    def _take_state(self, number: int, state: FeedState) -> None:
        self._states[number] = state
        states = list(self._states.values())
        worst = min(states, key=lambda one: _WORST_FIRST.index(one.state))
        alike = sum(one.state is worst.state for one in states)
        if alike < len(self._collectors) and worst.state not in (ConnectionState.LIVE, ConnectionState.QUIET):
            share = f"This concerns {alike} of {len(self._collectors)} connections."
            worst = replace(worst, detail=" ".join(filter(None, (worst.detail, share))))
        self._on_state(worst)
