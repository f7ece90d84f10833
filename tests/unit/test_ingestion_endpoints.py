"""Routes as pure functions: whatever a user pastes, the live route comes out."""

from __future__ import annotations

import pytest

from Heatmap.errors import SettingsError
from Heatmap.ingestion import addresses
from Heatmap.ingestion.binance import endpoints, kline


@pytest.mark.parametrize(
    "pasted",
    [
        "wss://fstream.binance.com",
        " wss://fstream.binance.com/ ",
        "wss://fstream.binance.com/ws",
        "wss://fstream.binance.com/ws/",
        "wss://fstream.binance.com/stream?streams=btcusdt@forceOrder",
        "wss://fstream.binance.com/market/ws/btcusdt@forceOrder",
        "wss://fstream.binance.com/market/stream",
        "WSS://fstream.binance.com/public",
        "wss://fstream.binance.com/btcusdt@forceOrder",
    ],
)
def test_any_pasted_stream_address_becomes_the_base(pasted):
    assert endpoints.normalise_ws_base(pasted) == "wss://fstream.binance.com"


def test_a_port_and_a_path_before_the_route_are_kept():
    assert endpoints.normalise_ws_base("ws://127.0.0.1:8080/proxy/ws") == "ws://127.0.0.1:8080/proxy"
    assert endpoints.normalise_rest_base("http://[::1]:80/fapi/v1/time") == "http://[::1]:80"


@pytest.mark.parametrize(
    "wrong", ["", "fstream.binance.com", "https://x", "ws://", "ws://x:0", "ws://x:banana", "ws://[", "ws://a..b"]
)
def test_what_is_no_stream_address_is_refused_in_a_sentence(wrong):
    with pytest.raises(SettingsError) as caught:
        endpoints.normalise_ws_base(wrong)
    assert caught.value.short.startswith("“")


def test_rest_wants_http():
    with pytest.raises(SettingsError, match="fapi"):
        endpoints.normalise_rest_base("wss://fapi.binance.com")


def test_one_socket_carries_all_streams_on_the_market_route():
    streams = [endpoints.force_order_stream("BTCUSDT"), endpoints.mark_price_stream("BTCUSDT")]
    assert endpoints.market_stream_url("wss://host/ws", streams) == (
        "wss://host/market/stream?streams=btcusdt@forceOrder/btcusdt@markPrice@1s"
    )


def test_a_symbol_that_is_not_ascii_is_escaped():
    url = endpoints.market_stream_url("wss://host", [endpoints.force_order_stream("牛来USDT")])
    assert url == "wss://host/market/stream?streams=%E7%89%9B%E6%9D%A5usdt@forceOrder"


@pytest.mark.parametrize("count", [0, 1025])
def test_a_socket_has_a_limit_of_streams(count):
    with pytest.raises(SettingsError):
        endpoints.market_stream_url("wss://host", ["x"] * count)


def test_klines_url_names_only_what_is_asked():
    base = "http://h/fapi/v1/klines?symbol=BTCUSDT&interval=1m"
    assert kline.history_url("http://h/", "BTCUSDT", "1m", None) == f"{base}&limit=1"
    assert kline.history_url("http://h", "BTCUSDT", "1m", (5, 9, 2)) == f"{base}&startTime=5&endTime=9&limit=2"
    assert kline.stream("ws://h", "BTCUSDT", "1m") == ("ws://h/market/stream?streams=btcusdt@kline_1m", ())


def test_symbols_are_spelled_as_the_exchange_does():
    assert addresses.normalise_symbol(" btcusdt ") == "BTCUSDT"
    assert addresses.normalise_symbol("btcusdt_260925") == "BTCUSDT_260925"
    for wrong in ("", "BTC USDT", "BTC/USDT", "x" * 41, "a@b"):
        with pytest.raises(SettingsError):
            addresses.normalise_symbol(wrong)
