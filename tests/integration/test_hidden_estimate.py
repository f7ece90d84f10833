"""The estimate of what Binance leaves out: of maps that show Binance, at most once in ten minutes."""

from __future__ import annotations

from support.record import event
from support.two_venues import write_two_venues

from Heatmap.clock import SYSTEM_CLOCK
from Heatmap.heatmap_settings import HeatmapSettings, window_ms
from Heatmap.hidden_sum import HiddenSum
from Heatmap.rendering.event_window import MapStatistics
from Heatmap.rendering.hidden_estimate import AGAIN_S, HiddenEstimates
from Heatmap.storage.sqlite.bulk_insert import bulk_insert
from Heatmap.ui.translation import Translator
from Heatmap.ui.widgets.figure_list import hidden_text

BINANCE, WITHOUT = HeatmapSettings(source="binance+okx"), HeatmapSettings(source="bybit+okx")


def work_out(estimates, now_s, settings=BINANCE):
    now_ms = SYSTEM_CLOCK.now_ms()
    estimates.work_out("BTCUSDT", settings, (now_ms - window_ms(settings), now_ms), now_s)


def test_it_is_an_interval_that_is_made_again_after_ten_minutes(tmp_path):
    path = tmp_path / "record.sqlite3"
    write_two_venues(path, 200)
    estimates, known = HiddenEstimates(path), MapStatistics(events=5)
    assert estimates.added_to(known, "BTCUSDT", BINANCE) is known
    assert estimates.is_due("BTCUSDT", BINANCE, 100.0)
    assert not estimates.is_due("BTCUSDT", WITHOUT, 100.0)
    work_out(estimates, 100.0)
    found = estimates.added_to(known, "BTCUSDT", BINANCE)
    assert isinstance(found.hidden, HiddenSum)
    assert found.hidden.reported_usd < found.hidden.low_usd < found.hidden.high_usd
    assert estimates.added_to(found, "BTCUSDT", BINANCE) is found
    assert estimates.added_to(found, "BTCUSDT", WITHOUT).hidden is None
    assert estimates.added_to(found, "ETHUSDT", BINANCE).hidden is None
    assert not estimates.is_due("BTCUSDT", BINANCE, 99.0 + AGAIN_S)
    assert estimates.is_due("BTCUSDT", BINANCE, 100.0 + AGAIN_S)
    assert estimates.is_due("BTCUSDT", BINANCE.replaced(window="2d"), 101.0)
    said = hidden_text(found.hidden, Translator("en"))
    assert said.startswith("Binance reported $")
    assert "(90 %)" in said


def test_too_few_hours_are_told_and_a_record_without_bybit_is_not(tmp_path):
    path = tmp_path / "record.sqlite3"
    write_two_venues(path, 30)
    estimates = HiddenEstimates(path)
    work_out(estimates, 1.0)
    hidden = estimates.added_to(MapStatistics(), "BTCUSDT", BINANCE).hidden
    assert f"{hidden.hours} of 96 hours" in hidden_text(hidden, Translator("en"))
    assert "96 nötigen Stunden" in hidden_text(hidden, Translator("de"))
    alone = tmp_path / "alone.sqlite3"
    bulk_insert(alone, [event(1)])
    estimates = HiddenEstimates(alone)
    work_out(estimates, 1.0)
    assert estimates.added_to(MapStatistics(), "BTCUSDT", BINANCE).hidden is None
    assert not estimates.is_due("BTCUSDT", BINANCE, 2.0)
