"""Candles in an exported picture: loaded from the exchange, hollow, at their times and prices."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from Heatmap.cli import main
from Heatmap.clock import SYSTEM_CLOCK
from Heatmap.commands import candle_history
from Heatmap.commands.candle_history import MOST_BARS, interval_for
from Heatmap.demo.exchange import DemoExchange
from Heatmap.demo.market import SimulatedMarket
from Heatmap.errors import RecordFileError, RestError
from Heatmap.events import Coverage, Source
from Heatmap.storage.sqlite.bulk_insert import bulk_insert
from Heatmap.vocabulary import INTERVALS_MS

HOUR_MS = 3_600_000
UP, DOWN = (38, 166, 154), (239, 83, 80)


@pytest.fixture
def market():
    return SimulatedMarket()


@pytest.fixture
def record(tmp_path, market):
    """A record of the demo's last 8 hours, and its end, ms since the epoch."""
    path, end_ms = tmp_path / "record.sqlite3", SYSTEM_CLOCK.now_ms() // 60_000 * 60_000
    span = Coverage(Source.DEMO, "BTCUSDT", end_ms - 8 * HOUR_MS, end_ms)
    bulk_insert(path, market.liquidations(span.start_ms, span.end_ms), coverage=[span])
    return path, end_ms


def export(record, output, *more):
    path, end_ms = record
    span = ("--window", "8h", "--to", str(end_ms))
    return main(["export", "--format", "png", "--db", str(path), "--output", str(output), *span, *more])


def test_candles_lie_over_the_heat_at_their_times_and_prices(record, market, tmp_path, capsys):
    output = tmp_path / "map.png"
    with DemoExchange(market) as exchange:
        assert export(record, output, "--candles", "--rest-url", exchange.rest_url) == 0
    assert "behind 480 candles" in capsys.readouterr().out
    pane = np.asarray(Image.open(output))[30:750, 12:1512]
    found = np.all(pane == UP, axis=2) | np.all(pane == DOWN, axis=2)
    columns = found.any(axis=0)
    assert columns[10:-10].mean() > 0.9
    # The market's own path: the mean price of each tenth of the span, from high to low, is the order on the screen.
    _, end_ms = record
    prices = [event.price for event in market.liquidations(end_ms - 8 * HOUR_MS, end_ms)]
    assert max(prices) > min(prices)
    tenths = np.array_split(np.arange(1500), 10)
    heights = [np.nonzero(found[:, part])[0].mean() for part in tenths]
    events = market.liquidations(end_ms - 8 * HOUR_MS, end_ms)
    means = [
        np.mean([event.price for event in events if 0 <= event.ts_ms - begin_ms < 48 * 60_000])
        for begin_ms in range(end_ms - 8 * HOUR_MS, end_ms, 48 * 60_000)
    ]
    assert np.corrcoef(heights, means)[0, 1] < -0.9


def test_without_an_exchange_it_is_one_sentence(record, tmp_path, capsys):
    output = tmp_path / "map.png"
    assert export(record, output, "--candles", "--rest-url", "http://127.0.0.1:9") == 1
    assert "The candles cannot be loaded: 127.0.0.1 refuses the connection" in capsys.readouterr().err
    assert not output.exists()


def test_a_table_has_no_candles(record, tmp_path, capsys):
    path, _ = record
    arguments = ["export", "--format", "csv", "--db", str(path), "--output", str(tmp_path / "a.csv"), "--candles"]
    assert main(arguments) == 2
    assert "give --format png" in capsys.readouterr().err


def test_the_real_exchange_has_no_candles_of_a_simulated_market(record, tmp_path, capsys):
    assert export(record, tmp_path / "map.png", "--candles") == 2
    assert "No exchange has the candles of source demo" in capsys.readouterr().err
    assert export(record, tmp_path / "map.png", "--candles", "--rest-url", "no address") == 2
    assert "no address" in capsys.readouterr().err


@pytest.mark.parametrize(("source", "hours", "longest"), [("gate", 24, "5m"), ("okx", 500 * 7, "12Hutc")])
def test_an_interval_that_the_exchange_does_not_have_is_passed_over(monkeypatch, source, hours, longest):
    asked = []

    async def answer(url):
        asked.append(url)
        raise RestError("was not sent", reason="refused")

    monkeypatch.setattr(candle_history, "fetch_bytes", answer)
    with pytest.raises(RecordFileError):
        candle_history.fetch_candles(None, "BTCUSDT", 0, hours * HOUR_MS, source=source)
    assert longest in asked[0]


@pytest.mark.parametrize("hours", [0.01, 2, 8, 48, 24 * 30, 24 * 4000])
def test_candles_are_never_too_narrow(hours):
    interval = interval_for(round(hours * HOUR_MS))
    assert hours * HOUR_MS / INTERVALS_MS[interval] <= MOST_BARS or interval == "1d"
