"""A service says since when it records, since when not, and who records what; and connects at once when asked to."""

from __future__ import annotations

import json

import pytest
from support.exchange import LoopbackExchange
from support.record import T
from support.service import RunningService

from Heatmap.heatmap_service import HeatmapService
from Heatmap.ingestion.backoff import Backoff
from Heatmap.reports import FLOWING, ConnectionState

AN_HOUR_S = 3600.0


class Exchange(LoopbackExchange):
    """Sends every connection a mark price."""

    async def play(self, ws):
        await ws.send(json.dumps({"e": "markPriceUpdate", "E": T, "s": "BTCUSDT", "p": "85000.1"}))
        await ws.wait_closed()


def service(path, exchange, symbols=("BTCUSDT",)):
    return HeatmapService(path, symbols, ws_url=exchange.ws_url, rest_url=exchange.rest_url)


def test_an_attempt_is_made_at_once_when_a_person_asks_for_it(tmp_path, monkeypatch):
    monkeypatch.setattr(Backoff, "next_delay_s", lambda *_, **__: AN_HOUR_S)
    exchange = Exchange()
    with RunningService(service(tmp_path / "record.sqlite3", exchange)) as running:
        waiting = running.until(lambda status: status.state is ConnectionState.DOWN and status.retry_at_ms is not None)
        assert waiting.recording_since_ms is None
        assert waiting.interrupted_since_ms <= waiting.retry_at_ms - 0.9 * 1000 * AN_HOUR_S
        with exchange:
            running.service.retry_now()
            live = running.until(lambda status: status.state in FLOWING)
            assert live.interrupted_since_ms is None
            assert live.recording_since_ms >= waiting.interrupted_since_ms
        down = running.until(lambda status: status.interrupted_since_ms is not None)
        assert down.reason == "closed"
        assert down.interrupted_since_ms >= live.recording_since_ms == down.recording_since_ms


def test_a_ban_is_kept_whoever_asks(tmp_path, monkeypatch):
    is_banned = False
    monkeypatch.setattr(Backoff, "next_delay_s", lambda *_, **__: AN_HOUR_S)
    monkeypatch.setattr(Backoff, "held_back_s", lambda *_: AN_HOUR_S / 2 if is_banned else 0.0)
    with RunningService(service(tmp_path / "record.sqlite3", Exchange())) as running:
        first = running.until(lambda status: status.retry_at_ms is not None).retry_at_ms
        is_banned = True
        running.service.retry_now()
        # It is told when the next attempt may be made, not that it is made now.
        later = running.until(lambda status: status.retry_at_ms != first).retry_at_ms
        assert first - later == pytest.approx(1000 * AN_HOUR_S / 2, rel=0.1)


def test_a_service_that_is_stopped_has_nothing_to_try(tmp_path):
    stopped = service(tmp_path / "record.sqlite3", Exchange())
    stopped.retry_now()
    assert stopped.status().interrupted_since_ms is None


def test_a_reader_says_what_nobody_records(tmp_path):
    with Exchange() as exchange, RunningService(service(tmp_path / "record.sqlite3", exchange)) as recording:
        began_ms = recording.until(lambda status: status.state in FLOWING).recording_since_ms
        both = service(tmp_path / "record.sqlite3", exchange, ("BTCUSDT", "ETHUSDT"))
        with RunningService(both) as reading:
            status = reading.until(lambda status: status.unrecorded)
            assert status.unrecorded == ("ETHUSDT",)
            assert status.interrupted_since_ms is None
            assert status.recording_since_ms <= began_ms
