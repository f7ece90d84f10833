"""Venues and addresses as the command line names them, and recorders that do not touch each other."""

from __future__ import annotations

import argparse

import pytest

from Heatmap.commands.recorder_options import add_recorder_arguments, venue_address
from Heatmap.errors import SettingsError
from Heatmap.recorders import Recorders, services_for


def parsed(*words):
    parser = argparse.ArgumentParser()
    add_recorder_arguments(parser)
    return parser.parse_args(words)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("ws://h:1", ("binance", "ws://h:1")),
        ("okx=ws://h:1", ("okx", "ws://h:1")),
        ("binance=wss://h", ("binance", "wss://h")),
        ("ws://h:1/x?a=b", ("binance", "ws://h:1/x?a=b")),
        ("okx=ws://h:1/x?a=b", ("okx", "ws://h:1/x?a=b")),
    ],
)
def test_an_address_without_a_venue_is_binances(text, address):
    assert venue_address(text) == address


def test_a_venue_that_there_is_not_is_refused(capsys):
    with pytest.raises(argparse.ArgumentTypeError, match="mtgox"):
        venue_address("mtgox=ws://h")
    with pytest.raises(SystemExit):
        parsed("--venue", "mtgox")
    assert "okx" in capsys.readouterr().err


def test_each_venue_gets_its_own_addresses_and_binance_alone_is_the_default(tmp_path):
    path = tmp_path / "record.sqlite3"
    [alone] = services_for(None, None, None, db_path=path)
    assert (alone.source, alone.ws_url) == ("binance", "wss://fstream.binance.com")
    args = parsed("--venue", "binance", "--venue", "okx", "--venue", "okx", "--ws-url", "okx=ws://h:1/ws/v5/public")
    both = services_for(args.venues, dict(args.ws_url), None, db_path=path, symbols=["btcusdt"])
    assert [(service.source, service.ws_url, service.symbols) for service in both] == [
        ("binance", "wss://fstream.binance.com", ("BTCUSDT",)),
        ("okx", "ws://h:1", ("BTCUSDT",)),
    ]


def test_an_address_of_a_venue_that_is_not_recorded_is_refused(tmp_path):
    with pytest.raises(SettingsError) as caught:
        services_for(None, {"okx": "ws://h:1"}, None, db_path=tmp_path / "record.sqlite3")
    assert caught.value.short == "--ws-url names okx, which is not recorded: add --venue okx."


def test_recorders_that_were_never_started_stop_in_order(tmp_path):
    recorders = Recorders(services_for(["binance", "okx"], None, None, db_path=tmp_path / "record.sqlite3"))
    assert recorders.stop() == 0
    assert list(recorders.statuses()) == ["binance", "okx"]
