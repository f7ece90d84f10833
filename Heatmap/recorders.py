"""Recorders of several venues in one process and into one database; none touches another."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from Heatmap.errors import SettingsError
from Heatmap.events import Source
from Heatmap.heatmap_service import HeatmapService

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from Heatmap.reports import ServiceStatus

Addresses = dict[str, str]  # by venue


def services_for(
    venues: Iterable[str] | None, ws_urls: Addresses | None, rest_urls: Addresses | None, **options: Any
) -> list[HeatmapService]:
    """Return a service for each venue, None: for Binance alone; an address of None is the venue's own.

    ``options`` are those of `HeatmapService`. `SettingsError` as for that class; or an address is given for a venue
    that is not recorded.
    """
    names = list(dict.fromkeys(venues or [Source.BINANCE]))
    bases = {"ws_url": ws_urls or {}, "rest_url": rest_urls or {}}
    for what, by_venue in bases.items():
        idle = [venue for venue in by_venue if venue not in names]
        if idle:
            option = f"--{what.replace('_', '-')}"
            raise SettingsError(
                f"{option} for {idle}, recorded are {names}",
                short=f"{option} names {idle[0]}, which is not recorded: add --venue {idle[0]}.",
            )
    return [
        HeatmapService(
            source=venue, ws_url=bases["ws_url"].get(venue), rest_url=bases["rest_url"].get(venue), **options
        )
        for venue in names
    ]


class Recorders:
    """A service for each venue. A venue that is down, blocked or changed has no effect on the others."""

    def __init__(self, services: Sequence[HeatmapService]) -> None:
        self.services = tuple(services)

    def start(self) -> None:
        """Start all of them and return at once."""
        for service in self.services:
            service.start()

    def stop(self) -> int:
        """Stop all of them at the same time; return how many events could not be stored."""
        lost: list[int] = []
        threads = [threading.Thread(target=_appended(lost, service.stop)) for service in self.services[1:]]
        for thread in threads:
            thread.start()
        lost.append(self.services[0].stop())
        for thread in threads:
            thread.join()
        return sum(lost)

    def statuses(self) -> dict[str, ServiceStatus]:
        """Return a snapshot by venue; any thread."""
        return {service.source: service.status() for service in self.services}


def _appended(results: list[int], work: Callable[[], int]) -> Callable[[], None]:
    return lambda: results.append(work())
