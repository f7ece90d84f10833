"""The simulated market: the same in every run, and believable."""

from __future__ import annotations

import numpy as np
import pytest

from Heatmap.demo.market import SimulatedMarket
from Heatmap.demo.price_series import DAY_MS, MINUTE_MS
from Heatmap.events import Side, Source
from Heatmap.vocabulary import INTERVALS_MS

NOON = 1_795_003_200_000 - 1_795_003_200_000 % DAY_MS + DAY_MS // 2


@pytest.fixture(scope="module")
def market() -> SimulatedMarket:
    return SimulatedMarket()


def test_a_restarted_demo_goes_on_with_the_same_market(market):
    again = SimulatedMarket()
    # Asked in another order and from another side, so that no cache state can make them alike.
    assert again.liquidations(NOON, NOON + 3_600_000) == market.liquidations(NOON, NOON + 3_600_000)
    assert again.candles(MINUTE_MS, NOON - DAY_MS, NOON) == market.candles(MINUTE_MS, NOON - DAY_MS, NOON)
    assert again.price_at(NOON + 123) == market.price_at(NOON + 123)


def test_another_seed_is_another_market(market):
    other = SimulatedMarket(seed=8)
    assert other.price_at(NOON) != market.price_at(NOON)
    assert other.liquidations(NOON, NOON + DAY_MS) != market.liquidations(NOON, NOON + DAY_MS)


def test_price_runs_on_through_midnight(market):
    midnight = NOON + DAY_MS // 2
    before, at, after = (market.price_at(midnight + offset) for offset in (-1_000, 0, 1_000))
    assert abs(before - at) < 0.002 * at
    assert abs(after - at) < 0.002 * at


def test_close_of_a_candle_is_the_open_of_the_next(market):
    candles = market.candles(INTERVALS_MS["15m"], NOON - 2 * DAY_MS, NOON)
    assert len(candles) == 192
    assert [candle.close for candle in candles[:-1]] == [candle.open for candle in candles[1:]]


def test_an_unfinished_candle_knows_nothing_of_the_future(market):
    hour = INTERVALS_MS["1h"]
    for minutes in (1, 17, 59):
        now = NOON + minutes * MINUTE_MS + 321
        last = market.candles(hour, NOON - hour, now)[-1]
        assert last == market.candle_at(hour, now)
        assert last.open_ms == NOON
        assert last.close == market.price_at(now)
        seen = [market.price_at(at) for at in range(NOON, now, 1_000)] + [market.price_at(now)]
        assert (last.low, last.high) == (min(seen), max(seen))


def test_the_finished_candle_is_the_one_that_was_growing(market):
    hour = INTERVALS_MS["1h"]
    finished = market.candles(hour, NOON, NOON + hour)[0]
    growing = market.candle_at(hour, NOON + hour - 1)
    assert growing.open == finished.open
    assert finished.low <= growing.low
    assert growing.high <= finished.high
    assert growing.close == pytest.approx(finished.close, abs=50)


def test_a_week_is_neither_flat_nor_wild(market):
    for day in range(7):
        start = NOON - day * DAY_MS
        bars = np.array([(c.open, c.high, c.low, c.close) for c in market.candles(MINUTE_MS, start, start + DAY_MS)])
        day_range = (bars[:, 1].max() - bars[:, 2].min()) / bars[0, 0]
        assert 0.005 < day_range < 0.12
        assert 60_000 < bars[:, 2].min() < bars[:, 1].max() < 130_000
        returns = np.log(bars[:, 3] / bars[:, 0])
        kurtosis = (returns**4).mean() / (returns**2).mean() ** 2
        assert kurtosis > 3.3  # volatility clusters; a plain random walk has 3
        bodies = np.abs(bars[:, 3] - bars[:, 0]) / (bars[:, 1] - bars[:, 2])
        assert 0.35 < bodies.mean() < 0.7  # wicks


def test_liquidations_are_believable(market):
    events = market.liquidations(NOON - 7 * DAY_MS, NOON)
    assert 7 * 1_000 < len(events) < 7 * 4_500
    sizes = np.array([event.notional for event in events])
    assert 1_000 < np.median(sizes) < 20_000
    assert 3 <= (sizes > 1_000_000).sum() < len(sizes) * 0.01
    gaps = np.diff([event.ts_ms for event in events])
    assert (gaps <= 2_000).mean() > 0.08  # cascades
    assert gaps.max() > 5 * MINUTE_MS  # and calm
    assert {event.source for event in events} == {Source.DEMO}


def test_longs_fall_on_drops_and_shorts_on_rises(market):
    events = market.liquidations(NOON - 3 * DAY_MS, NOON)
    moves = {side: [] for side in Side}
    for event in events:
        moves[event.side].append(event.price / market.price_at(event.ts_ms - MINUTE_MS) - 1)
    assert np.mean(moves[Side.SELL]) < -0.000_3
    assert np.mean(moves[Side.BUY]) > 0.000_3


def test_prices_stand_on_ticks_and_quantities_on_steps(market):
    for event in market.liquidations(NOON - 3_600_000, NOON):
        assert event.price == round(event.price, 1)
        assert event.order_price == round(event.order_price, 1)
        assert event.qty == round(event.qty, 3) > 0
        assert event.notional == event.price * event.qty


def test_there_is_no_price_before_the_market_began(market):
    with pytest.raises(ValueError, match="expected a time from"):
        market.price_at(market.earliest_ms - 1)
    assert market.candles(MINUTE_MS, 0, market.earliest_ms) == []
    assert market.candles(DAY_MS, 0, market.earliest_ms + DAY_MS)[0].open_ms == market.earliest_ms
    assert market.liquidations(0, market.earliest_ms) == []
