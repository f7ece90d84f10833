"""Coverage in the copy of a server's record: cut where rows are not copied yet."""

from __future__ import annotations

import pytest

from Heatmap.events import ALL_SYMBOLS
from Heatmap.storage.sqlite.copy_file import CoverageRow, cut_coverage

OLD, NEW = CoverageRow(1, "binance", "BTCUSDT", 100, 200), CoverageRow(2, "binance-claimed", "BTCUSDT", 300, 400)


@pytest.mark.parametrize(
    ("from_ms", "kept"),
    [
        ({("binance", "BTCUSDT"): 0}, [(1, 100), (2, 300)]),
        ({("binance", "BTCUSDT"): 150}, [(1, 150), (2, 300)]),
        ({("binance", "BTCUSDT"): 201}, [(2, 300)]),
        ({("binance", "BTCUSDT"): 401}, []),
        ({("binance", "BTCUSDT"): None}, []),
        ({("binance", "ETHUSDT"): 0}, []),
        # What either of both has.
        ({("binance", "BTCUSDT"): None, ("binance", ALL_SYMBOLS): 350}, [(2, 350)]),
        ({("binance", "BTCUSDT"): 150, ("binance", ALL_SYMBOLS): 350}, [(1, 150), (2, 300)]),
    ],
)
def test_only_time_whose_rows_are_there_is_covered(from_ms, kept):
    found = cut_coverage([OLD, NEW], from_ms)
    assert [(row.row_id, row.start_ms) for row in found.values()] == kept
