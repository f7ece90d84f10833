"""A record of Binance and Bybit, of which Bybit's is complete."""

from __future__ import annotations

import numpy as np

from Heatmap.clock import SYSTEM_CLOCK
from Heatmap.events import Coverage, LiquidationEvent, Side, Source
from Heatmap.hidden_sum import HOUR_MS, thinned
from Heatmap.storage.sqlite.bulk_insert import bulk_insert


def liquidations(source, times, usd):
    return [
        LiquidationEvent(int(at), "BTCUSDT", Side.SELL, 100_000.0, float(size) / 1e5, float(size), source)
        for at, size in zip(times, usd, strict=True)
    ]


def write_two_venues(path, hours):
    """Record both venues for some hours until now: Bybit whole, Binance thinned."""
    chance, now_ms = np.random.default_rng(5), SYSTEM_CLOCK.now_ms()
    begin_ms = (now_ms // HOUR_MS - hours) * HOUR_MS
    counts = chance.poisson(60, hours)
    times = np.sort(
        np.concatenate([begin_ms + h * HOUR_MS + chance.exponential(60_000, n) for h, n in enumerate(counts)])
    )
    times, usd = times.astype(np.int64), chance.lognormal(8, 1, len(times))
    covered = [Coverage(source, "BTCUSDT", begin_ms, now_ms) for source in (Source.BYBIT, Source.BINANCE)]
    bulk_insert(path, liquidations(Source.BYBIT, times, usd), coverage=covered)
    bulk_insert(path, liquidations(Source.BINANCE, *thinned(times, usd)))
    return usd[times >= now_ms - 24 * HOUR_MS].sum()
