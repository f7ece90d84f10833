"""Gaps of a source's record: time before the newest recorded interval that nothing covers."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Final

from Heatmap.events import Coverage
from Heatmap.storage import sql
from Heatmap.storage.coverage_log import merged

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from Heatmap.storage.record_reader import RecordReader

_COVERAGE: Final = """
    SELECT source, symbol, start_ms, end_ms FROM coverage WHERE source IN (?, ?) AND end_ms >= ?
    ORDER BY symbol, start_ms, end_ms
"""


def gaps_before_newest(
    recorded: Sequence[tuple[int, int]], claimed: Sequence[tuple[int, int]], from_ms: int
) -> list[tuple[int, int]]:
    """Return the time ``[start_ms, end_ms]`` from ``from_ms`` to the newest recorded interval that nothing covers.

    Intervals are in any order; a gap has the bounds of what is beside it. Without a recorded interval there is none:
    recording has not begun.
    """
    if not recorded:
        return []
    everything = merged([Coverage("", "", *interval) for interval in sorted([*recorded, *claimed, (0, from_ms)])])
    newest_ms = max(start_ms for start_ms, _ in recorded)
    return [
        (before.end_ms, after.start_ms)
        for before, after in pairwise(everything)
        if after.start_ms <= newest_ms and after.start_ms > before.end_ms
    ]


def coverage_gaps(
    reader: RecordReader, source: str, symbols: Collection[str] | None, from_ms: int
) -> dict[str, list[tuple[int, int]]]:
    """Return `gaps_before_newest` by symbol, of all symbols for None; `StorageError` if it cannot be read."""
    claimed_source = sql.claimed_source(source)
    found: dict[str, tuple[list[tuple[int, int]], list[tuple[int, int]]]] = {}
    for row_source, symbol, start_ms, end_ms in reader.query(_COVERAGE, (source, claimed_source, from_ms)):
        if symbols is None or symbol in symbols:
            found.setdefault(symbol, ([], []))[row_source == claimed_source].append((start_ms, end_ms))
    gaps = {symbol: gaps_before_newest(*intervals, from_ms) for symbol, intervals in found.items()}
    return {symbol: intervals for symbol, intervals in gaps.items() if intervals}
