"""Tick sizes from the venue's list of symbols: at the start, then daily, sooner after a failure."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final, NoReturn

from Heatmap.clock import SYSTEM_CLOCK, Clock
from Heatmap.errors import FeedError, RestError
from Heatmap.ingestion import rest
from Heatmap.ingestion.backoff import Backoff

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from Heatmap.ingestion.venue import Instruments, Venue

_LOG = logging.getLogger(__name__)

REFRESH_S: Final = 24 * 3600.0
_MOST_PAGES: Final = 20  # a list that never ends is a fault of the exchange


async def fetch_instruments(
    venue: Venue, rest_url: str, *, timeout_s: float = 10.0, clock: Clock = SYSTEM_CLOCK
) -> Instruments:
    """Return the venue's list of symbols, all its pages as one, or raise `FeedError`; a page takes ``timeout_s``."""
    url = venue.instruments_url(rest_url)
    instruments = venue.decode_instruments(await rest.fetch_bytes(url, timeout_s=timeout_s, clock=clock))
    for _ in range(_MOST_PAGES - 1):
        if not instruments.more:
            break
        await asyncio.sleep(venue.policy.request_pause_s)
        body = await rest.fetch_bytes(url + instruments.more, timeout_s=timeout_s, clock=clock)
        instruments = instruments.with_page(venue.decode_instruments(body))
    if not instruments.tick_sizes and not instruments.broken:
        raise FeedError(f"expected symbols in the list of {venue.name}, was none", reason="bad-json")
    return instruments


async def refresh_tick_sizes(
    venue: Venue,
    rest_url: str,
    symbols: Sequence[str] | None,
    *,
    on_tick: Callable[[str, float], None],
    on_unknown: Callable[[str, str], None],
    on_instruments: Callable[[Instruments], None] = lambda _: None,
    on_failure: Callable[[FeedError, float], None] = lambda *_: None,
    clock: Clock = SYSTEM_CLOCK,
    backoff: Backoff | None = None,
) -> NoReturn:
    """Request the tick sizes of some exact symbols, None: of all that the venue lists, until cancelled.

    On the loop, ``on_tick`` gets ``(symbol, tick size)`` after each successful request and ``on_unknown`` ``(symbol,
    sentence)`` for one that is not listed; ``on_instruments`` gets the whole list before, and ``on_failure`` ``(error,
    seconds to the next request)``. The default ``backoff`` makes at most two requests a minute.
    """
    backoff = backoff if backoff is not None else Backoff(base_s=5.0, cap_s=900.0, attempts_per_min=2)
    while True:
        backoff.attempted(clock.monotonic_s())
        try:
            instruments = await fetch_instruments(venue, rest_url, clock=clock)
            on_instruments(instruments)
            for symbol in instruments.tick_sizes if symbols is None else symbols:
                try:
                    on_tick(symbol, instruments.tick_size(symbol))
                except FeedError as error:
                    _LOG.warning("%s: %s", venue.name, error)
                    if error.reason == "unknown-symbol":
                        on_unknown(symbol, error.short)
        except FeedError as error:
            wait_s = (error.retry_after_s if isinstance(error, RestError) else None) or 0.0
            delay_s = backoff.next_delay_s(clock.monotonic_s(), at_least_s=wait_s)
            _LOG.warning("no symbols of %s (%s), next request in %.0f s: %s", venue.name, error.reason, delay_s, error)
            on_failure(error, delay_s)
        except Exception:  # noqa: BLE001 - a fault here must not end the feed beside it
            delay_s = backoff.next_delay_s(clock.monotonic_s())
            _LOG.exception("the request for symbols of %s failed, next one in %.0f s", venue.name, delay_s)
        else:
            backoff.reset()
            delay_s = REFRESH_S
        await asyncio.sleep(delay_s)
