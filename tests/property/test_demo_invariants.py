"""What holds for every stretch of a demo market, simulated or replayed."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from Heatmap.demo.market import SimulatedMarket
from Heatmap.demo.price_series import DAY_MS, MINUTE_MS
from Heatmap.demo.recording import LEAD_MS, Recording
from Heatmap.demo.replay import MAX_DAYS, ReplayMarket
from Heatmap.demo.session import open_session
from Heatmap.errors import ReplayError
from Heatmap.events import Source
from Heatmap.vocabulary import INTERVALS_MS

NOW = 1_795_003_205_250
FIRST = NOW - 3 * DAY_MS
MARKET = SimulatedMarket()

moments = st.integers(FIRST, NOW)
intervals = st.sampled_from(sorted(INTERVALS_MS.values()))


def frame(ts_ms, price, quantity="0.010", side="SELL", average=None):
    order = {"s": "BTCUSDT", "S": side, "q": quantity, "p": price, "z": quantity, "T": ts_ms}
    if average is not None:
        order["ap"] = average
    return json.dumps({"e": "forceOrder", "E": ts_ms, "o": order})


def load(*lines: str | bytes) -> Recording:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "recording.jsonl"
        path.write_bytes(b"\n".join(line.encode() if isinstance(line, str) else line for line in lines))
        return Recording.load(path)


def assert_every_event_lies_in_its_candle(market, events, until_ms):
    for interval_ms in INTERVALS_MS.values():
        candles = {candle.open_ms: candle for candle in market.candles(interval_ms, market.earliest_ms, until_ms)}
        for event in events:
            candle = candles[event.ts_ms - event.ts_ms % interval_ms]
            assert candle.low <= event.price <= candle.high


@settings(deadline=None, max_examples=60)
@given(st.tuples(moments, moments, moments).map(sorted))
def test_a_range_of_liquidations_is_the_sum_of_its_parts(cuts):
    a, b, c = cuts
    parts = MARKET.liquidations(a, b) + MARKET.liquidations(b, c)
    assert MARKET.liquidations(a, c) == parts
    assert all(a <= event.ts_ms < c for event in parts)


@settings(deadline=None, max_examples=60)
@given(intervals, st.tuples(moments, moments).map(sorted), st.integers(0, 40))
def test_candles_are_sane_and_do_not_depend_on_the_range_asked(interval_ms, ends, part):
    start, end = ends
    candles = MARKET.candles(interval_ms, start, end)
    for candle in candles:
        assert candle.low <= min(candle.open, candle.close) <= max(candle.open, candle.close) <= candle.high
        assert start <= candle.open_ms < end
        assert candle.open_ms % interval_ms == 0
        assert candle.volume >= 0
    expected = max(-(-end // interval_ms) - -(-start // interval_ms), 0)
    assert len(candles) == expected
    assert MARKET.candles(interval_ms, start + part * interval_ms, end) == candles[part:]


@settings(deadline=None, max_examples=60)
@given(intervals, moments)
def test_candle_and_price_agree_at_every_moment(interval_ms, at_ms):
    candle = MARKET.candle_at(interval_ms, at_ms)
    assert candle.open_ms <= at_ms < candle.open_ms + interval_ms
    assert candle.close == MARKET.price_at(at_ms)
    assert candle.low <= candle.close <= candle.high
    assert candle.open == MARKET.price_at(candle.open_ms)


@pytest.mark.parametrize("seed", range(3))
def test_simulated_liquidations_keep_the_rules_of_the_feed(seed):
    market = SimulatedMarket(seed=seed)
    events = market.liquidations(FIRST, NOW)
    times = [event.ts_ms for event in events]
    assert min(after - before for before, after in pairwise(times)) >= 1_000
    for event in events:
        assert event.price == market.price_at(event.ts_ms)
        beyond = event.order_price / event.price - 1
        assert 0.0024 < (-beyond if event.side.liquidates_long else beyond) < 0.0046
    candles = {candle.open_ms: candle for candle in market.candles(MINUTE_MS, FIRST - MINUTE_MS, NOW)}
    for event in events:
        candle = candles[event.ts_ms - event.ts_ms % MINUTE_MS]
        assert candle.low <= event.price <= candle.high


prices = st.integers(5_000_000, 12_000_000).map(lambda cents: f"{cents // 100}.{cents % 100:02d}")
averages = st.none() | st.integers(5_000_000_000, 12_000_000_000).map(lambda n: f"{n // 100_000}.{n % 100_000:05d}")
gaps = st.one_of(st.integers(0, 3_000), st.integers(0, 3_600_000), st.integers(0, 10**11))
recorded = st.lists(st.tuples(gaps, prices, averages, st.sampled_from(["BUY", "SELL"])), min_size=1, max_size=25)


@settings(deadline=None, max_examples=25)
@given(recorded, st.integers(0, DAY_MS))
def test_a_replay_runs_through_every_event_and_changes_nothing_but_times(rows, later_ms):
    now_ms = NOW + later_ms
    at_ms, lines, raw = 1_600_000_000_000, [], []
    for gap_ms, price, average, side in rows:
        at_ms += gap_ms
        lines.append(frame(at_ms, price, side=side, average=average))
        raw.append((at_ms, price, average, side))
    recording = load(*lines)
    shifted = recording.shifted(now_ms)
    market = ReplayMarket(shifted)
    events = market.liquidations(0, now_ms)

    assert len(events) == len(rows)
    assert events[-1].ts_ms == now_ms - LEAD_MS
    assert events[-1].ts_ms - events[0].ts_ms <= 40 * 3_600_000
    for (before, after), (was_before, was_after) in zip(pairwise(events), pairwise(raw), strict=True):
        was_gap, gap = was_after[0] - was_before[0], after.ts_ms - before.ts_ms
        assert min(was_gap, 1_000) <= gap <= was_gap
    for event, (_, price, average, side) in zip(events, raw, strict=True):
        assert (event.price, event.side, event.order_price) == (float(average or price), side, float(price))
        assert event.source == Source.REPLAY
    wires = [json.loads(text)["o"] for text in market.backlog()]
    assert [(o["T"], o["p"], o.get("ap"), o["S"]) for o in wires] == [
        (event.ts_ms, price, average, side) for event, (_, price, average, side) in zip(events, raw, strict=True)
    ]
    assert_every_event_lies_in_its_candle(market, events, now_ms)


def test_a_recorded_file_replays_whole(recorded):
    path = recorded / "btcusdt_liquidations_recorded.jsonl"
    lines = path.read_text().splitlines()
    recording = Recording.load(path)
    assert (len(recording.frames), recording.report()) == (len(lines), [])
    market = ReplayMarket(recording.shifted(NOW))
    events = market.liquidations(0, NOW)
    assert len({event.ts_ms for event in events}) == len(lines)
    assert events[0].ts_ms > NOW - 2 * DAY_MS
    assert_every_event_lies_in_its_candle(market, events, NOW)
    for text, line in zip(market.backlog(), lines, strict=True):
        played, was = json.loads(text)["o"], json.loads(line)["o"]
        assert played.pop("T") != was.pop("T")
        assert played == was


def test_a_replay_goes_on_gently_after_its_last_event():
    market = ReplayMarket(load(frame(NOW - LEAD_MS, "90000.00")))
    for interval_ms, days in ((MINUTE_MS, 1), (DAY_MS, 9)):
        candles = market.candles(interval_ms, NOW, NOW + days * DAY_MS)
        assert all(85_000 < candle.low <= candle.high < 95_000 for candle in candles)
        assert [candle.close for candle in candles[:-1]] == [candle.open for candle in candles[1:]]
    one_minute = market.candles(MINUTE_MS, NOW, NOW + 3_600_000)
    assert max(candle.high for candle in one_minute) > min(candle.low for candle in one_minute)
    again = ReplayMarket(load(frame(NOW - LEAD_MS, "90000.00")))
    assert again.price_at(NOW + 6 * DAY_MS) == market.price_at(NOW + 6 * DAY_MS)


def test_a_replay_of_a_cheap_coin_has_fine_enough_ticks():
    lines = [
        '{"e":"forceOrder","o":{"s":"XRPUSDT","S":"BUY","q":"127.2","p":"1.4984","ap":"1.4912","z":"127.2","T":1791091174219}}',
        '{"e":"forceOrder","o":{"s":"XRPUSDT","S":"SELL","q":"9","p":"1.49","ap":"1.495137","z":"9","T":1791091374219}}',
    ]
    market = ReplayMarket(load(*lines).shifted(NOW))
    assert (market.instrument.symbol, market.instrument.tick_size, market.instrument.lot_size) == (
        "XRPUSDT",
        "0.0001",
        "0.1",
    )
    assert_every_event_lies_in_its_candle(market, market.liquidations(0, NOW), NOW)


def test_a_replay_survives_absurd_leaps():
    prices = ["0.00000001", "999999999.99", "0.00000001"]
    market = ReplayMarket(load(*(frame(NOW + row * 10**9, price) for row, price in enumerate(prices))).shifted(NOW))
    assert_every_event_lies_in_its_candle(market, market.liquidations(0, NOW), NOW)


def test_an_unshifted_recording_of_years_is_refused():
    with pytest.raises(ValueError, match=f"at most {MAX_DAYS} days"):
        ReplayMarket(load(frame(NOW - 400 * DAY_MS, "90000.00"), frame(NOW, "90000.00")))


@settings(deadline=None, max_examples=200)
@given(
    st.lists(
        st.binary(max_size=60)
        | st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(
                    st.sampled_from(["e", "o", "s", "S", "T", "p", "ap", "z", "q", "st", "data"]), inner, max_size=6
                )
            ),
            max_leaves=12,
        ).map(lambda value: json.dumps(value).encode()),
        max_size=4,
    )
)
def test_no_content_of_a_file_does_more_than_refuse_it(lines):
    good = frame(NOW, "90000.00")
    text = [line.replace(b"\n", b" ").replace(b"\r", b" ") for line in lines]
    recording = load(good, *text)
    assert len(recording.frames) + recording.skipped_count == recording.lines
    if len(recording.frames) == 1:  # nothing but the good line can be played
        with pytest.raises(ReplayError):
            load(*text)


@settings(deadline=None, max_examples=300)
@given(st.binary(max_size=80) | st.text(max_size=80))
def test_no_message_of_a_client_does_more_than_get_an_answer(message):
    session = open_session("/market/ws", ("BTCUSDT",))
    assert session is not None
    answer = json.loads(session.receive(message).texts[0])
    assert "code" in answer or "id" in answer
