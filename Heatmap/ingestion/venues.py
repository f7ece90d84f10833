"""The venues by the source of their events: the one place where the recorder chooses an exchange."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from Heatmap.events import Source
from Heatmap.ingestion.binance.venue import BINANCE
from Heatmap.ingestion.bybit.venue import BYBIT
from Heatmap.ingestion.gate.venue import GATE
from Heatmap.ingestion.okx.venue import OKX

if TYPE_CHECKING:
    from Heatmap.ingestion.venue import Venue

VENUES: Final[dict[str, Venue]] = {
    Source.BINANCE: BINANCE, Source.BYBIT: BYBIT, Source.OKX: OKX, Source.GATE: GATE,
}  # fmt: skip


def venue_of(source: str) -> Venue:
    """Return the venue of a source; demo and replay use the protocol of Binance."""
    return VENUES.get(source, VENUES[Source.BINANCE])
