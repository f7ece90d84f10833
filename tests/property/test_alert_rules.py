"""Alerts: what is large, what is a burst, and how repetition is limited, against slow oracles."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.record import T, event

from Heatmap.alert_rules import BASELINE_MS, EVERY_SYMBOL, MAX_AGE_MS, AlertRules, AlertSettings, SymbolRules
from Heatmap.errors import SettingsError
from Heatmap.events import Side

SPAN_S = 10
START = T - 3 * SPAN_S * 1000  # two windows before the first event, and what the last of them needs


def of(usd, at_ms, symbol="BTCUSDT", *, is_long=True):
    return event(at_ms, symbol=symbol, side=Side.SELL if is_long else Side.BUY, price=100.0, qty=usd / 100)


def settings(pause_s=1, symbol=EVERY_SYMBOL, **rules):
    return AlertSettings(pause_s=pause_s, rules={symbol: SymbolRules(burst_s=SPAN_S, **rules)})


def taken(rules, events):
    """Each alert with the number of its event; each event is delivered at its own time."""
    return [(number, alert) for number, each in enumerate(events) for alert in rules.take(each, each.ts_ms)]


amounts = st.lists(
    st.tuples(st.integers(0, 8_000), st.sampled_from([1_000, 5_000, 40_000, 90_000]), st.booleans()), max_size=60
)


def sequence(steps):
    at_ms, events = 0, []
    for step_ms, usd, is_long in steps:
        at_ms += step_ms
        events.append(of(usd, at_ms, is_long=is_long))
    return events


@given(amounts, st.sampled_from([1_000, 5_000, 50_000]), st.integers(1, 20))
def test_every_large_event_is_reported_or_counted(steps, least, pause_s):
    events = sequence(steps)
    alerts = taken(AlertRules(settings(pause_s, size=True, size_usd=least), START), events)
    reported = {number for number, _ in alerts}
    large = [number for number, each in enumerate(events) if each.notional >= least]
    assert reported <= set(large)
    assert [(each.usd, each.price, each.count) for _, each in alerts] == [
        (events[number].notional, 100.0, 1) for number, _ in alerts
    ]
    last, left_out = None, 0
    for number in large:
        now = events[number]
        is_again = last is not None and now.ts_ms - last.ts_ms < pause_s * 1000 and now.notional < 2 * last.notional
        assert (number in reported) != is_again
        if is_again:
            left_out += 1
        else:
            assert dict(alerts)[number].more == left_out
            last, left_out = now, 0


@given(amounts, st.sampled_from(["usd", "count"]), st.integers(1, 6))
def test_a_burst_is_what_the_sums_say(steps, measure, factor):
    events = sequence(steps)
    least = {"burst_least_usd": 100_000, "burst_least_count": 4}
    alerts = taken(AlertRules(settings(burst=True, burst_by=measure, burst_factor=factor, **least), START), events)
    last = None
    for number, now in enumerate(events):
        window = [each for each in events[: number + 1] if each.ts_ms > now.ts_ms - SPAN_S * 1000]
        begin = now.ts_ms - SPAN_S * 1000
        # The baseline is kept by whole seconds.
        base = [
            each for each in events[:number]
            if each.ts_ms <= begin and each.ts_ms // 1000 * 1000 >= begin - BASELINE_MS
        ]  # fmt: skip
        known_ms = min(begin - START, BASELINE_MS)
        size = (lambda some: sum(each.notional for each in some)) if measure == "usd" else len
        usual = size(base) / known_ms * SPAN_S * 1000
        floor = 100_000 if measure == "usd" else 4
        is_burst = size(window) >= floor and size(window) >= factor * usual
        found = [alert for at, alert in alerts if at == number]
        total = sum(each.notional for each in window)
        if not is_burst:
            assert found == []
        elif last is None or now.ts_ms - last[0] >= SPAN_S * 1000 or total >= 2 * last[1]:
            (alert,) = found
            assert (alert.count, alert.usd) == (len(window), pytest.approx(total))
            assert alert.long_usd == pytest.approx(sum(each.notional for each in window if each.is_long))
            last = now.ts_ms, total
        else:
            assert found == []


def test_a_busy_market_is_no_burst_and_five_times_as_much_is():
    rules = AlertRules(settings(burst=True, burst_by="count", burst_least_count=5, burst_factor=5), T)
    steady = [of(1000, 2_000 * number) for number in range(400)]  # five in ten seconds
    assert taken(rules, steady) == []
    rush = [of(1000, 800_000 + 100 * number) for number in range(40)]
    ((number, alert),) = taken(rules, rush)
    assert alert.count >= 25
    assert number < 25


def test_nothing_is_a_burst_before_the_usual_is_known():
    rules = AlertRules(settings(burst=True, burst_by="count", burst_least_count=5), T)
    assert taken(rules, [of(1000, 100 * number) for number in range(8)]) == []
    assert taken(rules, [of(1000, 2 * SPAN_S * 1000 + number) for number in range(50)])


def test_old_events_are_history():
    rules = AlertRules(settings(size=True, size_usd=1000, burst=True, burst_by="count", burst_least_count=2), START)
    for number in range(20):
        assert rules.take(of(1e6, number), T + number + MAX_AGE_MS + 1) == []
    assert rules.too_old == 20
    assert [alert.kind for alert in rules.take(of(1e6, 90_000), T + 90_000)] == ["size"]  # the others are no burst


def test_an_event_dated_ahead_does_not_stop_the_clock():
    rules = AlertRules(settings(burst=True, burst_by="count", burst_least_count=3), START)
    rules.take(of(1000, 86_400_000), T)
    assert rules.take(of(1000, 1), T + 1) == []
    assert [alert.count for alert in rules.take(of(1000, 2), T + 2)] == [3]


def test_a_symbol_has_its_own_rules_or_those_of_all():
    both = AlertSettings(
        rules={EVERY_SYMBOL: SymbolRules(size=True, size_usd=1000), "BTCUSDT": SymbolRules(size=True, size_usd=50_000)}
    )
    rules = AlertRules(both, T)
    events = [of(10_000, 0), of(10_000, 1, "ETHUSDT"), of(60_000, 2), of(10_000, 3, "XRPUSDT")]
    assert [number for number, _ in taken(rules, events)] == [1, 2, 3]
    assert not AlertSettings(rules={"BTCUSDT": SymbolRules()}).is_active
    assert taken(AlertRules(AlertSettings(), T), events) == []


def test_the_baseline_stays_while_other_rules_change():
    rules = AlertRules(settings(burst=True, burst_by="count", burst_least_count=5), T)
    taken(rules, [of(1000, 100 * number) for number in range(400)])
    rules.set_settings(settings(burst=True, burst_by="count", burst_least_count=6, size=True), T + 40_000)
    assert taken(rules, [of(1000, 40_000 + 100 * number) for number in range(100)]) == []  # as much as before
    rules.set_settings(settings(), T + 50_000)
    rules.set_settings(settings(burst=True, burst_by="count", burst_least_count=5), T + 60_000)
    assert taken(rules, [of(1000, 60_000 + number) for number in range(100)]) == []  # nothing is known any more


@given(st.integers(0, 1439), st.integers(0, 1439), st.integers(0, 1439))
def test_quiet_hours_run_round_the_clock(begin, end, minute):
    quiet = AlertSettings(quiet=True, quiet_from_min=begin, quiet_to_min=end)
    steps = range((end - begin) % 1440 or 1440)
    assert quiet.is_quiet_at(minute) == (minute in {(begin + step) % 1440 for step in steps})
    assert not AlertSettings(quiet_from_min=begin, quiet_to_min=end).is_quiet_at(minute)


def test_settings_survive_as_text_and_refuse_what_cannot_be():
    chosen = settings(burst=True, burst_by="count", size=True, size_usd=5_000_000)
    assert AlertSettings.from_text(chosen.to_text()) == chosen
    for text in (
        "",
        "{",
        "[]",
        '{"pause_s":0}',
        '{"rules":{"":{"size_usd":"x"}}}',
        '{"quiet_from_min":1440}',
        "\ud800",
        '{"other":' * 20_000,
    ):
        with pytest.raises(SettingsError):
            AlertSettings.from_text(text)
    with pytest.raises(SettingsError):
        chosen.replaced(pause_s=0)
