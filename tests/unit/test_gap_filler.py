"""Gaps of the record, the requests that fill them, and what of the answers is not stored yet."""

from __future__ import annotations

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st
from support.record import T, event

from Heatmap.events import Side
from Heatmap.gap_filler import Window, windows_of
from Heatmap.storage.coverage_gaps import gaps_before_newest
from Heatmap.storage.second_match import missing_events

_INTERVALS = st.lists(st.tuples(st.integers(1, 60), st.integers(0, 20)).map(lambda at: (at[0], at[0] + at[1])))


def test_a_gap_lies_between_intervals_and_has_their_bounds():
    assert gaps_before_newest([(50, 60), (10, 20)], [], 15) == [(20, 50)]
    assert gaps_before_newest([(50, 60), (10, 20)], [(20, 30), (45, 50)], 5) == [(5, 10), (30, 45)]
    # What came after the newest recorded interval began is being recorded.
    assert gaps_before_newest([(50, 60)], [(70, 80)], 55) == []
    assert gaps_before_newest([], [(10, 20)], 5) == []


@settings(max_examples=60)
@given(_INTERVALS, _INTERVALS, st.integers(1, 80))
def test_gaps_are_what_nothing_covers(recorded, claimed, from_ms):
    newest_ms = max((start for start, _ in recorded), default=0)
    # Half milliseconds tell the inside of intervals from their ends.
    inside = {
        moment
        for moment in range(2 * from_ms + 1, 2 * newest_ms, 2)
        if not any(2 * start < moment < 2 * end for start, end in (*recorded, *claimed))
    }
    gaps = gaps_before_newest(recorded, claimed, from_ms)
    assert {moment for start, end in gaps for moment in range(2 * start + 1, 2 * end, 2)} == inside


@given(st.dictionaries(st.sampled_from("AB"), _INTERVALS), st.integers(1, 7))
def test_windows_contain_all_gaps_and_nothing_twice(gaps, longest_s):
    gaps = {symbol: [(start * 500, end * 500) for start, end in some if end > start] for symbol, some in gaps.items()}
    windows = list(windows_of(gaps, longest_s))
    seconds = [second for window in windows for second in range(window.first_s, window.last_s + 1)]
    assert sorted(seconds, reverse=True) == sorted(set(seconds), reverse=True)
    assert all(0 <= window.last_s - window.first_s < longest_s for window in windows)
    assert [window.last_s for window in windows] == sorted((window.last_s for window in windows), reverse=True)
    for symbol, intervals in gaps.items():
        parts = [part for window in windows for part in window.parts(gaps).get(symbol, ())]
        covered = Counter(tick for start, end in parts for tick in range(start, end, 500))
        assert covered == Counter(tick for start, end in intervals for tick in range(start, end, 500))


def test_near_gaps_are_asked_for_at_once():
    gaps = {"A": [(1000, 2000), (7000, 9500)], "B": [(8000, 12_000), (30_000, 31_000)]}
    assert list(windows_of(gaps, 11)) == [Window(30, 30), Window(1, 11)]
    assert list(windows_of(gaps, 4)) == [Window(30, 30), Window(8, 11), Window(7, 7), Window(1, 1)]


def test_a_window_that_is_too_full_is_asked_for_in_halves():
    assert Window(10, 19).halves() == (Window(15, 19), Window(10, 14))
    assert Window(10, 11).halves() == (Window(11, 11), Window(10, 10))


def row(one):
    return (one.ts_ms, one.symbol, one.side.value, one.price, one.qty)


def test_what_the_stream_stored_is_not_missing_and_alike_orders_are_counted():
    base = T - T % 1000
    stored = [event(base - T + 120), event(base - T + 340), event(base - T + 700, side=Side.BUY)]
    listed = [event(base - T)] * 3 + [
        event(base - T, price=1.0),
        event(base - T, symbol="ETHUSDT"),
        event(base - T + 1000),
    ]
    missing = list(missing_events(listed, map(row, stored)))
    assert [(one.ts_ms - base, one.price, one.symbol) for one in missing] == [
        (0, 85_000.5, "BTCUSDT"), (0, 1.0, "BTCUSDT"), (0, 85_000.5, "ETHUSDT"), (1000, 85_000.5, "BTCUSDT"),
    ]  # fmt: skip
    # The same again: nothing.
    assert list(missing_events(listed, map(row, [*stored, *missing]))) == []


@settings(max_examples=40)
@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 999), st.sampled_from([1.0, 2.0])), unique=True), st.data())
def test_stored_and_missing_together_are_the_exchanges_book(book, data):
    base = T - T % 1000
    orders = [event(base - T + second * 1000 + ms, price=price) for second, ms, price in book]
    stored = data.draw(st.sets(st.sampled_from(orders)) if orders else st.just(set()))
    listed = [event(one.ts_ms // 1000 * 1000 - T, price=one.price) for one in data.draw(st.permutations(orders))]
    missing = list(missing_events(listed, map(row, stored)))
    together = [*stored, *missing]
    assert len({row(one) for one in together}) == len(together)
    by_second = Counter((one.ts_ms // 1000, one.price) for one in together)
    assert by_second == Counter((one.ts_ms // 1000, one.price) for one in orders)
