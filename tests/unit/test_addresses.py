"""Addresses that people give: nothing secret is shown, and what travels unencrypted is said."""

from __future__ import annotations

import logging

import pytest

from Heatmap.errors import SettingsError
from Heatmap.heatmap_service import HeatmapService
from Heatmap.ingestion.addresses import is_encrypted_or_local, is_symbol
from Heatmap.ingestion.venues import VENUES

SECRET = "hunter2"  # noqa: S105 - nobody's


@pytest.mark.parametrize("venue", VENUES.values(), ids=list(VENUES))
@pytest.mark.parametrize(
    "address",
    [
        f"wss://me:{SECRET}@example.com", f"wss://{SECRET}@example.com/ws", f"ftp://me:{SECRET}@example.com",
        f"wss://me:{SECRET}@example.com:99999", f"wss://me:{SECRET}@[x", f"me:{SECRET}@example.com",
        f"ftp://example.com/?key={SECRET}", f"wss://me:{SECRET}@",
    ],
)  # fmt: skip
def test_passwords_in_addresses_are_refused_and_not_shown(venue, address):
    for pair in ((address, None), (None, address.replace("wss", "https"))):
        with pytest.raises(SettingsError) as caught:
            venue.base_urls(*pair)
        assert SECRET not in str(caught.value) + caught.value.short


@pytest.mark.parametrize(
    ("address", "is_safe"),
    [
        ("wss://example.com", True), ("https://10.0.0.1:8443", True), ("ws://127.0.0.1:9", True),
        ("ws://[::1]:9", True),

        ("http://localhost:80", True), ("ws://127.1.2.3", True), ("ws://example.com", False),
        ("http://10.0.0.1", False),
        ("ws://localhost.example.com", False), ("ws://127.0.0.1.example.com", False), ("ws://0.0.0.0", False),
    ],
)  # fmt: skip
def test_only_this_machine_may_be_reached_unencrypted_without_a_word(address, is_safe, tmp_path, caplog):
    assert is_encrypted_or_local(address) is is_safe
    caplog.set_level(logging.WARNING)
    ws, rest = address.replace("http", "ws"), address.replace("ws", "http")
    HeatmapService(tmp_path / "x.sqlite3", ["BTCUSDT"], ws_url=ws, rest_url=rest)
    assert ("not encrypted" in caplog.text) is not is_safe


@pytest.mark.parametrize("symbol", ["BTCUSDT", "1000PEPEUSDT", "BTCUSDT_260327", "币安人生USDT", "A" * 40])
def test_symbols_that_exchanges_list(symbol):
    assert is_symbol(symbol)


@pytest.mark.parametrize(
    "symbol",
    ["", "btcusdt", "=1+1", "@SUM(1)", "-1", "A B", "A\n", "<B>", "A'B", "\u202eA", "A" * 41, "A-B", "A;B", "A\x1b"],
)
def test_nothing_else_is_a_symbol(symbol):
    assert not is_symbol(symbol)
