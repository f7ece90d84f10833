"""Another exchange needs a venue of a dozen lines, and no change to the recorder."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from support.exchange import LoopbackExchange
from support.service import RunningService

import Heatmap
from Heatmap.errors import FrameError
from Heatmap.events import LiquidationEvent, Side, Source
from Heatmap.heatmap_service import HeatmapService
from Heatmap.ingestion.venue import ConnectionPolicy, FeedSession, FrameContent, Instruments, MarketHeartbeat, Venue
from Heatmap.ingestion.venues import VENUES
from Heatmap.message_catalogue import catalogue
from Heatmap.reports import ConnectionState as State
from Heatmap.storage.sqlite.sqlite_store import SqliteStore
from Heatmap.vocabulary import LANGUAGES

T = 1_790_000_000_000
PACKAGE = Path(Heatmap.__file__).parent


class BarterSession(FeedSession):
    """Lines ``beat SYMBOL MS`` and ``SYMBOL MS PRICE QTY``, several in a frame."""

    def __init__(self, ws_url, symbols, *, source, **_options):
        self.url, self.source, self.unsent = f"{ws_url}/barter", source, [f"hear {symbol}" for symbol in symbols]

    def next_request(self, now_s):  # noqa: ARG002 - the protocol's
        return self.unsent.pop() if self.unsent else None

    def receive(self, data, received_ms):
        words = [line.split() for line in data.decode().splitlines()]
        if words == [["eh?"]]:
            raise FrameError("expected a line", kind="bad-line")
        beats = [MarketHeartbeat(symbol, int(ms)) for symbol, ms in (w[1:] for w in words if w[0] == "beat")]
        deals = [(w[0], int(w[1]), float(w[2]), float(w[3])) for w in words if len(w) == 4]
        events = [
            LiquidationEvent(ms, symbol, Side.SELL, price, qty, price * qty, self.source, received_ms=received_ms)
            for symbol, ms, price, qty in deals
        ]
        return FrameContent(events, beats)


BARTER = Venue(
    name="Barter",
    policy=ConnectionPolicy(symbols_per_connection=2, request_pause_s=0, keep_alive="still here"),
    session=BarterSession,
    base_urls=lambda ws_url, rest_url: (ws_url, rest_url),
    normalise_symbol=str.lower,
    instruments_url=lambda rest_url: f"{rest_url}/goods",
    decode_instruments=lambda body: Instruments(dict.fromkeys(body.decode().split(), 0.5)),
    candles=None,
)


class BarterExchange(LoopbackExchange):
    """Sends three events for each symbol that somebody wants to hear of, in one frame."""

    def __init__(self):
        super().__init__()
        self.heard = []

    def answer(self, connection, request):
        return connection.respond(200, "eggs\nmilk\nsalt") if request.path == "/goods" else None

    async def play(self, ws):
        assert ws.request.path == "/barter"
        async for message in ws:
            self.heard.append(message)
            if message.startswith("hear "):
                symbol = message.split()[1]
                await ws.send("eh?")
                lines = [f"beat {symbol} {T}", *(f"{symbol} {T + n} 2.5 4" for n in range(3)), f"pepper {T} 1 1"]
                await ws.send("\n".join(lines))
                await ws.send(f"beat {symbol} {T + 9000}")


def test_a_venue_of_a_dozen_lines_is_recorded(tmp_path, monkeypatch):
    monkeypatch.setitem(VENUES, "barter", BARTER)
    path, goods = tmp_path / "record.sqlite3", ("eggs", "milk", "salt")
    with BarterExchange() as exchange, RunningService(
        HeatmapService(path, ["EGGS", "milk", "Salt"], source="barter", **exchange.addresses)
    ) as running:  # fmt: skip
        status = running.until(lambda s: s.stored == 9 and s.state is State.LIVE and s.undecodable == 3)
        running.until(lambda _: running.service.tick_size("salt") == 0.5)
        assert (status.received, status.reconnects) == (9, 0)
        assert exchange.opened == 2  # two symbols on a socket
        assert running.service.symbols == goods
    assert sorted(set(exchange.heard)) == ["hear eggs", "hear milk", "hear salt", "still here"]
    with SqliteStore(path) as store:
        for symbol in goods:
            stored = store.window(symbol, "barter", 0, 2 * T)
            assert stored.ts_ms.tolist() == [T, T + 1, T + 2]
            [covered] = store.coverage(symbol, "barter", 0, 2 * T)
            assert (covered.start_ms, covered.end_ms) == (T, T + 7000)


# A venue is added in five files at most: its own module, its name in `events.Source`, one line in
# `ingestion/venues.py`, and its name in each catalogue of texts.


def test_the_recorder_imports_a_venue_in_one_place_only():
    outside = [PACKAGE / "ingestion" / "binance", PACKAGE / "demo", PACKAGE / "importing", PACKAGE / "commands"]
    importing = {
        str(path.relative_to(PACKAGE))
        for path in PACKAGE.rglob("*.py")
        if not any(folder in path.parents for folder in outside)
        and re.search(r"^\s*(from|import) .*\bbinance\b", path.read_text(encoding="utf-8"), re.MULTILINE)
    }
    assert importing == {"ingestion/venues.py"}


@pytest.mark.parametrize("language", LANGUAGES)
def test_each_source_has_a_name_in_each_language(language):
    texts = catalogue(language)
    assert all(f"settings.source.choice.{source}" in texts for source in Source)
