"""What people read about the connection: every state and reason, in both languages."""

from __future__ import annotations

from dataclasses import replace

import pytest

from Heatmap.connection_message import clock_line, connection_text
from Heatmap.message_catalogue import catalogue
from Heatmap.reports import ConnectionState, ServiceStatus
from Heatmap.vocabulary import LANGUAGES

NOT_FLOWING = [state for state in ConnectionState if state not in (ConnectionState.LIVE, ConnectionState.QUIET)]


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("state", list(ConnectionState))
def test_every_state_has_a_headline_and_a_sentence(language, state):
    said = connection_text(catalogue(language), ServiceStatus(state=state), "binance")
    assert said.headline
    assert len(said.sentences) == 1
    assert said.sentences[0].endswith(".")


@pytest.mark.parametrize("state", NOT_FLOWING)
def test_nothing_is_called_live_or_connected_before_market_data_came(state):
    said = connection_text(catalogue("en"), ServiceStatus(state=state), "binance")
    assert "Live" not in said.headline
    assert not said.headline.startswith("Connected")


def test_a_reason_is_told_short_and_in_full_and_with_the_next_attempt():
    status = ServiceStatus(ConnectionState.DOWN, "banned", "x asks for a pause of 60 s.", retry_at_ms=1_790_000_000_000)
    said = connection_text(catalogue("de"), status, "binance")
    assert said.headline == "Nicht verbunden: zu viele Anfragen"
    assert any("HTTP 429" in sentence for sentence in said.sentences)
    assert "x asks for a pause of 60 s." in said.sentences
    assert any(sentence.startswith("Nächster Versuch um ") for sentence in said.sentences)


def test_the_next_attempt_has_the_zone_of_the_reader():
    status = ServiceStatus(ConnectionState.DOWN, "refused", retry_at_ms=1_790_000_000_000)
    here = connection_text(catalogue("en"), status, "binance", clock_text=lambda at_ms: f"<{at_ms}>")
    assert "Next attempt at <1790000000000>." in here.sentences
    # Without one, e.g. on the command line, as all other times there.
    assert "Next attempt at 14:13:20 UTC." in connection_text(catalogue("en"), status, "binance").sentences


def test_while_connecting_again_the_reason_is_told_but_not_in_the_headline():
    status = ServiceStatus(ConnectionState.CONNECTING, "slept")
    said = connection_text(catalogue("en"), status, "binance")
    assert said.headline == "Connecting …"
    assert any("slept" in sentence for sentence in said.sentences)


@pytest.mark.parametrize(
    ("offset_ms", "words"),
    [
        (2500.0, "2 s behind"),
        (-90_000.0, "1 min 30 s ahead"),
        (7_199_997.0, "2 h behind"),
        (1999.0, ""),
        (None, ""),
    ],
)
def test_a_wrong_clock_is_told(offset_ms, words):
    live = ServiceStatus(ConnectionState.LIVE, clock_offset_ms=offset_ms)
    said = " ".join(connection_text(catalogue("en"), live, "binance").sentences)
    assert (words in said) if words else ("clock" not in said)


def test_the_latency_is_told_while_data_flows():
    live = ServiceStatus(ConnectionState.LIVE, latency_ms=83.4)
    assert "From the exchange to here: 83 ms." in connection_text(catalogue("en"), live, "binance").sentences
    down = replace(live, state=ConnectionState.DOWN)
    assert not any("83" in sentence for sentence in connection_text(catalogue("en"), down, "binance").sentences)


@pytest.mark.parametrize(
    ("offset_ms", "line"),
    [
        (-0.4, "this machine's clock agrees with the exchange's (± 1 ms)"),
        (37.2, "this machine's clock is 37 ms behind the exchange's (± 1 ms)"),
        (-7_199_997.0, "this machine's clock is 2 h ahead of the exchange's (± 1 ms)"),
    ],
)
def test_the_log_says_how_the_clock_stands_in_a_sentence(offset_ms, line):
    assert clock_line(offset_ms, 1.2) == line
