"""``heatmap status`` on what Binance leaves out, from a record of Binance and Bybit."""

from __future__ import annotations

import json

import numpy as np
import pytest

from Heatmap.cli import main
from Heatmap.clock import SYSTEM_CLOCK
from Heatmap.events import Coverage, LiquidationEvent, Side, Source
from Heatmap.hidden_sum import HOUR_MS, thinned
from Heatmap.storage.bulk_insert import bulk_insert


def liquidations(source, times, usd):
    return [
        LiquidationEvent(int(at), "BTCUSDT", Side.SELL, 100_000.0, float(size) / 1e5, float(size), source)
        for at, size in zip(times, usd, strict=True)
    ]


def write(path, hours):
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


def test_the_interval_holds_the_true_sum_and_begins_above_what_was_reported(tmp_path, capsys):
    path = tmp_path / "record.sqlite3"
    true = write(path, 200)
    assert main(["status", "--db", str(path), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["hidden"]["BTCUSDT"]
    assert found["reported_usd"] < found["low_usd"] < true < found["high_usd"]
    assert main(["status", "--db", str(path)]) == 0
    assert "BTCUSDT: Binance reported $" in (said := capsys.readouterr().out)
    assert "(90 %, learned from " in said


def test_with_too_few_hours_it_says_so(tmp_path, capsys):
    path = tmp_path / "record.sqlite3"
    write(path, 30)
    assert main(["status", "--db", str(path)]) == 0
    assert "of 96 hours needed are recorded from Binance and Bybit together" in capsys.readouterr().out


@pytest.mark.parametrize("source", [Source.BINANCE, Source.BYBIT])
def test_one_venue_alone_gives_no_line(tmp_path, capsys, source):
    path = tmp_path / "record.sqlite3"
    bulk_insert(path, liquidations(source, [SYSTEM_CLOCK.now_ms()], [5.0]))
    assert main(["status", "--db", str(path)]) == 0
    assert "leaves out" not in capsys.readouterr().out
