"""Messages of the exchanges: streams, candles, lists of contracts, histories of orders."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

from fuzz.target import Target
from Heatmap.errors import FeedError, FrameError
from Heatmap.events import FIRST_PLAUSIBLE_MS, LAST_PLAUSIBLE_MS, LiquidationEvent, Side
from Heatmap.ingestion.binance import forceorder
from Heatmap.ingestion.contracts import ContractSize, ContractSizes
from Heatmap.ingestion.venues import VENUES

if TYPE_CHECKING:
    from collections.abc import Callable

    from fuzz.mutation import Mutator
    from Heatmap.candle import Candle
    from Heatmap.ingestion.venue import FeedSession, FrameContent, Instruments

DATA: Final = Path(__file__).parents[1] / "data"
SEEDS: Final = Path(__file__).parent / "seeds"
NOW_MS: Final = 1_791_565_601_000
SYMBOLS: Final = ("BTCUSDT", "ETHUSDT", "HEIUSDT")
_SYMBOL: Final = re.compile(r"[^\Wa-z]{1,40}")


def _lines(path: Path) -> tuple[bytes, ...]:
    return tuple(line for line in path.read_bytes().splitlines() if line)


BINANCE: Final = _lines(DATA / "forceorder_frames.jsonl") + _lines(DATA / "other_frames.jsonl")
STREAMS: Final = {
    "binance": BINANCE,
    **{name: _lines(SEEDS / f"stream_{name}.jsonl") for name in ("bybit", "okx", "gate")},
}
ANSWERS: Final = {name: _lines(SEEDS / f"answers_{name}.jsonl") for name in VENUES}
"""Answers to REST requests, and candles of streams."""


def check_event(event: LiquidationEvent) -> None:
    """Assert that an event may be stored and shown."""
    assert type(event.ts_ms) is int
    assert FIRST_PLAUSIBLE_MS <= event.ts_ms < LAST_PLAUSIBLE_MS
    assert isinstance(event.side, Side)
    for number in (event.price, event.qty, event.notional):
        assert isinstance(number, float | int)
        assert 0.0 < number < math.inf
    for number in (event.order_price, event.order_qty):
        assert number is None or 0.0 < number < math.inf
    for time_ms in (event.event_ms, event.received_ms):
        assert time_ms is None or FIRST_PLAUSIBLE_MS <= time_ms < LAST_PLAUSIBLE_MS
    # Neither a formula of a spreadsheet, nor mark-up, nor a line of a log.
    assert _SYMBOL.fullmatch(event.symbol), event.symbol
    (event.symbol + (event.raw_json or "")).encode()


def check_fault(error: FrameError | FeedError) -> None:
    """Assert that an error may be logged, shown and stored."""
    assert len(str(error)) <= 2000, len(str(error))
    assert len(error.short) <= 2000
    str(error).encode()


def _check_candle(candle: Candle) -> None:
    for price in (candle.open, candle.high, candle.low, candle.close):
        assert 0.0 < price < math.inf
    assert 0.0 <= candle.volume < math.inf
    assert 0 < candle.open_ms <= candle.close_ms < LAST_PLAUSIBLE_MS


def sizes() -> ContractSizes:
    """Return contract sizes of the symbols of the seeds."""
    known = ContractSizes()
    known.update({symbol: ContractSize(0.01) for symbol in SYMBOLS})
    return known


class _Streams:
    """Sessions of one venue; each takes a few messages, and answers its own requests."""

    def __init__(self, name: str) -> None:
        self._venue = VENUES[name]
        self._source = name
        self._left = 0
        self._session: FeedSession | None = None

    def run(self, data: bytes) -> None:
        session = self._session
        if session is None or not self._left:
            raw = len(data) % 2 == 0
            asked = SYMBOLS if self._venue.counts_contracts or not len(data) % 3 else SYMBOLS[:1]
            session = self._session = self._venue.session(
                "wss://127.0.0.1:1", asked, source=self._source, keep_raw=raw, sizes=sizes()
            )
            self._left = 20
        self._left -= 1
        session.next_request(1.0)
        try:
            content = session.receive(data, NOW_MS)
        except FrameError as error:
            check_fault(error)
            raise
        self.check(content)
        session.overdue(2.0)

    def check(self, content: FrameContent) -> None:
        for event in content.events:
            check_event(event)
        for fault in content.faults:
            check_fault(fault)
        for beat in content.heartbeats:
            assert FIRST_PLAUSIBLE_MS <= beat.event_ms < LAST_PLAUSIBLE_MS
            assert _SYMBOL.fullmatch(beat.symbol), beat.symbol
        if content.refusal is not None:
            assert len(content.refusal.detail) <= 2000
            content.refusal.detail.encode()


def _decode_binance(data: bytes) -> None:
    """The codec alone, with bytes and with text."""
    for text in (data, data.decode("utf-8", "surrogateescape")):
        try:
            message = forceorder.decode(text, keep_raw=len(data) % 2 == 0)
        except FrameError as error:
            check_fault(error)
            if isinstance(text, str):
                raise
        else:
            if isinstance(message, LiquidationEvent):
                check_event(message)


def _check_instruments(listed: Instruments) -> None:
    assert all(0.0 < tick < math.inf for tick in listed.tick_sizes.values())
    assert all(_SYMBOL.fullmatch(symbol) for symbol in (*listed.tick_sizes, *listed.traded)), listed


def _answers_of(name: str) -> Callable[[bytes], None]:  # noqa: C901 - one function for each decoder
    """Return a function that gives one text to all decoders of a venue's answers."""
    venue = VENUES[name]

    def update(data: bytes) -> None:
        found = venue.candles.decode_update(data)
        if found is not None:
            _check_candle(found.candle)

    def history(data: bytes) -> None:
        for candle in venue.candles.decode_history(data, NOW_MS):
            _check_candle(candle)

    def back_fill(data: bytes) -> None:
        if venue.back_fill is not None:
            for event in venue.back_fill.decode(data, SYMBOLS, sizes(), name).events:
                check_event(event)

    def run(data: bytes) -> None:
        refusals = []
        for decode in (update, history, back_fill, lambda text: _check_instruments(venue.decode_instruments(text))):
            try:
                decode(data)
            except (FeedError, FrameError) as error:
                check_fault(error)
                refusals.append(error)
        if refusals:
            raise refusals[0]

    return run


def _maker(seeds: tuple[bytes, ...]) -> Callable[[Mutator], bytes]:
    def make(mutator: Mutator) -> bytes:
        seed = mutator.random.choice(seeds)
        return mutator.json_text(seed) if mutator.random.random() < 0.8 else mutator.raw(seed)

    return make


TARGETS: Final = (
    Target("codec binance", 0.1, (FrameError,), _maker(BINANCE), _decode_binance),
    *(
        Target(f"stream {name}", 0.1, (FrameError,), _maker(seeds), _Streams(name).run)
        for name, seeds in STREAMS.items()
    ),
    *(
        Target(f"answers {name}", 0.04, (FrameError, FeedError), _maker(seeds), _answers_of(name))
        for name, seeds in ANSWERS.items()
    ),
)
