"""The estimate of what a thinned feed hides, against simulated cascades whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest

from Heatmap.events import Coverage
from Heatmap.hidden_sum import HOUR_MS, NEEDED_HOURS, HiddenShare, HiddenSum, NotEnough, thinned, whole_hours


def cascades(chance, hours, *, begin=0):
    """Return times and dollars of every liquidation of some hours: a calm flow, and bursts of some minutes."""
    times, usd = [], []
    for hour in range(begin, begin + hours):
        calm = chance.poisson(chance.gamma(2, 15))
        times.append(hour * HOUR_MS + chance.uniform(0, HOUR_MS, calm))
        usd.append(chance.lognormal(8, 1.2, calm))
        for _ in range(chance.poisson(0.5)):
            start = hour * HOUR_MS + chance.uniform(0, HOUR_MS - 600_000)
            count = chance.poisson(chance.lognormal(4.5, 1.0))
            spread = chance.exponential(chance.uniform(7, 130) * 1000, count)
            times.append(start + np.minimum(spread, 599_000))
            usd.append(chance.lognormal(8.5, 1.2, count))
    times, usd = np.concatenate(times).astype(np.int64), np.concatenate(usd)
    order = np.argsort(times, kind="stable")
    return times[order], usd[order]


def reported(times, usd, start_ms, end_ms):
    inside = (times >= start_ms) & (times < end_ms)
    return *thinned(times[inside], usd[inside]), float(usd[inside].sum())


def test_thinning_keeps_the_largest_of_each_second():
    times, usd = thinned(np.array([1000, 1100, 1999, 2000, 5500]), np.array([3.0, 9.0, 1.0, 2.0, 4.0]))
    assert times.tolist() == [1100, 2000, 5500]
    assert usd.tolist() == [9.0, 2.0, 4.0]
    assert thinned(np.empty(0, np.int64), np.empty(0))[0].size == 0


def test_hours_count_that_both_covered_as_a_whole():
    first = [Coverage("bybit", "X", 0, 3 * HOUR_MS - 1), Coverage("bybit", "X", 5 * HOUR_MS, 7 * HOUR_MS)]
    second = [Coverage("binance", "X", HOUR_MS // 2, 6 * HOUR_MS)]
    assert whole_hours(first, second).tolist() == [1, 2, 5]


@pytest.mark.parametrize("hours_at_a_time", [1, 8])
def test_the_interval_holds_the_truth_of_hours_it_has_not_seen_nine_times_in_ten(hours_at_a_time):
    chance = np.random.default_rng(7)
    learned_hours, further = 240, 160 * (2 if hours_at_a_time > 1 else 1)
    times, usd = cascades(chance, learned_hours + further)
    share = HiddenShare(times, usd, np.arange(learned_hours))
    hits = tried = 0
    for hour in range(learned_hours, learned_hours + further, hours_at_a_time):
        start_ms, end_ms = hour * HOUR_MS, (hour + hours_at_a_time) * HOUR_MS
        seen_ms, seen_usd, true = reported(times, usd, start_ms, end_ms)
        found = share.estimate(seen_ms, seen_usd, start_ms, end_ms)
        if isinstance(found, NotEnough):  # a rate beyond all that was learned
            continue
        assert found.reported_usd == pytest.approx(seen_usd.sum())
        assert found.reported_usd <= found.low_usd <= found.high_usd
        tried += 1
        hits += found.low_usd - 1e-6 <= true <= found.high_usd + 1e-6
    assert tried > 30
    assert 0.85 <= hits / tried <= 0.95 if hours_at_a_time == 1 else hits / tried >= 0.8


def test_without_enough_hours_it_says_how_many_there_are():
    times, usd = cascades(np.random.default_rng(1), 40)
    found = HiddenShare(times, usd, np.arange(40)).estimate(times, usd, 0, HOUR_MS)
    assert isinstance(found, NotEnough)
    assert 0 < found.hours < NEEDED_HOURS == found.needed


def test_a_rate_that_was_never_learned_gets_no_estimate():
    times, usd = cascades(np.random.default_rng(2), 200)
    share = HiddenShare(times, usd, np.arange(200))
    storm = np.arange(0, 300_000, 300, dtype=np.int64)
    found = share.estimate(storm, np.ones(len(storm)), 0, HOUR_MS)
    assert found == NotEnough(share.hours, is_beyond=True)


def test_an_empty_span_hides_nothing():
    times, usd = cascades(np.random.default_rng(2), 200)
    found = HiddenShare(times, usd, np.arange(200)).estimate(times[:0], usd[:0], 0, HOUR_MS)
    assert (found.reported_usd, found.low_usd, found.high_usd) == (0.0, 0.0, 0.0)
    assert isinstance(found, HiddenSum)


def test_the_same_record_gives_the_same_interval():
    times, usd = cascades(np.random.default_rng(3), 200)
    share = HiddenShare(times, usd, np.arange(200))
    seen = reported(times, usd, 0, 8 * HOUR_MS)
    assert share.estimate(*seen[:2], 0, 8 * HOUR_MS) == share.estimate(*seen[:2], 0, 8 * HOUR_MS)
