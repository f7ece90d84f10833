"""The line below a saved picture: what it shows, for whoever gets it without the program."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from Heatmap.clock import utc_text
from Heatmap.ui.widgets.source_text import sources_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from Heatmap.ui.translation import Translator

_MOMENT: Final = "%Y-%m-%d %H:%M"


def picture_caption(
    translator: Translator, symbol: str, sources: Sequence[str], span_ms: tuple[int, int] | None, now_ms: int
) -> tuple[str, str]:
    """Return symbol, sources and visible time, and what kind of figures these are; times are those of the chart.

    ``span_ms`` is the visible time; it ends at ``now_ms`` at the latest. None: there is no chart.
    """
    parts = [symbol, sources_text(sources, translator)]
    if span_ms is not None:
        start_ms, end_ms = span_ms
        begin, end = (_moment(translator, time_ms) for time_ms in (start_ms, min(end_ms, now_ms)))
        parts.append(f"{begin} – {end} {translator.zone_label(start_ms)}")
    kind = f"{translator.text('badge.realised')} · {translator.text('badge.lower_bound_short')} · Heatmap"
    return " · ".join(parts), kind


def _moment(translator: Translator, time_ms: int) -> str:
    return utc_text(time_ms + translator.offset_ms(time_ms), _MOMENT)
