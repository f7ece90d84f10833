"""What ``heatmap doctor`` says of databases and endpoints that are well, dead or not what they seem."""

from __future__ import annotations

import argparse
import asyncio
import json
import sqlite3
import sys
from contextlib import asynccontextmanager, closing

import pytest
from websockets.asyncio.server import serve

from Heatmap.commands import doctor
from Heatmap.ingestion.venues import VENUES
from Heatmap.storage.database import database_of
from Heatmap.storage.sqlite.connection import open_writer
from Heatmap.storage.sqlite.migrations import open_database

RULES = {"symbols": [{"symbol": "BTCUSDT", "filters": [{"filterType": "PRICE_FILTER", "tickSize": "0.10"}]}]}
MARK_PRICE = {"e": "markPriceUpdate", "E": 1_790_000_000_000, "s": "BTCUSDT", "p": "85000.1"}


@asynccontextmanager
async def exchange(*frames):
    async def play(ws):
        for frame in frames:
            await ws.send(json.dumps(frame))
        await ws.wait_closed()

    def answer(connection, request):
        return None if request.path.startswith("/market/") else connection.respond(200, json.dumps(RULES))

    async with serve(play, "127.0.0.1", 0, process_request=answer, compression=None) as server:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"


def findings(*frames, symbol="btcusdt"):
    async def scenario():
        async with exchange(*frames) as place, asyncio.timeout(20):
            options = argparse.Namespace(symbol=symbol, ws_url=f"ws://{place}", rest_url=f"http://{place}")
            return await doctor.endpoint_findings(options)

    return asyncio.run(scenario())


def test_an_exchange_that_delivers_is_well():
    rest, streams = findings({"result": None, "id": 1}, MARK_PRICE)
    assert rest.is_well
    assert "tick size of BTCUSDT is 0.1" in rest.detail
    assert streams.is_well


def test_an_acknowledgement_is_no_market_data(monkeypatch):
    monkeypatch.setattr(doctor, "TIMEOUT_S", 0.3)
    _, streams = findings({"result": None, "id": 1})
    assert not streams.is_well
    assert "no market data" in streams.detail


def test_a_frame_that_does_not_decode_is_a_finding_and_no_traceback():
    _, streams = findings([])
    assert not streams.is_well


def test_a_symbol_that_cannot_be_is_a_sentence():
    assert [finding.is_well for finding in findings(symbol="BTC/USDT")] == [False]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "record.sqlite3"


def test_a_database_of_ours_is_well_and_a_missing_one_is_not_created(path):
    assert doctor.database_finding(database_of(path)).is_well
    assert not path.exists()
    open_database(path).close()
    assert doctor.database_finding(database_of(path)).is_well


def test_another_programs_database_is_not_ours_to_write(path):
    with closing(open_writer(path)) as connection:
        connection.execute("CREATE TABLE theirs (a)")
    before = path.read_bytes()
    finding = doctor.database_finding(database_of(path))
    assert not finding.is_well
    assert finding.detail == f"The database {path} belongs to another program."
    assert path.read_bytes() == before


def test_a_database_that_cannot_be_written_is_said_to_be_so(path, monkeypatch):
    open_database(path).close()

    def read_only(_path):
        # Permissions stop nobody who is root, so the file is opened as by one who may not write.
        return sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, isolation_level=None)  # noqa: TID251 - see above

    monkeypatch.setattr("Heatmap.storage.sqlite.migrations.open_writer", read_only)
    finding = doctor.database_finding(database_of(path))
    assert not finding.is_well
    assert "read-only" in finding.detail


SWAPS = {
    "code": "0",
    "data": [{"instId": "BTC-USDT-SWAP", "tickSz": "0.1", "ctVal": "0.01", "ctValCcy": "BTC", "ctType": "linear"}],
}


@pytest.mark.parametrize("is_needed", [True, False])
def test_each_venue_says_whether_it_lists_the_symbol(monkeypatch, is_needed):
    monkeypatch.setattr(doctor, "VENUES", {name: venue for name, venue in VENUES.items() if name in ("binance", "okx")})
    needed = ["binance", "okx"] if is_needed else ["binance"]

    async def ask(symbol):
        def answer(connection, request):
            return connection.respond(200, json.dumps(SWAPS)) if "instType=SWAP" in request.path else None

        async with serve(None, "127.0.0.1", 0, process_request=answer) as server:
            base = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            return await doctor.venue_findings(symbol, needed, {"okx": base})

    [known] = asyncio.run(ask("BTCUSDT"))
    assert (known.name, known.is_well, known.detail) == (
        "OKX", True, "lists BTCUSDT, tick size 0.1, one contract is 0.01 coins",
    )  # fmt: skip
    [unknown] = asyncio.run(ask("NOSUCHUSDT"))
    assert unknown.is_well is (False if is_needed else None)
    assert "no symbol NOSUCHUSDT" in unknown.detail
    [away] = asyncio.run(doctor.venue_findings("BTCUSDT", needed, {"okx": "http://127.0.0.1:9"}))
    assert away.is_well is (False if is_needed else None)
    assert "refuses" in away.detail


def test_only_the_venues_that_are_recorded_must_be_reached(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(doctor, "_graphics", list)
    monkeypatch.setattr(doctor, "VENUES", {name: venue for name, venue in VENUES.items() if name in ("binance", "okx")})
    parser = argparse.ArgumentParser()
    doctor.add_arguments(parser)
    away = ["--rest-url", "http://127.0.0.1:9", "--rest-url", "okx=http://127.0.0.1:9"]
    away += ["--ws-url", "ws://127.0.0.1:9", "--ws-url", "okx=ws://127.0.0.1:9"]
    for venue, marks in (("okx", ["-", "FAIL"]), ("binance", ["FAIL", "FAIL", "-"])):
        words = [*away, "--db", str(tmp_path / "record.sqlite3"), "--venue", venue]
        assert doctor.run(parser.parse_args(words)) == 1
        assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == ["ok", *marks]


def test_what_ended_the_check_of_the_graphics_is_shown(monkeypatch):
    broken = [sys.executable, "-c", "raise ImportError('libexample.so.1: cannot open shared object file')"]
    monkeypatch.setattr(doctor, "module_command", lambda _module: broken)
    monkeypatch.setenv("DISPLAY", ":none")
    for finding in doctor._graphics():
        assert not finding.is_well
        assert (
            finding.detail
            == "the check ended with code 1: ImportError: libexample.so.1: cannot open shared object file"
        )
