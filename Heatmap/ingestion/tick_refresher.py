"""Keeps the tick sizes fresh: asks for exchangeInfo at the start, then daily, sooner after a failure."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from Heatmap.clock import SYSTEM_CLOCK, Clock
from Heatmap.errors import FeedError, RestError
from Heatmap.ingestion import rest
from Heatmap.ingestion.backoff import Backoff
from Heatmap.ingestion.binance import endpoints, exchange_info

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_LOG = logging.getLogger(__name__)

REFRESH_S = 24 * 3600.0
"""Seconds between two looks at the exchange's rules."""


class TickRefresher:
    """Asks for the tick sizes of some symbols until it is cancelled.

    Parameters
    ----------
    symbols
        Exact symbols of the exchange; None: all that it lists.
    on_tick
        Hears ``(symbol, tick size)`` after each successful look, on the loop.
    on_unknown
        Hears ``(symbol, sentence)`` of a symbol that the exchange does not list.
    rest_url
        Base address of the REST interface.
    clock
        Monotonic time for the back-off.
    backoff
        The retry policy; the default asks at most twice a minute.
    """

    def __init__(
        self,
        symbols: Sequence[str] | None,
        *,
        on_tick: Callable[[str, float], None],
        on_unknown: Callable[[str, str], None],
        rest_url: str = endpoints.DEFAULT_REST_URL,
        clock: Clock = SYSTEM_CLOCK,
        backoff: Backoff | None = None,
    ) -> None:
        self._symbols = None if symbols is None else tuple(symbols)
        self._url = endpoints.exchange_info_url(rest_url)
        self._on_tick = on_tick
        self._on_unknown = on_unknown
        self._clock = clock
        # A refused REST answer tells nothing about the socket, so the cap is longer and the limit tighter.
        self._backoff = backoff if backoff is not None else Backoff(base_s=5.0, cap_s=900.0, attempts_per_min=2)

    async def run(self) -> None:
        """Look, wait, look again, until cancelled."""
        while True:
            self._backoff.attempted(self._clock.monotonic_s())
            try:
                await self._look()
            except FeedError as error:
                wait_s = (error.retry_after_s if isinstance(error, RestError) else None) or 0.0
                delay_s = self._backoff.next_delay_s(self._clock.monotonic_s(), at_least_s=wait_s)
                _LOG.warning("no tick sizes (%s), next look in %.0f s: %s", error.reason, delay_s, error)
            except Exception:  # noqa: BLE001 - a fault here must not end the feed beside it
                delay_s = self._backoff.next_delay_s(self._clock.monotonic_s())
                _LOG.exception("looking for tick sizes failed, next look in %.0f s", delay_s)
            else:
                self._backoff.reset()
                delay_s = REFRESH_S
            await asyncio.sleep(delay_s)

    async def _look(self) -> None:
        info = exchange_info.decode(await rest.fetch_bytes(self._url, clock=self._clock))
        for symbol in info.tick_sizes if self._symbols is None else self._symbols:
            try:
                tick = info.tick_size(symbol)
            except FeedError as error:
                _LOG.warning("%s", error)
                if error.reason == "unknown-symbol":
                    self._on_unknown(symbol, error.short)
                continue
            self._on_tick(symbol, tick)
