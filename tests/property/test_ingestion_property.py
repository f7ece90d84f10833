"""Whatever the bytes are, the decoder answers or raises its own error; what is encoded is read back to the bit."""

from __future__ import annotations

import json

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from support.frames import encode

from Heatmap.errors import FrameError
from Heatmap.events import LiquidationEvent, Side
from Heatmap.ingestion.backoff import WINDOW_S, Backoff
from Heatmap.ingestion.binance import kline
from Heatmap.ingestion.binance.forceorder import ControlReply, Ignored, decode
from Heatmap.ingestion.venue import CandleUpdate, MarketHeartbeat

ANSWERS = (LiquidationEvent, MarketHeartbeat, ControlReply, Ignored)
MANY = settings(max_examples=1000, deadline=None)

numbers = st.floats(min_value=1e-12, max_value=1e15, allow_nan=False)
times = st.integers(min_value=1_546_300_800_000, max_value=4_102_444_799_999)
symbols = st.from_regex(r"[A-Z0-9牛来]{1,20}(_[0-9]{6})?", fullmatch=True)


@st.composite
def events(draw):
    price, qty = draw(numbers), draw(numbers)
    return LiquidationEvent(
        ts_ms=draw(times),
        symbol=draw(symbols),
        side=draw(st.sampled_from(Side)),
        price=price,
        qty=qty,
        notional=price * qty,
        source=draw(st.sampled_from(["binance", "demo"])),
        order_price=draw(st.none() | numbers),
        order_qty=draw(st.none() | numbers),
        event_ms=draw(st.none() | times),
        received_ms=draw(st.none() | times),
    )


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=12,
)
fields = st.sampled_from(
    ["e", "E", "o", "s", "S", "p", "ap", "q", "z", "T", "st", "stream", "data", "code", "result", "k"]
)
frames = st.dictionaries(fields, json_values, max_size=6)


@st.composite
def damaged_frames(draw):
    """A good frame with some of its values replaced by anything."""
    payload = json.loads(encode(draw(events())))
    payload["o"].update(draw(st.dictionaries(st.sampled_from(sorted(payload["o"])), json_values, max_size=3)))
    payload.update(draw(st.dictionaries(st.sampled_from(["e", "E", "o", "st"]), json_values, max_size=1)))
    return {"stream": "x", "data": payload} if draw(st.booleans()) else payload


def outcome(decoder, data):
    """Return the answer or the decoder's own error; anything else fails the test."""
    try:
        return decoder(data)
    except FrameError as error:
        return error


def check(data):
    answer = outcome(decode, data)
    if isinstance(answer, FrameError):
        assert answer.kind
        assert len(answer.excerpt) <= 200
    else:
        assert isinstance(answer, ANSWERS)
    # With the raw frame kept, every check is made one by one: the short way comes to the same.
    careful = outcome(lambda frame: decode(frame, keep_raw=True), data)
    if isinstance(careful, LiquidationEvent):
        careful = replace(careful, raw_json=None)
    assert careful == answer or str(careful) == str(answer)
    again = outcome(decode, data)  # the symbol is known now
    assert again == answer or str(again) == str(answer)
    if isinstance(answer, LiquidationEvent):
        assert 0 < answer.price < float("inf")
        assert 0 < answer.qty < float("inf")
        assert 0 < answer.notional < float("inf")
    assert isinstance(outcome(kline.decode_update, data), FrameError | CandleUpdate | None)


@MANY
@given(st.binary(max_size=400))
def test_bytes(data):
    check(data)


@MANY
@given(st.text(max_size=200))
def test_text(data):
    check(data)


@MANY
@given(json_values | frames)
def test_json(value):
    check(json.dumps(value))


@MANY
@given(damaged_frames())
def test_damaged_frames(value):
    check(json.dumps(value))


@MANY
@given(events(), st.booleans())
def test_what_is_encoded_is_read_back_to_the_bit(event, combined):
    data = encode(event, combined=combined)
    again = decode(data, received_ms=event.received_ms, source=event.source, keep_raw=True)
    assert again == replace(event, raw_json=data)


@given(st.lists(st.tuples(st.sampled_from(["fail", "deliver"]), st.floats(0, 1, exclude_max=True)), max_size=200))
def test_attempts_stay_within_the_limit_whatever_the_server_does(history):
    chances = iter([chance for _, chance in history] + [0.0])
    backoff = Backoff(chance=lambda: next(chances))
    now_s, attempts = 1000.0, []
    for outcome, _ in history:
        backoff.attempted(now_s)
        attempts.append(now_s)
        if outcome == "deliver":
            backoff.reset()
        now_s += backoff.next_delay_s(now_s)
    for index, start_s in enumerate(attempts):
        assert sum(1 for at_s in attempts[index:] if at_s < start_s + WINDOW_S - 1e-6) <= 10
