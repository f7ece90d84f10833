"""The estimate of what Binance leaves out of the window, worked out now and then while nothing else is to be done."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from Heatmap.events import Source
from Heatmap.record_hidden import DAYS, hidden_sum
from Heatmap.storage.sqlite.sqlite_store import SqliteStore

if TYPE_CHECKING:
    from pathlib import Path

    from Heatmap.heatmap_settings import HeatmapSettings
    from Heatmap.hidden_sum import HiddenSum, NotEnough
    from Heatmap.rendering.event_window import MapStatistics

AGAIN_S: Final = 600.0
REST_S: Final = 2.0
_DAY_MS: Final = 86_400_000
_MOST_KEPT: Final = 32

_Key = tuple[str, str]  # symbol and choice of the window


class HiddenEstimates:
    """Estimates by symbol and window, each at most every `AGAIN_S` seconds; for one thread."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._found: dict[_Key, tuple[float, HiddenSum | NotEnough | None]] = {}

    def added_to(self, statistics: MapStatistics, symbol: str, settings: HeatmapSettings) -> MapStatistics:
        """Return statistics with the last estimate, the same object if it has it; only of a map that shows Binance."""
        _, found = self._found.get((symbol, settings.window), (0.0, None))
        found = found if Source.BINANCE in settings.sources else None
        return statistics if statistics.hidden is found else replace(statistics, hidden=found)

    def is_due(self, symbol: str, settings: HeatmapSettings, now_s: float) -> bool:
        """Return True if an estimate is needed and there is none, or an old one; ``now_s`` is monotonic."""
        done = self._found.get((symbol, settings.window))
        return Source.BINANCE in settings.sources and (done is None or now_s - done[0] >= AGAIN_S)

    def work_out(self, symbol: str, settings: HeatmapSettings, span_ms: tuple[int, int], now_s: float) -> None:
        """Estimate ``[start_ms, end_ms)``, None for a symbol that Bybit was not recorded of; some tenths of a second.

        `StorageError` if the file cannot be read; it is not tried again before its time.
        """
        if len(self._found) >= _MOST_KEPT:
            self._found.clear()
        self._found[symbol, settings.window] = (now_s, None)
        start_ms, end_ms = span_ms
        with SqliteStore(self._path) as store:
            if store.coverage(symbol, Source.BYBIT, end_ms - DAYS * _DAY_MS, end_ms):
                self._found[symbol, settings.window] = (now_s, hidden_sum(store, symbol, start_ms, end_ms))
