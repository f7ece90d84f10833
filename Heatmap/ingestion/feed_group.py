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
        self._counts_contracts = venue.counts_contracts
        self._on_state = on_state
        self._states: dict[int, FeedState] = {}
        self._frames = FrameHandler(sink, source=source, policy=venue.policy, clock=clock)
        groups: list[Sequence[str] | None] = [None]
        if symbols is not None:
            size = venue.policy.symbols_per_connection
            groups = [symbols[start : start + size] for start in range(0, len(symbols), size)]
        backoff = backoff if backoff is not None else Backoff()
        self._collectors = []
        for number, group in enumerate(groups):
            new_session = partial(venue.session, ws_url, group, source=source, keep_raw=keep_raw, sizes=self._sizes)
            new_session()  # what cannot be is refused here, not on the loop
            collector = FeedCollector(
                venue.policy,
                None if group is None else frozenset(group),
                new_session,
                self._frames,
                partial(self._take_state, number),
                clock=clock,
                backoff=backoff,
            )
            self._collectors.append(collector)

    @property
    def counts(self) -> FeedCounts:
        """A snapshot of all sockets together, readable from any thread."""
        counts = self._frames.counts
        # The first of each socket is no reconnection.
        return replace(counts, connections=max(0, counts.connections - len(self._collectors) + 1))

    async def run(self) -> None:
        """Collect until cancelled; every socket is closed when this returns."""
        if self._counts_contracts:
            await self._sizes.wait_until_known()
        async with TaskGroup() as tasks:
            for collector in self._collectors:
                tasks.create_task(collector.run())

    def retry_now(self) -> None:
        """Make the next attempts at once where limit and ban allow it. On the loop."""
        for collector in self._collectors:
            collector.retry_now()

    def _take_state(self, number: int, state: FeedState) -> None:
        self._states[number] = state
        states = list(self._states.values())
        worst = min(states, key=lambda one: _WORST_FIRST.index(one.state))
        alike = sum(one.state is worst.state for one in states)
        if alike < len(self._collectors) and worst.state not in (ConnectionState.LIVE, ConnectionState.QUIET):
            share = f"This concerns {alike} of {len(self._collectors)} connections."
            worst = replace(worst, detail=" ".join(filter(None, (worst.detail, share))))
        self._on_state(worst)
