"""``heatmap status`` on what Binance leaves out, from a record of Binance and Bybit."""

from __future__ import annotations

import json

import pytest
from support.two_venues import liquidations, write_two_venues

from Heatmap.cli import main
from Heatmap.clock import SYSTEM_CLOCK
from Heatmap.events import Source
from Heatmap.storage.sqlite.bulk_insert import bulk_insert


def test_the_interval_holds_the_true_sum_and_begins_above_what_was_reported(tmp_path, capsys):
    path = tmp_path / "record.sqlite3"
    true = write_two_venues(path, 200)
    assert main(["status", "--db", str(path), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["hidden"]["BTCUSDT"]
    assert found["reported_usd"] < found["low_usd"] < true < found["high_usd"]
    assert main(["status", "--db", str(path)]) == 0
    assert "BTCUSDT: Binance reported $" in (said := capsys.readouterr().out)
    assert "in what is recorded of the last 24 h" in said
    assert "(90 %, learned from " in said


def test_with_too_few_hours_it_says_so(tmp_path, capsys):
    path = tmp_path / "record.sqlite3"
    write_two_venues(path, 30)
    assert main(["status", "--db", str(path)]) == 0
    assert "of 96 hours needed are recorded from Binance and Bybit together" in capsys.readouterr().out


@pytest.mark.parametrize("source", [Source.BINANCE, Source.BYBIT])
def test_one_venue_alone_gives_no_line(tmp_path, capsys, source):
    path = tmp_path / "record.sqlite3"
    bulk_insert(path, liquidations(source, [SYSTEM_CLOCK.now_ms()], [5.0]))
    assert main(["status", "--db", str(path)]) == 0
    assert "leaves out" not in capsys.readouterr().out
