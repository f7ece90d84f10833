"""Figures of one cell by source, for tooltips."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from Heatmap.aggregation.cell_detail import cell_details

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from Heatmap.aggregation.painted_cell import CellFigures
    from Heatmap.event_columns import EventColumns
    from Heatmap.vocabulary import Sides


def with_sources(
    figures: CellFigures,
    sources: Sequence[str],
    read: Callable[[str, int, int], EventColumns],
    *,
    sides: Sides,
    min_notional: float,
) -> CellFigures:
    """Return the figures of a cell with its sums by source, those without an event left out.

    Parameters
    ----------
    figures
        Of the cell and all sources together. With several sources its counts and sums are counted anew, so that they
        are those of the parts even if an event was stored meanwhile.
    sources
        The chosen ones, at least one.
    read
        ``(source, start_ms, end_ms)`` → the events of one source with ``start_ms <= ts_ms < end_ms``; its errors are
        raised.
    sides, min_notional
        See `Heatmap.aggregation.RenderOptions`.
    """
    if len(sources) == 1:
        return replace(figures, by_source=((sources[0], figures.long_usd + figures.short_usd),))
    cell = figures.cell
    count, long_usd, short_usd, largest_usd, parts = 0, 0.0, 0.0, 0.0, []
    for source in sources:
        found = cell_details(read(source, cell.t0_ms, cell.end_ms), cell, sides=sides, min_notional=min_notional)
        if not found.count[0, 0]:
            continue
        longs, shorts = float(found.long_usd[0, 0]), float(found.short_usd[0, 0])
        parts.append((source, longs + shorts))
        count, long_usd, short_usd = count + int(found.count[0, 0]), long_usd + longs, short_usd + shorts
        largest_usd = max(largest_usd, float(found.largest_usd[0, 0]))
    if not parts:
        return figures
    return replace(
        figures,
        count=count,
        long_usd=long_usd,
        short_usd=short_usd,
        largest_usd=largest_usd,
        by_source=tuple(parts),
    )
