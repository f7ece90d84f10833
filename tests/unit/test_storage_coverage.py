"""Proofs of life become stretches: pure bookkeeping."""

from __future__ import annotations

from Heatmap.events import Coverage
from Heatmap.storage.coverage_log import MAX_GAP_MS, CoverageLog, merged


def stretches(log):
    return [(s.symbol, s.start_ms, s.end_ms) for s in log.due()]


def test_proofs_in_a_row_are_one_stretch():
    log = CoverageLog()
    for second in range(1, 6):
        log.extend("binance", "BTCUSDT", second * 1000, second * 1000)
    assert stretches(log) == [("BTCUSDT", 1000, 5000)]
    assert not log.has_ended()


def test_a_gap_begins_a_new_stretch():
    log = CoverageLog()
    log.extend("binance", "BTCUSDT", 1000, 2000)
    log.extend("binance", "BTCUSDT", 2000 + MAX_GAP_MS, 2000 + MAX_GAP_MS)
    assert stretches(log) == [("BTCUSDT", 1000, 2000 + MAX_GAP_MS)]
    log.extend("binance", "BTCUSDT", 3001 + 2 * MAX_GAP_MS, 3001 + 2 * MAX_GAP_MS)
    assert len(stretches(log)) == 2
    assert log.has_ended()


def test_a_loss_ends_all_series_and_what_is_stored_is_forgotten():
    log = CoverageLog()
    log.extend("binance", "BTCUSDT", 1, 2)
    log.extend("binance", "ETHUSDT", 1, 3)
    log.close()
    for stretch in log.due():
        stretch.stored_end_ms = stretch.end_ms
    log.forget_ended()
    assert log.due() == []
    assert not log.has_ended()
    log.extend("binance", "BTCUSDT", 5, 6)
    assert stretches(log) == [("BTCUSDT", 5, 6)]


def test_a_clock_that_steps_back_begins_a_new_stretch_and_shortens_none():
    log = CoverageLog()
    log.extend("binance", "BTCUSDT", 50_000, 60_000)
    log.extend("binance", "BTCUSDT", 55_000, 55_000)
    assert stretches(log) == [("BTCUSDT", 50_000, 60_000)]
    log.extend("binance", "BTCUSDT", 10_000, 10_000)
    assert stretches(log) == [("BTCUSDT", 50_000, 60_000), ("BTCUSDT", 10_000, 10_000)]


def test_stretches_that_touch_are_joined_and_others_are_not():
    def c(start_ms, end_ms):
        return Coverage("binance", "BTCUSDT", start_ms, end_ms)

    assert merged([c(1, 5), c(2, 3), c(5, 7), c(9, 10)]) == [c(1, 7), c(9, 10)]
    assert merged([]) == []
