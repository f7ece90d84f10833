"""Back-off, liveness, failures and exchange rules: pure, so tested without sockets and without waiting."""

from __future__ import annotations

import errno
import json
import socket
import ssl

import pytest

from Heatmap.errors import FeedError
from Heatmap.ingestion import failure
from Heatmap.ingestion.backoff import Backoff
from Heatmap.ingestion.binance import exchange_info
from Heatmap.ingestion.liveness import Liveness
from Heatmap.reports import ConnectionState as State


def test_waits_double_up_to_the_cap_and_never_end():
    backoff = Backoff(base_s=1.0, cap_s=60.0, chance=lambda: 1.0)
    waits = [backoff.next_delay_s(0.0) for _ in range(2000)]
    assert waits[:8] == [1, 2, 4, 8, 16, 32, 60, 60]
    assert waits[-1] == 60


def test_jitter_reaches_down_to_nothing():
    assert Backoff(chance=lambda: 0.0).next_delay_s(0.0) == 0.0


def test_reset_begins_with_the_shortest_wait_again():
    backoff = Backoff(chance=lambda: 1.0)
    for _ in range(5):
        backoff.next_delay_s(0.0)
    backoff.reset()
    assert backoff.next_delay_s(0.0) == 1.0


def test_the_eleventh_attempt_waits_for_the_minute_to_pass_even_after_resets():
    backoff = Backoff(chance=lambda: 0.0)
    for second in range(10):
        backoff.attempted(100.0 + second)
        backoff.reset()
    assert backoff.next_delay_s(110.0) == 50.0


def test_what_the_exchange_asks_for_may_exceed_the_cap():
    assert Backoff(chance=lambda: 0.0).next_delay_s(0.0, at_least_s=600.0) == 600.0


def test_an_open_socket_is_not_called_live_before_market_data():
    link = Liveness()
    assert link.state is State.CONNECTING
    link.opened(0.0)
    link.tick(9.9)
    assert link.state is State.CONNECTING
    link.market(9.9)
    assert (link.state, link.reason) == (State.LIVE, "")


def test_a_calm_market_is_quiet_and_not_dead():
    link = Liveness()
    link.opened(0.0)
    for second in range(300):
        link.market(float(second))
        assert not link.tick(float(second))
    assert link.state is State.LIVE
    link.market(300.0)
    assert not link.tick(300.0)
    assert link.state is State.QUIET
    link.market(301.0)
    assert link.state is State.QUIET
    link.liquidation(302.0)
    assert link.state is State.LIVE


def test_market_data_that_stops_makes_the_socket_dead():
    link = Liveness()
    link.opened(0.0)
    link.market(5.0)
    assert not link.tick(14.9)
    assert link.tick(15.0)
    assert (link.state, link.reason) == (State.SILENT, "silent")


def test_a_route_that_never_delivers_is_named_as_such_and_stays_so_while_reconnecting():
    link = Liveness()
    for start_s in (0.0, 100.0):
        link.opened(start_s)
        assert link.tick(start_s + 10.0)
        link.closed("closed")
        assert (link.state, link.reason) == (State.SILENT, "silent-route")
    link.opened(200.0)
    link.market(200.5)
    assert (link.state, link.reason) == (State.LIVE, "")


def test_a_loss_reconnects_and_only_then_counts_as_down():
    link = Liveness()
    link.opened(0.0)
    link.market(1.0)
    link.closed("closed")
    assert (link.state, link.reason) == (State.CONNECTING, "closed")
    link.closed("dns")
    assert (link.state, link.reason) == (State.DOWN, "dns")
    link.opened(3.0)
    assert link.state is State.CONNECTING


def test_after_silence_a_server_that_is_gone_counts_as_down():
    link = Liveness()
    link.opened(0.0)
    link.tick(10.0)
    link.closed("closed")
    link.closed("refused")
    assert (link.state, link.reason) == (State.DOWN, "refused")


def test_time_in_which_nobody_listened_is_not_silence():
    link = Liveness()
    link.opened(0.0)
    link.market(0.0)
    link.paused(30.0)
    assert not link.tick(39.9)
    assert link.tick(40.0)


def test_nothing_is_silent_while_nothing_is_open():
    link = Liveness()
    assert not link.tick(1e9)
    assert link.state is State.CONNECTING


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (socket.gaierror(socket.EAI_NONAME, "Name or service not known"), "dns"),
        (ConnectionRefusedError(errno.ECONNREFUSED, "refused"), "refused"),
        (OSError("Multiple exceptions: [Errno 111] Connect call failed ('::1', 1), [Errno 111] x"), "refused"),
        (OSError(errno.ENETUNREACH, "no net"), "unreachable"),
        (OSError(errno.ETIMEDOUT, "late"), "timeout"),
        (TimeoutError(), "timeout"),
        (ssl.SSLCertVerificationError("self-signed"), "tls"),
        (ConnectionResetError(errno.ECONNRESET, "reset"), "closed"),
        (EOFError(), "closed"),
        (OSError("something else"), "network"),
    ],
)
def test_network_errors_become_a_word_and_a_sentence(error, reason):
    seen = failure.of_network_error(error, "exchange.example")
    assert seen.reason == reason
    assert "exchange.example" in seen.detail
    assert seen.detail.endswith((".", "?"))


NOW_MS = 1_790_000_000_000


@pytest.mark.parametrize(
    ("status", "headers", "body", "reason", "wait_s"),
    [
        (451, {}, "", "region", 60.0),
        (403, {}, "<html>", "region", 60.0),
        (429, {"Retry-After": "17"}, "", "banned", 17.0),
        (418, {}, f'{{"msg":"banned until {NOW_MS + 90_000}. Please"}}', "banned", 90.0),
        # The end of a ban is a time of the exchange, whose clock may differ from this machine's.
        (
            418,
            {"date": "Thu, 01 Jan 2026 00:00:00 GMT"},
            f"banned until {1_767_225_600_000 + 30_000}",
            "banned",
            30.0,
        ),
        (418, {"Date": "soon"}, f"banned until {NOW_MS + 90_000}", "banned", 90.0),
        (418, {"Retry-After": "soon"}, "", "banned", 60.0),
        (429, {}, f"banned until {NOW_MS - 5}", "banned", 0.0),
        (418, {"Retry-After": "9" * 40}, "", "banned", 3 * 24 * 3600.0),
        (500, {}, "oh no", "http", 0.0),
    ],
)
def test_http_answers_become_a_word_and_a_wait(status, headers, body, reason, wait_s):
    seen = failure.of_http_answer(status, headers, body, "exchange.example", now_ms=NOW_MS)
    assert (seen.reason, seen.wait_s, seen.status) == (reason, wait_s, status)
    assert "exchange.example" in seen.detail


def rules(*symbols):
    return json.dumps(
        {
            "serverTime": 1,
            "symbols": [
                {
                    "symbol": name,
                    "pricePrecision": 2,
                    "filters": [
                        {"filterType": "LOT_SIZE", "stepSize": "0.001"},
                        {"filterType": "PRICE_FILTER", "tickSize": tick, "maxPrice": "5"},
                        {"filterType": "MAX_NUM_ORDERS", "limit": 200},
                    ],
                }
                for name, tick in symbols
            ],
        }
    )


def test_the_tick_is_the_price_filters_and_not_the_precision():
    assert exchange_info.decode(rules(("BTCUSDT", "0.10"))).tick_size("BTCUSDT") == 0.1


def test_an_unknown_symbol_gets_a_sentence_and_a_hint():
    info = exchange_info.decode(rules(("BTCUSDT", "0.10"), ("ETHUSDT", "0.01")))
    with pytest.raises(FeedError) as caught:
        info.tick_size("BTCUSD")
    assert caught.value.reason == "unknown-symbol"
    assert caught.value.short == "The exchange has no symbol BTCUSD. Did you mean BTCUSDT?"


@pytest.mark.parametrize("tick", ["0", "-1", "nan"])
def test_a_useless_tick_concerns_its_symbol_alone(tick):
    info = exchange_info.decode(rules(("ODDUSDT", tick), ("BTCUSDT", "0.10")))
    assert info.tick_size("BTCUSDT") == 0.1
    with pytest.raises(FeedError) as caught:
        info.tick_size("ODDUSDT")
    assert caught.value.reason == "bad-tick"


@pytest.mark.parametrize("body", ["", "[]", "{}", '{"symbols":[]}', '{"symbols":[{"filters":[]}]}', b"\xff"])
def test_an_answer_that_is_not_exchange_info_is_refused(body):
    with pytest.raises(FeedError) as caught:
        exchange_info.decode(body)
    assert caught.value.reason == "bad-json"


def test_a_late_message_does_not_raise_a_connection_that_was_found_dead():
    link = Liveness()
    link.opened(0.0)
    link.market(1.0)
    assert link.tick(11.0)
    link.market(11.1)
    link.liquidation(11.2)
    assert (link.state, link.reason) == (State.SILENT, "silent")
    link.closed("closed")
    assert (link.state, link.reason) == (State.SILENT, "silent")


def test_the_calm_of_before_an_outage_is_not_known_to_have_gone_on():
    link = Liveness()
    link.opened(0.0)
    link.market(0.0)
    link.closed("closed")
    after = Liveness()
    after.inherit(link)
    after.opened(5000.0)
    after.market(5000.5)
    after.tick(5001.0)
    assert after.state is State.LIVE


def test_a_replacement_goes_on_with_the_calm_unless_it_heard_a_liquidation_itself():
    old, quiet, lively = Liveness(), Liveness(), Liveness()
    for link in (old, quiet, lively):
        link.opened(0.0)
        link.market(0.0)
    old.market(300.0)
    old.tick(300.0)
    assert old.state is State.QUIET
    lively.liquidation(301.5)
    for link in (quiet, lively):
        link.inherit(old)
    assert (quiet.state, lively.state) == (State.QUIET, State.LIVE)


def test_what_went_wrong_before_is_not_said_of_an_open_connection():
    before, link = Liveness(), Liveness()
    before.closed("refused")
    link.inherit(before)
    assert (link.state, link.reason) == (State.DOWN, "refused")
    link.opened(1.0)
    assert (link.state, link.reason) == (State.CONNECTING, "")


def test_what_the_exchange_asks_for_holds_whoever_asks_next():
    backoff = Backoff(chance=lambda: 0.0)
    backoff.next_delay_s(100.0, at_least_s=600.0)
    backoff.reset()
    assert backoff.next_delay_s(200.0) == 500.0
    assert backoff.held_back_s(699.0) == 1.0
    assert backoff.held_back_s(701.0) == 0.0
