"""Which proxy an address has, and how people hear of one that does not work."""

from __future__ import annotations

import pytest
from websockets.exceptions import InvalidProxy

from Heatmap.ingestion import failure
from Heatmap.ingestion.proxy import is_socks, proxy_for, shown

NAMES = [f"{scheme}_proxy" for scheme in ("all", "http", "https", "ws", "wss", "socks", "no")]


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch):
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.mark.parametrize(
    ("variables", "url", "proxy"),
    [
        ({}, "wss://fstream.example", None),
        ({"ALL_PROXY": "http://p.example:3128"}, "wss://fstream.example", "http://p.example:3128"),
        ({"all_proxy": "socks5h://p.example:1080"}, "https://fapi.example/x", "socks5h://p.example:1080"),
        ({"ALL_PROXY": "p.example:3128"}, "https://fapi.example", "http://p.example:3128"),
        (
            {"ALL_PROXY": "http://a.example:1", "HTTPS_PROXY": "http://b.example:2"},
            "wss://x.example",
            "http://b.example:2",
        ),
        ({"ALL_PROXY": "http://a.example:1", "NO_PROXY": "fstream.example"}, "wss://fstream.example", None),
        ({"http_proxy": "http://a.example:1"}, "https://fapi.example", None),
    ],
)
def test_the_systems_word_is_followed_all_proxy_included(monkeypatch, variables, url, proxy):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert proxy_for(url) == proxy


def test_a_password_is_never_shown():
    proxy = "http://user:secret@p.example:3128"
    assert shown(proxy) == "p.example:3128"
    assert not is_socks(proxy)
    texts = [
        failure.of_network_error(ConnectionRefusedError(), "fstream.example", proxy=proxy).detail,
        failure.of_socket_error(
            InvalidProxy(proxy, "no such scheme"), "fstream.example", max_bytes=1, now_ms=0, proxy=proxy
        ).detail,
    ]
    for text in texts:
        assert "p.example:3128" in text
        assert "secret" not in text


def test_a_dead_proxy_is_not_the_exchange_refusing():
    seen = failure.of_network_error(ConnectionRefusedError(), "fstream.example", proxy="http://p.example:3128")
    assert seen.reason == "proxy"
    assert "proxy p.example:3128 on the way to fstream.example" in seen.detail
    assert failure.of_network_error(ConnectionRefusedError(), "fstream.example").reason == "refused"
