"""The program's symbols from one run to the next."""

from __future__ import annotations

import pytest
from PyQt6.QtCore import QSettings

from Heatmap.app.recorded_symbols import KEY, store_symbols, symbols_to_record


@pytest.fixture
def store(tmp_path):
    return QSettings(str(tmp_path / "x.ini"), QSettings.Format.IniFormat)


def test_the_first_run_records_what_the_command_line_names(store):
    assert symbols_to_record(store, ("BTCUSDT",)) == ("BTCUSDT",)
    assert symbols_to_record(store, ("ALL",)) == ("ALL",)


@pytest.mark.parametrize("recorded", [("BTCUSDT", "ETHUSDT", "SOLUSDT"), ("SOLUSDT",)])
def test_the_next_run_shows_the_same_symbol_and_records_the_same(store, recorded):
    store_symbols(store, "SOLUSDT", recorded)
    store.sync()
    again = QSettings(store.fileName(), QSettings.Format.IniFormat)
    rest = tuple(symbol for symbol in recorded if symbol != "SOLUSDT")
    assert symbols_to_record(again, ("BTCUSDT",)) == ("SOLUSDT", *rest)
    # One that is named is shown.
    assert symbols_to_record(again, ("XRPUSDT", "SOLUSDT")) == ("XRPUSDT", "SOLUSDT", *rest)


@pytest.mark.parametrize("wrong", ["", ",,", "BTC/USDT,", ["a", "b/c"], None, b"\xff"])
def test_a_damaged_value_does_not_keep_the_program_from_starting(store, wrong):
    store.setValue(KEY, wrong)
    assert symbols_to_record(store, ("BTCUSDT",)) == ("BTCUSDT",)
    store.setValue(KEY, f"{wrong},ETHUSDT" if isinstance(wrong, str) else "ETHUSDT")
    assert symbols_to_record(store, ("BTCUSDT",)) == ("ETHUSDT",)
