"""A machine whose clock is wrong: the map ends at the exchange's present, and people are told by how much."""

from __future__ import annotations

import pytest
from support.build_reports import BuildReports
from support.waiting import until

from Heatmap.clock import SYSTEM_CLOCK
from Heatmap.connection_message import connection_text
from Heatmap.demo.exchange import DemoExchange
from Heatmap.demo.market import SimulatedMarket
from Heatmap.events import LiquidationEvent, Side
from Heatmap.heatmap_service import HeatmapService
from Heatmap.heatmap_settings import HeatmapSettings
from Heatmap.message_catalogue import catalogue
from Heatmap.rendering.build_worker import BuildRequest, BuildWorker
from Heatmap.rendering.view_grid import View
from Heatmap.reports import ClockReading
from Heatmap.storage.sqlite.bulk_insert import bulk_insert
from Heatmap.storage.sqlite.sqlite_store import SqliteStore
from Heatmap.storage.writer import EventWriter

HOUR_MS = 3_600_000
CLOSE_MS = 3000


class WrongClock:
    """The machine's clock, off by a constant."""

    def __init__(self, ahead_ms):
        self.ahead_ms = ahead_ms

    def now_ms(self):
        return SYSTEM_CLOCK.now_ms() + self.ahead_ms

    def monotonic_s(self):
        return SYSTEM_CLOCK.monotonic_s()


def event(age_ms):
    return LiquidationEvent(SYSTEM_CLOCK.now_ms() - age_ms, "BTCUSDT", Side.SELL, 100.0, 10.0, 1000.0)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "record.sqlite3"


@pytest.mark.parametrize("ahead_ms", [-300_000, 300_000, -2 * HOUR_MS, 2 * HOUR_MS])
def test_the_map_shows_the_last_minutes_of_the_exchange_whatever_this_clock_says(path, ahead_ms):
    bulk_insert(path, [event(10_000), event(3 * HOUR_MS)])
    with DemoExchange(SimulatedMarket()) as exchange:
        service = HeatmapService(
            path, ["BTCUSDT"], ws_url=exchange.ws_url, rest_url=exchange.rest_url, clock=WrongClock(ahead_ms)
        )
        service.start()
        reports = BuildReports()
        worker = BuildWorker(path, reports, tick_size=lambda _: 0.1, clock=service.exchange_clock)
        try:
            until(lambda: service.status().clock_offset_ms is not None)
            assert abs(service.exchange_clock.now_ms() - SYSTEM_CLOCK.now_ms()) < CLOSE_MS
            said = connection_text(catalogue("en"), service.status(), "binance").sentences
            assert any(("behind" if ahead_ms < 0 else "ahead") in sentence for sentence in said)
            with SqliteStore(path) as store:
                until(lambda: store.coverage("BTCUSDT", "binance", 0, 2**53))
                [covered] = store.coverage("BTCUSDT", "binance", 0, 2**53)
            assert abs(covered.end_ms - SYSTEM_CLOCK.now_ms()) < 20_000

            worker.start()
            now_ms = SYSTEM_CLOCK.now_ms()
            view = View(now_ms - 2 * HOUR_MS, now_ms + HOUR_MS // 12, 90.0, 110.0, 800, 400)
            worker.request(BuildRequest("BTCUSDT", view, HeatmapSettings(window="2h"), dark=True))
            result = reports.wait_for(
                reports.results, lambda result: result.image is not None and result.image.events == 1
            )
            # What nobody recorded is hatched up to where recording began, and not beyond.
            first, *_ = result.gaps.none
            assert abs(first[0] - (now_ms - 2 * HOUR_MS)) < 30_000
            assert abs(first[1] - covered.start_ms) < CLOSE_MS
        finally:
            worker.stop()
            service.stop()


def test_who_only_reads_takes_the_exchanges_time_from_the_record(path):
    wrong = WrongClock(-2 * HOUR_MS)
    reader = HeatmapService(path, ["BTCUSDT"], collect=False, clock=wrong)
    assert reader.exchange_clock.now_ms() - wrong.now_ms() < CLOSE_MS
    writer = EventWriter(path, flush_ms=5, clock=wrong)
    writer.start()
    writer.note_clock(ClockReading("binance", wrong.now_ms(), 2.0 * HOUR_MS, 5.0))
    assert writer.stop() == 0
    reader = HeatmapService(path, ["BTCUSDT"], collect=False, clock=wrong)
    assert abs(reader.exchange_clock.now_ms() - SYSTEM_CLOCK.now_ms()) < CLOSE_MS
    # The clock is set right: what was measured before is not true any more.
    reader = HeatmapService(path, ["BTCUSDT"], collect=False)
    assert abs(reader.exchange_clock.now_ms() - SYSTEM_CLOCK.now_ms()) < CLOSE_MS


def test_the_present_is_not_before_the_newest_event(path):
    bulk_insert(path, [event(-60_000)])
    reader = HeatmapService(path, ["BTCUSDT"], collect=False)
    assert reader.exchange_clock.now_ms() - SYSTEM_CLOCK.now_ms() > 50_000
    bulk_insert(path, [event(-48 * HOUR_MS)])
    # A date in two days is a mistake, not the present.
    reader = HeatmapService(path, ["BTCUSDT"], collect=False)
    assert reader.exchange_clock.now_ms() - SYSTEM_CLOCK.now_ms() < CLOSE_MS
