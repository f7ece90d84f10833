"""How long the demo takes to make its two days of history; the start of ``heatmap --demo`` waits for it."""

from __future__ import annotations

from Heatmap.demo.market import SimulatedMarket
from Heatmap.demo.price_series import DAY_MS
from Heatmap.vocabulary import INTERVALS_MS

NOW = 1_795_003_205_250


def test_two_days_of_candles_and_liquidations(benchmark):
    def make():
        market = SimulatedMarket()
        return market.candles(INTERVALS_MS["1m"], NOW - 2 * DAY_MS, NOW), market.liquidations(NOW - 2 * DAY_MS, NOW)

    candles, events = benchmark(make)
    assert len(candles) == 2_880
    assert len(events) > 2_000


def test_sixty_days_of_four_hours(benchmark):
    candles = benchmark(lambda: SimulatedMarket().candles(INTERVALS_MS["4h"], NOW - 60 * DAY_MS, NOW))
    assert len(candles) == 360
